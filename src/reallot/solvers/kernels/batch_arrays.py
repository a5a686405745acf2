"""The arithmetic of a batch on chunks: each column a problem, each row a protocol, so that sums run along memory.

Why it is here: a problem of ten protocols takes about a microsecond, alone through `split` it takes 35.
Segments are stacked: what may be kept (below the share without any trade), then what may be bought.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ...problem.effective import PRESENT
from .split import DUST, SLACK, TIE

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

EQUAL = 1e-10
"""A plan must beat staying by more than this part of the money at stake."""
LOWEST = -1e308
"""Stands below every slope, and is finite."""


@dataclass(frozen=True)
class ChunkInputs:
    """The arguments of a chunk, (protocols or 1, problems or 1), per problem (1, problems or 1); None where not given.

    `rates` and `current` are whole, (protocols, problems), and 0 where masked.
    """

    rates: FloatArray
    current: FloatArray
    lower: FloatArray
    upper: FloatArray
    max_change: FloatArray | None
    held: BoolArray | None
    move_cost: FloatArray
    max_turnover: FloatArray | None
    horizon_hours: FloatArray
    mask: BoolArray | None


@dataclass(frozen=True)
class Box:
    """What bounds, holds and max change leave: low <= share <= high, and `middle`, the share without any trade.

    total  (problems,) what the shares sum to: 1, or what the present shares do where that is 1 but for rounding
    """

    low: FloatArray
    high: FloatArray
    middle: FloatArray
    total: FloatArray
    feasible: BoolArray

    @classmethod
    def of(cls, given: ChunkInputs) -> Box:
        """The bounds of shares, (protocols, problems), and whether any shares between them sum to 1."""
        current = given.current
        if given.max_change is None:
            low = np.maximum(given.lower, np.zeros_like(current))
            high = np.minimum(given.upper, np.full_like(current, 2.0))
        else:
            low = np.subtract(current, given.max_change)
            np.maximum(low, given.lower, out=low)
            high = np.add(current, given.max_change)
            np.minimum(high, given.upper, out=high)
            np.minimum(high, 2.0, out=high)
        if given.held is not None:
            np.maximum(low, current, out=low, where=given.held)
            np.minimum(high, current, out=high, where=given.held)
        if given.mask is not None:
            gone = np.broadcast_to(~given.mask, current.shape)
            low[gone] = 0.0
            high[gone] = 0.0
        for edge, beyond in ((low, low - current), (high, current - high)):
            np.copyto(edge, current, where=(beyond > 0.0) & (beyond <= PRESENT))
        feasible = (high - low).min(axis=0) >= -SLACK
        np.maximum(high, low, out=high)
        middle = np.maximum(current, low)
        np.minimum(middle, high, out=middle)
        present = current.sum(axis=0)
        total = np.where(np.abs(present - 1.0) <= PRESENT, present, 1.0)
        return cls(low, high, middle, total, feasible)


@dataclass(frozen=True)
class BatchSegments:
    """Slopes and widths, (2 * protocols, problems): what may be kept, then what may be bought; `tie` (problems,)."""

    slope: FloatArray
    width: FloatArray
    tie: FloatArray

    @classmethod
    def of(cls, given: ChunkInputs, box: Box, gain: FloatArray) -> BatchSegments:
        """The segments between these bounds, at gains (protocols, problems) per unit of share."""
        size, count = gain.shape
        slope, width = np.empty((2 * size, count)), np.empty((2 * size, count))
        np.add(gain, given.move_cost, out=slope[:size])
        np.subtract(gain, given.move_cost, out=slope[size:])
        np.subtract(box.middle, box.low, out=width[:size])
        np.subtract(box.high, box.middle, out=width[size:])
        if given.held is None:
            tie = TIE * np.maximum(slope.max(axis=0), -slope.min(axis=0))
        else:  # who cannot move has no part in it
            tie = TIE * np.abs(slope).max(axis=0, where=width > DUST, initial=0.0)
        np.copyto(slope, LOWEST, where=width <= DUST)
        return cls(slope, width, tie)

    @property
    def kept(self) -> BatchSegments:
        """What may be kept, the last protocol first: it is the first to give."""
        return self._part(slice(self.size - 1, None, -1))

    @property
    def bought(self) -> BatchSegments:
        """What may be bought."""
        return self._part(slice(self.size, None))

    @property
    def size(self) -> int:
        """Number of protocols."""
        return len(self.slope) // 2

    def _part(self, rows: slice) -> BatchSegments:
        return BatchSegments(self.slope[rows], self.width[rows], self.tie)


@dataclass(frozen=True)
class BatchSplit:
    """Shares (protocols, problems), and for each problem slopes, supporting prices and whether a split exists.

    more, less  slope of one more unit of capacity and of the last one
    price, on_buying, on_selling
                prices of capacity, of buying and of selling that support the answer together
    """

    shares: FloatArray
    more: FloatArray
    less: FloatArray
    price: FloatArray
    on_buying: FloatArray | float
    on_selling: FloatArray | float
    feasible: BoolArray


def by_one_sort(box: Box, segments: BatchSegments) -> BatchSplit:
    """Segments filled from the steepest down to the capacity."""
    need = box.total - box.low.sum(axis=0)
    taken, more, less, total = steepest(segments, need)
    feasible = (need >= -SLACK) & (need <= total + SLACK)
    shares = taken[: segments.size]
    shares += taken[segments.size :]
    shares += box.low
    price = np.where(np.isfinite(less), less, np.where(np.isfinite(more), more, 0.0))
    return BatchSplit(_tidy(box, shares), more, less, price, 0.0, 0.0, feasible)


def within_turnover(given: ChunkInputs, box: Box, segments: BatchSegments, free: BatchSplit) -> BatchSplit:
    """The answer without a turnover limit, drawn back to it where it moves more.

    The worth of a total bought is concave, so with a limit the best total is the free one or the limit itself. For a
    given total the steepest buys and the cheapest sells are best.
    """
    assert given.max_turnover is not None
    limit, forced = given.max_turnover[0], box.middle - given.current
    buy_cap = limit - np.maximum(forced, 0.0).sum(axis=0)
    sell_cap = limit + np.minimum(forced, 0.0).sum(axis=0)
    feasible = free.feasible & (buy_cap >= -SLACK) & (sell_cap >= -SLACK)
    buy_cap, sell_cap = np.maximum(buy_cap, 0.0), np.maximum(sell_cap, 0.0)
    to_fill = box.total - box.middle.sum(axis=0)
    least, most = np.maximum(to_fill, 0.0), np.minimum(buy_cap, sell_cap + to_fill)
    feasible &= least <= most + SLACK
    wanted = np.maximum(free.shares - box.middle, 0.0).sum(axis=0)
    bought = np.minimum(np.maximum(wanted, least), np.maximum(most, least))
    sold = np.maximum(bought - to_fill, 0.0)
    kept = segments.kept
    cheap = BatchSegments(np.where(kept.width > DUST, -kept.slope, LOWEST), kept.width, segments.tie)
    take, gain_next, gain_last, _ = steepest(segments.bought, bought)
    give, loss_next, loss_last, _ = steepest(cheap, sold)
    shares = np.where(wanted > most + DUST, _tidy(box, box.middle + take - give[::-1]), free.shares)
    loss_next, loss_last = -loss_next, -loss_last
    buy_limited, sell_limited = bought >= buy_cap - DUST, sold >= sell_cap - DUST
    more = np.maximum(np.where(buy_limited, -np.inf, gain_next), loss_last)
    less = np.minimum(gain_last, np.where(sell_limited, np.inf, loss_next))
    price = np.minimum(more, less)  # they cross by no more than a tie
    price = np.where(np.isfinite(price), price, np.where(np.isfinite(less), less, 0.0))
    on_buying = np.where(buy_limited & np.isfinite(gain_next), np.maximum(gain_next - price, 0.0), 0.0)
    on_selling = np.where(sell_limited & np.isfinite(loss_next), np.maximum(price - loss_next, 0.0), 0.0)
    return BatchSplit(shares, more, less, price, on_buying, on_selling, feasible)


def steepest(segments: BatchSegments, amount: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """`amount` (problems,) taken from the steepest segments, ties by row; slopes of the next and the last; the total.

    -inf as the next slope where nothing is left, inf as the last where nothing is taken.
    """
    slope, width, tie = segments.slope, segments.width, segments.tie
    size, count = slope.shape
    order = np.argsort(-np.ascontiguousarray(slope.T), axis=1).T * count + np.arange(count)  # the steepest first
    ends = width.take(order, mode="clip")
    if size > count:
        np.cumsum(ends, axis=0, out=ends)
    else:  # along memory, the same sums
        for above, below in pairwise(ends):
            below += above
    total = ends[-1]
    flat, column = slope.reshape(-1), np.arange(count)
    real = (slope > LOWEST).sum(axis=0)
    place = np.minimum((ends < amount - DUST).sum(axis=0), np.maximum(real - 1, 0))
    price = flat[order[place, column]]
    following = (ends <= amount + DUST).sum(axis=0)
    after = flat[order[np.minimum(following, size - 1), column]]
    after = np.where((following < size) & (after > LOWEST), after, -np.inf)
    last = np.where((amount > DUST) & (price > LOWEST), price, np.inf)
    # what is steeper than the price is full; what ties with it is filled in order
    steep = slope > price + tie
    taken = np.multiply(width, steep)
    left = amount - taken.sum(axis=0)
    even = slope >= price - tie
    even ^= steep
    part = np.multiply(width, even)
    for row in even.any(axis=1).nonzero()[0] if size > count else range(size):
        filled = part[row]
        np.minimum(filled, left, out=filled)
        np.maximum(filled, 0.0, out=filled)
        left -= filled
    taken += part
    return taken, after, last, total


def _tidy(box: Box, shares: FloatArray) -> FloatArray:
    """Shares within rounding of a bound or of the present share are exactly that, in place."""
    for target in (box.high, box.low, box.middle):
        apart = shares - target
        np.abs(apart, out=apart)
        np.copyto(shares, target, where=apart <= DUST)
    return shares


def at_stake(given: ChunkInputs, gain: FloatArray) -> FloatArray:
    """The most that one share may earn, lose or cost, (problems,): the size against which gaps are measured."""
    return np.asarray(np.maximum(np.maximum(gain.max(axis=0), -gain.min(axis=0)), given.move_cost.max(axis=0)))


def stay_where_equal(given: ChunkInputs, box: Box, gain: FloatArray, shares: FloatArray, feasible: BoolArray) -> None:
    """The present shares, in place, where they meet every rule and the moves are worth no more than rounding.

    Rounding is measured by what those earn, or pay, that move.
    """
    current = given.current
    change = shares - current
    worth = gain * change
    np.abs(change, out=change)
    size = np.maximum(np.abs(gain), given.move_cost)
    size *= change > 0.0
    change *= given.move_cost
    worth -= change
    stays = worth.sum(axis=0) <= EQUAL * size.max(axis=0)
    stays &= feasible & (current.sum(axis=0) == box.total) & (box.middle == current).all(axis=0)
    if stays.any():
        np.copyto(shares, current, where=stays)


def bound_of(given: ChunkInputs, box: Box, gain: FloatArray, answer: BatchSplit) -> FloatArray:
    """What no split is worth more than, (problems,), by weak duality; any prices >= 0 on buying and selling prove one.

    Each protocol's worth less the prices is concave, so its best over the box is found from the middle.
    """
    change = box.middle - given.current
    net = gain - answer.price
    best = net * box.middle
    if change.any():
        best -= given.move_cost * np.abs(change)
        best -= answer.on_buying * np.maximum(change, 0.0) - answer.on_selling * np.minimum(change, 0.0)
    up = net - (given.move_cost + answer.on_buying)
    np.maximum(up, 0.0, out=up)
    up *= box.high - box.middle
    best += up
    net += given.move_cost + answer.on_selling
    np.minimum(net, 0.0, out=net)
    net *= box.middle - box.low
    best -= net
    bound = answer.price * box.total + best.sum(axis=0)
    if given.max_turnover is not None:
        bound += (answer.on_buying + answer.on_selling) * np.where(
            np.isfinite(given.max_turnover[0]), given.max_turnover[0], 0.0
        )
    return np.asarray(bound)


def residual_of(given: ChunkInputs, box: Box, shares: FloatArray) -> FloatArray:
    """The worst violation of any rule, in shares, (problems,)."""
    worst = np.abs(shares.sum(axis=0) - box.total)
    np.maximum(worst, (box.low - shares).max(axis=0), out=worst)
    np.maximum(worst, (shares - box.high).max(axis=0), out=worst)
    if given.max_turnover is not None:
        change = shares - given.current
        up, down = np.maximum(change, 0.0).sum(axis=0), -np.minimum(change, 0.0).sum(axis=0)
        np.maximum(worst, np.maximum(up, down) - given.max_turnover[0], out=worst)
    return np.asarray(worst)
