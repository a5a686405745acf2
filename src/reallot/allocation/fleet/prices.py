"""Prices of shared rows, step by step: from groups of hosts that answered, the best prices within a box.

Every round of answers at prices y gives a cut for each group of hosts: at any other prices z the group is worth at
least value - z @ use. The bound of the fleet as a function of prices is convex, and the cuts lie below it. Its lowest
point within a box around the best prices so far is a linear program, whose dual mixes the answers into a plan. The box
grows where it binds after a step that lowered the bound, and halves after one that did not (box step method, with
several cuts a round).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import SolverFailed
from ...problem.arrays import FloatArray, IntArray
from ...program import Columns, LinearProgram, Rows, Status, cells, diagonal
from ...solvers.programs.highs import HighsModel

GROWS, SHRINKS = 2.5, 0.5
LEAST = 1e-12
"""The smallest half of a box's side, as a part of the highest price."""
KEPT_CUTS = 30
"""Rounds whose cuts are kept, beside those that the last mixture used."""


@dataclass(frozen=True)
class PriceStep:
    """Where to ask next.

    prices    (rows,)
    model     the lowest value of the cuts within the box: the bound may fall so far, and no further where `inside`
    plan      USD that the mixture of answers is worth, scaled towards staying until it meets all rows; -inf without one
    inside    True where the box does not bind
    """

    prices: FloatArray
    model: float
    plan: float
    inside: bool


class BoxStep:
    """The master of the decomposition; it knows rows, groups and cuts, and nothing of hosts.

    room     (rows,) sense * limit, less what staying uses
    start    (rows,) prices to begin with
    radius   (rows,) half of the box's sides
    ceiling  (rows,) prices that no row can be worth more than
    """

    def __init__(self, room: FloatArray, start: FloatArray, radius: FloatArray, ceiling: FloatArray) -> None:
        self.room, self.center, self.radius, self.ceiling = room, start, radius, ceiling
        self.bound = np.inf
        self.stays = bool((room >= 0.0).all())
        self._value: list[FloatArray] = []
        self._use: list[FloatArray] = []
        self._used: list[bool] = []
        self._rested: list[IntArray] = []
        self._edges = self._rows = np.empty(0, dtype=np.intp)
        self._inside = np.ones(room.size, dtype=bool)

    def add(self, prices: FloatArray, bound: float, value: FloatArray, use: FloatArray) -> None:
        """A round of answers at `prices`: the bound they prove, and (groups,), (groups, rows) value and use."""
        self._value.append(value)
        self._use.append(use)
        self._used.append(True)
        self._rested.append(np.full(value.size, HighsModel.AT_LOWER))
        if len(self._value) > KEPT_CUTS:
            drop = next((i for i, used in enumerate(self._used) if not used), 0)
            for kept in (self._value, self._use, self._used, self._rested):
                del kept[drop]
        if bound < self.bound:
            serious = np.isfinite(self.bound)
            self.bound, self.center = bound, prices
            if serious:
                self.radius = np.where(self._inside, self.radius, self.radius * GROWS)
        else:
            self.radius = np.maximum(self.radius * SHRINKS, LEAST * self.ceiling)

    def step(self) -> PriceStep:
        """The best prices within the box, and the plan that the answers so far mix to."""
        low = np.maximum(self.center - self.radius, 0.0)
        high = np.minimum(self.center + self.radius, self.ceiling)
        value, use = np.concatenate(self._value), np.concatenate(self._use)
        count, groups, rows = value.size, self._value[0].size, self.room.size
        # each row in the unit of what is used of it, so that the program's numbers are near one another
        unit = np.maximum(np.abs(use).mean(axis=0) * groups, np.maximum(np.abs(self.room), 1e-12))
        scale = max(float(np.abs(value).max()), float((high * unit).max(initial=0.0)), 1e-300)
        most = (np.abs(use).reshape(-1, groups, rows).max(axis=0).sum(axis=0) + np.abs(self.room)) / unit + 1.0
        columns = (
            Columns("part", range(count), value / scale, np.zeros(count), np.ones(count)),
            Columns("beyond", range(rows), -high * unit / scale, np.zeros(rows), most),
            Columns("unused", range(rows), low * unit / scale, np.zeros(rows), most),
        )
        shared = {
            "part": cells(*_entries(use.T / unit[:, None])),
            "beyond": diagonal(-1.0, rows),
            "unused": diagonal(1.0, rows),
        }
        one = {"part": cells(np.arange(count) % groups, np.arange(count), 1.0)}
        made = LinearProgram(
            columns,
            (
                Rows("group", range(groups), one, np.ones(groups), np.ones(groups)),
                Rows("shared", range(rows), shared, self.room / unit, self.room / unit),
            ),
        )
        model = HighsModel(made)
        model.without_presolve()
        if self._rows.size:
            # prices of the box are gains, so the last basis is feasible whatever the box: new cuts stand at nothing
            model.start_at_basis(np.concatenate([*self._rested, self._edges]), self._rows)
        found = model.solve()
        if found.status is not Status.OPTIMAL or found.values is None or found.row_prices is None:
            raise SolverFailed(f"the prices of the fleet were not found ({found.detail})")
        prices = np.clip(found.row_prices[groups:] * scale / unit, low, high)
        edge = 1e-9 * np.maximum(self.radius, 1e-12)
        at_high = (prices >= high - edge) & (high < self.ceiling)
        self._inside = ~(at_high | ((prices <= low + edge) & (low > 0.0)))
        rested, self._rows = model.basis()
        self._rested, self._edges = list(rested[:count].reshape(-1, groups)), rested[count:]
        parts = found.values[:count]
        weights = parts.reshape(-1, groups)
        self._used = [bool((weight > 1e-9).any()) for weight in weights]
        return PriceStep(
            prices, made.objective(found.values) * scale, self._plan(parts, value, use), bool(self._inside.all())
        )

    def _plan(self, parts: FloatArray, value: FloatArray, use: FloatArray) -> float:
        """What the mixture is worth, scaled towards staying, where staying meets all rows."""
        if not self.stays:
            return -np.inf
        used = parts @ use
        over = used > self.room
        part = float((self.room[over] / used[over]).min(initial=1.0))
        return max(0.0, part * float(parts @ value))


def _entries(matrix: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Row, column and value of the entries that are not 0."""
    row, column = np.nonzero(matrix)
    return row, column, matrix[row, column]  # type: ignore[return-value]
