"""Costs by the size of a change: what goes beyond the start of each tier, and its price above the tier before."""

from __future__ import annotations

import numpy as np

from ..problem import AllocationProblem
from ..problem.arrays import FloatArray, IntArray
from ..problem.tiers import MoveTiers
from ..program import Columns, Rows, cells, diagonal
from .moves import change_reach, periods, widest

WAYS = ((1.0, "increase"), (-1.0, "decrease"))
NOT_BEYOND = 1e-10
"""A change that ends where a tier of falling prices begins does not reach it, though its rounding does."""


def tier_columns(problem: AllocationProblem, *, wide: bool = False) -> tuple[list[Columns], list[Rows]]:
    """Tiers of each protocol's changes and of the turnover, with gain = -(price - price of the tier before).

    Where prices rise: change - beyond <= start. Where they fall: beyond <= change - start * deep and
    beyond <= (largest change - start) * deep, with deep in {0,1}. Of the turnover: sum of increases - beyond <= start,
    and the same of the decreases.
    """
    columns: list[Columns] = []
    rows: list[Rows] = []
    tiers = problem.arrays.tiers
    if tiers is not None:
        _rising(problem, tiers, columns, rows)
        if tiers.falls.any():
            _falling(problem, tiers, columns, rows, wide=wide)
    _turnover(problem, columns, rows)
    return columns, rows


def tier_blocks(problem: AllocationProblem, change: FloatArray) -> dict[str, FloatArray]:
    """The values of these columns for changes (periods, protocols)."""
    data, result = problem.arrays, dict[str, FloatArray]()
    if data.tiers is not None:
        over = data.tiers.over(change)
        result["beyond"] = over[:, ~data.tiers.falls].ravel()
        cheaper = over[:, data.tiers.falls].ravel()
        result["beyond_cheaper"] = np.where(cheaper > NOT_BEYOND, cheaper, 0.0)
        result["deep"] = (cheaper > NOT_BEYOND).astype(float)
    if data.turnover_tiers is not None:
        turnover = np.maximum(np.maximum(change, 0.0).sum(axis=1), np.maximum(-change, 0.0).sum(axis=1))
        result["turnover_beyond"] = data.turnover_tiers.over(turnover).ravel()
    return result


def labels(problem: AllocationProblem, tiers: MoveTiers, which: IntArray) -> list[str]:
    """A name for each tier of `which`, positions among the tiers, in each period."""
    each = [
        f"{problem.names[tiers.owner[k]]} {'taking' if tiers.sign[k] > 0.0 else 'giving'} above {tiers.start[k]:.12g}"
        for k in which.tolist()
    ]
    return each if problem.periods == 1 else [f"{name} {t}" for t in range(problem.periods) for name in each]


def _rising(problem: AllocationProblem, tiers: MoveTiers, columns: list[Columns], rows: list[Rows]) -> None:
    data, which = problem.arrays, np.flatnonzero(~tiers.falls)
    if not which.size:
        return
    names, count = labels(problem, tiers, which), data.periods * which.size
    gain = np.tile(-tiers.extra[which], data.periods)
    columns.append(Columns("beyond", names, gain, np.zeros(count), widest(data)[:, tiers.owner[which]].ravel()))
    parts = {"beyond": diagonal(-1.0, count)}
    for sign, block in WAYS:
        mine = np.flatnonzero(np.tile(tiers.sign[which] == sign, data.periods))
        if mine.size:
            parts[block] = cells(mine, _places(problem, tiers, which)[mine], 1.0)
    start = np.tile(tiers.start[which], data.periods)
    rows.append(Rows("tier", names, parts, np.full(count, -np.inf), start))


def _falling(
    problem: AllocationProblem, tiers: MoveTiers, columns: list[Columns], rows: list[Rows], *, wide: bool
) -> None:
    data, which = problem.arrays, np.flatnonzero(tiers.falls)
    names, count = labels(problem, tiers, which), data.periods * which.size
    places, zero = _places(problem, tiers, which), np.zeros(count)
    up, down = (reach.ravel()[places] for reach in change_reach(data, wide=wide))
    start, rises = np.tile(tiers.start[which], data.periods), np.tile(tiers.sign[which] > 0.0, data.periods)
    room = np.maximum(np.where(rises, up, down) - start, 0.0)
    gain = np.tile(-tiers.extra[which], data.periods)
    columns.append(Columns("beyond_cheaper", names, gain, zero, widest(data).ravel()[places]))
    columns.append(Columns("deep", names, zero, zero, np.where(room > 0.0, 1.0, 0.0), integer=True))
    one = diagonal(1.0, count)
    reached = {"beyond_cheaper": one, "deep": diagonal(start, count)}
    for sign, block in WAYS:
        mine = np.flatnonzero(rises == (sign > 0.0))
        if mine.size:
            reached[block] = cells(mine, places[mine], -1.0)
    free = np.full(count, -np.inf)
    rows.append(Rows("tier_reached", names, reached, free, zero))
    rows.append(Rows("tier_cap", names, {"beyond_cheaper": one, "deep": diagonal(-room, count)}, free, zero))


def _places(problem: AllocationProblem, tiers: MoveTiers, which: IntArray) -> IntArray:
    """Places (t * protocols + i) of the changes that the tiers of `which` price, in each period."""
    data = problem.arrays
    return np.concatenate([t * data.size + tiers.owner[which] for t in range(data.periods)])


def _turnover(problem: AllocationProblem, columns: list[Columns], rows: list[Rows]) -> None:
    data, tiers = problem.arrays, problem.arrays.turnover_tiers
    if tiers is None:
        return
    size, count = tiers.start.size, data.periods * tiers.start.size
    names = [f"{label} above {start:.12g}".strip() for label in periods(problem) for start in tiers.start.tolist()]
    most = np.repeat(widest(data).sum(axis=1), size)
    columns.append(Columns("turnover_beyond", names, np.tile(-tiers.extra, data.periods), np.zeros(count), most))
    row = np.arange(count).repeat(data.size)
    column = (np.arange(count) // size).repeat(data.size) * data.size + np.tile(np.arange(data.size), count)
    for name, block in (("bought_tier", "increase"), ("sold_tier", "decrease")):
        parts = {block: cells(row, column, 1.0), "turnover_beyond": diagonal(-1.0, count)}
        rows.append(Rows(name, names, parts, np.full(count, -np.inf), np.tile(tiers.start, data.periods)))
