"""The complete cycle: poll, analyse, plan, ask whether it is worth it, move, show, alert, keep. Once, or in a loop."""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import Any, Protocol

from pydantic import Field

from ..engine.contracts.adapter import ProtocolAdapter
from ..engine.contracts.clock import Clock, SystemClock
from ..engine.contracts.move_state import MoveState
from ..engine.contracts.records import AggregatedMetrics, Alert, AllocationPlan, OptimizationOpportunity
from ..engine.contracts.reports import DashboardSnapshot
from ..engine.contracts.secrets import redact
from ..engine.contracts.values import Moment, Record
from ..engine.execution.executor import IN_A_CYCLE, WAITS
from ..engine.execution.guards import FINEST
from ..engine.execution.prepared_metrics import prepared
from ..engine.monitoring.alert_conditions import CONFLICT, LIMITS, about_limits
from ..errors import ConfigurationError, ReallocationError, ReallotError, other_kind
from .coordinator import ProtocolCoordinator
from .monitor import RealtimeMonitor
from .optimizer import EarningsOptimizer

FAILED = "cycle:"
"""Keys of alerts about steps that failed begin so."""
Adapters = Mapping[str, ProtocolAdapter]


class Engine(Protocol):
    """What carries plans out: a ReallocationEngine, or anything with these four methods."""

    async def recover(self, adapters: Adapters) -> object:
        """Ends what was begun before, and reads every share."""

    async def held_protocols(self) -> Collection[str]:
        """Protocols that still rest after a change."""

    def fixed_protocols(self, adapters: Adapters) -> Collection[str]:
        """Protocols whose shares nobody here can change."""

    async def execute_reallocation(self, plan: AllocationPlan, adapters: Adapters) -> None:
        """Carries a plan out; raises ReallocationError, with `by` where a guard said no."""


