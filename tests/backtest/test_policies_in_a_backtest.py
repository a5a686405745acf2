"""What must hold for every shipped policy on any table: nothing of the future, no rule broken, money that adds up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import InvalidInput, Limits, Observation, Setting, Target, Values, backtest
from reallot.backtest.accounting import account
from reallot.backtest.simulate import Course, walk
from reallot.backtest.table import FloatArray, RateTable
from reallot.policy.hysteresis import Threshold
from reallot.policy.registry import MAKERS, SLOW, policy
from tests.backtest.made import Spy, rates, table
from tests.strategies import budget

BLIND = [name for name in MAKERS if not hasattr(policy(name), "foresee")]
"""The shipped policies that see only the past."""
ALL = list(MAKERS)
QUICK = [name for name in MAKERS if name not in SLOW]
SEEDS = st.integers(0, 10_000)
SETTINGS = st.builds(
    Setting,
    cost_usd=st.sampled_from([0.0, 0.01, 0.5, 5.0]),
    limits=st.sampled_from([Limits(max_turnover=0.2), Limits(), Limits(max_change=0.1), Limits(max_turnover=0.05)]),
    max_share=st.sampled_from([1.0, 0.5]),
    min_share=st.sampled_from([0.0, 0.02]),
    data_lag=st.sampled_from([1, 1, 2, 5]),
    feedback=st.sampled_from(["full", "bandit"]),
)
SAME = 1e-9


def steps_for(name: str) -> int:
    """Steps of a table for this policy: fewer where each takes long."""
    return 12 if name in SLOW else 40


def shares_of(name: str, rows: RateTable, setting: Setting) -> FloatArray:
    """Shares over time of a shipped policy."""
    return walk(policy(name), Course.of(rows, setting))


@pytest.mark.slow
@given(seed=SEEDS, setting=SETTINGS)
def test_no_policy_passes_the_optimum_and_the_parts_add_up(seed: int, setting: Setting) -> None:
    result = backtest(table(rates(seed)), QUICK, setting)
    frame = result.to_frame()
    scale = 1.0 + abs(result.optimum.bound)
    assert (frame["net"] <= result.optimum.bound + SAME * scale).all()
    assert result.optimum.net <= result.optimum.bound + SAME * scale
    assert np.allclose(frame["gross"] - frame["cost"], frame["net"], rtol=0.0, atol=SAME * scale)
    assert np.allclose(result.cumulative_net().iloc[-1], frame["net"], rtol=0.0, atol=SAME * scale)
    assert (frame["drawdown"] >= 0.0).all() and frame["drawdown"]["never"] == 0.0
    for name in result.runs:
        meets_all(result[name].shares, result.start, setting)


def meets_all(shares: FloatArray, start: FloatArray, setting: Setting) -> None:
    """Asserts the limits that a Setting of this file can have."""
    change = np.diff(np.vstack([start, shares]), axis=0)
    limits = setting.limits
    most = 1.0 if limits.max_turnover is None else float(limits.max_turnover)  # type: ignore[arg-type]
    each = 1.0 if limits.max_change is None else float(limits.max_change)  # type: ignore[arg-type]
    assert np.abs(shares.sum(axis=1) - 1.0).max() <= SAME
    assert shares.min() >= float(setting.min_share) - SAME  # type: ignore[arg-type]
    assert shares.max() <= float(setting.max_share) + SAME  # type: ignore[arg-type]
    assert np.maximum(change, 0.0).sum(axis=1).max() <= most + SAME
    assert np.abs(change).max() <= each + SAME


@pytest.mark.slow
@pytest.mark.parametrize("name", BLIND)
@budget(0.5)
@given(seed=SEEDS, setting=SETTINGS, since=st.integers(0, 39), noise=st.sampled_from([0.0, 0.2]))
def test_changing_the_future_never_changes_a_decision_made_before(
    name: str, seed: int, setting: Setting, since: int, noise: float
) -> None:
    setting, before = replace(setting, noise=noise), rates(seed, steps_for(name))
    since = min(since, len(before) - 1)
    quotes, after = before * (1.0 + 0.1 * np.sin(before)), before.copy()
    after[since:] = rates(seed + 1, len(before))[since:] * 3.0
    other = np.where(np.arange(len(before))[:, None] < since, quotes, after)
    for one, two in (((before, None), (after, None)), ((before, quotes), (after, other))):
        first, second = (shares_of(name, table(*each), setting) for each in (one, two))
        assert np.array_equal(first[: since + 1], second[: since + 1])


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
@budget(0.5)
@given(seed=SEEDS, power=st.sampled_from([-6, 3, 10]))
def test_scaling_rates_and_costs_scales_everything(name: str, seed: int, power: int) -> None:
    scale, rows = 2.0**power, rates(seed, steps_for(name))
    one, two = policy(name), policy(name)
    if name == "threshold":
        one, two = Threshold(usd_per_hour=0.25), Threshold(usd_per_hour=0.25 * scale)
    small = walk(one, Course.of(table(rows), Setting(cost_usd=0.5, move_fee=0.0)))
    large = walk(two, Course.of(table(rows * scale), Setting(cost_usd=0.5 * scale, move_fee=0.0)))
    assert np.allclose(small, large, rtol=0.0, atol=SAME)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
@budget(0.5)
@given(seed=SEEDS, order=st.permutations(range(4)))
def test_permuting_alternatives_permutes_the_result(name: str, seed: int, order: list[int]) -> None:
    rows = table(rates(seed, steps_for(name)))
    turned = replace(rows, names=tuple(rows.names[i] for i in order), rates=rows.rates[:, order])
    here, there = (shares_of(name, each, Setting(cost_usd=0.5)) for each in (rows, turned))
    assert np.allclose(here[:, order], there, rtol=0.0, atol=SAME)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
@budget(0.5)
@given(seed=SEEDS)
def test_without_costs_the_net_is_the_gross_and_a_given_policy_stays_as_it_was(name: str, seed: int) -> None:
    rows, mine = table(rates(seed, steps_for(name))), policy(name)
    course = Course.of(rows, Setting(cost_usd=0.0))
    first, again = walk(mine, course), walk(mine, course)
    assert np.array_equal(first, again)
    books = account(first, course.start, rows.rates, course.terms)
    assert np.array_equal(books.net, books.gross) and not books.cost.any()
    assert books.gross.sum() == pytest.approx((rows.rates * first).sum() * rows.step_hours, rel=1e-12)


def test_free_of_limits_and_costs_who_sees_the_step_earns_the_best_of_every_step() -> None:
    rows = table(rates(3))
    setting = Setting(cost_usd=0.0, limits=Limits(), data_lag=0)
    result = backtest(rows, "greedy", setting)
    best = float(rows.rates.max(axis=1).sum())
    assert result["greedy"].net == pytest.approx(best, rel=1e-12)
    assert result.optimum.net == pytest.approx(best, rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", BLIND)
@budget(0.5)
@given(seed=SEEDS, hold=st.sampled_from([0, 2, 3, 7]), budget=st.sampled_from([None, 0, 1, 3]), fee=st.booleans())
def test_hold_and_budget_are_never_broken(name: str, seed: int, hold: int, budget: int | None, fee: bool) -> None:
    rows = table(rates(seed, steps_for(name)), minutes=10)
    setting = Setting(cost_usd=0.01, hold=f"{10 * hold}m", max_per_hour=budget, move_fee=1e-4 if fee else 0.0)
    course = Course.of(rows, setting)
    changed = np.diff(np.vstack([course.start, walk(policy(name), course)]), axis=0) != 0.0
    for place in range(changed.shape[1]):
        gaps = np.diff(np.flatnonzero(changed[:, place]))
        assert not gaps.size or gaps.min() >= hold
    if budget is not None:
        moves = changed.any(axis=1)
        assert max(moves[step : step + 6].sum() for step in range(len(moves))) <= budget


def test_nothing_is_seen_before_the_lag_and_then_each_row_once() -> None:
    rows, seen = table(rates(2), rates(2) + 1.0), list[Observation]()
    walk(Spy(seen), Course.of(rows, Setting(data_lag=3)))
    assert [each.step for each in seen] == list(range(3, 60))
    assert all(np.array_equal(each.rates, rows.rates[each.step - 3]) for each in seen)
    assert all(each.quotes is not None and np.array_equal(each.quotes, each.rates + 1.0) for each in seen)


def test_bandit_feedback_shows_what_was_held_and_nothing_else() -> None:
    rows, seen = table(rates(4)), list[Observation]()
    shares = walk(Spy(seen), Course.of(rows, Setting(cost_usd=0.0, feedback="bandit", least=0.05)))
    hidden = 0
    for each in seen:
        held = shares[each.step - 1] >= 0.05
        assert np.array_equal(each.rates[held], rows.rates[each.step - 1][held])
        assert np.isnan(each.rates[~held]).all()
        hidden += int((~held).sum())
    assert hidden > 0


def test_noise_is_drawn_from_the_seed_and_never_counted_as_earned() -> None:
    rows = table(rates(5))
    first, again, other = (Setting(noise=0.3, seed=seed).readings(rows) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert np.std(first / rows.rates - 1.0) == pytest.approx(0.3, abs=0.05)
    quiet, noisy = (backtest(rows, "never", Setting(noise=noise)) for noise in (0.0, 0.3))
    assert quiet.never.net == noisy.never.net and quiet.optimum.net == noisy.optimum.net


class Steady:
    """A newcomer's policy: everything in the best mean of the last day."""

    name = "steady"

    def __init__(self) -> None:
        self.day: list[FloatArray] = []

    def decide(self, observation: Observation) -> FloatArray:
        self.day = [*self.day, observation.rates][-24:]
        shares = np.zeros(observation.terms.size)
        shares[int(np.argmax(np.mean(self.day, axis=0)))] = 1.0
        return shares


