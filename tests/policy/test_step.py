"""The step that live and backtest share: a target is approached as near as the limits allow, values by the program."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import AllocationProblem, Limits, ProtocolSpec, Target, Values, allocate
from reallot.policy.base import FloatArray
from reallot.policy.decision_step import Room, plan, room_of, toward, with_rates

SAME = 1e-9
COUNT = 4
SPLITS = (
    st.lists(st.integers(0, 10), min_size=COUNT, max_size=COUNT)
    .filter(any)
    .map(lambda parts: np.array(parts) / sum(parts))
)
LIMITS = st.builds(
    Limits,
    max_turnover=st.sampled_from([None, 0.0, 0.05, 0.2, 1.0]),
    max_change=st.sampled_from([None, 0.0, 0.1, 0.3, {"a": 0.05, "c": 0.1}]),
    held=st.sampled_from([frozenset(), {"a"}, {"b", "c"}, {"a", "b", "c", "d"}]),
)


def problem(
    current: FloatArray, limits: Limits, cost: float = 0.1, low: float = 0.0, high: float = 1.0
) -> AllocationProblem:
    """Four alternatives, the bounds widened to the present shares."""
    specs = [
        ProtocolSpec(name, 1.0, min_share=min(low, share), max_share=max(high, share), move_cost=cost)
        for name, share in zip("abcd", current.tolist(), strict=True)
    ]
    return AllocationProblem(specs, dict(zip("abcd", current.tolist(), strict=True)), limits=limits)


def away(shares: FloatArray, target: FloatArray) -> float:
    """Half of the sum of absolute differences."""
    return float(np.abs(shares - target).sum()) / 2.0


@given(current=SPLITS, target=SPLITS, limits=LIMITS, low=st.sampled_from([0.0, 0.05]), high=st.sampled_from([0.4, 1.0]))
def test_a_target_is_approached_as_near_as_the_program_would(
    current: FloatArray, target: FloatArray, limits: Limits, low: float, high: float
) -> None:
    asked = problem(current, limits, low=low, high=high)
    room = room_of(asked)
    assert room is not None
    near, best = room.toward(target, current), allocate(toward(asked, target)).schedule[0]
    assert away(near, target) == pytest.approx(away(best, target), abs=SAME)
    assert np.abs(plan(Target(target), asked).schedule[0] - near).max() <= SAME
    assert abs(near.sum() - 1.0) <= SAME and (near >= room.low - SAME).all() and (near <= room.high + SAME).all()
    assert np.maximum(near - current, 0.0).sum() <= room.turnover + SAME


def test_where_only_turnover_limits_a_target_is_approached_in_proportion() -> None:
    current, target = np.array([0.25, 0.25, 0.25, 0.25]), np.array([1.0, 0.0, 0.0, 0.0])
    after = plan(Target(target), problem(current, Limits(max_turnover=0.15))).schedule[0]
    assert after == pytest.approx([0.40, 0.20, 0.20, 0.20], abs=SAME)


def test_a_target_reached_is_reached_exactly() -> None:
    room = Room(np.zeros(3), np.ones(3), 0.2)
    target = np.array([0.1, 0.2, 0.7])
    assert np.array_equal(room.toward(target, np.array([0.15, 0.25, 0.6])), target)
    assert np.array_equal(room.toward(target, target), target)


@pytest.mark.parametrize(
    "limits",
    [Limits(max_moves=2), Limits(min_move=0.05), Limits(min_gain=5.0, max_moves=3)],
    ids=["moves", "size", "gain"],
)
def test_other_rules_are_left_to_the_program(limits: Limits) -> None:
    current, target = np.array([0.25, 0.25, 0.25, 0.25]), np.array([0.97, 0.01, 0.01, 0.01])
    asked = problem(current, limits)
    assert room_of(asked) is None
    assert away(plan(Target(target), asked).schedule[0], target) < away(current, target)


@given(current=SPLITS, limits=LIMITS, values=st.lists(st.integers(-5, 5), min_size=COUNT, max_size=COUNT))
def test_where_no_value_can_pay_the_program_stays_too(current: FloatArray, limits: Limits, values: list[int]) -> None:
    asked, worth = problem(current, limits, cost=0.75), np.array(values, dtype=float)
    room = room_of(asked)
    assert room is not None
    after = plan(Values(worth), asked).schedule[0]
    if not room.can_pay(worth, current, 1.5):
        assert np.array_equal(after, current)
    elif room.turnover > 0.0:
        assert (after != current).any()


def test_values_are_worth_over_the_horizon_whatever_its_length() -> None:
    current, worth = np.array([0.5, 0.5, 0.0, 0.0]), np.array([1.0, 1.1, 3.0, 0.0])
    short = problem(current, Limits(max_turnover=0.2))
    long = replace(short, horizon_hours=24.0)
    one, two = (plan(Values(worth), each) for each in (short, long))
    assert np.array_equal(one.schedule, two.schedule) and one.net_benefit == pytest.approx(two.net_benefit, rel=1e-12)
    assert one.net_benefit == pytest.approx(0.2 * 2.0 - 0.2 * 0.2, rel=1e-9)
    assert np.array_equal(plan(None, short).schedule[0], current)
    assert with_rates(short, worth).rates == {"a": (1.0,), "b": (1.1,), "c": (3.0,), "d": (0.0,)}
