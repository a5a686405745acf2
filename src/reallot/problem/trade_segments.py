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
    bent        True where some earnings are curves; else there is one piece of each kind for each protocol, in order
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
    current, limit = data.current, data.max_change[0]
    low, high = np.maximum(data.lower[0], current - limit), np.minimum(data.upper[0], current + limit)
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
        bent=data.pieces is not None,
    )


def buy_slope(data: ProblemArrays, owner: IntArray | slice, slope: FloatArray) -> FloatArray:
    """Worth of a unit bought at marginal earnings `slope` (USD/h): less warm-up, less the cost of taking."""
    cost_in = data.cost_in[owner]
    if data.has_warm_up:
        cost_in = cost_in + np.maximum(slope, 0.0) * data.warm_up[owner]
    return slope * data.hours - cost_in
