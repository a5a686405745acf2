"""The bank of the default policy with one more rule: it leads where its shadow portfolio earns most."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from reallot.policy.base import FloatArray, Terms
from reallot.policy.experts import Bank
from reallot.policy.last_reading import BoolArray


class LargerBank(Bank, ABC):
    """The rule stands before the last one, which stays."""

    def __init__(self, terms: Terms, rates: FloatArray, *, quotes: bool) -> None:
        super().__init__(terms, rates, quotes=quotes)
        self.names = (*self.names[:-1], "one more", self.names[-1])

    def take(self, rates: FloatArray, quotes: FloatArray | None, read: BoolArray | None = None) -> FloatArray:
        """As the bank's, with the rule's values in the last row but one."""
        values = super().take(rates, quotes, read)
        return np.vstack([values[:-1], self.one_more(rates), values[-1]])

    @abstractmethod
    def one_more(self, rates: FloatArray) -> FloatArray:
        """(n,) USD that a unit of share is worth after these readings, (n,) USD/h; `forecasts` are those after them."""
