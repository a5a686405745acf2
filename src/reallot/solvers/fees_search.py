"""Fixed fees, the search: sets of movers by rising loss, in plain loops that run as they are and compiled.

At the price of the relaxation's lowest point a set of movers is worth at most L less the losses of the protocols in
which it differs from the best set there (see fees_core). Sets come off a heap in the order of that bound, and the
first bound that is no better than the best set found ends the search. A set's own worth, the lowest point of its
lines over all prices, is looked for only where two more prices do not rule it out.

Sets are whole numbers: bit i is protocol i of the core.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any

Table = Any
"""Arrays or lists, alike for the interpreter and the compiler."""


def above(falling: Table, value: float) -> int:
    """How many of the `falling` numbers are above `value`."""
    low, high = 0, len(falling)
    while low < high:
        middle = (low + high) // 2
        if falling[middle] > value:
            low = middle + 1
        else:
            high = middle
    return low


def size(members: int) -> int:
    """How many members a set has."""
    count = 0
    while members:
        members &= members - 1
        count += 1
    return count


def leaves_room(changed: int, floor: float, turns: Table) -> bool:
    """False where a set, by what it changes, is worth no more than `floor` at one of two prices."""
    low, high, gain_low, gain_high = turns
    i = 0
    while changed:
        if changed & 1:
            low += gain_low[i]
            high += gain_high[i]
        changed >>= 1
        i += 1
    return bool(low > floor and high > floor)


def line(lam: float, movers: int, core: Table, free: Table) -> tuple[float, float]:
    """Level and slope at `lam` of what `movers` and the free are worth together.

    core    per open protocol: p, u, q, v (see Sides) and the fee
    free    those that move as they like: buys by falling slope, then sells by rising slope (as -slope), each as
            slopes, running worths and running widths
    """
    p, u, q, v, fee = core
    place, under = above(free[0], lam), above(free[3], -lam)
    level, slope = free[1][place] + free[4][under], free[5][under] - free[2][place]
    i = 0
    while movers:
        if movers & 1:
            level -= fee[i]
            if p[i] > lam:
                level += p[i] * u[i]
                slope -= u[i]
            elif q[i] < lam:
                level -= q[i] * v[i]
                slope += v[i]
        movers >>= 1
        i += 1
    return level, slope


def worth(
    movers: int, prices: tuple[float, float, float], close: tuple[float, float, float], core: Table, free: Table
) -> float:
    """What `movers` and the free are worth at best: the lowest point of their lines."""
    start, lowest, highest = prices
    near, dust = close[0], close[1]
    level, slope = line(start, movers, core, free)
    left, level_l, slope_l = start, level, slope
    right, level_r, slope_r = start, level, slope
    if slope > dust:
        left = lowest
        level_l, slope_l = line(left, movers, core, free)
        if slope_l >= -dust:
            return level_l + (slope_l if slope_l > dust else 0.0) * left
    elif slope < -dust:
        right = highest
        level_r, slope_r = line(right, movers, core, free)
        if slope_r <= dust:
            return level_r + (slope_r if slope_r < -dust else 0.0) * right
    else:
        return level
    while True:
        lam = min(max((level_r - level_l) / (slope_l - slope_r), left), right)
        level, slope = line(lam, movers, core, free)
        if abs(slope) <= dust:
            return level
        value = level + slope * lam
        if value <= max(level_l + slope_l * lam, level_r + slope_r * lam) + near:
            return value
        if slope < 0.0:
            left, level_l, slope_l = lam, level, slope
        else:
            right, level_r, slope_r = lam, level, slope


def push(heap: Table, i: int, lost: float, changed: int, floor: float, bound: float, loss: Table, rules: Table) -> None:
    """Puts a set with one more change on the heap: the first from i on that the rules allow and the bound leaves."""
    while i < len(loss) and bound - lost - loss[i] > floor:
        if rules[0][i] & changed == rules[0][i] and rules[1][i] & changed == 0:
            heappush(heap, (lost + loss[i], i, changed | (1 << i)))
            return
        i += 1


def search(
    best: int,
    most: int,
    values: tuple[float, float],
    loss: Table,
    rules: Table,
    turns: Table,
    prices: tuple[float, float, float],
    close: tuple[float, float, float],
    core: Table,
    free: Table,
    limit: int,
) -> tuple[float, int, int, float]:
    """Worth of the best set found, the set (-1: none better than known), sets seen, and a bound on all not seen.

    best      the set that is best at the lowest point
    most      number of core protocols that may move
    values    bound at the lowest point, worth of a set that is known
    loss      of changing a protocol against `best`, rising
    rules     for each protocol the set of those before it that must change with it, and of those that must not
    turns     what `best` is worth at two more prices, and for each of them the gain of changing each protocol
    prices    where to look first, lowest, highest
    close     worths that are equal, widths that are nothing, and what a better set must add
    limit     number of sets to see
    """
    bound, known = values
    found, seen, floor = -1, 0, known + close[2]
    heap = [(0.0, 0, best) for _ in range(0)]
    push(heap, 0, 0.0, best ^ best, floor, bound, loss, rules)
    while heap:
        lost, last, changed = heappop(heap)
        if bound - lost <= floor:
            break
        if seen >= limit:
            return known, found, seen, bound - lost
        seen += 1
        movers = best ^ changed
        if size(movers) <= most and leaves_room(changed, floor, turns):
            value = worth(movers, prices, close, core, free)
            if value > floor:
                known, found, floor = value, movers, value + close[2]
        push(heap, last + 1, lost, changed, floor, bound, loss, rules)
        push(heap, last + 1, lost - loss[last], changed ^ (1 << last), floor, bound, loss, rules)
    return known, found, seen, known
