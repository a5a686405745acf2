"""Two policies combined with a bound: the default until it has lost too much, then the work function, and back."""

from __future__ import annotations

import numpy as np

from reallot.policy.base import Decision, FloatArray, Observation, Values
from reallot.policy.follow_the_leading_expert import Replay
from reallot.policy.regret_budget import RegretBudget
from reallot.policy.shadow_portfolios import Shadows
from reallot.policy.work_function import WorkFunctionSplit, full_cost


class Combined:
    """Follows one of two policies until its shadow has lost `limit` (USD), then the other, with the limit doubled.

    A loss is what the best alternative of each step earned more, and what moves cost. The loss of the combination is
    then within a constant factor of the better one's (Fiat, Foster, Karloff, Rabani, Ravid and Vishwanathan 1991), and
    the work function's is within 2 n - 1 of the best in hindsight, so the combination has a bound as well.
    """

    name = "combined"

    def __init__(self) -> None:
        self._policies = Replay(), WorkFunctionSplit()
        self._shadows: Shadows | None = None
        self._lost: FloatArray = np.zeros(2)
        self._limit, self._followed = 0.0, 0

    def decide(self, observation: Observation) -> Decision:
        """What the one that is followed says."""
        terms, rates = observation.terms, observation.rates
        answers = [each.decide(observation) for each in self._policies]
        if self._shadows is None:
            self._shadows = Shadows(terms, 2, observation.shares)
            self._limit = full_cost(terms)
        elif np.isfinite(rates).all():
            self._lost += terms.step_hours * float(rates.max()) - self._shadows.earn(rates)
        if not any(isinstance(answer, Values) for answer in answers):
            return None
        values = [answer.values if isinstance(answer, Values) else np.zeros(terms.size) for answer in answers]
        self._shadows.step(np.stack(values))
        if self._lost[self._followed] > self._limit and self._lost[self._followed] > self._lost[1 - self._followed]:
            self._followed, self._limit = 1 - self._followed, 2.0 * max(self._limit, float(self._lost.max()))
        return answers[self._followed]


def made() -> RegretBudget:
    """The default and the work function combined, insured as the default is."""
    return RegretBudget(Combined())
