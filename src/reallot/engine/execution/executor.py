"""The acting half of the engine: each command of the machine carried out, its outcome handed back as an event.

Everything is written down before it is done. What a call did is decided by reading back, and by nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar

from ...errors import DataError
from ..contracts.adapter import ProtocolAdapter, capabilities_of
from ..contracts.move_state import MoveState
from ..contracts.records import Alert, ChangeKind, ReallocationConfig
from ..ledger.journal import Decision, Operation, Standing, Step, StepState
from .adapter_calls import Outcome, Reading, ask_for, read_share, read_shares
from .guards import Change, Rules, capacity_blocks, close_to
from .journal_thread import AsyncJournal
from .orphaned import OrphanedProtocol
from .state_machine import Answered, Event, NotConfirmed, Refused, RollbackFailed, RollbackUnknown, RolledBack, Seen

P = ParamSpec("P")
T = TypeVar("T")
READ_SECONDS = 10.0
FIRST_PAUSE, LONGEST_PAUSE, SHORTEST_PAUSE = 1.0, 30.0, 0.01
ROUND_PAUSE = 5.0


class Executor:
    """Carries out one operation at a time on these adapters.

    seen      the last share read of each protocol; what was never read counts as what the journal believes
    readings  what was said when all were last read at once
    removed   those among `adapters` that only stand in for one that is not there any more
    """

    def __init__(
        self,
        books: AsyncJournal,
        config: ReallocationConfig,
        rules: Rules,
        adapters: Mapping[str, ProtocolAdapter],
        removed: Mapping[str, OrphanedProtocol],
        standing: Standing,
        tell: Callable[[Alert], None],
    ) -> None:
        self.books, self.config, self.rules, self._tell = books, config, rules, tell
        self.adapters: dict[str, ProtocolAdapter] = {**adapters, **removed}
        self.removed = removed
        self._standing: Standing | None = standing
        self.seen: dict[str, float] = {}
        self.readings: dict[str, Reading] = {}
        self.operation: Operation | None = None
        self._steps: dict[str, Step] = {}
        self._rounds = 0

    def now(self) -> datetime:
        """Wall time."""
        return self.books.clock.now()

    # the journal -----------------------------------------------------------------------------------------------------

    async def standing(self) -> Standing:
        """What the journal says; read again after anything was written."""
        if self._standing is None:
            return await self.look()
        return self._standing

    async def look(self) -> Standing:
        """What the journal says now."""
        self._standing = found = await self.books.ask(self.books.journal.standing, max(self.rules.max_per_hour, 1))
        return found

    async def write(self, method: Callable[P, T], *values: P.args, **named: P.kwargs) -> T:
        """Writes to the journal: what was read of it before does not hold any more. Raises DataError."""
        self._standing = None
        return await self.books.ask(method, *values, **named)

    async def recovered(self, key: str) -> None:
        """Closes the alert of this key, where it is open."""
        if key in (await self.standing()).open_alerts:
            await self.write(self.books.journal.recovered, key, self.now())

    # reading ---------------------------------------------------------------------------------------------------------

    async def read_all(self) -> dict[str, Reading]:
        """Every share, read at once."""
        self.readings = await read_shares(self.adapters, READ_SECONDS)
        self.seen.update({name: each.share for name, each in self.readings.items() if each.share is not None})
        return self.readings

    async def read(self, name: str) -> Reading:
        """One share."""
        adapter = self.adapters.get(name)
        if adapter is None:
            return Reading(None, "there is no adapter of this name")
        reading = await read_share(adapter, READ_SECONDS)
        if reading.share is not None:
            self.seen[name] = reading.share
        return reading

    async def possible(self) -> tuple[dict[str, float], datetime | None]:
        """The most that each protocol may have now, and when the calls without an answer are no longer possible."""
        most = dict(self.seen)
        for name in self._unseen():
            written = await self.books.ask(self.books.journal.most, name)
            most[name] = self._before(name) if written is None else written
        until = None
        unsettled = await self.books.ask(self.books.journal.unsettled)
        for each, end in self.books.may_still_act(unsettled, self.config.late_effects):
            if each.after > most.get(each.protocol, 0.0):
                most[each.protocol] = each.after
                until = end if until is None else max(until, end)
        return most, until

    def _unseen(self) -> list[str]:
        known = {*self.adapters, *(self.operation.before if self.operation else ())}
        return sorted(known - self.seen.keys())

    def _before(self, name: str) -> float:
        return self.operation.before.get(name, 0.0) if self.operation else 0.0

    # going forward ---------------------------------------------------------------------------------------------------

    async def begin(
        self,
        plan_id: str,
        kind: ChangeKind,
        before: Mapping[str, float],
        after: Mapping[str, float],
        changes: tuple[Change, ...],
    ) -> None:
        """Writes the plan and its steps down."""
        steps = [(each.protocol, each.before, each.after) for each in changes]
        begin = self.books.journal.begin
        self.operation = await self.write(begin, plan_id, kind, before, after, steps, self.books.stamp())
        self._steps = {each.protocol: each for each in self.operation.steps}

    async def send(self, change: Change) -> Event:
        """Asks one protocol for its share: Answered, whatever is not a clear refusal."""
        name = change.protocol
        blocked = capacity_blocks(change, *await self.possible(), self.rules)
        if blocked is not None:
            return Refused(self.now(), name, blocked.reason)
        entry = self._steps[name]
        await self.write(self.books.journal.send, entry, self.books.stamp())
        self.operation = replace(self._open(), state=MoveState.APPLYING)
        outcome, reason = await self._call(change, entry.key)
        if outcome is Outcome.REFUSED:
            await self._mark(entry, StepState.REFUSED, reason)
            return Refused(self.now(), name, f"{name} refused: {reason}")
        self._steps[name] = replace(entry, may_act=outcome is Outcome.LOST, detail=reason)
        return Answered(self.now(), name)

    async def read_back(self, change: Change, last: bool, until: datetime | None) -> Event:
        """Reads one share until it is as asked; with the last one, all of them once more."""
        entry = self._steps[change.protocol]
        reading = await self._verified(change)
        if not self.matches(reading, change.after):
            detail = _found(change, reading, entry.detail)
            await self._mark(entry, _left(reading, entry.may_act), detail, may_act=entry.may_act)
            return NotConfirmed(self.now(), change.protocol, detail)
        await self._mark(entry, StepState.CONFIRMED)
        if last:
            for name, each in self._steps.items():
                if name != change.protocol and not self.matches(again := await self.read(name), each.after):
                    detail = _found(Change(name, each.before, each.after), again, "it was there before")
                    return NotConfirmed(self.now(), change.protocol, detail)
        return Seen(self.now(), change.protocol, until)

    # going back ------------------------------------------------------------------------------------------------------

    async def roll_back(self, change: Change, round_number: int) -> Event:
        """Writes the absolute previous share of one protocol, where it is not there already, and reads it back."""
        if round_number > self._rounds:
            await self.advance(MoveState.ROLLING_BACK, rounds=round_number)
            await self.books.clock.sleep(ROUND_PAUSE * 2.0 ** (round_number - 1))
            self._rounds = round_number
        name, operation = change.protocol, self._open()
        reading = await self.read(name)
        if reading.share is None:
            return RollbackUnknown(self.now(), name, f"{name} cannot be read: {reading.reason}")
        if close_to(reading.share, change.after, self.rules.tolerance):
            return RolledBack(self.now(), name)
        asked = Change(name, reading.share, change.after)
        possible, free_at = await self.possible()
        blocked = capacity_blocks(asked, possible, free_at, self.rules)
        if blocked is not None:
            if blocked.by == MoveState.SETTLING or self._unseen():
                return RollbackUnknown(self.now(), name, blocked.reason, free_at)
            return RollbackFailed(self.now(), name, blocked.reason)
        kind = ChangeKind.REPAIR if operation.kind is ChangeKind.REPAIR else ChangeKind.ROLLBACK
        add, at = self.books.journal.add_step, self.books.stamp()
        entry = await self.write(add, operation.id, kind, name, asked.before, asked.after, at)
        outcome, reason = await self._call(asked, entry.key)
        if outcome is Outcome.REFUSED:
            await self._mark(entry, StepState.REFUSED, reason)
            return RollbackFailed(self.now(), name, f"{name} refused: {reason}")
        return await self._verify_rollback(asked, entry, outcome, reason)

    async def _verify_rollback(self, change: Change, entry: Step, outcome: Outcome, reason: str) -> Event:
        reading = await self._verified(change)
        if self.matches(reading, change.after):
            await self._mark(entry, StepState.CONFIRMED)
            return RolledBack(self.now(), change.protocol)
        detail = _found(change, reading, reason)
        lost = outcome is Outcome.LOST
        await self._mark(entry, _left(reading, lost), detail, may_act=lost)
        if reading.share is None:
            return RollbackUnknown(self.now(), change.protocol, detail)
        return RollbackFailed(self.now(), change.protocol, detail)

    # what both ways need ---------------------------------------------------------------------------------------------

    async def advance(
        self, state: MoveState, reason: str = "", rounds: int = 0, decision: Decision | None = None
    ) -> None:
        """Writes the operation's next state down, and in the same write what was decided on its plan."""
        operation, at = self._open(), self.books.stamp()
        await self.write(self.books.journal.advance, operation.id, state, at, reason, rounds, decision)
        self.operation = replace(operation, state=state, reason=reason or operation.reason)

    async def decision(self, verdict: MoveState, reason: str) -> Decision | None:
        """The decision on a plan that an earlier process began; the plan's text is in the one that it wrote first."""
        operation = self._open()
        if operation.kind is not ChangeKind.MOVE:
            return None
        known = await self.books.ask(self.books.journal.decision_of, operation.plan_id)
        plan = "" if known is None else known.plan
        return Decision(operation.plan_id, self.now(), verdict, reason, plan, "")

    async def adopt_operation(self, operation: Operation) -> None:
        """Goes on with an operation found in the journal."""
        self.operation, self._rounds = operation, operation.rounds
        steps = await self.books.ask(self.books.journal.steps, operation.id)
        self._steps = {each.protocol: each for each in steps if each.kind is ChangeKind.MOVE}

    async def settle(self, readings: dict[str, Reading]) -> None:
        """Ends what was unknown, by what is read: it happened, or its time is over and it did not.

        A share that may still change by itself is asked for once more where it was not read: `readings` gets it.
        """
        window = self.config.late_effects.total_seconds()
        found = (await self.standing()).unsettled
        for each in found:
            in_time = each.may_act and self.books.age(each.at) < window
            share = readings[each.protocol].share if each.protocol in readings else None
            if share is None and in_time and each.protocol in readings:
                readings[each.protocol] = await self.read(each.protocol)
                share = readings[each.protocol].share
            if share is None:
                continue
            if close_to(share, each.after, self.rules.tolerance) and each.state is not StepState.CONFIRMED:
                # a later or an equal call may be what is seen: then this one may still be on its way
                alone = sum(other.protocol == each.protocol for other in found) == 1
                surely = alone and await self.books.ask(self.books.journal.last_call, each.protocol) == each.id
                await self._mark(each, StepState.CONFIRMED, "read back later", may_act=in_time and not surely)
            elif not in_time:
                state = each.state if each.state is StepState.CONFIRMED else StepState.REFUSED
                await self._mark(each, state, f"it did not happen: read back as {share:.6g}")

    def matches(self, reading: Reading, share: float) -> bool:
        """True where that share was read; what could not be read matches nothing."""
        return reading.share is not None and close_to(reading.share, share, self.rules.tolerance)

    async def alert(self, key: str, message: str, severity: float) -> None:
        """Raises an alert, once while it lasts."""
        alert = Alert(key=key, message=message, severity=severity, timestamp=self.now())
        if await self.write(self.books.journal.raise_alert, alert):
            self._tell(alert)

    async def halt(self, frozen: tuple[Change, ...], reason: str, decision: Decision | None) -> None:
        """Halts, with one alert, and closes the operation with the decision on its plan."""
        alert = Alert(key="halted", message=f"nothing is moved any more: {reason}", severity=1.0, timestamp=self.now())
        names = {each.protocol: f"to be at {each.after:.6g}: {reason}" for each in frozen}
        if await self.write(self.books.journal.halt, alert, names):
            self._tell(alert)
        if self.operation is not None:
            await self.advance(MoveState.HALTED, reason, decision=decision)

    async def _call(self, change: Change, key: str) -> tuple[Outcome, str]:
        seconds = self.config.apply_timeout.total_seconds()
        # from here on the share read before says nothing: it may be either until it is read again
        self.seen.pop(change.protocol, None)
        return await ask_for(self.adapters[change.protocol], change.after, key, seconds)

    async def _verified(self, change: Change) -> Reading:
        """Reads until the share is as asked or the time for it is over; the last reading."""
        clock = self.books.clock
        delay = capabilities_of(self.adapters[change.protocol]).delay
        deadline = clock.monotonic() + (self.config.verify_timeout + delay).total_seconds()
        pause = FIRST_PAUSE
        while True:
            reading = await self.read(change.protocol)
            left = deadline - clock.monotonic()
            if self.matches(reading, change.after) or left <= 0.0:
                return reading
            await clock.sleep(max(min(pause, left), SHORTEST_PAUSE))
            pause = min(2.0 * pause, LONGEST_PAUSE)

    async def _mark(self, entry: Step, state: StepState, detail: str = "", may_act: bool = False) -> None:
        mark = self.books.journal.mark
        await self.write(mark, entry, state, self.books.stamp(), may_act=may_act, detail=detail)

    def _open(self) -> Operation:
        if self.operation is None:
            raise DataError("the journal has no operation to go on with")
        return self.operation


def _found(change: Change, reading: Reading, said: str) -> str:
    """What was read in place of what was asked for."""
    what = f"could not be read ({reading.reason})" if reading.share is None else f"was read as {reading.share:.6g}"
    return f"{change.protocol} was asked for {change.after:.6g} and {what}" + (f"; {said}" if said else "")


def _left(reading: Reading, may_act: bool) -> StepState:
    """The state of a call that was not seen: only one that was answered, and whose share was read, is surely over."""
    return StepState.UNKNOWN if reading.share is None or may_act else StepState.REFUSED


def end_of_hold(at: datetime, rules: Rules) -> datetime | None:
    """When what changes now may change again."""
    return at + timedelta(seconds=rules.hold_seconds) if rules.hold_seconds > 0.0 else None
