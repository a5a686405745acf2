"""What looking brings and what it may cost: floors of share, and the expected improvement of a look."""

from __future__ import annotations

import math

import numpy as np

from .base import FloatArray

FLOOR = 0.005
"""Least share of every alternative that may hold any, so that all are observed."""
BUDGET = 0.05
"""Floors take no more than this of the capacity together."""

MOST_Z = 40.0
"""Beyond so many deviations the normal distribution is 0 or 1 to the last digit."""


def exploration_floors(low: FloatArray, high: FloatArray) -> FloatArray:
    """Least shares, (n,), with which every alternative that may hold any stays observed: never below `low`.

    low, high  (n,) least and largest shares, as fractions of capacity; what has `high` 0, or is held, is not explored

    min(FLOOR, BUDGET / allowed) for each of those allowed, within `high`; less where `low` leaves less room. These
    floors are set once, as least shares of a decision. Where rates are only seen of protocols with a share, so small a
    share earns nearly as much as elsewhere, and no move is made only to look.

    >>> exploration_floors(np.zeros(4), np.array([1.0, 1.0, 0.002, 0.0])).tolist()
    [0.005, 0.005, 0.002, 0.0]
    >>> exploration_floors(np.zeros(25), np.ones(25)).sum().round(12)
    np.float64(0.05)
    """
    allowed = high > low
    if not allowed.any():
        return low
    more = np.where(allowed, np.maximum(np.minimum(min(FLOOR, BUDGET / allowed.sum()), high) - low, 0.0), 0.0)
    wanted, free = float(more.sum()), max(1.0 - float(low.sum()), 0.0)
    result: FloatArray = low + more * (min(1.0, free / wanted) if wanted > 0.0 else 0.0)
    return result


def expected_improvement(behind: FloatArray, deviations: FloatArray) -> FloatArray:
    """Mean of max(N(-behind, deviation^2), 0), (n,), in the unit of both: what may be won by knowing.

    behind      (n,) by how much each is worth less than what one would otherwise have, moving there included
    deviations  (n,) standard deviation of what each is worth; at least 0

    deviation (phi(z) + z Phi(z)) with z = -behind / deviation (Mockus 1978; Jones, Schonlau and Welch 1998).

    >>> expected_improvement(np.array([0.0, 1.0, -1.0]), np.array([1.0, 0.0, 0.0])).round(4).tolist()
    [0.3989, 0.0, 1.0]
    """
    known = deviations <= 0.0
    z = np.clip(-behind / np.where(known, 1.0, deviations), -MOST_Z, MOST_Z)
    below = np.array([0.5 * math.erfc(-each / math.sqrt(2.0)) for each in z.tolist()])
    density = np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    unsure = np.maximum(deviations * density - behind * below, 0.0)
    result: FloatArray = np.where(known, np.maximum(-behind, 0.0), unsure)
    return result
