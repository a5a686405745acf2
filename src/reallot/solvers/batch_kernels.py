"""The arithmetic of a batch: each row a problem, each column a protocol; everything is an array operation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .exact import DUST, SLACK

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

EQUAL = 1e-10
"""A plan must beat staying by more than this part of the money at stake."""


@dataclass(frozen=True)
class Box:
    """What bounds, holds and max change leave: low <= share <= high, and `middle`, the share without any trade."""

    low: FloatArray
    high: FloatArray
    middle: FloatArray
    feasible: BoolArray

    @classmethod
    def of(cls, given: dict[str, Any]) -> Box:
        current, low, high = given["current"], given["lower"], given["upper"]
        if given["max_change"] is not None:
            low = np.maximum(low, current - given["max_change"])
            high = np.minimum(high, current + given["max_change"])
        if given["held"] is not None:
            low = np.where(given["held"], np.maximum(low, current), low)
            high = np.where(given["held"], np.minimum(high, current), high)
        if given["mask"] is not None:
            low, high = np.where(given["mask"], low, 0.0), np.where(given["mask"], high, 0.0)
        feasible = (low <= high + SLACK).all(axis=1)
        high = np.maximum(low, np.minimum(high, 2.0))
        return cls(low, high, np.minimum(np.maximum(current, low), high), feasible)


Answer = tuple[FloatArray, FloatArray, tuple[FloatArray, FloatArray, FloatArray], BoolArray]
"""Shares, capacity price interval, supporting prices (capacity, bought, sold), feasible."""


def by_one_sort(box: Box, buy: FloatArray, sell: FloatArray, tie: FloatArray) -> Answer:
    """Pieces to keep (below the middle) and to buy (above it) filled from the steepest down to the capacity."""
    keep_width, buy_width = box.middle - box.low, box.high - box.middle
    width = np.concatenate([keep_width, buy_width], axis=1)
    slope = np.concatenate([sell, buy], axis=1)
    slope[width <= DUST] = -np.inf
    order = np.argsort(-slope, axis=1)
    falling = np.take_along_axis(slope, order, axis=1)
    ends = np.cumsum(np.take_along_axis(width, order, axis=1), axis=1)
    need = 1.0 - box.low.sum(axis=1)
    feasible = (need >= -SLACK) & (need <= ends[:, -1] + SLACK)
    last = np.minimum((ends < need[:, None] - DUST).sum(axis=1), width.shape[1] - 1)
    row = np.arange(len(need))
    price = falling[row, last]
    steep = price + tie
    # what is steeper than the price is full; what ties with it is filled in order, kept shares before bought ones
    kept = np.where(slope[:, : sell.shape[1]] > steep[:, None], keep_width, 0.0)
    bought = np.where(slope[:, sell.shape[1] :] > steep[:, None], buy_width, 0.0)
    left = need - kept.sum(axis=1) - bought.sum(axis=1)
    even = (slope <= steep[:, None]) & (slope >= (price - tie)[:, None])
    for part, widths, tied in (
        (kept, keep_width, even[:, : sell.shape[1]]),
        (bought, buy_width, even[:, sell.shape[1] :]),
    ):
        wanted = np.where(tied, widths, 0.0)
        before = np.cumsum(wanted, axis=1) - wanted
        filled = np.minimum(np.maximum(left[:, None] - before, 0.0), wanted)
        left = left - filled.sum(axis=1)
        part += filled
    full = ends[row, last] <= need + DUST
    following = falling[row, np.minimum(last + 1, width.shape[1] - 1)]
    following = np.where(last + 1 < width.shape[1], following, -np.inf)
    empty = need <= DUST
    more = np.where(empty, falling[:, 0], np.where(full, following, price))
    prices = np.stack([more, np.where(empty, np.inf, price)], axis=1)
    support = np.where(np.isfinite(price), price, 0.0)
    zero = np.zeros_like(need)
    return _tidy(box, box.low + kept + bought), prices, (support, zero, zero), feasible


def within_turnover(
    given: dict[str, Any], box: Box, buy: FloatArray, sell: FloatArray, tie: FloatArray, answer: Answer
) -> Answer:
    """The answer without a turnover limit, drawn back to it where it moves more.

    The worth of a total bought is concave, so with a limit the best total is the free one or the limit itself; for a
    given total the steepest buys and the cheapest sells are best.
    """
    free, _, _, feasible = answer
    buy_width, sell_width = box.high - box.middle, box.middle - box.low
    forced = box.middle - given["current"]
    buy_cap = given["max_turnover"] - np.maximum(forced, 0.0).sum(axis=1)
    sell_cap = given["max_turnover"] - np.maximum(-forced, 0.0).sum(axis=1)
    feasible = feasible & (buy_cap >= -SLACK) & (sell_cap >= -SLACK)
    buy_cap, sell_cap = np.maximum(buy_cap, 0.0), np.maximum(sell_cap, 0.0)
    to_fill = 1.0 - box.middle.sum(axis=1)
    least, most = np.maximum(to_fill, 0.0), np.minimum(buy_cap, sell_cap + to_fill)
    feasible = feasible & (least <= most + SLACK)
    wanted = np.maximum(free - box.middle, 0.0).sum(axis=1)
    bought = np.minimum(np.maximum(wanted, least), np.maximum(most, least))
    sold = np.maximum(bought - to_fill, 0.0)
    limited = wanted > most + DUST
    take, gain_next, gain_last = _steepest(buy, buy_width, bought, tie)
    give, loss_next, loss_last = _steepest(-sell[:, ::-1], sell_width[:, ::-1], sold, tie)
    shares = np.where(limited[:, None], _tidy(box, box.middle + take - give[:, ::-1]), free)
    loss_next, loss_last = -loss_next, -loss_last
    buy_limited, sell_limited = bought >= buy_cap - DUST, sold >= sell_cap - DUST
    more = np.maximum(np.where(buy_limited, -np.inf, gain_next), loss_last)
    less = np.minimum(gain_last, np.where(sell_limited, np.inf, loss_next))
    low = np.where(buy_limited, loss_last, np.maximum(gain_next, loss_last))
    high = np.where(sell_limited, gain_last, np.minimum(gain_last, loss_next))
    price = np.where(low > high, high, low)  # they cross by no more than a tie
    price = np.where(np.isfinite(price), price, np.where(np.isfinite(high), high, 0.0))
    on_buying = np.where(buy_limited & np.isfinite(gain_next), np.maximum(gain_next - price, 0.0), 0.0)
    on_selling = np.where(sell_limited & np.isfinite(loss_next), np.maximum(price - loss_next, 0.0), 0.0)
    return shares, np.stack([more, less], axis=1), (price, on_buying, on_selling), feasible


def _steepest(
    slope: FloatArray, width: FloatArray, total: FloatArray, tie: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """`total` of each row taken from its steepest pieces, ties by column; slopes of the next and the last piece.

    -inf as the next slope where nothing is left, inf as the last where nothing is taken.
    """
    slope = np.where(width > DUST, slope, -np.inf)
    order = np.argsort(-slope, axis=1)
    falling = np.take_along_axis(slope, order, axis=1)
    ends = np.cumsum(np.take_along_axis(np.where(width > DUST, width, 0.0), order, axis=1), axis=1)
    row, count = np.arange(len(total)), width.shape[1]
    place = np.minimum((ends < total[:, None] - DUST).sum(axis=1), count - 1)
    following = (ends <= total[:, None] + DUST).sum(axis=1)
    last = np.where(total > DUST, falling[row, place], np.inf)
    after = np.where(following < count, falling[row, np.minimum(following, count - 1)], -np.inf)
    taken = np.where(slope > (last + tie)[:, None], width, 0.0)
    tied = (slope <= (last + tie)[:, None]) & (slope >= (last - tie)[:, None])
    even = np.where(tied, width, 0.0)
    left = total - taken.sum(axis=1)
    before = np.cumsum(even, axis=1) - even
    taken += np.minimum(np.maximum(left[:, None] - before, 0.0), even)
    return taken, after, last


def _tidy(box: Box, shares: FloatArray) -> FloatArray:
    """Shares within rounding of a bound or of the present share are exactly that."""
    for target in (box.high, box.low, box.middle):
        shares = np.where(np.abs(shares - target) <= DUST, target, shares)
    return shares


def stay_where_equal(
    given: dict[str, Any], box: Box, gain: FloatArray, shares: FloatArray, feasible: BoolArray
) -> None:
    """The present shares, in place, where they meet every rule and the plan is worth no more than rounding."""
    current, change = given["current"], shares - given["current"]
    worth = (gain * change - given["move_cost"] * np.abs(change)).sum(axis=1)
    stays = feasible & (np.abs(current.sum(axis=1) - 1.0) <= SLACK) & (box.middle == current).all(axis=1)
    stays &= worth <= EQUAL * np.abs(gain).max(axis=1)
    np.copyto(shares, current, where=stays[:, None])


def bound_of(
    given: dict[str, Any], box: Box, gain: FloatArray, price: tuple[FloatArray, FloatArray, FloatArray]
) -> FloatArray:
    """What no split is worth more than, by weak duality: any prices >= 0 on buying and selling give a true bound."""
    capacity, buying, selling = price
    best = np.full(gain.shape, -np.inf)
    for share in (box.low, box.middle, box.high):
        change = share - given["current"]
        worth = gain * share - given["move_cost"] * np.abs(change) - capacity[:, None] * share
        worth = worth - buying[:, None] * np.maximum(change, 0.0) - selling[:, None] * np.maximum(-change, 0.0)
        best = np.maximum(best, worth)
    bound = capacity + best.sum(axis=1)
    if given["max_turnover"] is not None:
        limit = np.where(np.isfinite(given["max_turnover"]), given["max_turnover"], 0.0)
        bound = bound + (buying + selling) * limit
    return np.asarray(bound)


def residual_of(given: dict[str, Any], box: Box, shares: FloatArray) -> FloatArray:
    """The worst violation of any rule, in shares, (problems,)."""
    worst = np.maximum((box.low - shares).max(axis=1), (shares - box.high).max(axis=1))
    worst = np.maximum(worst, np.abs(shares.sum(axis=1) - 1.0))
    if given["max_turnover"] is not None:
        change = shares - given["current"]
        moved = np.maximum(np.maximum(change, 0.0).sum(axis=1), np.maximum(-change, 0.0).sum(axis=1))
        worst = np.maximum(worst, moved - given["max_turnover"])
    return np.asarray(np.maximum(worst, 0.0))
