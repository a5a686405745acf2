"""Certificates believe nobody: true bounds from any prices, spoiled answers found out, failed answers never a plan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reallot import (
    AllocationProblem,
    Infeasible,
    Limits,
    LinearProgram,
    ProtocolSpec,
    Solution,
    SolverFailed,
    allocate,
    certify,
    formulate,
)
from reallot import solve as solve_program
from reallot.formulation import complete
from tests.strategies import CHOICES, COUPLED, KINDS, LINEAR, budget, problems

TWO = AllocationProblem({"relay": 2.0, "compute": 1.0}, {"relay": 0.5, "compute": 0.5})


def optimum(program: LinearProgram) -> Solution:
    solution = solve_program(program)
    assume(solution.values is not None)
    return solution


@pytest.mark.parametrize("kind", LINEAR | COUPLED)
@pytest.mark.slow
@budget(0.15)
@given(data=st.data())
def test_any_row_prices_give_a_true_bound(kind: str, data: st.DataObject) -> None:
    program = formulate(data.draw(problems(kind)))
    assume((program.lower <= program.upper).all() and not program.is_mixed_integer)
    best = program.objective(optimum(program).values)
    size = data.draw(st.sampled_from([1e-3, 1.0, 1e3]))
    seed = data.draw(st.integers(0, 10**6))
    prices = size * np.random.default_rng(seed).normal(size=program.row_count)
    certificate = certify(program, np.zeros(program.column_count), prices)
    assert certificate.bound_from == "row prices"
    assert certificate.bound >= best - 1e-9 * max(1.0, abs(best), size)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.slow
@budget(0.1)
@given(data=st.data())
def test_a_shifted_share_breaks_the_certificate_and_names_the_place(kind: str, data: st.DataObject) -> None:
    program = formulate(data.draw(problems(kind)))
    assume((program.lower <= program.upper).all())
    values = optimum(program).values.copy()
    shares = program.column_slices["share"]
    place = data.draw(st.integers(shares.start, shares.stop - 1))
    values[place] += data.draw(st.sampled_from([1e-6, -1e-6, 0.1]))
    spoiled = certify(program, values)
    # the movement row of the share alone sees it
    assert not spoiled.is_feasible and spoiled.worst_residual >= 1e-7
    assert spoiled.worst_place != "none"


@pytest.mark.parametrize("kind", LINEAR)
@pytest.mark.slow
@budget(0.15)
@given(data=st.data())
def test_spoiled_prices_never_close_a_gap(kind: str, data: st.DataObject) -> None:
    program = formulate(data.draw(problems(kind)))
    assume((program.lower <= program.upper).all())
    solution = optimum(program)
    good = certify(program, solution.values, solution.row_prices)
    row = data.draw(st.integers(0, program.row_count - 1))
    prices = solution.row_prices.copy()
    prices[row] += data.draw(st.sampled_from([-1.0, 1.0])) * max(1.0, good.scale)
    spoiled = certify(program, solution.values, prices)
    assert good.gap <= 1e-9
    assert spoiled.gap >= good.gap - 1e-12


def test_a_wrong_price_widens_the_gap_by_what_it_is_wrong_by() -> None:
    # capacity 1, worth 2: at price 2 nothing beats 2 * 1; at price 3 the bound is 3 * 1, half of the objective too much
    program = formulate(TWO)
    solution = solve_program(program)
    budget_row = program.row_slices["budget"].start
    movement = np.arange(program.row_count) != budget_row
    gaps = []
    for price in (2.0, 3.0):
        prices = np.where(movement, 0.0, price)
        gaps.append(certify(program, solution.values, prices).gap)
    assert gaps == pytest.approx([0.0, 0.5])


@pytest.mark.parametrize("kind", CHOICES)
@pytest.mark.slow
@budget(0.08)
@given(data=st.data())
def test_with_whole_numbers_the_bound_of_a_small_problem_is_proved_branch_by_branch(
    kind: str, data: st.DataObject
) -> None:
    problem = data.draw(problems(kind))
    assume(formulate(problem).is_mixed_integer)
    try:
        plan = allocate(problem)
    except Infeasible:
        return
    assert plan.solver in ("fees", "highs")
    assert plan.certificate.bound_from == {"fees": "fees", "highs": "branch and bound"}[plan.solver]
    assert plan.certificate.integrality == 0.0


def test_row_prices_prove_nothing_where_there_are_whole_numbers() -> None:
    problem = replace(TWO, limits=replace(TWO.limits, max_moves=2))
    program = formulate(problem)
    point = complete(problem, program, np.array([[1.0, 0.0]]))
    assert certify(program, point, np.zeros(program.row_count)).bound is None
    assert certify(program, point).bound_from == "nothing"


@pytest.mark.parametrize("kind", [*LINEAR, *COUPLED])
@pytest.mark.slow
@budget(0.1)
@given(data=st.data())
def test_every_plan_comes_with_a_proof_of_its_own(kind: str, data: st.DataObject) -> None:
    try:
        plan = allocate(data.draw(problems(kind)))
    except Infeasible:
        return
    assert plan.certificate.is_optimal
    assert (plan.certificate.bound_from == "row prices") != plan.program.is_mixed_integer


def answering(monkeypatch: pytest.MonkeyPatch, change: object) -> None:
    """Puts a backend in place of HiGHS that answers `change` of HiGHS's solution."""
    from reallot.solvers.programs import highs

    honest = highs.solve
    monkeypatch.setattr(highs, "solve", lambda program, **options: change(honest(program, **options)))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda s: replace(s, values=np.full_like(s.values, 0.25)), id="a point that breaks rows"),
        pytest.param(lambda s: replace(s, row_prices=np.zeros_like(s.row_prices)), id="prices that prove nothing"),
        pytest.param(lambda s: replace(s, row_prices=None), id="no prices"),
        pytest.param(lambda s: replace(s, values=None), id="no point"),
    ],
)
def test_an_answer_that_fails_is_an_error_and_never_a_plan(monkeypatch: pytest.MonkeyPatch, change: object) -> None:
    assert allocate(TWO, solver="highs").earnings_per_hour == 2.0
    answering(monkeypatch, change)
    with pytest.raises(SolverFailed):
        allocate(TWO, solver="highs")


