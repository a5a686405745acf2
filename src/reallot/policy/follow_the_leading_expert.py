"""Replay, the default: of a bank of rules, the one whose shadow portfolio has earned most says what a unit is worth."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..problem.validation import number
from .base import Decision, FloatArray, Observation, Values
from .confidence import Confidence, judged_over
from .experts import Bank
from .last_reading import LastReading, known
from .shadow_portfolios import Shadows
from .work_function import full_cost

MEMORY_STEPS = 4000.0
"""Half-life of the score, steps."""
BONUS, MARGIN = 1.0, 1.0
"""What the first rule starts ahead with, and by how much another must be better to lead: full moves."""


class Replay:
    """Every rule of the bank runs a shadow portfolio on what was earned; the leader's values are the answer.

    A rule's score is what its shadow earned, costs taken off, with half of it forgotten every MEMORY_STEPS. At first
    the value rule leads, ahead by the cost of a full move; another leads once it is better by as much, which is what
    following it may cost. Readings are what was paid; quotes only help to forecast it. What is not read carries its
    last reading.

    Mixing rules by replay is what is said to be unbiased where rates do not react to shares (Sinclair et al. 2023,
    arXiv 2207.06272); why a leader and not a mean: a mean of portfolios pays for every rule's moves.

    gate  a step is not taken where it is known how sure it is and that is below this; None takes them all. On 23 made
          worlds (seeds 310 to 312) 0.5 left out 4 % of the steps and changed nothing in most worlds, but cost up to
          0.31 of the gain where few steps were left to learn from: so there is none unless it is asked for
    name  how results call it
    bank  makes the rules at the first reading
    """

    def __init__(self, gate: float | None = None, name: str = "replay", bank: type[Bank] | None = None) -> None:
        self.name, self._rules = name, bank
        self._gate = None if gate is None else number(gate, "gate (a probability)", 0.0, 1.0)
        self._seen = LastReading(quotes=False)
        self._bank: Bank | None = None
        self._shadows: Shadows | None = None
        self._own: Shadows | None = None
        self._sure: Confidence | None = None
        self._judged = 0
        self._scores: FloatArray = np.zeros(0)
        self._leader = 0

    @property
    def leader(self) -> str:
        """Name of the rule that leads; "" before the first reading."""
        return "" if self._bank is None else self._bank.names[self._leader]

    @property
    def scores(self) -> dict[str, float]:
        """What each rule's shadow has earned, USD, as far as it is remembered, the first one's bonus with it."""
        return {} if self._bank is None else dict(zip(self._bank.names, self._scores.tolist(), strict=True))

    def confidence(self, change: ArrayLike) -> float | None:
        """P(net benefit > 0) of changing shares by (n,) now, after `decide`; None where too little has been seen.

        It is for the next `judged_over(change)` hours, and for what the terms say moves cost. Raises InvalidInput for
        a change of another length, or that does not sum to 0.
        """
        return None if self._sure is None else self._sure.of(change)

    def judged_over(self, change: ArrayLike) -> float | None:
        """Hours for which `confidence` says what it says: those over which forecasts make the change look surest."""
        return None if self._sure is None else self._sure.over(change)

    def decide(self, observation: Observation) -> Decision:
        """What a unit of share is worth to the leader; None where the gate is closed."""
        terms, shares = observation.terms, observation.shares
        rates = known(self._seen.take(observation))
        if rates is None:
            return None
        if self._bank is None or self._shadows is None or self._own is None or self._sure is None:
            self._bank = (self._rules or Bank)(terms, rates, quotes=observation.quotes is not None)
            self._shadows, self._own = Shadows(terms, len(self._bank.names), shares), Shadows(terms, 1, shares)
            self._judged = judged_over(self._bank.hours, terms, rates)
            self._sure = Confidence(terms, self._bank.hours[: self._judged])
            self._scores = np.zeros(len(self._bank.names))
            self._scores[0] = BONUS * full_cost(terms)
        else:
            earned = self._shadows.earn(rates)
            self._scores = 0.5 ** (1.0 / MEMORY_STEPS) * self._scores + earned - earned[-1]
        values = self._bank.take(rates, observation.quotes, self._seen.read)
        best = int(np.argmax(self._scores))
        if self._scores[best] > self._scores[self._leader] + MARGIN * full_cost(terms):
            self._leader = best
        forecasts, hours = self._bank.forecasts[: self._judged], self._bank.hours[: self._judged]
        self._sure.take(shares, rates, forecasts)
        self._sure.imagined(self._shadows.step(values), self._shadows.paid)
        self._own.change(shares - self._own.shares)
        answer = Values(values[self._leader], forecasts[-1], float(hours[-1]))
        return answer if self._open(answer) else None

    def _open(self, answer: Values) -> bool:
        """False where the step that these values ask for is known to be less sure than the gate asks."""
        if self._gate is None or self._own is None:
            return True
        change = self._own.best(answer.values[None])[0][0]
        sure = self.confidence(change) if change.any() else None
        return sure is None or sure >= self._gate
