"""The search of our own over whole numbers: it agrees with HiGHS, and its bound is a proof that believes nobody."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reallot import AllocationProblem, Infeasible, Limits, ProtocolSpec, allocate, formulate
from reallot.allocation.checked_choices import check_choices
from reallot.formulation import complete
from reallot.program import Columns, LinearProgram, Rows, Solution, Status, cells
from reallot.solvers.programs import highs
from reallot.solvers.programs.branch_and_bound import search
from tests.strategies import CHOICES, budget, problems


def knapsack(capacity: float = 1.25, least: float = -np.inf) -> LinearProgram:
    """Three things worth 5, 4 and 3 of sizes 1, 0.5 and 0.75: the best fits are 4 + 3 = 7."""
    zero, one = np.zeros(3), np.ones(3)
    columns = (Columns("taken", ("a", "b", "c"), np.array([5.0, 4.0, 3.0]), zero, one, integer=True),)
    sizes = {"taken": cells(zero, np.arange(3), [1.0, 0.5, 0.75])}
    return LinearProgram(columns, (Rows("size", ("",), sizes, np.array([least]), np.array([capacity])),))


def test_the_best_point_of_a_knapsack_is_found_and_proved() -> None:
    found = search(knapsack(), None, 1e-9)
    assert found.values is not None and found.values.tolist() == [0.0, 1.0, 1.0]
    assert found.finished and found.bound == pytest.approx(7.0)


def test_a_worse_point_known_from_the_start_is_improved() -> None:
    found = search(knapsack(), np.array([1.0, 0.0, 0.0]), 1e-9)
    assert found.values is not None and found.values.tolist() == [0.0, 1.0, 1.0] and found.finished


def test_a_program_without_any_point_is_proved_empty() -> None:
    found = search(knapsack(1.2, 1.1), None, 1e-9)
    assert found.finished and found.values is None and found.bound == -np.inf


def test_a_search_that_may_not_look_into_anything_claims_no_more_than_it_knows() -> None:
    found = search(knapsack(), np.array([1.0, 0.0, 0.0]), 1e-9, time_limit_seconds=0.0)
    assert not found.finished and found.bound == np.inf


@pytest.mark.parametrize("kind", CHOICES)
@pytest.mark.slow
@budget(0.1)
@given(data=st.data())
def test_it_finds_what_highs_finds(kind: str, data: st.DataObject) -> None:
    program = formulate(data.draw(problems(kind, sizes=(1, 3))))
    assume(program.is_mixed_integer and (program.lower <= program.upper).all())
    solution, found = highs.solve(program), search(program, None, 1e-9)
    assume(found.finished)
    assert (found.values is None) == (solution.status is Status.INFEASIBLE)
    if found.values is not None and solution.values is not None:
        best = program.objective(solution.values)
        assert found.bound == pytest.approx(best, rel=1e-7, abs=1e-7)


def near_its_bound() -> AllocationProblem:
    """p2 could rise by 1.3e-8, which is less than the smallest move."""
    specs = [ProtocolSpec("p0", 5.0), ProtocolSpec("p1", 5.0), ProtocolSpec("p2", 1.0, max_share=0.05 + 1.2777e-8)]
    return AllocationProblem(specs, {"p0": 0.45, "p1": 0.5, "p2": 0.05}, limits=Limits(min_move=0.05))


@pytest.mark.parametrize("solver", ["auto", "highs", "scipy", "pulp"])
def test_a_reach_too_small_to_be_used_is_none(solver: str) -> None:
    plan = allocate(near_its_bound(), solver=solver)
    assert plan.certificate.objective == pytest.approx(5.0)  # the whole of p2 goes to p0 or p1
    program = plan.program
    assert np.abs(program.entries[2]).max() < 1e4


def test_a_wrong_claim_of_an_optimum_is_refuted_by_the_search() -> None:
    problem = near_its_bound()
    program = formulate(problem)
    stay = complete(problem, program, problem.arrays.staying)
    wrong = Solution(Status.OPTIMAL, stay, None, program.objective(stay), "optimal")
    checked = check_choices(problem, program, wrong, 1e-9)
    assert checked is not None and checked.proved and checked.bound == pytest.approx(5.0)
    assert program.objective(complete(problem, program, checked.schedule)) == pytest.approx(5.0)


def test_a_wrong_claim_that_no_plan_exists_is_refuted_by_the_search() -> None:
    problem = near_its_bound()
    checked = check_choices(problem, formulate(problem), Solution(Status.INFEASIBLE), 1e-9)
    assert checked is not None and checked.proved and checked.bound == pytest.approx(5.0)


def test_a_wrong_claim_too_large_to_search_is_refuted_by_a_single_move(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reallot.solvers.programs.branch_and_bound.WORK", 0)
    problem = near_its_bound()
    problem = replace(problem, limits=replace(problem.limits, max_moves=2))
    program = formulate(problem)
    stay = complete(problem, program, problem.arrays.staying)
    wrong = Solution(Status.OPTIMAL, stay, None, program.objective(stay), "optimal")
    checked = check_choices(problem, program, wrong, 1e-9)
    assert checked is not None and checked.status is Status.STOPPED and not checked.proved
    assert program.objective(complete(problem, program, checked.schedule)) == pytest.approx(5.0)


def test_what_is_too_large_to_prove_is_called_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reallot.solvers.programs.branch_and_bound.WORK", 0)
    specs = [ProtocolSpec(f"p{k}", 1.0 + (7 * k % 5) / 3, step=0.05, move_cost=0.1) for k in range(6)]
    problem = AllocationProblem(
        specs, {"p0": 0.3, "p1": 0.15, "p2": 0.05, "p3": 0.25, "p4": 0.2, "p5": 0.05}, limits=Limits(max_turnover=0.18)
    )
    plan = allocate(problem)
    assert plan.status == "optimal"
    assert plan.certificate.bound_from in ("claimed by highs", "branch and bound")


def test_an_infeasible_choice_is_infeasible_on_every_backend() -> None:
    specs = [ProtocolSpec("a", 1.0, step=0.4), ProtocolSpec("b", 1.0, step=0.4)]
    problem = AllocationProblem(specs, {"a": 0.4, "b": 0.4})
    for solver in ("highs", "scipy"):
        with pytest.raises(Infeasible):
            allocate(problem, solver=solver)
