"""Forecasts of the pooled ridge by a plain weighted regression, written out."""

from __future__ import annotations

import numpy as np

from reallot.policy.forecast.features import Features, FloatArray
from reallot.policy.forecast.kriging import Kriging
from reallot.policy.forecast.ridge import HANDED_ON, PENALTY, PERSISTENCE
from reallot.policy.forecast.variogram import Variogram, keeps

FITS = (36, 42)
"""The last readings after which weights are fitted, on an hourly clock, are 30, 36 and 42."""
FORGET = 0.5 ** (1.0 / 2000.0)


def plain_forecasts(rates: FloatArray, count: int, read: np.ndarray | None = None) -> FloatArray:
    """(count, n) after all of `rates` (36 to 41 hours, n), for horizons of 1, 2, 4 ... hours."""
    size, fitted = rates.shape[1], FITS[0]
    assert fitted <= len(rates) < FITS[1]
    steps = 2 ** np.arange(count)
    features, variogram = Features(size, 1.0, steps), Variogram(size, int(steps[-1]), FORGET)
    kriging = Kriging(features.decays, keeps(), steps)
    apart, known = [], []
    for t, row in enumerate(rates):
        off, common = features.take(row)
        apart.append(off)
        known.append([np.column_stack([common, shape]) for shape in features.shapes])
        if t < fitted:
            variogram.take(off, None if read is None else read[t])
            kriging.take()
    expected = np.column_stack([kriging.weights(variogram.variances()), np.zeros(count)])
    learned, trusted, forecasts = np.zeros(expected.shape[1]), 1.0, []
    for place, h in enumerate(steps.tolist()):
        trust = fitted / (fitted + PERSISTENCE * h)
        first = expected[place] * trust
        begins = first + HANDED_ON * learned * trust / trusted
        spread = np.mean([(known[t][place] ** 2).mean(axis=0) for t in range(fitted)], axis=0)
        penalty = PENALTY * size * np.maximum(spread, 1e-12 * spread.mean())
        left, right = np.diag(penalty), penalty * begins
        for t in range(fitted - h):
            rows = np.ones(size, dtype=bool) if read is None else read[t] & read[t + h]
            weight, x = FORGET ** (fitted - h - 1 - t) / h, known[t][place][rows]
            left = left + weight * x.T @ x
            right = right + weight * x.T @ np.mean(apart[t + 1 : t + 1 + h], axis=0)[rows]
        weights = np.linalg.solve(left, right)
        learned, trusted = weights - first, trust
        forecasts.append(known[-1][place] @ weights)
    return np.array(forecasts)
