"""Three simple forecasts on one scale: what was a season ago, smoothing by phase, and a ridge that all series share.

A member gives forecasts made at many past moments at once. What it says at a moment rests on rows up to that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from ...problem.arrays import FloatArray, IntArray

LEVEL, PHASE, ECHO = 0.15, 0.1, 0.7
"""Smoothing: weight of the newest error in the level and in its phase's offset, and what is left of it a step later."""
HALF_LIVES = (2.0, 6.0)
"""Steps, of the short means that the ridge looks at; a third one has the season's length."""
PENALTY = 1e-2
"""Ridge penalty, as a part of the rows."""
REFIT = 100
"""Rows between two fits of the ridge, at most; what is forecast now has a fit of its own."""
MOST_ROWS = 20_000
"""Rows that one fit of the ridge looks at, for each step ahead; of more, evenly spread ones."""
FAR = 4.0
"""What lies further from its mean than this many spreads counts as that far when the ridge is fitted."""


@dataclass(frozen=True, eq=False)
class Past:
    """Series on a common scale, and the moments at which forecasts are wanted.

    values  (times, series)
    first   forecasts are made at `first` and at every later row, the last included
    steps   how many steps ahead
    season  steps in a season
    """

    values: FloatArray
    first: int
    steps: int
    season: int

    @property
    def moments(self) -> IntArray:
        """Rows at which forecasts are made, (moments,)."""
        return np.arange(self.first, len(self.values))

    def fits(self, every: int) -> list[tuple[int, int]]:
        """Where a model is fitted, and the end of the moments that it serves: each `every` rows, and at the last."""
        starts = [*range(self.first, len(self.values) - 1, every), len(self.values) - 1]
        return list(pairwise([*starts, len(self.values)]))

    def same_phase(self, moments: IntArray, ahead: int, back: int = 0) -> IntArray:
        """Latest row known at each moment that has the phase of `ahead` steps later; `back` more seasons earlier."""
        return moments + ahead - self.season * (-(-ahead // self.season) + back)

    @cached_property
    def smoothed(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Level, offset of the row's phase, and last error after each row, each (times, series)."""
        values, season = self.values, self.season
        level = values[:season].mean(axis=0)
        offsets = values[:season] - level if season > 1 else np.zeros_like(values[:1])
        levels, phases, errors = np.empty_like(values), np.empty_like(values), np.empty_like(values)
        for t, value in enumerate(values):
            phase = t % season
            error = value - level - offsets[phase]
            level = level + LEVEL * error
            if season > 1:
                offsets[phase] += PHASE * error
            levels[t], phases[t], errors[t] = level, offsets[phase], value - level - offsets[phase]
        return levels, phases, errors


Member = Callable[[Past], FloatArray]
"""Forecasts (moments, steps, series) made at each of the moments."""


def seasonal_naive(past: Past) -> FloatArray:
    """The same as a season ago, of the latest season known; without a season the last value."""
    ahead = range(1, past.steps + 1)
    return np.stack([past.values[past.same_phase(past.moments, h)] for h in ahead], axis=1)


def smoothing(past: Past) -> FloatArray:
    """Level plus offset of the phase, both smoothed, plus what is left of the last error.

    Additive seasonal exponential smoothing without trend and with fixed weights (Holt 1957, Winters 1960).
    """
    levels, phases, errors = past.smoothed
    moments, ahead = past.moments, range(1, past.steps + 1)
    return np.stack(
        [levels[moments] + phases[past.same_phase(moments, h)] + ECHO**h * errors[moments] for h in ahead], axis=1
    )


def pooled_ridge(past: Past) -> FloatArray:
    """One ridge regression for each step ahead, over all series together; fitted again every REFIT rows.

    What a fit looks at was known by then: pairs of a moment and what came `h` steps later, which ends where it is made.
    """
    view = SeriesFeatures(past)
    result = np.empty((len(past.moments), past.steps, past.values.shape[1]))
    for h in range(1, past.steps + 1):
        gram, product, done = np.zeros((view.count, view.count)), np.zeros(view.count), view.first
        for start, end in past.fits(REFIT):
            rows = np.arange(done, start - h + 1, view.stride)
            if len(rows):
                inputs, targets = view.inputs(rows, h), view.targets(rows, h)
                gram, product, done = gram + inputs.T @ inputs, product + inputs.T @ targets, int(rows[-1]) + 1
            rates = PENALTY * max(float(np.trace(gram)) / view.count, 1e-12)
            weights = np.linalg.solve(gram + rates * np.eye(view.count), product)
            moments = np.arange(start, end)
            result[moments - past.first, h - 1] = view.forecasts(moments, view.inputs(moments, h) @ weights)
    return result


class SeriesFeatures:
    """What a regression that all series share looks at: each series from its own level, in its own spread."""

    def __init__(self, past: Past) -> None:
        self._past, values = past, past.values
        levels = past.smoothed[0]
        self._base, self._slow = levels, _means(values, max(past.season, 24))
        self._near = [values, *(_means(values, half_life) for half_life in HALF_LIVES), self._slow]
        known = values[: past.first + 1] - levels[: past.first + 1]
        spread = known.std(axis=0)
        self._spread = np.where(spread > 1e-9, spread, 1.0)
        self.first = min(2 * past.season, past.first)
        self.count = len(self._near) + 3

    @property
    def stride(self) -> int:
        """One row in so many is looked at, by all of the history that is known at the first moment."""
        return int(max(1, (self._past.first - self.first) * self._past.values.shape[1] // MOST_ROWS))

    def inputs(self, moments: IntArray, ahead: int) -> FloatArray:
        """(moments x series, features), series changing fastest."""
        past, base = self._past, self._base[moments]
        latest = past.same_phase(moments, ahead)
        earlier = past.same_phase(moments, ahead, back=1)
        usual = past.smoothed[1][latest]
        columns = [*(each[moments] - base for each in self._near), past.values[latest] - base]
        columns += [past.values[earlier] - base, usual]
        return (np.stack(columns, axis=-1) / self._spread[:, None]).reshape(-1, self.count)

    def targets(self, moments: IntArray, ahead: int) -> FloatArray:
        """What came, (moments x series,), in spreads from the level; clipped at FAR."""
        came = (self._past.values[moments + ahead] - self._base[moments]) / self._spread
        return np.clip(came, -FAR, FAR).reshape(-1)

    def forecasts(self, moments: IntArray, answers: FloatArray) -> FloatArray:
        """Answers in spreads as values on the common scale, (moments, series)."""
        return self._base[moments] + self._spread * answers.reshape(len(moments), -1)


def middle(members: Sequence[Member], past: Past) -> FloatArray:
    """The median of the members' forecasts, (moments, steps, series): one that is far off changes little."""
    found = [member(past) for member in members]
    if len(found) == 1:
        return found[0]
    if len(found) == 3:  # the same as np.median, without sorting
        low, high = np.minimum(found[0], found[1]), np.maximum(found[0], found[1])
        return np.maximum(low, np.minimum(high, found[2]))
    return np.asarray(np.median(np.stack(found), axis=0))


def _means(values: FloatArray, half_life: float) -> FloatArray:
    """Exponential means up to each row, (times, series)."""
    keep, mean = 0.5 ** (1.0 / half_life), values[0]
    result = np.empty_like(values)
    for t, value in enumerate(values):
        mean = value + keep * (mean - value)
        result[t] = mean
    return result
