"""Rules that move when the best is better by a margin: profit switching, smoothed or not, and a threshold in money."""

from __future__ import annotations

import numpy as np

from ..problem.validation import number
from .base import Decision, FloatArray, Observation
from .blended_quotes import BlendedQuotes
from .decision_step import Room
from .last_reading import LastReading, all_in, best_of


class ProfitSwitching:
    """Everything in one alternative, until another's newest number is better by `margin` (0.1 is 10 %).

    The rule of profit-switching miners; what a move costs is not asked.
    """

    name = "profit-switching"

    def __init__(self, margin: float = 0.1) -> None:
        self._margin = number(margin, "margin", 0.0)
        self._seen = LastReading()
        self._held: int | None = None

    def decide(self, observation: Observation) -> Decision:
        """Everything in the one held."""
        self._held = self.chosen(self._seen.take(observation))
        return all_in(self._held, observation.terms.size)

    def chosen(self, values: FloatArray) -> int | None:
        """The one held from now on, given the newest numbers."""
        best, held = best_of(values), self._held
        if held is None or best is None or values[best] > (1.0 + self._margin) * values[held]:
            return best
        return held


class Ema(ProfitSwitching):
    """Profit switching on exponential means with a half-life of `half_life_hours`, begun at the first number seen."""

    name = "ema"

    def __init__(self, half_life_hours: float = 12.0, margin: float = 0.1) -> None:
        super().__init__(margin)
        self._half_life = number(half_life_hours, "half_life_hours", 1e-9)
        self._mean: FloatArray | None = None
        self._quotes = BlendedQuotes()

    def decide(self, observation: Observation) -> Decision:
        """Everything in the one held."""
        seen = self._quotes.take(observation)
        if self._mean is None:
            self._mean = seen
        else:
            weight = 1.0 - 0.5 ** (observation.terms.step_hours / self._half_life)
            known, begun = ~np.isnan(seen), ~np.isnan(self._mean)
            mixed = self._mean + weight * (seen - self._mean)
            self._mean = np.where(known & begun, mixed, np.where(known, seen, self._mean))
        self._held = self.chosen(self._mean)
        return all_in(self._held, observation.terms.size)


class Threshold:
    """A step toward the best alternative, where it adds at least `part` of present earnings and `usd_per_hour`.

    part          of what the present shares earn at the newest rates: 0.05 is 5 %
    usd_per_hour  least improvement, USD/h

    The step looked at is as large as bounds per step allow; what it costs is not asked.
    """

    name = "threshold"

    def __init__(self, part: float = 0.05, usd_per_hour: float = 0.25) -> None:
        self._part = number(part, "part", 0.0)
        self._least = number(usd_per_hour, "usd_per_hour", 0.0)
        self._seen = LastReading()

    def decide(self, observation: Observation) -> Decision:
        """Everything in the best, or None to stay."""
        values, now, terms = self._seen.take(observation), observation.shares, observation.terms
        target = all_in(best_of(values), terms.size)
        if target is None:
            return None
        values = np.nan_to_num(values)
        room = Room(np.zeros(now.size), np.ones(now.size), terms.most_turnover)
        earned = float(values @ now)
        more = float(values @ room.toward(target.shares, now)) - earned
        return target if more > 0.0 and more >= self._part * abs(earned) and more >= self._least else None
