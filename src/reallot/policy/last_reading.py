"""What a rule without a forecast looks at: the newest number of each alternative, and the best of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .base import FloatArray, Observation, Target
from .blended_quotes import BlendedQuotes

BoolArray = NDArray[np.bool_]


class LastReading:
    """The newest known number of each alternative; NaN for one that was never seen.

    quotes  False where only what was paid is looked at, and no quotes
    read    (n,) True for what the newest take has seen; None where that is all, and before the first
    """

    def __init__(self, *, quotes: bool = True) -> None:
        self._known: FloatArray | None = None
        self._quotes = BlendedQuotes() if quotes else None
        self.read: BoolArray | None = None

    def take(self, observation: Observation) -> FloatArray:
        """(n,) with this step's numbers in place; what is not seen now stays as it was."""
        seen = observation.rates if self._quotes is None else self._quotes.take(observation)
        missing = np.isnan(seen)
        self.read = ~missing if missing.any() else None
        if self._known is None or self.read is None:
            self._known = seen
        else:
            self._known = np.where(missing, self._known, seen)
        return self._known


def known(rates: FloatArray) -> FloatArray | None:
    """Rates with the mean of the known in place of those never seen; None where nothing is known."""
    missing = np.isnan(rates)
    if not missing.any():
        return rates
    if missing.all():
        return None
    result: FloatArray = np.where(missing, rates[~missing].mean(), rates)
    return result


def best_of(values: FloatArray) -> int | None:
    """Place of the largest number, the first of equals; None where nothing is known."""
    known = np.where(np.isnan(values), -np.inf, values)
    place = int(np.argmax(known))
    return place if known[place] > -np.inf else None


def all_in(place: int | None, size: int) -> Target | None:
    """Everything in one alternative; None, to stay, where there is none."""
    if place is None:
        return None
    shares = np.zeros(size)
    shares[place] = 1.0
    return Target(shares)
