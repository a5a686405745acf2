"""A regret budget: the law over hostile worlds, with books kept by a plain computation; and what it leaves alone."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reallot import InvalidInput, Limits, RegretBudget, Setting, Target, Values, backtest
from reallot.backtest.simulate import Course, walk
from reallot.backtest.table import read_table
from reallot.policy.base import Observation, Terms
from reallot.policy.baselines import Never
from reallot.policy.follow_the_leading_expert import Replay
from reallot.policy.regret_budget import FLOOR_MOVES, FLOOR_PART, Books, least_net_gain

STEPS = 60


def table(rates: np.ndarray) -> pd.DataFrame:
    times = pd.date_range("2026-01-01", periods=len(rates), freq="h", tz="UTC")
    return pd.DataFrame(rates, index=times, columns=[str(i) for i in range(rates.shape[1])])


class Hostile:
    """Wants what earned least, however dear the way: a policy that is always wrong where rates last."""

    name = "hostile"

    def __init__(self, sign: float, size: float) -> None:
        self._factor = sign * size

    def decide(self, observation: Observation) -> Values:
        return Values(self._factor * observation.rates)


class Restless:
    """Hands each share to the next one, at every step."""

    name = "restless"

    def decide(self, observation: Observation) -> Target:
        return Target(np.roll(observation.shares, 1))


def world(seed: int) -> tuple[np.ndarray, Setting, Hostile | Restless]:
    """Rates, the setting, and a policy that loses in most of them."""
    drawn = np.random.default_rng(seed)
    size = int(drawn.integers(2, 6))
    rates = 1.0 + drawn.normal(size=(STEPS, size)) * drawn.choice([0.1, 1.0, 5.0])
    if drawn.random() < 0.5:
        rates = 1.0 + np.cumsum(rates - 1.0, axis=0) / 10.0
    cost = float(drawn.choice([0.1, 1.0, 10.0]))
    limits = [
        Limits(max_turnover=0.2),
        Limits(),
        Limits(max_change=0.25),
        Limits(max_turnover=0.3, max_change=0.1),
    ][int(drawn.integers(4))]
    split = np.round(drawn.dirichlet(np.ones(size)), 4)
    split[-1] = 1.0 - split[:-1].sum()
    start = dict(zip(map(str, range(size)), split.tolist(), strict=True))
    setting = Setting(start=start, cost_usd=cost, move_fee=float(drawn.choice([0.0, 0.0, 0.3])), limits=limits)
    if drawn.random() < 0.25:
        return rates, setting, Restless()
    return rates, setting, Hostile(float(drawn.choice([-1.0, 1.0])), 50.0 * cost)


def above_the_law(rates: np.ndarray, setting: Setting, policy: object) -> float:
    """The least, over all steps, of the net gain over never moving less what the law allows (USD)."""
    course = Course.of(read_table(table(rates)), setting)
    shares = walk(policy, course)  # type: ignore[arg-type]
    cost, fee, size = course.terms.move_cost, course.terms.move_fee, rates.shape[1]
    changes = np.diff(np.vstack([course.start, shares]), axis=0)
    paid = cost * np.abs(changes).sum(axis=1) / 2.0 + fee * np.count_nonzero(changes, axis=1)
    never = rates @ course.start
    net = np.cumsum((shares * rates).sum(axis=1) - never - paid)
    least = np.maximum(np.maximum.accumulate(np.cumsum(never)), 0.0)
    worst = np.maximum.accumulate(never - rates.min(axis=1))
    limits = setting.limits
    part = min(each for each in (limits.max_turnover, limits.max_change, 1.0) if isinstance(each, float))
    steps = math.ceil(1.0 / part - 1e-9)
    way = sum(max(0.0, 1.0 - j * part) for j in range(1, steps + 1))
    law = -(FLOOR_MOVES * (cost + size * fee) + FLOOR_PART * least) - worst * (1.0 + way) - size * fee * (steps - 1)
    return float((net - law).min())


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1))
@example(33)
def test_the_law_holds_after_every_step_in_hostile_worlds(seed: int) -> None:
    rates, setting, policy = world(seed)
    assert above_the_law(rates, setting, RegretBudget(policy)) >= -1e-6


@pytest.mark.slow
def test_without_the_budget_the_law_is_broken_in_a_third_of_these_worlds() -> None:
    found = [above_the_law(rates, setting, policy) for rates, setting, policy in map(world, range(60))]
    assert sum(least < -1e-6 for least in found) >= 20


def test_a_way_home_begins_and_ends() -> None:
    """The other earns 1 USD/h less from the 4th hour on: 2 hours away at 2 USD/h lost use up 3 full moves of 1 USD."""
    rates = np.ones((40, 2))
    rates[3:, 1] = -2.0
    course = Course.of(read_table(table(rates)), Setting(start={"0": 1.0, "1": 0.0}, cost_usd=1.0, limits=Limits()))

    class Stubborn:
        name = "stubborn"

        def decide(self, observation: Observation) -> Target:
            return Target(np.array([0.0, 1.0]))

    shares = walk(RegretBudget(Stubborn()), course)[:, 1]
    assert shares[1] == 1.0  # a full move was allowed
    # after 3 hours that earned alike it lost 3 USD an hour: W = -1 - 1 - 3 < -(3 + .1 N) at the 4th
    assert shares[:4].tolist() == [0.0, 1.0, 1.0, 1.0] and shares[4] == 0.0
    assert (shares[5:] < 0.2).all()
    assert np.isclose(walk(Stubborn(), course)[:, 1].min(initial=1.0, where=np.arange(40) > 0), 1.0)


def test_where_moving_is_free_and_where_all_pays_nothing_changes() -> None:
    drawn = np.random.default_rng(5)
    rates = 1.0 + np.cumsum(drawn.normal(size=(200, 4)), axis=0) / 10.0
    free = backtest(table(rates), [Restless(), RegretBudget(Restless())], Setting(cost_usd=0.0))
    assert free.shares("restless").equals(free.shares("restless, insured"))
    paying = backtest(table(rates), [Replay(), RegretBudget(Replay())], Setting(cost_usd=0.01))
    assert paying.shares("replay").equals(paying.shares("replay, insured"))


def test_what_the_policy_says_of_its_confidence_is_passed_on() -> None:
    assert RegretBudget(Never()).confidence([0.1, -0.1]) is None
    assert RegretBudget(Replay()).judged_over([0.1, -0.1]) is None
    assert RegretBudget(Never(), name="mine").name == "mine"


def test_a_turnover_that_is_no_part_of_the_capacity_is_named() -> None:
    class Wrong:
        name = "wrong"

        def decide(self, observation: Observation) -> Target:
            return Target(observation.shares, turnover=math.nan)

    with pytest.raises(InvalidInput, match="policy wrong: a step may move nan of the capacity"):
        backtest(table(np.ones((3, 2))), RegretBudget(Wrong()), Setting(cost_usd=1.0))


def test_the_law_in_numbers() -> None:
    """Two alternatives, cost 1, fee .5: a full move is 2. Never earned 10. A step of at most .5: two steps home."""
    books = Books(Terms(("a", "b"), 1.0, 1.0, 0.5), np.array([1.0, 0.0]))
    books.earn(np.array([1.0, 0.0]), np.array([10.0, 0.0]))
    assert books.floor == pytest.approx(-(3.0 * 2.0 + 1.0))
    # 1 + (1 - .5) = 1.5 of the worst step of 4, and two fees once more
    assert least_net_gain(books, 4.0, 0.5) == pytest.approx(-7.0 - 6.0 - 1.0)
