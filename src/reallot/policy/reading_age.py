"""How far a rate may have gone since it was last read: from its age, and from what readings have done before."""

from __future__ import annotations

import numpy as np

from .base import FloatArray

LAGS = 10
"""Ages looked at: 1, 2, 4 ... steps; beyond the largest a reading is worth no less."""
FORGET_STEPS = 4000.0
"""Half-life of what is learned, steps."""
OWN = 48.0
"""Readings from which on an alternative's spread is more its own than all alternatives'."""
UNREAD = 0.3
"""What was never read may differ from the mean by so much of it, until three were read."""


class Staleness:
    """Keeps the newest reading of each alternative, and what may have become of it, one reading after another.

    D(a) is the mean squared change of readings over a steps, as far as both ends were read: over all alternatives
    together, less what they changed in common. D(1) is counted as noise of the readings; of the rest of D(a) each
    alternative has its part by its own variance, drawn to that of all while it has few readings.
    """

    def __init__(self, size: int) -> None:
        self.rates = np.full(size, np.nan)
        self.ages = np.zeros(size)
        self._lags = 2 ** np.arange(LAGS)
        self._past = np.full((int(self._lags[-1]) + 1, size), np.nan)
        self._changes, self._weights = np.zeros(LAGS), np.zeros(LAGS)
        self._forget = 0.5 ** (1.0 / FORGET_STEPS)
        self._count, self._mean, self._squares = np.zeros(size), np.zeros(size), np.zeros(size)
        self._taken = 0

    def take(self, rates: FloatArray) -> None:
        """One reading more, (n,) USD/h; NaN where nothing was read."""
        read = ~np.isnan(rates)
        self._learn(rates)
        self._past[self._taken % len(self._past)] = rates
        self._taken += 1
        self.rates = np.where(read, rates, self.rates)
        self.ages = np.where(read, 0.0, self.ages + 1.0)
        self._count = self._forget * self._count + read
        apart = np.where(read, rates - self._mean, 0.0)
        self._mean = self._mean + apart / np.maximum(self._count, 1.0)
        self._squares = self._forget * self._squares + apart * np.where(read, rates - self._mean, 0.0)

    def _learn(self, rates: FloatArray) -> None:
        lags = self._lags[self._lags <= self._taken]
        many = len(lags)
        change = rates - self._past[(self._taken - lags) % len(self._past)]
        both = ~np.isnan(change)
        count = both.sum(axis=1)
        change = np.where(both, change, 0.0)
        common = change.sum(axis=1) / np.maximum(count, 1)
        apart = np.where(both & (count > 1)[:, None], change - common[:, None], change)
        squares = (apart * apart).sum(axis=1) * count / np.maximum(count - 1, 1)
        self._changes[:many] = self._forget * self._changes[:many] + squares
        self._weights[:many] = self._forget * self._weights[:many] + count

    def deviations(self) -> FloatArray:
        """(n,) standard deviation of each rate now from its newest reading, USD/h; of what was never read, the level's.

        0 for what was just read: a forecast knows better what its noise is.
        """
        weighed = self._weights > 0.0
        drift = np.zeros(LAGS)
        drift[weighed] = self._changes[weighed] / self._weights[weighed]
        drift = np.maximum.accumulate(np.maximum(drift - drift[0], 0.0))
        # an age between two lags lies between them in logarithms
        gone = np.interp(np.log2(np.maximum(self.ages, 1.0)), np.arange(LAGS), drift)
        deviations = np.sqrt(np.where(self.ages > 0.0, gone, 0.0) * self._parts())
        known = ~np.isnan(self.rates)
        if known.all() or not known.any():
            return deviations
        seen = self.rates[known]
        level = float(seen.std(ddof=1)) if seen.size > 2 else UNREAD * abs(float(seen.mean()))
        result: FloatArray = np.where(known, deviations, level)
        return result

    def _parts(self) -> FloatArray:
        """(n,) each one's variance of readings, in parts of the mean one."""
        total = float(self._count.sum())
        pooled = float(self._squares.sum()) / total if total > 0.0 else 0.0
        if pooled <= 0.0:
            return np.ones(len(self._count))
        result: FloatArray = (self._squares + OWN * pooled) / (self._count + OWN) / pooled
        return result
