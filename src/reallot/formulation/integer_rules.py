"""All-or-nothing shares: none-or-at-least, indivisible units, at most or at least so many of a group."""

from __future__ import annotations

import numpy as np

from ..problem import AllocationProblem
from ..problem.arrays import BoolArray, FloatArray, IntArray, ProblemArrays
from ..problem.effective import PRESENT
from ..program import Columns, Rows, cells, diagonal
from .moves import change_cap, labels, moved_places, periods, widest

ON_GRID = 1e-9
"""A share that is off a whole number of units by no more than this part of one, or by PRESENT, is on it."""
SEEN = 1e-11
"""What a share is off its grid below this, a solver does not see."""


def stepped(data: ProblemArrays) -> BoolArray:
    """Protocols that come in whole units."""
    return data.step > 0.0


def has_choices(problem: AllocationProblem) -> bool:
    """True where some share is all or nothing: units, entry shares, or groups that count their members."""
    data = problem.arrays
    groups = any(group.counts for group in problem.limits.groups)
    return groups or bool(data.has_units)


def counted(problem: AllocationProblem) -> BoolArray:
    """Protocols of which it must be known whether they are used: an entry share, or a group that counts its members."""
    result = problem.arrays.entry > 0.0
    for group in problem.limits.groups:
        if group.counts:
            result = result | np.isin(problem.names, group.members)
    return np.asarray(result)


def odd(data: ProblemArrays) -> BoolArray:
    """Protocols that stand now where no move may end: off the grid of steps, or between 0 and the entry share.

    What is off by no more than rounding is not off: a solver does not see coefficients that small.
    """
    off_grid = stepped(data) & (np.abs(off(data)) > np.maximum(ON_GRID * data.step, rounding(data)))
    inside: BoolArray = off_grid | ((data.current > PRESENT) & (data.current < data.entry - PRESENT))
    return inside


def rounding(data: ProblemArrays) -> FloatArray:
    """What is no difference from the present shares (protocols,)."""
    return PRESENT * np.maximum(1.0, data.current)


def off(data: ProblemArrays) -> FloatArray:
    """How far the present shares are above the nearest whole number of units; 0 without units."""
    step = np.where(stepped(data), data.step, 1.0)
    return np.where(stepped(data), data.current - np.round(data.current / step) * step, 0.0)


def entering(data: ProblemArrays) -> BoolArray:
    """Protocols that may jump to their entry share, and back to 0, past a smaller max change."""
    result: BoolArray = data.one_unit & (data.entry > data.max_change.min(axis=0))
    return result


def most(data: ProblemArrays, *, wide: bool) -> FloatArray:
    """Largest share each protocol could hold, the present one included, or with `wide` more: (periods, protocols)."""
    if wide:
        return widest(data)
    result: FloatArray = np.maximum(np.maximum(data.reach, data.lower), data.current)
    return result


def grid_places(data: ProblemArrays, which: BoolArray) -> IntArray:
    """Places (t * protocols + i) of some protocols in all periods."""
    return np.flatnonzero(np.tile(which, data.periods))


def choice_columns(problem: AllocationProblem, *, wide: bool = False) -> tuple[list[Columns], list[Rows]]:
    """used, units, still (stays at an odd share), enter and leave, with their rows."""
    if not has_choices(problem):
        return [], []
    data = problem.arrays
    used, units, still = counted(problem), stepped(data), odd(data)
    columns: list[Columns] = []
    rows: list[Rows] = []
    if still.any():
        _still(problem, still, columns, rows)
        if not wide:
            _moved_or_still(problem, still, rows)
    if used.any():
        _used(problem, used, still, columns, rows, wide=wide)
    if units.any():
        _units(problem, units, still, columns, rows, wide=wide)
    if (used & entering(data)).any():
        _enter(problem, entering(data), used, still, columns, rows, wide=wide)
    _active(problem, used, still, rows)
    return columns, rows


def _on(block_places: IntArray, wanted: IntArray) -> tuple[IntArray, IntArray]:
    """(row among `wanted`, column in the block) for the wanted places that the block has."""
    here = np.isin(wanted, block_places)
    return np.flatnonzero(here), np.searchsorted(block_places, wanted[here])


def _binary(problem: AllocationProblem, name: str, places: IntArray) -> Columns:
    zero = np.zeros(places.size)
    return Columns(name, labels(problem, places), zero, zero, zero + 1.0, integer=True)


def _still(problem: AllocationProblem, still: BoolArray, columns: list[Columns], rows: list[Rows]) -> None:
    """still[t,i] in {0,1}: the share is the odd one it started with, and has been so far."""
    data = problem.arrays
    places = grid_places(data, still)
    columns.append(_binary(problem, "still", places))
    later = np.flatnonzero(places >= data.size)
    if later.size:
        per = int(still.sum())
        own = np.arange(later.size)
        parts = {"still": cells(np.r_[own, own], np.r_[later, later - per], np.r_[own * 0 + 1.0, own * 0 - 1.0])}
        names = labels(problem, places[later])
        rows.append(Rows("still_so_far", names, parts, np.full(later.size, -np.inf), np.zeros(later.size)))


