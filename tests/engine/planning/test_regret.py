"""A running engine's regret budget: a plan moves less than it would, or goes home, and says why."""

from __future__ import annotations

import pytest

from reallot import AllocationPlan, EarningsOptimizer, Group, Limits, OptimizerConfig
from tests.orchestration.polls import poll

MINUTES = 5


def after(
    rates: list[tuple[float, float]], shares: list[tuple[float, float]], limits: Limits | None = None, **more: object
) -> AllocationPlan:
    """The plan after polls of relay and compute with these rates (USD/h for a full share) and shares."""
    given: dict[str, object] = {"move_cost": 1.0, "min_improvement_threshold": 0.0, "min_improvement_percent": 0.0}
    optimizer = EarningsOptimizer(OptimizerConfig(**{**given, **more}), limits=limits)  # type: ignore[arg-type]
    for step, (each, held) in enumerate(zip(rates, shares, strict=True)):
        names = ("relay", "compute")
        metrics = poll(dict(zip(names, each, strict=True)), dict(zip(names, held, strict=True)), step * MINUTES)
        optimizer.update_metrics(metrics)
    plan = optimizer.calculate_optimal_allocation(metrics)
    assert optimizer.should_reallocate(optimizer.analyze_opportunities(metrics), plan) == (
        plan.current != plan.allocation
    )
    return plan


def test_a_plan_moves_no_more_than_the_budget_lets_it_and_says_so() -> None:
    """Compute earns 2 USD/h, relay 1: worth a full change of .2. After 4 h at 1.5 USD/h 3 % of 6 USD may be spent."""
    rates, shares = [(1.0, 2.0)] * 49, [(0.5, 0.5)] * 49
    free = after(rates, shares)
    assert free.allocation["compute"] == pytest.approx(0.7)
    careful = after(rates, shares, max_regret=0.0)
    assert careful.allocation["compute"] == pytest.approx(0.5 + 0.03 * 48 * 1.5 / 12.0, abs=1e-6)
    told = "moves cost 0 USD and brought 0 USD more than never moving: the regret budget lets a plan move 0.18"
    assert any(reason.startswith(told) for reason in careful.reasons), careful.reasons


def test_once_the_budget_is_spent_capacity_goes_back_to_where_it_was_first_seen() -> None:
    """All was moved to compute, which then pays 1 USD/h for 8 h where relay pays 5: 32 USD less, more than allowed."""
    rates = [(5.0, 5.0)] * 30 + [(5.0, 1.0)] * 96
    shares = [(1.0, 0.0)] * 30 + [(0.0, 1.0)] * 96
    plan = after(rates, shares)
    assert plan.allocation == pytest.approx({"relay": 0.2, "compute": 0.8})
    assert plan.urgent.startswith("capacity goes back to where it was first seen: moves cost 1 USD and brought -")
    nearly = after([*rates, (5.0, 1.0)], [*shares, (0.95, 0.05)])
    assert nearly.allocation == pytest.approx({"relay": 1.0, "compute": 0.0})


def test_limits_that_are_broken_are_mended_whatever_was_spent() -> None:
    """Compute holds .9 of at most .3: a plan may change .2, and the budget has no say in that."""
    small = Limits(groups=[Group("cards", ["compute"], 0.3)])
    plan = after([(1.0, 2.0)] * 49, [(0.1, 0.9)] * 49, small, max_regret=0.0)
    assert plan.breaks and plan.allocation["compute"] == pytest.approx(0.7)
