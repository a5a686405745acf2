"""Costs by the size of a change: what a record takes and refuses, and what every path makes of it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import (
    AllocationProblem,
    InvalidInput,
    Limits,
    OptimizerConfig,
    ProtocolSpec,
    Setting,
    Tiers,
    allocate,
    allocate_many,
    backtest,
    explain,
    frontier,
    problem_from_dict,
    problem_to_dict,
    session,
)
from tests import brute

THREE = Tiers([(0.1, 0.02), (0.2, 0.05), (None, 0.2)])


def two(cost: float | Tiers = 0.0, **limits: object) -> AllocationProblem:
    specs = [ProtocolSpec("a", 2.0, move_cost=cost), ProtocolSpec("b", 1.0)]
    return AllocationProblem(specs, {"a": 0.3, "b": 0.7}, limits=Limits(**limits))


@pytest.mark.parametrize(
    ("change", "cost"), [(0.0, 0.0), (0.05, 0.001), (0.1, 0.002), (-0.2, 0.007), (0.3, 0.012), (1.0, 0.152)]
)
def test_each_tier_charges_its_part_of_the_change(change: float, cost: float) -> None:
    assert THREE.cost(change) == pytest.approx(cost, abs=1e-15)


@pytest.mark.parametrize(
    ("size", "cost"),
    [(60.0, 10.0 * 60.0), (150.0, 10.0 * 100.0 + 20.0 * 50.0), (260.0, 10.0 * 100.0 + 20.0 * 100.0 + 40.0 * 60.0)],
)
def test_tiers_are_the_piecewise_linear_costs_of_opl(size: float, cost: float) -> None:
    """`piecewise{10 -> 100; 20 -> 200; 40}` of "Piecewise-linear functions", OPL language reference (IBM)."""
    tiers = Tiers([(100.0, 10.0), (100.0, 20.0), (None, 40.0)])
    assert tiers.cost(size) == pytest.approx(cost)
    shipped = AllocationProblem(
        [ProtocolSpec("ship", 1000.0, move_cost=tiers), ProtocolSpec("stock", 0.0)],
        {"ship": 0.0, "stock": size},
        capacity=size,
    )
    assert allocate(shipped).cost == pytest.approx(cost)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([], "tiers are empty"),
        ([(None, 0.1), (0.2, 0.2)], "tier 1 of 2 has no width and is not the last; it must be"),
        ([(0.1, 0.1), (0.2, 0.2)], r"the last tier ends after 0.2.*give \(None, 0.2\)"),
        ([(0.0, 0.1), (None, 0.2)], "tier 1 has width 0"),
        ([(-0.1, 0.1), (None, 0.2)], "width of tier 1"),
        ([(float("nan"), 0.1), (None, 0.2)], "width of tier 1"),
        ([(0.1, float("nan")), (None, 0.2)], "price of tier 1"),
        ([(0.1, -0.1), (None, 0.2)], "price of tier 1"),
        ([0.1, 0.2], r"tier 1 is 0.1; give \(width, price\)"),
        (0.1, "give a list"),
    ],
)
def test_tiers_that_cannot_be_are_refused_with_the_number_and_a_way_out(steps: object, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        Tiers(steps)  # type: ignore[arg-type]


def test_a_market_depth_table_becomes_tiers_from_the_cheapest_level_on() -> None:
    levels = [(0.2, 0.05), (0.1, 0.02), (0.05, 0.05)]
    assert Tiers.from_depth(levels, beyond=0.2).steps == ((0.1, 0.02), (0.25, 0.05), (None, 0.2))
    frame = pd.DataFrame(levels, columns=["size", "cost"])
    assert Tiers.from_depth(frame).steps == ((0.1, 0.02), (None, 0.05))
    with pytest.raises(InvalidInput, match="no column 'cost'"):
        Tiers.from_depth(frame[["size"]])
    with pytest.raises(InvalidInput, match=r"below the dearest level 0.05; give at least 0.05"):
        Tiers.from_depth(levels, beyond=0.01)


def test_turnover_may_not_become_cheaper() -> None:
    with pytest.raises(InvalidInput, match=r"prices 0.5, 0.1.*plan_fee for a fixed part"):
        Limits(turnover_cost=Tiers([(0.1, 0.5), (None, 0.1)]))
    with pytest.raises(InvalidInput, match=r"turnover_cost is 0.5; give Tiers"):
        Limits(turnover_cost=0.5)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="plan_fee"):
        Limits(plan_fee=-1.0)


@given(cost=st.sampled_from([0.0, 0.1, 0.7, 1.3]), most=st.sampled_from([None, 0.1]))
def test_one_tier_is_one_price_to_the_bit(cost: float, most: float | None) -> None:
    plain, graded = (allocate(two(each, max_change=most)) for each in (cost, Tiers([(None, cost)])))
    assert plain.schedule.tobytes() == graded.schedule.tobytes()
    assert (plain.net_benefit, plain.prices, plain.solver) == (graded.net_benefit, graded.prices, graded.solver)


@given(price=st.sampled_from([0.1, 0.5]), far=st.sampled_from([0.71, 5.0]))
def test_tiers_that_no_change_reaches_cost_nothing(price: float, far: float) -> None:
    plain, graded = allocate(two(price)), allocate(two(Tiers([(far, price), (None, 9.0)])))
    np.testing.assert_allclose(graded.schedule, plain.schedule, atol=1e-12)
    assert graded.net_benefit == pytest.approx(plain.net_benefit, abs=1e-12)


@pytest.mark.parametrize("solver", ["exact", "highs", "scipy", "pulp"])
def test_backends_agree_on_rising_tiers_and_turnover(solver: str) -> None:
    cost = Tiers([(0.1, 0.2), (0.1, 0.4), (None, 0.9)])
    plan = allocate(two(cost, turnover_cost=Tiers([(0.1, 0.1), (None, 0.3)])), solver=solver)
    assert plan.shares.to_dict() == pytest.approx({"a": 0.5, "b": 0.5}, abs=1e-6)
    assert plan.certificate.is_optimal
    grid = brute.best(two(cost, turnover_cost=Tiers([(0.1, 0.1), (None, 0.3)])), 20)
    assert plan.certificate.objective == pytest.approx(grid, abs=1e-6)


@pytest.mark.parametrize("solver", ["auto", "highs", "scipy", "pulp"])
def test_prices_that_go_down_and_up_again_are_as_on_the_grid(solver: str) -> None:
    problem = two(Tiers([(0.2, 1.5), (0.2, 0.0), (None, 1.4)]))
    plan = allocate(problem, solver=solver)
    assert plan.certificate.objective == pytest.approx(brute.best(problem, 20), abs=1e-6)
    assert "choice" in allocate(problem).solver_reason


@pytest.mark.parametrize("rate", [5.0, -1.0])
@pytest.mark.parametrize(("start", "now"), [(0.05, 0.65), (0.15, 0.5), (0.3, 0.7), (0.05, 0.8), (0.35, 0.45)])
def test_a_change_may_end_where_a_cheaper_tier_begins(start: float, now: float, rate: float) -> None:
    falling = Tiers([(start, 0.5), (None, 0.1)])
    specs = [ProtocolSpec("a", rate, move_cost=falling), ProtocolSpec("b", 1.0)]
    plan = allocate(AllocationProblem(specs, {"a": now, "b": 1.0 - now}, limits=Limits(max_change=start)))
    assert plan.certificate.is_optimal
    assert plan.net_benefit == pytest.approx(start * (abs(rate - 1.0) - 0.5), abs=1e-9)


def test_paths_that_take_one_price_say_that_they_decline() -> None:
    with pytest.raises(InvalidInput, match=r"falls from 0.5 to 0.1 USD per unit above 0.2: whether a change"):
        allocate(two(Tiers([(0.2, 0.5), (None, 0.1)])), solver="exact")
    graded = AllocationProblem(
        [ProtocolSpec("a", 2.0, move_cost=THREE, move_fee=0.1), ProtocolSpec("b", 1.0)], {"a": 0.3, "b": 0.7}
    )
    with pytest.raises(InvalidInput, match="the move cost of a comes in tiers; the fee path"):
        allocate(graded, solver="fees")
    idle = AllocationProblem({"a": 2.0}, {"a": 0.3}, allow_idle=True, limits=Limits(turnover_cost=Tiers([(None, 0.1)])))
    assert "turnover_cost weighs" in allocate(idle).solver_reason
    with pytest.raises(InvalidInput, match="turnover_cost"):
        frontier(two(turnover_cost=THREE))


def test_prices_of_limits_are_the_same_by_sorting_and_by_the_program() -> None:
    problem = two(Tiers([(0.1, 0.2), (None, 0.4)]), max_change=0.25, max_turnover=0.3)
    exact, program = allocate(problem, solver="exact"), allocate(problem, solver="highs")
    assert exact.prices.keys() == program.prices.keys()
    for name, interval in exact.prices.items():
        assert tuple(program.prices[name]) == pytest.approx(tuple(interval), abs=1e-9), name


@pytest.mark.parametrize("solver", ["fees", "highs"])
def test_a_bound_takes_the_fee_of_a_plan_off_once(solver: str) -> None:
    specs = [ProtocolSpec("a", 1.0, move_cost=4.0, move_fee=1.0), ProtocolSpec("b", 4.0, move_cost=1.0, move_fee=2.0)]
    limits = Limits(plan_fee=0.5)
    problem = AllocationProblem(specs, {"a": 0.3, "b": 0.7}, horizon_hours=10.0, limits=limits, allow_idle=True)
    plan = allocate(problem, solver=solver)
    # a's 0.3 bring 12 from b for 1.5 + 3 + 0.5, in place of 3: 40 - 5
    assert plan.certificate.objective == pytest.approx(35.0)
    assert plan.certificate.bound == pytest.approx(35.0)


def test_an_explanation_adds_up_with_what_all_pay_together() -> None:
    plan = allocate(two(Tiers([(0.1, 0.1), (None, 0.2)]), turnover_cost=Tiers([(0.2, 0.1), (None, 0.3)]), plan_fee=0.1))
    why = explain(plan, budget_seconds=None)
    shared = plan.value.turnover_cost + plan.value.plan_fee
    assert sum(move.gain - move.cost for move in why.moves) - shared == pytest.approx(plan.net_benefit)
    assert {limit.name for limit in why.limits} >= {"turnover_cost", "plan_fee"}
    assert "for turnover_cost and 0.1 for plan_fee of all together" in str(why)
    assert all(move.net_benefit >= -1e-9 for move in why.moves)
    kept = allocate(two(plan_fee=2.0))
    assert not kept.moves and kept.notes == ("the best plan gains 0.7 USD, no more than plan_fee 2",)


def test_files_hold_tiers_and_give_an_equal_problem_back() -> None:
    problem = two(THREE, turnover_cost=Tiers([(None, 0.1)]), plan_fee=0.5)
    plain = json.loads(json.dumps(problem_to_dict(problem)))
    assert plain["protocols"]["a"]["move_cost"] == [[0.1, 0.02], [0.2, 0.05], ["rest", 0.2]]
    assert plain["limits"] == {"turnover_cost": [["rest", 0.1]], "plan_fee": 0.5}
    assert problem_from_dict(plain) == problem
    plain["protocols"]["a"]["move_cost"] = [[0.1, 0.02]]
    with pytest.raises(InvalidInput, match=r"protocols.a.move_cost.*the last tier ends after 0.1"):
        problem_from_dict(plain)


def test_frames_hold_tiers_in_a_cell() -> None:
    frame = pd.DataFrame({"rate": [2.0, 1.0], "current": [0.3, 0.7], "move_cost": [THREE, 0.0]}, index=["a", "b"])
    problem = AllocationProblem.from_frame(frame)
    assert problem["a"].move_cost == THREE and problem["b"].move_cost == 0.0
    assert problem == two(THREE)


@pytest.mark.parametrize(
    "costs",
    [
        {"move_cost": [THREE, 0.0]},
        {"move_cost": THREE, "move_cost_out": [0.0, None]},
        {"move_cost": 0.0, "move_cost_in": np.array([None, THREE], dtype=object)},
    ],
)
def test_arrays_hold_tiers_as_records_do(costs: dict[str, object]) -> None:
    problem = AllocationProblem.from_arrays(["a", "b"], [2.0, 1.0], [0.3, 0.7], **costs)
    rows = [{key: each[i] if hasattr(each, "__len__") else each for key, each in costs.items()} for i in range(2)]  # type: ignore[index]
    records = [ProtocolSpec(name, rate, **row) for name, rate, row in zip("ab", (2.0, 1.0), rows, strict=True)]  # type: ignore[arg-type]
    assert problem == AllocationProblem(records, {"a": 0.3, "b": 0.7}) and problem.specs == tuple(records)
    with pytest.raises(InvalidInput, match=r"a: move_fee is Tiers.*it must be a number"):
        AllocationProblem.from_arrays(["a", "b"], [2.0, 1.0], [0.3, 0.7], move_fee=[THREE, 0.0])


def test_a_default_that_is_given_beside_tiers_says_nothing() -> None:
    rest = {"b": 0.7, "a": 0.3}
    given = ProtocolSpec("a", 2.0, move_cost=float("0"), move_cost_in=THREE)
    plain = ProtocolSpec("a", 2.0, move_cost_in=THREE)
    problems = [AllocationProblem([ProtocolSpec("b", 1.0), spec], rest) for spec in (given, plain)]
    assert problems[0] == problems[1]


def test_a_session_answers_tiers_as_allocate_does() -> None:
    live = session(two(THREE, turnover_cost=Tiers([(0.2, 0.1), (None, 0.3)]), plan_fee=0.01))
    for rate in (2.0, 1.2, 1.05, 9.0):
        plan = live.change(rates={"a": rate}).solve()
        assert plan.certificate.objective == pytest.approx(allocate(live.problem).certificate.objective, abs=1e-9)


@pytest.mark.parametrize("solver", ["numpy", "auto"])
def test_a_batch_in_tiers_is_as_its_problems_one_by_one(solver: str) -> None:
    rates, current = [[2.0, 1.0, 1.5], [1.0, 1.1, 3.0]], [[0.3, 0.7, 0.0], [0.2, 0.3, 0.5]]
    many = allocate_many(
        rates, current, move_cost=0.05, tiers=[(0.1, [0.2, 0.3, 0.4]), (0.3, 1.5)], upper=0.8, plan_fee=[0.1, 5.0],
        solver=solver,
    )  # fmt: skip
    for k in range(2):
        alone = many.allocation(k)
        np.testing.assert_allclose(many.shares[k], alone.schedule[0], atol=1e-12)
        assert (many.net_benefit[k], many.cost[k]) == pytest.approx((alone.net_benefit, alone.cost), abs=1e-12)
    assert (many.shares[1] == current[1]).all()
    with pytest.raises(InvalidInput, match="the price of tier 1 is below the one before it"):
        allocate_many(rates, current, move_cost=0.5, tiers=[(0.1, 0.2)])
    with pytest.raises(InvalidInput, match="give starts that rise"):
        allocate_many(rates, current, tiers=[(0.1, 0.2), (0.1, 0.3)])


def test_a_batch_without_tiers_is_the_same_to_the_bit() -> None:
    rates, current = [[2.0, 1.0], [1.0, 1.1]], [[0.3, 0.7]]
    plain, graded = (
        allocate_many(rates, current, move_cost=0.1),
        allocate_many(rates, current, move_cost=Tiers([(None, 0.1)])),
    )
    assert plain.shares.tobytes() == graded.shares.tobytes() and plain.tiers is None


def test_a_backtest_charges_what_its_limits_cost() -> None:
    index = pd.date_range("2026-01-01", periods=6, freq="h", tz="UTC")
    rates = pd.DataFrame({"a": [1.0, 3.0, 1.0, 3.0, 3.0, 1.0], "b": [2.0] * 6}, index=index)
    limits = Limits(turnover_cost=Tiers([(0.2, 0.1), (None, 0.5)]), plan_fee=0.01)
    found = backtest(rates, ["greedy"], setting=Setting(limits=limits, cost_usd=0.0, explore="none"))
    run = found.runs["greedy"]
    moved = run.account.moved
    assert moved.any()
    paid = [limits.turnover_cost.cost(size) + 0.01 * (size > 0.0) for size in moved]  # type: ignore[union-attr]
    np.testing.assert_allclose(run.account.cost, paid, atol=1e-12)


def test_the_live_optimizer_takes_tiers_from_its_configuration() -> None:
    assert OptimizerConfig(move_cost=[[0.1, 0.02], ["rest", 0.2]]).move_cost == Tiers([(0.1, 0.02), (None, 0.2)])
    with pytest.raises(Exception, match=r"the last tier ends after 0.1"):
        OptimizerConfig(move_cost=[[0.1, 0.02]])  # type: ignore[arg-type]
    assert json.loads(OptimizerConfig(move_cost=THREE).model_dump_json())["move_cost"][2] == ["rest", 0.2]
