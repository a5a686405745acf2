"""What holds of every plan, whatever is polled, known and allowed."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reallot import EarningsCurve, Group, Limits, ProtocolSpec, allocate
from reallot.engine.contracts.configs import OptimizerConfig
from reallot.engine.contracts.records import AllocationPlan
from reallot.engine.planning.problem_builder import planning_problem
from reallot.orchestration.optimizer import EarningsOptimizer
from tests.orchestration.polls import poll, status
from tests.strategies import NAMES, budget

RATE = st.one_of(st.sampled_from([0.0, 1.0, 2.0, 2.0]), st.floats(-5.0, 50.0), st.floats(1e-6, 1e-3))


@st.composite
def curves(draw: st.DrawFn) -> EarningsCurve:
    """Concave and rising, as a spec has it."""
    slopes = sorted(draw(st.lists(st.floats(0.1, 10.0), min_size=1, max_size=3)), reverse=True)
    return EarningsCurve.pieces([(slope, 0.25) for slope in slopes])


@st.composite
def situations(draw: st.DrawFn):
    """An optimizer, polls a minute apart at the same shares, and names that are held."""
    names = draw(st.permutations(NAMES))[: draw(st.integers(1, 5))]
    parts = [draw(st.integers(0, 10)) for _ in names]
    idle = draw(st.sampled_from([0, 0, 3]))
    whole = sum(parts) + idle
    assume(sum(parts) > 0)
    shares = {name: part / whole for name, part in zip(names, parts, strict=True)}
    specs = []
    for name in names:
        kind = draw(st.sampled_from(["none", "none", "flat", "curve", "floor", "cost"]))
        if kind == "flat":
            specs.append(ProtocolSpec(name, draw(st.floats(0.0, 10.0))))
        elif kind == "curve":
            specs.append(ProtocolSpec(name, draw(curves())))
        elif kind == "floor":
            specs.append(ProtocolSpec(name, 1.0, decrease_floor=draw(st.sampled_from([0.1, 0.9]))))
        elif kind == "cost":
            specs.append(ProtocolSpec(name, 1.0, move_cost_out=draw(st.floats(0.0, 20.0))))
    fees = draw(st.sampled_from([0.0, 0.0, 0.0, 1.0]))
    config = OptimizerConfig(
        max_allocation_change=draw(st.sampled_from([0.05, 0.2, 1.0])),
        horizon_hours=draw(st.sampled_from([1.0, 24.0])),
        move_cost=draw(st.sampled_from([0.0, 0.5])),
        move_fee=fees,
    )
    limits = Limits(
        max_turnover=draw(st.sampled_from([None, None, 0.1])),
        groups=(Group("some", tuple(names[:2]), max_share=draw(st.sampled_from([0.4, 0.9]))),)
        if draw(st.booleans())
        else (),
    )
    said = {name: status(name, demand_limited=True) for name in names if draw(st.integers(0, 5)) == 0}
    stale = {name: 60.0 for name in names if draw(st.integers(0, 6)) == 0}
    polls = [
        poll(
            {name: draw(RATE) if draw(st.integers(0, 9)) else None for name in names},
            shares,
            minute,
            statuses=said if minute == last else None,
            stale=stale if minute == last else None,
        )
        for last in [draw(st.integers(0, 3))]
        for minute in range(last + 1)
    ]
    held = tuple(name for name in names if draw(st.integers(0, 4)) == 0)
    return EarningsOptimizer(config, specs=specs, limits=limits), polls, held


def planned(situation) -> tuple[AllocationPlan, list]:
    optimizer, polls, _ = situation
    for metrics in polls:
        optimizer.update_metrics(metrics)
    return optimizer.calculate_optimal_allocation(polls[-1]), optimizer.analyze_opportunities(polls[-1])


@pytest.mark.slow
@budget(3.0)
@given(situations())
def test_opportunities_and_plan_never_disagree(situation):
    plan, pairs = planned(situation)
    assert bool(pairs) == any(abs(change) > 1e-9 for change in plan.moves.values())
    gains = [pair.earnings_improvement for pair in pairs]
    assert gains == sorted(gains, reverse=True)
    scale = 1e-9 * max(1.0, abs(plan.estimated_improvement), abs(plan.current_earnings))
    assert math.fsum(gains) == pytest.approx(plan.estimated_improvement, abs=scale)
    for pair in pairs:
        assert pair.from_protocol != pair.to_protocol
        assert plan.moves.get(pair.from_protocol, -1.0) < 0.0 or pair.from_protocol == "idle"
        assert plan.moves.get(pair.to_protocol, 1.0) > 0.0 or pair.to_protocol == "idle"


@pytest.mark.slow
@budget(3.0)
@given(situations())
def test_a_plan_keeps_to_limits_and_its_money_adds_up(situation):
    optimizer, polls, held = situation
    for metrics in polls:
        optimizer.update_metrics(metrics)
    metrics = polls[-1]
    plan = optimizer.calculate_optimal_allocation(metrics, held=held)
    most = optimizer.config.max_allocation_change
    assert all(abs(change) <= most + 1e-9 for change in plan.moves.values())
    assert not any(name in plan.moves for name in (*held, *metrics.stale))
    assert set(plan.allocation) == set(metrics.allocation_by_protocol)
    before, after = sum(plan.current.values()), sum(plan.allocation.values())
    assert after <= 1.0 + 1e-9
    if before >= 1.0 - 1e-6:
        assert after == pytest.approx(before, abs=1e-9)
    scale = 1e-9 * max(1.0, abs(plan.current_earnings)) * plan.horizon_hours
    expected = plan.horizon_hours * plan.estimated_improvement - plan.estimated_cost
    assert plan.net_benefit == pytest.approx(expected, abs=scale)
    for name, status_ in metrics.statuses.items():
        if status_.demand_limited:
            assert plan.moves.get(name, 0.0) <= 1e-12
    json.loads(plan.model_dump_json(), parse_constant=pytest.fail)
    assert AllocationPlan.model_validate_json(plan.model_dump_json()) == plan


@pytest.mark.slow
@budget(4.0)
@given(situations())
def test_what_rates_alone_settle_a_solver_settles_the_same_way(situation):
    optimizer, polls, held = situation
    plain = EarningsOptimizer(optimizer.config)  # without specs and groups
    for metrics in polls:
        plain.update_metrics(metrics)
    asked = planning_problem(polls[-1], plain.rates(polls[-1]), plain.config, {}, Limits(), held)
    solved = allocate(asked.careful)
    if asked.settled is not None:
        assert not solved.moved.size
    worth = solved.stay_value.earnings_per_hour
    assert asked.earned == pytest.approx(worth, abs=1e-9 * max(1.0, abs(worth)))


@pytest.mark.slow
@given(situations())
def test_the_same_polls_give_the_same_plan(situation):
    plan, pairs = planned(situation)
    again, same = planned(situation)
    assert (plan, pairs) == (again, same)


@pytest.mark.slow
@given(situations(), st.floats(0.0, 2.0), st.floats(0.0, 50.0))
def test_higher_thresholds_never_make_a_move_worth_it(situation, usd, percent):
    plan, pairs = planned(situation)
    low = OptimizerConfig(min_improvement_threshold=usd, min_improvement_percent=percent)
    for more in ({"min_improvement_threshold": usd + 0.5}, {"min_improvement_percent": percent + 5.0}):
        high = low.model_copy(update=more)
        assert EarningsOptimizer(low).should_reallocate(pairs, plan) >= EarningsOptimizer(high).should_reallocate(
            pairs, plan
        )
