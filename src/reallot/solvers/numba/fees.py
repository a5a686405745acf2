"""Fixed fees, compiled: fees_branch_and_bound as it is, and what comes before it in loops over arrays.

Why it is here: twice as fast as the interpreter where the relaxation settles all, 2 to 6 times where a search follows.

Only `fees` imports this, if asked to or where Numba is loaded. The relaxation is the bound of a branch in which
everybody is open, so that fees_branch_and_bound finds its lowest point too.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

import numba
import numpy as np

from ...problem import AllocationProblem
from ..kernels import fees_branch_and_bound
from ..kernels.fees_bounds import ROUNDING
from ..kernels.fees_branch_and_bound import MOVES, OPEN
from ..kernels.fees_relaxation import BEYOND, MARGIN, Task
from ..kernels.split import DUST, SLACK

TINY = float(np.finfo(float).tiny)

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def ranked(values: Any, count: int) -> Any:
    """The first `count` values, rising."""
    return np.sort(values[:count])


@_compiled
def members(state: Any) -> Any:
    """Positions of those that do not stay."""
    return np.nonzero(state)[0]


_scope = {**vars(fees_branch_and_bound), "ranked": ranked, "members": members}
for _name in ("below", "line", "lowest", "goes_before", "settled", "search"):
    # each as it is, but calling the compiled ones before it
    _scope[_name] = _compiled(FunctionType(_scope[_name].__code__, _scope, _name))
_lowest, search = _scope["lowest"], _scope["search"]


def tables(size: int, count: int) -> tuple[Any, Any]:
    """What fees_branch_and_bound.tables gives, as arrays."""
    stack = (np.empty((count, size), np.uint8), np.empty(count), np.empty(count), np.empty(count, np.int64))
    return stack, (np.empty((8, size), np.uint8), (np.empty(size), np.empty(size), np.empty(size)))


def as_arrays(table: Any) -> Any:
    """The tables of fees_branch_and_bound as arrays, marks as bytes."""
    if isinstance(table, tuple):
        return tuple(as_arrays(part) for part in table)
    if isinstance(table, bytearray):
        return np.frombuffer(table, dtype=np.uint8)
    if table and isinstance(table[0], bytearray):
        return np.array([np.frombuffer(row, dtype=np.uint8) for row in table])
    return np.array(table, dtype=np.int64 if table and isinstance(table[0], int) else float)


@_compiled
def _reach(width: Any, is_open: Any, most: int) -> Any:
    """The most that can be bought, or sold, by the free and `most` of the others."""
    total, count, others = 0.0, 0, np.empty(width.size)
    for i in range(width.size):
        if is_open[i]:
            others[count] = width[i]
            count += 1
        else:
            total += width[i]
    if count > most:
        others[:count].sort()
    return total + others[max(count - most, 0) : count].sum()


@_compiled
def _sides(
    buy: Any,
    sell: Any,
    current: Any,
    low: Any,
    middle: Any,
    high: Any,
    fees: Any,
    capacity: float,
    idle: bool,
    limit: int,
    is_limited: bool,
) -> Any:
    """What fees_bounds.sides gives: whether it fits; p, u, q, v, fee; who is open; to_fill, most, near and dust."""
    size, dust, slack = buy.size, DUST * max(1.0, capacity), SLACK * max(1.0, current.max())
    u, v, fee, is_open = np.empty(size), np.empty(size), np.empty(size), np.empty(size, np.bool_)
    fits, most, to_fill = True, limit, capacity
    for i in range(size):
        fits &= low[i] <= high[i] + slack
        up, down = high[i] - middle[i], middle[i] - low[i]
        u[i], v[i] = up if up > slack else 0.0, down if down > slack else 0.0
        to_fill -= middle[i]
        is_forced = abs(middle[i] - current[i]) > dust
        most -= is_forced and is_limited
        is_open[i] = not is_forced and (fees[i] > 0.0 or is_limited)
        fee[i] = fees[i] if is_open[i] else 0.0
    highest, lowest = _reach(u, is_open, max(most, 0)), -_reach(v, is_open, max(most, 0))
    fits &= most >= 0 and to_fill >= lowest - slack and (idle or to_fill <= highest + slack)
    to_fill = 0.0 if abs(to_fill) <= slack else max(to_fill, lowest)
    if not idle:
        to_fill = min(to_fill, highest)
        buys = u.sum()
        for i in range(size):
            v[i] = min(v[i], max(buys - u[i] - to_fill, 0.0))
    sells, largest = v.sum(), 0.0
    for i in range(size):
        u[i] = min(u[i], max(sells - v[i] + to_fill, 0.0))
        largest = max(max(largest, fee[i]), max(abs(buy[i]) * u[i], abs(sell[i]) * v[i]))
    near = ROUNDING * max(largest, TINY)
    return fits, (buy, u, sell, v, fee), is_open, to_fill, most, near, dust


@_compiled
def _close(core: Any, near: float, dust: float, idle: bool) -> Any:
    """What fees_branch_and_bound.lowest takes under this name."""
    p, u, q, v, fee = core
    lowest, highest, least, most = np.inf, -np.inf, np.inf, -np.inf
    for i in range(p.size):
        least, most = min(least, p[i]), max(most, q[i])
        lowest = min(lowest, min(p[i] - fee[i] / (u[i] if u[i] > 0.0 else 1.0), q[i]))
        highest = max(highest, max(q[i] + fee[i] / (v[i] if v[i] > 0.0 else 1.0), p[i]))
    beyond = BEYOND * max(max(-lowest, highest), TINY)
    step = max((most - least) / p.size, max(1e-9 * max(abs(least), abs(most)), TINY))
    lowest = 0.0 if idle else lowest - beyond
    return step, lowest, max(highest, lowest) + beyond, near, dust, 1.0 if idle else 0.0


@_compiled
def _free(sides: Any, fixed: Any, to_fill: float) -> Any:
    """Those that move as they like, as the search.line takes them; the fees of those who always move are paid."""
    p, u, q, v, fee = sides
    slope, width, count, start, rise = np.empty(2 * p.size), np.empty(2 * p.size), 0, 0.0, to_fill
    for i in range(p.size):
        if fixed[i]:
            start += p[i] * u[i] - fee[i]
            rise -= u[i]
            if u[i] > 0.0:
                slope[count], width[count] = p[i], u[i]
                count += 1
            if v[i] > 0.0:
                slope[count], width[count] = q[i], v[i]
                count += 1
    order = np.argsort(slope[:count])
    rising, levels, slopes = slope[order], np.empty(count + 1), np.empty(count + 1)
    levels[0], slopes[0] = start, rise
    for k in range(count):
        levels[k + 1] = levels[k] - rising[k] * width[order[k]]
        slopes[k + 1] = slopes[k] + width[order[k]]
    return rising, levels, slopes


@_compiled
def _root(
    buy: Any,
    sell: Any,
    current: Any,
    low: Any,
    middle: Any,
    high: Any,
    fees: Any,
    capacity: float,
    idle: bool,
    limit: int,
    is_limited: bool,
) -> Any:
    """The parts of a Task, and first whether there is one."""
    fits, sides, is_open, to_fill, most, near, dust = _sides(
        buy, sell, current, low, middle, high, fees, capacity, idle, limit, is_limited
    )
    p, u, q, v, fee = sides
    size = p.size
    close = _close(sides, near, dust, idle)
    free = (np.empty(0), np.zeros(1), np.full(1, to_fill))
    rows, worth, other, scratch = np.empty((7, size), np.uint8), np.empty(size), np.empty(size), np.empty(size)
    moved, ends, state = rows[:3], rows[3:6], rows[6]
    for i in range(size):
        state[i] = OPEN if is_open[i] else MOVES
    start = min(max(p.mean(), close[1]), close[2])
    bound, price, charge, a, b = _lowest(start, -np.inf, close, state, most, sides, free, moved, worth, scratch)
    known, margin, mine = bound, MARGIN * near, a
    if a != b:
        known = -np.inf
        for row in (a, b):
            value = _lowest(price, known, close, moved[row], size, sides, free, ends, other, scratch)[0]
            if value > known:
                known, mine = value, row
    room, count, taken = max(bound - known - margin, near), 0, 0
    places, fixed = np.empty(size, np.int64), np.empty(size, np.bool_)
    for i in range(size):
        fixed[i] = not is_open[i]
        if is_open[i] and (u[i] > 0.0 or v[i] > 0.0):
            if abs(worth[i] - charge) <= room:
                places[count] = i
                count += 1
            elif moved[a][i] == MOVES:
                fixed[i] = True
                taken += 1
    places = places[:count]
    core = (p[places], u[places], q[places], v[places], fee[places])
    best = np.empty(count, np.uint8)
    for c in range(count):
        i = places[c]
        best[c] = moved[mine][i]
        lack = room - charge - max(worth[i] - charge, 0.0)
        if max((p[i] - price) * u[i], 0.0) - fee[i] <= -lack:
            core[1][c] = 0.0
        if max((price - q[i]) * v[i], 0.0) - fee[i] <= -lack:
            core[3][c] = 0.0
    numbers = (bound, known, price, margin)
    fits &= known > -np.inf
    return fits, best, places, fixed, core, _free(sides, fixed, to_fill), close, numbers, min(most - taken, count)


def task(problem: AllocationProblem) -> Task | None:
    """What fees_relaxation.task gives for the sides of `problem`; None where it takes that to tell what is wrong."""
    data, step, limit = problem.arrays, problem.trade_segments, problem.limits.max_moves
    fits, best, places, fixed, core, free, close, numbers, most = _root(
        step.buy,
        step.sell,
        data.current,
        step.low,
        step.middle,
        step.high,
        data.fee,
        float(problem.arrays.total or 0.0),
        problem.allow_idle,
        data.size if limit is None else limit,
        limit is not None,
    )
    if not fits:
        return None
    bound, known, price, margin = numbers
    return Task(bound, known, best, places, fixed, most, price, margin, close, core, free)
