"""Fixed fees, the search: who moves among the protocols that the relaxation left open (the core), branch by branch.

A branch has settled some of the core to move, some to stay. For a price of capacity what it is worth at most is a sum
over protocols (see fees_bounds), convex in the price; its lowest point is the branch's bound. There the set on the left
moves one protocol (two with a limit on moves) that the set on the right does not. Settling it either way makes two
branches. Both sets are known from then on, and who would lose more than there is to win over the best known one is
settled with them. A protocol goes before another that it can replace at no loss.

Plain loops over tables by position, run as they are on lists and compiled on arrays (`numba/fees.py`).

Source: branch and bound on the Lagrangian bound with variables fixed by reduced costs, as for knapsack problems
(Martello and Toth, 1990, chapter 2).
"""

from __future__ import annotations

from typing import Any

Table = Any
"""Arrays or lists, alike for the interpreter and the compiler."""

STAYS, MOVES, OPEN = 0, 1, 2
"""What a branch says of a protocol."""


def tables(size: int, count: int) -> tuple[Table, Table]:
    """What `search` takes as stack, of `count` branches of a core of `size`, and as scratch."""
    stack = ([bytearray(size) for _ in range(count)], [0.0] * count, [0.0] * count, [0] * count)
    return stack, ([bytearray(size) for _ in range(8)], tuple([0.0] * size for _ in range(3)))


def all_open(size: int) -> Table:
    """The state of the first branch."""
    return bytearray([OPEN]) * size


def ranked(values: Table, count: int) -> Table:
    """The first `count` values, rising."""
    return sorted(values[:count])


def members(state: Table) -> Table:
    """Positions of those that do not stay."""
    return [i for i, says in enumerate(state) if says]


