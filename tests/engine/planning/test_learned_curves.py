"""Curves learned live: what equal shares, levels, ages and restarts do to them, and what they are worth in the end."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import AggregatedMetrics, EarningsCurve, EarningsOptimizer, OptimizerConfig, ProtocolSpec, SimulatedAdapter
from reallot.engine.contracts.clock import ManualClock
from reallot.engine.contracts.configs import ReallocationConfig
from reallot.engine.ledger.folder import open_ledger
from reallot.engine.planning.learned_curves import KEPT, LearnedCurves, per_share
from reallot.engine.planning.rate_estimation import Track, learn
from reallot.engine.planning.rate_rules import RateRules
from reallot.orchestration.coordinator import ProtocolCoordinator
from reallot.orchestration.reallocation import ReallocationEngine
from reallot.runtime.build import build, remember
from reallot.runtime.config import config_from_text
from reallot.runtime.restore import readings
from tests.orchestration.polls import START, poll
from tests.strategies import budget

WAYS = ("quadratic", "robust")
NAMES = ("compute", "relay", "storage", "vpn")
EQUAL = dict.fromkeys(NAMES, 0.25)


def through(earns: Callable[[float], float]) -> EarningsCurve:
    return EarningsCurve.through([(i / 60, earns(i / 60)) for i in range(61)])


BENT = {
    "compute": through(lambda share: 3.0 * -math.expm1(-share / 0.3)),
    "relay": through(lambda share: 8.0 * share / (1.0 + share / 0.4)),
    "storage": EarningsCurve.flat(4.0),
    "vpn": EarningsCurve.through([(0.0, 0.0), (0.3, 2.1), (1.0, 2.8)]),
}
STRAIGHT = {name: EarningsCurve.flat(rate) for name, rate in zip(NAMES, (10.0, 8.0, 4.0, 7.0), strict=True)}


def config(**more: object) -> OptimizerConfig:
    given: dict[str, object] = {"min_improvement_threshold": 0.05, "min_improvement_percent": 1.0, **more}
    return OptimizerConfig(**given)  # type: ignore[arg-type]


def simulated(
    truth: Mapping[str, EarningsCurve], specs: Iterable[ProtocolSpec] = (), days: int = 2, **more: object
) -> tuple[float, float, list[dict[str, float]]]:
    """USD/h earned on average and in the last six hours, without noise, and the moves: polls of ten minutes."""

    async def run() -> tuple[list[float], list[dict[str, float]]]:
        clock = ManualClock(START)
        adapters = {
            name: SimulatedAdapter(name, curve, share=EQUAL[name], clock=clock, noise=0.05, seed=3)
            for name, curve in truth.items()
        }
        coordinator = ProtocolCoordinator(clock=clock)
        for name, adapter in adapters.items():
            coordinator.register_adapter(name, adapter)
        optimizer = EarningsOptimizer(config(**more), specs=specs, clock=clock)
        engine = ReallocationEngine(ReallocationConfig(), clock=clock)
        earned, moves, rested = [], [], 0
        for _ in range(days * 144):
            clock.advance(600.0)
            metrics = await coordinator.poll_all()
            earned.append(math.fsum(each.earns(each.share, clock.now()) for each in adapters.values()))
            optimizer.update_metrics(metrics)
            rested += 1
            if rested < 6:
                continue
            plan = optimizer.calculate_optimal_allocation(metrics)
            if optimizer.should_reallocate(optimizer.analyze_opportunities(metrics), plan):
                await engine.execute_reallocation(plan, adapters)
                moves.append(plan.moves)
                rested = 0
        engine.close()
        await coordinator.close()
        return earned, moves

    earned, moves = asyncio.run(run())
    return sum(earned) / len(earned), sum(earned[-36:]) / 36, moves


@pytest.mark.slow
def test_learned_curves_come_close_to_known_ones_where_straight_lines_do_not() -> None:
    best, _, _ = simulated(BENT, [ProtocolSpec(name, curve) for name, curve in BENT.items()])
    straight, _, often = simulated(BENT)
    for way, least in (("quadratic", 0.96), ("robust", 0.94)):
        found, _, moves = simulated(BENT, curves=way)
        assert found > least * best
        assert len(moves) < len(often) / 3  # straight lines chase the mean, back and forth
    assert straight < 0.93 * best


@cache
def straight_lines() -> tuple[float, float, list[dict[str, float]]]:
    """What is earned where curves are straight, and taken to be."""
    return simulated(STRAIGHT, explore="floor")


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_learning_curves_costs_nearly_nothing_where_earnings_are_straight(way: str) -> None:
    without, _, _ = straight_lines()
    found, _, moves = simulated(STRAIGHT, explore="floor", curves=way)
    assert found > 0.99 * without
    assert len(moves) <= 8


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("noise", [0.05, 0.2])
def test_seven_flat_noisy_days_move_nothing(way: str, noise: float) -> None:
    draw, optimizer = random.Random(7), EarningsOptimizer(OptimizerConfig(curves=way))
    shares = {"compute": 0.5, "relay": 0.3, "storage": 0.2}
    for step in range(7 * 144):
        rates = {name: 10.0 * max(0.0, 1.0 + noise * draw.gauss(0.0, 1.0)) for name in shares}
        metrics = poll(rates, shares, 10 * step)
        optimizer.update_metrics(metrics)
        if step % 6 == 5:
            plan = optimizer.calculate_optimal_allocation(metrics)
            assert not optimizer.should_reallocate(optimizer.analyze_opportunities(metrics), plan)


Held = tuple[float, float, int]
"""A share, USD/h for each unit of it, and for how many polls."""


def learned(stays: Iterable[Held], way: str = "quadratic", every: float = 5.0) -> LearnedCurves:
    """What a protocol's stays teach, beside one that never changes."""
    curves, tracks, minute = LearnedCurves(way), dict[str, Track](), 0.0
    for share, rate, polls in stays:
        for _ in range(polls):
            metrics = poll({"relay": rate, "other": 4.0}, {"relay": share, "other": 1.0 - share}, minute)
            tracks = learn(curves.moved(tracks, metrics), metrics, RateRules(), {})
            curves.take(metrics, tracks)
            minute += every
    return curves


