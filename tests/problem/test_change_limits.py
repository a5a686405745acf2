"""Limits of change by direction, as a part, one way only, and in time: what they refuse, what plans make of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import (
    AllocationProblem,
    ConfigurationError,
    EarningsOptimizer,
    Infeasible,
    InvalidInput,
    Limits,
    OptimizerConfig,
    ProtocolSpec,
    Setting,
    allocate,
    allocate_many,
    explain,
    session,
)
from tests import brute


def three(**limits: object) -> AllocationProblem:
    """a earns 3, b 2 and c 1 USD/h per unit."""
    return AllocationProblem({"a": 3.0, "b": 2.0, "c": 1.0}, {"a": 0.2, "b": 0.3, "c": 0.5}, limits=Limits(**limits))


LIMITS = [
    ({"max_increase": 0.1}, {"a": 0.3, "b": 0.4, "c": 0.3}, "max_increase a"),
    ({"max_decrease": 0.2}, {"a": 0.6, "b": 0.1, "c": 0.3}, "max_decrease c"),
    ({"max_increase": {"a": 0.15}, "max_decrease": {"c": 0.1}}, {"a": 0.35, "b": 0.25, "c": 0.4}, "max_decrease c"),
    ({"max_change_relative": 0.5}, {"a": 0.3, "b": 0.45, "c": 0.25}, "max_change_relative a"),
    ({"max_change_relative": {"a": 0.5}}, {"a": 0.3, "b": 0.7, "c": 0.0}, "max_change_relative a"),
    ({"only_decrease": {"a"}}, {"a": 0.2, "b": 0.8, "c": 0.0}, "only_decrease a"),
    ({"only_increase": {"c"}}, {"a": 0.5, "b": 0.0, "c": 0.5}, "only_increase c"),
    ({"max_change": 0.2, "max_increase": 0.3, "max_decrease": 0.1}, {"a": 0.4, "b": 0.2, "c": 0.4}, "max_decrease c"),
]


@pytest.mark.parametrize(("limits", "shares", "price"), LIMITS)
@pytest.mark.parametrize("solver", ["exact", "highs", "scipy", "pulp"])
def test_a_change_goes_as_far_as_the_limit_of_its_direction(
    limits: dict[str, object], shares: dict[str, float], price: str, solver: str
) -> None:
    # who earns most takes first, and who earns least gives first; each goes to its own limit
    plan = allocate(three(**limits), solver=solver)
    assert plan.shares.to_dict() == pytest.approx(shares, abs=1e-6)
    assert plan.certificate.is_optimal
    assert plan.certificate.objective == pytest.approx(brute.best(three(**limits), 20), abs=1e-6)
    assert price in plan.prices and plan.prices[price].low > 0.0


@pytest.mark.parametrize(("limits", "_shares", "price"), LIMITS[:5])  # a direction has no amount
def test_a_price_is_what_a_little_more_of_the_limit_earns(
    limits: dict[str, object], _shares: dict[str, float], price: str
) -> None:
    kind, name = price.split()
    by, (before, after) = 1e-3, ({}, {})
    for amount, found in ((0.0, before), (by, after)):
        given = dict(limits)
        limit = given[kind]
        table = limit if isinstance(limit, dict) else dict.fromkeys("abc", limit)
        given[kind] = {**table, name: table[name] + amount}
        found.update(worth=allocate(three(**given)).certificate.objective)
    slope = (after["worth"] - before["worth"]) / by
    assert allocate(three(**limits)).prices[price].low == pytest.approx(slope, abs=1e-6)


def test_what_a_limit_keeps_is_said_by_its_name() -> None:
    plan = allocate(three(max_increase=0.1))
    assert any("at max_increase: no more than 0.1" in reason for reason in plan.reasons)
    why = explain(allocate(three(max_change_relative=0.5, only_increase={"c"})), budget_seconds=None)
    costs = {limit.name: limit.usd_per_hour for limit in why.limits}
    assert costs["only_increase"] > 0.0 and "max_change_relative" in costs


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"max_increase": {"aa": 0.1}}, "max_increase names 'aa'.*did you mean 'a'"),
        ({"only_decrease": {"bb"}}, "only_decrease names 'bb'"),
        ({"max_change_relative": {"x": 0.1}}, "max_change_relative names 'x'"),
        ({"max_decrease": (0.1, 0.2)}, "max_decrease has 2 entries for 1 periods"),
        ({"max_increase": float("nan")}, "max_increase"),
        ({"max_decrease": -0.1}, "max_decrease"),
        ({"max_change_relative": (0.1,)}, "max_change_relative is per period; give one part"),
        ({"only_increase": "a"}, "give a set of names"),
        ({"only_increase": {"a"}, "only_decrease": {"a"}}, "a is in only_increase and in only_decrease; name it in"),
        ({"hold_after_change": 0.5}, "hold_after_change"),
    ],
)
def test_limits_of_change_that_cannot_be_are_refused(limits: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        three(**limits)


@pytest.mark.parametrize(
    ("limits", "rule", "text"),
    [
        ({"max_decrease": 0.1}, "max_decrease c", "raise max_decrease of c by 0.20"),
        ({"only_increase": {"c"}}, "only_increase c", "let c decrease: take it out of only_increase"),
        ({"max_change_relative": {"c": 0.2}}, "max_change_relative c", "raise max_change_relative of c by 0.40"),
    ],
)
def test_a_conflict_names_the_limit_and_ways_out_that_work(limits: dict[str, object], rule: str, text: str) -> None:
    specs = [ProtocolSpec("a", 3.0), ProtocolSpec("b", 2.0), ProtocolSpec("c", 1.0, max_share=0.2)]
    problem = AllocationProblem(specs, {"a": 0.2, "b": 0.3, "c": 0.5}, limits=Limits(**limits))
    with pytest.raises(Infeasible) as caught:
        allocate(problem)
    conflict = caught.value.conflict
    assert conflict is not None and rule in conflict.rules
    assert text in {way.text for way in conflict.relaxations}, conflict.message


def swinging(hold: int, **limits: object) -> AllocationProblem:
    """a earns 2, 0 and 2 USD/h in three periods of an hour, b always 1."""
    return AllocationProblem(
        {"a": 0.0, "b": 1.0},
        {"a": 0.0, "b": 1.0},
        rates={"a": [2.0, 0.0, 2.0]},
        periods=3,
        horizon_hours=3.0,
        limits=Limits(hold_after_change=hold, **limits),
    )


# Without a rest 2 + 1 + 2 = 5. With one: in at once and out in the third 2 + 0 + 1, or in the third only 1 + 1 + 2 = 4.
@pytest.mark.parametrize(("hold", "worth"), [(0, 5.0), (1, 4.0), (2, 4.0)])
@pytest.mark.parametrize("solver", ["auto", "scipy", "pulp"])
def test_a_share_stays_for_so_long_after_a_planned_change(hold: int, worth: float, solver: str) -> None:
    plan = allocate(swinging(hold), solver=solver)
    assert plan.certificate.objective == pytest.approx(worth, abs=1e-6)
    assert plan.certificate.objective == pytest.approx(brute.best(swinging(hold), 4), abs=1e-6)
    assert not brute.broken_rules(swinging(hold), [tuple(row) for row in plan.schedule.tolist()], near=1e-6)


def test_one_period_needs_no_rest() -> None:
    free, resting = allocate(three()), allocate(three(hold_after_change=3))
    assert (free.schedule == resting.schedule).all() and resting.solver == free.solver == "exact"


@given(most=st.sampled_from([0.0, 0.05, 0.1, 0.3]))
def test_the_same_limit_both_ways_is_max_change(most: float) -> None:
    one, two = allocate(three(max_change=most)), allocate(three(max_increase=most, max_decrease=most))
    assert one.schedule.tobytes() == two.schedule.tobytes() and one.solver == two.solver == "exact"


def test_paths_with_one_limit_of_change_decline() -> None:
    planned = AllocationProblem({"a": 3.0, "b": 1.0}, {"a": 0.5, "b": 0.5}, periods=2, limits=Limits(max_increase=0.1))
    with pytest.raises(InvalidInput, match="max_increase limits changes by direction; the horizon path"):
        allocate(planned, solver="horizon")


def test_a_session_and_a_batch_say_the_same() -> None:
    problem = three(max_increase=0.1, max_decrease=0.15, max_change_relative=0.4)
    live = session(problem)
    for rates in ({"a": 3.0}, {"b": 4.0}, {"c": 9.0}):
        plan = live.change(rates=rates).solve()
        assert plan.certificate.objective == pytest.approx(allocate(live.problem).certificate.objective, abs=1e-9)
    many = allocate_many(
        [[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]], [[0.2, 0.3, 0.5]],
        max_increase=[[0.1, 0.3, np.inf], [0.2, 0.2, 0.2]], max_decrease=0.15, max_change_relative=[0.4, np.inf, 1.0],
    )  # fmt: skip
    for k in range(2):
        np.testing.assert_allclose(many.shares[k], many.allocation(k).schedule[0], atol=1e-12)
    with pytest.raises(InvalidInput, match="max_decrease has an entry"):
        allocate_many([[1.0, 2.0]], [[0.5, 0.5]], max_decrease=-1.0)


def test_other_present_shares_are_limited_by_parts_of_them() -> None:
    problem = three(max_change_relative=0.5)
    assert problem.arrays.up[0] == pytest.approx([0.1, 0.15, 0.25])
    moved = problem.update(current={"a": 0.4, "b": 0.3, "c": 0.3})
    assert moved.arrays.up[0] == pytest.approx([0.2, 0.15, 0.15])
    assert allocate(moved).shares.to_dict() == pytest.approx({"a": 0.6, "b": 0.25, "c": 0.15})


@pytest.mark.parametrize("periods", [1, 2])
def test_who_can_only_decrease_is_not_frozen_however_much_it_loses(periods: int) -> None:
    # a loses a hundred times as much as b, into which all of it goes; d is held
    problem = AllocationProblem(
        {"a": -100.0, "b": -1.0, "c": -2.0, "d": 0.0},
        {"a": 0.5, "b": 0.2, "c": 0.2, "d": 0.1},
        periods=periods,
        limits=Limits(only_decrease=["a"], held=["d"]),
    )
    plan = allocate(problem, solver="highs")
    assert plan.schedule == pytest.approx(np.array([[0.0, 0.9, 0.0, 0.1]] * periods), abs=1e-9)
    assert plan.certificate.is_optimal


def test_who_goes_step_by_step_takes_no_rest_between_planned_periods() -> None:
    limits = Limits(hold_after_change=2)
    with pytest.raises(InvalidInput, match=r"hold_after_change is 2 periods.*give Setting\(hold=...\)"):
        Setting(limits=limits)
    with pytest.raises(ConfigurationError, match=r"hold_after_change is 2 periods.*set min_hold_duration"):
        EarningsOptimizer(OptimizerConfig(), limits=limits)
