"""Forecasts of relative earnings over several horizons: one ridge regression each, over all alternatives together."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .features import Features, FloatArray
from .kriging import Kriging
from .variogram import Variogram, keeps

PERSISTENCE = 0.3
"""Before anything is learned, what was seen for t hours is trusted for h more by t / (t + PERSISTENCE h)."""
HANDED_ON = 0.6
"""How much of what the next shorter horizon has learned a horizon begins with: it has seen more stretches."""
PENALTY = 3.0
"""How many independent stretches of the horizon's length weigh as much as these first weights."""
FORGET_HOURS, FORGET_STEPS = 336.0, 2000.0
"""Half-life of what is learned: the larger of the two."""
REFIT_HOURS, REFIT_STEPS = 6.0, 6.0
"""Weights are fitted so often: the longer of the two."""
EARLY = 1.25
"""While little has been read, they are fitted again whenever there are so many times as many readings."""


def horizons(step_hours: float, count: int) -> FloatArray:
    """(count,) horizons in hours, each twice the one before, from half an hour or a step on; whole steps."""
    first = max(step_hours, 0.5)
    return np.maximum(1.0, np.round(first * 2.0 ** np.arange(count) / step_hours)) * step_hours


class PooledRidge:
    """Mean rates over the next h hours, as differences to the mean of alternatives, for each of several h.

    For a horizon of h steps the features X[t] of each alternative explain its mean over the steps after t. Weights
    minimise

        sum over t of forget^(now - t) / h * |y[t] - X[t] w|^2 + PENALTY n sum_j s_j^2 (w_j - w0_j)^2

    with s_j^2 the mean square of feature j, so that a feature's unit does not matter, and 1 / h because h stretches
    that overlap tell as much as one. w0 are the best weights for series that wander as these have (`Variogram`,
    `Kriging`), trusted as far as PERSISTENCE says, and a part of what the next shorter horizon has learned beyond its
    own. The day's shape and quotes begin with none. A forecast uses only what has ended: X[t] is learned from h steps
    later. Where not everything is read, X[t] of an alternative is learned from only if it was read both then and h
    steps later. A reading that is carried on tells nothing new.

    step_hours  from one reading to the next
    count       number of horizons
    quotes      True where quotes come with the readings
    """

    def __init__(self, size: int, step_hours: float, count: int, *, quotes: bool = False) -> None:
        self.hours = horizons(step_hours, count)
        self.steps = np.round(self.hours / step_hours).astype(int)
        self._features = Features(size, step_hours, self.steps, quotes=quotes)
        width = self._features.count + 1
        self._weights = np.zeros((count, width))
        self._squares, self._products = np.zeros((count, width, width)), np.zeros((count, width))
        self._spread, self._taken = np.zeros((count, width)), 0
        longest = int(self.steps[-1]) + 1
        self._past, self._sums = np.zeros((longest, size, width)), np.zeros((longest, size))
        # of a day's shape each horizon needs what was known when the stretch that ends now began, and nothing older
        self._begins, self._shapes = np.cumsum(self.steps) - self.steps, np.zeros((int(self.steps.sum()), size))
        self._sum = np.zeros(size)
        self._read: NDArray[np.bool_] | None = None
        self._forget = float(np.exp2(-step_hours / max(FORGET_HOURS, FORGET_STEPS * step_hours)))
        self._refit, self._next = max(1, round(max(REFIT_HOURS / step_hours, REFIT_STEPS))), 1
        self._variogram = Variogram(size, int(self.steps[-1]), self._forget)
        self._kriging = Kriging(self._features.decays, keeps(), self.steps)

    def take(
        self, rates: FloatArray, quotes: FloatArray | None = None, read: NDArray[np.bool_] | None = None
    ) -> FloatArray:
        """One reading more, (n,) USD/h; the forecasts after it, (horizons, n) USD/h.

        `rates` are finite; an alternative that was not read now carries its last reading, and is False in `read`, (n,);
        None where all were.
        """
        apart, now = self._features.take(rates, quotes)
        size = len(self._past)
        self._sum = self._sum + apart
        place = self._taken % size
        if self._read is None and read is not None and not read.all():
            self._read = np.ones(self._sums.shape, dtype=bool)
        if self._read is not None:
            self._read[place] = True if read is None else read
        self._learn(size)
        self._variogram.take(apart, read)
        self._kriging.take()
        shapes = self._features.shapes
        self._past[place, :, :-1], self._sums[place] = now, self._sum
        self._shapes[self._begins + self._taken % self.steps] = shapes
        self._taken += 1
        self._spread[:, :-1] += (now * now).sum(axis=0) / len(rates)
        self._spread[:, -1] += (shapes * shapes).sum(axis=1) / len(rates)
        if self._taken >= self._next:
            self._fit(len(rates))
            self._next = min(math.ceil(EARLY * self._taken), self._taken + self._refit)
        result: FloatArray = self._weights[:, :-1] @ now.T + self._weights[:, -1:] * shapes
        return result

    def _learn(self, size: int) -> None:
        """What a stretch that ends now has brought, and what was known when it began."""
        ended = self.steps[self.steps <= self._taken]
        if not len(ended):
            return
        many, began = len(ended), (self._taken - ended) % size
        shapes = self._shapes[self._begins[:many] + self._taken % ended]
        known = self._past[began]
        known[:, :, -1] = shapes
        brought = (self._sum - self._sums[began]) / ended[:, None]
        if self._read is not None:
            both = self._read[began] & self._read[self._taken % size]
            known, brought = known * both[:, :, None], brought * both
        turned, weight = known.transpose(0, 2, 1), 1.0 / ended
        self._squares[:many] *= self._forget
        self._products[:many] *= self._forget
        self._squares[:many] += (turned @ known) * weight[:, None, None]
        self._products[:many] += (turned @ brought[:, :, None])[:, :, 0] * weight[:, None]

    def _fit(self, size: int) -> None:
        trust = self._taken / (self._taken + PERSISTENCE * self.steps)
        expected = self._kriging.weights(self._variogram.variances())
        first = np.zeros_like(self._weights)
        first[:, : expected.shape[1]] = expected * trust[:, None]
        spread = self._spread / self._taken
        if not spread.max() > 0.0:
            self._weights = first
            return
        penalty = PENALTY * size * np.maximum(spread, 1e-12 * spread.mean(axis=1, keepdims=True))
        eye = np.eye(penalty.shape[1])
        left = self._squares + penalty[:, :, None] * eye
        # each horizon's weights are those it has without the one before, and what that one's learning adds to them
        sides = np.concatenate([(self._products + penalty * first)[:, :, None], penalty[:, :, None] * eye], axis=2)
        solved = np.linalg.solve(left, sides)
        weights, carried = solved[:, :, 0], HANDED_ON * trust[1:] / trust[:-1]
        for place, part in enumerate(carried.tolist(), 1):
            weights[place] += solved[place, :, 1:] @ (part * (weights[place - 1] - first[place - 1]))
        self._weights = weights