def _moved_or_still(problem: AllocationProblem, still: BoolArray, rows: list[Rows]) -> None:
    """moved[t,i] + still[t,i] - still[t-1,i] >= 0 and moved[t,i] + still[t,i] <= 1, with still[-1] = 1."""
    size, stays = problem.arrays.size, grid_places(problem.arrays, still)
    row, column = _on(moved_places(problem), stays)
    if not row.size:
        return
    places = stays[row]
    later = np.flatnonzero(places >= size)
    names, own, free = labels(problem, places), np.arange(row.size), np.full(row.size, np.inf)
    moved, per = cells(own, column, 1.0), int(still.sum())
    left = cells(np.r_[own, later], np.r_[row, row[later] - per], np.r_[own * 0.0 + 1.0, later * 0.0 - 1.0])
    rows.append(Rows("moved_from_still", names, {"moved": moved, "still": left}, (places < size).astype(float), free))
    parts = {"moved": moved, "still": cells(own, row, 1.0)}
    rows.append(Rows("moved_or_still", names, parts, -free, np.ones(row.size)))


def _used(
    problem: AllocationProblem,
    used: BoolArray,
    still: BoolArray,
    columns: list[Columns],
    rows: list[Rows],
    *,
    wide: bool,
) -> None:
    """entry * used + current * still <= share <= most * used + current * still, and used + still <= 1."""
    data = problem.arrays
    places = grid_places(data, used)
    columns.append(_binary(problem, "used", places))
    count, own, names = places.size, np.arange(places.size), labels(problem, places)
    current = np.tile(data.current, data.periods)[places]
    entry = np.tile(data.entry, data.periods)[places]
    row, column = _on(grid_places(data, still), places)
    stays = {"still": cells(row, column, -current[row])} if row.size else {}
    share = {"share": cells(own, places, 1.0)}
    top = most(data, wide=wide).ravel()[places]
    cap = share | {"used": diagonal(-top, count)} | stays
    dust = np.where(current <= PRESENT, current, 0.0)
    rows.append(Rows("used_cap", names, cap, np.full(count, -np.inf), dust))
    least = np.flatnonzero(entry > 0.0)
    if least.size:
        row, column = _on(grid_places(data, still), places[least])
        floor = {"share": cells(np.arange(least.size), places[least], 1.0)}
        floor |= {"used": cells(np.arange(least.size), least, -entry[least])}
        if row.size:
            floor |= {"still": cells(row, column, -current[least][row])}
        rows.append(
            Rows("entry", labels(problem, places[least]), floor, np.zeros(least.size), np.full(least.size, np.inf))
        )
    row, column = _on(grid_places(data, still), places)
    if row.size:
        one = np.arange(row.size)
        parts = {"used": cells(one, row, 1.0), "still": cells(one, column, 1.0)}
        rows.append(
            Rows("used_or_still", labels(problem, places[row]), parts, np.full(row.size, -np.inf), np.ones(row.size))
        )


def _units(
    problem: AllocationProblem,
    units: BoolArray,
    still: BoolArray,
    columns: list[Columns],
    rows: list[Rows],
    *,
    wide: bool,
) -> None:
    """share = step * units + current * still, with no units where still, else as many as can be reached.

    A present share that is off its grid by rounding may stay there.
    """
    data = problem.arrays
    places = grid_places(data, units)
    count, names = places.size, labels(problem, places)
    step = np.tile(data.step, data.periods)[places]
    low, high = _reachable_units(data, places, step, wide=wide)
    row, column = _on(grid_places(data, still), places)
    free = np.delete(np.arange(count), row)
    lowest = np.zeros(count)
    lowest[free] = low[free]
    columns.append(Columns("units", names, np.zeros(count), lowest, high, integer=True))
    parts = {"share": cells(np.arange(count), places, 1.0), "units": diagonal(-step, count)}
    dust = np.tile(np.where(still, 0.0, off(data)), data.periods)[places]
    dust[np.abs(dust) <= SEEN] = 0.0
    if row.size:
        current = np.tile(data.current, data.periods)[places]
        parts |= {"still": cells(row, column, -current[row])}
        one, endless = np.arange(row.size), np.full(row.size, np.inf)
        for name, end, least, most in (
            ("units_or_still", high[row], -endless, high[row]),
            ("least_or_still", low[row], low[row], endless),
        ):
            if end.any() or name == "units_or_still":
                both = {"units": cells(one, row, 1.0), "still": cells(one, column, end)}
                rows.append(Rows(name, labels(problem, places[row]), both, least, most))
    rows.append(Rows("whole_units", names, parts, np.minimum(dust, 0.0), np.maximum(dust, 0.0)))


