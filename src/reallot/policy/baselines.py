"""Yardsticks and one-line rules: never, the best fixed choice in hindsight, follow the leader, greedy."""

from __future__ import annotations

import numpy as np

from .base import Decision, FloatArray, Observation, Terms
from .blended_quotes import BlendedQuotes
from .last_reading import LastReading, all_in, best_of


class Never:
    """Stays with what it has: what every other policy has to beat."""

    name = "never"

    def decide(self, observation: Observation) -> Decision:
        """None."""
        return None


class BestFixed:
    """Goes at once to the alternative that earns most over the whole table, and stays: it is told the future."""

    name = "best-fixed"

    def __init__(self) -> None:
        self._place: int | None = None

    def foresee(self, rates: FloatArray, terms: Terms) -> None:
        """Told all rates, (steps, n)."""
        self._place = best_of(rates.mean(axis=0))

    def decide(self, observation: Observation) -> Decision:
        """Everything in that one."""
        return all_in(self._place, observation.terms.size)


class FollowTheLeader:
    """Everything in the alternative with the largest sum so far (mean, where some steps were not seen)."""

    name = "follow-the-leader"

    def __init__(self) -> None:
        self._sum: FloatArray | None = None
        self._count: FloatArray | None = None
        self._quotes = BlendedQuotes()

    def decide(self, observation: Observation) -> Decision:
        """Everything in the leader."""
        seen = self._quotes.take(observation)
        known = ~np.isnan(seen)
        if self._sum is None or self._count is None:
            self._sum, self._count = np.zeros(seen.size), np.zeros(seen.size)
        self._sum = self._sum + np.where(known, seen, 0.0)
        self._count = self._count + known
        mean = np.full(seen.size, np.nan)
        np.divide(self._sum, self._count, out=mean, where=self._count > 0.0)
        return all_in(best_of(mean), seen.size)


class Greedy:
    """Everything in the alternative whose newest number is the largest, whatever a move costs."""

    name = "greedy"

    def __init__(self) -> None:
        self._seen = LastReading()

    def decide(self, observation: Observation) -> Decision:
        """Everything in the one that was best a moment ago."""
        return all_in(best_of(self._seen.take(observation)), observation.terms.size)
