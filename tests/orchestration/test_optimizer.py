"""The optimizer: hand-made cases, thresholds at their border, and what it will not do."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reallot import EarningsCurve, Group, InvalidInput, Limits, ProtocolSpec
from reallot.engine.contracts.clock import ManualClock
from reallot.engine.contracts.configs import OptimizerConfig
from reallot.engine.contracts.records import AllocationPlan
from reallot.errors import DataError, OptimizationError
from reallot.orchestration.optimizer import EarningsOptimizer
from tests.orchestration.polls import START, poll, status

HALVES = {"relay": 0.5, "compute": 0.5}


def test_the_plan_moves_to_what_earns_more_and_its_improvement_is_the_difference_to_staying():
    # 4 USD/h and 16 USD/h for all of it: 0.2 moved brings 0.2 * (16 - 4) = 2.4 on top of 0.5 * 4 + 0.5 * 16 = 10
    optimizer, metrics = EarningsOptimizer(), poll({"relay": 4.0, "compute": 16.0}, HALVES)
    plan = optimizer.calculate_optimal_allocation(metrics)
    assert plan.allocation == pytest.approx({"relay": 0.3, "compute": 0.7})
    assert plan.estimated_improvement == pytest.approx(2.4)
    assert plan.current_earnings == pytest.approx(10.0)
    assert plan.net_benefit == pytest.approx(24 * 2.4)
    assert plan.estimated_cost == plan.roi_percent == 0.0
    assert plan.confidence is None  # one poll says nothing about that
    assert plan.created_at == metrics.timestamp
    assert plan.expires_at == metrics.timestamp + timedelta(minutes=5)
    [pair] = optimizer.analyze_opportunities(metrics)
    assert (pair.from_protocol, pair.to_protocol) == ("relay", "compute")
    assert (pair.current_rate, pair.projected_rate) == pytest.approx((4.0, 16.0))
    assert pair.earnings_improvement == pytest.approx(2.4)
    assert optimizer.should_reallocate([pair], plan)
    assert optimizer.should_reallocate([pair])


def test_costs_are_paid_once_for_each_unit_moved_and_each_protocol_touched():
    # 0.2 moved: 0.2 * 10 USD and two fees of 1 USD; 24 h * 2.4 USD/h - 4 USD
    config = OptimizerConfig(move_cost=10.0, move_fee=1.0)
    plan = EarningsOptimizer(config).calculate_optimal_allocation(poll({"relay": 4.0, "compute": 16.0}, HALVES))
    assert plan.estimated_cost == pytest.approx(4.0)
    assert plan.net_benefit == pytest.approx(24 * 2.4 - 4.0)
    assert plan.roi_percent == pytest.approx(100 * (24 * 2.4 - 4.0) / 4.0)


def test_a_cost_above_the_gain_of_the_horizon_keeps_everything_where_it_is():
    config = OptimizerConfig(move_cost=24 * 12.0 + 0.1)
    optimizer, metrics = EarningsOptimizer(config), poll({"relay": 4.0, "compute": 16.0}, HALVES)
    plan = optimizer.calculate_optimal_allocation(metrics)
    assert plan.moves == {}
    assert optimizer.analyze_opportunities(metrics) == []
    assert not optimizer.should_reallocate([], plan)


@pytest.mark.parametrize(("improvement", "earned", "moves"), [
    (0.25, 5.0, True),  # both thresholds reached exactly: 5 % of 5 is 0.25
    (0.2499, 1.0, False),
    (0.25, 5.01, False),  # 0.25 is less than 5 % of 5.01
    (0.25, None, True),  # nobody said what staying earns
    (0.25, 0.0, True),
])  # fmt: skip
def test_both_thresholds_count_as_reached_at_their_border(improvement, earned, moves):
    optimizer, metrics = EarningsOptimizer(), poll({"relay": 4.0, "compute": 16.0}, HALVES)
    pairs = optimizer.analyze_opportunities(metrics)
    plan = AllocationPlan(
        allocation={"relay": 0.3, "compute": 0.7},
        current=HALVES,
        estimated_improvement=improvement,
        estimated_cost=0.0,
        net_benefit=24 * improvement,
        roi_percent=0.0,
        confidence=None,
        created_at=START,
        current_earnings=earned,
    )
    assert optimizer.should_reallocate(pairs, plan) is moves


def test_shares_above_capacity_are_refused_and_not_scaled():
    with pytest.raises(DataError, match=r"sum to 1\.1 of capacity 1.*relay 0\.60"):
        EarningsOptimizer().calculate_optimal_allocation(poll({"relay": 1.0, "b": 1.0}, {"relay": 0.6, "b": 0.5}))


def test_nothing_polled_is_an_error():
    with pytest.raises(OptimizationError, match="poll first"):
        EarningsOptimizer().calculate_optimal_allocation(poll({}, {}))


def test_capacity_that_nobody_has_is_put_to_use():
    optimizer, metrics = EarningsOptimizer(), poll({"relay": 4.0, "compute": 4.0}, {"relay": 0.5, "compute": 0.3})
    plan = optimizer.calculate_optimal_allocation(metrics)
    assert sum(plan.allocation.values()) == pytest.approx(1.0)
    pairs = optimizer.analyze_opportunities(metrics)
    assert {pair.from_protocol for pair in pairs} == {"idle"}
    assert sum(pair.earnings_improvement for pair in pairs) == pytest.approx(plan.estimated_improvement) == 0.8


def test_the_rest_is_not_touched_where_it_may_be_somebodys():
    metrics = poll({"relay": 4.0, "compute": 4.0, "storage": None}, {"relay": 0.5, "compute": 0.3})
    plan = EarningsOptimizer().calculate_optimal_allocation(metrics)
    assert plan.moves == {}
    assert "storage is left out: its share is not known" in plan.reasons


def test_a_protocol_without_share_and_without_observation_is_left_out_unless_a_spec_says():
    rates, shares = {"relay": 1.0, "compute": 1.0, "new": 0.0}, {"relay": 0.5, "compute": 0.5, "new": 0.0}
    plan = EarningsOptimizer().calculate_optimal_allocation(poll(rates, shares))
    assert plan.moves == {}
    assert any("new stays as it is: share 0 is too small" in reason for reason in plan.reasons)
    told = EarningsOptimizer(specs={"new": ProtocolSpec("new", 5.0)}).calculate_optimal_allocation(poll(rates, shares))
    assert told.allocation["new"] == pytest.approx(0.2)
    assert told.estimated_improvement == pytest.approx(0.2 * (5.0 - 1.0))


def test_a_curve_of_a_spec_is_scaled_to_what_is_seen():
    # the curve earns 2 at share 0.4 and is seen to earn 4: all of it counts twice. Beyond 0.5 it is flat.
    storage = ProtocolSpec("storage", EarningsCurve.through([(0, 0), (0.5, 2.5)]))
    metrics = poll({"storage": 10.0, "relay": 1.0}, {"storage": 0.4, "relay": 0.6})
    plan = EarningsOptimizer(specs=[storage]).calculate_optimal_allocation(metrics)
    assert plan.allocation == pytest.approx({"storage": 0.5, "relay": 0.5})
    assert plan.estimated_improvement == pytest.approx(0.1 * (10.0 - 1.0))


@pytest.mark.parametrize("said", [{"demand_limited": True}, {"healthy": False}])
def test_what_cannot_use_more_or_is_unwell_is_given_no_more(said):
    metrics = poll({"relay": 4.0, "compute": 16.0}, HALVES, statuses={"compute": status("compute", **said)})
    assert EarningsOptimizer().calculate_optimal_allocation(metrics).moves == {}


def test_held_protocols_stay_and_unknown_names_among_them_do_no_harm():
    metrics = poll({"relay": 4.0, "compute": 16.0}, HALVES)
    plan = EarningsOptimizer().calculate_optimal_allocation(metrics, held={"compute", "gone"})
    assert plan.moves == {}
    assert any("held: compute" in reason for reason in plan.reasons)


def test_groups_and_turnover_ride_along():
    limits = Limits(max_turnover=0.1, groups=(Group("miners", ("compute", "gone"), max_share=0.55),))
    plan = EarningsOptimizer(limits=limits).calculate_optimal_allocation(poll({"relay": 4.0, "compute": 16.0}, HALVES))
    assert plan.allocation["compute"] == pytest.approx(0.55)


def test_the_tighter_of_two_limits_of_change_holds():
    metrics = poll({"relay": 4.0, "compute": 16.0}, HALVES)
    for given, most in ((0.1, 0.1), (0.9, 0.2), ({"compute": 0.05}, 0.05)):
        plan = EarningsOptimizer(limits=Limits(max_change=given)).calculate_optimal_allocation(metrics)
        assert plan.allocation["compute"] == pytest.approx(0.5 + most)


def test_limits_that_no_split_meets_give_a_plan_to_stay_with_the_conflict_in_words():
    limits = Limits(groups=(Group("all", ("relay", "compute"), max_share=0.5),))
    optimizer, metrics = EarningsOptimizer(limits=limits), poll({"relay": 4.0, "compute": 16.0}, HALVES)
    plan = optimizer.calculate_optimal_allocation(metrics)
    assert plan.moves == {}
    assert plan.allocation == HALVES
    assert "no split meets all limits" in plan.reasons[0]
    assert "all" in plan.reasons[0]
    assert optimizer.analyze_opportunities(metrics) == []


def test_equal_inputs_give_equal_fingerprints_and_others_do_not():
    def made(rate: float = 16.0, **more: object) -> AllocationPlan:
        optimizer = EarningsOptimizer(limits=Limits(held=frozenset({"a", "b", "c"})), **more)
        return optimizer.calculate_optimal_allocation(poll({"relay": 4.0, "compute": rate}, HALVES))

    assert made().fingerprint == made().fingerprint
    assert made().id == made().id
    others = [made(16.1), made(config=OptimizerConfig(horizon_hours=12.0)), made(config=OptimizerConfig(move_cost=1.0))]
    assert len({made().fingerprint, *(other.fingerprint for other in others)}) == 4


def test_the_clock_dates_plans_where_there_is_one():
    clock = ManualClock(START + timedelta(hours=3))
    plan = EarningsOptimizer(clock=clock).calculate_optimal_allocation(poll({"relay": 4.0, "compute": 16.0}, HALVES))
    assert plan.created_at == clock.now()


def test_estimated_improvement_is_the_difference_to_the_shares_last_seen():
    optimizer, rates = EarningsOptimizer(), {"relay": 4.0, "compute": 16.0}
    assert optimizer.estimate_earnings_improvement({"relay": 0.3, "compute": 0.7}, rates) == pytest.approx(12.4)
    optimizer.update_metrics(poll(rates, HALVES))
    assert optimizer.estimate_earnings_improvement({"relay": 0.3, "compute": 0.7}, rates) == pytest.approx(2.4)
    assert optimizer.estimate_earnings_improvement(HALVES, {}) == 0.0
    with pytest.raises(InvalidInput, match="did you mean 'relay'"):
        optimizer.estimate_earnings_improvement({"rely": 0.3}, rates)


def test_a_poll_is_learned_from_once_however_often_it_is_shown():
    once, often = EarningsOptimizer(), EarningsOptimizer()
    for minute in range(30):
        metrics = poll({"relay": 4.0 + minute % 3, "compute": 5.0}, HALVES, minute)
        once.update_metrics(metrics)
        for _ in range(2):
            often.update_metrics(metrics)
            often.analyze_opportunities(metrics)
        plans = [each.calculate_optimal_allocation(metrics) for each in (once, often)]
        assert plans[0] == plans[1]
