"""A backtest has the gate of a running engine: a step that is known to be less sure is not taken."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import ArrayLike

from reallot import Setting, Values
from reallot.backtest.simulate import Course, walk
from reallot.policy.base import FloatArray, Observation
from reallot.policy.confidence import is_below_gate
from reallot.policy.registry import policy
from reallot.policy.regret_budget import RegretBudget
from tests.backtest.made import rates, table

TABLE = table(rates(3, steps=40))


@dataclass
class Sure:
    """Wants everything in the second alternative, and says how sure it is."""

    sure: float | None
    name: str = "sure"

    def decide(self, observation: Observation) -> Values:
        return Values(np.eye(observation.terms.size)[1] * 1e6)

    def confidence(self, change: ArrayLike) -> float | None:
        assert abs(float(np.sum(change))) < 1e-9
        return self.sure

    def judged_over(self, change: ArrayLike) -> float | None:
        return None if self.sure is None else 1.0


def walked(sure: float | None, least: float) -> FloatArray:
    return walk(Sure(sure), Course.of(TABLE, Setting(min_confidence=least)))


@pytest.mark.parametrize(("sure", "least"), [(0.4, 0.5), (0.5, 0.5), (0.6, 0.5), (None, 1.0), (0.0, 0.0), (0.99, 1.0)])
def test_what_is_known_to_be_less_sure_is_not_done(sure: float | None, least: float) -> None:
    shares = walked(sure, least)
    assert (shares[-1, 1] == 0.25) == is_below_gate(sure, least)


def test_the_gate_is_asked_through_a_regret_budget() -> None:
    shut = walk(RegretBudget(Sure(0.1)), Course.of(TABLE, Setting(min_confidence=0.5)))
    free = walk(RegretBudget(Sure(0.9)), Course.of(TABLE, Setting(min_confidence=0.5)))
    assert (shut == 0.25).all() and free[-1, 1] > 0.25


def test_a_policy_that_cannot_say_how_sure_it_is_is_not_gated() -> None:
    closed, free = (walk(policy("greedy"), Course.of(TABLE, Setting(min_confidence=least))) for least in (1.0, 0.0))
    assert np.array_equal(closed, free)
