"""allocate_many: many independent problems given as arrays and answered as arrays; one of them as a plan on request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InvalidInput
from ..problem import AllocationProblem, Limits, ProtocolSpec
from ..problem.effective import PRESENT
from ..problem.tiers import Tiers
from ..problem.validation import LARGEST, in_order, number_array, whole
from ..solvers.single_period.batch import Answers, BatchStatus, Inputs, solve
from ..solvers.single_period.batch_tiers import BatchTiers, as_pairs, solve_in_tiers
from .allocate import allocate
from .far_rates import FAR, LARGE
from .pandas_labels import aligned
from .result import Allocation

MOST_COLUMNS = 12
"""Protocols up to which HTML shows the shares of each."""


@dataclass(frozen=True, eq=False, repr=False)
class BatchResult(Answers):
    """Answers to many problems, as arrays; money is USD over the horizon of each problem.

    Parameters
    ----------
    shares
        (problems, protocols) the plans; the present shares where a problem is infeasible.
    net_benefit
        (problems,) worth of the plan less the worth of staying (USD); NaN where infeasible.
    earnings_per_hour
        (problems,) earnings of the plan (USD/h); NaN where infeasible.
    cost
        (problems,) cost of the moves (USD); NaN where infeasible.
    capacity_price
        (problems, 2) shadow price of capacity (USD/h per unit): of one more unit, and of the last one. Infinite where
        capacity cannot move that way, NaN where infeasible.
    status
        (problems,) values of BatchStatus.
    gap
        (problems,) (bound from prices - objective) / money at stake; NaN where infeasible.
    residual
        (problems,) worst violation of a bound, of capacity, largest change or turnover (share).
    solver, solver_reason
        "numpy" or "numba" (compiled, the same answers), and why.
    inputs
        The arguments, broadcast.
    names
        Names of the protocols where an argument was labelled. None elsewhere.
    tiers
        The tiers of `move_cost` after the first. None where there are none.
    plan_fee
        Fee of a plan of each problem (USD), paid where anything moves. None where there is none.
    directions
        Limits of changes by direction, and as a part of the present share, by name, (problems, protocols) each.

    Examples
    --------
    >>> from reallot import allocate_many
    >>> many = allocate_many([[2.0, 1.0], [1.0, 1.0]], [[0.3, 0.7]], max_change=0.2)
    >>> many.status.tolist(), many.cost.tolist()
    ([0, 0], [0.0, 0.0])
    """

    inputs: Inputs = field(repr=False)
    names: tuple[str, ...] | None = None
    tiers: BatchTiers | None = field(default=None, repr=False)
    plan_fee: np.ndarray[Any, np.dtype[np.float64]] | None = field(default=None, repr=False)
    directions: Mapping[str, np.ndarray[Any, np.dtype[np.float64]]] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        counts = [f"{int((self.status == status).sum())} {status.name.lower()}" for status in BatchStatus]
        size = f"{len(self)} problems of {self.shares.shape[1]} protocols"
        return f"<BatchResult: {size} by {self.solver}, {', '.join(counts)}>"

    def _repr_html_(self) -> str:
        from ..text.html_tables import result_as_html

        figures = ("net_benefit", "earnings_per_hour", "cost", "gap")
        names = self.names or tuple(f"p{i}" for i in range(self.shares.shape[1]))
        beside = names if len(names) <= MOST_COLUMNS else ()
        rows = [
            [k, BatchStatus(self.status[k]).name.lower()]
            + [None if np.isnan(value := getattr(self, name)[k]) else float(value) for name in figures]
            + self.shares[k, : len(beside)].tolist()
            for k in range(len(self))
        ]
        head = ["problem", "status", *figures, *beside]
        about = f"USD over each problem's horizon; {self.solver}: {self.solver_reason}"
        return result_as_html(f"{len(self)} problems of {len(names)} protocols", head, rows, about=about)

    def __len__(self) -> int:
        return len(self.status)

    def problem(self, k: int, names: Sequence[str] | None = None) -> AllocationProblem:
        """Return one problem of the batch as a record of its own.

        Columns that are masked are left out. Ties go by name there and by column here: keep names in order.

        Parameters
        ----------
        k
            Number of the problem, from 0.
        names
            Names of all columns; else their labels, else "p0", "p1", ...

        Returns
        -------
        AllocationProblem
            The problem, ready for `allocate`.
        """
        count, size = self.shares.shape
        k = whole(k, "the problem's number", -count)
        if not -count <= k < count:
            raise InvalidInput(f"there is no problem {k}; the batch has {count}")
        row, named = self.inputs.row(k % count), self.names if names is None else in_order(names, "names", "names")
        if named is None:
            named = [f"p{i:0{len(str(size - 1))}d}" for i in range(size)]
        if len(named) != size:
            raise InvalidInput(f"names has {len(named)} entries; the batch has {size} protocols")
        there = [(i, name) for i, name in enumerate(named) if row["mask"][i]]
        specs = [
            ProtocolSpec(
                name,
                float(row["rates"][i]),
                min_share=float(row["lower"][i]),
                max_share=float(row["upper"][i]) if np.isfinite(row["upper"][i]) else None,
                move_cost=self._cost(k % count, i, float(row["move_cost"][i])),
            )
            for i, name in there
        ]
        change, turnover = row["max_change"], float(row["max_turnover"])
        limits = Limits(
            max_change={name: float(change[i]) for i, name in there if np.isfinite(change[i])} or None,
            max_turnover=turnover if np.isfinite(turnover) else None,
            held=[name for i, name in there if row["held"][i]],
            plan_fee=0.0 if self.plan_fee is None else float(self.plan_fee[k]),
            **self._directions(k, there),  # type: ignore[arg-type]
        )
        current = {name: float(row["current"][i]) for i, name in there}
        return AllocationProblem(specs, current, horizon_hours=float(row["horizon_hours"]), limits=limits)

    def _directions(self, k: int, there: Sequence[tuple[int, str]]) -> dict[str, dict[str, float] | None]:
        return {
            key: {name: float(table[k, i]) for i, name in there if np.isfinite(table[k, i])} or None
            for key, table in self.directions.items()
        }

    def _cost(self, k: int, i: int, first: float) -> float | Tiers:
        return first if self.tiers is None else self.tiers.of_protocol(k, i, first)

    def allocation(self, k: int, names: Sequence[str] | None = None) -> Allocation:
        """Decide one problem of the batch again on its own, with prices and reasons.

        Parameters
        ----------
        k
            Number of the problem, from 0.
        names
            Names of all columns; else their labels, else "p0", "p1", ...

        Returns
        -------
        Allocation
            The certified plan.

        Raises
        ------
        Infeasible
            Where the status of the problem is INFEASIBLE; the error names the rules in conflict.

        Examples
        --------
        >>> from reallot import allocate_many
        >>> many = allocate_many([[2.0, 1.0], [1.0, 1.0]], [[0.3, 0.7]], max_change=0.2)
        >>> many.allocation(0, ["relay", "compute"]).shares.round(9).to_dict()
        {'relay': 0.5, 'compute': 0.5}
        """
        return allocate(self.problem(k, names))


def allocate_many(  # noqa: PLR0913  an argument for every number of a problem
    rates: ArrayLike,
    current: ArrayLike,
    *,
    lower: ArrayLike = 0.0,
    upper: ArrayLike = 1.0,
    max_change: ArrayLike | None = None,
    max_increase: ArrayLike | None = None,
    max_decrease: ArrayLike | None = None,
    max_change_relative: ArrayLike | None = None,
    held: ArrayLike | None = None,
    move_cost: ArrayLike | Tiers = 0.0,
    tiers: Sequence[tuple[ArrayLike, ArrayLike]] | None = None,
    plan_fee: ArrayLike = 0.0,
    max_turnover: ArrayLike | None = None,
    horizon_hours: ArrayLike = 1.0,
    mask: ArrayLike | None = None,
    solver: str = "auto",
) -> BatchResult:
    """Find the best split of many independent problems of one period and capacity 1.

    Every argument broadcasts to (problems, protocols), or to (problems,) for `max_turnover` and `horizon_hours`. Labels
    of pandas objects are aligned by name: rows of a DataFrame are problems and its columns protocols; a Series is by
    protocol, or by problem for those two. Answers are in the order of the first argument with labels.

    Parameters
    ----------
    rates
        Rates (USD/h per unit of share).
    current
        Shares now.
    lower, upper
        Bounds of the shares.
    max_change
        Largest absolute change (share). None is no limit.
    max_increase, max_decrease
        Largest increase, and largest decrease (share). None is no limit; 0 is one direction only.
    max_change_relative
        Largest change as a part of the present share. None is no limit.
    held
        True where the share may not change.
    move_cost
        Proportional cost of a change (USD per unit of share); or `Tiers` for all protocols of all problems.
    tiers
        (start, price) pairs after the first price, `move_cost`: what is above a change of `start` costs `price` (USD
        per unit of share). Starts and prices rise, and broadcast as other arguments do.
    plan_fee
        Fixed cost of a plan (USD), paid where anything moves: one number, or one per problem.
    max_turnover
        Largest turnover: half of the sum of absolute changes (increases and decreases each stay below it).
    horizon_hours
        Hours over which a move must pay.
    mask
        False where a problem has fewer protocols: that place holds nothing and counts for nothing.
    solver
        "numpy", "numba" (extra `fast`), or "auto": Numba where it is installed and the batch is large enough to pay for
        loading it.

    Returns
    -------
    BatchResult
        The answers. A problem without any split is marked INFEASIBLE and disturbs no other.

    Raises
    ------
    InvalidInput
        Where shapes do not broadcast, labels differ, a number is NaN, or a cost or share is negative.

    Notes
    -----
    Ties go to the present share, then to the earlier column.

    Examples
    --------
    >>> from reallot import allocate_many
    >>> many = allocate_many([[2.0, 1.0], [1.0, 1.0]], [[0.3, 0.7]], max_change=0.2)
    >>> many.shares.round(9).tolist(), many.net_benefit.round(9).tolist()
    ([[0.5, 0.5], [0.3, 0.7]], [0.2, 0.0])
    """
    if isinstance(move_cost, Tiers):
        if tiers is not None:
            raise InvalidInput("move_cost is Tiers and tiers are given as well; give one of them")
        move_cost, tiers = as_pairs(move_cost)
        tiers = tiers or None
    given, labels = aligned(
        {
            "rates": rates,
            "current": current,
            "lower": lower,
            "upper": upper,
            "max_change": max_change,
            "held": held,
            "move_cost": move_cost,
            "max_turnover": max_turnover,
            "horizon_hours": horizon_hours,
            "mask": mask,
        }
    )
    inputs = Inputs.of(**given)
    names = None if labels is None else tuple(map(str, labels))
    grades = None if tiers is None else BatchTiers.of(tiers, inputs.move_cost, inputs.shape)
    fees = _fees(plan_fee, inputs.shape[0])
    by_way = {"max_increase": max_increase, "max_decrease": max_decrease, "max_change_relative": max_change_relative}
    directions = {key: _limit(value, key, inputs.shape) for key, value in by_way.items() if value is not None}
    bounded = _bounded(inputs, directions) if directions else inputs
    answers = solve(bounded, solver) if grades is None else solve_in_tiers(bounded, grades, solver)
    more = {"names": names, "tiers": grades, "plan_fee": fees, "directions": directions}
    many = BatchResult(**vars(answers), inputs=inputs, **more)  # type: ignore[arg-type]
    if fees is not None:
        _pay(many, fees)
    for k in _with_far_rates(inputs):
        _decide_alone(many, k)
    for array in vars(many).values():
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    return many


def _limit(value: ArrayLike, key: str, shape: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A limit of change, broadcast to (problems, protocols); infinite is no limit."""
    array = number_array(value, key)
    if not (array >= 0.0).all():
        raise InvalidInput(f"{key} has an entry that is no number of at least 0; give infinity where there is no limit")
    try:
        return np.array(np.broadcast_to(array, shape))
    except ValueError:
        raise InvalidInput(
            f"{key} has shape {array.shape}; it must broadcast to (problems, protocols) {shape}"
        ) from None


