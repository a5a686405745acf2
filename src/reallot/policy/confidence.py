"""How sure a plan is: the probability that it earns back what it costs, learned from what came of plans before."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InvalidInput
from .base import FloatArray, Terms
from .experts import COVER
from .platt_calibration import MOST, Logistic
from .work_function import full_cost

Places = NDArray[np.intp]

LEAST_STEPS = 48
"""Plans are judged over horizons of up to so many steps, or longer where moves cost more.

One horizon of 48 steps or more for all plans was tried on made worlds (seeds 300, 310, 311): it called plans for the
next hours bad, and a gate of 0.5 then cost up to 0.17 of the gain at low costs where seasons are quick.
"""
LEAST_ERRORS = 10
"""Forecasts over a horizon that have to be over before a plan is judged by it."""
LEAST_OWN, LEAST_SHADOWS = 10, 30
"""Plans that have to be over before a probability is given: those taken, and those of shadow portfolios."""
SHADOW_WEIGHT = 0.25
"""Of a shadow's plan: many rules make the same one."""
HALF_LIFE_STEPS = 2000.0
"""Half of what is learned is forgotten in so many steps."""
SAME, UNEVEN = 1e-9, 1e-6
"""Changes as small are none; what sums to more is no exchange of shares."""


def judged_over(hours: FloatArray, terms: Terms, rates: FloatArray) -> int:
    """How many of the rising horizons `hours` plans are judged over; `rates` are the first reading.

    Up to the first of at least LEAST_STEPS steps in which the mean rate earns a full move COVER times. Alternatives
    differ by a part of that rate. A plan that cannot earn its cost back by then would be called bad, however good it
    is.
    """
    earned = float(np.abs(rates).mean()) * hours
    enough = (hours >= LEAST_STEPS * terms.step_hours * (1.0 - SAME)) & (earned >= COVER * full_cost(terms))
    return int(np.argmax(enough)) + 1 if enough.any() else len(hours)


@dataclass(frozen=True)
class _Plans:
    """Plans of one step judged over one horizon.

    until    reading at which it ends
    changes  of shares, (m, n); costs, (m,) USD; scores, (m,)
    begun    (n,) USD that a full share had earned by then
    own      True where they were taken, False where they are shadows'
    """

    until: int
    changes: FloatArray
    costs: FloatArray
    scores: FloatArray
    begun: FloatArray
    own: bool


def is_below_gate(sure: float | None, least: float) -> bool:
    """True where it is known how sure a change is, and that is below `least`: live and in a backtest it is not made."""
    return sure is not None and sure < least


