"""A soft turnover limit: passed where that pays, by as much as pays, and told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import (
    Allocation,
    AllocationProblem,
    Fleet,
    InvalidInput,
    Limits,
    ProtocolSpec,
    Soft,
    Tiers,
    allocate,
    problem_from_dict,
    problem_to_dict,
)
from tests import brute


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


# Of 2 USD for each unit of a that b gives, both changes beyond 0.2 pay: 1 + 1 more than that, 0.5 + 0.5 less.
@pytest.mark.parametrize(("price", "change", "paid"), [(1.5, 0.2, 0.0), (0.5, 0.8, 0.6)])
@pytest.mark.parametrize("solver", ["exact", "highs"])
def test_each_change_passes_its_limit_where_it_pays(price: float, change: float, paid: float, solver: str) -> None:
    limited = problem(Limits(max_change=Soft(0.2, price=price)))
    plan = allocate(limited, solver=solver)
    assert plan.shares["a"] == pytest.approx(0.2 + change)
    assert (plan.cost, plan.solver) == (pytest.approx(paid), solver)
    told = [line for line in plan.reasons if line == "changes are 1.20 above the free 0.20 of each, for 0.6 USD"]
    assert len(told) == (paid > 0.0)
    assert plan.certificate.objective == pytest.approx(brute.best(limited, 20))


COSTS = st.sampled_from([0.0, 0.25, Tiers([(0.1, 0.1), (None, 1.0)])])


@given(
    limit=st.sampled_from([0.0, 0.1, 0.3]),
    price=st.sampled_from([0.0, 0.25, 0.5, 2.0, 1e4]),
    costs=st.tuples(COSTS, COSTS),
    idle=st.booleans(),
)
def test_a_soft_change_costs_what_the_problem_says(
    limit: float, price: float, costs: tuple[float | Tiers, float | Tiers], idle: bool
) -> None:
    specs = [ProtocolSpec("a", 3.0, move_cost=costs[0]), ProtocolSpec("b", 1.0, move_cost_out=costs[1])]
    given = {"current": {"a": 0.2, "b": 0.8}, "allow_idle": idle}
    soft, hard, free = (
        AllocationProblem(specs, limits=Limits(max_change=each), **given) for each in (Soft(limit, price), limit, None)
    )
    plan = allocate(soft)
    assert plan.solver == "exact" and plan.certificate.objective == pytest.approx(brute.best(soft, 10))
    assert plan.net_benefit == pytest.approx(allocate(soft, solver="highs").net_benefit, abs=1e-9)
    assert plan.net_benefit >= allocate(hard).net_benefit - 1e-9
    if price == 0.0:
        assert plan.net_benefit == pytest.approx(allocate(free).net_benefit)
    if price == 1e4:
        assert plan.net_benefit == pytest.approx(allocate(hard).net_benefit, abs=1e-9)


def test_a_soft_change_is_the_same_in_a_file_and_in_several_periods() -> None:
    soft = problem(Limits(max_change=Soft(0.2, price=1.5)))
    table = problem_to_dict(soft)
    assert problem_from_dict(table) == soft
    table["limits"] = {"max_change": {"limit": 0.2, "price": 1.5}}
    assert problem_from_dict(table) == soft
    specs = [ProtocolSpec("a", 3.0, move_cost=[0.5, 0.0]), ProtocolSpec("b", 1.0)]
    two = AllocationProblem(
        specs, {"a": 0.2, "b": 0.8}, periods=2, horizon_hours=2.0, limits=Limits(max_change=Soft(0.25, price=1.0))
    )
    plan = allocate(two)
    assert plan.certificate.objective == pytest.approx(brute_worth(two, plan))
    assert plan.schedule[:, 0].tolist() == pytest.approx([0.75, 1.0])  # the last quarter is free an hour later


def brute_worth(two: AllocationProblem, plan: Allocation) -> float:
    """By hand: 3 a + b in each hour, a's own cost of the first hour, and what both changes pay beyond 0.25."""
    (a, _), (last, _) = plan.schedule.tolist()
    paid = sum(2.0 * max(0.0, abs(change) - 0.25) for change in (a - 0.2, last - a))
    return (1.0 + 2.0 * a) + (1.0 + 2.0 * last) - 0.5 * abs(a - 0.2) - paid


def test_a_soft_change_beside_its_cost_is_refused_and_fleets_decline() -> None:
    with pytest.raises(InvalidInput, match="max_change is soft, and change_cost is given"):
        Limits(max_change=Soft(0.1, 1.0), change_cost=Tiers([(None, 1.0)]))
    with pytest.raises(InvalidInput, match="change_cost has prices 2, 1"):
        Limits(change_cost=Tiers([(0.1, 2.0), (None, 1.0)]))
    with pytest.raises(InvalidInput, match="change_cost"):
        Fleet({"h": problem(Limits(max_change=Soft(0.2, price=1.0)))})
