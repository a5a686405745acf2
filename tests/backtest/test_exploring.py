"""Under bandit feedback: floors set once and kept, probes on request, and never and the optimum without either."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import Group, InvalidInput, Limits, Setting, backtest
from reallot.backtest.simulate import Course, walk
from reallot.policy.base import Observation
from reallot.policy.exploration import BUDGET
from reallot.policy.registry import MAKERS, SLOW, policy
from tests.backtest.made import Spy, rates, table

QUICK = [name for name in MAKERS if name not in SLOW]
ALONE = {"a": 1.0, "b": 0.0, "c": 0.0, "d": 0.0}
SEEDS = st.integers(0, 10_000)
SETTINGS = st.builds(
    Setting,
    feedback=st.just("bandit"),
    cost_usd=st.sampled_from([0.0, 0.01, 0.5]),
    start=st.sampled_from([None, ALONE]),
    limits=st.sampled_from([Limits(max_turnover=0.2), Limits(max_change=0.1), Limits(held={"b"}), Limits(max_moves=4)]),
    hold=st.sampled_from([0.0, "3h"]),
    data_lag=st.sampled_from([0, 1, 3]),
)


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
@given(seed=SEEDS, setting=SETTINGS)
def test_floors_are_kept_at_every_step_and_are_five_percent_at_most(name: str, seed: int, setting: Setting) -> None:
    course = Course.of(table(rates(seed, 20)), setting)
    shares, floors = walk(policy(name), course), np.array(course.terms.low)
    assert floors.sum() <= BUDGET + 1e-12
    free = ~np.isin(course.terms.names, list(setting.limits.held))
    assert (floors[free] == 0.005).all() and not floors[~free].any()
    assert (shares >= floors - 1e-12).all()
    assert shares.sum(axis=1) == pytest.approx(1.0)


@pytest.mark.slow
@given(seed=SEEDS, setting=SETTINGS)
def test_with_floors_everything_that_may_be_held_is_read_from_the_first_step_on(seed: int, setting: Setting) -> None:
    seen = list[Observation]()
    rows = table(rates(seed, 20))
    course = Course.of(rows, replace(setting, data_lag=1))
    shares = walk(Spy(seen), course)
    for each in seen:
        held = shares[each.step - 1] > 1e-9
        assert np.array_equal(each.rates[held], rows.rates[each.step - 1][held])
        assert np.isnan(each.rates[~held]).all()
    missing = {name for each in seen for name in np.array(rows.names)[np.isnan(each.rates)]}
    assert missing <= set(setting.limits.held)


def test_floors_are_set_once_by_the_cheapest_step_and_cost_what_they_move() -> None:
    rows = table(rates(2))
    setting = Setting(feedback="bandit", start=ALONE, cost_usd=2.0)
    course = Course.of(rows, setting)
    shares = walk(policy("never"), course)
    assert shares == pytest.approx(np.tile([0.985, 0.005, 0.005, 0.005], (60, 1)))
    result = backtest(rows, "greedy", setting)
    assert result.start.tolist() == [1.0, 0.0, 0.0, 0.0]
    assert result["greedy"].shares[0] == pytest.approx(shares[0])
    assert result["greedy"].account.cost[0] == pytest.approx(2.0 * 0.015)


def test_a_start_that_holds_enough_is_left_alone() -> None:
    course = Course.of(table(rates(2)), Setting(feedback="bandit"))
    assert np.array_equal(walk(policy("never"), course), np.full((60, 4), 0.25))


def test_never_and_the_optimum_have_no_floors() -> None:
    rows = table(rates(2))
    setting = Setting(start=ALONE, cost_usd=0.5)
    full, blind = (backtest(rows, "best-fixed", each) for each in (setting, replace(setting, feedback="bandit")))
    assert full.never.net == blind.never.net and full.optimum.net == blind.optimum.net
    assert blind["best-fixed"].net < full["best-fixed"].net


def test_with_full_feedback_exploration_changes_nothing() -> None:
    rows = table(rates(2))
    runs = [walk(policy("value"), Course.of(rows, Setting(explore=each))) for each in ("floor", "probes", "none")]
    assert np.array_equal(runs[0], runs[1]) and np.array_equal(runs[0], runs[2])


def test_probes_in_place_of_floors_see_what_no_exploration_never_does() -> None:
    better = np.ones((200, 3))
    better[50:, 2] = 5.0
    rows = table(better * (1.0 + 0.02 * np.random.default_rng(0).standard_normal((200, 3))))
    setting = Setting(feedback="bandit", explore="none", start={"a": 0.5, "b": 0.5, "c": 0.0}, cost_usd=0.1, least=0.02)
    blind = backtest(rows, "value", setting)["value"]
    probed = backtest(rows, "value", replace(setting, explore="probes"))["value"]
    assert not blind.shares[:, 2].any()
    assert probed.shares[:10, 2].max() == pytest.approx(0.02) and probed.shares[-1, 2] > 0.9
    assert probed.net > 2.0 * blind.net


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"explore": "floors"}, "did you mean 'floor'"),
    (
        {"start": ALONE, "limits": Limits(max_turnover=0.01)},
        "floors of exploration of 0.005 .* cannot be set in one step",
    ),
    ({"start": ALONE, "limits": Limits(groups=(Group("pair", ("b", "c"), max_share=0.0),))}, "explore='none'"),
]


@pytest.mark.parametrize(("given_", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_cannot_be_is_refused_in_words(given_: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Course.of(table(rates(1)), Setting(feedback="bandit", **given_))
