"""What must hold of every plan: completion, ties, symmetry, units, monotony, risk that reduces to the plain problem."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reallot import (
    Allocation,
    AllocationProblem,
    CVaR,
    EarningsCurve,
    Infeasible,
    ProtocolSpec,
    RateUncertainty,
    Scenarios,
    allocate,
    certify,
    formulate,
    solve,
)
from reallot.formulation import complete
from reallot.problem.objective import value
from tests import brute
from tests.strategies import KINDS, LINEAR, budget, problems, staying_allowed

ONE_PERIOD = [kind for kind in KINDS if "period" not in kind and kind != "hold after change"]


def plan_of(problem: AllocationProblem, solver: str = "auto") -> Allocation:
    """The plan; the example is set aside where there is none."""
    try:
        return allocate(problem, solver=solver)
    except Infeasible:
        assume(False)
        raise


def objective(plan: Allocation) -> float:
    return plan.certificate.objective


def near(plan: Allocation) -> float:
    return 1e-9 * max(1.0, plan.certificate.scale)


def stays(problem: AllocationProblem) -> list[tuple[float, ...]]:
    return [tuple(problem.current.values())] * problem.periods


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.slow
@budget(0.12)
@given(data=st.data())
def test_completing_a_plan_gives_a_feasible_point_worth_what_the_plan_is_worth(kind: str, data: st.DataObject) -> None:
    problem = data.draw(problems(kind))
    plan, program = plan_of(problem), formulate(problem)
    point = complete(problem, program, plan.schedule)
    assert certify(program, point).is_feasible
    assert program.objective(point) == pytest.approx(objective(plan), abs=near(plan))
    assert brute.worth(problem, [tuple(row) for row in plan.schedule]) == pytest.approx(objective(plan), abs=near(plan))
    if problem.risk is None:
        assert value(problem, plan.schedule).net == pytest.approx(objective(plan), abs=near(plan))
    assert not brute.broken_rules(problem, [tuple(row) for row in plan.schedule], near=2e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.slow
@budget(0.12)
@given(data=st.data())
def test_no_plan_is_worth_less_than_a_stay_that_is_allowed(kind: str, data: st.DataObject) -> None:
    problem = staying_allowed(data.draw(problems(kind)))
    assert not brute.broken_rules(problem, stays(problem))
    plan = allocate(problem)
    assert objective(plan) >= brute.worth(problem, stays(problem)) - near(plan)
    if problem.risk is None:
        assert plan.net_benefit >= -near(plan)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "resources alone"])
@pytest.mark.slow
@budget(0.12)
@given(data=st.data())
def test_equal_rates_never_cause_a_move(kind: str, data: st.DataObject) -> None:
    problem = data.draw(problems(kind))
    rate = data.draw(st.sampled_from([0.0, 1.0, 0.1, 1e-3, 1e3]))
    level = [replace(spec, curve=EarningsCurve.flat(rate)) for spec in problem.specs]
    risk = None if isinstance(problem.risk, RateUncertainty) else problem.risk
    scenarios = None if problem.scenarios is None else Scenarios(factors={problem.names[0]: [1.0, 1.0]})
    problem = staying_allowed(replace(problem, protocols=level, scenarios=scenarios, risk=risk, allow_idle=False))
    plan = allocate(problem)
    assert plan.moves == () and (plan.schedule == problem.arrays.current).all()


@pytest.mark.parametrize("kind", LINEAR)
@pytest.mark.slow
@budget(0.3)
@given(data=st.data())
def test_problems_with_ties_have_the_same_plan_on_every_backend_that_promises_it(
    kind: str, data: st.DataObject
) -> None:
    problem = data.draw(problems(kind, grid=20))
    by_matching = plan_of(problem, "exact").schedule
    for solver in ("highs", "scipy"):
        np.testing.assert_allclose(plan_of(problem, solver).schedule, by_matching, atol=1e-9, err_msg=solver)


@pytest.mark.parametrize("kind", LINEAR)
@pytest.mark.slow
@budget(0.3)
@given(data=st.data())
def test_the_order_of_protocols_changes_nothing_but_the_order(kind: str, data: st.DataObject) -> None:
    problem = data.draw(problems(kind, grid=20))
    order = data.draw(st.permutations(problem.specs))
    turned = plan_of(replace(problem, protocols=order)).shares
    plan = plan_of(problem)
    np.testing.assert_allclose(turned[plan.shares.index], plan.shares, atol=1e-9)


@pytest.mark.parametrize("kind", ["concave curves", "costs and warm-up", "several periods", "fees", "bent curves"])
@pytest.mark.slow
@budget(0.15)
@given(data=st.data())
def test_money_in_another_unit_is_the_same_plan(kind: str, data: st.DataObject) -> None:
    problem = data.draw(problems(kind, grid=20))
    factor = data.draw(st.sampled_from([2.0**-10, 0.5, 4.0, 1024.0]))
    plan, scaled = plan_of(problem), plan_of(in_units(problem, factor))
    assert objective(scaled) == pytest.approx(factor * objective(plan), rel=1e-9, abs=factor * near(plan))
    assert scaled.cost <= factor * plan.cost + factor * near(plan) or kind != "concave curves"


def in_units(problem: AllocationProblem, factor: float) -> AllocationProblem:
    """The problem with all money times `factor`."""

    def scaled(curve: EarningsCurve | tuple[EarningsCurve, ...]) -> EarningsCurve | tuple[EarningsCurve, ...]:
        return tuple(one.scaled(factor) for one in curve) if isinstance(curve, tuple) else curve.scaled(factor)

    specs = [
        replace(
            spec,
            curve=scaled(spec.curve),
            move_cost_in=factor * spec.cost_in,
            move_cost_out=factor * spec.cost_out,
            move_fee=factor * spec.move_fee,
        )
        for spec in problem.specs
    ]
    return replace(problem, protocols=specs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.slow
@budget(0.12)
@given(data=st.data())
def test_a_looser_limit_never_lowers_the_optimum(kind: str, data: st.DataObject) -> None:
    problem = data.draw(problems(kind))
    wider = loosened(problem, data)
    plan = plan_of(problem)
    # never infeasible either: plan_of would set that aside, so it is asked directly
    assert objective(allocate(wider)) >= objective(plan) - near(plan)


def loosened(problem: AllocationProblem, data: st.DataObject) -> AllocationProblem:
    """The problem with one limit wider, or gone."""
    limits, more = problem.limits, data.draw(st.sampled_from([1e-3, 0.1, 1.0]))
    name = data.draw(st.sampled_from(problem.names))
    released = (
        {key: until for key, until in limits.held.items() if key != name}
        if isinstance(limits.held, dict)
        else frozenset(limits.held) - {name}
    )
    wider_limits = [
        # one unit past max change is exactly one, so that a wider max change may forbid it
        {} if limits.allow_one_unit else {"max_change": None},
        {"max_turnover": None if limits.max_turnover is None else limits.max_turnover + more},
        {"held": released},
        {"max_moves": None if limits.max_moves is None else limits.max_moves + 1},
        {"min_move": limits.min_move / 2},
        {"groups": ()},
    ]
    wider_specs = [
        {"max_share": None if problem.capacity is not None else problem[name].max_share},
        {"min_share": 0.0},
        {"decrease_floor": 0.0},
        {"lock_in": None},
        {"entry_share": problem[name].entry_share if limits.allow_one_unit else 0.0},
        {"step": problem[name].step if limits.allow_one_unit else 0.0},
    ]
    which = data.draw(st.integers(0, len(wider_limits) + len(wider_specs)))
    if which < len(wider_limits):
        return replace(problem, limits=replace(limits, **wider_limits[which]))
    if which == len(wider_limits) + len(wider_specs):
        return replace(problem, resources={key: most + more for key, most in problem.resources.items()})
    change = wider_specs[which - len(wider_limits)]
    specs = [replace(spec, **change) if spec.name == name else spec for spec in problem.specs]
    return replace(problem, protocols=specs)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "CVaR" not in kind])
@pytest.mark.slow
@budget(0.1)
@given(data=st.data(), rate=st.sampled_from([-1.0, 0.0, 1.0, 5.0]))
def test_another_protocol_never_lowers_the_optimum(kind: str, data: st.DataObject, rate: float) -> None:
    problem = data.draw(problems(kind, sizes=(1, 4)))
    plan = plan_of(problem)
    newcomer = ProtocolSpec("another", rate, max_share=1.0)
    more = replace(problem, protocols=[*problem.specs, newcomer], current={**problem.current, "another": 0.0})
    assert objective(allocate(more)) >= objective(plan) - near(plan)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.slow
@budget(0.1)
@given(data=st.data())
def test_no_change_allowed_is_no_change(kind: str, data: st.DataObject) -> None:
    problem = staying_allowed(data.draw(problems(kind)))
    problem = replace(problem, limits=replace(problem.limits, max_change=0.0, allow_one_unit=False))
    for solver in ("auto", "highs"):
        assert (plan_of(problem, solver).schedule == problem.arrays.current).all()


@pytest.mark.parametrize("kind", ONE_PERIOD)
@pytest.mark.slow
@budget(0.1)
@given(data=st.data())
def test_a_horizon_of_one_period_is_the_single_period(kind: str, data: st.DataObject) -> None:
    problem = data.draw(problems(kind))
    limits = problem.limits
    as_lists = {
        key: [getattr(limits, key)] for key in ("max_change", "max_turnover") if isinstance(getattr(limits, key), float)
    }
    listed = replace(
        problem,
        protocols=[replace(spec, curve=(spec.curve,)) for spec in problem.specs]
        if problem.scenarios is None
        else problem.specs,
        limits=replace(limits, **as_lists, held=dict.fromkeys(limits.held, 1)),
    )
    first, second = plan_of(problem), plan_of(listed)
    assert (first.schedule == second.schedule).all()
    assert objective(first) == objective(second)


@pytest.mark.parametrize("kind", LINEAR)
@pytest.mark.slow
@budget(0.12)
@given(data=st.data())
def test_periods_that_are_all_alike_and_free_of_limits_repeat_one_period(kind: str, data: st.DataObject) -> None:
    problem = data.draw(problems(kind))
    specs = [replace(spec, lock_in=None, decrease_floor=0.0, warm_up_hours=0.0) for spec in problem.specs]
    paces = ("max_change", "max_turnover", "max_increase", "max_decrease", "max_change_relative")
    limits = replace(problem.limits, **dict.fromkeys(paces))
    problem = replace(problem, protocols=specs, limits=limits)
    plan, again = plan_of(problem), plan_of(replace(problem, periods=2))
    assert objective(again) == pytest.approx(objective(plan), abs=2 * near(plan))


@pytest.mark.parametrize("kind", [*LINEAR, "several periods", "units"])
@pytest.mark.slow
@budget(0.12)
@given(data=st.data())
def test_fees_of_zero_are_no_fees(kind: str, data: st.DataObject) -> None:
    problem = data.draw(problems(kind, grid=20))
    count = len(problem.names)
    free = replace(problem, limits=replace(problem.limits, max_moves=count, min_move=0.0))
    assert not problem.arrays.fee.any()
    plan, counted = plan_of(problem), plan_of(free, "highs")
    assert objective(counted) == pytest.approx(objective(plan), abs=near(plan))


@pytest.mark.parametrize("kind", [*LINEAR, "several periods", "resources and groups", "bent curves"])
@pytest.mark.slow
@budget(0.15)
@given(data=st.data())
def test_risk_reduces_exactly_to_the_plain_problem(kind: str, data: st.DataObject) -> None:
    problem = data.draw(problems(kind))
    plan = plan_of(replace(problem, scenarios=None), "highs")
    one = Scenarios(factors={name: [1.0] for name in problem.names})
    level, weight = data.draw(st.sampled_from([0.0, 0.5, 0.95])), data.draw(st.sampled_from([0.0, 0.4, 1.0]))
    alike = replace(problem, scenarios=one, risk=CVaR(level, weight))
    certain = replace(problem, scenarios=None, risk=RateUncertainty(0.0, data.draw(st.sampled_from([0.0, 1.0, 9.0]))))
    unbudgeted = replace(problem, scenarios=None, risk=RateUncertainty(2.0, 0.0))
    for same in (alike, certain, unbudgeted):
        assert objective(plan_of(same, "highs")) == pytest.approx(objective(plan), abs=near(plan))
        assert brute.worth(same, [tuple(row) for row in plan.schedule]) == pytest.approx(
            objective(plan), abs=near(plan)
        )
    assert formulate(certain).show() == formulate(replace(problem, scenarios=None)).show()


@pytest.mark.parametrize("kind", ["concave curves", "costs and warm-up"])
@pytest.mark.slow
@budget(0.3)
@given(data=st.data())
def test_a_concave_curve_is_worth_the_same_with_order_binaries(kind: str, data: st.DataObject) -> None:
    problem = data.draw(problems(kind, grid=20))
    assume(problem.arrays.curved)
    plan = plan_of(problem, "exact")
    bent = replace(problem)
    pieces = problem.arrays.pieces
    assert pieces is not None
    unordered = replace(pieces, ordered=np.zeros_like(pieces.ordered))
    object.__setattr__(bent, "arrays", replace(problem.arrays, pieces=unordered))
    program = formulate(bent)
    assert {"full_first", "then_next"} <= set(program.row_slices)
    assert program.objective(solve(program).values) == pytest.approx(objective(plan), abs=near(plan))


@pytest.mark.parametrize("kind", ONE_PERIOD)
@pytest.mark.slow
@budget(0.12)
@given(data=st.data())
def test_a_plan_asked_again_from_itself_is_to_stay(kind: str, data: st.DataObject) -> None:
    """Without costs and limits of change the answer is an optimum from wherever one starts."""
    problem = data.draw(problems(kind, grid=20))
    free = {"move_cost": 0.0, "move_cost_in": None, "move_cost_out": None, "move_fee": 0.0, "warm_up_hours": 0.0}
    specs = [replace(spec, **free, decrease_floor=0.0) for spec in problem.specs]
    limits = replace(
        problem.limits, max_change=None, max_turnover=None, max_moves=None, min_move=0.0, allow_one_unit=False
    )
    problem = replace(problem, protocols=specs, limits=limits)
    plan = plan_of(problem)
    again = allocate(replace(problem, current=plan.shares))
    assert again.moves == ()
    assert objective(again) == pytest.approx(objective(plan), abs=near(plan))


def test_under_cvar_a_curve_is_filled_in_order_though_its_first_piece_warms_up_at_a_loss() -> None:
    # all must go to storage; its first piece earns in the best scenario only, so it has no worth in the worst half,
    # but its warm-up is lost in full: 0.25 h of the mean slope 0.125 on the 0.45 from 0.25 to 0.7
    storage = ProtocolSpec("storage", EarningsCurve.through([(0, 0), (0.7, 0.7)]), warm_up_hours=0.25)
    closed = ProtocolSpec("archive", 0.0, max_share=0.0)
    problem = AllocationProblem(
        [storage, closed],
        {"storage": 0.25, "archive": 0.75},
        scenarios=Scenarios(factors={"storage": [0.0, 0.0, 0.0, 0.5]}),
        risk=CVaR(level=0.5, weight=1.0),
    )
    for solver in ("highs", "scipy", "pulp"):
        assert objective(allocate(problem, solver=solver)) == pytest.approx(-0.25 * 0.125 * 0.45)
