"""Weights of features that forecast best, for series whose components are known by their variances and time scales."""

from __future__ import annotations

import numpy as np

from .features import FloatArray

SAME = 1e-6
"""Of its own variance is added to each feature: of those that say the same, none is preferred."""


class Kriging:
    """Best linear forecasts of means over so many steps from a last reading, means that forget, and the mean of all.

    For a component that keeps k of itself in a step the features have covariances that depend on nothing but how many
    readings there were, so they are kept for variance 1 and added up for any variances: with G those of the features,
    and c those of the features with the mean over the next h steps, the weights are G^-1 c (Goldberger 1962; kriging
    without a trend).

    decays  (E,) what the means keep in a step; each is divided by the weight of what it has seen
    keeps   (K,) what components keep in a step, 0 to 1
    steps   (B,) horizons
    """

    def __init__(self, decays: FloatArray, keeps: FloatArray, steps: np.ndarray[tuple[int], np.dtype[np.int_]]) -> None:
        self._keeps, self._decays, self._steps, self._taken = keeps[:, None], decays, steps, 0
        self._kept = np.concatenate([[0.0], decays, [1.0]])
        self._added = np.concatenate([[1.0], 1.0 - decays, [1.0]])
        self._kept_twice, self._added_twice = (np.outer(each, each) for each in (self._kept, self._added))
        size = len(self._kept)
        self._each, self._now = np.zeros((len(keeps), size, size)), np.zeros((len(keeps), size))
        inside = (keeps > 0.0) & (keeps < 1.0)
        k = np.where(inside, keeps, 0.5)[:, None]
        self._ahead = np.where(inside[:, None], k * (1.0 - k**steps) / (1.0 - k) / steps, keeps[:, None])

    def take(self) -> None:
        """One reading more."""
        before = self._kept * self._now * self._keeps
        cross = before[:, :, None] * self._added
        self._each *= self._kept_twice
        self._each += cross
        self._each += cross.transpose(0, 2, 1)
        self._each += self._added_twice
        self._now = before + self._added
        self._taken += 1

    def weights(self, variances: FloatArray) -> FloatArray:
        """(B, E + 2) of the last reading, the means and the mean of all, for components with variances (K,)."""
        by = np.concatenate([[1.0], 1.0 - self._decays**self._taken, [float(self._taken)]])
        inside = np.tensordot(variances, self._each, 1) / np.outer(by, by)
        total = float(np.trace(inside))
        if not total > 0.0:
            return np.zeros((self._ahead.shape[1], len(by)))
        inside[np.diag_indices(len(by))] *= 1.0 + SAME
        inside += 1e-12 * total * np.eye(len(by))
        across = (self._now / by).T @ (variances[:, None] * self._ahead)
        result: FloatArray = np.linalg.solve(inside, across).T
        return result
