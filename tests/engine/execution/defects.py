"""Engines that are broken on purpose, each in one way that has cost others money: the simulation must find them all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from typing import Any

from reallot.engine.contracts.move_state import MoveState
from reallot.engine.execution import executor, guards, preconditions, reconcile, rollback_call, state_machine
from reallot.engine.execution.adapter_calls import Outcome, Reading, ask_all, told
from reallot.engine.execution.executor import Executor
from reallot.engine.execution.journal_thread import AsyncJournal
from reallot.engine.execution.move_events import Refused, RolledBack, Seen
from reallot.engine.ledger.journal import StepState
from reallot.engine.ledger.journal_rows import stamp_of
from reallot.engine.ledger.sqlite_journal import SqliteJournal
from reallot.orchestration import reallocation

PLANTED: set[str] = set()
ENTERED: set[str] = set()
"""Names of what was replaced, and of what of it was run: a defect that nobody runs is none."""


def _noted(name: str, value: Any) -> Any:
    @wraps(value)
    def entered(*values: Any, **named: Any) -> Any:
        ENTERED.add(name)
        return value(*values, **named)

    return entered


@contextmanager
def patched(*changes: tuple[Any, str, Any]) -> Iterator[None]:
    """Attributes replaced for a while; each must be run by somebody, or it is not replaced where it is used."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in changes]
    PLANTED.clear()
    ENTERED.clear()
    PLANTED.update(name for _, name, _ in changes)
    try:
        for owner, name, value in changes:
            setattr(owner, name, _noted(name, value))
        yield
    finally:
        for owner, name, value in reversed(before):
            setattr(owner, name, value)


def no_journal() -> Any:
    """A restart remembers nothing (the simulation hands out a new journal), and the way back is only tried."""
    return patched((rollback_call, "verify_rollback", _believes))


async def _believes(self: Executor, change: Any, entry: Any, outcome: Any, reason: str) -> RolledBack:
    await self.mark(entry, StepState.CONFIRMED)
    return RolledBack(self.now(), change.protocol)


def timeout_means_failed() -> Any:
    """A call without an answer is taken as one that did nothing, and is left out of the way back."""
    send, failed = Executor.send, state_machine._failed

    async def sends(self: Executor, change: Any) -> Any:
        event = await send(self, change)
        entry = self._steps[change.protocol]
        if entry.may_act and entry.detail:
            await self.mark(entry, StepState.REFUSED, "timed out")
            return Refused(self.now(), change.protocol, "timed out")
        return event

    def fails(state: Any, reason: str, rules: Any) -> Any:
        if reason == "timed out":
            if state.index == 0:
                return replace(state, phase=MoveState.ROLLING_BACK, pending=(state.changes[0].reversed,)), [
                    state_machine.BeginRollback(reason),
                    _Nothing(),
                ]
            state = replace(state, index=state.index - 1)
        return failed(state, reason, rules)

    drive = reallocation.Driver._carry_out

    async def carries(self: Any, command: Any) -> Any:
        if isinstance(command, _Nothing):
            return RolledBack(self.executor.now(), self.state.pending[0].protocol)
        return await drive(self, command)

    return patched(
        (Executor, "send", sends), (state_machine, "_failed", fails), (reallocation.Driver, "_carry_out", carries)
    )


class _Nothing:
    """A command of the defect above: believe that nothing happened."""


def rollback_not_verified() -> Any:
    """What was put back is not read back."""
    return patched((rollback_call, "verify_rollback", _believes))


def recovery_assumes_done() -> Any:
    """After a restart whatever was begun counts as done."""

    async def unfinished(executor: Executor, operation: Any, readings: Any) -> tuple[()]:
        if operation.state is MoveState.PLANNED:
            await executor.advance(MoveState.DISCARDED)
        elif operation.state is MoveState.ROLLING_BACK:
            await executor.advance(MoveState.ROLLED_BACK)
        else:
            await executor.advance(MoveState.COMMITTED)
        return ()

    return patched((reconcile, "unfinished", unfinished))


def no_reading_back() -> Any:
    """An answer counts as an effect."""

    async def read_back(self: Executor, change: Any, last: bool, until: Any) -> Seen:
        await self.mark(self._steps[change.protocol], StepState.CONFIRMED)
        return Seen(self.now(), change.protocol, until)

    return patched((Executor, "read_back", read_back))


def nan_is_trusted() -> Any:
    """Two shares are other where they differ by more than the tolerance: NaN never does."""

    def near(one: float, other: float, tolerance: float) -> bool:
        return not (abs(one - other) > tolerance)

    async def read(self: Executor, name: str) -> Reading:
        [task] = await ask_all([self.adapters[name].get_allocation()], executor.READ_SECONDS)
        try:
            self.seen[name] = task.result()
        except (Exception, asyncio.CancelledError) as error:
            return Reading(None, told(error))
        return Reading(self.seen[name])

    homes = (guards, executor, reconcile)
    return patched(*((home, "close_to", near) for home in homes), (Executor, "read", read))


def limits_by_wall_clock() -> Any:
    """Ages are differences of wall times."""

    def age(self: AsyncJournal, since: Any) -> float:
        return float((self.clock.now() - since.wall).total_seconds())

    return patched((AsyncJournal, "age", age))