def ratio(curves: LearnedCurves, share: float, to: float) -> float:
    """What each unit of `to` earns, in parts of what each of `share` does."""
    curve = curves.curves()["relay"]
    return per_share(curve, to) / per_share(curve, share)


@pytest.mark.parametrize("way", WAYS)
def test_what_each_unit_earns_less_at_a_larger_share_is_learned(way: str) -> None:
    assert ratio(learned([(0.25, 10.0, 200), (0.5, 8.0, 200)], way), 0.25, 0.5) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("way", WAYS)
def test_thousands_of_polls_at_one_share_are_one_pair(way: str) -> None:
    few = learned([(0.2, 10.0, 80), (0.4, 8.0, 80)], way)
    many = learned([(0.2, 10.0, 80), (0.4, 8.0, 1900)], way)
    for share in (0.1, 0.3, 0.6, 0.9):
        assert ratio(many, 0.2, share) == pytest.approx(ratio(few, 0.2, share), abs=1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_a_level_that_changes_at_the_same_share_changes_no_shape(way: str) -> None:
    rising = [(0.4, 8.0 * 1.01**step, 4) for step in range(1, 60)]
    steady, moved = (learned([(0.2, 10.0, 80), (0.4, 8.0, 80), *more], way) for more in ([], rising))
    for share in (0.1, 0.3, 0.6):
        assert ratio(moved, 0.4, share) == pytest.approx(ratio(steady, 0.4, share), rel=5e-3)
    now = moved.curves()["relay"]
    assert per_share(now, 0.4) == pytest.approx(8.0 * 1.01**59, rel=0.06)


def test_a_share_that_is_held_again_counts_more_than_what_was_known_of_it() -> None:
    stays = [(0.2, 10.0, 80), (0.4, 8.0, 80), (0.2, 10.0, 80)]
    before = ratio(learned(stays), 0.2, 0.4)
    for _ in range(4):
        stays += [(0.4, 5.5, 80), (0.2, 10.0, 80)]
    assert ratio(learned(stays), 0.2, 0.4) < before - 0.17


def test_one_share_says_nothing_about_a_curve_nor_does_a_straight_line_bend() -> None:
    assert learned([(0.2, 10.0, 500)]).curves() == {}
    assert learned([(0.2, 10.0, 80), (0.23, 9.0, 80)]).curves() == {}  # within a 24th
    straight = learned([(share, 10.0, 80) for share in (0.2, 0.4, 0.6, 0.8, 0.5)])
    assert straight.curves() == {}


def test_what_earns_nothing_has_no_curve() -> None:
    assert "relay" in learned([(0.2, 10.0, 80), (0.4, 8.0, 80)]).curves()
    assert learned([(0.2, 10.0, 80), (0.4, 8.0, 80), (0.4, 0.0, 80)]).curves() == {}
    assert learned([(0.2, -1.0, 80), (0.4, -2.0, 80)]).curves() == {}


def test_a_share_is_forgotten_a_week_after_it_was_held() -> None:
    polls = int(KEPT / timedelta(minutes=60))
    assert learned([(0.2, 10.0, 5), (0.4, 8.0, polls - 2)], every=60.0).curves()
    assert not learned([(0.2, 10.0, 5), (0.4, 8.0, polls + 2)], every=60.0).curves()


@pytest.mark.parametrize("way", WAYS)
def test_single_outliers_make_no_curve(way: str) -> None:
    stays: list[Held] = []
    for share in (0.2, 0.4):
        for _ in range(10):
            stays += [(share, 10.0, 9), (share, 200.0, 1)]
    assert all(each == pytest.approx(1.0, abs=0.1) for each in [ratio_or_one(learned(stays, way), 0.2, 0.4)])


def ratio_or_one(curves: LearnedCurves, share: float, to: float) -> float:
    return ratio(curves, share, to) if curves.curves() else 1.0


def shown(seed: int, hours: int = 20) -> list[AggregatedMetrics]:
    """Polls of three protocols whose shares change every five hours."""
    draw, shares, found = random.Random(seed), {"compute": 0.4, "relay": 0.3, "storage": 0.3}, []
    for step in range(hours * 6):
        if step % 30 == 29:
            giver, taker = draw.sample(sorted(shares), 2)
            moved = min(0.2, shares[giver])
            shares = {**shares, giver: shares[giver] - moved, taker: shares[taker] + moved}
        rates = {
            name: BENT[name].value(share) / share * (1.0 + 0.05 * draw.gauss(0.0, 1.0)) if share > 0.0 else None
            for name, share in shares.items()
        }
        found.append(poll(rates, shares, 10.0 * step))
    return found


@pytest.mark.slow
@budget(0.2)
@given(st.sampled_from(WAYS), st.integers(0, 2**32 - 1), st.sampled_from(["none", "floor"]))
def test_opportunities_and_plan_agree_and_a_restart_finds_the_same(way: str, seed: int, explore: str) -> None:
    polls = shown(seed)
    settings = config(curves=way, explore=explore, max_allocation_change=0.3)
    asked, restarted = EarningsOptimizer(settings), EarningsOptimizer(settings)
    for step, metrics in enumerate(polls):
        asked.update_metrics(metrics)
        if step % 15 and metrics is not polls[-1]:
            continue
        plan = asked.calculate_optimal_allocation(metrics)
        pairs = asked.analyze_opportunities(metrics)
        gains = math.fsum(pair.earnings_improvement for pair in pairs)
        assert gains == pytest.approx(plan.estimated_improvement, abs=1e-9)
        assert bool(pairs) == any(abs(change) > 1e-9 for change in plan.moves.values())
        question = asked.asked(metrics)
        earned = math.fsum(question.expected[name].curves[0].value(share) for name, share in question.shares.items())
        assert question.earned == plan.current_earnings == pytest.approx(earned)
        for name, shape in question.shapes.items():
            assert shape.is_concave
            share = metrics.allocation_by_protocol[name]
            assert shape.value(share) == pytest.approx(share)
    for metrics in polls:
        restarted.update_metrics(metrics)
    again = restarted.calculate_optimal_allocation(polls[-1])
    assert again == asked.calculate_optimal_allocation(polls[-1])


def test_a_curve_that_was_given_is_kept() -> None:
    spec = ProtocolSpec("relay", BENT["relay"])
    optimizer = EarningsOptimizer(config(curves="quadratic"), specs=[spec])
    for metrics in shown(1):
        optimizer.update_metrics(metrics)
    shapes = optimizer.asked(metrics).shapes
    assert shapes and "relay" not in shapes


def test_no_policy_is_asked_once_a_learned_curve_bends() -> None:
    optimizer, without = (EarningsOptimizer(config(curves=way, move_cost=0.5)) for way in ("quadratic", "given"))
    worth = []
    for metrics in shown(1):
        worth.append(optimizer.rates(metrics)["compute"].worth)
        last = without.rates(metrics)["compute"].worth
    assert worth[28] is not None  # nothing had moved
    assert worth[-1] is None
    assert last is not None


def test_equal_inputs_with_other_curves_have_other_fingerprints() -> None:
    polls = shown(2)
    prints = set()
    for way in ("given", *WAYS):
        optimizer = EarningsOptimizer(config(curves=way))
        for metrics in polls:
            optimizer.update_metrics(metrics)
        prints.add(optimizer.asked(metrics).fingerprint)
    assert len(prints) == 3


@pytest.mark.slow
def test_a_restart_learns_curves_from_the_week_that_the_ledger_has(tmp_path: Path) -> None:
    """Longer than the window of rates: what other shares earned is not in the last day."""
    stays = {0.2: 10.0, 0.4: 8.0}
    polls = []
    for step in range(3 * 288):
        share = 0.2 if step < 288 else 0.4
        shares = {"relay": share, "compute": 1.0 - share}
        polls.append(poll({"relay": stays[share], "compute": 5.0}, shares, 5.0 * step))
    with closing(open_ledger(tmp_path)) as ledger:
        for metrics in polls:
            ledger.history.add(readings(metrics))
    config = config_from_text(
        '[optimizer]\ncurves = "quadratic"\n'
        '[protocols.relay]\nadapter = "simulated"\nshare = 0.4\nrate = 8.0\n'
        '[protocols.compute]\nadapter = "simulated"\nshare = 0.6\nrate = 5.0\n'
    )
    parts = build(config, simulate=True, ledger=tmp_path)
    stayed = EarningsOptimizer(config.optimizer)
    for metrics in polls:
        stayed.update_metrics(metrics)

    async def restarted() -> int:
        count = await remember(parts)
        await parts.close()
        return count

    assert asyncio.run(restarted()) == len(polls)
    # specs of a configuration are flat rates: only what was learned bends
    found, expected = (each.asked(polls[-1]).shapes for each in (parts.optimizer, stayed))
    assert found == expected
    assert found["relay"].value(0.2) > 0.2
