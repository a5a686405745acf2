"""Units and pieces of curves too small to be told from nothing are refused, with the smallest that works."""

from __future__ import annotations

import pytest

from reallot import AllocationProblem, EarningsCurve, InvalidInput, Limits, ProtocolSpec, allocate
from reallot.problem.curve import NARROWEST
from reallot.problem.validation import SMALLEST_STEP


@pytest.mark.parametrize("step", [1e-9, 1e-12, 0.99 * SMALLEST_STEP])
def test_a_step_too_small_is_refused_with_the_smallest_that_works(step: float) -> None:
    with pytest.raises(InvalidInput, match="units are at least 1e-07 of capacity"):
        ProtocolSpec("a", 1.0, step=step)


@pytest.mark.parametrize("solver", ["highs", "scipy"])
@pytest.mark.parametrize("step", [SMALLEST_STEP, 1e-6, 1e-3])
def test_the_smallest_step_works(step: float, solver: str) -> None:
    specs = [ProtocolSpec("a", 2.0, step=step), ProtocolSpec("b", 1.0)]
    problem = AllocationProblem(specs, {"a": 0.25, "b": 0.75}, limits=Limits(max_change=0.2 + 0.4 * step))
    plan = allocate(problem, solver=solver)
    assert plan.shares["a"] == pytest.approx(0.45, abs=1e-12)  # the rest of the change is less than a unit


@pytest.mark.parametrize("width", [1e-12, 1e-10, 0.99 * NARROWEST])
@pytest.mark.parametrize("last", [0.0, 3.0])
def test_a_jump_within_a_piece_too_narrow_is_refused(width: float, last: float) -> None:
    jump = EarningsCurve((0.0, 0.3, 0.3 + width), (0.0, 0.3, 1.3), last)
    with pytest.raises(InvalidInput, match=r"a: its earnings change by 1 USD/h within .* is at least 1e-08 wide"):
        AllocationProblem({"a": jump, "b": 1.0}, {"a": 0.3, "b": 0.7})


@pytest.mark.parametrize("solver", ["highs", "scipy"])
def test_the_narrowest_jump_works(solver: str) -> None:
    jump = EarningsCurve((0.0, 0.3, 0.3 + NARROWEST), (0.0, 0.3, 1.3), 0.0)
    plan = allocate(AllocationProblem({"a": jump, "b": 1.0}, {"a": 0.2, "b": 0.8}), solver=solver)
    assert plan.certificate.objective == pytest.approx(1.3 + 0.7, abs=1e-6)


@pytest.mark.parametrize("width", [1e-16, 1e-13, 1e-10, 1e-9, 5e-9])
@pytest.mark.parametrize("solver", ["highs", "scipy"])
def test_a_narrow_piece_that_earns_no_more_than_its_width_is_filled_in_order(width: float, solver: str) -> None:
    # the last piece is worth most, and only what comes before it opens it
    curve = EarningsCurve((0.0, 0.3, 0.3 + max(width, 5.6e-17), 0.5), (0.0, 0.1, 0.1 + width, 0.9), 0.0)
    plan = allocate(
        AllocationProblem({"a": curve, "b": 1.0}, {"a": 0.0, "b": 1.0}, limits=Limits(max_change=0.2)), solver=solver
    )
    assert plan.shares["a"] == 0.0 and plan.certificate.objective == pytest.approx(1.0)


def test_breakpoints_of_several_periods_that_differ_by_rounding_are_one() -> None:
    first = EarningsCurve((0.0, 0.3), (0.0, 0.9), 1.0)
    second = EarningsCurve((0.0, 0.1 + 0.2), (0.0, 0.3), 2.0)
    problem = AllocationProblem({"a": (first, second), "b": 0.5}, {"a": 0.0, "b": 1.0}, periods=2)
    assert problem.arrays.pieces is not None
    assert problem.arrays.pieces.slopes.tolist() == [[3.0, 1.0], [pytest.approx(1.0), 2.0]]
    assert allocate(problem).certificate.objective == pytest.approx(0.5 * (0.9 + 0.7 + 0.3 + 1.4))