def limits_after_acting() -> Any:
    """A move counts for hold and budget only when it has ended well."""
    true = SqliteJournal.standing

    def standing(self: SqliteJournal, moves: int) -> Any:
        done = (
            "SELECT step.protocol, step.wall, step.steady, step.boot FROM step JOIN operation "
            "ON operation.id = step.operation WHERE operation.kind = 'move' AND operation.state = 'committed' "
            "ORDER BY step.id"
        )
        last_changes = {row[0]: stamp_of(row[1:]) for row in self._database.rows(done)}
        plans = (
            "SELECT wall, steady, boot FROM operation WHERE kind = 'move' AND state = 'committed' "
            "ORDER BY id DESC LIMIT ?"
        )
        last_moves = tuple(stamp_of(row) for row in self._database.rows(plans, (moves,)))
        return replace(true(self, moves), last_changes=last_changes, last_moves=last_moves)

    return patched((SqliteJournal, "standing", standing))


def nothing_is_broken() -> Any:
    """For defects that lie in how the simulation starts the engine."""
    return patched()


def refused_means_stop() -> Any:
    """A refusal ends the plan where it stands: nothing is put back."""

    def fails(state: Any, reason: str, rules: Any) -> Any:
        return replace(state, phase=MoveState.ROLLING_BACK, pending=(state.changes[0].reversed,)), [
            state_machine.BeginRollback(reason),
            _Nothing(),
        ]

    drive = reallocation.Driver._carry_out

    async def carries(self: Any, command: Any) -> Any:
        if isinstance(command, _Nothing):
            return RolledBack(self.executor.now(), self.state.pending[0].protocol)
        return await drive(self, command)

    return patched((state_machine, "_failed", fails), (reallocation.Driver, "_carry_out", carries))


def acquire_before_release() -> Any:
    """Shares grow first, and nobody looks whether there is room."""

    def changes_of(before: Any, after: Any, names: Any, tolerance: float) -> Any:
        return tuple(sorted(guards.changes_of(before, after, names, tolerance), key=lambda each: each.releases))

    return patched(
        (preconditions, "changes_of", changes_of),
        (executor, "capacity_blocks", lambda *_: None),
        (executor, "room_for", lambda *_: 2.0),
    )


def late_calls_are_forgotten() -> Any:
    """A call without an answer keeps nothing free."""

    def none(self: AsyncJournal, unsettled: Any, window: Any) -> list[Any]:
        return []

    return patched((AsyncJournal, "may_still_act", none))


def journal_after_acting() -> Any:
    """A step is written down when its call has come back."""
    send = Executor.send

    async def sends(self: Executor, change: Any) -> Any:
        journal, written = self.books.journal, (self.books.journal.send, self.books.journal.mark)
        kept: list[tuple[Any, Any, Any]] = []

        def later(method: Any) -> Any:
            return lambda *values, **named: kept.append((method, values, named))

        journal.send, journal.mark = map(later, written)  # type: ignore[method-assign]
        try:
            return await send(self, change)
        finally:
            journal.send, journal.mark = written  # type: ignore[method-assign]
            for method, values, named in kept:
                method(*values, **named)

    return patched((Executor, "send", sends))


def a_halt_is_quiet() -> Any:
    """Halting raises no alert."""

    def halt(self: SqliteJournal, alert: Any, frozen: Any) -> bool:
        self._write(
            lambda db: db.execute("INSERT OR REPLACE INTO meta VALUES ('halted', ?)", (alert.message,)) and True
        )
        return False

    return patched((SqliteJournal, "halt", halt))


def unknown_outcome_is_done() -> Any:
    """What cannot be read back is believed to be as asked."""
    ask = executor.ask_for

    async def asks(*values: Any) -> Any:
        outcome, reason = await ask(*values)
        return (Outcome.ANSWERED if outcome is Outcome.LOST else outcome), reason

    def matches(self: Executor, reading: Reading, change: Any) -> bool:
        return reading.share is None or guards.close_to(reading.share, change.after, self.rules.tolerance)

    return patched((executor, "ask_for", asks), (Executor, "matches", matches))


def old_reading_is_believed() -> Any:
    """After a call, the share read before it still counts as the one in force."""

    async def call(self: Executor, change: Any, key: str) -> Any:
        seconds = self.config.apply_timeout.total_seconds()
        return await executor.ask_for(self.adapters[change.protocol], change.after, key, seconds)

    return patched((Executor, "call", call))


DEFECTS: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    # those of the table that this suite is measured by
    "no journal, way back only tried": (no_journal, {"keep": False}),
    "timeout means failed": (timeout_means_failed, {}),
    "rollback not verified": (rollback_not_verified, {}),
    "recovery assumes done": (recovery_assumes_done, {}),
    "no reading back": (no_reading_back, {}),
    "NaN trusted in comparisons": (nan_is_trusted, {}),
    "limits by wall clock": (limits_by_wall_clock, {}),
    "limits written after acting": (limits_after_acting, {}),
    "no repair loop": (nothing_is_broken, {"late": True, "repair": False}),
    "two engines, no lock": (nothing_is_broken, {"engines": 2}),
    # and more of our own
    "a failure puts nothing back": (refused_means_stop, {}),
    "acquire before release": (acquire_before_release, {}),
    "late calls are forgotten": (late_calls_are_forgotten, {"late": True}),
    "journal after acting": (journal_after_acting, {}),
    "a halt is quiet": (a_halt_is_quiet, {}),
    "unknown is taken as done": (unknown_outcome_is_done, {}),
    "an old reading is believed": (old_reading_is_believed, {}),
}
