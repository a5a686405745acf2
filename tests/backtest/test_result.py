"""What a backtest hands over: figures by hand, tables, JSON without NaN, and shares under rules of every kind."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reallot import Group, InvalidInput, Limits, Observation, Setting, Target, Values, backtest
from reallot.backtest.accounting import account
from reallot.backtest.simulate import Course, walk
from reallot.policy.base import FloatArray
from tests.backtest.made import rates, table

ROWS = np.array([[1.0, 3.0], [1.0, 3.0], [5.0, 1.0], [1.0, 3.0]])


class Script:
    """Answers what stands in a list, step after step."""

    name = "script"

    def __init__(self, answers: list[object]) -> None:
        self.answers = answers

    def decide(self, observation: Observation) -> Any:
        return self.answers[observation.step - 1]


def test_the_figures_are_those_that_a_hand_finds() -> None:
    """Half and half earns 2, 2, 3, 2. Moving 0.2 to b after the first step for 1 USD a unit earns 2, 2.4, 2.2, 2.4."""
    script = Script([np.array([0.3, 0.7]), None, None])
    result = backtest(table(ROWS), [script], Setting(cost_usd=1.0))
    figures = result.figures("script")
    assert result.never.net == pytest.approx(9.0, rel=1e-12)
    wanted = {"gross": 9.0, "net": 8.8, "cost": 0.2, "moved": 0.2, "plans": 1.0}
    assert {key: figures[key] for key in wanted} == pytest.approx(wanted, rel=1e-12)
    assert result.drawdown("script") == pytest.approx(0.8, rel=1e-12)  # from 0.2 ahead to 0.6 behind
    assert figures["share_of_gain"] == pytest.approx(-0.2 / (result.optimum.net - 9.0), rel=1e-9)
    assert result.shares("script").iloc[1:].to_numpy() == pytest.approx(np.tile([0.3, 0.7], (3, 1)), abs=1e-12)
    assert result.cumulative_net()["script"].tolist() == pytest.approx([2.0, 4.2, 6.4, 8.8], rel=1e-12)


def test_fees_are_paid_for_each_share_that_changes() -> None:
    script = Script([np.array([0.3, 0.7]), None, np.array([0.5, 0.5])])
    result = backtest(table(ROWS), [script], Setting(cost_usd=0.0, move_fee=0.05))
    assert result["script"].cost == pytest.approx(0.2, rel=1e-12) and result["script"].plans == 2


def test_where_nothing_can_be_gained_shares_of_it_are_not_a_number_and_null_in_json() -> None:
    result = backtest(table(np.ones((5, 2))), "ema", Setting(cost_usd=1.0))
    assert math.isnan(result.figures("ema")["share_of_gain"])
    plain = json.loads(result.to_json())
    assert plain["policies"]["ema"]["share_of_gain"] is None and plain["never"]["share_of_optimum"] == 1.0
    losing = backtest(table(-np.ones((5, 2))), "ema", Setting(cost_usd=1.0))
    assert json.loads(losing.to_json())["never"]["share_of_optimum"] is None


def test_tables_have_a_row_for_each_policy_and_say_who_saw_the_future() -> None:
    result = backtest(table(rates(1)), ["best-fixed", "ema"])
    frame = result.to_frame()
    assert frame.index.tolist() == ["optimum", "never", "best-fixed", "ema"]
    assert frame["sees_future"].tolist() == [True, False, True, False]
    assert isinstance(result.shares("ema").index, pd.DatetimeIndex) and result.shares("ema").shape == (60, 4)
    assert repr(result) == "Backtest of best-fixed, ema over table, 60 steps"
    assert "best-fixed" in result._repr_html_() and "work" not in str(result)
    with pytest.raises(InvalidInput, match="no policy 'emma' was run; did you mean 'ema'"):
        result.shares("emma")


def test_the_first_step_stays_where_nothing_was_seen_yet() -> None:
    result = backtest(table(rates(2)), "greedy")
    assert result.shares("greedy").iloc[0].tolist() == [0.25] * 4
    assert result.shares("greedy").iloc[1].tolist() != [0.25] * 4


@pytest.mark.slow
@pytest.mark.parametrize(
    "limits",
    [
        Limits(max_turnover=0.2, max_moves=2),
        Limits(max_turnover=0.2, min_move=0.1),
        Limits(max_turnover=0.2, groups=(Group("pair", ("a", "b"), max_share=0.6),)),
        Limits(max_turnover=0.2, held={"a"}),
        Limits(max_change={"b": 0.05}),
    ],
    ids=["moves", "size", "group", "held", "by name"],
)
@pytest.mark.parametrize("kind", ["target", "values"])
def test_rules_of_every_kind_hold_in_every_step(limits: Limits, kind: str) -> None:
    rows = table(rates(3, steps=25))

    class Wants:
        name = "wants"

        def decide(self, observation: Observation) -> Target | Values:
            if kind == "values":
                return Values(observation.rates)
            return Target(np.eye(4)[int(np.argmax(observation.rates))])

    course = Course.of(rows, Setting(cost_usd=0.05, limits=limits))
    shares = walk(Wants(), course)
    change = np.diff(np.vstack([course.start, shares]), axis=0)
    assert np.abs(change).max() > 0.0 and np.abs(shares.sum(axis=1) - 1.0).max() <= 1e-9
    if limits.max_moves is not None:
        assert (change != 0.0).sum(axis=1).max() <= limits.max_moves
    if limits.min_move:
        assert np.abs(change[change != 0.0]).min() >= limits.min_move - 1e-9
    if limits.groups:
        assert shares[:, :2].sum(axis=1).max() <= 0.6 + 1e-9
    if limits.held:
        assert not change[:, 0].any()
    if isinstance(limits.max_change, dict):
        assert np.abs(change[:, 1]).max() <= 0.05 + 1e-9


def test_a_long_table_with_rules_that_no_long_program_has_still_gets_an_optimum_above_all() -> None:
    limits = Limits(max_turnover=0.2, max_moves=2, groups=(Group("pair", ("a", "b"), max_share=0.6),))
    result = backtest(table(rates(4, steps=700)), "never", Setting(limits=limits))
    assert result.optimum.net > result.never.net and result.optimum.gap <= 1e-6


def test_the_account_of_shares_is_the_sum_of_its_steps() -> None:
    rows, setting = table(rates(5)), Setting(cost_usd=0.3, move_fee=0.01)
    course = Course.of(rows, setting)
    shares: FloatArray = np.random.default_rng(1).dirichlet(np.ones(4), size=60)
    books = account(shares, course.start, rows.rates, course.terms)
    by_hand, before = 0.0, course.start
    for row, now in zip(rows.rates, shares, strict=True):
        by_hand += float(row @ now) - 0.3 * float(np.abs(now - before).sum()) / 2.0 - 0.01 * int((now != before).sum())
        before = now
    assert float(books.net.sum()) == pytest.approx(by_hand, rel=1e-12)


def test_the_public_name_is_the_function_whatever_of_its_room_is_imported() -> None:
    code = "import reallot.backtest.table, reallot; print(callable(reallot.backtest), callable(reallot.sweep))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["True", "True"]


class Told:
    """Goes from a to b at step 3 and back at step 6, and says of each how sure it is."""

    name = "told"

    def decide(self, observation: Observation) -> Target | None:
        return {3: Target(np.array([0.5, 0.5])), 6: Target(np.array([1.0, 0.0]))}.get(observation.step)

    def confidence(self, change: FloatArray) -> float | None:
        return 0.8 if change[1] > 0.0 else None

    def judged_over(self, change: FloatArray) -> float | None:
        return 2.0


def test_plans_are_listed_with_what_was_said_of_them_and_what_came_of_it() -> None:
    """At step 3, 0.5 goes to b: two hours of 0.5 * (3 - 1) USD/h, less 0.5 * 0.4 USD; at step 6 back, two of -1."""
    rows = table(np.tile([1.0, 3.0], (8, 1)))
    setting = Setting(start={"a": 1.0, "b": 0.0}, limits=Limits(), cost_usd=0.4)
    result = backtest(rows, Told(), setting)
    plans = result.plans("told")
    assert plans.index.tolist() == [rows.index[3], rows.index[6]]
    assert plans["moved"].tolist() == [0.5, 0.5] and plans["cost"].tolist() == pytest.approx([0.2, 0.2])
    assert plans["confidence"].tolist() == pytest.approx([0.8, np.nan], nan_ok=True)
    assert plans["hours"].tolist() == [2.0, 2.0]
    assert plans["net"].tolist() == pytest.approx([1.8, -2.2])
    seen = result.reliability("told")
    assert seen.counts.tolist() == [0, 0, 0, 0, 0, 0, 0, 0, 1, 0] and seen.base == 1.0


def test_what_is_not_over_by_the_end_of_the_table_is_not_judged() -> None:
    rows = table(np.tile([1.0, 3.0], (7, 1)))
    plans = backtest(rows, Told(), Setting(start={"a": 1.0, "b": 0.0}, limits=Limits())).plans("told")
    assert plans["net"].isna().tolist() == [False, True]


def test_a_policy_that_does_not_say_how_sure_it_is_has_plans_all_the_same() -> None:
    result = backtest(table(rates(1)), "greedy")
    plans = result.plans("greedy")
    assert len(plans) == result["greedy"].plans and plans[["confidence", "net"]].isna().all(axis=None)
    with pytest.raises(InvalidInput, match="greedy gave no plan a probability"):
        result.reliability("greedy")


@pytest.mark.slow
def test_the_default_policy_says_how_sure_it_is() -> None:
    steps = np.arange(900)[:, None]
    draw = np.random.default_rng(2)
    rows = table(2.0 + np.sin(steps / 40.0 + np.arange(4)) + 0.2 * draw.standard_normal((900, 4)))
    result = backtest(rows, "replay", Setting(cost_days=0.02))
    known = result.plans("replay").dropna()
    assert len(known) >= 10 and known["confidence"].between(0.0, 1.0).all()
    assert result.reliability("replay").count == len(known)
