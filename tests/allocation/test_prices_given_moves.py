"""Prices with fees and counts: the slopes of the optimum in which the same protocols move, and no others."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import AllocationProblem, Infeasible, Limits, ProtocolSpec, allocate

INF = float("inf")


def two(**given: object) -> AllocationProblem:
    """a holds everything and pays a fee to move; b holds nothing and moves freely."""
    specs = [ProtocolSpec("b", 1.0), ProtocolSpec("a", 4.0, move_fee=0.05)]
    return AllocationProblem(specs, {"b": 0.0, "a": 1.0}, horizon_hours=2, **given)


@pytest.mark.parametrize("solver", ["auto", "highs", "scipy"])
@pytest.mark.parametrize(
    ("given", "low", "high"),
    [
        ({}, 1.0, INF),  # one more unit goes to b, since a does not move; one less has nobody to give it
        ({"periods": 2}, 1.0, INF),
        ({"allow_idle": True}, 1.0, INF),
        ({"limits": Limits(max_moves=0)}, -INF, INF),  # nobody may move
        ({"limits": Limits(held={"b"})}, -INF, INF),
    ],
)
def test_one_more_unit_of_capacity_goes_to_those_who_move(
    solver: str, given: dict[str, object], low: float, high: float
) -> None:
    price = allocate(two(**given), solver=solver).prices["capacity"]
    assert (price.low, price.high) == pytest.approx((low, high))


def test_capacity_that_may_be_idle_is_worth_nothing_to_those_who_do_not_move() -> None:
    specs = [ProtocolSpec("a", 4.95, move_fee=0.5), ProtocolSpec("b", 2.0, move_fee=5.0)]
    problem = AllocationProblem(specs, {"a": 0.9, "b": 0.1}, allow_idle=True, limits=Limits(max_change=0.05))
    plan = allocate(problem)
    assert not plan.moves and plan.prices["capacity"].low == 0.0


@pytest.mark.slow
@given(
    rates=st.lists(st.sampled_from([1.0, 2.0, 3.5, 5.0]), min_size=3, max_size=3),
    fees=st.lists(st.sampled_from([0.0, 0.1, 0.4]), min_size=3, max_size=3),
    parts=st.lists(st.integers(1, 9), min_size=3, max_size=3),
    max_change=st.sampled_from([None, 0.13, 0.31]),
    periods=st.integers(1, 2),
    idle=st.booleans(),
)
def test_the_price_of_capacity_is_the_slope_with_the_same_movers(
    rates: list[float], fees: list[float], parts: list[int], max_change: float | None, periods: int, idle: bool
) -> None:
    names = ("a", "b", "c")
    specs = [ProtocolSpec(name, rate, move_fee=fee) for name, rate, fee in zip(names, rates, fees, strict=True)]
    current = {name: part / sum(parts) for name, part in zip(names, parts, strict=True)}
    problem = AllocationProblem(specs, current, limits=Limits(max_change=max_change), periods=periods, allow_idle=idle)
    plan = allocate(problem)
    before, moved = problem.arrays.current, []
    for row in plan.schedule:
        moved.append(row != before)
        before = row
    if periods == 2 and bool((moved[0] != moved[1]).any()) and any(fees):
        return  # holding by period cannot say who moves in the first period only
    stays = [spec.name for spec, moves in zip(specs, moved[0], strict=True) if spec.move_fee > 0.0 and not moves]
    same = replace(
        problem,
        protocols=[replace(spec, move_fee=0.0) for spec in specs],
        limits=replace(problem.limits, held=frozenset(stays)),
    )

    def worth(more: float) -> float:
        try:
            return allocate(replace(same, capacity=1.0 + more)).certificate.objective
        except Infeasible:
            return -INF

    by = 1e-5
    low, high = (worth(by) - worth(0.0)) / by, (worth(0.0) - worth(-by)) / by
    price = plan.prices["capacity"]
    assert (price.low, price.high) == pytest.approx((low, high), rel=1e-5, abs=1e-5)
