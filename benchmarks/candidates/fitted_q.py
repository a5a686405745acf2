"""Fitted Q-iteration: what a unit of share is worth, linear in a few features of where it stands."""

from __future__ import annotations

import numpy as np

from reallot.policy.base import FloatArray, Terms
from reallot.policy.experts import COVER
from reallot.policy.follow_the_leading_expert import Replay
from reallot.policy.regret_budget import RegretBudget
from reallot.policy.work_function import full_cost

from .larger_bank import LargerBank

KEPT = 1000
"""Steps that the fit looks back on."""
REFIT, ROUNDS = 50, 20
"""Steps from one fit to the next; rounds of a fit, each from the weights of the one before."""
LOOKED_AT = (0, 4, 8)
"""Horizons whose forecasts are features."""
SHORTEST, LONGEST = 24.0, 2000.0
"""Steps in which half of the future is forgotten, at least and at most."""
PENALTY = 1e-3
"""Of the mean square of features."""


class FittedQ(LargerBank):
    """The extra rule: V = features . w, with w refitted to what came after each step that is kept.

    A unit in i earns r_i in the next step, then stays or goes where it is worth most for the cost c:

        V_i(t) = r_i(t + 1) + keep * max(V_i(t + 1), max_j V_j(t + 1) - c)

    Features are forecasts over three horizons, the lead over the best other one, the age of this lead, and the size of
    recent changes (Ernst, Geurts and Wehenkel 2005, with a linear fit).
    """

    def __init__(self, terms: Terms, rates: FloatArray, *, quotes: bool) -> None:
        super().__init__(terms, rates, quotes=quotes)
        self._move, self._step_hours = full_cost(terms), terms.step_hours
        level = max(float(np.abs(rates).mean()), 1e-300)
        half = min(max(COVER * self._move / level / terms.step_hours, SHORTEST), LONGEST)
        self._keep = 0.5 ** (1.0 / half)
        count = len(LOOKED_AT) + 3
        self._weights = np.zeros(count)
        self._seen, self._earned = np.zeros((KEPT, terms.size, count)), np.zeros((KEPT, terms.size))
        self._age, self._changes = np.zeros(terms.size), np.zeros(terms.size)
        self._before, self._steps = rates, 0

    def one_more(self, rates: FloatArray) -> FloatArray:
        """The values of this step's features."""
        features = self._features(rates)
        self._seen = np.roll(self._seen, -1, axis=0) if self._steps >= KEPT else self._seen
        self._earned = np.roll(self._earned, -1, axis=0) if self._steps >= KEPT else self._earned
        place = min(self._steps, KEPT - 1)
        self._seen[place], self._earned[place] = features, self._step_hours * (rates - rates.mean())
        self._steps += 1
        if self._steps >= REFIT and self._steps % REFIT == 0:
            self._fit(min(self._steps, KEPT))
        return features @ self._weights

    def _features(self, rates: FloatArray) -> FloatArray:
        seen = self.forecasts[list(LOOKED_AT)]
        middle = seen[1]
        best, second = np.argmax(middle), np.partition(middle, -2)[-2]
        lead = middle - np.where(np.arange(len(middle)) == best, second, middle[best])
        self._age = np.where(lead > 0.0, self._age + 1.0, 0.0)
        self._changes = 0.95 * self._changes + 0.05 * np.abs(rates - self._before)
        self._before = rates
        return np.stack([*seen, lead, np.log1p(self._age) * np.maximum(lead, 0.0), self._changes], axis=1)

    def _fit(self, many: int) -> None:
        began, later, earned = self._seen[: many - 1], self._seen[1:many], self._earned[1:many]
        rows = began.reshape(-1, began.shape[2])
        squares = rows.T @ rows
        mean = np.diag(squares).copy()
        if not mean.max() > 0.0:
            return
        solve = np.linalg.solve(squares + np.diag(PENALTY * mean + 1e-12 * mean.max()), rows.T)
        for _ in range(ROUNDS):
            then = later @ self._weights
            best = np.maximum(then, then.max(axis=1, keepdims=True) - self._move)
            self._weights = solve @ (earned + self._keep * (best - best.mean(axis=1, keepdims=True))).ravel()


def made() -> RegretBudget:
    """The default with this rule in its bank."""
    return RegretBudget(Replay(bank=FittedQ))
