"""A soft turnover limit: passed where that pays, by as much as pays, and told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import AllocationProblem, InvalidInput, Limits, Soft, Tiers, allocate, problem_from_dict, problem_to_dict


def problem(limits: Limits, hours: float = 1.0) -> AllocationProblem:
    return AllocationProblem({"a": 3.0, "b": 1.0}, {"a": 0.2, "b": 0.8}, limits=limits, horizon_hours=hours)


# A unit moved from b to a brings 2 USD/h: in one hour less than 3 USD, in two hours 4.
@pytest.mark.parametrize(("hours", "turnover", "paid"), [(1.0, 0.2, 0.0), (2.0, 0.8, 1.8)])
def test_a_soft_limit_is_passed_where_it_pays(hours: float, turnover: float, paid: float) -> None:
    plan = allocate(problem(Limits(max_turnover=Soft(0.2, price=3.0)), hours))
    assert (plan.turnover, plan.cost) == (pytest.approx(turnover), pytest.approx(paid))
    told = [line for line in plan.reasons if line == "turnover is 0.60 above the free 0.20, for 1.8 USD"]
    assert len(told) == (paid > 0.0)


@given(limit=st.sampled_from([0.0, 0.1, 0.2, 0.7]), price=st.sampled_from([0.0, 0.5, 2.0, 1e4]))
def test_a_soft_limit_is_worth_no_less_than_a_hard_one_and_the_same_at_a_high_price(limit: float, price: float) -> None:
    soft, hard = (allocate(problem(Limits(max_turnover=each))) for each in (Soft(limit, price), limit))
    assert soft.net_benefit >= hard.net_benefit - 1e-9
    if price > 2.0:
        assert soft.net_benefit == pytest.approx(hard.net_benefit, abs=1e-9)
    if price == 0.0:
        assert soft.net_benefit == pytest.approx(allocate(problem(Limits())).net_benefit)


def test_a_file_says_a_soft_limit_by_its_two_keys() -> None:
    soft = problem(Limits(max_turnover=Soft(0.2, price=3.0)))
    table = problem_to_dict(soft)
    assert problem_from_dict(table) == soft
    del table["limits"]["turnover_cost"]
    table["limits"]["max_turnover"] = {"limit": 0.2, "price": 3.0}
    assert problem_from_dict(table) == soft


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Soft(-0.1, 1.0), "soft: limit is -0.1"),
        (lambda: Soft(0.1, float("nan")), "soft: price"),
        (lambda: Limits(max_turnover=Soft(0.1, 1.0), turnover_cost=Tiers([(None, 1.0)])), "both prices"),
    ],
)
def test_a_soft_limit_that_cannot_be_meant_is_refused(make, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidInput, match=words):
        make()
