"""Every backend passes the conformance suite that is shipped; bad ones, made here, do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reallot import AllocationProblem, LinearProgram, Solution, SolverFailed, Status, allocate, formulate, solve
from reallot.solvers import BACKENDS
from reallot.testing.backends import cases, check_answer, check_backend, check_planner

GENERAL = ("highs", "scipy", "pulp")


def takes(solver: str, problem: AllocationProblem) -> bool:
    """True where the backend does not decline the problem."""
    why_ineligible = BACKENDS[solver].why_ineligible
    return why_ineligible is None or why_ineligible(problem) is None


def test_no_backend_is_missing_here() -> None:
    assert {name for name, backend in BACKENDS.items() if backend.why_ineligible is None} == set(GENERAL)


@pytest.mark.parametrize("solver", GENERAL)
def test_every_general_backend_conforms(solver: str) -> None:
    check_backend(lambda program: solve(program, solver), BACKENDS[solver].tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("solver", BACKENDS)
def test_every_backend_plans_the_cases_it_takes(solver: str) -> None:
    check_planner(
        lambda problem: allocate(problem, solver=solver).certificate.objective,
        BACKENDS[solver].tolerance,
        accepts=lambda problem: takes(solver, problem),
    )


def test_the_cases_have_every_kind_of_program() -> None:
    mixed = [formulate(case.problem).is_mixed_integer for case in cases()]
    assert any(mixed) and not all(mixed)
    assert any(case.optimum is None for case in cases())
    assert len({case.name for case in cases()}) == len(cases())


def spoiled(program: LinearProgram, how: str) -> Solution:
    """HiGHS's answer with one thing wrong."""
    good = solve(program)
    if good.values is None:
        return replace(good, status=Status.OPTIMAL, values=program.lower) if how == "infeasible" else good
    values, prices = good.values.copy(), good.row_prices
    if how == "share":
        values[0] += 1e-6
    elif how == "worse":
        values = solve(replace_gain(program)).values
    elif how == "price" and prices is not None:
        prices = prices + 0.01
    elif how == "no prices":
        prices = None
    elif how == "bound" and good.bound is not None:
        return replace(good, bound=good.bound - 0.1)
    elif how == "status":
        return replace(good, status=Status.STOPPED)
    return replace(good, values=values, row_prices=prices)


def replace_gain(program: LinearProgram) -> LinearProgram:
    """The same program turned round: its optimum is the worst point."""
    return LinearProgram(tuple(replace(block, gain=-block.gain) for block in program.columns), program.rows)


@pytest.mark.parametrize("how", ["share", "worse", "price", "no prices", "bound", "status", "infeasible"])
def test_a_backend_that_is_wrong_in_one_way_is_found_out(how: str) -> None:
    with pytest.raises(SolverFailed, match="does not conform"):
        check_backend(lambda program: spoiled(program, how))


def test_a_backend_that_raises_is_a_complaint_and_not_a_crash() -> None:
    def broken(program: LinearProgram) -> Solution:
        raise ZeroDivisionError("no pivot")

    with pytest.raises(SolverFailed, match="ZeroDivisionError: no pivot"):
        check_backend(broken)


def test_a_planner_that_takes_nothing_does_not_conform() -> None:
    with pytest.raises(SolverFailed, match="accepts none"):
        check_planner(lambda problem: 0.0, accepts=lambda problem: False)


def test_a_good_answer_has_no_complaints() -> None:
    program = formulate(cases()[0].problem)
    assert check_answer(program, solve(program)) == []
