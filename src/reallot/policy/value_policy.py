"""The value rule alone: learned forecasts of mean rates, turned into what a unit of share is worth."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..problem.validation import number
from .base import Decision, Observation, Values
from .confidence import Confidence, judged_over
from .experts import depth
from .forecast.ridge import PooledRidge
from .last_reading import LastReading, known
from .value_iteration import stretches, worth
from .work_function import full_cost


class ValueLP:
    """Values from learned forecasts over several horizons, by the recursion that knows what a move costs.

    cost_multiplier  how often the cost of a move is counted: above 1 waits for larger gains
    """

    name = "value"

    def __init__(self, cost_multiplier: float = 1.0) -> None:
        self._times = number(cost_multiplier, "cost_multiplier", 1e-9)
        self._seen = LastReading(quotes=False)
        self._ridge: PooledRidge | None = None
        self._sure: Confidence | None = None
        self._judged = 0

    def confidence(self, change: ArrayLike) -> float | None:
        """P(net benefit > 0) of changing shares by (n,) now, as `Replay.confidence`, learned from taken plans alone."""
        return None if self._sure is None else self._sure.of(change)

    def judged_over(self, change: ArrayLike) -> float | None:
        """Hours for which `confidence` says what it says, as `Replay.judged_over`."""
        return None if self._sure is None else self._sure.over(change)

    def decide(self, observation: Observation) -> Decision:
        """What a unit of share is worth, as far ahead as forecasts reach."""
        terms, quotes = observation.terms, observation.quotes
        rates = known(self._seen.take(observation))
        if rates is None:
            return None
        if self._ridge is None or self._sure is None:
            self._ridge = PooledRidge(terms.size, terms.step_hours, depth(terms, rates), quotes=quotes is not None)
            self._judged = judged_over(self._ridge.hours, terms, rates)
            self._sure = Confidence(terms, self._ridge.hours[: self._judged], shadows=False)
        hours, forecasts = self._ridge.hours, self._ridge.take(rates, quotes, self._seen.read)
        self._sure.take(observation.shares, rates, forecasts[: self._judged])
        cost = self._times * full_cost(terms)
        values = worth(stretches(forecasts, hours), np.array([len(hours)]), np.array([cost]))[0] / self._times
        return Values(values, forecasts[self._judged - 1], float(hours[self._judged - 1]))
