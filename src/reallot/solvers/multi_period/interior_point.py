"""A long horizon without compiled code, all at once: an interior point, whose every step is one banded system.

In period order a row meets only rows of its own period and the next. So the normal equations have a band as wide as one
period has rows, and their time grows with the number of periods. What nearly pays costs nothing here, so that rates
like noise, under which no small program is enough, take no longer than others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...problem.arrays import FloatArray
from ..interface.result import RowPrices, SolverResult
from .arrays import DUST, HorizonArrays, largest, proves, tidy

WIDEST = 64
"""Protocols up to which a band is narrow."""
MOST_STEPS = 150
AIM = 1e-13
"""The gap at which steps end, as part of the money."""
CLOSE = 1e-9
"""The gap that an answer may have, as part of the money: that of a certificate."""
STALLED = 5
"""Steps without a smaller gap after which there will be none."""
FIRM = 1e-15
"""What a diagonal is raised by, as part of itself, so that rounding leaves it positive."""
BACK = 0.9995
"""The part of the way to the nearest bound that a step goes."""


def solve_interior(whole: HorizonArrays) -> SolverResult | None:
    """A schedule worth the optimum but for CLOSE, with prices that prove it; None where none was found this way.

    Source: predictor and corrector (Mehrotra, 1992), with bounds on both sides.
    """
    if whole.shape[1] > WIDEST or (whole.lower > whole.upper).any():
        return None
    rows = _PeriodRows(whole)
    point = _Iterate(rows)
    best, least, stalled, steps = (point.values, point.multipliers), np.inf, 0, 0
    while least > AIM and stalled < STALLED and steps < MOST_STEPS:
        try:
            with np.errstate(all="ignore"):
                point.step()
                gap = point.gap()
        except np.linalg.LinAlgError:
            break
        steps, stalled = steps + 1, stalled + 1
        if gap < least:
            best, least, stalled = (point.values, point.multipliers), gap, 0
    schedule, prices = tidy(whole, rows.parts(best[0])[0]), rows.prices(best[1])
    if not proves(whole, schedule, prices, CLOSE):
        return None
    return SolverResult(schedule, prices, detail=f"interior point, {steps} steps")


class _PeriodRows:
    """The program in period order: of each period its movements and its sums, rows (periods, m).

    Values are shares, increases, decreases and slacks of the sums. Rows are share[t] - share[t-1] - increase[t] +
    decrease[t] = 0 for each protocol; then the sum of shares, and those of increases and of decreases where turnover is
    limited.
    """

    def __init__(self, whole: HorizonArrays) -> None:
        self.whole, (self.periods, self.size) = whole, whole.shape
        count, self.cells = self.periods, self.periods * self.size
        self.limited = whole.turnover is not None
        self.m = self.size + 1 + 2 * self.limited
        self.scale = largest(whole) or 1.0
        nothing, slack = np.zeros(whole.shape), np.zeros(count * (self.m - self.size))
        give = np.broadcast_to(whole.give, whole.shape)
        self.cost = np.concatenate([-whole.gain.ravel(), whole.take.ravel(), give.ravel(), slack]) / self.scale
        self.lower = np.concatenate([whole.lower.ravel(), nothing.ravel(), nothing.ravel(), slack])
        free = np.full((count, self.m - self.size), np.inf)
        if not whole.idle:
            free[:, 0] = 0.0
        self.upper = np.concatenate([whole.upper.ravel(), whole.most.ravel(), whole.most.ravel(), free.ravel()])
        self.sides = np.zeros((count, self.m))
        self.sides[0, : self.size] = whole.current
        self.sides[:, self.size] = whole.available
        if whole.turnover is not None:
            self.sides[:, self.size + 1 :] = whole.turnover[:, None]

    def parts(self, values: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Shares, increases, decreases (periods, protocols), and slacks (periods, shared rows)."""
        share, up, down = values[: 3 * self.cells].reshape(3, self.periods, self.size)
        return share, up, down, values[3 * self.cells :].reshape(self.periods, -1)

    def times(self, values: FloatArray) -> FloatArray:
        """The left sides of all rows."""
        share, up, down, slack = self.parts(values)
        result = np.empty((self.periods, self.m))
        result[:, : self.size] = share - up + down
        result[1:, : self.size] -= share[:-1]
        result[:, self.size :] = slack
        result[:, self.size] += share.sum(axis=1)
        if self.limited:
            result[:, self.size + 1] += up.sum(axis=1)
            result[:, self.size + 2] += down.sum(axis=1)
        return result

    def transposed(self, multipliers: FloatArray) -> FloatArray:
        """What the rows at these multipliers (periods, m) take from each value."""
        move, shared = multipliers[:, : self.size], multipliers[:, self.size :]
        share = move + shared[:, [0]]
        share[:-1] -= move[1:]
        up, down = -move, move
        if self.limited:
            up, down = up + shared[:, [1]], down + shared[:, [2]]
        return np.concatenate([share.ravel(), up.ravel(), down.ravel(), shared.ravel()])

    def normal(self, weights: FloatArray) -> FloatArray:
        """Rows times weights times rows transposed, as a band below its diagonal, (m + 1, rows)."""
        share, up, down, slack = self.parts(weights)
        n, m = self.size, self.m
        band = np.zeros((m + 1, self.periods, m))
        band[0, :, :n] = share + up + down
        band[0, 1:, :n] += share[:-1]
        band[0, :, n:] = slack
        band[0, :, n] += share.sum(axis=1)
        own = np.arange(n)
        band[n - own, :, own] = share.T
        band[m, :-1, :n] = -share[:-1]
        band[m + own - n, :-1, n] -= share[:-1].T
        if self.limited:
            band[0, :, n + 1] += up.sum(axis=1)
            band[0, :, n + 2] += down.sum(axis=1)
            band[n + 1 - own, :, own] = -up.T
            band[n + 2 - own, :, own] = down.T
        return band.reshape(m + 1, -1)

    def prices(self, multipliers: FloatArray) -> RowPrices:
        """The multipliers as prices, USD over the horizon."""
        prices = -self.scale * multipliers
        capacity, bought = prices[:, self.size], np.zeros(self.periods)
        sold = bought
        if self.limited:
            bought, sold = (np.maximum(prices[:, self.size + k], 0.0) for k in (1, 2))
        if self.whole.idle:
            capacity = np.maximum(capacity, 0.0)
        return RowPrices(capacity, bought, sold, prices[:, : self.size])