def below(rising: Table, value: float) -> int:
    """How many of the `rising` numbers are below `value`."""
    low, high = 0, len(rising)
    while low < high:
        middle = (low + high) // 2
        if rising[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


def line(
    lam: float,
    state: Table,
    live: Table,
    most: int,
    core: Table,
    free: Table,
    moved: Table,
    worth: Table,
    scratch: Table,
) -> tuple[float, float, float]:
    """Level and slope of the best set of a branch at the price lam, and the charge on each of its open moves.

    state  (core,) what the branch says; at most `most` of its open protocols may move
    live   positions of those that do not stay
    core   per protocol p, u, q, v (see Sides) and the fee
    free   those that move as they like: slopes of their pieces, rising; level and slope before, between and after them

    Fills `moved` (core,), 1 for who moves in that set, and `worth` (core,), what each may add as a mover, where live.
    The charge is what one more move would be worth.
    """
    p, u, q, v, fee = core
    place = below(free[0], lam)
    level, slope = free[1][place], free[2][place]
    count = 0
    for i in live:
        moved[i] = 0
        up, down, gain = (p[i] - lam) * u[i], (lam - q[i]) * v[i], -fee[i]
        if up > 0.0 and up >= down:
            gain += up
        elif down > 0.0:
            gain += down
        worth[i] = gain
        if gain > 0.0 or state[i] == 1:
            moved[i] = 1
            level -= fee[i]
            if up > 0.0 and up >= down:
                level += p[i] * u[i]
                slope -= u[i]
            elif down > 0.0:
                level -= q[i] * v[i]
                slope += v[i]
            if state[i] == 2:
                scratch[count] = gain
                count += 1
    if count <= most:
        return level, slope, 0.0
    rising = ranked(scratch, count)
    charge, least, even = rising[count - most - 1], rising[-1] + 1.0, 0
    if most > 0:
        least = rising[count - most]
        while even < most and rising[count - most + even] == least:
            even += 1
    for i in live:
        if state[i] == 2 and moved[i] == 1:
            if worth[i] > least:
                continue
            if worth[i] == least and even > 0:
                even -= 1
                continue
            moved[i] = 0
            level += fee[i]
            up, down = (p[i] - lam) * u[i], (lam - q[i]) * v[i]
            if up > 0.0 and up >= down:
                level -= p[i] * u[i]
                slope += u[i]
            else:
                level += q[i] * v[i]
                slope -= v[i]
    return level, slope, charge


def lowest(
    start: float,
    floor: float,
    close: Table,
    state: Table,
    most: int,
    core: Table,
    free: Table,
    moved: Table,
    worth: Table,
    scratch: Table,
) -> tuple[float, float, float, int, int]:
    """Lowest point of a branch's bound over all prices: value, price and charge there, and the sets on either side.

    start  price to look at first
    floor  a value not above it is as good as any: the search for the lowest point ends there
    close  step to take first, lowest and highest price, worths that are equal, widths that are nothing, and 1.0 where
           capacity may stay idle

    The sets are rows of `moved` (3, core), the same one where that set attains the bound. -inf where nothing fits.
    """
    step, cheapest, dearest, near, dust, idle = close
    live = members(state)
    lam, a, b = start, 0, 0  # rows of the sets on the left and on the right
    level, slope, charge = line(lam, state, live, most, core, free, moved[0], worth, scratch)
    left, level_l, slope_l = right, level_r, slope_r = lam, level, slope
    if slope > dust:
        while slope > dust and level + slope * lam > floor:
            if lam <= cheapest:
                return (level + slope * lam if idle > 0.0 else -float("inf")), lam, charge, a, a
            right, level_r, slope_r, b = lam, level, slope, a
            lam, step, a = max(lam - step, cheapest), 4.0 * step, 1 - a
            level, slope, charge = line(lam, state, live, most, core, free, moved[a], worth, scratch)
        left, level_l, slope_l, last = lam, level, slope, a
    else:
        while slope < -dust and level + slope * lam > floor:
            if lam >= dearest:
                return -float("inf"), lam, charge, b, b
            left, level_l, slope_l, a = lam, level, slope, b
            lam, step, b = min(lam + step, dearest), 4.0 * step, 1 - b
            level, slope, charge = line(lam, state, live, most, core, free, moved[b], worth, scratch)
        right, level_r, slope_r, last = lam, level, slope, b
    if -dust <= slope <= dust:
        return level, lam, charge, last, last
    if level + slope * lam <= floor:
        return level + slope * lam, lam, charge, last, last
    c = 2
    while True:  # where the two lines cross is where to look next
        lam = min(max((level_r - level_l) / (slope_l - slope_r), left), right)
        level, slope, charge = line(lam, state, live, most, core, free, moved[c], worth, scratch)
        if -dust <= slope <= dust:
            return level, lam, charge, c, c
        value = level + slope * lam
        if value <= max(max(level_l + slope_l * lam, level_r + slope_r * lam) + near, floor):
            return value, lam, charge, a, b
        if slope < 0.0:
            left, level_l, slope_l = lam, level, slope
            a, c = c, a
        else:
            right, level_r, slope_r = lam, level, slope
            b, c = c, b


def goes_before(i: int, j: int, core: Table) -> bool:
    """True where i may move in place of j and nothing is lost; of equals the first goes before the others."""
    p, u, q, v, fee = core
    if fee[i] > fee[j]:
        return False
    if u[j] > 0.0 and (p[i] < p[j] or u[i] < u[j]):
        return False
    if v[j] > 0.0 and (q[i] > q[j] or v[i] < v[j]):
        return False
    if i < j:
        return True
    alike_up = u[i] == u[j] and (u[j] == 0.0 or p[i] == p[j])
    alike_down = v[i] == v[j] and (v[j] == 0.0 or q[i] == q[j])
    return not (fee[i] == fee[j] and alike_up and alike_down)


def settled(branch: Table, i: int, move: int, core: Table) -> int:
    """Settles i in a branch, in place, and who goes before it or after it likewise; gives how many move now."""
    branch[i] = move
    moves = move
    for j in range(len(branch)):
        if branch[j] == 2:
            if move == 1 and goes_before(j, i, core):
                branch[j] = 1
                moves += 1
            elif move == 0 and goes_before(i, j, core):
                branch[j] = 0
    return moves


def search(
    depth: int,
    known: float,
    limit: int,
    margin: float,
    close: Table,
    core: Table,
    free: Table,
    best: Table,
    stack: Table,
    rows: Table,
    numbers: Table,
) -> tuple[int, float, int]:
    """Looks into the branches on the stack, the last first: how many are left, worth of the best set, how many it saw.

    depth   number of branches on the stack
    known   worth of the best set known, and `best` (core,) its movers; better ones are put there
    limit   number of branches to look into; it also ends where the stack is full
    margin  what a better set must add
    close   as `lowest` takes it
    stack   states of branches (rows, core); price to start at, bound and moves left for each, (rows,)
    rows    scratch: eight rows (8, core) of marks
    numbers scratch: three rows (3, core)
    """
    states, prices, bounds, lefts = stack
    core_size, seen, floor = len(best), 0, known + margin
    moved, ends, state, fixed = rows[:3], rows[3:6], rows[6], rows[7]
    worth, other, scratch = numbers
    while depth > 0:
        if bounds[depth - 1] <= floor:
            depth -= 1
            continue
        if seen >= limit or depth + 1 >= len(prices):
            break
        depth -= 1
        seen += 1
        state[:] = states[depth]
        most, start = lefts[depth], prices[depth]
        bound, lam, charge, a, b = lowest(start, floor, close, state, most, core, free, moved, worth, scratch)
        if bound <= floor:
            continue
        live = members(state)
        for row in (a, b):
            fixed[:] = state
            for i in live:
                fixed[i] = moved[row][i]
            value = lowest(lam, floor, close, fixed, core_size, core, free, ends, other, scratch)[0]
            if value > floor:
                known, floor = value, value + margin
                best[:] = fixed
        if bound <= floor:
            continue
        pick, room = -1, bound - floor
        for i in live:
            if state[i] == 2:
                if moved[a][i] != moved[b][i]:
                    if pick < 0 or core[4][i] > core[4][pick]:
                        pick = i
                elif abs(worth[i] - charge) >= room:
                    state[i] = moved[a][i]
                    most -= state[i]
        if pick < 0:
            continue
        for move in (1, 0):  # what stays is looked into first
            states[depth][:] = state
            left = most - settled(states[depth], pick, move, core)
            if left >= 0:
                prices[depth], bounds[depth], lefts[depth] = lam, bound, left
                depth += 1
    return depth, known, seen
