"""How far readings wander in so many steps, and the variances of components by time scale that explain it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .features import FloatArray

SCALES = 16
"""Time scales of components that forget themselves: 1, 2, 4 ... steps; beside them noise, and levels that stay."""
ROUNDS = 30
"""Rounds of the fit. Few, so that what readings hardly tell apart keeps about the equal variances it begins with: on
made worlds 30 and 100 are alike, and 1,000, the nearest fit, is worse where rates are smooth and moves dear."""
LEAST = 1e-9
"""What wanders less than this part of the mean square counts as if it wandered so much."""


def keeps() -> FloatArray:
    """(K,) how much of each component is left after a step: 0 for noise, exp(-1 / scale), 1 for levels that stay."""
    result: FloatArray = np.concatenate([[0.0], np.exp(-(2.0 ** -np.arange(SCALES))), [1.0]])
    return result


class Variogram:
    """Mean squares of what readings change by in 1, 2, 4 ... steps, over all series together, and what explains them.

    A series is taken as a sum of independent components: noise, one for each time scale that forgets itself
    exponentially, and a level. With variances s and what each keeps in a step, k,

        mean (a[t + h] - a[t])^2 = 2 sum s (1 - k^h),    mean a[t]^2 = sum s

    (Matheron 1963 for the left sides.) `variances` fits s >= 0 to them: relative squares of misses, each weighed by
    the root of how many stretches of h steps there were, by multiplicative steps that keep s positive
    (Daube-Witherspoon and Muehllehner 1986).

    longest  no change is looked at over more steps
    forget   what is left of old squares after a step
    """

    def __init__(self, size: int, longest: int, forget: float) -> None:
        self.lags = 2 ** np.arange(int(np.log2(max(longest, 1))) + 1)
        self._places = np.arange(len(self.lags))
        self._past, self._taken = np.zeros((int(self.lags[-1]), size)), 0
        self._read: NDArray[np.bool_] | None = None
        self._squares, self._counts = np.zeros(len(self.lags) + 1), np.zeros(len(self.lags) + 1)
        self._forget = forget
        changes = 2.0 * (1.0 - keeps() ** self.lags[:, None])
        self._design = np.vstack([changes, np.ones(changes.shape[1])])

    def take(self, apart: FloatArray, read: NDArray[np.bool_] | None = None) -> None:
        """One reading more, (n,), as differences to their mean; what is False in `read` is carried on, not read."""
        place = self._taken % len(self._past)
        if self._read is None and read is not None and not read.all():
            self._read = np.ones(self._past.shape, dtype=bool)
        many = int(np.searchsorted(self.lags, self._taken, side="right"))
        seen = self.lags[:many]
        began = (self._taken - seen) % len(self._past)
        squares = np.empty((many + 1, len(apart)))
        np.subtract(apart, self._past[began], out=squares[:-1])
        squares[-1] = apart
        squares *= squares
        rows = np.append(self._places[:many], len(self.lags))
        self._squares *= self._forget
        self._counts *= self._forget
        if self._read is None:
            self._squares[rows] += squares.sum(axis=1) / len(apart)
            self._counts[rows] += 1.0
        else:
            now = np.ones(apart.shape, dtype=bool) if read is None else read
            counted = np.vstack([self._read[began] & now, now])
            known = counted.sum(axis=1)
            self._squares[rows] += (squares * counted).sum(axis=1) / np.maximum(known, 1)
            self._counts[rows] += known > 0
            self._read[place] = now
        self._past[place] = apart
        self._taken += 1

    def variances(self) -> FloatArray:
        """(K,) of each component, in the order of `keeps`; all 0 where nothing differs."""
        known = self._counts > 0.0
        means = np.divide(self._squares, self._counts, out=np.zeros_like(self._squares), where=known)
        scale = float(means[-1])
        found = np.full(self._design.shape[1], scale / self._design.shape[1])
        if not scale > 0.0:
            return found
        weights = np.sqrt(self._counts / np.append(self.lags, self._counts[-1])) / np.maximum(means, LEAST * scale) ** 2
        weighed = self._design * weights[:, None]
        wanted, left = weighed.T @ means, weighed.T @ self._design
        for _ in range(ROUNDS):
            found = found * (wanted / np.maximum(left @ found, 1e-300))
        return found
