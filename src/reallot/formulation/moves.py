"""Shares and their changes: movement, budget, max change, hold, turnover, fees, number and size of moves.

Column and row blocks run over (period t, protocol i) in the order t * protocols + i.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import overload

import numpy as np

from ..problem import AllocationProblem, Goal
from ..problem.arrays import BoolArray, FloatArray, IntArray, ProblemArrays
from ..problem.effective import PRESENT
from ..program import Columns, Rows, cells, diagonal

STEEPEST = 1e3
"""How much more of a choice the narrower direction of a move may take than the wider one: a solver cannot see more."""


class Places(Sequence[Hashable]):
    """Labels (name, period) of places, made when they are asked for: most of them never are.

    places  (count,) period * protocols + protocol
    """

    def __init__(self, names: Sequence[str], places: IntArray) -> None:
        self._names, self._places = names, places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Hashable: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Hashable]: ...

    def __getitem__(self, index: int | slice) -> Hashable | Sequence[Hashable]:
        if isinstance(index, slice):
            return Places(self._names, self._places[index])
        period, protocol = divmod(int(self._places[index]), len(self._names))
        return self._names[protocol], period


def labels(problem: AllocationProblem, places: IntArray | None = None) -> Sequence[Hashable]:
    """Names, or (name, period) where there are several periods, of all places or of some."""
    names, size = problem.names, len(problem.names)
    if places is None:
        if problem.periods == 1:
            return names
        places = np.arange(problem.periods * size)
    if problem.periods == 1:
        return [names[k] for k in places]
    return Places(names, places)


def periods(problem: AllocationProblem) -> Sequence[Hashable]:
    """Labels of rows that come once a period."""
    return ("",) if problem.periods == 1 else [f"period {t}" for t in range(problem.periods)]


def widest(data: ProblemArrays) -> FloatArray:
    """Wider than any share or change, however the limits are loosened: (periods, protocols)."""
    result: FloatArray = np.maximum(data.upper, data.current) + 1.0
    return result


def change_cap(data: ProblemArrays) -> tuple[FloatArray, FloatArray]:
    """Upper bounds of increase and decrease, (periods, protocols).

    max_change, or one unit (step or entry share) where that is larger and allowed; never above the limits of increase
    and of decrease; 0 where held; else wider than any change, so that it never binds.
    """
    unit = np.where(data.one_unit, np.maximum(data.step, data.entry), 0.0)
    cap = np.where(data.held, 0.0, np.maximum(data.max_change, unit))
    bounded = np.where(np.isfinite(cap), cap, widest(data))
    if data.up is data.max_change:
        return bounded, bounded
    up, down = (np.where(way < data.max_change, np.minimum(bounded, way), bounded) for way in (data.up, data.down))
    return up, down


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
    gain = weight * data.hours * data.rate
    if data.end_value is not None:
        gain[-1] += data.end_value
    return [
        Columns("share", names, gain.ravel(), data.lower.ravel(), data.upper.ravel()),
        Columns("increase", names, -(data.cost_in + lost).ravel(), np.zeros(len(names)), increase.ravel()),
        Columns(
            "decrease",
            names,
            -np.broadcast_to(data.cost_out, lost.shape).ravel(),
            np.zeros(len(names)),
            decrease.ravel(),
        ),
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


def per_period(data: ProblemArrays) -> tuple[IntArray, IntArray, float]:
    """Row t over all protocols of period t: the cells of a sum."""
    count = data.periods * data.size
    return np.arange(count) // data.size, np.arange(count), 1.0


def budget(problem: AllocationProblem) -> list[Rows]:
    """sum of shares = capacity - reserve, or at most that where idle is allowed; one row a period.

    Where the present shares miss the sum by rounding, shares on a grid may make either sum.
    """
    data = problem.arrays
    stated = data.given or data
    if data.total is None or stated.total is None:
        return []
    total: FloatArray | float = data.total
    given: FloatArray | float = stated.total
    if data.totals is not None and stated.totals is not None:
        total, given = data.totals, stated.totals
    low = high = total
    if data.has_units or problem.allow_idle:
        low, high = np.minimum(low, given), np.maximum(high, given)
    once = np.ones(problem.periods)
    low = -np.inf if problem.allow_idle else low
    return [Rows("budget", periods(problem), {"share": cells(*per_period(data))}, low * once, high * once)]


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


def holds_after_change(problem: AllocationProblem) -> bool:
    """True where a change forbids another one in a later period."""
    return problem.limits.hold_after_change > 0 and problem.periods > 1


def counts_moves(problem: AllocationProblem) -> BoolArray:
    """Protocols of which it counts whether they moved: by a fee, by the number or by the size of moves."""
    limits = problem.limits
    fee = np.atleast_2d(problem.arrays.fee).max(axis=0)
    counted = limits.max_moves is not None or limits.max_total_moves is not None or limits.min_move > 0.0
    result: BoolArray = (fee > 0.0) | counted
    if problem.goal is not None and any(isinstance(each, Goal) and each.minimise == "moves" for each in problem.goals):
        return np.ones_like(result)
    return result | holds_after_change(problem) if limits.hold_after_change else result


def move_reach(problem: AllocationProblem, *, wide: bool = False) -> tuple[FloatArray, FloatArray]:
    """Largest increase and decrease of a move that counts, (periods, protocols): 0 where it is too small to be made.

    A change within rounding of nothing is none, and one below min_move is not allowed.
    """
    least = max(PRESENT, problem.limits.min_move - PRESENT)
    up, down = change_reach(problem.arrays, wide=wide)
    return np.where(up > least, up, 0.0), np.where(down > least, down, 0.0)


def moved_places(problem: AllocationProblem, *, wide: bool = False) -> IntArray:
    """Places (t * protocols + i) that need to know whether they moved: those that can, and where it counts."""
    counts = counts_moves(problem)
    if not counts.any():
        return np.empty(0, dtype=np.intp)
    up, down = move_reach(problem, wide=wide)
    return np.flatnonzero(counts & ((up > 0.0) | (down > 0.0)))


def move_choices(problem: AllocationProblem, *, wide: bool = False) -> tuple[list[Columns], list[Rows]]:
    """moved[t,i] in {0,1} with fees; at most max_moves of them; changes of at least min_move.

    increase / largest increase + decrease / largest decrease <= moved: one strong row, since a protocol does one or
    the other. With min_move, raised in {0,1} says which. A change too small to be made is 0.
    """
    data, limits = problem.arrays, problem.limits
    places = moved_places(problem, wide=wide)
    if not places.size:
        return [], _out_of_reach(problem, wide=wide)
    names = labels(problem, places)
    count, own = places.size, np.arange(places.size)
    up, down = (reach.ravel()[places] for reach in move_reach(problem, wide=wide))
    fee = np.broadcast_to(data.fee, data.lower.shape).ravel()[places]
    columns = [Columns("moved", names, -fee, np.zeros(count), np.ones(count), integer=True)]
    scale = np.maximum(up, down)
    can_rise, can_fall = up > 0.0, down > 0.0
    part_up, part_down = (np.minimum(scale / np.where(way > 0.0, way, 1.0), STEEPEST) for way in (up, down))
    link = {
        "increase": cells(own[can_rise], places[can_rise], part_up[can_rise]),
        "decrease": cells(own[can_fall], places[can_fall], part_down[can_fall]),
        "moved": diagonal(-scale, count),
    }
    free = np.full(count, -np.inf)
    rows = [Rows("moved_link", names, link, free, np.zeros(count)), *_out_of_reach(problem, wide=wide)]
    if limits.max_moves is not None:
        total = cells(places // data.size, own, 1.0)
        most = np.full(data.periods, float(limits.max_moves))
        rows.append(Rows("max_moves", periods(problem), {"moved": total}, np.full(data.periods, -np.inf), most))
    if limits.hold_after_change and holds_after_change(problem):
        rows.append(_hold_after_change(problem, places))
    if limits.min_move > 0.0:
        least_up, least_down = (np.minimum(limits.min_move, np.where(way > 0.0, way, np.inf)) for way in (up, down))
        columns.append(Columns("raised", names, np.zeros(count), np.zeros(count), np.ones(count), integer=True))
        one = diagonal(1.0, count)
        rows += [
            Rows("raised_moves", names, {"raised": one, "moved": diagonal(-1.0, count)}, free, np.zeros(count)),
            _rows("rise_cap", names, places, {"increase": 1.0}, {"raised": -up}, upper=0.0),
            _rows("fall_cap", names, places, {"decrease": 1.0}, {"raised": down, "moved": -down}, upper=0.0),
            _rows("rise_least", names, places, {"increase": 1.0}, {"raised": -least_up}, lower=0.0),
            _rows(
                "fall_least", names, places, {"decrease": 1.0}, {"raised": least_down, "moved": -least_down}, lower=0.0
            ),
        ]
    return columns, rows


def _hold_after_change(problem: AllocationProblem, places: IntArray) -> Rows:
    """sum over t .. t + h of moved[.,i] <= 1: a share stays for h periods after a change; one row a place."""
    size, last = problem.arrays.size, problem.limits.hold_after_change
    when, who = places // size, places % size
    later = when[None, :] - when[:, None]
    row, column = np.nonzero((who[:, None] == who[None, :]) & (later >= 0) & (later <= last))
    count = places.size
    parts = {"moved": cells(row, column, 1.0)}
    return Rows("hold_after_change", labels(problem, places), parts, np.full(count, -np.inf), np.ones(count))


def _out_of_reach(problem: AllocationProblem, *, wide: bool) -> list[Rows]:
    """increase = 0, or decrease = 0, where a move in that direction counts and is too small to be made."""
    counts, result = np.broadcast_to(counts_moves(problem), problem.arrays.lower.shape), []
    if not counts.any():
        return []
    reaches, usables = change_reach(problem.arrays, wide=wide), move_reach(problem, wide=wide)
    for block, reach, usable in zip(("increase", "decrease"), reaches, usables, strict=True):
        places = np.flatnonzero(counts & (reach > 0.0) & (usable == 0.0))
        if places.size:
            result.append(_rows(f"no_{block}", labels(problem, places), places, {block: 1.0}, {}, upper=0.0))
    return result


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
