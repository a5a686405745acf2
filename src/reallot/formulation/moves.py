"""Shares and their changes: movement, budget, max change, hold, turnover, fees, number and size of moves.

Column and row blocks run over (period t, protocol i) in the order t * protocols + i.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from ..problem import AllocationProblem
from ..problem.arrays import FloatArray, IntArray, ProblemArrays
from ..program import Columns, Rows, cells, diagonal

TINY = 1e-12


def labels(problem: AllocationProblem, places: IntArray | None = None) -> Sequence[Hashable]:
    """Names, or (name, period) where there are several periods, of all places or of some."""
    names, size = problem.names, len(problem.names)
    if places is None:
        if problem.periods == 1:
            return names
        places = np.arange(problem.periods * size)
    if problem.periods == 1:
        return [names[k] for k in places]
    return [(names[k % size], int(k) // size) for k in places]


def periods(problem: AllocationProblem) -> Sequence[Hashable]:
    """Labels of rows that come once a period."""
    return ("",) if problem.periods == 1 else [f"period {t}" for t in range(problem.periods)]


def widest(data: ProblemArrays) -> FloatArray:
    """Wider than any share or change, however the limits are loosened: (periods, protocols)."""
    result: FloatArray = np.maximum(data.upper, data.current) + 1.0
    return result


def change_cap(data: ProblemArrays) -> tuple[FloatArray, FloatArray]:
    """Upper bounds of increase and decrease, (periods, protocols).

    max_change, or one unit (step or entry share) where that is larger and allowed; 0 where held; else wider than any
    change, so that it never binds.
    """
    unit = np.where(data.one_unit, np.maximum(data.step, data.entry), 0.0)
    cap = np.where(data.held, 0.0, np.maximum(data.max_change, unit))
    bounded = np.where(np.isfinite(cap), cap, widest(data))
    return bounded, bounded


def change_reach(data: ProblemArrays, *, wide: bool = False) -> tuple[FloatArray, FloatArray]:
    """Largest increase and decrease that bounds and max change leave possible, (periods, protocols).

    With `wide` whatever could become possible as limits are loosened.
    """
    if wide:
        return widest(data), widest(data)
    increase, decrease = change_cap(data)
    most, least = np.maximum(data.reach, data.lower), data.lower
    up = np.minimum(increase, np.maximum(most, data.current))
    down = np.minimum(decrease, np.maximum(most, data.current))
    up[0] = np.minimum(increase[0], np.maximum(most[0] - data.current, 0.0))
    down[0] = np.minimum(decrease[0], np.maximum(data.current - least[0], 0.0))
    return up, down


def share_columns(problem: AllocationProblem, weight: float) -> list[Columns]:
    """share, increase and decrease; `weight` is the part of expected earnings in the objective."""
    data, names = problem.arrays, labels(problem)
    increase, decrease = change_cap(data)
    lost = data.warm_up * np.maximum(data.rate, 0.0)
    return [
        Columns("share", names, weight * data.hours * data.rate.ravel(), data.lower.ravel(), data.upper.ravel()),
        Columns("increase", names, -(data.cost_in + lost).ravel(), np.zeros(len(names)), increase.ravel()),
        Columns("decrease", names, -np.tile(data.cost_out, data.periods), np.zeros(len(names)), decrease.ravel()),
    ]


def movement(problem: AllocationProblem) -> Rows:
    """share[t] - share[t-1] = increase[t] - decrease[t], with share[-1] the current shares."""
    data, names = problem.arrays, labels(problem)
    size, count = data.size, len(names)
    share = diagonal(1.0, count)
    if data.periods > 1:
        later = np.arange(size, count)
        share = cells(
            np.concatenate([share.row, later]),
            np.concatenate([share.column, later - size]),
            np.concatenate([share.value, np.full(later.size, -1.0)]),
        )
    start = np.concatenate([data.current, np.zeros(count - size)])
    parts = {"share": share, "increase": diagonal(-1.0, count), "decrease": diagonal(1.0, count)}
    return Rows("movement", names, parts, start, start)


def per_period(data: ProblemArrays, value: float = 1.0) -> tuple[IntArray, IntArray, float]:
    """Row t over all protocols of period t: the cells of a sum."""
    count = data.periods * data.size
    return np.arange(count) // data.size, np.arange(count), value


def budget(problem: AllocationProblem) -> list[Rows]:
    """sum of shares = capacity - reserve, or at most that where idle is allowed; one row a period."""
    available = problem.arrays.total
    if available is None:
        return []
    low = -np.inf if problem.allow_idle else available
    once = np.ones(problem.periods)
    return [
        Rows("budget", periods(problem), {"share": cells(*per_period(problem.arrays))}, low * once, available * once)
    ]


def turnover(problem: AllocationProblem) -> list[Rows]:
    """sum of increases <= max_turnover and sum of decreases <= max_turnover, one row of each a period."""
    data = problem.arrays
    if data.max_turnover is None:
        return []
    total = cells(*per_period(data))
    free = np.full(data.periods, -np.inf)
    return [
        Rows("bought", periods(problem), {"increase": total}, free, data.max_turnover),
        Rows("sold", periods(problem), {"decrease": total}, free, data.max_turnover),
    ]


def moved_places(problem: AllocationProblem, *, wide: bool = False) -> IntArray:
    """Places (t * protocols + i) that need to know whether they moved: fee, number or size of moves counts there."""
    data, limits = problem.arrays, problem.limits
    if limits.max_moves is None and limits.min_move == 0.0 and not data.has_fee:
        return np.empty(0, dtype=np.intp)
    up, down = change_reach(data, wide=wide)
    counts = np.broadcast_to((data.fee > 0.0) | (limits.max_moves is not None) | (limits.min_move > 0.0), up.shape)
    return np.flatnonzero(counts & ((up > TINY) | (down > TINY)))


def move_choices(problem: AllocationProblem, *, wide: bool = False) -> tuple[list[Columns], list[Rows]]:
    """moved[t,i] in {0,1} with fees; at most max_moves of them; changes of at least min_move.

    increase / largest increase + decrease / largest decrease <= moved: one strong row, since a protocol does one or
    the other. With min_move, raised in {0,1} says which.
    """
    data, limits = problem.arrays, problem.limits
    places = moved_places(problem, wide=wide)
    if not places.size:
        return [], []
    names = labels(problem, places)
    count, own = places.size, np.arange(places.size)
    up, down = (reach.ravel()[places] for reach in change_reach(data, wide=wide))
    fee = np.tile(data.fee, data.periods)[places]
    columns = [Columns("moved", names, -fee, np.zeros(count), np.ones(count), integer=True)]
    scale = np.maximum(up, down)
    can_rise, can_fall = up > TINY, down > TINY
    link = {
        "increase": cells(own[can_rise], places[can_rise], scale[can_rise] / up[can_rise]),
        "decrease": cells(own[can_fall], places[can_fall], scale[can_fall] / down[can_fall]),
        "moved": diagonal(-scale, count),
    }
    free = np.full(count, -np.inf)
    rows = [Rows("moved_link", names, link, free, np.zeros(count))]
    if limits.max_moves is not None:
        total = cells(places // data.size, own, 1.0)
        most = np.full(data.periods, float(limits.max_moves))
        rows.append(Rows("max_moves", periods(problem), {"moved": total}, np.full(data.periods, -np.inf), most))
    if limits.min_move > 0.0:
        least = limits.min_move
        columns.append(Columns("raised", names, np.zeros(count), np.zeros(count), np.ones(count), integer=True))
        one = diagonal(1.0, count)
        rows += [
            Rows("raised_moves", names, {"raised": one, "moved": diagonal(-1.0, count)}, free, np.zeros(count)),
            _rows("rise_cap", names, places, {"increase": 1.0}, {"raised": -up}, upper=0.0),
            _rows("fall_cap", names, places, {"decrease": 1.0}, {"raised": down, "moved": -down}, upper=0.0),
            _rows("rise_least", names, places, {"increase": 1.0}, {"raised": -least}, lower=0.0),
            _rows("fall_least", names, places, {"decrease": 1.0}, {"raised": least, "moved": -least}, lower=0.0),
        ]
    return columns, rows


def _rows(
    name: str,
    names: Sequence[Hashable],
    places: IntArray,
    on_places: dict[str, float],
    on_own: dict[str, FloatArray | float],
    lower: float = -np.inf,
    upper: float = np.inf,
) -> Rows:
    """One row per place: entries on the (period, protocol) grid at `places`, and on blocks of the places' own size."""
    count = places.size
    parts = {block: cells(np.arange(count), places, entry) for block, entry in on_places.items()}
    parts |= {block: diagonal(entry, count) for block, entry in on_own.items()}
    return Rows(name, names, parts, np.full(count, lower), np.full(count, upper))
