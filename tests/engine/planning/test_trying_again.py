"""Protocols that are new, and those that were given up: a first reading moves nothing, and what heals is followed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from reallot.adapters.simulated import SimulatedAdapter
from reallot.engine.contracts.clock import ManualClock
from reallot.engine.contracts.configs import MonitorConfig, OptimizerConfig
from reallot.orchestration.coordinator import ProtocolCoordinator
from reallot.orchestration.cycle import run_cycle
from reallot.orchestration.monitor import RealtimeMonitor
from reallot.orchestration.optimizer import EarningsOptimizer
from reallot.orchestration.reallocation import ReallocationEngine
from tests.orchestration.polls import START, poll

SHARES = {"old": 0.5, "new": 0.5}


def moved(optimizer: EarningsOptimizer, minute: int, **rates: float) -> dict[str, float]:
    polled = poll(rates, SHARES, minute)
    plan = optimizer.calculate_optimal_allocation(polled)
    worth = optimizer.should_reallocate(optimizer.analyze_opportunities(polled), plan)
    return plan.moves if worth else {}


@pytest.mark.parametrize("first", [1e6, 0.001])
def test_a_first_reading_of_a_protocol_never_seen_moves_nothing_beside_others_that_are_known(first: float):
    optimizer = EarningsOptimizer()
    for minute in range(5):
        assert moved(optimizer, minute, old=2.0) == {}
    assert moved(optimizer, 5, old=2.0, new=first) == {}
    assert moved(optimizer, 6, old=2.0, new=first) == {}
    assert "it is new: 2 of the 3 readings" in optimizer.rates(poll({"old": 2.0, "new": first}, SHARES, 6))["new"].why
    assert moved(optimizer, 7, old=2.0, new=first) != {}


@pytest.mark.slow
def test_a_world_that_lost_everywhere_and_heals_is_followed_within_a_day():
    clock, healed = ManualClock(START), START + timedelta(hours=30)
    adapters = {
        name: SimulatedAdapter(
            name,
            lambda share, at, rate=rate: (rate if at >= healed or at < START + timedelta(hours=1) else -1.0) * share,
            share=0.5,
            clock=clock,
        )
        for name, rate in (("a", 2.0), ("b", 1.0))
    }
    coordinator = ProtocolCoordinator(clock=clock)
    for name, adapter in adapters.items():
        coordinator.register_adapter(name, adapter)
    optimizer = EarningsOptimizer(OptimizerConfig(min_improvement_threshold=0.001, allow_idle=True), clock=clock)
    engine, monitor = ReallocationEngine(clock=clock), RealtimeMonitor(MonitorConfig(), clock=clock)

    async def go(until):
        while clock.now() < until:
            result = await run_cycle(coordinator, optimizer, engine, monitor, clock=clock)
            assert set(result.errors) <= {"move"}
            clock.advance(900.0)

    asyncio.run(go(START + timedelta(hours=12)))
    assert [adapter.share for adapter in adapters.values()] == [0.0, 0.0]
    asyncio.run(go(healed))
    assert sum(adapter.share for adapter in adapters.values()) <= 0.02  # one of them at most is tried
    asyncio.run(go(healed + timedelta(hours=24)))
    assert sum(adapter.share for adapter in adapters.values()) == pytest.approx(1.0)
    engine.close()
