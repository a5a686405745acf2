"""Where two windows of a long horizon meet: the period from which the later one's prices count, and what that loses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...problem.arrays import FloatArray
from ..interface.result import RowPrices
from .arrays import MISS, HorizonArrays


@dataclass(frozen=True)
class Window:
    """Some periods planned on their own.

    start     first period, planned from the shares that the window before left there
    schedule  (its periods, protocols)
    """

    start: int
    schedule: FloatArray
    prices: RowPrices

    @property
    def end(self) -> int:
        """The period after its last one."""
        return self.start + len(self.schedule)


@dataclass(frozen=True)
class WindowJoin:
    """Prices are the earlier window's before `period`, the later one's from there on.

    capacity  price of capacity in the period before, so that both fit as well as they can
    loss      what the bound of all periods loses there, USD; 0 where the prices agree
    """

    period: int
    capacity: float
    loss: float


def seam(whole: HorizonArrays, earlier: Window, later: Window) -> WindowJoin:
    """The best seam among periods of the overlap before which both windows hold the same shares.

    Both windows are optimal between two such periods, so that the prices of either prove the shares of both; only the
    step across the seam may lose something: what a unit is worth when it is handed over differs by window.
    """
    # the overlap's last period is left to the next seam: two seams in one period would not be two
    first = later.start
    last = max(first, min(earlier.end, later.end) - 1)
    held = earlier.schedule[first - 1 - earlier.start : last - earlier.start]
    other = np.vstack([held[:1], later.schedule[: last - first]])
    periods = first + np.flatnonzero(np.abs(held - other).max(axis=1) <= MISS)
    held, before = held[periods - first], periods - 1
    value = whole.gain[before] - earlier.prices.movement[before - earlier.start]
    value = value + later.prices.movement[periods - first]
    lower, upper = whole.lower[before], whole.upper[before]
    capacity = _price_of_capacity(whole, value, lower, upper)
    over = value - capacity[:, None]
    most = capacity * whole.available + np.maximum(over * lower, over * upper).sum(axis=1)
    losses = most - (value * held).sum(axis=1)
    best = int(losses.argmin())
    return WindowJoin(int(periods[best]), float(capacity[best]), float(losses[best]))


def _price_of_capacity(whole: HorizonArrays, value: FloatArray, lower: FloatArray, upper: FloatArray) -> FloatArray:
    """The value of the last unit that fits when the most valuable go first, (periods,); arrays (periods, protocols)."""
    order = np.argsort(-value, axis=1)
    room = np.cumsum(np.take_along_axis(upper - lower, order, axis=1), axis=1)
    filled = room >= (whole.available - lower.sum(axis=1))[:, None]
    filled[:, -1] = True
    last = np.take_along_axis(order, filled.argmax(axis=1)[:, None], axis=1)
    price: FloatArray = np.take_along_axis(value, last, axis=1)[:, 0]
    return np.maximum(price, 0.0) if whole.idle else price


def unlimited_prices(whole: HorizonArrays) -> RowPrices:
    """Prices that prove what could be earned at most if every step might change any shares, costs and all.

    A unit is worth pool[t] while nobody holds it: value[t] = max(gain[t] + value[t+1], pool[t] - give), with
    pool[t] = max over protocols of (gain[t] + value[t+1] - take[t]). Movement prices lie within the band of costs, so
    that limits of change cost nothing.
    """
    count, size = whole.shape
    movement, capacity = np.empty((count, size)), np.empty(count)
    after, later = np.zeros(size), 0.0
    for t in range(count - 1, -1, -1):
        hold = whole.gain[t] + after
        pool = float((hold - whole.take[t]).max())
        pool = max(pool, later) if whole.idle else pool
        after = np.maximum(hold, pool - whole.give)
        movement[t], capacity[t] = after - pool, pool - later
        later = pool
    nothing = np.zeros(count)
    return RowPrices(capacity, nothing, nothing, movement)
