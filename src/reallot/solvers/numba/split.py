"""The matching of marginal gains, compiled: one problem of any size, and many small ones. Only `dispatch` imports it.

Why it is here: 20 protocols take 3 microseconds instead of 35, a million half the time.

The same mathematics as in `split`: a price of capacity (and, where turnover binds, one for buying and one for selling)
says which piece is full and which is empty; pieces that tie with it are filled in order. The price is a weighted
quantile of slopes, found by selection: no sort. From 100,000 protocols on a sample brackets it first, so that one pass
settles all others: three times as fast there as selecting among all of them.
"""

from __future__ import annotations

import numba
import numpy as np

from ..kernels.split import DUST, SLACK, TIE

OPTIMAL, NO_SHARE, NO_TURNOVER, NO_SUM, ASK_RANK = range(5)
"""What a kernel returns first; ASK_RANK where equals have to be put in order and their rank was not given."""
FEW = 48
"""Up to so many pieces are compared each with each."""
MANY = 100_000
"""From so many protocols on a sample brackets the price."""
SAMPLE = 8192
"""Protocols in the sample."""
SIGMAS = 4.0
"""Half width of the bracket in standard errors; a miss costs time, never exactness."""

_plain = numba.njit(cache=True, nogil=True, error_model="numpy")
_part = numba.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
"""Copied into its callers: passing a dozen arrays on takes longer than ten protocols do."""
summing = numba.njit(cache=True, nogil=True, error_model="numpy", forceinline=True, fastmath={"reassoc", "nsz", "nnan"})
"""Sums may be taken in any order. There is no NaN in here; infinite numbers keep their meaning."""


@summing
def by_comparison(slope, width, count, amount, reach):
    """`steepness` of few pieces: each is compared with each, without a branch."""
    for i in range(count):
        reach[i] = 0.0
    for k in range(count):
        s, w = slope[k], width[k]
        for i in range(count):
            reach[i] += w if s >= slope[i] else 0.0
    best, least = -np.inf, np.inf
    for i in range(count):
        best = max(best, slope[i] if reach[i] >= amount else -np.inf)
        least = min(least, slope[i])
    return max(best, least)


@_part
def steepness(slope, width, count, amount, reach):
    """Slope at which the steepest of the first `count` pieces reach `amount`; puts the pieces in another order.

    `reach` is scratch.
    """
    if count <= FEW:
        return by_comparison(slope, width, count, amount, reach)
    return by_selection(slope, width, count, amount)


@_plain
def by_selection(slope, width, count, amount):
    """`steepness` of many pieces: parted around a pivot, again and again."""
    first, last, above = 0, count, 0.0
    while last - first > 1:
        a, b, c = slope[first], slope[(first + last) >> 1], slope[last - 1]
        pivot = max(min(a, b), min(max(a, b), c))
        # [first, i) steeper, [i, j) equal, [j, k) not seen yet, [k, last) less steep
        i, j, k = first, first, last
        steeper, equal = 0.0, 0.0
        while j < k:
            s, w = slope[j], width[j]
            if s > pivot:
                slope[j], width[j] = slope[i], width[i]
                slope[i], width[i] = s, w
                steeper += w
                i += 1
                j += 1
            elif s < pivot:
                k -= 1
                slope[j], width[j] = slope[k], width[k]
                slope[k], width[k] = s, w
            else:
                equal += w
                j += 1
        if i > first and above + steeper >= amount:
            last = i
        elif k == last or above + steeper + equal >= amount:
            return pivot
        else:
            above += steeper + equal
            first = k
    return slope[first]


@_part
def box(now, low, high):
    """The box of a protocol with its ends in order, and its share without any trade."""
    high = max(low, high)
    return low, high, min(max(now, low), high)


@_part
def exact(share, low, high, middle, dust):
    """A share within rounding of its present place or of a bound is exactly that."""
    if abs(share - middle) <= dust:
        return middle
    return high if abs(share - high) <= dust else (low if abs(share - low) <= dust else share)


