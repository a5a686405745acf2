"""The policy of a backtest, live: polls on an even clock, values in the problem, the steps of a backtest."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from reallot import (
    AggregatedMetrics,
    AllocationProblem,
    EarningsCurve,
    EarningsOptimizer,
    Limits,
    OptimizerConfig,
    ProtocolSpec,
)
from reallot.engine.planning.policy_values import LEAST_STEPS, PolicyValues
from reallot.policy.base import Observation, Terms, Values
from reallot.policy.decision_step import plan
from reallot.policy.registry import BY_VALUES, MAKERS, policy
from tests.orchestration.polls import poll

MINUTES = 5
NAMES = ("compute", "relay", "storage")
EQUAL = dict.fromkeys(NAMES, 1.0 / 3.0)


def config(**more: object) -> OptimizerConfig:
    given: dict[str, object] = {
        "move_cost": 1.0,
        "min_improvement_threshold": 0.0,
        "min_improvement_percent": 0.0,
        **more,
    }
    return OptimizerConfig(**given)  # type: ignore[arg-type]


def made(steps: int, seed: int) -> np.ndarray:
    """Rates that wander: (steps, protocols) USD/h for a full share, within what the outlier gate lets through."""
    drawn = np.random.default_rng(seed)
    walked = np.cumsum(drawn.normal(size=(steps, len(NAMES))), axis=0) * 0.15
    return np.maximum(10.0 + walked, 4.0)


def shown(rates: np.ndarray, **more: object) -> tuple[EarningsOptimizer, AggregatedMetrics]:
    """An optimizer that has seen these rates, one poll a step at equal shares, and the poll after them."""
    optimizer = EarningsOptimizer(config(**more))
    for step, row in enumerate([*rates.tolist(), rates[-1].tolist()]):
        metrics = poll(dict(zip(NAMES, row, strict=True)), EQUAL, step * MINUTES)
        optimizer.update_metrics(metrics)
    return optimizer, metrics


@pytest.mark.parametrize("seed", range(3))
def test_the_policy_decides_live_as_it_does_in_a_backtest(seed: int) -> None:
    """The same readings give the same values and the same step, by the two ways to get there."""
    rates, cost = made(150, seed), 0.3
    optimizer, metrics = shown(rates, move_cost=cost)
    found = optimizer.calculate_optimal_allocation(metrics).allocation
    same, limits = policy("replay"), Limits(max_change=0.2)
    terms = Terms(NAMES, MINUTES / 60.0, cost, limits=limits)
    for step, row in enumerate(rates, 1):
        answer = same.decide(Observation(terms, step, np.full(3, 1.0 / 3.0), row))
    assert isinstance(answer, Values)
    known = optimizer.rates(metrics)
    worth = np.array([known[name].worth for name in NAMES], dtype=float)
    expected = answer.values / 24.0
    assert worth - worth.mean() == pytest.approx(expected - expected.mean(), abs=1e-9)
    specs = [ProtocolSpec(name, 0.0, move_cost=cost / 2.0) for name in NAMES]
    step_of = plan(answer, AllocationProblem(specs, EQUAL, limits=limits))
    assert [found[name] for name in NAMES] == pytest.approx(step_of.schedule[0].tolist(), abs=1e-9)
    assert step_of.moves


def test_before_two_hours_of_polls_rates_decide() -> None:
    found = EarningsOptimizer(config())
    worth = []
    for step in range(2 * LEAST_STEPS):
        metrics = poll({"relay": 4.0, "compute": 6.0}, {"relay": 0.5, "compute": 0.5}, step * MINUTES)
        worth.append(found.rates(metrics)["relay"].worth)
    assert worth[:LEAST_STEPS] == [None] * LEAST_STEPS
    assert None not in worth[LEAST_STEPS:]


def test_a_gain_that_does_not_pay_for_its_move_is_left_and_one_that_does_is_taken() -> None:
    def moved(cost: float) -> bool:
        optimizer = EarningsOptimizer(config(move_cost=cost))
        shares = {"relay": 0.5, "compute": 0.5}
        plans = []
        for step in range(3 * LEAST_STEPS):
            rate = 12.0 if step % 4 < 2 else 9.0  # swings about 10 and comes back
            metrics = poll({"relay": rate, "compute": 10.0}, shares, step * MINUTES)
            plans.append(optimizer.calculate_optimal_allocation(metrics))
        return any(plan.moves for plan in plans[LEAST_STEPS:])

    assert not moved(40.0)
    assert moved(0.01)


def test_where_moving_is_free_no_policy_is_asked() -> None:
    optimizer = EarningsOptimizer(config(move_cost=0.0))
    for step in range(2 * LEAST_STEPS):
        metrics = poll({"relay": 4.0, "compute": 6.0}, {"relay": 0.5, "compute": 0.5}, step * MINUTES)
        assert optimizer.rates(metrics)["relay"].worth is None


def test_where_earnings_bend_rates_decide() -> None:
    shape = EarningsCurve.through([(0.0, 0.0), (0.5, 5.0), (1.0, 7.0)])
    optimizer = EarningsOptimizer(config(), specs=[ProtocolSpec("relay", shape)])
    for step in range(2 * LEAST_STEPS):
        metrics = poll({"relay": 2.5, "compute": 6.0}, {"relay": 0.25, "compute": 0.75}, step * MINUTES)
        assert optimizer.rates(metrics)["relay"].worth is None


def test_protocols_that_come_and_go_are_learned_from_what_is_kept() -> None:
    optimizer = EarningsOptimizer(config())
    shares = {"relay": 0.5, "compute": 0.5, "storage": 0.0}
    for step in range(2 * LEAST_STEPS):
        names = ("relay", "compute") if step < LEAST_STEPS + 5 else tuple(shares)
        metrics = poll(dict.fromkeys(names, 10.0), {n: shares[n] for n in names}, step * MINUTES)
        known = optimizer.rates(metrics)
    assert known["relay"].worth is not None


def test_readings_within_a_step_are_averaged() -> None:
    fast, slow = EarningsOptimizer(config()), EarningsOptimizer(config())
    shares = {"relay": 0.5, "compute": 0.5}
    for minute in range(5 * 2 * LEAST_STEPS):
        metrics = poll({"relay": 5.0 + 0.2 * (minute % 5), "compute": 5.0}, shares, minute)
        one = fast.rates(metrics)
    for step in range(2 * LEAST_STEPS):
        metrics = poll({"relay": 5.4, "compute": 5.0}, shares, step * MINUTES)
        other = slow.rates(metrics)
    first, second = (found["relay"].worth - found["compute"].worth for found in (one, other))  # type: ignore[operator]
    assert first == pytest.approx(second, rel=0.05)


@pytest.mark.parametrize(("name", "said"), [("reply", "replay"), ("ema", "gives values"), ("", "gives values")])
def test_a_policy_that_gives_no_values_is_refused_with_the_near_miss(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        OptimizerConfig(policy=name)


@pytest.mark.parametrize("name", MAKERS)
def test_those_that_can_be_asked_are_those_that_answer_with_values(name: str) -> None:
    asked, terms = policy(name), Terms(NAMES, MINUTES / 60.0, 0.3, limits=Limits(max_change=0.2))
    answers = [asked.decide(Observation(terms, t, np.full(3, 1.0 / 3.0), row)) for t, row in enumerate(made(9, 1), 1)]
    assert all(isinstance(answer, Values) for answer in answers) is (name in BY_VALUES)


def test_what_the_policy_said_is_part_of_the_fingerprint() -> None:
    optimizer, metrics = shown(made(60, 2))
    alone, same = shown(made(60, 2), policy="rates")
    assert optimizer.asked(metrics).fingerprint != alone.asked(same).fingerprint
    assert optimizer.asked(metrics).by_policy and not alone.asked(same).by_policy


def test_the_confidence_of_a_plan_is_the_policys() -> None:
    optimizer, metrics = shown(made(150, 1), move_cost=0.3)
    made_plan = optimizer.calculate_optimal_allocation(metrics)
    assert made_plan.moves
    same, terms = policy("replay"), Terms(NAMES, MINUTES / 60.0, 0.3, limits=Limits(max_change=0.2))
    for step, row in enumerate(made(150, 1), 1):
        same.decide(Observation(terms, step, np.full(3, 1.0 / 3.0), row))
    change = np.array([made_plan.allocation[name] - 1.0 / 3.0 for name in NAMES])
    assert made_plan.confidence == same.confidence(change)  # type: ignore[attr-defined]
    pairs = optimizer.analyze_opportunities(metrics)
    assert pairs and all(pair.confidence is None or 0.0 < pair.confidence < 1.0 for pair in pairs)


def test_a_plan_that_moves_nothing_is_neither_sure_nor_unsure() -> None:
    """The policy sees a gain, and a fee that no move is worth: to stay has no chance that can be told."""
    optimizer, metrics = shown(made(150, 1), move_cost=0.3, move_fee=1000.0)
    stays = optimizer.calculate_optimal_allocation(metrics)
    asked = optimizer.asked(metrics)
    assert asked.by_policy and asked.settled is None
    assert not stays.moves and stays.confidence is None


@pytest.mark.parametrize(("said", "wanted"), [(None, True), (0.49, False), (0.5, True), (0.9, True)])
def test_a_plan_that_is_known_to_be_unsure_is_not_worth_it(said: float | None, wanted: bool) -> None:
    optimizer, metrics = shown(made(150, 1), move_cost=0.3)
    pairs = optimizer.analyze_opportunities(metrics)
    found = optimizer.calculate_optimal_allocation(metrics).model_copy(update={"confidence": said, "net_benefit": 1.0})
    assert optimizer.should_reallocate(pairs, found) is wanted


def test_a_step_lasts_more_than_nothing() -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        OptimizerConfig(decision_step=timedelta(0))


def test_nothing_that_changes_has_no_confidence() -> None:
    """A plan whose only changes are rounding."""
    values = PolicyValues(config(), {}, Limits())
    optimizer, _ = shown(made(60, 0))
    tracks = optimizer._tracks
    for step in range(3):
        values.take(poll(dict.fromkeys(NAMES, 10.0), EQUAL, step * MINUTES), tracks)
    for asked in (values, optimizer._policy):
        assert asked.confidence({}) is None
        assert asked.confidence(dict.fromkeys(NAMES, 0.0)) is None
