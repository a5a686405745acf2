"""Bands from past out-of-sample errors, wider or narrower as they held or not: conformal, adaptive under drift.

Errors of each series and each number of steps ahead are taken on their own. The band of level 1 - a reaches from the
(a/2)-th to the (1 - a/2)-th of the last `window` errors, counted so that it holds with that probability where errors
are exchangeable. Under drift a is replaced by what has held (Gibbs and Candes 2021, equation 2):

    a[t + 1] = a[t] + gamma * (a - miss[t])

where the outcome of a forecast made h steps ahead is known h steps later, and changes only bands made from then on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...problem.arrays import BoolArray, FloatArray, IntArray

LEVELS = np.array([0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
"""Parts outside the band, a, that are followed; others lie between them in proportion."""
NEAR_STEPS, GAMMA_NEAR, GAMMA_FAR = 6, 0.05, 0.01
"""Up to so many steps ahead bands adapt by GAMMA_NEAR; outcomes further ahead arrive late, and adapting costs width."""


def gammas(steps: int) -> FloatArray:
    """How fast the band of each step ahead adapts, (steps,)."""
    return np.where(np.arange(1, steps + 1) <= NEAR_STEPS, GAMMA_NEAR, GAMMA_FAR)


def adapted(outside: FloatArray, aimed: FloatArray, missed: BoolArray, gamma: FloatArray) -> FloatArray:
    """The parts outside to use next, after one more outcome: outside + gamma * (aimed - missed)."""
    return np.asarray(outside + gamma * (aimed - missed))


def ranks_outside(outside: FloatArray, window: int) -> IntArray:
    """Which error bounds a band with this part outside, counted from either end, from 1.

    The k-th of `window` from either end leaves out at most 2 k / (window + 1). A part too small for the window, or
    below 0, takes the largest errors there were: nothing is known beyond them.
    """
    found = np.floor(np.clip(outside, 0.0, 1.0) * (window + 1) / 2.0 + 1e-9)
    return np.clip(found, 1, (window + 1) // 2).astype(np.int64)


@dataclass(frozen=True, eq=False)
class ReplayedErrors:
    """The bands as they would have been made in the past, and how they held.

    outside  (levels, steps, series) the parts outside to use now, for LEVELS, never falling along them
    held     (levels, moments, steps, series) whether what came lay within; moments are of the outcomes
    window   errors that each band was made of
    errors   (window, steps, series) the latest, sorted
    """

    outside: FloatArray
    held: BoolArray
    window: int
    errors: FloatArray

    def bound(self, q: float) -> FloatArray:
        """The error not exceeded with probability `q`, (steps, series)."""
        aimed = 2.0 * min(q, 1.0 - q)
        above = int(np.clip(np.searchsorted(LEVELS, aimed), 1, len(LEVELS) - 1))
        part = np.clip((aimed - LEVELS[above - 1]) / (LEVELS[above] - LEVELS[above - 1]), 0.0, 1.0)
        outside = (1.0 - part) * self.outside[above - 1] + part * self.outside[above]
        rank = ranks_outside(outside, self.window)
        low, high = (self._pick(place) for place in (rank - 1, self.window - rank))
        if q == 0.5:
            return 0.5 * (low + high)
        return low if q < 0.5 else high

    def _pick(self, place: IntArray) -> FloatArray:
        return np.asarray(np.take_along_axis(self.errors, place[None], axis=0)[0])


def replay(errors: FloatArray, window: int, gamma: FloatArray) -> ReplayedErrors:
    """Bands made one after the other from `errors`, (moments, steps, series), NaN where nothing came yet.

    A row holds the errors of the forecasts made at one moment for 1, 2, ... steps ahead; the last row was made now.
    Moments that are not in the first window are replayed.
    """
    moments, steps, series = errors.shape
    came = np.full((moments - 1, steps, series), np.nan)
    for h in range(1, steps + 1):  # by the moment of the outcome; what was forecast before the first row is unknown
        came[h - 1 :, h - 1] = errors[: moments - h, h - 1]
    first = 2 * steps - 2 + window
    """First outcome whose band had a full window at the time that it was made, for every number of steps ahead."""
    latest = np.sort(came[len(came) - window :], axis=0)
    depth = _depths(came, first, window)
    outside, held = _follow(depth, window, gamma)
    return ReplayedErrors(np.sort(outside, axis=0), held, window, latest)


def _depths(came: FloatArray, first: int, window: int) -> IntArray:
    """How many errors of its window lie on the thinner side of each outcome from `first` on, itself left out."""
    count, steps, series = max(0, len(came) - first), came.shape[1], came.shape[2]
    result = np.empty((count, steps, series), dtype=np.int64)
    for h in range(1, steps + 1):
        of = np.ascontiguousarray(came[:, h - 1])
        for j in range(count):
            row = first + j
            known = of[row - h - window + 1 : row - h + 1]
            below, same_or_below = _count(known < of[row]), _count(known <= of[row])
            result[j, h - 1] = np.minimum(same_or_below, window - below)
    return result


def _count(found: BoolArray) -> IntArray:
    """How many are true in each column; several times as fast as a sum of booleans."""
    return np.asarray(found.view(np.uint8).sum(axis=0, dtype=np.uint16), dtype=np.int64)


def _follow(depth: IntArray, window: int, gamma: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Parts outside after the last outcome, and whether the bands as shown held, level by level."""
    count, steps, series = depth.shape
    aimed, rate = LEVELS[:, None, None], gamma[:, None]
    outside = np.broadcast_to(aimed, (len(LEVELS), steps, series)).copy()
    held = np.empty((len(LEVELS), count, steps, series), dtype=bool)
    missed = np.zeros((count + steps, len(LEVELS), steps, series), dtype=bool)
    late = np.arange(steps)
    # `now` counts moments of outcomes; the forecast for `h` ahead that comes true at `now + h` is made here
    for now in range(-steps, count):
        if now >= 0:
            outside = adapted(outside, aimed, missed[now], rate)
        shown = np.sort(outside, axis=0)
        ends = now + 1 + late
        there = (ends >= 0) & (ends < count)
        if not there.any():
            continue
        steps_there = late[there]
        found = depth[ends[there], steps_there]
        for_h = ranks_outside(shown[:, there], window)
        held[:, ends[there], steps_there] = found >= for_h
        raw = outside[:, there]
        never = raw * (window + 1) / 2.0 + 1e-9 < 1.0  # a band without bounds is not missed (paper, section 2)
        gone = (found < ranks_outside(raw, window)) & ~never
        missed[ends[there], :, steps_there] = np.moveaxis(gone, 1, 0)
    return outside, held
