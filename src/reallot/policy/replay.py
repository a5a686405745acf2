"""Replay, the default: of a bank of rules, the one whose shadow portfolio has earned most says what a unit is worth."""

from __future__ import annotations

import numpy as np

from .bank import Bank
from .base import Decision, FloatArray, Observation, Values
from .seen import LastSeen, known
from .shadows import Shadows
from .work import full_cost

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
    """

    name = "replay"

    def __init__(self) -> None:
        self._seen = LastSeen(quotes=False)
        self._bank: Bank | None = None
        self._shadows: Shadows | None = None
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

    def decide(self, observation: Observation) -> Decision:
        """What a unit of share is worth to the leader."""
        terms = observation.terms
        rates = known(self._seen.take(observation))
        if rates is None:
            return None
        if self._bank is None or self._shadows is None:
            self._bank = Bank(terms, rates, quotes=observation.quotes is not None)
            self._shadows = Shadows(terms, len(self._bank.names), observation.shares)
            self._scores = np.zeros(len(self._bank.names))
            self._scores[0] = BONUS * full_cost(terms)
        else:
            earned = self._shadows.earn(rates)
            self._scores = 0.5 ** (1.0 / MEMORY_STEPS) * self._scores + earned - earned[-1]
        values = self._bank.take(rates, observation.quotes)
        best = int(np.argmax(self._scores))
        if self._scores[best] > self._scores[self._leader] + MARGIN * full_cost(terms):
            self._leader = best
        self._shadows.step(values)
        return Values(values[self._leader])