def _bounded(inputs: Inputs, directions: Mapping[str, np.ndarray[Any, np.dtype[np.float64]]]) -> Inputs:
    """The batch with limits of increases and decreases as bounds of the shares."""
    current = np.broadcast_to(inputs.current, inputs.shape)
    part = directions.get("max_change_relative", np.inf)
    relative = np.where(np.isfinite(part), np.where(np.isfinite(part), part, 0.0) * current, np.inf)
    up = np.minimum(directions.get("max_increase", np.inf), relative)
    down = np.minimum(directions.get("max_decrease", np.inf), relative)
    lower, upper = np.maximum(inputs.lower, current - down), np.minimum(inputs.upper, current + up)
    return replace(inputs, lower=lower, upper=upper)


def _fees(plan_fee: ArrayLike, count: int) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    """The fee of a plan of each problem, (problems,); None where there is none."""
    fees = number_array(plan_fee, "plan_fee")
    if fees.shape not in ((), (1,), (count,)):
        raise InvalidInput(f"plan_fee has shape {fees.shape}; give one number, or one for each of {count} problems")
    if not ((fees >= 0.0) & (fees <= LARGEST)).all():
        raise InvalidInput(f"plan_fee has an entry that is no number from 0 to {LARGEST:g} (USD)")
    return np.array(np.broadcast_to(fees.reshape(-1) if fees.size == 1 else fees, (count,))) if fees.any() else None


