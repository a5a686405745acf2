"""One period as steps around the share without any trade: what a little more, or the last bit, of each is worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import FloatArray, IntArray, ProblemArrays


@dataclass(frozen=True)
class TradeSegments:
    """The box of each protocol and the pieces in it, USD over the horizon per unit of share.

    low, high   (protocols,) what bounds, holds and max change leave; low > high where they leave nothing
    middle      (protocols,) the share in the box nearest to the present one: m = clip(current, low, high)
    owner       (pieces,) position of the protocol; each piece may be cut by m into one to buy and one to sell
    buy, more   (pieces,) worth and width above m: marginal earnings less warm-up and the cost of taking
    sell, keep  (pieces,) worth and width below m: marginal earnings and the cost of giving that is saved
    bent        True where earnings are curves, or costs come in tiers; else each protocol has one piece, in order
    """

    low: FloatArray
    middle: FloatArray
    high: FloatArray
    owner: IntArray
    buy: FloatArray
    more: FloatArray
    sell: FloatArray
    keep: FloatArray
    bent: bool


def trade_segments(data: ProblemArrays) -> TradeSegments:
    """The steps of a problem of one period; widths may be negative, where a piece lies outside the box."""
    current = data.current
    low, high = np.maximum(data.lower[0], current - data.down[0]), np.minimum(data.upper[0], current + data.up[0])
    middle = np.minimum(np.maximum(current, low), high)
    owner, slope = np.arange(data.size), data.rate[0]
    more, keep = high - middle, middle - low
    if data.pieces is not None:
        bent = data.pieces
        flat = np.ones(data.size, dtype=bool)
        flat[bent.index] = False
        owner = np.concatenate([owner[flat], bent.owner])
        slope = np.concatenate([slope[flat], bent.slopes[0]])
        above = np.minimum(bent.ends, high[bent.owner]) - np.maximum(bent.starts, middle[bent.owner])
        below = np.minimum(bent.ends, middle[bent.owner]) - np.maximum(bent.starts, low[bent.owner])
        more, keep = np.concatenate([more[flat], above]), np.concatenate([keep[flat], below])
    if data.tiers is not None:
        return _in_tiers(data, low, middle, high)
    places = slice(None) if data.pieces is None else owner
    return TradeSegments(
        low=low,
        middle=middle,
        high=high,
        owner=owner,
        buy=buy_slope(data, places, slope),
        more=more,
        sell=slope * data.hours + data.cost_out[places],
        keep=keep,
        bent=data.pieces is not None or data.turnover_tiers is not None,
    )


def _in_tiers(data: ProblemArrays, low: FloatArray, middle: FloatArray, high: FloatArray) -> TradeSegments:
    """The same where costs come in tiers: each piece of earnings is cut where a tier begins."""
    tiers, size = data.tiers, data.size
    assert tiers is not None
    owner, place, first, count = tiers.intervals(size)
    start = np.full(owner.size, -np.inf)
    start[place] = data.current[tiers.owner] + tiers.sign * tiers.start
    end = np.append(start[1:], np.inf)
    end[first[1:] - 1] = np.inf
    rises = tiers.sign > 0.0
    cost_in, cost_out = data.cost_in[owner], data.cost_out[owner]
    cost_in[place[rises]] = tiers.price[rises]
    cost_out[place[~rises] - 1] = tiers.price[~rises]  # a tier of giving ends where its edge is
    slope = data.rate[0][owner]
    if data.pieces is not None:
        bent = data.pieces
        flat = np.ones(size, dtype=bool)
        flat[bent.index] = False
        whose = np.concatenate([np.arange(size)[flat], bent.owner])
        lowest = np.concatenate([np.full(int(flat.sum()), -np.inf), bent.starts])
        highest = np.concatenate([np.full(int(flat.sum()), np.inf), bent.ends])
        earned = np.concatenate([data.rate[0][flat], bent.slopes[0]])
        times = count[whose]
        piece = np.arange(whose.size).repeat(times)
        within = np.arange(piece.size) - (times.cumsum() - times).repeat(times)
        interval = first[whose[piece]] + within
        owner, slope = whose[piece], earned[piece]
        start, end = np.maximum(lowest[piece], start[interval]), np.minimum(highest[piece], end[interval])
        cost_in, cost_out = cost_in[interval], cost_out[interval]
    if data.has_warm_up:
        cost_in = cost_in + np.maximum(slope, 0.0) * data.warm_up[owner]
    return TradeSegments(
        low=low,
        middle=middle,
        high=high,
        owner=owner,
        buy=slope * data.hours - cost_in,
        more=np.minimum(end, high[owner]) - np.maximum(start, middle[owner]),
        sell=slope * data.hours + cost_out,
        keep=np.minimum(end, middle[owner]) - np.maximum(start, low[owner]),
        bent=True,
    )


def buy_slope(data: ProblemArrays, owner: IntArray | slice, slope: FloatArray) -> FloatArray:
    """Worth of a unit bought at marginal earnings `slope` (USD/h): less warm-up, less the cost of taking."""
    cost_in = data.cost_in[owner]
    if data.has_warm_up:
        cost_in = cost_in + np.maximum(slope, 0.0) * data.warm_up[owner]
    return slope * data.hours - cost_in
