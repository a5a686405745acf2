"""Values by a linear program over scenarios: today's forecast, and whole paths of what past forecasts missed."""

from __future__ import annotations

import numpy as np

from reallot.policy.base import FloatArray, Terms
from reallot.policy.follow_the_leading_expert import Replay
from reallot.policy.regret_budget import RegretBudget
from reallot.policy.value_iteration import stretches
from reallot.policy.work_function import full_cost

from .larger_bank import LargerBank

PATHS = 12
"""Past forecasts whose errors are scenarios, spread evenly over what is over."""
KEPT = 600
"""Forecasts that are kept."""


class Scenarios(LargerBank):
    """The extra rule: the mean over scenarios of what a unit is worth where the whole path is known from now on.

    A scenario is the forecast of each stretch and what a past forecast missed in it. Earnings are linear, so units of
    share do not need each other, and the linear program of one scenario is solved by its dynamic program. The step of
    today is the same for all scenarios (two-stage stochastic programming; Birge and Louveaux 2011).
    """

    def __init__(self, terms: Terms, rates: FloatArray, *, quotes: bool) -> None:
        super().__init__(terms, rates, quotes=quotes)
        self._move, self._step_hours = full_cost(terms), terms.step_hours
        self._looks = int(self._depths[0])
        self._ends = np.round(self.hours[: self._looks] / terms.step_hours).astype(int)
        self._foreseen: list[FloatArray] = []
        self._earned = [np.zeros(terms.size)]

    def one_more(self, rates: FloatArray) -> FloatArray:
        """The mean of the scenarios' values."""
        self._earned.append(self._earned[-1] + self._step_hours * (rates - rates.mean()))
        blocks = stretches(self.forecasts[: self._looks], self.hours[: self._looks])
        now, errors = len(self._foreseen), [np.zeros_like(blocks)]
        begins = np.linspace(max(0, now - KEPT), now - 1, PATHS).astype(int) if now > PATHS else []
        for begin in begins:
            ended = int(np.searchsorted(self._ends, now - begin, side="right"))
            sums = np.stack([self._earned[begin + 1 + end] for end in (0, *self._ends[:ended])])
            missed = np.zeros_like(blocks)
            missed[:ended] = np.diff(sums, axis=0) - self._foreseen[begin][:ended]
            errors.append(missed)
        self._foreseen.append(blocks)
        return _worth(blocks + np.stack(errors[1:] or errors), self._move).mean(axis=0)


def _worth(blocks: FloatArray, cost: float) -> FloatArray:
    """(scenarios, n) USD by the recursion of `value_iteration.worth`, for blocks (scenarios, B, n)."""
    result = np.zeros((len(blocks), blocks.shape[2]))
    for block in range(blocks.shape[1] - 1, -1, -1):
        result = np.maximum(result, result.max(axis=1, keepdims=True) - cost) + blocks[:, block]
    return result


def made() -> RegretBudget:
    """The default with this rule in its bank."""
    return RegretBudget(Replay(bank=Scenarios))
