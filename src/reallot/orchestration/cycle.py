"""The complete cycle: poll, analyse, plan, ask whether it is worth it, move, show, alert, keep. Once, or in a loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from pydantic import Field

from ..engine.contracts.clock import Clock, SystemClock
from ..engine.contracts.records import (
    AggregatedMetrics,
    Alert,
    AllocationPlan,
    DashboardSnapshot,
    OptimizationOpportunity,
)
from ..engine.contracts.secrets import redact
from ..engine.contracts.values import Moment, Record
from ..errors import ReallocationError, ReallotError
from .coordinator import ProtocolCoordinator
from .monitor import RealtimeMonitor
from .optimizer import EarningsOptimizer

FAILED = "cycle:"
"""Keys of alerts about steps that failed begin so."""


class CycleResult(Record):
    """What happened in one cycle; a step that failed left its part empty, and its name in `errors` with the reason.

    wanted   True where the plan was worth it
    acted    True where the engine took it and returned without an error (a plan that waits for a person raises none)
    blocked  why the engine did not, where one of its guards said no
    """

    started_at: Moment
    metrics: AggregatedMetrics | None = None
    opportunities: list[OptimizationOpportunity] = Field(default_factory=list)
    plan: AllocationPlan | None = None
    wanted: bool = False
    acted: bool = False
    blocked: str = ""
    dashboard: DashboardSnapshot | None = None
    alerts: list[Alert] = Field(default_factory=list)
    errors: dict[str, str] = Field(default_factory=dict)


async def run_cycle(
    coordinator: ProtocolCoordinator,
    optimizer: EarningsOptimizer,
    engine: Any | None,
    monitor: RealtimeMonitor,
    *,
    adapters: Mapping[str, Any] | None = None,
    clock: Clock | None = None,
) -> CycleResult:
    """The eight steps once. A step that fails does not stop the others: deciding may fail, observing goes on.

    engine    a ReallocationEngine; None advises only
    adapters  by name; the coordinator's own where not given
    """
    cycle = _Cycle(monitor, clock or SystemClock())
    adapters = coordinator.adapters if adapters is None else adapters
    held = await cycle.step("recover", _ready(engine, adapters))
    metrics = await cycle.step("poll", coordinator.poll_all())
    if metrics is None:
        return cycle.result()
    optimizer.update_metrics(metrics)
    rests = tuple(held or ())
    opportunities = await cycle.step("analyse", _now(optimizer.analyze_opportunities, metrics, held=rests)) or []
    plan = await cycle.step("plan", _now(optimizer.calculate_optimal_allocation, metrics, held=rests))
    wanted = plan is not None and optimizer.should_reallocate(opportunities, plan)
    acted = False
    if engine is not None and plan is not None and wanted and held is not None:
        acted = await cycle.step("move", _moved(engine, plan, adapters)) is True
    if acted and plan is not None:
        monitor.remember_plan(plan)
    optimal = plan.allocation if plan is not None else metrics.allocation_by_protocol
    dashboard = await cycle.step("dashboard", monitor.get_dashboard_metrics(metrics, optimal, opportunities))
    alerts = await cycle.step("alerts", monitor.check_alerts(metrics, opportunities)) or []
    await cycle.step("snapshot", monitor.update_snapshot(metrics))
    return cycle.result(
        metrics=metrics,
        opportunities=opportunities,
        plan=plan,
        wanted=wanted,
        acted=acted,
        dashboard=dashboard,
        alerts=alerts,
    )


async def cycles(
    coordinator: ProtocolCoordinator,
    optimizer: EarningsOptimizer,
    engine: Any | None,
    monitor: RealtimeMonitor,
    *,
    every_seconds: float = 60.0,
    most: int | None = None,
    adapters: Mapping[str, Any] | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[CycleResult]:
    """A cycle every so many seconds, each handed out as it ends; `most` of them, or until the caller stops asking.

    A cycle that took longer is followed by the next at once; none are made up for.
    """
    clock, done = clock or SystemClock(), 0
    while most is None or done < most:
        began = clock.monotonic()
        yield await run_cycle(coordinator, optimizer, engine, monitor, adapters=adapters, clock=clock)
        done += 1
        if most is None or done < most:
            await clock.sleep(max(0.0, every_seconds - (clock.monotonic() - began)))


class _Cycle:
    """Steps with their errors, each told to the monitor while it lasts."""

    def __init__(self, monitor: RealtimeMonitor, clock: Clock) -> None:
        self._monitor, self._started = monitor, clock.now()
        self.errors: dict[str, str] = {}
        self.blocked = ""
        self._told: list[Alert] = []

    async def step(self, name: str, work: Any) -> Any:
        """What `work` returns; None where it failed, or where a guard said no: that is kept in `blocked`."""
        try:
            result = await work
        except asyncio.CancelledError:
            raise
        except Exception as error:
            if isinstance(error, ReallocationError) and error.by:
                self.blocked = redact(str(error))
                return None
            said = str(error) if isinstance(error, ReallotError) else f"{type(error).__name__}: {error}"
            self.errors[name] = redact(said)
            alert = self._monitor.raise_alert(f"{name} failed: {self.errors[name]}", key=FAILED + name, severity=0.8)
        else:
            alert = self._monitor.resolve_alert(FAILED + name)
            self._told += [] if alert is None else [alert]
            return result
        self._told += [] if alert is None else [alert]
        return None

    def result(self, **parts: Any) -> CycleResult:
        """The record; alerts of the cycle itself come first."""
        alerts = [*self._told, *parts.pop("alerts", [])]
        return CycleResult(started_at=self._started, errors=self.errors, blocked=self.blocked, alerts=alerts, **parts)


async def _now(work: Any, *arguments: Any, **named: Any) -> Any:
    return work(*arguments, **named)


async def _ready(engine: Any | None, adapters: Mapping[str, Any]) -> Any:
    """Ends what was begun before, and names the protocols that still rest, or whose shares nobody here can change."""
    if engine is None:
        return ()
    if hasattr(engine, "recover"):
        await engine.recover(adapters)
    held = await engine.held_protocols() if hasattr(engine, "held_protocols") else ()
    fixed = engine.fixed_protocols(adapters) if hasattr(engine, "fixed_protocols") else ()
    return (*held, *fixed)


async def _moved(engine: Any, plan: AllocationPlan, adapters: Mapping[str, Any]) -> bool:
    await engine.execute_reallocation(plan, adapters)
    return True
