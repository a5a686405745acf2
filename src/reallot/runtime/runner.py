"""The running engine: cycle after cycle, each kept in the ledger, each change told once, stopped between two steps."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from ..adapters.simulated import SimulatedAdapter
from ..engine.contracts.clock import Clock, ManualClock, SystemClock
from ..engine.contracts.configs import Mode
from ..engine.contracts.move_state import MoveState
from ..engine.contracts.records import Alert, AllocationPlan
from ..engine.contracts.secrets import redact
from ..engine.execution.driver import Report
from ..engine.execution.executor import WAITS
from ..engine.ledger.event_log import KeptEvent
from ..engine.ledger.operator_requests import EXECUTE, ActionState, Request
from ..engine.planning.problem_builder import PlanningProblem
from ..errors import ConfigurationError, DataError, ReallocationError
from ..orchestration.cycle import CycleResult, run_cycle
from ..text.durations import format_duration
from .build import Parts
from .config import Config
from .declined import why_declined, why_waiting
from .events import ChangeDetector, Fields, LogEvent, alert_line
from .history_writer import HistoryWriter
from .loop_watchdog import KEY, LIMIT_SECONDS, LoopWatch
from .recorded_engine import RecordedEngine
from .reload import rebuilt
from .taking_up import take_up

Tell = Callable[[LogEvent], None]
JUMP_SECONDS = 120.0
"""A wall clock that goes another way than the time that passed by so much is told."""
LOOKS = 0.5
"""Seconds between two looks at the box of requests while nothing else is to be done."""
LONGEST = 800
"""Characters of an alert that names files."""


class Runner:
    """One engine at work.

    tell     gets every event as it comes
    on_kept  gets those of a cycle with their numbers, when they are in the ledger
    first    shares at the start
    last     the last cycle; `report` is how its plan ended, where it had one that was to act
    acting   True in the middle of a cycle
    never    what the shares of the start would have earned, USD; of simulated protocols only, which know it
    earned   what was earned by the same reckoning
    spent    USD that moves cost
    taken    seconds that the last cycle took
    pace     seconds from cycle to cycle in simulated time, for those who watch; 0 as fast as it goes

    In real time, what holds up the event loop for `stall_limit` seconds is named in an alert of the cycle.
    """

    def __init__(self, parts: Parts, tell: Tell, *, stall_limit: float = LIMIT_SECONDS) -> None:
        self.parts, self._tell_now = parts, tell
        self.on_kept: Callable[[list[KeptEvent]], None] | None = None
        self._told: list[LogEvent] = []
        self.report: Report | None = None
        self._changes = ChangeDetector(parts.mode)
        self._engine = RecordedEngine(parts, self._take_up)
        self._writer = HistoryWriter(parts.ledger.history, parts.engine.books)
        self.first: dict[str, float] = {}
        self.never = self.earned = self.spent = 0.0
        self.taken = self.pace = 0.0
        self.polls = self.moves = 0
        self.last: CycleResult | None = None
        self.acting = False
        self._conflict = ""
        self._reasons: set[str] = set()
        self._begins = True  # until no protocol is new
        self._clocks: tuple[datetime, float] | None = None
        self._truth: tuple[datetime, float, float] | None = None
        self._reload: Callable[[], Config] | None = None
        self._woken: asyncio.Event | None = None
        self._known: set[str] = set()  # requests that a cycle was begun for
        self._watch = LoopWatch(lambda: self.parts.coordinator.adapters, self._stands_still, limit=stall_limit)

    async def cycle(self) -> CycleResult:
        """One cycle, kept and told."""
        parts = self.parts
        self._tell_jump()
        self.acting = True
        waits = WAITS.set(parts.config.coordinator.every.total_seconds() / 2.0)
        try:
            await self._rolled_back()
            await self._confirmed()
            if parts.availability is not None:
                await parts.availability.look()
            before = parts.engine.last_report
            result = await run_cycle(parts.coordinator, parts.optimizer, self._engine, parts.monitor, clock=parts.clock)
        finally:
            self.acting = False
            WAITS.reset(waits)
        if stalls := self._stood_still():
            result = result.model_copy(update={"alerts": [*result.alerts, *stalls]})
        if (state := parts.engine.state).phase is MoveState.VERIFYING and result.dashboard is not None:
            dashboard = result.dashboard.model_copy(update={"verifying": state.reason})
            result = result.model_copy(update={"dashboard": dashboard})
        self.last = result
        alarms, parts.alarms[:] = list(parts.alarms), []
        trouble = await self._writer.keep(result, parts.optimizer.payments, parts.optimizer.books)
        if trouble is not None:
            self._tell(alert_line(trouble, result.started_at))
        report = None if parts.engine.last_report is before else parts.engine.last_report
        told = [await self._heard(alarm) for alarm in alarms]
        ended = await self._ended(result.started_at)
        self.report = report or ended
        for event in self._changes.events(result, report, told):
            self._tell(event)
        if result.plan is not None and result.plan.conflict != self._conflict:
            self._conflict = result.plan.conflict
            if self._conflict and not self.parts.engine.journal.observe_only:
                with suppress(DataError):  # which the readings' writer tells
                    await self._engine.record(result.plan, MoveState.BLOCKED, self._conflict)
        other = report is not None and result.plan is not None and report.plan_id != result.plan.id
        if other and report is not None and report.verdict is MoveState.COMMITTED and self._asks():
            await self._tell_confirmed(report)  # it was confirmed in the last moment
        await self._declined(result)
        self._count(result, report)
        if self._told:
            await self._keep_told()
        return result

    def _tell(self, event: LogEvent) -> None:
        self._tell_now(event)
        self._told.append(event)

    async def _keep_told(self) -> None:
        """Keeps what was told since the last cycle; where that cannot be done it was told all the same."""
        told, self._told = self._told, []
        rows = [(each.at, each.kind, each.text, each.fields, each.level) for each in told]
        with suppress(DataError):
            kept = await self.parts.engine.books.ask(self.parts.ledger.events.add, rows)
            if self.on_kept is not None:
                self.on_kept(kept)

    async def _ended(self, at: datetime) -> Report | None:
        """Tells how plans of earlier cycles ended, whose effects took their time; the last of these reports."""
        report = None
        while self.parts.engine.ended:
            report = self.parts.engine.ended.pop(0)
            known = await self.parts.engine.books.ask(self.parts.engine.journal.decision_of, report.plan_id)
            if known is None:
                continue
            plan = AllocationPlan.model_validate_json(known.plan)
            for event in self._changes.decided(plan, report, at):
                self._tell(event)
            if report.verdict is MoveState.COMMITTED:
                self.moves += 1
                self.spent += plan.estimated_cost
        return report

    async def _declined(self, result: CycleResult) -> None:
        """Says why nothing moved, once for each reason, and keeps that decision beside its inputs."""
        plan, mode = result.plan, self.parts.mode
        if plan is None or mode is Mode.OBSERVE or plan.conflict:
            return
        if result.wanted:
            self._reasons.clear()
            return
        why = why_declined(plan, self.parts.optimizer.config)
        if why is None and self._begins:
            known, least = self._engine.asked().known, self.parts.optimizer.rules.least_readings
            why = why_waiting(known, least, keeps=self.parts.ledger.folder is not None)
            self._begins = why is not None
        if why is None or why.key in self._reasons:
            return
        self._reasons.add(why.key)
        fields: Fields = {"plan_id": plan.id, "improvement": plan.estimated_improvement, "cost": plan.estimated_cost}
        self._tell(LogEvent(MoveState.DECLINED, result.started_at, f"did not move: {why.text}", fields))
        if not self.parts.engine.journal.observe_only:
            with suppress(DataError):  # which the readings' writer tells
                await self._engine.record(plan, MoveState.DECLINED, why.text)

    async def _heard(self, alarm: Alert) -> Alert:
        """An alert of the engine's as it is told: one that begins, or one that is over, as the monitor knows it."""
        if alarm.recovered_at is None:
            self.parts.monitor.raise_alert(alarm)
            return alarm
        if (known := self.parts.monitor.resolve_alert(alarm.key)) is not None:
            return known
        books = self.parts.engine.books  # it began in an earlier process
        kept = [each for each in await books.ask(books.journal.alerts) if each.key == alarm.key]
        return alarm.model_copy(update={"message": f"over: {kept[-1].message if kept else alarm.key}"})

    async def cycles(self, stop: asyncio.Event, until: datetime | None = None) -> AsyncIterator[CycleResult]:
        """Cycles until `stop` is set, which is looked at between two of them, or until the clock is there."""
        clock, self._woken = self.parts.clock, asyncio.Event()
        if not isinstance(clock, ManualClock):
            self._watch.start()
        try:
            while not stop.is_set():
                await self._reloaded()
                every = self.parts.config.coordinator.every.total_seconds()
                began = clock.monotonic()
                result = await self.cycle()
                self.taken = clock.monotonic() - began
                yield result
                if stop.is_set() or (until is not None and clock.now() + timedelta(seconds=every) > until):
                    break
                await self._sleep(max(0.0, every - (clock.monotonic() - began)), stop)
        finally:
            self._watch.stop()

    async def _sleep(self, seconds: float, stop: asyncio.Event) -> None:
        """Waits on the clock, or until somebody stops it or wants its configuration read again."""
        clock: Clock = self.parts.clock
        if isinstance(clock, ManualClock):
            await clock.sleep(seconds)
            if not self.pace:
                return
            clock, seconds = SystemClock(), self.pace
        woken = self._woken or stop
        waits = clock.sleep(seconds), stop.wait(), woken.wait(), self._asked()
        tasks = [asyncio.ensure_future(each) for each in waits]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def wake(self) -> None:
        """The next cycle begins at once, or when this one ends; from the thread of the engine's loop only."""
        if self._woken is not None:
            self._woken.set()

    def reload(self, read: Callable[[], Config]) -> None:
        """Takes what `read` returns before the next cycle, which comes at once; where it raises, all stays as it is."""
        self._reload = read
        self.wake()

    async def _asked(self) -> None:
        """Returns when somebody asks for something that was not in the box before. A look costs one `stat`."""
        requests, told = self.parts.ledger.requests, None
        while True:
            if requests is not None and (stamp := requests.stamp()) != told:
                told = stamp
                with suppress(DataError):  # which the next cycle says
                    found = {each.id for each in await self.parts.engine.books.ask(requests.all)}
                    if found - self._known:
                        self._known = found
                        return
            await asyncio.sleep(LOOKS)

    async def _reloaded(self) -> None:
        """Swaps the configuration where that was asked for, and says what came of it."""
        read, self._reload = self._reload, None
        if self._woken is not None:
            self._woken.clear()
        if read is None:
            return
        at = self.parts.clock.now()
        try:
            parts, changed, refused = await rebuilt(self.parts, read())
        except (ConfigurationError, DataError) as error:
            self._tell(LogEvent("reload", at, f"the configuration stays as it was: {error}", level=logging.WARNING))
            return
        if parts is not self.parts:
            self.parts = parts
            self._engine = RecordedEngine(parts, self._take_up)
            self._changes.mode = parts.mode
        text = (
            f"read again, and changed: {', '.join(changed)}" if changed else "read again: nothing that is used changed"
        )
        self._tell(LogEvent("reload", at, f"the configuration was {text}", {"changed": ", ".join(changed)}))
        for note in parts.notes if changed else ():
            self._tell(LogEvent("ledger", at, note, level=logging.WARNING))
        for key in refused:
            self._tell(LogEvent("reload", at, f"{key} was not taken: it needs a new start", level=logging.WARNING))

    def _tell_jump(self) -> None:
        """Says where the wall clock went another way than the time that passed."""
        wall, steady = self.parts.clock.now(), self.parts.clock.monotonic()
        if self._clocks is not None:
            ahead = (wall - self._clocks[0]).total_seconds() - (steady - self._clocks[1])
            if abs(ahead) >= JUMP_SECONDS:
                way = "ahead" if ahead > 0.0 else "back"
                went = f"the clock went {format_duration(abs(ahead))} {way}, or the machine slept"
                text = f"{went}: it is {wall:%Y-%m-%d %H:%M} UTC"
                self._tell(LogEvent("clock", wall, text, {"ahead_seconds": ahead}, logging.WARNING))
        self._clocks = wall, steady

    def _stands_still(self, text: str) -> None:
        """The loop that would tell it runs something else: this is the watching thread."""
        self._tell(LogEvent("standstill", self.parts.clock.now(), text, level=logging.WARNING))

    def _stood_still(self) -> list[Alert]:
        """Alerts of what held up the loop since the cycle before, and of what does so no more."""
        monitor, found = self.parts.monitor, {each.key: each for each in self._watch.taken()}
        told = [
            monitor.raise_alert(redact(each.text, LONGEST), key=key, severity=0.7 if each.name else 0.5)
            for key, each in found.items()
        ]
        over = [each.key for each in monitor.open_alerts if each.key.startswith(KEY) and each.key not in found]
        told += [monitor.resolve_alert(key) for key in over]
        return [alert for alert in told if alert is not None]

    async def _rolled_back(self) -> None:
        """Takes back what a person asked for since the last cycle."""
        at = self.parts.clock.now()
        try:
            if plan := await self.parts.engine.execute_rollback_asked(self.parts.coordinator.adapters):
                stays = format_duration(self.parts.engine.config.rollback_pause)
                text = f"taken back, as a person asked: plan {plan}; so it stays for {stays}, or until: reallot resume"
                self._tell(LogEvent("rollback", at, text, {"plan_id": plan}))
        except (ReallocationError, DataError) as error:
            goes_on = isinstance(error, ReallocationError) and error.by == MoveState.ROLLING_BACK
            text = f"a plan is being taken back: {error}" if goes_on else f"the plan was not taken back: {error}"
            self._tell(LogEvent(MoveState.BLOCKED, at, text, level=logging.WARNING))

    async def _confirmed(self) -> None:
        """Carries out what a person said yes to since the last cycle."""
        if self.parts.engine.journal.observe_only or not (self._asks() or self.last is None):
            return
        await self._carried_out()

    async def _carried_out(self) -> None:
        """Carries out the plan that waits with a person's yes."""
        engine, at = self.parts.engine, self.parts.clock.now()
        try:
            done = await engine.execute_confirmed(self.parts.coordinator.adapters)
            report = engine.last_report if done else None
            if report is not None and report.verdict is MoveState.VERIFYING:
                text = f"begun, as a person confirmed: plan {report.plan_id}; {report.reason}"
                self._tell(LogEvent(report.verdict, at, text, {"plan_id": report.plan_id}))
            elif report is not None:
                await self._tell_confirmed(report)
        except (ReallocationError, DataError) as error:
            self._tell(LogEvent(MoveState.BLOCKED, at, f"the confirmed plan was not carried out: {error}"))

    def _asks(self) -> bool:
        """True where plans wait for a person."""
        return self.parts.engine.config.require_confirmation or self.parts.mode is Mode.CONFIRM

    async def _tell_confirmed(self, report: Report) -> None:
        """Says what was moved with a person's yes, and counts it; nothing where nothing had to change."""
        books = self.parts.engine.books
        known = await books.ask(books.journal.decision_of, report.plan_id)
        if known is None or report.verdict is not MoveState.COMMITTED:
            return
        plan = AllocationPlan.model_validate_json(known.plan)
        self.moves, self.spent = self.moves + 1, self.spent + plan.estimated_cost
        for event in self._changes.decided(plan, report, books.clock.now()):
            text = f"moved, as a person confirmed: plan {plan.id}: {event.text.removeprefix('moved ')}"
            self._tell(replace(event, text=text))

    async def _take_up(self, request: Request) -> None:
        if request.kind == EXECUTE and request.state is ActionState.RUNNING:
            await self._carried_out()
        metrics = None if self.last is None else self.last.metrics
        await take_up(self.parts, metrics, self._tell, request)

    def asked(self) -> PlanningProblem:
        """The exact problem of the last plan; raises OptimizationError before the first."""
        return self._engine.asked()

    @property
    def never_rate(self) -> float | None:
        """USD/h that the shares of the start would earn now; None where protocols are not simulated."""
        return None if self._truth is None or not self._truth[1] else self._truth[2]

    def _count(self, result: CycleResult, report: Report | None) -> None:
        if result.metrics is None:
            return
        self.polls += 1
        shares = result.metrics.allocation_by_protocol
        for name, share in shares.items():
            self.first.setdefault(name, result.plan.current.get(name, share) if result.plan else share)
        if result.acted and report is not None and report.verdict is MoveState.COMMITTED and result.plan is not None:
            self.moves += 1
            self.spent += result.plan.estimated_cost
        self._reckon(result.metrics.timestamp, result.metrics.connection_status)

    def _reckon(self, at: datetime, connected: Mapping[str, bool]) -> None:
        """Adds what was really earned since the poll before, and what would have been without any move."""
        known = {n: a for n, a in self.parts.coordinator.adapters.items() if isinstance(a, SimulatedAdapter)}
        if self._truth is not None:
            before, now, never = self._truth
            hours = (at - before).total_seconds() / 3600.0
            self.earned += now * hours
            self.never += never * hours
        there = [(name, adapter) for name, adapter in known.items() if connected.get(name)]
        now = sum(self._earns(name, adapter, adapter.share, at) for name, adapter in there)
        never = sum(self._earns(name, adapter, self.first.get(name, adapter.share), at) for name, adapter in there)
        self._truth = (at, now, never)

    def _earns(self, name: str, adapter: SimulatedAdapter, share: float, at: datetime) -> float:
        """USD/h that a share really earns after power."""
        power = self.parts.config.power_cost
        return adapter.earns(share, at) - (0.0 if power is None else share * power.rate(name, at))
