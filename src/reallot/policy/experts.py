"""The bank: fourteen rules, each with its own view of what a unit of share is worth; none of them acts."""

from __future__ import annotations

import math

import numpy as np

from .base import FloatArray, Terms
from .forecast.ridge import PooledRidge
from .last_reading import BoolArray
from .value_iteration import stretches, worth
from .work_function import full_cost

DEPTH = 9
"""Stretches that the value rule looks ahead, each about twice the one before: 256 steps, 128 hours at five minutes."""
COVER = 5.0
"""It looks further where that covers less than so many times the hours in which the mean rate earns a full move."""
SHORTER, FURTHER = 3, 2
"""The other value rules look so many stretches less far, and further."""
MOST_DEPTH = 14
"""No rule looks further; a forecast that far is no more than the mean of all readings."""
MULTIPLIERS = (1.0, 2.0)
"""How often the value rules count the cost of a move: twice waits longer."""
SINGLE = (1, 3, 5)
"""Horizons of the rules that look at one mean only."""
MEAN_STEPS, MEAN_HOURS = 48.0, 32.0
"""The rule of an exponential mean: its half-life in steps; it looks ahead so many quarters of an hour, or steps."""


def depth(terms: Terms, rates: FloatArray) -> int:
    """Stretches to look ahead: DEPTH, or more where a move costs more than some days of the mean rate earn."""
    level, most = float(np.abs(rates).mean()), MOST_DEPTH - FURTHER
    covered, first = COVER * full_cost(terms), max(terms.step_hours, 0.5)
    if covered <= level * first:
        return DEPTH
    if covered > level * first * 2.0**most:
        return most
    return min(max(DEPTH, math.ceil(math.log2(covered / level / first) - 1e-9) + 1), most)


class Bank:
    """What each rule thinks a unit of share is worth, one reading after another.

    The value rules turn learned forecasts into values by value iteration, as far ahead as `depth` says, less far and
    further, with the cost of a move counted once and twice; three more take one horizon's mean; one an exponential
    mean; two are the work function; one follows the leader; the last stays.
    """

    def __init__(self, terms: Terms, rates: FloatArray, *, quotes: bool) -> None:
        self._terms, self._cost = terms, full_cost(terms)
        middle = depth(terms, rates)
        self._ridge = PooledRidge(terms.size, terms.step_hours, middle + FURTHER, quotes=quotes)
        depths = [(look, times) for look in (middle, middle - SHORTER, middle + FURTHER) for times in MULTIPLIERS]
        self._depths = np.array([look for look, _ in depths])
        self._times = np.array([times for _, times in depths])
        hours = self._ridge.hours
        self.names = (
            *(f"value {hours[look - 1]:g} h, cost x{times:g}" for look, times in depths),
            *(f"mean of {hours[k]:g} h" for k in SINGLE),
            "exponential mean",
            "work function",
            "work function, cost x2",
            "follow the leader",
            "stay",
        )
        self._mean_hours = MEAN_HOURS * max(0.25, terms.step_hours)
        self._decay = 0.5 ** (1.0 / MEAN_STEPS)
        self._mean, self._total = np.zeros(terms.size), np.zeros(terms.size)
        self._works = np.zeros((len(MULTIPLIERS), terms.size))
        self._cuts = np.array(MULTIPLIERS)[:, None] * self._cost
        self._taken = 0
        self.forecasts, self.hours = np.zeros((len(hours), terms.size)), hours

    def take(self, rates: FloatArray, quotes: FloatArray | None, read: BoolArray | None = None) -> FloatArray:
        """One reading more, finite; what a unit of share is worth to each rule, (rules, n) USD; keeps `forecasts`.

        `read`, (n,), is False for what is carried on from an earlier reading; None where nothing is.
        """
        self.forecasts = self._ridge.take(rates, quotes, read)
        self._taken += 1
        blocks = stretches(self.forecasts, self.hours)
        values = worth(blocks, self._depths, self._times * self._cost) / self._times[:, None]
        single = self.forecasts[list(SINGLE)] * self.hours[list(SINGLE), None]
        apart = rates - rates.sum() / len(rates)
        self._mean = self._decay * self._mean + (1.0 - self._decay) * apart
        mean = self._mean / (1.0 - self._decay**self._taken) * self._mean_hours
        self._total = self._total + self._terms.step_hours * apart
        works = self._works - self._terms.step_hours * rates
        works -= works.min(axis=1, keepdims=True)
        self._works = np.minimum(works, self._cuts)
        saved = -works / np.array(MULTIPLIERS)[:, None]
        rest = (2.0 * self._total)[None], np.zeros((1, len(mean)))
        result: FloatArray = np.concatenate([values, single, mean[None], saved, *rest])
        return result
