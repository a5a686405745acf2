"""How sure a plan is: the probability that it earns back what it costs, learned from what came of plans before."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InvalidInput
from .bank import COVER
from .base import FloatArray, Terms
from .logistic import MOST, Logistic
from .work import full_cost

LEAST_STEPS = 48
"""A plan is judged by what it brings in so many steps, or more where moves cost more."""
LEAST_ERRORS = 10
"""Forecasts that have to be over before a plan has a score."""
LEAST_OWN, LEAST_SHADOWS = 10, 30
"""Plans that have to be over before a probability is given: those taken, and those of shadow portfolios."""
SHADOW_WEIGHT = 0.25
"""Of a shadow's plan: many rules make the same one."""
HALF_LIFE_STEPS = 2000.0
"""Half of what is learned is forgotten in so many steps."""
SAME = 1e-9


def judged_over(hours: FloatArray, terms: Terms, rates: FloatArray) -> int:
    """Place, in the rising horizons `hours`, of the one over which plans are judged; `rates` are the first reading.

    The first of at least LEAST_STEPS steps in which the mean rate earns a full move COVER times: alternatives differ
    by a part of it, and a plan that cannot earn its cost back by then would be called bad however good it is.
    """
    earned = float(np.abs(rates).mean()) * hours
    enough = (hours >= LEAST_STEPS * terms.step_hours * (1.0 - SAME)) & (earned >= COVER * full_cost(terms))
    return int(np.argmax(enough)) if enough.any() else len(hours) - 1


@dataclass(frozen=True)
class _Plans:
    """Changes of shares, (m, n); what each costs, USD, and its score, (m,)."""

    changes: FloatArray
    costs: FloatArray
    scores: FloatArray


@dataclass
class _Moment:
    """What was known then: (n,) USD that a full share had earned so far and was to earn; and the plans made."""

    earned: FloatArray
    expected: FloatArray
    own: _Plans | None = None
    shadows: _Plans | None = None


class Confidence:
    """P(net benefit > 0) of a plan over the next `hours`, learned from plans that are over.

    For a change D of shares the benefit is net = H f . D - costs, with f the forecast of mean rates over the H hours.
    What past forecasts missed, e = earned - H f, spreads along D with deviation sd, and the score s = net / sd becomes

        P = 1 / (1 + exp(-(a + b s)))

    (a, b) are fitted to what came of plans with their scores: once to the plans that were taken, once to those of
    shadow portfolios, and P is the mean of both. Without that step an optimiser's plans are less sure than they look,
    since it picks those whose forecast errs upward. Everything is learned when it is over, `hours` later; memory and
    time of a step do not grow.

    terms    what moves cost
    hours    over which plans are judged
    shadows  False where no shadow's plans come: then those that were taken are enough
    """

    def __init__(self, terms: Terms, hours: float, *, shadows: bool = True) -> None:
        self.hours = hours
        self._terms, self._steps = terms, max(1, round(hours / terms.step_hours))
        self._earned, self._shares = np.zeros(terms.size), np.zeros(0)
        self._moments: deque[_Moment] = deque()
        self._keep = 0.5 ** (1.0 / HALF_LIFE_STEPS)
        self._errors, self._weight = 0, 0.0
        self._mean, self._square = np.zeros(terms.size), np.zeros((terms.size, terms.size))
        self.own, self.shadows = Logistic(), Logistic() if shadows else None

    def take(self, shares: FloatArray, rates: FloatArray, per_hour: FloatArray) -> None:
        """One step more: the shares in force, (n,); the newest reading and the forecast after it, (n,) USD/h.

        A change of shares since the step before is a plan that was taken then.
        """
        if self._moments:
            self._moments[-1].own = self._own(shares - self._shares)
        self._shares = shares
        self._earned = self._earned + self._terms.step_hours * (rates - rates.mean())
        self.own.forget(self._keep)
        if self.shadows is not None:
            self.shadows.forget(self._keep)
        if len(self._moments) == self._steps:
            self._over(self._moments.popleft())
        self._moments.append(_Moment(self._earned, self.hours * per_hour))

    def imagined(self, changes: FloatArray, costs: FloatArray) -> None:
        """What shadows do in this step: changes of shares, (rules, n), and what they cost, (rules,) USD."""
        moved = changes.any(axis=1)
        if moved.any():
            self._moments[-1].shadows = self._scored(changes[moved], costs[moved])

    def of(self, change: ArrayLike) -> float | None:
        """P(net benefit > 0) of changing shares by (n,) now; None where too little is over, or nothing changes.

        It takes LEAST_OWN plans that were taken and LEAST_SHADOWS of shadows. Raises InvalidInput for a change of
        another length, or that does not sum to 0: what is given up by one alternative is taken by another.
        """
        given = np.asarray(change, dtype=float)
        if given.shape != (self._terms.size,) or not np.isfinite(given).all():
            wrong = f"a change of {given.tolist()} for {self._terms.size} alternatives"
            raise InvalidInput(f"{wrong}; give one finite number each")
        if abs(float(given.sum())) > 1e-6:
            raise InvalidInput(f"a change of shares that sums to {given.sum():g}; what one gives another takes: 0")
        plan = self._own(given)
        if plan is None or self.own.count < LEAST_OWN:
            return None
        score = float(plan.scores[0])
        if self.shadows is None:
            return self.own.at(score)
        return None if self.shadows.count < LEAST_SHADOWS else (self.own.at(score) + self.shadows.at(score)) / 2.0

    def _own(self, change: FloatArray) -> _Plans | None:
        """The one plan with its score; None where there is none, or shares came or went."""
        sizes = np.abs(change)
        if not self._moments or sizes.max() <= SAME or abs(float(change.sum())) > 1e-6:
            return None
        cost = self._terms.move_cost * sizes.sum() / 2.0 + self._terms.move_fee * np.count_nonzero(sizes > SAME)
        return self._scored(change[None], np.array([cost]))

    def _scored(self, changes: FloatArray, costs: FloatArray) -> _Plans | None:
        if self._errors < LEAST_ERRORS:
            return None
        net = changes @ self._moments[-1].expected - costs
        square, mean = ((changes @ self._square) * changes).sum(axis=1), changes @ self._mean
        deviation = np.sqrt(np.maximum(square - mean * mean, 0.0))
        sure = deviation * MOST <= np.abs(net)
        return _Plans(changes, costs, np.where(sure, np.sign(net) * MOST, net / np.where(sure, 1.0, deviation)))

    def _over(self, moment: _Moment) -> None:
        """What came of a moment's forecast and plans."""
        came = self._earned - moment.earned
        error = came - moment.expected
        self._errors += 1
        self._weight = self._keep * self._weight + 1.0
        self._mean += (error - self._mean) / self._weight
        self._square += (np.outer(error, error) - self._square) / self._weight
        for plans, learned, weight in ((moment.own, self.own, 1.0), (moment.shadows, self.shadows, SHADOW_WEIGHT)):
            if plans is not None and learned is not None:
                learned.see(plans.scores, plans.changes @ came > plans.costs, weight)