def test_a_program_worth_nothing_has_a_certificate_too() -> None:
    program = formulate(AllocationProblem({"relay": 0.0, "compute": 0.0}, {"relay": 0.5, "compute": 0.5}))
    point = solve_program(program).values
    assert certify(program, point, np.zeros(program.row_count)).gap == 0.0
    assert certify(program, point, np.full(program.row_count, 3.0)).gap == np.inf


def test_a_worse_point_with_honest_prices_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    program = formulate(TWO)
    stay = complete(TWO, program, np.array([[0.6, 0.4]]))
    answering(monkeypatch, lambda solution: replace(solution, values=stay))
    with pytest.raises(SolverFailed, match="fails its certificate"):
        allocate(TWO, solver="highs")


@pytest.mark.parametrize("solver", ["auto", "highs", "scipy"])
def test_a_gap_worth_less_than_the_rounding_of_shares_is_none(solver: str) -> None:
    specs = [ProtocolSpec("a", 0.0), ProtocolSpec("b", 0.0, min_share=0.499999999995, move_cost=0.1)]
    limits = Limits(max_change=0.0005)
    still = AllocationProblem(specs, {"a": 0.5, "b": 0.5}, allow_idle=True, periods=2, limits=limits)
    assert allocate(still, solver=solver).certificate.objective == 0.0
    specs = [ProtocolSpec("a", 1.0, max_share=5e-12), ProtocolSpec("b", 0.0)]
    tiny = allocate(AllocationProblem(specs, {"a": 0.0, "b": 1.0}, periods=2), solver=solver)
    assert 0.0 <= tiny.certificate.objective <= 5e-12 and tiny.certificate.is_optimal
