"""The last step of the decomposition: of the units whose answers differ, how much of which answer, as one program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..problem.arrays import BoolArray, FloatArray, IntArray
from ..program import Columns, LinearProgram, Rows, Status, cells, diagonal
from ..program.tie_breaking import with_bounds
from ..solvers.backends import runner
from .shard import OpenUnits

MISSED = 1e-9
"""A row is met where it is missed by no more than this part of it."""
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


def mixture(opened: Sequence[OpenUnits], room: FloatArray, ceiling: FloatArray, seconds: float | None) -> Mixture:
    """The best mixture of the open units' answers within the room that the settled units leave.

    room     (rows,) sense * limit, less what staying uses
    ceiling  (rows,) what is paid for a unit beyond a row: more than any row can be worth
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
            Columns("beyond", range(rows), -ceiling * size / scale, np.zeros(rows), most),
        ),
        (
            Rows(
                "unit", range(units.size), {"part": cells(owner, every, 1.0)}, np.ones(units.size), np.ones(units.size)
            ),
            Rows(
                "shared",
                range(rows),
                {"part": cells(row, column, (use / size).T[row, column]), "beyond": diagonal(-1.0, rows)},
                np.full(rows, -np.inf),
                left / size,
            ),
        ),
    )
    run = runner("highs", seconds)
    found = run(made)
    if found.status is not Status.OPTIMAL or found.values is None or found.row_prices is None:
        return Mixture(-np.inf, np.zeros(rows), tuple(np.zeros(each.unit.size) for each in opened), units.size)
    prices = np.maximum(found.row_prices[units.size :], 0.0) * scale / size
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
    """Whole answers for the units that may not mix them: few are mixed, and these are settled one after another.

    A mixed unit takes its largest part that still fits; what the rows then leave goes to those that can mix, and to
    better answers of the others, dearest first.
    """
    count = whole.size
    parts = values[:count].copy()
    mixed = np.unique(owner[whole & (parts > WHOLE) & (parts < 1.0 - WHOLE)])
    fixed_use = np.zeros(left.size)
    for u in np.unique(owner[whole]):
        mine = np.flatnonzero(owner == u) if u in mixed else None
        if mine is not None:
            parts[mine] = 0.0
    settled = np.where(whole, np.where(parts > 0.5, 1.0, 0.0), parts)
    fixed_use = settled @ use
    for u in mixed:
        mine = np.flatnonzero(owner == u)
        order = mine[np.argsort(-made.gain[mine], kind="stable")]
        fits = [c for c in order if (fixed_use + use[c] <= left + 1e-12 * size).all()]
        best = fits[0] if fits else mine[np.argmin((np.maximum(use[mine], 0.0) / size).sum(axis=1))]
        settled[best] = 1.0
        fixed_use = fixed_use + use[best]
    if whole.all():
        return np.concatenate([settled, values[count:]])
    lower = np.concatenate([np.where(whole, settled, 0.0), made.lower[count:]])
    upper = np.concatenate([np.where(whole, settled, 1.0), made.upper[count:]])
    again = runner("highs", None)(with_bounds(made, lower, upper, integer=False))
    return settled if again.values is None else again.values
