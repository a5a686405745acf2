"""ReallocationEngine: carries a plan out safely, takes it back where it fails, and lets nothing get lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from ..engine.contracts.adapter import ProtocolAdapter
from ..engine.contracts.clock import Clock, SystemClock
from ..engine.contracts.configs import Mode, ReallocationConfig
from ..engine.contracts.move_state import ENDED, OPEN, MoveState
from ..engine.contracts.records import Alert, AllocationChange, AllocationPlan
from ..engine.execution.adapter_calls import call_text, only_reads
from ..engine.execution.driver import Driver, Report, repeated
from ..engine.execution.executor import WAITS, Executor, NextBest
from ..engine.execution.guards import FINEST, Blocked, Rules, held
from ..engine.execution.hearing import LATER, Heard, declined_before, hear, last_plan, overtaken, refused, rolled_back
from ..engine.execution.journal_thread import AsyncJournal
from ..engine.execution.late_changes import delays
from ..engine.execution.learned_limits import ShareLimits, in_force
from ..engine.execution.move_events import Proposed, Started
from ..engine.execution.observed_targets import ObservedTargets
from ..engine.execution.orphaned import KEY, OrphanedProtocol, holders
from ..engine.execution.preconditions import examine, identity, now_blocked
from ..engine.execution.rollback_request import begin_rollback, must_be_back, take_as_it_is
from ..engine.execution.state_machine import State
from ..engine.execution.waiting_plan import expire
from ..engine.ledger.folder import Ledger
from ..engine.ledger.journal import Journal
from ..engine.ledger.operator_requests import CONFIRM, ROLLBACK, ActionState, Request, Requests
from ..engine.ledger.sqlite_journal import MemoryJournal
from ..engine.ledger.timestamps import moment_before
from ..errors import ConfigurationError, InvalidInput, ReallocationError, other_kind

Adapters = Mapping[str, ProtocolAdapter]
WELL = (MoveState.COMMITTED, MoveState.NOTHING_TO_DO, MoveState.VERIFYING)
MOST = 10**9
"""More than there are of anything that is counted."""


class ReallocationEngine:
    """Decide when a plan may act, and carry it out: release before acquire, read back, or roll back.

    Every call begins by reading the journal (write-ahead) and the world; nothing else in memory decides anything. A
    protocol that has no adapter any more and may still have a share keeps it: an alert says so, and nothing is given to
    others.

    Parameters
    ----------
    config
        When and how plans are carried out. None is the default.
    ledger
        From `open_ledger(folder)`, or a journal. None keeps everything in memory; `loses` says what that forgets.
    clock
        The clock that is asked for the time. None is the system's.
    on_alert
        A function that is called with each new alert, once.
    on_recovered
        A function that is called with the key of each alert that is over.
    repair
        False leaves shares alone that somebody else changed. This is for tests of what lies below.
    capacity
        What all shares together may be.

    Attributes
    ----------
    limits
        Shares that protocols would not go beyond when they were asked, and are not asked to for now.
    shares
        Shares in force by name, as they were read last; as they were confirmed where they could not be read.
    away
        A function that says which protocols may hold nothing now: a move under way gives them no more. None is none.
    next_best
        Who is given what a protocol would not take: a function of the shares in force and the names that would not,
        which returns shares by name. Without it, what was not taken at all goes back.

    Examples
    --------
    >>> import asyncio
    >>> from datetime import UTC, datetime
    >>> from reallot import AllocationPlan, ManualClock, ReallocationEngine, SimulatedAdapter
    >>> clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    >>> adapters = {name: SimulatedAdapter(name, 2.0, share=0.5, clock=clock) for name in ("relay", "compute")}
    >>> plan = AllocationPlan(
    ...     id="first", created_at=clock.now(), allocation={"relay": 0.75, "compute": 0.25},
    ...     current={"relay": 0.5, "compute": 0.5}, estimated_improvement=1.0, estimated_cost=0.0,
    ...     net_benefit=24.0, roi_percent=0.0, confidence=None)
    >>> asyncio.run(ReallocationEngine(clock=clock).execute_reallocation(plan, adapters))
    >>> adapters["relay"].share
    0.75
    """

    def __init__(
        self,
        config: ReallocationConfig | None = None,
        *,
        ledger: Ledger | Journal | None = None,
        clock: Clock | None = None,
        on_alert: Callable[[Alert], None] | None = None,
        on_recovered: Callable[[str], None] | None = None,
        repair: bool = True,
        capacity: float = 1.0,
    ) -> None:
        if not isinstance(config, ReallocationConfig | None):
            raise ConfigurationError(other_kind("config", config, "a ReallocationConfig, or None for the default"))
        self.config = config or ReallocationConfig()
        self.journal: Journal = ledger.journal if isinstance(ledger, Ledger) else ledger or MemoryJournal()
        self.rules = Rules.of(self.config, capacity, self.journal.observe_only)
        self.books = AsyncJournal(self.journal, clock or SystemClock())
        self.loses = self.journal.loses
        self.last_report: Report | None = None
        self.heard: list[Request] = []  # for whoever polls and watches as well
        self.ended: list[Report] = []  # plans that were begun earlier and ended now, for whoever tells it
        self._requests: Requests | None = ledger.requests if isinstance(ledger, Ledger) else None
        self._on_alert, self._on_recovered, self._told = on_alert, on_recovered, set[str]()
        self._repair = repair
        self._driver: Driver | None = None  # of the last entry
        self._lock, self._running = asyncio.Lock(), ""
        self.limits: ShareLimits | None = None
        self.shares: dict[str, float] = {}
        self.next_best: NextBest | None = None
        self.away: Callable[[], Mapping[str, str]] | None = None
        self._observed = ObservedTargets()

    # the contract ----------------------------------------------------------------------------------------------------

    async def execute_reallocation(self, plan: AllocationPlan, adapters: Adapters) -> None:
        """Carry a plan out; `last_report` says how it ended.

        The call returns where every share was read back, where nothing had to change, and where this plan was carried
        out before (idempotent).

        Parameters
        ----------
        plan
            The plan.
        adapters
            Adapters by name.

        Raises
        ------
        ReallocationError
            Where a guard refuses the plan or it was rolled back, with `by`, `until` and `reason`.
        DataError
            Where the journal cannot be written: then nothing more is done.
        """
        if not isinstance(plan, AllocationPlan):
            raise ReallocationError(other_kind("plan", plan, "an AllocationPlan"), by="input")
        plan = plan if plan.id else plan.model_copy(update={"id": identity(plan)})
        if self._lock.locked() and self._running != plan.id:
            reason = f"{self._running or 'a repair'} is being carried out"
            report = Report(plan.id, MoveState.BLOCKED, None, reason, "busy")
        else:
            async with self._lock:
                self._running = plan.id
                try:
                    report = await self._execute(plan, adapters)
                finally:
                    self._running = ""
        self.last_report = report
        if report.verdict not in WELL and not (report.verdict is MoveState.REPEATED and not report.by):
            raise ReallocationError(report.reason, by=report.by, until=report.until)

    async def blocked(self) -> Blocked | None:
        """Return why no plan may be carried out now, and until when.

        Returns
        -------
        Blocked or None
            The guard's answer. None where a plan may be carried out.
        """
        return now_blocked(
            self.books, await self.books.standing(self.rules), self.rules, self.config.confirmation_lifetime
        )

    async def can_reallocate(self) -> None:
        """Return where a plan may be carried out now.

        Raises
        ------
        ReallocationError
            Where none may, with `reason` and `until`.
        """
        if blocked := await self.blocked():
            raise ReallocationError(blocked.reason, by=blocked.by, until=blocked.until)

    async def rollback_allocation(self, adapters: Adapters) -> None:
        """Roll back to the shares before the last plan in force, in absolute values.

        The hold and the budget of plans per hour do not apply.

        Parameters
        ----------
        adapters
            Adapters by name.

        Raises
        ------
        ReallocationError
            Where there is nothing to go back to, or it did not end well.
        """
        await self._roll_back(adapters)

    async def get_reallocation_history(self) -> list[AllocationChange]:
        """Return every change asked for, rollbacks and repairs too.

        Returns
        -------
        list
            AllocationChange records, the oldest first.
        """
        return await self.books.ask(self.journal.changes)

    async def get_recent_reallocations(self, hours: float) -> list[AllocationChange]:
        """Return the changes of the last hours.

        Parameters
        ----------
        hours
            Hours to look back.

        Returns
        -------
        list
            AllocationChange records, the oldest first.
        """
        try:
            since = moment_before(self.books.clock.now(), hours, 3600.0, "hours")
        except InvalidInput as error:
            raise ReallocationError(str(error), by="input") from None
        return await self.books.ask(self.journal.changes, since)

    async def get_newest_reallocations(self, count: int) -> list[AllocationChange]:
        """Return the last changes; this is as quick however long the history is.

        Parameters
        ----------
        count
            Number of changes.

        Returns
        -------
        list
            AllocationChange records, the oldest first.

        Raises
        ------
        ReallocationError
            Where `count` is no whole number from 0 on.
        """
        if type(count) is not int or count < 0:
            raise ReallocationError(f"count is {count!r:.60}; give how many changes, a whole number", by="input")
        return await self.books.ask(self.journal.changes, None, min(count, MOST))

    def estimate_reallocation_cost(self, protocol_count: int) -> float:
        """Return what changing several protocols costs, by `cost_per_protocol`.

        Parameters
        ----------
        protocol_count
            Number of protocols that change.

        Returns
        -------
        float
            USD.
        """
        count = protocol_count
        if not isinstance(count, (int, float)) or isinstance(count, bool) or not 0 <= count <= MOST:
            raise ReallocationError(f"protocol_count is {count!r:.60}; give how many protocols change", by="input")
        return self.config.cost_per_protocol * count

    # around it -------------------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The state of the state machine, with the history that led there."""
        return State() if self._driver is None else self._driver.state

    async def recover(self, adapters: Adapters) -> State:
        """End what was begun and put back what drifted; for a start and the begin of each cycle.

        Calling it again is harmless (idempotent).

        Parameters
        ----------
        adapters
            Adapters by name.

        Returns
        -------
        State
            The state afterwards.
        """
        async with self._lock:
            return (await self._catch_up(adapters)).state

    async def repair(self, adapters: Adapters) -> State:
        """Recover, and put back what drifted whatever `repair` was at the start.

        Parameters
        ----------
        adapters
            Adapters by name.

        Returns
        -------
        State
            The state afterwards.
        """
        async with self._lock:
            return (await self._catch_up(adapters, repair=True)).state

    async def confirm(self, plan_id: str, adapters: Adapters | None = None) -> None:
        """Confirm, as a person, the plan that waits.

        Parameters
        ----------
        plan_id
            The plan's `id`.
        adapters
            Adapters by name: the plan is carried out at once. None leaves that to the next cycle.

        Raises
        ------
        ReallocationError
            Where this plan does not wait, or waited too long.
        """
        waiting = await self.books.ask(self.journal.waiting)
        if waiting is None or waiting.plan_id != plan_id:
            instead = f"; {waiting.plan_id} does" if waiting else ""
            raise ReallocationError(f"plan {plan_id} does not wait for a confirmation{instead}", by="confirmation")
        if self.books.age(waiting.at) >= self.config.confirmation_lifetime.total_seconds():
            reason = f"plan {plan_id} waited too long: it has to be asked for again"
            raise ReallocationError(reason, by=MoveState.EXPIRED)
        await self.books.ask(self.journal.confirm, plan_id)
        if adapters is not None:
            await self.execute_confirmed(adapters)

    async def execute_confirmed(self, adapters: Adapters) -> bool:
        """Carry out the plan that a person confirmed.

        Parameters
        ----------
        adapters
            Adapters by name.

        Returns
        -------
        bool
            False where there is none.

        Raises
        ------
        ReallocationError
            As `execute_reallocation` does.
        """
        async with self._lock:
            if self._requests is not None:
                await self._hear(self._requests)
        waiting = await self.books.ask(self.journal.waiting)
        if waiting is None or not waiting.confirmed:
            return False
        try:
            await self.execute_reallocation(AllocationPlan.model_validate_json(waiting.plan), adapters)
        except ReallocationError as error:
            await self._answer(CONFIRM, waiting.plan_id, refused(error.by, error.reason, error.until))
            raise
        finally:
            async with self._lock:
                if self._requests is not None:
                    await self._hear(self._requests)
        return True

    async def execute_rollback_asked(self, adapters: Adapters) -> str:
        """Roll the last plan back where a person asked for that from another process.

        Parameters
        ----------
        adapters
            Adapters by name.

        Returns
        -------
        str
            The plan's `id`. "" where nobody asked.

        Raises
        ------
        ReallocationError
            As `rollback_allocation` does, and where another plan was carried out since: then it has to be asked for
            again.
        """
        if self._requests is None or self.journal.observe_only:
            return ""
        found = await self.books.ask(self._requests.all)
        queued = [each for each in found if each.kind == ROLLBACK and each.state is ActionState.QUEUED]
        asked = [each for each in queued if not each.is_late()]
        if not asked:
            return ""
        plan_id = asked[-1].plan_id or await last_plan(self.books)
        came = LATER  # what ends otherwise is asked for again in the next cycle
        try:
            await self._roll_back(adapters, plan_id)
            came = Heard()
        except ReallocationError as error:
            came = refused(error.by, error.reason, error.until)
            raise
        finally:
            # a process that ends before this asks again, and finds that it was done
            for each in asked:
                meant = each.plan_id or plan_id
                instead = came if came is LATER or meant == plan_id else overtaken(meant, plan_id)
                answer = await rolled_back(self.books, meant) or instead
                await self.books.ask(self._requests.done, each, answer.state, answer.problem, answer.operation)
        return plan_id

    async def resume(self, adapters: Adapters | None = None) -> None:
        """Allow moves again, after a person has looked at what halted the engine.

        Parameters
        ----------
        adapters
            Adapters by name: the shares in force are taken as the confirmed ones, and what was begun is over. None lets
            the next cycle go back to the shares confirmed last.

        Raises
        ------
        ReallocationError
            Where a share cannot be read.
        """
        async with self._lock:
            if adapters is not None:
                await take_as_it_is(await self._executor(adapters))
            await self._resume()

    async def held_protocols(self) -> dict[str, datetime]:
        """Return the protocols that still rest after a change, or stay where somebody put them.

        Returns
        -------
        dict
            End of the rest, by name.
        """
        standing = await self.books.standing(self.rules)
        found = held(self.books.ages(standing), self.books.clock.now(), self.rules)
        state = None if self._driver is None else self._driver.state
        if state is not None and state.phase is MoveState.VERIFYING:
            # what is left of this plan may go to those that it moves
            found = {name: until for name, until in found.items() if name not in state.touched}
        if self._observed.drifting:
            found |= self._observed.set_aside(self.books.clock.now())
        return {**found, **self.books.kept_until(standing, self.config.rollback_pause)} if standing.kept else found

    def fixed_protocols(self, adapters: Adapters) -> tuple[str, ...]:
        """Return the protocols whose adapters only read: a plan that moves one cannot be carried out.

        Parameters
        ----------
        adapters
            Adapters by name.

        Returns
        -------
        tuple
            Names. Empty in the modes observe and advise: a person may well be able to move them.
        """
        if self.config.mode in (Mode.OBSERVE, Mode.ADVISE):
            return ()
        if not isinstance(adapters, Mapping):
            raise ReallocationError(other_kind("adapters", adapters, "adapters by name"), by="input")
        return tuple(name for name, adapter in adapters.items() if only_reads(adapter))

    async def dry_run(self, plan: AllocationPlan, adapters: Adapters) -> tuple[str, ...]:
        """List the exact calls of a plan in order, without changing anything.

        Parameters
        ----------
        plan
            The plan.
        adapters
            Adapters by name; they are only read.

        Returns
        -------
        tuple
            One text per call, and last what forbids them now.
        """
        if not isinstance(plan, AllocationPlan):
            raise ReallocationError(other_kind("plan", plan, "an AllocationPlan"), by="input")
        executor = await self._executor(adapters)
        await executor.read_all()
        proposal = await examine(plan, executor, plan.expires_at)
        blocked = proposal.blocked or await self.blocked()
        calls = tuple(call_text(adapters[each.protocol], each) for each in proposal.changes)
        return (*calls, *((f"not now ({blocked.by}): {blocked.reason}",) if blocked else ()))

    def listen_to(self, requests: Requests) -> None:
        """Hear what people ask for in this box, where the ledger is in memory and has none.

        Parameters
        ----------
        requests
            The box, as `engine.ledger.operator_requests` makes it.

        Raises
        ------
        ReallocationError
            Where it is no such box.
        """
        if not isinstance(requests, Requests):
            raise ReallocationError(other_kind("requests", requests, "Requests(None)"), by="input")
        self._requests = requests

    def close(self) -> None:
        """End the thread that writes the journal; the ledger is closed by whoever opened it."""
        self.books.close()

    # inside ----------------------------------------------------------------------------------------------------------

    async def _executor(self, adapters: Adapters) -> Executor:
        """What acts on these adapters, and on what stands in for those that are missing; the journal was just read."""
        if not isinstance(adapters, Mapping) or not all(isinstance(name, str) for name in adapters):
            raise ReallocationError(other_kind("adapters", adapters, "adapters by name"), by="input")
        standing = await self.books.standing(self.rules)
        removed = {name: each for name, each in adapters.items() if isinstance(each, OrphanedProtocol)}
        if missing := standing.names - adapters.keys():
            removed |= await self.books.ask(holders, self.journal, missing, self.rules.tolerance)
        tell = self._tell, self._tell_over
        rules = self.rules
        if self.away is not None and (away := frozenset(self.away())):
            begun = standing.operation is not None
            gives = begun and any(standing.committed.get(name, 0.0) > FINEST for name in away)
            rules = replace(rules, away=away, gives_way=gives)
        executor = Executor(self.books, self.config, rules, adapters, removed, standing, *tell)
        executor.next_best, executor.observed = self.next_best, self._observed
        if standing.learned and not self._observed.late:
            self._observed.late = delays(standing.learned)
        return executor

    async def _catch_up(self, adapters: Adapters, repair: bool = False, waits: bool = True) -> Driver:
        """A driver that has read the journal and the world, and ended what could be ended."""
        if self._requests is not None:
            await self._hear(self._requests)
        executor = await self._executor(adapters)
        before = State() if self._driver is None else self._driver.state
        driver = self._driver = Driver(executor, before, self._repair or repair)
        standing = await executor.standing()
        if not self.journal.observe_only:
            if standing.waiting is not None:
                await expire(executor, standing.waiting)
            told = {key.removeprefix(KEY) for key in standing.open_alerts if key.startswith(KEY)}
            if told != executor.removed.keys():
                await self._tell_removed(executor, told)
        if not waits:
            executor.waits_until = self.books.clock.monotonic()
        for _ in range(2):
            driver.rolled_back = False
            await driver.feed(Started(self.books.clock.now()))
            if not driver.rolled_back:
                break
        if driver.report is not None and driver.report.verdict in ENDED:
            self.ended.append(driver.report)
        standing = await driver.executor.standing()
        self.limits = in_force(standing.learned, self.books) if standing.learned else None
        self.shares = {**standing.committed, **driver.executor.seen}
        if driver.state.phase is MoveState.HALTED and "halted" not in self._told:
            # halted by an earlier process: a halt is loud in this one too, once
            for alert in await self.books.ask(self.journal.alerts):
                if alert.key == "halted" and alert.recovered_at is None:
                    self._tell(alert)
        return driver

    async def _tell_removed(self, executor: Executor, told: set[str]) -> None:
        """Who is not configured any more and may still have a share: said when that begins, and closed when it ends."""
        for name in sorted(executor.removed.keys() - told):
            await executor.alert(KEY + name, executor.removed[name].text, 0.7)
        for name in sorted(told - executor.removed.keys()):
            await executor.recovered(KEY + name)

    def _tell(self, alert: Alert) -> None:
        self._told.add(alert.key)
        if self._on_alert is not None:
            self._on_alert(alert)

    def _tell_over(self, key: str) -> None:
        if self._on_recovered is not None:
            self._on_recovered(key)

    async def _hear(self, requests: Requests) -> None:
        """What people asked for from another process; what cannot be done any more is dropped."""
        if self.journal.observe_only:
            return
        for request in await self.books.ask(requests.all):
            if request.kind == ROLLBACK and request.state is ActionState.QUEUED and not request.is_late():
                continue  # it is carried out by execute_rollback_asked, which has the adapters
            answer = await hear(self.books, request)
            if answer.resumes:
                await self._resume()
            if answer.began is not None:
                self._tell(answer.began)
            if answer.over:
                self._tell_over(answer.over)
            if answer.state is None or answer.state is request.state:
                continue
            if request.state is ActionState.QUEUED:
                self.heard.append(replace(request, state=answer.state, problem=answer.problem))
            await self.books.ask(requests.done, request, answer.state, answer.problem, answer.operation)

    async def _answer(self, kind: str, plan_id: str, answer: Heard) -> None:
        """Says what came of the requests for a plan that are being carried out."""
        if self._requests is None:
            return
        for each in await self.books.ask(self._requests.all):
            if (each.kind, each.plan_id, each.state) == (kind, plan_id, ActionState.RUNNING):
                await self.books.ask(self._requests.done, each, answer.state, answer.problem, answer.operation)

    async def _resume(self) -> None:
        await self.books.ask(self.journal.resume)
        for key in ("halted", "unsettled"):
            if await self.books.ask(self.journal.recovered, key, self.books.clock.now()):
                self._tell_over(key)
        self._told.discard("halted")
        if self._driver is not None:
            self._driver.state = State(history=self._driver.state.history)

    async def _execute(self, plan: AllocationPlan, adapters: Adapters) -> Report:
        first = await self.books.ask(self.journal.operation_of, plan.id)
        if first is not None and first.state not in OPEN:
            return repeated(first)
        driver = await self._catch_up(adapters)
        first = await self.books.ask(self.journal.operation_of, plan.id)
        if first is not None:
            return repeated(first)
        waiting = (await driver.executor.standing(anew=True)).waiting
        confirmed = waiting is not None and waiting.confirmed
        if waiting is not None and confirmed:
            plan = AllocationPlan.model_validate_json(waiting.plan)
        proposal = await examine(plan, driver.executor, None if confirmed else plan.expires_at)
        driver.plan, driver.proposal, driver.report = plan, proposal, None
        driver.executor.waits_until = self.books.clock.monotonic() + WAITS.get()
        if waiting is not None and confirmed:
            await driver.executor.write(self.journal.drop_waiting)
            await driver.executor.recovered(f"confirm-{plan.id}")
        asks = not confirmed and (self.config.require_confirmation or self.config.mode is Mode.CONFIRM)
        if asks and proposal.blocked is None:
            said_no = await declined_before(self.books, plan, self.config.confirmation_lifetime)
            proposal = replace(proposal, blocked=said_no)
        now = driver.executor.now()
        until = now + self.config.confirmation_lifetime if asks else None
        await driver.feed(Proposed(now, plan.id, proposal.changes, proposal.blocked, until))
        return driver.report or Report(plan.id, MoveState.BLOCKED, None, "nothing was done", "busy")

    async def _roll_back(self, adapters: Adapters, plan_id: str = "") -> None:
        """Takes the last plan back, or the one that is carried out, if it is still this one."""
        async with self._lock:
            begun = (await self.books.standing(self.rules)).operation
            driver = await self._catch_up(adapters, waits=begun is None or begun.state is not MoveState.APPLYING)
            driver.executor.waits_until = self.books.clock.monotonic() + WAITS.get()
            of_plan, event = await begin_rollback(driver.executor, driver.state, plan_id)
            await driver.feed(event)
            await must_be_back(driver.executor, driver.state, of_plan)
