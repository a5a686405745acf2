"""All backends give the same objective, each at its own tolerance, and the same status, on every kind of problem."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import Allocation, AllocationProblem, Infeasible, allocate
from reallot.solvers import BACKENDS
from strategies import CHOICES, COUPLED, LINEAR, budget, problems


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
@budget(0.3)
@given(data=st.data())
def test_the_general_backends_agree_on_coupled_problems(kind: str, data: st.DataObject) -> None:
    assert_agree(data.draw(problems(kind)), "highs", "scipy")


@pytest.mark.parametrize("kind", CHOICES)
@pytest.mark.slow
@budget(0.3)
@given(data=st.data())
def test_the_general_backends_agree_where_there_are_choices(kind: str, data: st.DataObject) -> None:
    assert_agree(data.draw(problems(kind)), "highs", "scipy")


@pytest.mark.parametrize("kind", LINEAR | COUPLED | CHOICES)
@pytest.mark.slow
@budget(0.1)
@given(data=st.data())
def test_cbc_agrees_on_every_kind(kind: str, data: st.DataObject) -> None:
    assert_agree(data.draw(problems(kind)), "highs", "pulp")
