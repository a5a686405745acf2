"""A running engine's regret budget: a plan moves less than it would, or goes home, and says why."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from reallot import AllocationPlan, EarningsOptimizer, Group, Limits, OptimizerConfig
from reallot.engine.ledger.journal import KeptBooks
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


NAMES = ("relay", "compute", "render")
CONFIG = OptimizerConfig(move_cost=1.0, min_improvement_threshold=0.0, min_improvement_percent=0.0, settle=timedelta(0))


def seen(polls: list[tuple[float, ...]], first: int, optimizer: EarningsOptimizer, names: int = 2) -> KeptBooks | None:
    """The books after these polls, of which the first is that of step `first`."""
    for step, (*rates, held) in enumerate(polls, first):
        third = 0.1 * (names > 2)
        shares = dict(zip(NAMES, (held, 1.0 - held - third, third), strict=True))
        known = NAMES[:names]
        given = dict(zip(known, rates, strict=False))
        optimizer.update_metrics(poll(given, {name: shares[name] for name in known}, step * MINUTES))
    return optimizer.books


@pytest.mark.parametrize("begun", [5, 7, 11])
@pytest.mark.parametrize("forgotten", [0, 1, 3])
def test_a_restart_goes_on_with_the_books(begun: int, forgotten: int) -> None:
    """Whatever is remembered of the polls before what was kept, as long as nothing is missing between."""
    draw = np.random.default_rng(8)
    rates, held = 2.0 + 0.05 * draw.standard_normal((12, 3)), draw.random(3).repeat(4)
    polls = [(*each.tolist(), share) for each, share in zip(rates, held.tolist(), strict=True)]
    whole = seen(polls, 0, EarningsOptimizer(CONFIG))
    kept = seen(polls[:begun], 0, EarningsOptimizer(CONFIG))
    assert kept is not None and whole is not None and whole.spent > 0.0
    first, again = min(forgotten, begun - 4), EarningsOptimizer(CONFIG)
    assert again.resume(kept)
    found = seen(polls[first:], first, again)
    assert found is not None and (found.until, found.homeward) == (whole.until, whole.homeward)
    assert found.start == pytest.approx(whole.start)
    assert found[2:6] == pytest.approx(whole[2:6], abs=1e-9)


def test_the_books_go_on_where_a_protocol_comes_and_begin_anew_where_home_is_gone() -> None:
    polls = [(2.0, 1.0, 1.0, 0.5)] * 4 + [(2.0, 1.0, 1.0, 0.7)] * 4
    optimizer = EarningsOptimizer(CONFIG)
    before = seen(polls, 0, optimizer)
    after_all = seen(polls[-1:] * 4, len(polls), optimizer, names=3)
    assert before is not None and after_all is not None
    assert before.spent == pytest.approx(0.2) and after_all.spent == pytest.approx(0.3)
    assert after_all.gained > before.gained > 0.0
    assert after_all.start == {"compute": 0.5, "relay": 0.5, "render": 0.0}
    elsewhere = EarningsOptimizer(CONFIG)
    elsewhere.resume(before._replace(start={"gone": 1.0}))
    anew = seen(polls[-1:] * 4, len(polls), elsewhere)
    assert anew is not None and anew.spent == 0.0 and anew.start["relay"] == pytest.approx(0.7)


def test_kept_books_bound_the_first_plan_after_a_restart() -> None:
    """More was lost than may be: all goes home at once, with no poll of the time before."""
    optimizer = EarningsOptimizer(CONFIG)
    lost = KeptBooks(poll({}, {}, 0).timestamp, {"relay": 0.9, "compute": 0.1}, -9.0, 2.0, 1.0, 1.0, False)
    optimizer.resume(lost)
    seen([(5.0, 1.0, 1.0, 0.1)] * 3, 1, optimizer)
    metrics = poll({"relay": 5.0, "compute": 1.0}, {"relay": 0.1, "compute": 0.9}, 4 * MINUTES)
    plan = optimizer.calculate_optimal_allocation(metrics)
    assert plan.allocation == pytest.approx({"relay": 0.3, "compute": 0.7})
    assert plan.urgent.startswith("capacity goes back to where it was first seen: moves cost 2 USD and brought -")


def test_kept_books_wait_for_a_protocol_of_home_that_was_not_read_yet() -> None:
    kept = KeptBooks(poll({}, {}, 0).timestamp, {"relay": 1.0}, -1.0, 2.0, 1.0, 1.0, False)
    optimizer = EarningsOptimizer(CONFIG)
    optimizer.resume(kept)
    assert seen([(5.0, 1.0, 1.0, 0.0)] * 3, 1, optimizer) == kept
    found = seen([(5.0, 1.0, 1.0, 0.5)] * 4, 4, optimizer)
    assert found is not None and found.start == {"compute": 0.0, "relay": 1.0} and found.spent >= 2.0