@summing
def totals(buy, sell, current, low, high, slack):
    """Sums without any trade: share, room to buy and to sell, forced up and down; the largest slope; all boxes open."""
    filled = room_up = room_down = up = down = top = 0.0
    closed = 0
    for i in range(buy.size):
        closed += low[i] > high[i] + slack
        a, b, m = box(current[i], low[i], high[i])
        filled += m
        room_up += b - m
        room_down += m - a
        up += max(m - current[i], 0.0)
        down += max(current[i] - m, 0.0)
        if high[i] > low[i]:
            top = max(top, max(abs(buy[i]), abs(sell[i])))
    return filled, room_up, room_down, up, down, top, closed == 0


@summing
def total(shares):
    """The sum of shares."""
    result = 0.0
    for share in shares:
        result += share
    return result


@summing
def beyond(buy, sell, current, low, high, steep, cheap):
    """Room of the buys steeper than `steep`, and of the sells cheaper than `cheap`."""
    above = below = 0.0
    for i in range(buy.size):
        a, b, m = box(current[i], low[i], high[i])
        above += b - m if buy[i] > steep else 0.0
        below += m - a if sell[i] < cheap else 0.0
    return above, below


@summing
def pieces(buy, sell, current, low, high, chosen, count, buys, sells, slope, width):
    """Lists what `chosen` protocols may keep, then buy: how many pieces, their total, what is kept now."""
    more = kept = 0.0
    shift = count if sells else 0
    for c in range(count):
        i = chosen[c]
        a, b, m = box(current[i], low[i], high[i])
        kept += m - a
        more += b - m
        if sells:
            slope[c], width[c] = sell[i], m - a
        if buys:
            slope[shift + c], width[shift + c] = buy[i], b - m
    kept, more = kept if sells else 0.0, more if buys else 0.0
    return shift + (count if buys else 0), kept + more, kept


@_plain
def bracket(buy, sell, current, low, high, part, tie, chosen, slope, width, reach):
    """Slopes between which the price lies with near certainty; `part` of all room is filled above it."""
    state = np.uint64(88172645463325252)
    for c in range(SAMPLE):
        state ^= state << np.uint64(13)
        state ^= state >> np.uint64(7)
        state ^= state << np.uint64(17)
        chosen[c] = np.int64(state % np.uint64(buy.size))
    size, whole, _ = pieces(buy, sell, current, low, high, chosen, SAMPLE, True, True, slope, width)
    squares = 0.0
    for k in range(size):
        squares += width[k] ** 2
    if whole == 0.0:
        return -np.inf, np.inf
    error = SIGMAS * np.sqrt(max(part * (1.0 - part), 1.0 / size) * squares) / whole
    floor, ceiling = -np.inf, np.inf
    if part + error < 1.0:
        floor = steepness(slope, width, size, (part + error) * whole, reach) - 2.0 * tie
    if part - error > 0.0:
        ceiling = steepness(slope, width, size, (part - error) * whole, reach) + 2.0 * tie
    return floor, ceiling


@summing
def sweep(buy, sell, current, low, high, floor, ceiling, shares, chosen):
    """Settles every protocol that a price anywhere in the bracket leaves no choice; lists the others as `chosen`."""
    above = below = 0.0
    count = 0
    for i in range(buy.size):
        p, q = buy[i], sell[i]
        a, b, m = box(current[i], low[i], high[i])
        up, down = p > ceiling, q < floor
        shares[i] = b if up else (a if down else m)
        above += b - m if up else 0.0
        below += m - a if down else 0.0
        chosen[count] = i
        count += not up and not down and (p >= floor or q <= ceiling)
    return count, above, below


@_part
def everyone(chosen):
    """All protocols are chosen."""
    for i in range(chosen.size):
        chosen[i] = i


@summing
def fill(buy, sell, current, low, high, chosen, count, steep, cheap, tie, above, below, shares):
    """Sets the chosen shares: full above `steep`, empty below `cheap`; adds what that buys and sells to its arguments.

    Also the room of the buys that tie with `steep` and of the sells that tie with `cheap`, and how many they are.
    """
    even_up = even_down = 0.0
    ups = downs = 0
    for c in range(count):
        i = chosen[c]
        p, q = buy[i], sell[i]
        a, b, m = box(current[i], low[i], high[i])
        up, down = p > steep + tie, q < cheap - tie
        above += b - m if up else 0.0
        below += m - a if down else 0.0
        even, odd = not up and p >= steep - tie, not down and q <= cheap + tie
        even_up += b - m if even else 0.0
        even_down += m - a if odd else 0.0
        ups += even and b > m
        downs += odd and m > a
        shares[i] = b if up else (a if down else m)
    return above, below, even_up, even_down, ups, downs