def test_a_newcomers_policy_in_ten_lines_runs_on_a_copy_of_its_own() -> None:
    mine = Steady()
    result = backtest(table(rates(6)), [mine, "ema"], Setting(cost_days=0.01))
    assert list(result.runs) == ["steady", "ema"] and result["steady"].plans > 0
    assert mine.day == []


class Answers:
    """Says always the same."""

    name = "mine"

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def decide(self, observation: Observation) -> Any:
        return self.answer


WRONG = [
    ([0.5, 0.5], r"policy mine: an answer of shape \(2,\) for 4 alternatives"),
    ([0.5, 0.5, 0.5, 0.5], "sum 2"),
    ([1.5, -0.5, 0.0, 0.0], "at least 0"),
    (Values(np.array([1.0, np.nan, 0.0, 0.0])), "the answer for b is not a finite number"),
    (Target(np.array([np.inf, 0.0, 0.0, 0.0])), "the answer for a is not"),
]


@pytest.mark.parametrize(("answer", "message"), WRONG, ids=[message for _, message in WRONG])
def test_a_wrong_answer_names_the_policy_and_the_number(answer: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        backtest(table(rates(6)), Answers(answer))


def test_an_unknown_policy_a_class_and_two_of_one_name_are_refused() -> None:
    rows = table(rates(6))
    with pytest.raises(InvalidInput, match="did you mean 'greedy'"):
        backtest(rows, "greedi")
    with pytest.raises(InvalidInput, match=r"Steady is a class; give a policy made of it, Steady\(\)"):
        backtest(rows, [Steady])  # type: ignore[list-item]
    with pytest.raises(InvalidInput, match="needs a name and a method decide"):
        backtest(rows, [3])  # type: ignore[list-item]
    with pytest.raises(InvalidInput, match="two results would be named 'ema'"):
        backtest(rows, ["ema", "ema"])
    with pytest.raises(InvalidInput, match="no policy is named"):
        backtest(rows, [])