class _Iterate:
    """Values between their bounds, multipliers of the rows, and the pull of each bound (> 0; 0 where there is none)."""

    def __init__(self, rows: _PeriodRows) -> None:
        self.rows = rows
        fixed = rows.upper - rows.lower <= DUST
        self.free, self.capped = ~fixed, ~fixed & np.isfinite(rows.upper)
        self.upper = np.where(self.capped, rows.upper, 0.0)
        width = np.where(self.capped, self.upper - rows.lower, 1.0)
        self.values = rows.lower + np.where(self.free, np.minimum(0.5 * width, 0.5), 0.0)
        self.multipliers = np.zeros((rows.periods, rows.m))
        self.low, self.high = self.free.astype(float), self.capped.astype(float)

    def gap(self) -> float:
        """What is left to close: pulls times rooms as part of the money, and what rows and prices miss."""
        low, high = self._rooms()
        apart = (_dot(self.low, low) + _dot(self.high, high)) / (1.0 + abs(_dot(self.rows.cost, self.values)))
        return max(apart, float(np.abs(self._missed()).max()), float(np.abs(self._unpriced()).max()))

    def step(self) -> None:
        """One step: straight to the end first, then, at the same factors, towards the middle of what is left."""
        from scipy.linalg import cholesky_banded

        low, high = self._rooms()
        weights = np.where(self.free, 1.0 / (self.low / low + self.high / high + ~self.free), 0.0)
        band = self.rows.normal(weights)
        # a row of values that are all fixed has nothing to say
        band[0] = np.where(band[0] > 0.0, (1.0 + FIRM) * band[0], 1.0)
        factor = cholesky_banded(band, lower=True, overwrite_ab=True, check_finite=False)
        straight = self._direction(factor, weights, -self.low * low, -self.high * high)
        along, along_prices = self._reach(straight)
        count = self.free.sum() + self.capped.sum()
        now = (_dot(self.low, low) + _dot(self.high, high)) / count
        after_low = _dot(self.low + along_prices * straight.low, low + along * straight.values)
        after_high = _dot(self.high + along_prices * straight.high, high - along * straight.values)
        aim = now * min(1.0, max((after_low + after_high) / count, 0.0) / now) ** 3
        to_low = np.where(self.free, aim - self.low * low - straight.low * straight.values, 0.0)
        to_high = np.where(self.capped, aim - self.high * high + straight.high * straight.values, 0.0)
        middle = self._direction(factor, weights, to_low, to_high)
        along, along_prices = self._reach(middle)
        self.values = self.values + min(1.0, BACK * along) * middle.values
        along_prices = min(1.0, BACK * along_prices)
        self.multipliers = self.multipliers + along_prices * middle.multipliers
        self.low, self.high = self.low + along_prices * middle.low, self.high + along_prices * middle.high

    def _rooms(self) -> tuple[FloatArray, FloatArray]:
        """How far each value is from its bounds; 1 where there is none to go to."""
        low = np.where(self.free, self.values - self.rows.lower, 1.0)
        return low, np.where(self.capped, self.upper - self.values, 1.0)

    def _missed(self) -> FloatArray:
        return self.rows.sides - self.rows.times(self.values)

    def _unpriced(self) -> FloatArray:
        left = self.rows.cost - self.rows.transposed(self.multipliers) - self.low + self.high
        return np.where(self.free, left, 0.0)

    def _direction(
        self, factor: FloatArray, weights: FloatArray, to_low: FloatArray, to_high: FloatArray
    ) -> _Direction:
        """Where rows and prices would fit and the product of each pull and room would have changed so much."""
        from scipy.linalg import cho_solve_banded

        low, high = self._rooms()
        pull = to_low / low - to_high / high - self._unpriced()
        sides = self._missed() - self.rows.times(weights * pull)
        multipliers = cho_solve_banded((factor, True), sides.ravel(), check_finite=False).reshape(sides.shape)
        values = weights * (self.rows.transposed(multipliers) + pull)
        return _Direction(
            values, multipliers, (to_low - self.low * values) / low, (to_high + self.high * values) / high
        )

    def _reach(self, to: _Direction) -> tuple[float, float]:
        """How many times as far values, and prices with their pulls, can go before one meets its bound."""
        low, high = self._rooms()
        free, capped = self.free, self.capped
        values = max(_most(-to.values[free], low[free]), _most(to.values[capped], high[capped]))
        pulls = max(_most(-to.low[free], self.low[free]), _most(-to.high[capped], self.high[capped]))
        return min(1.0 / BACK, 1.0 / values), min(1.0 / BACK, 1.0 / pulls)


class _Direction(NamedTuple):
    """Changes of a point's values, of its multipliers, and of the pulls of its bounds."""

    values: FloatArray
    multipliers: FloatArray
    low: FloatArray
    high: FloatArray


def _dot(one: FloatArray, other: FloatArray) -> float:
    """The sum of products, in one thread: those of a BLAS wait for each other longer than they work."""
    return float((one * other).sum())


def _most(change: FloatArray, room: FloatArray) -> float:
    """The largest part of its room that a change takes; next to nothing where none does."""
    return max(float((change / room).max(initial=0.0)), 1e-200)
