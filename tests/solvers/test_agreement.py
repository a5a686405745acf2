"""All backends give the same objective, each at its own tolerance, and the same status, on every kind of problem."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import (
    Allocation,
    AllocationProblem,
    Group,
    Infeasible,
    Limits,
    ProtocolSpec,
    SolverFailed,
    allocate,
    formulate,
)
from reallot.solvers import BACKENDS
from tests.strategies import CHOICES, COUPLED, LINEAR, budget, problems


def answer(problem: AllocationProblem, solver: str) -> Allocation | None:
    """The plan, or None where the backend says that no split meets all rules."""
    try:
        return allocate(problem, solver=solver)
    except Infeasible:
        return None


def assert_agree(problem: AllocationProblem, *solvers: str) -> Allocation | None:
    """Same status from all `solvers`, and the first one's objective from the others within their tolerance."""
    first = answer(problem, solvers[0])
    for solver in solvers[1:]:
        other = answer(problem, solver)
        assert (other is None) == (first is None), f"{solver} and {solvers[0]} disagree about feasibility"
        if first is not None and other is not None:
            allowed = max(BACKENDS[solver].tolerance, BACKENDS[solvers[0]].tolerance) * first.certificate.scale
            assert abs(other.certificate.objective - first.certificate.objective) <= allowed, solver
    return first


@pytest.mark.parametrize("kind", LINEAR)
@pytest.mark.slow
@budget(0.5)
@given(data=st.data())
def test_all_backends_agree_on_one_period_and_one_capacity(kind: str, data: st.DataObject) -> None:
    assert_agree(data.draw(problems(kind)), "exact", "highs", "scipy")


@pytest.mark.parametrize("kind", COUPLED)
@pytest.mark.slow
@budget(0.14)
@given(data=st.data())
def test_the_general_backends_agree_on_coupled_problems(kind: str, data: st.DataObject) -> None:
    assert_agree(data.draw(problems(kind)), "highs", "scipy")


@pytest.mark.parametrize("kind", CHOICES)
@pytest.mark.slow
@budget(0.14)
@given(data=st.data())
def test_the_general_backends_agree_where_there_are_choices(kind: str, data: st.DataObject) -> None:
    assert_agree(data.draw(problems(kind)), "highs", "scipy")


@pytest.mark.parametrize("kind", LINEAR | COUPLED | CHOICES)
@pytest.mark.slow
@budget(0.03)
@given(data=st.data())
def test_cbc_agrees_on_every_kind(kind: str, data: st.DataObject) -> None:
    problem = data.draw(problems(kind))
    try:
        assert_agree(problem, "highs", "pulp")
    except SolverFailed as failed:
        # CBC can call an infeasible mixed-integer program optimal: an error then, never a plan
        assert str(failed).startswith("pulp gave no plan (failed: PULP_CBC_CMD: its point breaks a row")
        assert formulate(problem).is_mixed_integer
        assert answer(problem, "scipy") is None


def test_cbc_finds_the_plan_that_its_preprocessing_loses() -> None:
    # staying is all there is: two are held, and compute is off its grid of eighths
    specs = [ProtocolSpec("compute", 0.0, step=0.125), ProtocolSpec("relay", 0.0), ProtocolSpec("storage", 0.0)]
    current = {"compute": 1 / 3, "relay": 0.0, "storage": 2 / 3}
    problem = AllocationProblem(specs, current, limits=Limits(held={"relay", "storage"}))
    assert allocate(problem, solver="pulp").shares.to_dict() == current


def test_a_point_of_cbc_that_breaks_a_row_is_an_error() -> None:
    # relay must come down from 1/9 to at most 0.05 and keep 0.025: no whole unit of 0.125 lies there
    relay = ProtocolSpec("relay", 0.0, min_share=0.025, max_share=0.05, step=0.125, move_cost=0.1)
    others = [ProtocolSpec("compute", 0.0), ProtocolSpec("storage", 0.0, move_cost=0.1)]
    current = {"relay": 1 / 9, "compute": 4 / 9, "storage": 4 / 9}
    problem = AllocationProblem([relay, *others], current, allow_idle=True)
    with pytest.raises((Infeasible, SolverFailed)):
        allocate(problem, solver="pulp")


@pytest.mark.parametrize("solver", ["highs", "scipy", "pulp"])
def test_a_unit_past_a_max_change_of_zero_is_found(solver: str) -> None:
    # archive comes down from 1 to two units, 0.75; relay enters at 0.25 and earns 1 USD/h for half an hour: 0.125.
    # HiGHS at tolerances of 1e-10 has called staying (0) optimal here
    specs = [
        ProtocolSpec("relay", (1.0, 0.0), entry_share=0.2, step=0.125),
        ProtocolSpec("compute", 0.0, entry_share=0.1),
        ProtocolSpec("storage", 0.0),
        ProtocolSpec("archive", 0.0, entry_share=0.1, step=0.375),
    ]
    problem = AllocationProblem(
        specs,
        {"relay": 0.0, "compute": 0.0, "storage": 0.0, "archive": 1.0},
        periods=2,
        limits=Limits(max_change=0.0, groups=(Group("shared", ("relay",), max_active=1),), allow_one_unit=True),
    )
    assert allocate(problem, solver=solver).certificate.objective == pytest.approx(0.125)
