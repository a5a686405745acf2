"""Huber's loss in the ridge: what a stretch brought counts only so far from what was expected of it."""

from __future__ import annotations

import numpy as np

from reallot.policy.base import FloatArray, Terms
from reallot.policy.experts import Bank
from reallot.policy.follow_the_leading_expert import Replay
from reallot.policy.forecast.ridge import PooledRidge
from reallot.policy.regret_budget import RegretBudget

CUT = 2.0
"""Errors count up to so many times their usual size."""
FORGET = 0.995
"""What is left of the usual size after a step."""


class HuberRidge(PooledRidge):
    """The ridge told pseudo-values: the weights' own expectation, and the error cut to CUT times its usual size.

    A least-squares fit to them is one step towards the minimum of Huber's loss (Huber 1981, section 7.8). A horizon's
    first few stretches are told as they are.
    """

    def __init__(self, size: int, step_hours: float, count: int, *, quotes: bool = False) -> None:
        super().__init__(size, step_hours, count, quotes=quotes)
        self._usual, self._counted = np.zeros(count), np.zeros(count)

    def _learn(self, size: int) -> None:
        many = int((self.steps <= self._taken).sum())
        before = self._products[:many].copy()
        super()._learn(size)
        if not many:
            return
        ended = self.steps[:many]
        began = (self._taken - ended) % size
        known = self._past[began]
        known[:, :, -1] = self._shapes[self._begins[:many] + self._taken % ended]
        expected = (known @ self._weights[:many, :, None])[:, :, 0]
        errors = (self._sum - self._sums[began]) / ended[:, None] - expected
        self._usual[:many] = FORGET * self._usual[:many] + np.abs(errors).mean(axis=1)
        self._counted[:many] = FORGET * self._counted[:many] + 1.0
        most = (CUT * self._usual[:many] / self._counted[:many])[:, None]
        told: FloatArray = expected + np.where(self._counted[:many, None] > 10.0, np.clip(errors, -most, most), errors)
        turned = known.transpose(0, 2, 1) @ told[:, :, None]
        self._products[:many] = self._forget * before + turned[:, :, 0] / ended[:, None]


class HuberBank(Bank):
    """The bank over that ridge."""

    def __init__(self, terms: Terms, rates: FloatArray, *, quotes: bool) -> None:
        super().__init__(terms, rates, quotes=quotes)
        self._ridge = HuberRidge(terms.size, terms.step_hours, len(self.hours), quotes=quotes)


def made() -> RegretBudget:
    """The default with this ridge under its bank."""
    return RegretBudget(Replay(bank=HuberBank))
