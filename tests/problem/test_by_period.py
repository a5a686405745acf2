"""Numbers by period and conditions at the end: what they refuse, what plans make of them, files, conflicts, prices."""

from __future__ import annotations

import numpy as np
import pytest

from reallot import (
    AllocationProblem,
    ConfigurationError,
    End,
    Fleet,
    Infeasible,
    InvalidInput,
    Limits,
    ProtocolSpec,
    allocate,
    explain,
    problem_from_dict,
    problem_from_frame,
    problem_to_dict,
    session,
)
from reallot.runtime.config import config_from_text


def two(a: dict[str, object] | None = None, b: dict[str, object] | None = None, **given: object) -> AllocationProblem:
    """a earns 3 and b 1 USD/h in both of two hours; a holds 0.2, b 0.8."""
    specs = [ProtocolSpec("a", 3.0, **(a or {})), ProtocolSpec("b", 1.0, **(b or {}))]  # type: ignore[arg-type]
    given = {"periods": 2, "horizon_hours": 2.0, **given}
    return AllocationProblem(specs, {"a": 0.2, "b": 0.8}, **given)  # type: ignore[arg-type]


EVERYTHING = two(
    {"min_share": [0.1, 0.2], "max_share": [0.5, 0.75], "move_cost": [0.125, 0.25], "uses": {"cpu": 2.0}},
    {"move_cost_in": [0.5, 0.25], "move_cost_out": [0.0, 0.125], "move_fee": [0.0, 0.25]},
    capacity=[1.0, 1.25],
    reserve=[0.0, 0.125],
    resources={"cpu": [1.0, 1.5]},
    end=End(at_least={"b": 0.25}, at_most={"b": 0.75}, values={"a": -0.5}),
)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: two({"max_share": [0.5]}), "a: max_share has 1 entries for 2 periods; give one per period"),
        (lambda: two({"move_fee": [0.5, -1.0]}), "a: move_fee in period 1 is -1; it must be at least 0"),
        (lambda: two({"move_cost": [0.1, "x"]}), "a: move_cost in period 1 is 'x'"),
        (lambda: two({"min_share": [0.1, 0.6], "max_share": 0.5}), "a: min_share 0.6 is above max_share 0.5 in period"),
        (lambda: two({"entry_share": [0.1, 0.6]}), "a: entry_share"),
        (lambda: two(capacity=[1.0, 1.0, 1.0]), "capacity has 3 entries for 2 periods"),
        (lambda: two(capacity=[1.0, 0.1], reserve=0.2), "reserve 0.2 is above capacity 0.1"),
        (lambda: two({"uses": {"cpu": 1}}, resources={"cpu": [1.0]}), "resource cpu has 1 entries for 2 periods"),
        (lambda: two(end=0.5), "end is 0.5; give End"),
        (lambda: two(end=End(at_least={"c": 0.1})), "end: at_least names 'c'"),
        (lambda: End(), "end says nothing; give at_least"),
        (lambda: End(at_least={"a": 0.5}, at_most={"a": 0.4}), "at_least 0.5 of a is above at_most 0.4"),
        (lambda: End(at_most={"a": -0.5}), "end: at_most a"),
        (lambda: problem_from_dict({"protocols": {"a": {"rate": 1, "current": 1}}, "end": {"at_lest": {}}}), "at_lest"),
    ],
)
def test_what_cannot_be_meant_is_refused(make, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidInput, match=words):
        make()


def test_a_file_says_the_same_numbers_by_period() -> None:
    assert problem_from_dict(problem_to_dict(EVERYTHING)) == EVERYTHING
    assert problem_to_dict(EVERYTHING)["protocols"]["a"]["max_share"] == [0.5, 0.75]


def test_a_frame_may_hold_lists_in_its_cells() -> None:
    import pandas as pd

    frame = pd.DataFrame({"rate": [3.0, 1.0], "current": [0.2, 0.8], "max_share": [[0.5, 0.9], None]}, index=["a", "b"])
    problem = problem_from_frame(frame, periods=2, horizon_hours=2.0)
    assert problem == two({"max_share": [0.5, 0.9]})


