"""The acting half of the engine: each command of the machine carried out, its outcome handed back as an event.

Everything is written down before it is done. What a call did is decided by reading back, and by nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import replace
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar

from ...errors import DataError
from ..contracts.adapter import ProtocolAdapter
from ..contracts.configs import ReallocationConfig
from ..contracts.move_state import MoveState
from ..contracts.records import Alert, ChangeKind
from ..contracts.validation import capabilities_of
from ..ledger.journal import LOOKED_FOR, Decision, Operation, Standing, Step, StepState
from .adapter_calls import Outcome, Reading, ask_for, found_instead, own_slack, read_shares, state_left
from .guards import FINEST, Change, Rules, capacity_blocks, close_to, room_for
from .journal_thread import AsyncJournal
from .learned_limits import learned_step, taken, whole, would_not
from .move_events import (
    Answered,
    Event,
    NotConfirmed,
    NotYet,
    Partly,
    Refused,
    RollbackUnknown,
    Seen,
)
from .observed_targets import ObservedTargets
from .orphaned import OrphanedProtocol

WAITS: ContextVar[float] = ContextVar("WAITS", default=math.inf)
"""Seconds that a call into the engine waits for effects: a cycle sets it, and all others wait to the end."""
IN_A_CYCLE = 10.0
"""So long a cycle waits at most before it polls, and where nothing says how long it may."""
LET_GO = "let go before it was seen"
"""Detail of a call that was looked for, and is put back."""
P = ParamSpec("P")
T = TypeVar("T")
READ_SECONDS = 10.0
FIRST_PAUSE, LONGEST_PAUSE, SHORTEST_PAUSE = 1.0, 30.0, 0.01
ROUNDING = 1e-9
"""Shares above capacity by less are rounding."""
NextBest = Callable[[Mapping[str, float], Collection[str]], Mapping[str, float]]


class Executor:
    """Carries out one operation at a time on these adapters.

    seen      the last share read of each protocol; what was never read counts as what the journal believes
    readings  what was said when all were last read at once
    removed   those among `adapters` that only stand in for one that is not there any more
    observed  what targets showed before
    rounds    rounds of the way back so far; asked_back are its last calls, by name
    balances  how often what was left of the plan was handed on or given back
    trimmed   True where a share was asked for that is smaller than planned
    next_best where what a protocol would not take may go instead: shares by name, of these shares and refusals
    waits_until  steady seconds until which effects are waited for; what is not seen then is left to the next cycle
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
        self.observed = ObservedTargets()
        self._steps: dict[str, Step] = {}
        self.rounds = self.balances = 0
        waits = WAITS.get()
        self.waits_until = books.clock.monotonic() + (waits if math.isinf(waits) else min(waits, IN_A_CYCLE))
        self._took_less, self._learned = False, bool(standing.learned)
        self.asked_back: dict[str, Step] = {}
        self.trimmed = False
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
            for each, end in self.books.may_still_act(unsettled, self.late_effects(unsettled)):
                if each.after > most.get(each.protocol, 0.0):
                    most[each.protocol] = each.after
                elif not each.is_looked_for:
                    continue
                until = end if until is None else max(until, end)
        return most, until

    def late_effects(self, unsettled: Iterable[Step]) -> timedelta:
        """How long these calls may still take effect: longer than configured where adapters say, or showed, so."""
        able, delay = self.adapters, self.observed.delay
        said = (delay(each.protocol, able[each.protocol]) for each in unsettled if each.protocol in able)
        return max([self.config.late_effects, *(delay + self.config.verify_timeout for delay in said if delay)])

    # going forward ---------------------------------------------------------------------------------------------------

    async def begin(
        self,
        plan_id: str,
        before: Mapping[str, float],
        after: Mapping[str, float],
        changes: tuple[Change, ...],
    ) -> None:
        """Writes the plan and its steps down."""
        steps = [(each.protocol, each.before, each.after) for each in changes]
        begin = self.books.journal.begin
        self.operation = await self.write(begin, plan_id, ChangeKind.MOVE, before, after, steps, self.books.stamp())
        self._steps = {each.protocol: each for each in self.operation.steps}

    async def send(self, change: Change) -> Event:
        """Asks one protocol for its share: Answered, whatever is not a clear refusal."""
        name = change.protocol
        possible, free_at = await self.possible()
        keeps = self.rules.gives_way or name in self.rules.away
        room = change.before if keeps else room_for(name, possible, self.rules)
        if (free_at is None or keeps) and not change.releases and change.after > room + ROUNDING:
            # what is read to be free is all there is to give, in whole steps
            learned = (await self.standing()).learned
            room = whole(room, max(capabilities_of(self.adapters[name]).step, learned_step(learned, name)))
            if room - change.before > FINEST:
                change, self.trimmed = replace(change, after=room), True
            elif self.next_best is not None or self._took_less:
                return Partly(self.now(), name, f"there is no room for {name} to grow: {room:.4f} is all it can have")
        blocked = capacity_blocks(change, possible, free_at, self.rules)
        if blocked is not None:
            return Refused(self.now(), name, blocked.reason)
        entry = await self._sent(change)
        outcome, reason = await self.call(change, entry.key)
        if outcome is Outcome.REFUSED:
            await self.mark(entry, StepState.REFUSED, reason)
            reading = await self.read(name)
            said = f"{name} refused: {reason}"
            partly = await self._partly(change, reading, said)
            return Refused(self.now(), name, said) if partly is None else partly
        self._steps[name] = replace(entry, may_act=outcome is Outcome.LOST, detail=reason, at=self.books.stamp())
        return Answered(self.now(), name)

    async def _sent(self, change: Change) -> Step:
        """The change in the journal, as a call that is made now."""
        entry, journal, at = self._steps.get(change.protocol), self.books.journal, self.books.stamp()
        if entry is None or entry.state is not StepState.INTENT:
            values = (change.protocol, change.before, change.after, at)
            entry = await self.write(journal.add_step, self.opened.id, ChangeKind.MOVE, *values)
        else:
            entry = replace(entry, after=change.after)
            await self.write(journal.send, entry, at)
        self._steps[change.protocol] = entry = replace(entry, state=StepState.SENT)
        self.operation = replace(self.opened, state=MoveState.APPLYING)
        return entry

    async def read_back(self, change: Change, last: bool, until: datetime | None) -> Event:
        """Reads one share until it is as asked; with the last one, all of them once more."""
        entry = self._steps[change.protocol]
        change = replace(change, after=entry.after)
        reading = await self.verified(change, entry)
        if not self.matches(reading, change):
            if (left := self.times_left(change, entry, reading)[1]) > 0.0:
                return await self.look_later(NotYet, entry, left)
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

        None where the move has to be rolled back. Either nothing was taken and no other taker is named, or the share is
        not where such a call can leave it.
        """
        self._learned = True
        share, slack = reading.share, self.rules.same(change.protocol, change.after - change.before)
        moved = 0.0 if share is None else change.before - share if change.releases else share - change.before
        is_where_it_can_be = (
            share is not None and (self.next_best is not None or abs(moved) > slack) and moved >= -slack
        )
        if is_where_it_can_be and not change.releases:
            most, free_at = await self.possible()
            is_where_it_can_be = free_at is None and self.rules.fits(most)
        await would_not(self, change, reading, reason, is_where_it_can_be)
        self._took_less = self._took_less or is_where_it_can_be
        return Partly(self.now(), change.protocol, reason) if is_where_it_can_be else None

    @property
    def calls(self) -> Mapping[str, Step]:
        """The last call that the plan makes to each protocol, made or to be made."""
        return self._steps

    def reached(self) -> dict[str, float]:
        """Shares that the calls led to."""
        return {**self.opened.after, **{name: each.after for name, each in self._steps.items()}}

    def in_force(self) -> dict[str, float]:
        """Shares of the protocols of the operation as they were read last; as they were before where they were not."""
        return {name: self.seen.get(name, share) for name, share in self.opened.before.items()}

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
        operation, at = self.opened, self.books.stamp()
        await self.write(self.books.journal.advance, operation.id, state, at, reason, rounds, decision, shares)
        self.operation = replace(operation, state=state, reason=reason or operation.reason)

    async def adopt_operation(self, operation: Operation) -> list[Step]:
        """Goes on with an operation found in the journal; its calls."""
        self.operation, self.rounds = operation, operation.rounds
        steps = await self.books.ask(self.books.journal.steps, operation.id)
        moves = [each for each in steps if each.kind is ChangeKind.MOVE]
        self._steps = {each.protocol: each for each in moves}
        self.trimmed = bool(moves)
        # each call that was added is counted as a balance: rather one too few is made than too many
        self.asked_back = {each.protocol: each for each in steps if each.kind is not ChangeKind.MOVE}
        self.balances = len(moves) - sum(operation.after.get(n, s) != s for n, s in operation.before.items())
        ended = StepState.REFUSED, StepState.CONFIRMED
        self._took_less = any(each.detail and each.state in ended for each in moves)
        return steps

    def matches(self, reading: Reading, change: Change) -> bool:
        """True where the share was read that the change leads to; what could not be read matches nothing."""
        slack = self.rules.same(change.protocol, change.after - change.before)
        return reading.share is not None and close_to(reading.share, change.after, slack)

    async def alert(self, key: str, message: str, severity: float) -> None:
        """Raises an alert, once while it lasts."""
        alert = Alert(key=key, message=message, severity=severity, timestamp=self.now())
        if await self.write(self.books.journal.raise_alert, alert):
            self._tell(alert)

    async def halt(self, frozen: tuple[Change, ...], reason: str, decision: Decision | None) -> None:
        """Halts, with one alert, and closes the operation with the decision on its plan."""
        message = f"nothing is moved any more: {reason}; set shares by hand, or mend targets, then: reallot resume"
        alert = Alert(key="halted", message=message, severity=1.0, timestamp=self.now())
        names = {each.protocol: f"to be at {each.after:.6g}: {reason}" for each in frozen}
        if await self.write(self.books.journal.halt, alert, names):
            self._tell(alert)
        if self.operation is not None:
            await self.advance(MoveState.HALTED, reason, decision=decision)

    async def call(self, change: Change, key: str) -> tuple[Outcome, str]:
        """Asks an adapter for a share; what came of the call, and why."""
        seconds = self.config.apply_timeout.total_seconds()
        # from here on the share read before says nothing: it may be either until it is read again
        self.seen.pop(change.protocol, None)
        return await ask_for(self.adapters[change.protocol], change.after, key, seconds)

    async def verified(self, change: Change, entry: Step) -> Reading:
        """Reads until the share is as asked, the time for it is over, or polls wait; the last reading."""
        clock, pause = self.books.clock, FIRST_PAUSE
        while True:
            reading = await self.read(change.protocol)
            if self.matches(reading, change):
                return reading
            said, left = self.times_left(change, entry, reading)
            patience = self.waits_until - clock.monotonic()
            if said > patience or (left := min(left, patience)) <= 0.0:
                return reading
            await clock.sleep(max(min(pause, left), SHORTEST_PAUSE))
            pause = min(2.0 * pause, LONGEST_PAUSE)

    async def look_later(self, event: type[NotYet | RollbackUnknown], entry: Step, seconds: float) -> Event:
        """Leaves a call to later cycles, which look for what it does: that is written down once."""
        until, mark = self.now() + timedelta(seconds=seconds), self.books.journal.mark
        if not entry.is_looked_for:
            detail = f"{entry.detail}; {LOOKED_FOR} {until:%Y-%m-%d %H:%M:%S} UTC".removeprefix("; ")
            await self.write(mark, entry, StepState.SENT, entry.at, may_act=entry.may_act, detail=detail)
        since = f"verifying since {entry.at.wall:%H:%M:%S} until {until:%H:%M:%S} UTC"
        what = f"{since}: {entry.protocol} was asked for {entry.after:.4f}"
        return event(self.now(), entry.protocol, what, until)

    async def let_go(self) -> None:
        """What is looked for is not waited for any more, and may come late: its share stays free until that is over."""
        for entry in [each for each in self._steps.values() if each.is_looked_for]:
            self._steps[entry.protocol] = replace(entry, state=StepState.UNKNOWN, may_act=True, detail=LET_GO)
            mark = self.books.journal.mark
            await self.write(mark, entry, StepState.UNKNOWN, entry.at, may_act=True, detail=LET_GO)

    def times_left(self, change: Change, entry: Step, reading: Reading) -> tuple[float, float]:
        """Seconds until a change should be in force, as its adapter says, and until the time for it is over.

        What was answered and did nothing yet may still come late; what went beyond comes back by nobody.
        """
        if reading.share is not None and change.is_passed_by(reading.share):
            return 0.0, 0.0
        age, delay = self.books.age(entry.at), self.observed.delay(entry.protocol, self.adapters[entry.protocol])
        longest = delay + self.config.verify_timeout
        is_answered = not entry.may_act and (not entry.detail or entry.detail.startswith(LOOKED_FOR))
        if is_answered and self.matches(reading, change.reversed):
            longest = max(longest, self.config.late_effects)
        return delay.total_seconds() - age, longest.total_seconds() - age

    async def mark(
        self, entry: Step, state: StepState, detail: str = "", may_act: bool = False, after: float | None = None
    ) -> None:
        """The next state of a call."""
        mark = self.books.journal.mark
        await self.write(mark, entry, state, self.books.stamp(), may_act=may_act, detail=detail, after=after)

    @property
    def opened(self) -> Operation:
        """The operation that is carried out; raises DataError where none is."""
        if self.operation is None:
            raise DataError("the journal has no operation to go on with")
        return self.operation
