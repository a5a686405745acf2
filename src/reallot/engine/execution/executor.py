"""The acting half of the engine: each command of the machine carried out, its outcome handed back as an event.

Everything is written down before it is done. What a call did is decided by reading back, and by nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import ParamSpec, TypeVar

from ...errors import DataError
from ..contracts.adapter import ProtocolAdapter, capabilities_of
from ..contracts.configs import ReallocationConfig
from ..contracts.move_state import MoveState
from ..contracts.records import Alert, ChangeKind
from ..ledger.journal import Decision, Operation, Standing, Step, StepState
from .adapter_calls import Outcome, Reading, ask_for, found_instead, own_slack, read_shares, state_left
from .guards import FINEST, Change, Rules, capacity_blocks, close_to, room_for
from .journal_thread import AsyncJournal
from .learned_limits import taken, would_not
from .leftover import leftover
from .move_events import (
    Answered,
    Balanced,
    Event,
    NotConfirmed,
    Partly,
    Refused,
    RollbackFailed,
    RollbackUnknown,
    RolledBack,
    Seen,
)
from .orphaned import OrphanedProtocol

P = ParamSpec("P")
T = TypeVar("T")
READ_SECONDS = 10.0
FIRST_PAUSE, LONGEST_PAUSE, SHORTEST_PAUSE = 1.0, 30.0, 0.01
ROUND_PAUSE = 5.0
ROUNDING = 1e-9
"""Shares above capacity by less are rounding."""
NEAR = 0.005
"""What was put back this near to where it was is back: shares are measured, and there may be no more room."""
MOST_BALANCES = 2
"""So often what is left is handed on or given back; after that it stays free."""
NextBest = Callable[[Mapping[str, float], Collection[str]], Mapping[str, float]]


class Executor:
    """Carries out one operation at a time on these adapters.

    seen      the last share read of each protocol; what was never read counts as what the journal believes
    readings  what was said when all were last read at once
    removed   those among `adapters` that only stand in for one that is not there any more
    drifting  protocols that somebody else keeps changing: the share that was read, and since when (steady seconds)
    next_best where what a protocol would not take may go instead: shares by name, of these shares and refusals
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
        tell_over: Callable[[str], None] = lambda key: None,
    ) -> None:
        self.books, self.config, self.rules, self._tell, self._tell_over = books, config, rules, tell, tell_over
        self.now = books.clock.now
        self.adapters: dict[str, ProtocolAdapter] = {**adapters, **removed}
        self.removed = removed
        self._standing: Standing | None = standing
        self.seen: dict[str, float] = {}
        self.readings: dict[str, Reading] = {}
        self.operation: Operation | None = None
        self.next_best: NextBest | None = None
        self.drifting: dict[str, tuple[float, float]] = {}
        self._steps: dict[str, Step] = {}
        self._rounds = self._balances = 0
        self.trimmed: dict[str, float] = {}
        self._took_less, self._learned = False, bool(standing.learned)
        own = {name: slack for name, each in adapters.items() if (slack := own_slack(each)) > 0.0}
        if own:
            self.rules = replace(rules, own={**own, **rules.own})

    # the journal -----------------------------------------------------------------------------------------------------

    async def standing(self, *, anew: bool = False) -> Standing:
        """What the journal says; read again after anything was written, or `anew`."""
        if anew or self._standing is None:
            self._standing = await self.books.standing(self.rules)
        return self._standing

    async def write(self, method: Callable[P, T], *values: P.args, **named: P.kwargs) -> T:
        """Writes to the journal: what was read of it before does not hold any more. Raises DataError."""
        self._standing = None
        return await self.books.ask(method, *values, **named)

    async def recovered(self, key: str) -> None:
        """Closes the alert of this key, where it is open."""
        if key in (await self.standing()).open_alerts:
            await self.write(self.books.journal.recovered, key, self.now())
            self._tell_over(key)

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
        reading = (await read_shares({name: adapter}, READ_SECONDS))[name]
        if reading.share is not None:
            self.seen[name] = reading.share
        return reading

    async def possible(self) -> tuple[dict[str, float], datetime | None]:
        """The most that each protocol may have now, and when the calls without an answer are no longer possible."""
        most, before = dict(self.seen), self.operation.before if self.operation else {}
        for name in sorted({*self.adapters, *before} - self.seen.keys()):
            written = await self.books.ask(self.books.journal.most, name)
            most[name] = before.get(name, 0.0) if written is None else written
        until = None
        if unsettled := (await self.standing()).unsettled:
            for each, end in self.books.may_still_act(unsettled, self.config.late_effects):
                if each.after > most.get(each.protocol, 0.0):
                    most[each.protocol] = each.after
                    until = end if until is None else max(until, end)
        return most, until

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
        possible, free_at = await self.possible()
        room = room_for(name, possible, self.rules)
        if free_at is None and not change.releases and change.after > room + ROUNDING:
            # what is read to be free is all there is to give
            if room - change.before > FINEST:
                change = replace(change, after=room)
                self.trimmed[name] = room
            elif self.next_best is not None or self._took_less:
                return Partly(self.now(), name, f"there is no room for {name} to grow: {room:.4f} is all it can have")
        blocked = capacity_blocks(change, possible, free_at, self.rules)
        if blocked is not None:
            return Refused(self.now(), name, blocked.reason)
        entry = await self._sent(change)
        outcome, reason = await self._call(change, entry.key)
        if outcome is Outcome.REFUSED:
            await self.mark(entry, StepState.REFUSED, reason)
            reading = await self.read(name)
            said = f"{name} refused: {reason}"
            partly = await self._partly(change, reading, said)
            return Refused(self.now(), name, said) if partly is None else partly
        self._steps[name] = replace(entry, may_act=outcome is Outcome.LOST, detail=reason)
        return Answered(self.now(), name)

    async def _sent(self, change: Change) -> Step:
        """The change in the journal, as a call that is made now."""
        entry, journal, at = self._steps.get(change.protocol), self.books.journal, self.books.stamp()
        if entry is None or entry.state is not StepState.INTENT:
            values = (change.protocol, change.before, change.after, at)
            entry = await self.write(journal.add_step, self._open().id, ChangeKind.MOVE, *values)
        else:
            entry = replace(entry, after=change.after)
            await self.write(journal.send, entry, at)
        self._steps[change.protocol] = entry = replace(entry, state=StepState.SENT)
        self.operation = replace(self._open(), state=MoveState.APPLYING)
        return entry

    async def read_back(self, change: Change, last: bool, until: datetime | None) -> Event:
        """Reads one share until it is as asked; with the last one, all of them once more."""
        entry = self._steps[change.protocol]
        change = replace(change, after=entry.after)
        reading = await self._verified(change)
        if not self.matches(reading, change):
            detail = found_instead(change, reading, entry.detail)
            state, partly = state_left(reading, entry.may_act), None
            if state is StepState.REFUSED and reading.share is not None and not self.matches(reading, change.reversed):
                # it is over, and this is where it led
                self._steps[change.protocol] = replace(entry, after=reading.share, state=StepState.CONFIRMED)
                await self.mark(entry, StepState.CONFIRMED, detail, after=reading.share)
            else:
                await self.mark(entry, state, detail, may_act=entry.may_act)
            if state is StepState.REFUSED:
                partly = await self._partly(change, reading, detail)
            return NotConfirmed(self.now(), change.protocol, detail) if partly is None else partly
        self._steps[change.protocol] = replace(entry, state=StepState.CONFIRMED)
        await self.mark(entry, StepState.CONFIRMED)
        if self._learned:
            await taken(self, change)
        if last:
            for name, each in self._steps.items():
                other = Change(name, each.before, each.after)
                if name == change.protocol or each.state is not StepState.CONFIRMED:
                    continue
                if not self.matches(again := await self.read(name), other):
                    detail = found_instead(other, again, "it was there before")
                    return NotConfirmed(self.now(), change.protocol, detail)
        return Seen(self.now(), change.protocol, until)

    async def _partly(self, change: Change, reading: Reading, reason: str) -> Partly | None:
        """That a call is over and was taken in part; what is learned of it is kept.

        None where the move has to be put back: nothing was taken and nobody says who else would take it, or the share
        is not where such a call can leave it.
        """
        self._learned = True
        await would_not(self, change, reading, reason)
        share, slack = reading.share, self.rules.same(change.protocol, change.after - change.before)
        if share is None or (self.next_best is None and abs(share - change.before) <= slack):
            return None
        if change.releases:
            is_where_it_can_be = share <= change.before + slack
        else:
            most, free_at = await self.possible()
            fits = free_at is None and sum(most.values()) <= self.rules.capacity + self.rules.slack_of(most)
            is_where_it_can_be = fits and share >= change.before - slack
        self._took_less = self._took_less or is_where_it_can_be
        return Partly(self.now(), change.protocol, reason) if is_where_it_can_be else None

    async def balance(self, names: Collection[str], reason: str, until: datetime | None) -> Event:
        """What becomes of capacity that was given up and not taken by `names`."""
        for name in self._steps:
            if (reading := await self.read(name)).share is None:
                return Balanced(self.now(), undo=f"{reason}; {name} cannot be read: {reading.reason}")
        self._balances += 1
        rest = leftover(self._open(), self.in_force(), names, self.rules)
        if rest.size > self.rules.slack_of(self._steps) and self._balances == 1 and self.next_best is not None:
            rest = rest.handed_on(self.next_best(self.in_force(), names))
        if rest.changes and self._balances <= MOST_BALANCES:
            return Balanced(self.now(), rest.changes)
        return Balanced(self.now(), undo="" if rest.achieved else reason, until=until)

    def in_force(self) -> dict[str, float]:
        """Shares of the protocols of the operation as they were read last; as they were before where they were not."""
        return {name: self.seen.get(name, share) for name, share in self._open().before.items()}

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
        if close_to(reading.share, change.after, self.rules.slack(name)):
            return RolledBack(self.now(), name)
        possible, free_at = await self.possible()
        room = max(room_for(name, possible, self.rules), reading.share)
        others = {each: most for each, most in possible.items() if each != name}
        are_back = all(abs(most - operation.before.get(each, most)) <= NEAR for each, most in others.items())
        short = free_at is None and are_back and ROUNDING < change.after - room <= NEAR
        asked = Change(name, reading.share, room if short else change.after)
        if short and asked.after - asked.before <= FINEST:
            return RolledBack(self.now(), name)
        blocked = capacity_blocks(asked, possible, free_at, self.rules)
        if blocked is not None:
            if blocked.by == MoveState.SETTLING or possible.keys() - self.seen.keys():
                return RollbackUnknown(self.now(), name, blocked.reason, free_at)
            return RollbackFailed(self.now(), name, blocked.reason)
        kind = ChangeKind.REPAIR if operation.kind is ChangeKind.REPAIR else ChangeKind.ROLLBACK
        add, at = self.books.journal.add_step, self.books.stamp()
        entry = await self.write(add, operation.id, kind, name, asked.before, asked.after, at)
        outcome, reason = await self._call(asked, entry.key)
        if outcome is Outcome.REFUSED:
            await self.mark(entry, StepState.REFUSED, reason)
            return RollbackFailed(self.now(), name, f"{name} refused: {reason}")
        return await self._verify_rollback(asked, entry, outcome, reason)

    async def _verify_rollback(self, change: Change, entry: Step, outcome: Outcome, reason: str) -> Event:
        reading = await self._verified(change)
        is_near = (
            reading.share is not None and outcome is Outcome.ANSWERED and abs(reading.share - change.after) <= NEAR
        )
        if self.matches(reading, change) or (is_near and not self.matches(reading, change.reversed)):
            await self.mark(entry, StepState.CONFIRMED, after=reading.share)
            return RolledBack(self.now(), change.protocol)
        detail = found_instead(change, reading, reason)
        lost = outcome is Outcome.LOST
        await self.mark(entry, state_left(reading, lost), detail, may_act=lost)
        if reading.share is None:
            return RollbackUnknown(self.now(), change.protocol, detail)
        return RollbackFailed(self.now(), change.protocol, detail)

    # what both ways need ---------------------------------------------------------------------------------------------

    async def advance(
        self,
        state: MoveState,
        reason: str = "",
        rounds: int = 0,
        decision: Decision | None = None,
        shares: Mapping[str, float] | None = None,
    ) -> None:
        """Writes the operation's next state down, and in the same write what was decided on its plan."""
        operation, at = self._open(), self.books.stamp()
        await self.write(self.books.journal.advance, operation.id, state, at, reason, rounds, decision, shares)
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

    def matches(self, reading: Reading, change: Change) -> bool:
        """True where the share was read that the change leads to; what could not be read matches nothing."""
        if reading.share is None:
            return False
        return close_to(reading.share, change.after, self.rules.same(change.protocol, change.after - change.before))

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
            if self.matches(reading, change) or left <= 0.0:
                return reading
            await clock.sleep(max(min(pause, left), SHORTEST_PAUSE))
            pause = min(2.0 * pause, LONGEST_PAUSE)

    async def mark(
        self, entry: Step, state: StepState, detail: str = "", may_act: bool = False, after: float | None = None
    ) -> None:
        """The next state of a call."""
        mark = self.books.journal.mark
        await self.write(mark, entry, state, self.books.stamp(), may_act=may_act, detail=detail, after=after)

    def _open(self) -> Operation:
        if self.operation is None:
            raise DataError("the journal has no operation to go on with")
        return self.operation