@pytest.mark.parametrize("solver", ["auto", "scipy", "pulp"])
def test_the_hand_solved_case_holds_by_every_solver(solver: str) -> None:
    # a may hold 0.5, then 0.75. Moving 0.3 now costs 0.3 * 0.125 and b's giving 0. Then there is 0.125 more, which a
    # takes for 0.125 * 0.25. 0.125 more from b would earn 2 * 0.125, less 0.125 * (0.25 + 0.125), the fee of 0.25 and
    # what a loses at the end, 0.5 * 0.125: it stays.
    plan = allocate(EVERYTHING, solver=solver)
    assert plan.schedule == pytest.approx(np.array([[0.5, 0.5], [0.625, 0.5]]), abs=1e-6)
    worth = (1.5 + 0.5) + (1.875 + 0.5) - 0.3 * 0.125 - 0.125 * 0.25 - 0.5 * 0.625
    assert plan.certificate.objective == pytest.approx(worth, abs=1e-6)
    assert plan.net_benefit == pytest.approx(worth - (0.6 + 0.8) * 2 + 0.5 * 0.2, abs=1e-6)


def test_equal_numbers_in_a_list_are_one_number() -> None:
    listed = two({"max_share": [0.5, 0.5], "move_cost": [0.1, 0.1]}, {"move_fee": [0.2, 0.2]}, capacity=[1.0, 1.0])
    one, other = allocate(listed), allocate(two({"max_share": 0.5, "move_cost": 0.1}, {"move_fee": 0.2}))
    assert one.schedule.tobytes() == other.schedule.tobytes()
    assert one.certificate.objective == other.certificate.objective


def test_of_one_period_a_list_of_one_is_the_number() -> None:
    given = {"max_share": [0.5], "move_cost_out": [0.2], "move_cost_in": [0.1]}
    listed, plain = (
        AllocationProblem([ProtocolSpec("a", 3.0, **each), ProtocolSpec("b", 1.0)], {"a": 0.2, "b": 0.8})
        for each in (given, {key: value[0] for key, value in given.items()})
    )
    one, other = allocate(listed), allocate(plain)
    assert one.solver == other.solver == "exact" and one.schedule.tobytes() == other.schedule.tobytes()
    assert one.prices == other.prices


def test_prices_are_what_a_little_more_earns() -> None:
    base = two({"max_share": [0.5, 0.7]}, end=End(at_least={"b": 0.4}, values={"b": 0.25}))
    found, by = allocate(base), 1e-3
    for name, eased in {
        "max_share a": two({"max_share": [0.5 + by, 0.7 + by]}, end=base.end),
        "end_at_least b": two({"max_share": [0.5, 0.7]}, end=End(at_least={"b": 0.4 - by}, values={"b": 0.25})),
    }.items():
        slope = (allocate(eased).certificate.objective - found.certificate.objective) / by / base.horizon_hours
        assert found.prices[name].low == pytest.approx(slope, abs=1e-6)


@pytest.mark.parametrize(
    ("given", "rule", "text"),
    [
        ({"end": End(at_least={"a": 0.9})}, "end_at_least a", "lower at_least of a at the end by 0.50"),
        ({"end": End(at_most={"b": 0.4})}, "end_at_most b", "raise at_most of b at the end by 0.20"),
        ({"capacity": [1.0, 0.5], "allow_idle": True}, "capacity", "raise capacity by 0.10"),
    ],
)
def test_a_conflict_at_the_end_names_a_way_out_that_works(given: dict[str, object], rule: str, text: str) -> None:
    with pytest.raises(Infeasible) as caught:
        allocate(two(limits=Limits(max_change=0.1, max_decrease=0.2), **given))
    conflict = caught.value.conflict
    assert conflict is not None and rule in conflict.rules, conflict
    assert text in {way.text for way in conflict.relaxations}, conflict.message


def test_what_the_end_asks_for_is_explained() -> None:
    plan = allocate(two(end=End(at_least={"b": 0.5}, values={"b": 0.5})))
    why = explain(plan, budget_seconds=None)
    assert {limit.name: limit.usd_per_hour for limit in why.limits}["end_at_least b"] > 0.0
    assert "USD worth at the end" in str(plan)
    assert sum(move.gain - move.cost for move in why.moves) == pytest.approx(plan.net_benefit)