class Confidence:
    """P(net benefit > 0) of a plan, learned from plans that are over.

    For a change D of shares the benefit over a horizon of H hours is net = H f . D - costs, with f the forecast of mean
    rates over these hours. What past forecasts missed, e = earned - H f, spreads along D with deviation sd. A plan is
    judged over the horizon where its score s = net / sd is best. So a move for the next few hours need not pay for
    days. The score becomes

        P = 1 / (1 + exp(-(a + b s)))

    (a, b) are fitted to the outcomes of plans with their scores: once to plans that were taken, once to those of shadow
    portfolios. P is the mean of both. Without that step an optimiser's plans are less sure than they look, since it
    picks those whose forecast errs upward, and the horizon is picked likewise. Everything is learned when it is over;
    memory and time of a step do not grow.

    terms    what moves cost
    hours    (B,) rising horizons over which plans may be judged
    shadows  False where no shadow's plans come: then those that were taken are enough
    """

    def __init__(self, terms: Terms, hours: FloatArray, *, shadows: bool = True) -> None:
        count, size = len(hours), terms.size
        self._terms, self._hours = terms, hours
        self._steps = np.maximum(1, np.round(hours / terms.step_hours)).astype(int)
        self._begins = np.cumsum(self._steps) - self._steps
        self._foreseen = np.zeros((int(self._steps.sum()), size))
        self._taken, self._earned, self._shares = 0, np.zeros(size), np.zeros(size)
        self._expected, self._keep = np.zeros((count, size)), 0.5 ** (1.0 / HALF_LIFE_STEPS)
        self._weights, self._means = np.zeros(count), np.zeros((count, size))
        self._squares = np.zeros((count, size, size))
        self._plans: tuple[deque[_Plans], ...] = tuple(deque() for _ in range(count))
        self.own, self.shadows = Logistic(), Logistic() if shadows else None

    def take(self, shares: FloatArray, rates: FloatArray, forecasts: FloatArray) -> None:
        """One step more: the shares in force, (n,); the newest reading, (n,), and the forecasts after it, (B, n) USD/h.

        A change of shares since the step before is a plan that was taken then.
        """
        change = shares - self._shares
        if self._taken and (cost := self._cost(change)) is not None:
            self._put(change[None], np.array([cost]), own=True)
        self._shares, self._taken = shares, self._taken + 1
        self._earned = self._earned + self._terms.step_hours * (rates - rates.sum() / len(rates))
        self._expected = self._hours[:, None] * forecasts
        for learned in (self.own, self.shadows):
            if learned is not None:
                learned.forget(self._keep)
        places = self._begins + self._taken % self._steps
        self._miss(self._earned - self._foreseen[places[: int((self._steps < self._taken).sum())]])
        self._foreseen[places] = self._earned + self._expected
        for waiting in self._plans:
            while waiting and waiting[0].until <= self._taken:
                self._over(waiting.popleft())

    def imagined(self, changes: FloatArray, costs: FloatArray) -> None:
        """What shadows do in this step: changes of shares, (rules, n), and what they cost, (rules,) USD."""
        moved = changes.any(axis=1)
        if moved.any():
            self._put(changes[moved], costs[moved], own=False)

    def of(self, change: ArrayLike) -> float | None:
        """P(net benefit > 0) of changing shares by (n,) now; None where too little is over, or nothing changes.

        It takes LEAST_OWN plans that were taken and LEAST_SHADOWS of shadows. Raises InvalidInput for a change of
        another length, or that does not sum to 0: what is given up by one alternative is taken by another.
        """
        judged = self._judged(change)
        if judged is None or self.own.count < LEAST_OWN:
            return None
        score = float(judged[0][0])
        if self.shadows is None:
            return self.own.at(score)
        return None if self.shadows.count < LEAST_SHADOWS else (self.own.at(score) + self.shadows.at(score)) / 2.0

    def over(self, change: ArrayLike) -> float | None:
        """Hours over which `of` judges this change; None where no forecast is over. Raises as `of`."""
        judged = self._judged(change)
        return None if judged is None else float(self._hours[judged[1][0]])

    def _judged(self, change: ArrayLike) -> tuple[FloatArray, Places] | None:
        given = np.asarray(change, dtype=float)
        if given.shape != (self._terms.size,) or not np.isfinite(given).all():
            wrong = f"a change of {given.tolist()} for {self._terms.size} alternatives"
            raise InvalidInput(f"{wrong}; give one finite number each")
        if abs(float(given.sum())) > UNEVEN:
            raise InvalidInput(f"a change of shares that sums to {given.sum():g}; what one gives another takes: 0")
        cost = self._cost(given)
        return None if cost is None else self._scored(given[None], np.array([cost]))

    def _cost(self, change: FloatArray) -> float | None:
        """USD; None where nothing changes, or shares came or went."""
        sizes = np.abs(change)
        if sizes.max() <= SAME or abs(float(change.sum())) > UNEVEN:
            return None
        return float(self._terms.move_cost * sizes.sum() / 2.0 + self._terms.move_fee * np.count_nonzero(sizes > SAME))

    def _scored(self, changes: FloatArray, costs: FloatArray) -> tuple[FloatArray, Places] | None:
        """(m,) the best score of each, and the places of the horizons where it is; None where no forecast is over."""
        many = int((self._taken - self._steps >= LEAST_ERRORS).sum())
        if not many:
            return None
        net = changes @ self._expected[:many].T - costs[:, None]
        square = ((changes @ self._squares[:many]) * changes).sum(axis=2).T
        mean = changes @ self._means[:many].T
        deviation = np.sqrt(np.maximum(square - mean * mean, 0.0))
        sure = deviation * MOST <= np.abs(net)
        scores = np.where(sure, np.sign(net) * MOST, net / np.where(sure, 1.0, deviation))
        places = np.argmax(scores, axis=1)
        return scores[np.arange(len(scores)), places], places

    def _put(self, changes: FloatArray, costs: FloatArray, *, own: bool) -> None:
        """Keeps plans until they are over."""
        judged = self._scored(changes, costs)
        if judged is None:
            return
        scores, places = judged
        for place in np.unique(places).tolist():
            here, until = places == place, self._taken + int(self._steps[place])
            self._plans[place].append(_Plans(until, changes[here], costs[here], scores[here], self._earned, own))

    def _over(self, plans: _Plans) -> None:
        """What came of plans."""
        learned = self.own if plans.own else self.shadows
        if learned is not None:
            paid = plans.changes @ (self._earned - plans.begun) > plans.costs
            learned.see(plans.scores, paid, 1.0 if plans.own else SHADOW_WEIGHT)

    def _miss(self, errors: FloatArray) -> None:
        """What the forecasts that end now have missed, USD, (as many as end, n): the shortest horizons first."""
        many = len(errors)
        self._weights[:many] = self._keep * self._weights[:many] + 1.0
        part = (1.0 / self._weights[:many])[:, None]
        self._means[:many] += part * (errors - self._means[:many])
        change = errors[:, :, None] * errors[:, None, :]
        change -= self._squares[:many]
        change *= part[:, :, None]
        self._squares[:many] += change
