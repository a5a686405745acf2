"""What one cycle costs beside the waiting: optimizer and monitor alone, or all four parts on simulated protocols."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta

from reallot.adapters.simulated import SimulatedAdapter
from reallot.orchestration.clock import ManualClock
from reallot.orchestration.coordinator import ProtocolCoordinator
from reallot.orchestration.cycle import cycles
from reallot.orchestration.monitor import RealtimeMonitor
from reallot.orchestration.optimizer import EarningsOptimizer
from reallot.orchestration.reallocation import ReallocationEngine
from reallot.orchestration.records import AggregatedMetrics

START = datetime(2026, 1, 1, tzinfo=UTC)
BEFORE = 120
"""Polls learned from before the time is taken."""


def polls(protocols: int, count: int, *, moving: bool, seed: int = 0) -> list[AggregatedMetrics]:
    """Polls a minute apart with 10 % noise; `moving` where one protocol earns more, so that each plan is solved for."""
    draw, names = random.Random(seed), [f"p{i:02}" for i in range(protocols)]
    made = []
    for minute in range(count):
        rates = {name: 10.0 + (2.0 if moving and name == names[0] else 0.0) for name in names}
        earned = {name: rate * (1.0 + 0.1 * draw.gauss(0.0, 1.0)) / protocols for name, rate in rates.items()}
        made.append(
            AggregatedMetrics(
                timestamp=START + timedelta(minutes=minute),
                total_earnings_per_hour=sum(earned.values()),
                earnings_by_protocol=earned,
                allocation_by_protocol=dict.fromkeys(names, 1.0 / protocols),
                connection_status=dict.fromkeys(names, True),
            )
        )
    return made


def deciding(protocols: int = 20, count: int = 300, *, moving: bool = False) -> float:
    """Processor seconds a cycle of optimizer and monitor: learn, analyse, plan, judge, dashboard, alerts, snapshot."""
    made = polls(protocols, BEFORE + count, moving=moving)
    optimizer, monitor = EarningsOptimizer(), RealtimeMonitor()

    async def run() -> float:
        for metrics in made[:BEFORE]:
            optimizer.update_metrics(metrics)
            await monitor.update_snapshot(metrics)
        started = time.process_time()
        for metrics in made[BEFORE:]:
            optimizer.update_metrics(metrics)
            pairs = optimizer.analyze_opportunities(metrics)
            plan = optimizer.calculate_optimal_allocation(metrics)
            optimizer.should_reallocate(pairs, plan)
            await monitor.get_dashboard_metrics(metrics, plan.allocation, pairs)
            await monitor.check_alerts(metrics, pairs)
            await monitor.update_snapshot(metrics)
        return (time.process_time() - started) / count

    return asyncio.run(run())


def everything(protocols: int = 12, minutes: int = 1440, *, noise: float = 0.1) -> float:
    """Processor seconds a cycle of all four parts on simulated protocols, a poll a minute, moves as they come."""
    clock = ManualClock(START)
    coordinator, engine = ProtocolCoordinator(clock=clock), ReallocationEngine(clock=clock)
    for i in range(protocols):
        adapter = SimulatedAdapter(f"p{i:02}", 10.0, share=1.0 / protocols, clock=clock, noise=noise, seed=i)
        coordinator.register_adapter(f"p{i:02}", adapter)
    optimizer, monitor = EarningsOptimizer(clock=clock), RealtimeMonitor(clock=clock, changes=engine)

    async def run() -> float:
        started = time.process_time()
        async for _ in cycles(coordinator, optimizer, engine, monitor, most=minutes, clock=clock):
            pass
        return (time.process_time() - started) / minutes

    try:
        return asyncio.run(run())
    finally:
        engine.close()


if __name__ == "__main__":
    print(f"optimizer and monitor, 20 protocols, nothing to gain  {1e3 * deciding():.2f} ms a cycle")
    print(f"optimizer and monitor, 20 protocols, a plan each time {1e3 * deciding(moving=True):.2f} ms a cycle")
    print(f"all four parts, 12 protocols, a simulated day         {1e3 * everything():.2f} ms a cycle")