def test_a_session_follows_numbers_by_period() -> None:
    live = session(two({"max_share": [0.5, 0.75]}))
    assert live.solve().schedule[:, 0].tolist() == pytest.approx([0.5, 0.75])
    assert live.change(rates={"a": 0.5}).solve().schedule[:, 0].tolist() == pytest.approx([0.0, 0.0])
    live.change(rates={"a": 3.0}, end=End(at_least={"b": 0.5}))
    assert live.solve().schedule[:, 0].tolist() == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (two(capacity=[1.0, 1.25]), "the capacity differs by period"),
        (two({"move_cost": [0.1, 0.2]}), "move_cost of a differs by period"),
        (two(end=End(values={"a": 1.0})), "shares are worth something at the end"),
    ],
)
def test_the_path_of_several_periods_says_why_it_declines(problem: AllocationProblem, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        allocate(problem, solver="horizon")


def test_bounds_by_period_are_left_to_the_path_of_several_periods() -> None:
    problem = two({"max_share": [0.5, 0.75], "min_share": [0.0, 0.3]}, end=End(at_least={"b": 0.4}))
    one, other = allocate(problem, solver="horizon"), allocate(problem, solver="highs")
    assert one.certificate.objective == pytest.approx(other.certificate.objective, abs=1e-9)
    assert one.schedule[:, 0].tolist() == pytest.approx([0.5, 0.6])


def test_who_plans_one_period_refuses_lists() -> None:
    host = AllocationProblem({"a": 1.0, "b": 2.0}, {"a": 0.5, "b": 0.5}, end=End(values={"a": 1.0}))
    with pytest.raises(InvalidInput, match="numbers by period or conditions at the end"):
        Fleet({"h": host})
    with pytest.raises(ConfigurationError, match="one number for all times"):
        config_from_text(
            '[protocols.a]\nadapter = "simulated"\nmax_share = [0.5, 0.6]\n[protocols.b]\nadapter = "simulated"\n'
        )


def turning(**limits: object) -> AllocationProblem:
    """a earns 3 and b 1; c earns nothing and then 5; a pays 0.5 for each unit of change."""
    return AllocationProblem(
        [ProtocolSpec("a", 3.0, move_cost=0.5), ProtocolSpec("b", 1.0), ProtocolSpec("c", 0.0)],
        {"a": 0.2, "b": 0.8, "c": 0.0},
        periods=2,
        horizon_hours=2.0,
        rates={"c": [0.0, 5.0]},
        limits=Limits(**limits),  # type: ignore[arg-type]
    )


# Without a budget all goes to a and then to c: 3 + 5 less 0.5 * (0.8 + 1) = 7.1. Staying first and then all to c costs
# 0.1 and earns 1.4 + 5. Each unit that b lends to a until then costs 1 USD and earns 2. Three moves take a and b to c
# in the second period, two take b alone.
@pytest.mark.parametrize(
    ("limits", "worth", "prices"),
    [
        ({}, 7.1, {}),
        ({"max_total_cost": 0.1}, 6.3, {"total_cost": (0.5, 1.5)}),
        ({"max_total_cost": 0.5}, 6.7, {"total_cost": (0.5, 0.5)}),
        ({"max_total_moves": 3}, 6.3, {}),
        ({"max_total_moves": 2}, 6.0, {}),
        ({"max_total_moves": 0}, 2.8, {}),
    ],
)
@pytest.mark.parametrize("solver", ["auto", "scipy", "pulp"])
def test_budgets_of_the_horizon_are_kept(
    limits: dict[str, object], worth: float, prices: dict[str, tuple[float, float]], solver: str
) -> None:
    plan = allocate(turning(**limits), solver=solver)
    assert plan.certificate.objective == pytest.approx(worth, abs=1e-6)
    for name, price in prices.items():
        assert plan.prices[name] == pytest.approx(price, abs=1e-6)
    for key, words in (("max_total_cost", "USD over the horizon"), ("max_total_moves", "moves over the horizon")):
        assert (words in str(plan)) == (key in limits)


def test_a_budget_that_is_too_small_says_by_how_much() -> None:
    specs = [ProtocolSpec("a", 3.0, max_share=[0.8, 0.4], move_cost=0.5), ProtocolSpec("b", 1.0, move_cost=0.25)]
    for limits, text in (
        (Limits(max_total_cost=0.1), "raise max_total_cost by 0.20 USD"),
        (Limits(max_total_moves=1), "raise max_total_moves by 1"),
    ):
        problem = AllocationProblem(specs, {"a": 0.8, "b": 0.2}, periods=2, horizon_hours=2.0, limits=limits)
        with pytest.raises(Infeasible) as caught:
            allocate(problem)
        assert caught.value.conflict is not None
        assert text in {way.text for way in caught.value.conflict.relaxations}, caught.value.conflict.message


def test_paths_that_take_one_capacity_leave_budgets_to_others() -> None:
    for key, value in (("max_total_moves", 3), ("max_total_cost", 0.5)):
        for solver in ("horizon", "fees", "exact"):
            periods = 2 if solver == "horizon" else 1
            specs = [ProtocolSpec("a", 3.0, move_fee=0.1 * (solver == "fees")), ProtocolSpec("b", 1.0)]
            problem = AllocationProblem(specs, {"a": 0.2, "b": 0.8}, periods=periods, limits=Limits(**{key: value}))  # type: ignore[arg-type]
            with pytest.raises(InvalidInput, match=f"{key} couples protocols"):
                allocate(problem, solver=solver)
