"""A batch, compiled: each problem is matched, valued and certified while it is in the processor's cache.

Numba's cache watches this file alone: after a change in `numba/split.py` or `kernels/split.py`, save this file too.
"""

from __future__ import annotations

import numba
import numpy as np

from ...problem.effective import PRESENT
from ..kernels.batch_arrays import EQUAL
from ..kernels.split import DUST, SLACK
from .split import FEW, NO_SHARE, OPTIMAL, match, summing

_numbers = numba.types.Array(numba.float64, 2, "A", readonly=True)
_flags = numba.types.Array(numba.boolean, 2, "A", readonly=True)
_per_problem = numba.types.Array(numba.float64, 1, "A", readonly=True)
_table, _column, _status = numba.float64[:, ::1], numba.float64[::1], numba.int8[::1]
_inputs = (*[_numbers] * 5, _flags, _numbers, _per_problem, _per_problem, _flags)
_outputs = (_table, _column, _column, _column, _table, _status, _column, _column)
"""One signature for every way to broadcast: strides may be zero."""


@summing
def value(gain, cost, now, low, high, shares, total, limit, price, on_buying, on_selling, buys_full, sells_full):
    """Earned, earned by staying, paid; what no split is worth more than; slopes of one more unit and of the last one.

    Then the sum of shares, the sums of increases and of decreases, and the worst violation of a bound.
    """
    best = price * total + ((on_buying + on_selling) * limit if limit < np.inf else 0.0)
    earned = stay = paid = filled = up = down = worst = 0.0
    gain_next = loss_last = -np.inf
    gain_last = loss_next = np.inf
    for i in range(gain.size):
        a, b, x, g, c = low[i], high[i], shares[i], gain[i], cost[i]
        m = min(max(now[i], a), b)
        # the bound of weak duality, as in `batch_arrays.bound_of`
        best += (g - price) * m - c * abs(m - now[i])
        best -= on_buying * max(m - now[i], 0.0) + on_selling * max(now[i] - m, 0.0)
        best += max(g - c - price - on_buying, 0.0) * (b - m)
        best -= min(g + c - price + on_selling, 0.0) * (m - a)
        bought, sold = max(x - m, 0.0), max(m - x, 0.0)
        gain_last = min(gain_last, g - c if bought > DUST else np.inf)
        gain_next = max(gain_next, g - c if b - m - bought > DUST else -np.inf)
        loss_last = max(loss_last, g + c if sold > DUST else -np.inf)
        loss_next = min(loss_next, g + c if m - a - sold > DUST else np.inf)
        earned += g * x
        stay += g * now[i]
        paid += c * abs(x - now[i])
        filled += x
        up += max(x - now[i], 0.0)
        down += max(now[i] - x, 0.0)
        worst = max(worst, max(a - x, x - b))
    more = loss_last if buys_full else max(gain_next, loss_last)
    less = gain_last if sells_full else min(gain_last, loss_next)
    return earned, stay, paid, best, more, less, filled, up, down, worst


@numba.njit((*_inputs, *_outputs), cache=True, nogil=True, error_model="numpy")
def many(
    rates,
    current,
    lower,
    upper,
    max_change,
    held,
    move_cost,
    max_turnover,
    horizon_hours,
    mask,
    shares_of,
    net_benefit,
    earnings,
    cost_of,
    capacity_price,
    status_of,
    gap,
    residual,
):
    """Fills the arrays of a batch's answers. Limits that are not given are infinite, `held` False and `mask` True."""
    count, size = rates.shape
    gain, cost, now, buy, sell = np.empty(size), np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    low, high, shares = np.empty(size), np.empty(size), np.empty(size)
    slope, width, reach = np.empty(2 * size), np.empty(2 * size), np.empty(FEW)
    chosen, no_rank = np.arange(size), np.empty(0, np.int64)
    for row in range(count):
        limit, hours = max_turnover[row], horizon_hours[row]
        present, largest, inside, closed = 0.0, 0.0, True, False
        for i in range(size):
            x, a, b = current[row, i], lower[row, i], min(upper[row, i], 2.0)
            g, c = rates[row, i] * hours, move_cost[row, i]
            a, b = max(a, x - max_change[row, i]), min(b, x + max_change[row, i])
            if held[row, i]:
                a, b = max(a, x), min(b, x)
            if not mask[row, i]:
                x, g, c, a, b = 0.0, 0.0, 0.0, 0.0, 0.0
            now[i], gain[i], cost[i] = x, g, c
            a, b = x if 0.0 < a - x <= PRESENT else a, x if 0.0 < x - b <= PRESENT else b
            closed |= a > b + SLACK
            low[i], high[i] = a, max(a, b)
            buy[i], sell[i] = g - c, g + c
            present += x
            largest = max(largest, abs(g), c)
            inside &= a <= x <= high[i]
        total = present if abs(present - 1.0) <= PRESENT else 1.0
        status, price, on_buying, on_selling = NO_SHARE, 0.0, 0.0, 0.0
        buys_full = sells_full = False
        if not closed:
            status, price, on_buying, on_selling, buys_full, sells_full = match(
                buy,
                sell,
                now,
                low,
                high,
                total,
                no_rank,
                False,
                False,
                limit,
                limit,
                shares,
                slope,
                width,
                reach,
                chosen,
            )
        if status != OPTIMAL:
            status_of[row] = 1
            shares_of[row] = now
            net_benefit[row] = earnings[row] = cost_of[row] = gap[row] = residual[row] = np.nan
            capacity_price[row] = np.nan
            continue
        shares_of[row] = shares
        earned, stay, paid, best, more, less, filled, up, down, worst = value(
            gain, cost, now, low, high, shares, total, limit, price, on_buying, on_selling, buys_full, sells_full
        )
        more_earned, at_stake = 0.0, 0.0
        for i in range(size):
            change = shares[i] - now[i]
            if change != 0.0:
                more_earned += gain[i] * change - cost[i] * abs(change)
                at_stake = max(at_stake, abs(gain[i]), cost[i])
        if inside and present == total and more_earned <= EQUAL * at_stake:
            shares_of[row] = now
            earned, paid, filled, up, down, worst = stay, 0.0, present, 0.0, 0.0, 0.0
        objective = earned - paid
        status_of[row] = 0
        net_benefit[row], earnings[row], cost_of[row] = objective - stay, earned / hours, paid
        capacity_price[row, 0], capacity_price[row, 1] = more / hours, less / hours
        gap[row] = max(best - objective, 0.0) / max(max(largest, abs(objective)), 1e-300)
        residual[row] = max(max(worst, abs(filled - total)), max(up, down) - limit)
