"""What a backtest charges, forbids and shows is checked before it begins."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from reallot import Group, InvalidInput, Limits, Setting
from reallot.backtest.simulate import Course
from tests.backtest.made import rates, table

TABLE = table(rates(1))


def test_the_default_is_the_reference_problem() -> None:
    course = Course.of(TABLE, Setting())
    assert course.start.tolist() == [0.25] * 4
    assert course.terms.limits.max_turnover == 0.2
    assert course.terms.move_cost == pytest.approx(0.1 * 24.0 * float(TABLE.rates.mean()), rel=1e-12)
    assert (course.lag, course.hold, course.per_hour, course.least) == (1, 0, None, None)


def test_a_cost_in_days_is_of_the_mean_of_all_rates_and_one_in_usd_is_as_given() -> None:
    assert Setting(cost_days=2.0).move_cost(TABLE) == pytest.approx(48.0 * float(TABLE.rates.mean()), rel=1e-12)
    assert Setting(cost_usd=3.0).move_cost(TABLE) == 3.0
    assert Setting(cost_usd=0.0).move_cost(TABLE) == 0.0
    with pytest.raises(InvalidInput, match="below 0, and cannot price a move"):
        Setting(cost_days=1.0).move_cost(table(-np.abs(rates(1))))


def test_a_hold_counts_in_whole_steps() -> None:
    fast = table(rates(1), minutes=5)
    cases = (("15m", 3), ("16m", 4), (timedelta(0), 0), (60.0, 1))
    assert [Setting(hold=hold).hold_steps(fast) for hold, _ in cases] == [steps for _, steps in cases]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"cost_days": 1.0, "cost_usd": 1.0}, "twice; give one"),
    ({"cost_days": -1.0}, "cost_days is -1; it must be at least 0"),
    ({"cost_usd": float("nan")}, "cost_usd is nan"),
    ({"hold": "soon"}, "hold: give a number with its unit"),
    ({"data_lag": 0.5}, "must be a whole number"),
    ({"max_per_hour": -1}, "max_per_hour is -1"),
    ({"min_confidence": 1.5}, r"min_confidence \(a probability\) is 1.5"),
    ({"feedback": "some"}, "give 'full' or 'bandit'"),
    ({"limits": 0.2}, "give Limits"),
    ({"limits": Limits(max_turnover=[0.1, 0.2])}, "one for every step"),
    ({"limits": Limits(held={"a": 1})}, "held throughout"),
]


@pytest.mark.parametrize(("given", "message"), WRONG, ids=[message for _, message in WRONG])
def test_a_wrong_setting_is_refused_in_words(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Setting(**given)


UNFIT: list[tuple[dict[str, Any], str]] = [
    ({"start": {"a": 1.0}}, "'b' stands"),
    ({"start": {"a": 1.0, "bb": 0.0, "c": 0.0, "d": 0.0}}, "names 'bb'"),
    ({"start": {"a": 0.5, "b": 0.1, "c": 0.1, "d": 0.1}}, "start sums to 0.8"),
    ({"min_share": {"e": 0.1}}, "min_share names 'e'"),
    ({"min_share": {"a": 0.3}}, "a starts with 0.25, outside of its bounds 0.3 to 1"),
    ({"max_share": {"a": 0.1}}, "a starts with 0.25, outside of its bounds 0 to 0.1"),
    ({"limits": Limits(held={"x"})}, "held names 'x'"),
    ({"limits": Limits(groups=(Group("pair", ("a", "b"), max_share=0.3),))}, "the start break a rule of the limits"),
]


@pytest.mark.parametrize(("given", "message"), UNFIT, ids=[message for _, message in UNFIT])
def test_a_setting_that_does_not_fit_the_table_is_refused_in_words(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Course.of(TABLE, Setting(**given))
