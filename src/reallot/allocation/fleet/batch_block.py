"""Hosts that arrays hold, answered by the batch kernel: one sort for each host, all at once."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...problem.arrays import BoolArray, FloatArray, IntArray
from ...problem.effective import PRESENT
from ...solvers.numba import dispatch
from ...solvers.single_period.batch import Answers, BatchStatus, Inputs, solve
from .block import ROUNDING, BlockAnswer
from .rows import SharedRows

DROWNED = 1e6
"""A cost above so many times what anything earns is cut by the kernel, as for a single host."""
LARGE_GAP = 1e-14
"""A certified gap above this counts by itself; smaller ones count as rounding does, the largest for all."""
COMPILED_PAYS = 20_000
"""Hosts times protocols from which compiled code is worth loading: it answers some twenty times."""


class BatchBlock:
    """Every host of `shared` is a unit; `counts` says how many equal hosts each one stands for.

    Without `money` hosts only choose how to use least of what is priced, whatever it earns or costs.
    """

    def __init__(self, shared: SharedRows, counts: FloatArray, *, solver: str = "", money: float = 1.0) -> None:
        self.money = money
        self.shared, self.weights, self.places = shared, counts, shared.places
        self.whole = any(row.kind == "moving" for row in shared.rows)
        count, size = shared.table.shape
        many = count * size >= COMPILED_PAYS and dispatch.available()
        self.solver = solver or ("numba" if many else "numpy")

    @cached_property
    def _scale(self) -> FloatArray | None:
        """(hosts, 1) capacity of each host where one is not 1; the kernel decides on parts of it."""
        total = self.shared.table.total
        return None if (np.abs(total - 1.0) <= PRESENT).all() else np.maximum(total, 1e-300)[:, None]

    @cached_property
    def _with_idle(self) -> bool:
        return bool(self.shared.table.idle.any())

    @cached_property
    def can_stay(self) -> BoolArray:
        """(hosts,) True where the present shares meet the host's own rules."""
        table = self.shared.table
        inside = ((table.lower <= table.current) & (table.current <= table.upper)) | ~table.there
        present = table.current.sum(axis=1)
        fits = (present == table.total) | (table.idle & (present <= table.total))
        stays: BoolArray = inside.all(axis=1) & fits
        return stays

    @cached_property
    def _fixed(self) -> dict[str, NDArray[Any] | None]:
        """What prices do not change: the arguments of the kernel by name."""
        table = self.shared.table
        limits = {"current": table.current, "lower": table.lower, "upper": table.upper, "max_change": table.max_change}
        turnover = table.turnover if np.isfinite(table.turnover).any() else None
        if self._scale is not None:
            limits = {name: values / self._scale for name, values in limits.items()}
            turnover = None if turnover is None else turnover / self._scale[:, 0]
        mask = None if table.there.all() else table.there
        if self._with_idle:
            idle = table.idle[:, None]
            left = np.maximum(1.0 - limits["current"].sum(axis=1, keepdims=True), 0.0) * idle
            limits["current"] = np.hstack([limits["current"], left])
            limits["lower"] = np.hstack([limits["lower"], 0.0 * left])
            limits["upper"] = np.hstack([limits["upper"], np.where(idle, np.inf, 0.0)])
            limits["max_change"] = np.hstack([limits["max_change"], np.full(left.shape, np.inf)])
            mask = np.hstack([table.there, idle])
        return {**limits, "max_turnover": turnover, "mask": mask}

    def _inputs(self, prices: FloatArray, rows: IntArray | None = None) -> Inputs:
        """The hosts' problems at these prices, all of them or some."""
        shared = self.shared if rows is None else self.shared.within(rows)
        table, charges = shared.table, shared.charges(prices)
        hours = table.hours[:, None]
        rates = (table.rate if self.money == 1.0 else self.money * table.rate) - charges.share / hours
        cost = table.cost_in * (self.money + charges.paid) + charges.moved
        if not self.shared.table.is_symmetric:
            into, out = cost + self.money * table.lost, table.cost_out * (self.money + charges.paid) + charges.moved
            cost, rates = 0.5 * (into + out), rates - 0.5 * (into - out) / hours
        if self._scale is not None:
            scale = self._scale if rows is None else self._scale[rows]
            rates, cost = rates * scale, cost * scale
        if self._with_idle:
            # idle capacity earns nothing and is charged for nothing, but for the half of a cost that rates carry
            nothing = np.zeros((len(rates), 1))
            rates, cost = np.hstack([rates, nothing]), np.hstack([cost, nothing])
        fixed = {
            name: None if values is None else values if rows is None else values[rows]
            for name, values in self._fixed.items()
        }
        shape = (rates.shape[0], rates.shape[1])
        return Inputs(shape, rates=rates, move_cost=cost, held=None, horizon_hours=table.hours, **fixed)  # type: ignore[arg-type]

    def _found(self, answers: Answers, rows: IntArray | None = None) -> FloatArray:
        """Shares (hosts, protocols) in the hosts' own units."""
        found = answers.shares[:, : self.shared.table.shape[1]]
        if self._scale is None:
            return found
        return found * (self._scale if rows is None else self._scale[rows])

    def _solved(self, inputs: Inputs) -> Answers:
        """The kernel's answers; straight from compiled code where no cost drowns all other numbers."""
        if self.solver != "numba" or self._drowned:
            return solve(inputs, self.solver)
        count, size = inputs.shape
        numbers = {name: np.empty(count) for name in ("net_benefit", "earnings_per_hour", "cost", "gap", "residual")}
        answers = Answers(
            shares=np.empty((count, size)),
            capacity_price=np.empty((count, 2)),
            status=np.empty(count, dtype=np.int8),
            solver="numba",
            solver_reason="asked for",
            **numbers,
        )
        dispatch.fill_batch(inputs.whole(), answers)
        return answers

    @cached_property
    def _drowned(self) -> bool:
        """True where a cost is many times what anything earns."""
        table = self.shared.table
        return float((table.cost_in + table.cost_out).max()) > DROWNED * float(np.abs(table.gain()).max())

    def answer(self, prices: FloatArray) -> BlockAnswer:
        """The best answer of every host at these prices."""
        inputs = self._inputs(prices)
        answers = self._solved(inputs)
        use = self.shared.added(self._found(answers))
        failed = answers.status != BatchStatus.OPTIMAL
        worth = answers.net_benefit
        worth[failed] = 0.0
        if self.whole:
            worth = worth - self.shared.charges(prices).host * use[:, self._moving]
            stays = (worth <= 0.0) & self.can_stay
            worth[stays], use[stays] = 0.0, 0.0
        value = worth.copy()
        for k, price in enumerate(prices.tolist()):
            if price > 0.0:
                value += price * use[:, k]
        bound = float((worth * self.weights).sum()) + self._unproved(inputs, answers, prices)
        return BlockAnswer(bound, value, use, failed)

    @cached_property
    def _moving(self) -> int:
        return next(k for k, row in enumerate(self.shared.rows) if row.kind == "moving")

    def _unproved(self, inputs: Inputs, answers: Answers, prices: FloatArray) -> float:
        """USD by which the answers together may miss the best: what rounding may, and their own certified gaps."""
        gap = np.where(np.isnan(answers.gap), 0.0, answers.gap)
        large = np.flatnonzero(gap > LARGE_GAP)
        own = 0.0
        if large.size:
            hours = inputs.horizon_hours[large] if inputs.horizon_hours.size > 1 else inputs.horizon_hours
            gain = np.abs(inputs.rates[large] * hours[:, None]).max(axis=1)
            objective = np.abs(answers.earnings_per_hour[large] * hours - answers.cost[large])
            scale = np.maximum(np.maximum(gain, inputs.move_cost[large].max(axis=1)), objective)
            own = float((gap[large] * scale * self.weights[large]).sum())
            gap[large] = 0.0
        return own + (ROUNDING + float(gap.max(initial=0.0))) * self._handled(prices)

    def shares(self, prices: FloatArray, units: IntArray) -> tuple[IntArray, FloatArray]:
        """Rows of `places`, and the shares of these hosts at the prices."""
        answers = self._solved(self._inputs(prices, units))
        found = self._found(answers, units)
        if self.whole:
            moves = (found != self.shared.table.current[units]).any(axis=1)
            worth = answers.net_benefit - self.shared.charges(prices).host * moves
            stays = (worth <= 0.0) & self.can_stay[units]
            found = np.where(stays[:, None], self.shared.table.current[units], found)
        return units, found

    def hosts_of(self, units: IntArray) -> IntArray:
        """Every row is a unit."""
        return np.arange(units.size)

    def hosts_at(self, units: IntArray) -> IntArray:
        """Places of these hosts in the fleet."""
        return self.places[units]

    @cached_property
    def _sizes(self) -> tuple[float, FloatArray]:
        """Money that the hosts handle without prices, and units that they may use of each row, all together."""
        table = self.shared.table
        reach = np.maximum(table.total, 1.0)
        own = np.abs(table.gain()).max(axis=1) + (table.cost_in + table.cost_out + table.lost).max(axis=1)
        size = self.shared.sizes
        uses = []
        for k, row in enumerate(self.shared.rows):
            if row.kind == "budget":
                uses.append(float((self.weights * reach * (table.cost_in + table.cost_out).max(axis=1)).sum()))
            elif k in self.shared.weights:
                uses.append(float((self.weights * reach * self.shared.weights[k].max(axis=1)).sum()))
            else:
                uses.append(float((self.weights * reach * size).sum()))
        return float((self.weights * reach * own).sum()) * table.shape[1], np.array(uses) * table.shape[1]

    def _handled(self, prices: FloatArray) -> float:
        money, uses = self._sizes
        return money + float(prices @ uses)