class CycleResult(Record):
    """The outcome of one cycle; a step that failed left its part empty, and its name in `errors` with the reason.

    Parameters
    ----------
    started_at
        Time of the start.
    metrics
        The poll.
    opportunities
        The moves of the plan.
    plan
        The best plan.
    wanted
        True where the plan was worth it.
    acted
        True where the engine took it and returned without an error (a plan that waits for a person raises none).
    blocked
        Why the engine did not, where one of its guards said no.
    dashboard
        All that a dashboard shows.
    alerts
        Alerts that began or ended.
    errors
        Reasons by the name of the step that failed.
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
    engine: Engine | None,
    monitor: RealtimeMonitor,
    *,
    adapters: Adapters | None = None,
    clock: Clock | None = None,
) -> CycleResult:
    """Run one cycle: poll, learn, decide, move and watch.

    A step that fails does not stop the others: deciding may fail, observing goes on.

    Parameters
    ----------
    coordinator
        Polls the protocols.
    optimizer
        Makes the plan.
    engine
        Carries the plan out: a ReallocationEngine. None advises only.
    monitor
        Keeps snapshots and raises alerts.
    adapters
        Adapters by name that are acted on. None is the coordinator's own.
    clock
        The clock that is asked for the time. None is the system's.

    Returns
    -------
    CycleResult
        Metrics, plan, alerts, and the reason of each step that failed.

    Examples
    --------
    >>> import asyncio
    >>> from reallot import EarningsOptimizer, ProtocolCoordinator, RealtimeMonitor, SimulatedAdapter, run_cycle
    >>> coordinator = ProtocolCoordinator()
    >>> for name, rate in {"relay": 2.0, "compute": 9.0}.items():
    ...     coordinator.register_adapter(name, SimulatedAdapter(name, rate, share=0.5))
    >>> result = asyncio.run(run_cycle(coordinator, EarningsOptimizer(), None, RealtimeMonitor()))
    >>> result.plan.allocation["compute"], result.errors
    (0.7, {})
    """
    for part, method in ((coordinator, "poll_all"), (optimizer, "update_metrics"), (monitor, "check_alerts")):
        if not hasattr(part, method):
            raise ConfigurationError(other_kind("a part of the cycle", part, f"one with {method}()"))
    cycle = _Cycle(monitor, clock or SystemClock())
    if getattr(engine, "next_best", cycle) is None:
        engine.next_best = optimizer.next_best  # type: ignore[union-attr]
    adapters = coordinator.adapters if adapters is None else adapters
    rests: tuple[str, ...] | None = () if engine is None else await cycle.step("recover", _ready, engine, adapters)
    while monitor.accepted:
        coordinator.accept(monitor.accepted.pop())
    metrics: AggregatedMetrics | None = await cycle.step("poll", coordinator.poll_all)
    if metrics is None:
        return cycle.result()
    rules, limits = getattr(engine, "rules", None), getattr(engine, "limits", None)
    known = {} if all(metrics.connection_status.values()) else getattr(engine, "shares", {})
    if known or limits or optimizer.warm_up or (rules is not None and (rules.own or rules.tolerance > FINEST)):
        metrics = prepared(metrics, rules, limits, optimizer.warm_up, known)
    optimizer.update_metrics(metrics)
    held = tuple(rests or ())
    opportunities: list[OptimizationOpportunity]
    opportunities = await cycle.step("analyse", optimizer.analyze_opportunities, metrics, held=held) or []
    plan: AllocationPlan | None = await cycle.step("plan", optimizer.calculate_optimal_allocation, metrics, held=held)
    wanted = plan is not None and optimizer.should_reallocate(opportunities, plan)
    if engine is not None and plan is not None and wanted and rests is not None:
        await cycle.step("move", engine.execute_reallocation, plan, adapters)
        if "move" in cycle.done or cycle.by == MoveState.ROLLED_BACK:
            monitor.remember_plan(plan)
    if plan is not None and (plan.breaks or not cycle.open.isdisjoint((LIMITS, CONFLICT))):
        cycle.tell_limits(plan, engine is None or "move" in cycle.done)
    optimal = plan.allocation if plan is not None else metrics.allocation_by_protocol
    dashboard = await cycle.step("dashboard", monitor.get_dashboard_metrics, metrics, optimal, opportunities)
    alerts = await cycle.step("alerts", monitor.check_alerts, metrics, opportunities) or []
    await cycle.step("snapshot", monitor.update_snapshot, metrics)
    return cycle.result(
        metrics=metrics,
        opportunities=opportunities,
        plan=plan,
        wanted=wanted,
        dashboard=dashboard,
        alerts=alerts,
    )


async def cycles(
    coordinator: ProtocolCoordinator,
    optimizer: EarningsOptimizer,
    engine: Engine | None,
    monitor: RealtimeMonitor,
    *,
    every_seconds: float = 60.0,
    most: int | None = None,
    adapters: Adapters | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[CycleResult]:
    """Run a cycle every so many seconds, and yield each result as it ends.

    A cycle that took longer is followed by the next at once; missed cycles are not made up for.

    Parameters
    ----------
    coordinator, optimizer, engine, monitor
        As in `run_cycle`.
    every_seconds
        Seconds from the start of a cycle to that of the next.
    most
        Number of cycles. None goes on until the caller stops asking.
    adapters
        As in `run_cycle`.
    clock
        As in `run_cycle`; it is also slept on.

    Yields
    ------
    CycleResult
        The result of each cycle.

    Examples
    --------
    >>> import asyncio
    >>> from datetime import UTC, datetime
    >>> from reallot import EarningsOptimizer, ManualClock, ProtocolCoordinator, RealtimeMonitor, cycles
    >>> from reallot import SimulatedAdapter
    >>> async def polled():
    ...     clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    ...     coordinator = ProtocolCoordinator(clock=clock)
    ...     coordinator.register_adapter("relay", SimulatedAdapter("relay", 2.0, share=1.0, clock=clock))
    ...     parts = coordinator, EarningsOptimizer(), None, RealtimeMonitor()
    ...     return [each.metrics.total_earnings_per_hour async for each in cycles(*parts, most=2, clock=clock)]
    >>> asyncio.run(polled())
    [2.0, 2.0]
    """
    clock, done = clock or SystemClock(), 0
    while most is None or done < most:
        began, waits = clock.monotonic(), WAITS.set(every_seconds / 2.0)
        try:
            result = await run_cycle(coordinator, optimizer, engine, monitor, adapters=adapters, clock=clock)
        finally:
            WAITS.reset(waits)
        yield result
        done += 1
        if most is None or done < most:
            await clock.sleep(max(0.0, every_seconds - (clock.monotonic() - began)))


class _Cycle:
    """Steps with their errors, each told to the monitor while it lasts.

    done     names of the steps that ended well
    blocked  why the engine did not move, where one of its guards said no
    """

    def __init__(self, monitor: RealtimeMonitor, clock: Clock) -> None:
        self._monitor, self._started = monitor, clock.now()
        self.done: set[str] = set()
        self.errors: dict[str, str] = {}
        self.blocked = self.by = ""
        self.open = {alert.key for alert in monitor.open_alerts}
        self._told: list[Alert] = []

    async def step(self, name: str, work: Callable[..., Any], *arguments: object, **named: object) -> Any:
        """What `work` returns; None where it failed, or where a guard said no: that is kept in `blocked`.

        What takes its time to be in force is not waited for: polls are due.
        """
        waits = WAITS.set(IN_A_CYCLE if math.isinf(WAITS.get()) else WAITS.get())
        try:
            result = work(*arguments, **named)
            if inspect.isawaitable(result):
                result = await result
        except asyncio.CancelledError:
            raise
        except Exception as error:
            if isinstance(error, ReallocationError) and error.by:
                self.blocked, self.by = redact(str(error)), error.by
                return None
            said = str(error) if isinstance(error, ReallotError) else f"{type(error).__name__}: {error}"
            self.errors[name] = redact(said)
            alert = self._monitor.raise_alert(f"{name} failed: {self.errors[name]}", key=FAILED + name, severity=0.8)
            self._told += [] if alert is None else [alert]
            return None
        finally:
            WAITS.reset(waits)
        self.done.add(name)
        if FAILED + name in self.open and (alert := self._monitor.resolve_alert(FAILED + name)) is not None:
            self._told.append(alert)
        return result

    def tell_limits(self, plan: AllocationPlan, moved: bool) -> None:
        """Tells that present shares break limits, or may do so for ever, and when that is over.

        A conflict is not over while plans are made that nobody takes.
        """
        if plan.breaks and not plan.conflict and CONFLICT in self.open and not moved:
            return
        for key, said in about_limits(plan).items():
            raised = said and self._monitor.raise_alert(said[0], key=key, severity=said[1])
            alert = raised if said or key not in self.open else self._monitor.resolve_alert(key)
            self._told += [] if alert is None else [alert]

    def result(
        self,
        *,
        metrics: AggregatedMetrics | None = None,
        opportunities: list[OptimizationOpportunity] | None = None,
        plan: AllocationPlan | None = None,
        wanted: bool = False,
        dashboard: DashboardSnapshot | None = None,
        alerts: list[Alert] | None = None,
    ) -> CycleResult:
        """The record; alerts of the cycle itself come first."""
        return CycleResult(
            started_at=self._started,
            metrics=metrics,
            opportunities=opportunities or [],
            plan=plan,
            wanted=wanted,
            acted="move" in self.done,
            blocked=self.blocked,
            dashboard=dashboard,
            alerts=[*self._told, *(alerts or [])],
            errors=self.errors,
        )


async def _ready(engine: Engine, adapters: Adapters) -> tuple[str, ...]:
    """Ends what was begun before, and names the protocols that still rest, or whose shares nobody here can change."""
    await engine.recover(adapters)
    return (*await engine.held_protocols(), *engine.fixed_protocols(adapters))