@_part
def less_by(amount, part, carry):
    """amount - part, and what rounding took from it: a million such steps lose nothing (Kahan, 1965)."""
    step = -part - carry
    left = amount + step
    return left, (left - amount) - step


@_part
def settle(buy, sell, current, low, high, order, count, steep, cheap, tie, more, less, dust, shares):
    """Buys `more` of what ties with `steep`, first first; sells `less` of what ties with `cheap`, last first."""
    c, carry = 0, 0.0
    while more > 0.0 and c < count:
        i = order[c]
        if abs(buy[i] - steep) <= tie:
            a, b, m = box(current[i], low[i], high[i])
            shares[i] = exact(shares[i] + min(b - m, more), a, b, m, dust)
            more, carry = less_by(more, b - m, carry)
        c += 1
    c, carry = count - 1, 0.0
    while less > 0.0 and c >= 0:
        i = order[c]
        if abs(sell[i] - cheap) <= tie:
            a, b, m = box(current[i], low[i], high[i])
            shares[i] = exact(shares[i] - min(m - a, less), a, b, m, dust)
            less, carry = less_by(less, m - a, carry)
        c -= 1


@_part
def crossing(
    buy, sell, current, low, high, to_fill, room_up, room_down, tie, dust, shares, slope, width, reach, chosen
):
    """The price at which what is worth buying is what is worth selling and what is missing; what it leaves open.

    Also sums over the protocols that it settles at once: bought and sold.
    """
    if buy.size < MANY:
        listed, _, kept = pieces(buy, sell, current, low, high, chosen, buy.size, True, True, slope, width)
        return steepness(slope, width, listed, to_fill + kept - dust, reach), buy.size, 0.0, 0.0
    floor, ceiling, room = -np.inf, np.inf, room_up + room_down
    if 0.0 < room < np.inf:
        part = (to_fill + room_down) / room
        floor, ceiling = bracket(buy, sell, current, low, high, part, tie, chosen, slope, width, reach)
    while True:
        count, above, below = sweep(buy, sell, current, low, high, floor, ceiling, shares, chosen)
        listed, whole, kept = pieces(buy, sell, current, low, high, chosen, count, True, True, slope, width)
        amount = to_fill + below - above + kept
        price = steepness(slope, width, listed, amount - dust, reach) if listed > 0 else 0.0
        inside = listed > 0 and floor + tie <= price <= ceiling - tie
        inside &= (ceiling == np.inf or amount > dust) and (floor == -np.inf or amount <= whole)
        if inside or (floor == -np.inf and ceiling == np.inf):
            return price, count, above, below
        floor, ceiling = -np.inf, np.inf


