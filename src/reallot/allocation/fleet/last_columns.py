"""The last step of the decomposition: of the units whose answers differ, how much of which answer, as one program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ...problem.arrays import BoolArray, FloatArray, IntArray
from ...program import Columns, LinearProgram, Rows, Solution, Status, cells, diagonal
from ...program.tie_breaking import with_bounds
from ...solvers.backends import runner
from ...solvers.programs.highs import HighsModel
from .shard import OpenUnits

MISSED = 1e-9
"""A row is met where it is missed by no more than this part of it."""
SLACK, IMPROVED = 1e-12, 3
"""A row is full where so little of the sizes in it is left; passes over better answers of whole units."""
WHOLE = 1e-6
"""A part this near to 0 or 1 is that."""


@dataclass(frozen=True)
class Mixture:
    """A plan for the fleet made of answers.

    value   USD that it is worth beyond staying; -inf where it breaks a row
    prices  (rows,) at which the open units are indifferent: where to ask next
    parts   for each shard, (columns,) the part at which each column is taken
    open    number of open units
    """

    value: float
    prices: FloatArray
    parts: tuple[FloatArray, ...]
    open: int


def mixture(opened: Sequence[OpenUnits], room: FloatArray, low: FloatArray, high: FloatArray) -> Mixture:
    """The best mixture of the open units' answers within the room that the settled units leave.

    room  (rows,) sense * limit, less what staying uses
    low   (rows,) what is paid for a unit of a row that is left: its price is no lower
    high  (rows,) what is paid for a unit beyond a row: its price is no higher
    """
    base = sum(each.value for each in opened)
    left = room - sum((each.use for each in opened), np.zeros(room.size))
    offsets = np.cumsum([0, *(int(each.unit.max(initial=-1)) + 1 for each in opened)])
    unit = np.concatenate([each.unit + start for each, start in zip(opened, offsets, strict=False)])
    value = np.concatenate([each.columns for each in opened])
    use = np.concatenate([each.uses for each in opened])
    whole = np.concatenate([each.whole for each in opened])
    if not unit.size:
        met = bool((left >= -MISSED * np.maximum(1.0, np.abs(room))).all())
        nothing = tuple(np.empty(0) for _ in opened)
        return Mixture(base if met else -np.inf, np.zeros(room.size), nothing, 0)
    units, owner = np.unique(unit, return_inverse=True)
    rows, count = room.size, value.size
    scale = max(float(np.abs(value).max(initial=0.0)), 1e-300)
    size = np.maximum(np.abs(use).max(axis=0, initial=0.0), 1e-12)
    most = (np.abs(use).sum(axis=0) + np.abs(left)) / size + 1.0
    every = np.arange(count)
    row, column = np.nonzero(use.T)
    made = LinearProgram(
        (
            Columns("part", range(count), value / scale, np.zeros(count), np.ones(count)),
            Columns("beyond", range(rows), -high * size / scale, np.zeros(rows), most),
            Columns("unused", range(rows), low * size / scale, np.zeros(rows), most),
        ),
        (
            Rows(
                "unit", range(units.size), {"part": cells(owner, every, 1.0)}, np.ones(units.size), np.ones(units.size)
            ),
            Rows(
                "shared",
                range(rows),
                {
                    "part": cells(row, column, (use / size).T[row, column]),
                    "beyond": diagonal(-1.0, rows),
                    "unused": diagonal(1.0, rows),
                },
                left / size,
                left / size,
            ),
        ),
    )
    last = np.concatenate([each.answer for each in opened])
    found = _solved(made, (last == last.max()).nonzero()[0], left - use[last == last.max()].sum(axis=0))
    if found.status is not Status.OPTIMAL or found.values is None or found.row_prices is None:
        return Mixture(-np.inf, np.zeros(rows), tuple(np.zeros(each.unit.size) for each in opened), units.size)
    prices = np.clip(found.row_prices[units.size :] * scale / size, low, high)
    values = found.values
    if whole.any():
        values = _in_whole(made, values, whole, owner, use, left, size)
    parts = _to_one(values[:count], owner, units.size)
    beyond = parts @ use - left
    broken = beyond > MISSED * np.maximum(1.0, np.maximum(np.abs(room), size))
    worth = -np.inf if broken.any() else base + float(parts @ value)
    edges = np.cumsum([0, *(each.unit.size for each in opened)])
    cut = tuple(parts[start:end] for start, end in pairwise(edges.tolist()))
    return Mixture(worth, prices, cut, units.size)


def _solved(made: LinearProgram, last: IntArray, left: FloatArray) -> Solution:
    """The program solved from where every unit stands at its `last` answer, which leaves so much of each row."""
    model, rows = HighsModel(made), left.size
    model.without_presolve()
    columns = np.full(made.column_count, model.AT_LOWER)
    columns[last] = model.BASIC
    edges = made.column_count - 2 * rows + np.where(left < 0.0, 0, rows) + np.arange(rows)
    columns[edges] = model.BASIC
    model.start_at_basis(columns, np.full(made.row_count, model.AT_LOWER))
    return model.solve()


def _to_one(parts: FloatArray, owner: IntArray, units: int) -> FloatArray:
    """Parts of each unit that sum to 1: what a solver leaves of its tolerance is taken out."""
    parts = np.where(parts < WHOLE * 1e-4, 0.0, parts)
    total = np.bincount(owner, parts, units)
    result: FloatArray = parts / np.where(total > 0.0, total, 1.0)[owner]
    return result


def _in_whole(
    made: LinearProgram,
    values: FloatArray,
    whole: BoolArray,
    owner: IntArray,
    use: FloatArray,
    left: FloatArray,
    size: FloatArray,
) -> FloatArray:
    """Whole answers for the units that may not mix them; what the rows then leave goes to those that can.

    There are few mixed units, no more than rows. Each first takes the answer that uses least; then, the largest gain
    first, units go over to better answers while these fit.
    """
    count = whole.size
    parts = np.where(whole, values[:count], 0.0)
    taken = np.full(owner.max() + 1, -1)
    sure = np.flatnonzero(whole & (parts >= 1.0 - WHOLE))
    taken[owner[sure]] = sure
    columns = np.flatnonzero(whole)
    needs = np.maximum(use / size, 0.0).sum(axis=1)
    for c in columns[np.argsort(needs[columns], kind="stable")].tolist():
        if taken[owner[c]] < 0:
            taken[owner[c]] = c
    room = left + SLACK * size - use[taken[taken >= 0]].sum(axis=0) - np.where(whole, 0.0, values[:count]) @ use
    gain = made.gain[:count]
    for _ in range(IMPROVED):
        better = gain[columns] - gain[taken[owner[columns]]]
        changed = False
        for c in columns[better > 0.0][np.argsort(-better[better > 0.0], kind="stable")].tolist():
            now = taken[owner[c]]
            added = use[c] - use[now]
            if gain[c] > gain[now] and (added <= np.maximum(room, 0.0)).all():
                taken[owner[c]], room, changed = c, room - added, True
        if not changed:
            break
    settled = np.where(whole, 0.0, values[:count])
    settled[taken[taken >= 0]] = 1.0
    if whole.all():
        return np.concatenate([settled, values[count:]])
    lower = np.concatenate([np.where(whole, settled, 0.0), made.lower[count:]])
    upper = np.concatenate([np.where(whole, settled, 1.0), made.upper[count:]])
    again = runner("highs", None)(with_bounds(made, lower, upper, integer=False))
    return settled if again.values is None else again.values