def _reachable_units(
    data: ProblemArrays, places: IntArray, step: FloatArray, *, wide: bool
) -> tuple[FloatArray, FloatArray]:
    """The fewest and the most units to which bounds, max change and turnover leave a way, at each of `places`."""
    most_share, least_share = most(data, wide=wide), np.zeros(data.lower.shape)
    if not wide:
        up, down = change_cap(data)
        if data.max_turnover is not None:
            up, down = (np.minimum(change, data.max_turnover[:, None]) for change in (up, down))
        most_share = np.minimum(most_share, data.current + np.cumsum(up, axis=0))
        least_share = np.maximum(data.lower, data.current - np.cumsum(down, axis=0))
    within = np.maximum(ON_GRID, PRESENT / step)
    low = np.ceil(least_share.ravel()[places] / step - within)
    high = np.floor(most_share.ravel()[places] / step + within)
    return np.maximum(low, 0.0), high


def _enter(
    problem: AllocationProblem,
    enters: BoolArray,
    used: BoolArray,
    still: BoolArray,
    columns: list[Columns],
    rows: list[Rows],
    *,
    wide: bool,
) -> None:
    """enter and leave in {0,1}: the jump to exactly the entry share, or from it to 0, that max change would forbid.

    active[t] - active[t-1] = enter[t] - leave[t] with active = used + still; increase <= d + (entry - d) * enter,
    decrease <= d + (entry - d) * leave, and share <= entry where enter, with d the max change.
    """
    data = problem.arrays
    places = grid_places(data, enters)
    count, own, names, per = places.size, np.arange(places.size), labels(problem, places), int(enters.sum())
    columns += [_binary(problem, "enter", places), _binary(problem, "leave", places)]
    active: dict[str, tuple[list[IntArray], list[IntArray], list[FloatArray]]] = {}
    for block, which in (("used", used), ("still", still)):
        row, column = _on(grid_places(data, which), places)
        before, column_before = _on(grid_places(data, which) + data.size, places)
        active[block] = ([row, before], [column, column_before], [np.ones(row.size), -np.ones(before.size)])
    parts = {
        block: cells(np.concatenate(r), np.concatenate(c), np.concatenate(v))
        for block, (r, c, v) in active.items()
        if any(part.size for part in r)
    }
    parts |= {"enter": diagonal(-1.0, count), "leave": diagonal(1.0, count)}
    start = np.where(own < per, (data.current[places % data.size] > PRESENT).astype(float), 0.0)
    rows.append(Rows("enter_or_leave", names, parts, start, start))
    free = np.full(count, -np.inf)
    one = {"enter": diagonal(1.0, count), "leave": diagonal(1.0, count)}
    rows.append(Rows("one_way", names, one, free, np.ones(count)))
    entry = np.tile(data.entry, data.periods)[places]
    change = np.maximum(data.max_change, np.where(data.one_unit, data.step, 0.0)).ravel()[places]
    held = data.held.ravel()[places]
    jumps = []
    ways = (("enter_jump", "increase", "enter"), ("leave_jump", "decrease", "leave"))
    for (name, block, choice), cap in zip(ways, change_cap(data), strict=True):
        change_here = np.where(held, 0.0, np.minimum(change, cap.ravel()[places]))
        jumps.append(np.where(held, 0.0, np.maximum(entry - change_here, 0.0)))
        row_parts = {block: cells(own, places, 1.0), choice: diagonal(-jumps[-1], count)}
        rows.append(Rows(name, names, row_parts, free, change_here))
    jump = jumps[0]
    top = most(data, wide=wide).ravel()[places]
    exact = {
        "share": cells(own, places, 1.0),
        "enter": diagonal(np.where(jump > 0.0, np.maximum(top - entry, 0.0), 0.0), count),
    }
    rows.append(Rows("enter_exactly", names, exact, free, np.maximum(top, entry)))


def _active(problem: AllocationProblem, used: BoolArray, still: BoolArray, rows: list[Rows]) -> None:
    """min_active <= sum of used (and still) over a group's members <= max_active: a row for each side and period."""
    data = problem.arrays
    for group in problem.limits.groups:
        if not group.counts:
            continue
        members = np.isin(problem.names, group.members)
        parts = {}
        for block, which in (("used", used), ("still", still)):
            mine = np.flatnonzero(np.tile(members, data.periods)[grid_places(data, which)])
            if mine.size:
                when = grid_places(data, which)[mine] // data.size
                parts[block] = cells(when, mine, 1.0)
        free = np.full(data.periods, np.inf)
        if group.max_active is not None:
            high = np.full(data.periods, float(group.max_active))
            rows.append(Rows(f"active {group.name}", periods(problem), parts, -free, high))
        if group.min_active is not None:
            low = np.full(data.periods, float(group.min_active))
            rows.append(Rows(f"active_floor {group.name}", periods(problem), parts, low, free))