@_part
def match(
    buy, sell, current, low, high, capacity, rank, ask, idle, max_bought, max_sold, shares, slope, width, reach, chosen
):
    """Status; prices of capacity, of buying and of selling; whether buying and selling stand at their limits.

    Fills `shares`. Scratch: `slope` and `width` take two numbers a protocol, `chosen` one; it starts with everyone.
    """
    size, unit = buy.size, max(1.0, capacity)
    dust, slack = DUST * unit, SLACK * max(1.0, current.max())
    filled, room_up, room_down, up, down, top, is_open = totals(buy, sell, current, low, high, slack)
    if not is_open:
        return NO_SHARE, 0.0, 0.0, 0.0, False, False
    buy_cap, sell_cap, to_fill, tie = max_bought - up, max_sold - down, capacity - filled, TIE * top
    if min(buy_cap, sell_cap) < -slack:
        return NO_TURNOVER, 0.0, 0.0, 0.0, False, False
    buy_cap, sell_cap = max(buy_cap, 0.0), max(sell_cap, 0.0)
    least, most = max(to_fill, 0.0), min(min(room_up, buy_cap), min(room_down, sell_cap) + to_fill)
    bought = sold = steep = cheap = above = below = 0.0
    count, spare, buys_cut, sells_cut = size, False, False, False
    if idle:
        # what is worth it with nothing to pay for capacity
        good, bad = beyond(buy, sell, current, low, high, tie, -tie)
        bought, sold = min(good, buy_cap), min(bad, sell_cap)
        spare = bought - sold <= to_fill + dust
        buys_cut, sells_cut = spare and good > buy_cap + dust, spare and bad > sell_cap + dust
    if not spare:
        if least > most + slack:
            return NO_SUM, 0.0, 0.0, 0.0, False, False
        steep, count, above, below = crossing(
            buy, sell, current, low, high, to_fill, room_up, room_down, tie, dust, shares, slope, width, reach, chosen
        )
        cheap = steep
        above, below, even_up, even_down, ups, downs = fill(
            buy, sell, current, low, high, chosen, count, steep, cheap, tie, above, below, shares
        )
        bought = max(above, below + to_fill)
        buys_cut = sells_cut = bought > most + dust
        bought = max(min(bought, most), least) if buys_cut else bought
        sold = max(bought - to_fill, 0.0)
    if spare or buys_cut:
        count = size
        if size >= MANY:
            everyone(chosen)
        if buys_cut:
            listed, _, _ = pieces(buy, sell, current, low, high, chosen, size, True, False, slope, width)
            steep = steepness(slope, width, listed, bought - dust, reach) if listed > 0 else steep
        if sells_cut:
            listed, _, kept = pieces(buy, sell, current, low, high, chosen, size, False, True, slope, width)
            cheap = steepness(slope, width, listed, kept - sold - dust, reach) if listed > 0 else cheap
        above, below, even_up, even_down, ups, downs = fill(
            buy, sell, current, low, high, chosen, count, steep, cheap, tie, 0.0, 0.0, shares
        )
    more, less = bought - above, sold - below
    if not spare and size >= MANY:
        # sums of many widths round: what the shares themselves still miss is right
        rounding = capacity - total(shares) - (more - less)
        more, less = more + max(rounding, 0.0), less + max(-rounding, 0.0)
        if not buys_cut:
            more, less = max(more - less, 0.0), max(less - more, 0.0)
    in_order = (more <= dust or more >= even_up - dust or ups < 2) and (
        less <= dust or less >= even_down - dust or downs < 2
    )
    if in_order or rank.size == 0:
        if ask and not in_order:
            return ASK_RANK, 0.0, 0.0, 0.0, False, False
        settle(buy, sell, current, low, high, chosen, count, steep, cheap, tie, more, less, dust, shares)
    else:
        order = np.empty(size, np.int64)
        for i in range(size):
            order[rank[i]] = i
        settle(buy, sell, current, low, high, order, size, steep, cheap, tie, more, less, dust, shares)
    buys_at_limit, sells_at_limit = bought >= buy_cap - dust, sold >= sell_cap - dust
    price = 0.0 if spare else (cheap if buys_cut and buys_at_limit else steep)
    price = max(price, 0.0) if idle else price
    on_buying = max(steep - price, 0.0) if buys_cut and buys_at_limit else 0.0
    on_selling = max(price - cheap, 0.0) if sells_cut and sells_at_limit else 0.0
    return OPTIMAL, price, on_buying, on_selling, buys_at_limit, sells_at_limit


@_plain
def one(buy, sell, current, low, high, capacity, rank, ask, idle, max_bought, max_sold):
    """One problem: status, shares, prices of capacity, of buying and of selling."""
    size = buy.size
    shares, slope, width = np.empty(size), np.empty(2 * size), np.empty(2 * size)
    reach, chosen = np.empty(FEW), np.arange(size)
    status, price, on_buying, on_selling, _, _ = match(
        buy,
        sell,
        current,
        low,
        high,
        capacity,
        rank,
        ask,
        idle,
        max_bought,
        max_sold,
        shares,
        slope,
        width,
        reach,
        chosen,
    )
    return status, shares, price, on_buying, on_selling