def _pay(many: BatchResult, fees: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    """The fee of each plan that moves, in place; where it is worth no more, the present shares if they may stay."""
    inputs = many.inputs.whole()
    there, current = inputs["mask"], inputs["current"]
    current = np.where(there, current, 0.0)
    moved = (many.status != BatchStatus.INFEASIBLE) & (many.shares != current).any(axis=1)
    fits = (current >= inputs["lower"] - PRESENT) & (current <= inputs["upper"] + PRESENT) | ~there
    may_stay = fits.all(axis=1) & (np.abs(current.sum(axis=1) - 1.0) <= PRESENT)
    stays = moved & may_stay & (many.net_benefit <= fees)
    paid = moved & ~stays
    many.cost[paid] += fees[paid]
    many.net_benefit[paid] -= fees[paid]
    earned = (np.where(there, inputs["rates"], 0.0) * current).sum(axis=1)
    many.shares[stays], many.earnings_per_hour[stays] = current[stays], earned[stays]
    many.cost[stays] = many.net_benefit[stays] = many.residual[stays] = 0.0


def _with_far_rates(inputs: Inputs) -> list[int]:
    """Problems in which some rates may be far beyond all others."""
    if np.abs(inputs.rates).max(initial=0.0) < LARGE:
        return []
    rates = inputs.rates if inputs.mask is None else np.where(inputs.mask, inputs.rates, 0.0)
    sizes = np.sort(np.abs(np.broadcast_to(rates, inputs.shape)), axis=1)
    wide = (sizes[:, 1:] > FAR * sizes[:, :-1]) & (sizes[:, :-1] > 0.0) & (sizes[:, 1:] >= LARGE)
    return [int(k) for k in np.flatnonzero(wide.any(axis=1))]


def _decide_alone(many: BatchResult, k: int) -> None:
    """The answer to problem `k` as `allocate` gives it, in place of the batch's."""
    if many.status[k] == BatchStatus.INFEASIBLE:
        return
    plan = allocate(many.problem(k))
    there = np.ones(many.inputs.shape[1], dtype=bool) if many.inputs.mask is None else many.inputs.row(k)["mask"]
    many.shares[k], many.shares[k, there] = 0.0, plan.schedule[0]
    many.net_benefit[k], many.cost[k] = plan.net_benefit, plan.cost
    many.earnings_per_hour[k], many.capacity_price[k] = plan.earnings_per_hour, plan.prices["capacity"]
    many.gap[k], many.residual[k] = plan.certificate.gap, plan.certificate.worst_residual
    many.status[k] = BatchStatus.OPTIMAL
