"""The certificate from the arrays says what the certificate of the whole program says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reallot import AllocationProblem, Limits, ProtocolSpec, Tiers, certify, formulate
from reallot.formulation import complete, complete_prices
from reallot.formulation.evaluate_arrays import ByArrays, gain_scale, worst_residual
from reallot.program import certificate as on_program
from reallot.solvers.interface.result import NoFeasibleSplit
from reallot.solvers.single_period import concave_curves
from tests.strategies import LINEAR, problems

SOME = st.floats(-5.0, 5.0)
PART = st.floats(0.0, 3.0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", LINEAR)
@given(data=st.data())
def test_an_answer_has_the_same_certificate_either_way(kind: str, data: st.DataObject) -> None:
    problem = data.draw(problems(kind))
    found = concave_curves.solve(problem)
    assume(not isinstance(found, NoFeasibleSplit))
    assert not isinstance(found, NoFeasibleSplit)
    judge, program, schedule = ByArrays(problem), formulate(problem), found.shares[None, :]
    direct = judge.certify(judge.at(schedule), judge.bound_of_split(*found[1:]), 1e-9)
    prices = complete_prices(problem, program, schedule, *found[1:])
    whole = certify(program, complete(problem, program, schedule), prices)
    near = 1e-12 * whole.scale
    assert direct.objective == pytest.approx(whole.objective, abs=near)
    assert direct.scale == pytest.approx(whole.scale, rel=1e-12)
    assert direct.gap is not None and direct.gap <= 1e-12
    assert whole.gap is not None and whole.gap <= 1e-12
    assert direct.worst_residual <= 1e-12 and whole.worst_residual <= 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("kind", LINEAR)
@given(data=st.data())
def test_a_bound_from_any_prices_is_above_every_split(kind: str, data: st.DataObject) -> None:
    """Weak duality: wrong prices give a worse bound, never a false one."""
    problem = data.draw(problems(kind))
    found = concave_curves.solve(problem)
    assume(not isinstance(found, NoFeasibleSplit))
    assert not isinstance(found, NoFeasibleSplit)
    judge = ByArrays(problem)
    best = judge.worth(judge.at(found.shares[None, :]))
    bound = judge.bound_of_split(data.draw(SOME), data.draw(PART), data.draw(PART))
    assert bound >= best - 1e-12 * max(judge.scale, abs(best))


@pytest.mark.slow
@given(data=st.data())
def test_over_several_periods_the_bound_is_the_program_s_own(data: st.DataObject) -> None:
    problem = data.draw(problems("several periods"))
    assume(problem.arrays.pieces is None and problem.available is not None)
    shape = (problem.periods, len(problem.names))
    drawn = data.draw(st.lists(SOME, min_size=shape[0] * (shape[1] + 3), max_size=shape[0] * (shape[1] + 3)))
    movement, capacity, bought, sold = np.split(np.array(drawn), np.cumsum([shape[0] * shape[1], *[shape[0]] * 2]))
    program = formulate(problem)
    prices = {"movement": movement, "budget": capacity, "bought": np.abs(bought), "sold": np.abs(sold)}
    if problem.allow_idle:
        prices["budget"] = np.abs(capacity)
    row_prices = np.concatenate([prices[block.name] for block in program.rows])
    direct = ByArrays(problem).bound_of_schedule(
        prices["budget"], prices["bought"], prices["sold"], movement.reshape(shape)
    )
    assert direct == pytest.approx(on_program.dual_bound(program, row_prices), rel=1e-9, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*LINEAR, "several periods"])
@given(data=st.data())
def test_any_schedule_breaks_the_same_rule_by_as_much_either_way(kind: str, data: st.DataObject) -> None:
    problem = data.draw(problems(kind))
    size = problem.periods * len(problem.names)
    drawn = data.draw(st.lists(st.floats(0.0, 2.0), min_size=size, max_size=size))
    schedule = np.array(drawn).reshape(problem.periods, -1)
    program = formulate(problem)
    residual, place = on_program.worst_residual(program, complete(problem, program, schedule))
    direct, named = worst_residual(problem, schedule)
    assert direct == pytest.approx(residual, abs=1e-12)
    assert (named == place) or direct <= 1e-12 or {named.split()[0], place.split()[0]} <= {"bound", "bought", "sold"}
    assert gain_scale(problem.arrays) == pytest.approx(on_program.gain_scale(program), rel=1e-12)


def test_more_moves_than_allowed_are_a_violation() -> None:
    problem = AllocationProblem(
        [ProtocolSpec("a", 1.0, move_fee=0.1), ProtocolSpec("b", 2.0), ProtocolSpec("c", 3.0)],
        {"a": 0.5, "b": 0.5, "c": 0.0},
        limits=Limits(max_moves=2),
    )
    assert worst_residual(problem, np.array([[0.2, 0.3, 0.5]])) == (pytest.approx(1 / 3), "max_moves")
    assert worst_residual(problem, np.array([[0.5, 0.0, 0.5]])) == (0.0, "none")


def test_a_tier_weighs_by_what_it_costs_more_than_the_one_before() -> None:
    spec = ProtocolSpec("a", 0.0, move_cost=Tiers([(0.05, 0.1), (None, 0.5)]))
    problem = AllocationProblem([spec], {"a": 1.0}, limits=Limits(turnover_cost=Tiers([(0.1, 0.3), (None, 0.35)])))
    assert gain_scale(problem.arrays) == pytest.approx(0.4) == on_program.gain_scale(formulate(problem))


def test_bounds_that_contradict_one_another_put_no_gain_at_stake():
    problem = AllocationProblem({"relay": 1.0}, {"relay": 1.0})
    data = problem.arrays.changed(lower=np.ones((1, 1)), upper=np.zeros((1, 1)))
    assert gain_scale(data) == 0.0
