"""A cost so large that its move can never pay changes nothing for the others, on any path, at any size."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import (
    AllocationProblem,
    EarningsCurve,
    Infeasible,
    Limits,
    ProtocolSpec,
    Soft,
    Tiers,
    allocate,
    allocate_many,
)
from reallot.problem.arrays import arrays
from reallot.problem.effective import CUT_TO, NEVER_PAYS, effective
from tests.rounds import quick
from tests.strategies import LINEAR, problems

COSTS = [1e4, 1e7, 1e9, 1e10, 1e12, 1e15]
WAYS = ("move_cost", "move_cost_in", "move_cost_out", "move_fee")
each_cost = pytest.mark.parametrize("cost", quick(1e4, 1e15, rest=COSTS))


def sentinel(cost: float, way: str = "move_cost", **given: object) -> AllocationProblem:
    """b to c is free and brings 0.02 USD/h for each unit; a never moves."""
    specs = [ProtocolSpec("a", 0.02, **{way: cost}), ProtocolSpec("b", 0.01), ProtocolSpec("c", 0.03)]
    return AllocationProblem(specs, {"a": 0.6, "b": 0.3, "c": 0.1}, horizon_hours=24, **given)


@each_cost
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("periods", [1, 2])
@pytest.mark.parametrize("solver", ["auto", "highs", "scipy"])
def test_a_sentinel_cost_leaves_the_others_free(cost: float, way: str, periods: int, solver: str) -> None:
    plan = allocate(sentinel(cost, way, periods=periods), solver=solver)
    kept = 0.0 if way == "move_cost_in" else 0.6  # what costs nothing to give goes to c as well
    assert plan.shares.to_dict() == pytest.approx({"a": kept, "b": 0.0, "c": 1.0 - kept})
    assert plan.certificate.objective == pytest.approx(24 * (kept * 0.02 + (1.0 - kept) * 0.03), rel=1e-9)


@each_cost
@pytest.mark.parametrize("solver", ["numpy", "numba"])
def test_a_sentinel_cost_leaves_the_others_of_a_batch_free(cost: float, solver: str) -> None:
    if solver == "numba":
        pytest.importorskip("numba")
    many = allocate_many(
        [[0.02, 0.01, 0.03]], [[0.6, 0.3, 0.1]], move_cost=[[cost, 0.0, 0.0]], horizon_hours=24, solver=solver
    )
    assert many.shares[0] == pytest.approx([0.6, 0.0, 0.4])


@each_cost
@pytest.mark.parametrize("solver", ["auto", "horizon", "scipy"])
def test_a_sentinel_cost_under_a_max_change_of_nothing_has_a_plan(cost: float, solver: str) -> None:
    problem = sentinel(cost, "move_cost_out", periods=2, limits=Limits(max_change={"a": 0.0}))
    assert allocate(problem, solver=solver).shares.round(9).tolist() == [0.6, 0.0, 0.4]


@pytest.mark.parametrize("cost", [1e2, 1e6, 1e8, 1e10])
@pytest.mark.parametrize("solver", ["auto", "highs", "scipy"])
@pytest.mark.parametrize("periods", [1, 2])
def test_a_move_that_has_to_be_made_is_charged_in_full(cost: float, solver: str, periods: int) -> None:
    specs = [ProtocolSpec("a", 0.02, move_cost=cost, max_share=0.5), ProtocolSpec("b", 0.01), ProtocolSpec("c", 0.03)]
    problem = AllocationProblem(specs, {"a": 0.6, "b": 0.3, "c": 0.1}, horizon_hours=24, periods=periods)
    plan = allocate(problem, solver=solver)
    assert plan.shares["a"] == pytest.approx(0.5)
    assert plan.cost == pytest.approx(0.1 * cost)


@each_cost
@pytest.mark.parametrize("solver", ["auto", "highs", "scipy"])
def test_a_tier_that_never_pays_is_not_reached_by_rounding(cost: float, solver: str) -> None:
    # 0.3 goes to c at 0.02 USD/h more for 24 h; a unit more than that, of all changes or of b's own, costs a sentinel
    shares, end = {"a": 0.6, "b": 0.3, "c": 0.1}, Tiers([(0.3, 0.0), (None, cost)])
    soft, dear = Limits(max_turnover=Soft(0.3, price=cost)), Limits(turnover_cost=end)
    flat = [ProtocolSpec("a", 0.01), ProtocolSpec("b", 0.01), ProtocolSpec("c", 0.03)]
    own = [*flat[:2], ProtocolSpec("c", 0.03, move_cost_in=end)]
    for specs, limits in ((flat, soft), (flat, dear), (own, Limits())):
        plan = allocate(AllocationProblem(specs, shares, horizon_hours=24, limits=limits), solver=solver)
        assert plan.net_benefit == pytest.approx(24 * 0.3 * 0.02) and plan.certificate.is_optimal


def test_of_two_sentinels_the_cheaper_one_moves_where_one_has_to() -> None:
    specs = [ProtocolSpec("a", 1.0, move_cost=2e10), ProtocolSpec("b", 1.0, move_cost=1e10)]
    plan = allocate(AllocationProblem([*specs, ProtocolSpec("c", 1.0, max_share=0.1)], {"a": 0.4, "b": 0.4, "c": 0.2}))
    assert plan.shares.round(9).tolist() == [0.4, 0.5, 0.1]
    # c has to give 0.1, and b takes it for half of what a would cost


def test_a_held_protocol_with_tiny_earnings_and_costs_has_a_plan() -> None:
    rate = -3e-57
    spec = ProtocolSpec("a", EarningsCurve((0.0, 0.3), (0.0, 0.6 * rate), rate), move_fee=1.0, move_cost=1.0)
    plan = allocate(AllocationProblem([spec], {"a": 1.0}, limits=Limits(held={"a"})))
    assert plan.shares["a"] == 1.0 and plan.certificate.objective == pytest.approx(1.3 * rate)


def test_a_held_protocol_at_a_sentinel_cost_leaves_a_plan_over_two_periods() -> None:
    specs = [ProtocolSpec("a", 1.3, move_cost=5e8), ProtocolSpec("b", 1.0), ProtocolSpec("c", 1.7)]
    problem = AllocationProblem(specs, {"a": 0.6, "b": 0.3, "c": 0.1}, limits=Limits(held={"a"}), periods=2)
    assert allocate(problem).certificate.objective == pytest.approx(0.6 * 1.3 + 0.4 * 1.7)


@pytest.mark.slow
@pytest.mark.parametrize("kind", LINEAR)
@given(data=st.data())
def test_a_held_protocol_changes_nothing_for_the_others_at_any_cost(kind: str, data: st.DataObject) -> None:
    problem = data.draw(problems(kind, grid=8, sizes=(2, 4)))
    name = problem.names[0]
    limits = replace(problem.limits, held=(name,))
    cost, way = data.draw(st.sampled_from(COSTS)), data.draw(st.sampled_from(WAYS[:3]))

    def worth(spec: ProtocolSpec) -> float | None:
        try:
            at = replace(problem, protocols=[spec, *problem.specs[1:]], limits=limits)
            return allocate(at).certificate.objective
        except Infeasible:
            return None

    spec = problem.specs[0]
    before, after = worth(spec), worth(replace(spec, **{way: cost}))
    assert after is None if before is None else after == pytest.approx(before, rel=1e-8, abs=1e-8)


def test_costs_are_cut_to_what_still_never_pays() -> None:
    data = sentinel(1e12).arrays
    assert data.cost_in.tolist() == [CUT_TO * 24 * 0.03, 0.0, 0.0] == data.cost_out.tolist()
    assert data.as_given.cost_in.tolist() == [1e12, 0.0, 0.0]
    below = NEVER_PAYS * 24 * 0.03 / 2
    assert sentinel(below).arrays.cost_in.tolist() == [below, 0.0, 0.0]


@pytest.mark.parametrize("kind", LINEAR)
@given(data=st.data())
def test_what_is_plain_is_decided_as_it_was_given(kind: str, data: st.DataObject) -> None:
    laid_out = arrays(data.draw(problems(kind, sizes=(1, 3))))
    if laid_out.is_plain:
        assert effective(laid_out) is laid_out


@pytest.mark.parametrize("solver", ["exact", "highs"])
def test_a_price_of_turnover_that_never_pays_is_paid_in_full_where_a_smaller_capacity_forces_it(solver: str) -> None:
    limits = Limits(turnover_cost=Tiers([(0.1, 1.0), (None, 1e6)]))
    shrunk = AllocationProblem({"a": 1.0, "b": 2.0}, {"a": 0.5, "b": 0.5}, capacity=0.5, limits=limits)
    plan = allocate(shrunk, solver=solver)
    assert plan.shares.to_dict() == pytest.approx({"a": 0.0, "b": 0.5})
    assert plan.certificate.objective == pytest.approx(1.0 - 0.1 - 4e5)
