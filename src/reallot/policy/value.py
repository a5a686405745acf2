"""The value rule alone: learned forecasts of mean rates, turned into what a unit of share is worth."""

from __future__ import annotations

import numpy as np

from ..forecast.ridge import PooledRidge
from ..problem.check import number
from .bank import depth
from .base import Decision, Observation, Values
from .recursion import stretches, worth
from .seen import LastSeen, known
from .work import full_cost


class ValueLP:
    """Values from learned forecasts over several horizons, by the recursion that knows what a move costs.

    cost_multiplier  how often the cost of a move is counted: above 1 waits for larger gains
    """

    name = "value"

    def __init__(self, cost_multiplier: float = 1.0) -> None:
        self._times = number(cost_multiplier, "cost_multiplier", 1e-9)
        self._seen = LastSeen(quotes=False)
        self._ridge: PooledRidge | None = None

    def decide(self, observation: Observation) -> Decision:
        """What a unit of share is worth, as far ahead as forecasts reach."""
        terms, quotes = observation.terms, observation.quotes
        rates = known(self._seen.take(observation))
        if rates is None:
            return None
        if self._ridge is None:
            self._ridge = PooledRidge(terms.size, terms.step_hours, depth(terms, rates), quotes=quotes is not None)
        hours = self._ridge.hours
        blocks = stretches(self._ridge.take(rates, quotes), hours)
        cost = self._times * full_cost(terms)
        return Values(worth(blocks, np.array([len(hours)]), np.array([cost]))[0] / self._times)
