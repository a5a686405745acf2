"""The journal in SQLite: one file, one writer, every write on the disk before it counts."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from ...errors import DataError
from ..contracts.move_state import RECORD_FOLLOWS, MoveState
from ..contracts.records import Alert, AllocationChange, ChangeKind
from . import journal_rows
from .alerts import AlertTable
from .damage import Damaged
from .database import RESERVE_BYTES, Database
from .exceptional_rows import ExceptionalRows
from .journal import Decision, Operation, Standing, Step, StepState, Waiting
from .migrations import JOURNAL
from .timestamps import Stamp, microseconds

T = TypeVar("T")


class SqliteJournal(ExceptionalRows):
    """See Journal. `path` is a file, or ":memory:". Raises DataError; Damaged before anything was written.

    Every write checks in its own transaction that this is still the last one who opened the file (`epoch`).
    """

    def __init__(
        self,
        path: str | Path = ":memory:",
        *,
        busy_seconds: float = 5.0,
        reserve_bytes: int = RESERVE_BYTES,
        read_only: bool = False,
    ) -> None:
        self._database = Database(
            path, JOURNAL, busy_seconds=busy_seconds, reserve_bytes=reserve_bytes, read_only=read_only
        )
        self.path = self._database.path
        self.observe_only = f"{self.path} was opened to be read" if read_only else ""
        self.loses = ""
        self.blocking = not self._database.in_memory
        try:
            if self.blocking and not read_only:
                self._database.check(journal_rows.EVERYTHING)
            self.epoch = 0 if read_only else self._database.write(_next_epoch)
        except DataError:
            self._database.close()
            raise

    @cached_property
    def _alerts(self) -> AlertTable:
        return AlertTable(self._database.each, self._write)

    def sound(self) -> bool:
        """True where all there is can be what was written. Raises DataError."""
        try:
            self._database.check(journal_rows.EVERYTHING)
        except Damaged:
            return False
        return True

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def fenced(connection: sqlite3.Connection) -> T:
            (epoch,) = connection.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
            if int(epoch) != self.epoch:
                raise DataError(f"{self.path}: another engine has taken over (epoch {epoch}, here {self.epoch})")
            return work(connection)

        return self._database.write(fenced)

    def _run(self, *statements: tuple[str, Sequence[Any]]) -> None:
        """Statements with their values, in one write."""
        self._write(lambda connection: [connection.execute(*each) for each in statements] and None)

    def begin(
        self,
        plan_id: str,
        kind: ChangeKind,
        before: Mapping[str, float],
        after: Mapping[str, float],
        changes: Sequence[tuple[str, float, float]],
        at: Stamp,
        reason: str = "",
    ) -> Operation:
        """A new operation, PLANNED, with a step in INTENT for each (protocol, before, after)."""
        if kind is ChangeKind.MOVE and self.blocking and not self._database.keep_reserve():
            raise DataError(f"{self.path}: the disk is full; nothing is moved until something beside it is deleted")

        def work(connection: sqlite3.Connection) -> tuple[int, tuple[Step, ...]]:
            busy = connection.execute(journal_rows.OPEN_OPERATION).fetchone()
            if busy is not None:
                raise DataError(f"{self.path}: operation {busy[0]} is not at its end, and one runs at a time")
            row = (plan_id, kind.value, MoveState.PLANNED.value, _dump(before), _dump(after))
            cursor = connection.execute(journal_rows.BEGIN, (*row, *at.columns, self.epoch, reason))
            operation = int(cursor.lastrowid or 0)
            return operation, tuple(_insert_step(connection, operation, kind, each, at, sent=False) for each in changes)

        found, steps = self._write(work)
        state, shares = MoveState.PLANNED, (dict(before), dict(after))
        return Operation(found, plan_id, kind, state, *shares, at, self.epoch, 0, reason, steps)

    def standing(self, moves: int) -> Standing:
        """Everything at one moment, with the last `moves` plans that were begun."""
        return self._database.read(journal_rows.standing_of, journal_rows.STANDING, (moves,))

    def advance(
        self,
        operation: int,
        state: MoveState,
        at: Stamp,
        reason: str = "",
        rounds: int = 0,
        decision: Decision | None = None,
        shares: Mapping[str, float] | None = None,
    ) -> None:
        """Its next state; COMMITTED makes `after`, or `shares`, the committed ones; ROLLED_BACK `before` if none."""

        def work(connection: sqlite3.Connection) -> None:
            row = connection.execute(journal_rows.OPERATION_NOW, (operation,)).fetchone()
            if row is None:
                raise DataError(f"{self.path}: there is no operation {operation}")
            now = MoveState(row[0])
            if state is not now and state not in RECORD_FOLLOWS.get(now, ()):
                raise DataError(f"{self.path}: operation {operation} is {now.value} and cannot become {state.value}")
            connection.execute(journal_rows.ADVANCE, (state.value, *at.columns, rounds, reason, reason, operation))
            if state is MoveState.COMMITTED and shares is not None:
                connection.execute("UPDATE operation SET after = ? WHERE id = ?", (_dump(shares), operation))
                _commit(connection, shares, replace=True)
            elif state is MoveState.COMMITTED:
                _commit(connection, json.loads(row[2]), replace=True)
            elif state is MoveState.ROLLED_BACK:
                _commit(connection, json.loads(row[1]), replace=row[3] == ChangeKind.ROLLBACK.value)
            if decision is not None:
                _decide(connection, decision)

        self._write(work)

    def send(self, step: Step, at: Stamp) -> None:
        """A call is SENT, and may act; its operation is APPLYING from the first on."""
        when = at.columns
        self._run(
            (journal_rows.APPLY, (*when, step.operation)),
            (journal_rows.MARK, (StepState.SENT.value, *when, 1, 1, "", when[0], step.after, step.id)),
            (journal_rows.TOUCH, (step.protocol, *when, step.kind.value)),
        )

    def add_step(self, operation: int, kind: ChangeKind, protocol: str, before: float, after: float, at: Stamp) -> Step:
        """One more call, SENT: written just before it is made."""
        change = (protocol, before, after)
        return self._write(lambda db: _insert_step(db, operation, kind, change, at, sent=True))

    def mark(
        self,
        step: Step,
        state: StepState,
        at: Stamp,
        *,
        may_act: bool = False,
        detail: str = "",
        after: float | None = None,
    ) -> None:
        """The next state of a call, and the share that it led to where that is not what was asked for."""
        still_open = state in (StepState.SENT, StepState.UNKNOWN) or may_act
        when = at.columns
        row = (state.value, *when, int(may_act), int(still_open), detail, when[0], after, step.id)
        touch = (journal_rows.TOUCH, (step.protocol, *when, step.kind.value))
        self._run((journal_rows.MARK, row), *((touch,) if step.state in (StepState.INTENT, StepState.SENT) else ()))

    def open_operation(self) -> Operation | None:
        """The one operation that is not at its end."""
        return self._database.first(journal_rows.operation_of, journal_rows.OPEN_OPERATION)

    def operation_of(self, plan_id: str) -> Operation | None:
        """The first operation made of this plan."""
        return self._database.first(journal_rows.operation_of, journal_rows.OPERATION_OF, (plan_id,))

    def last_committed(self) -> Operation | None:
        """The last plan that is in force and was not taken back."""
        return self._database.first(journal_rows.operation_of, journal_rows.LAST_COMMITTED)

    def steps(self, operation: int) -> list[Step]:
        """Its calls, in order."""
        return self._database.each(journal_rows.step_of, journal_rows.STEPS_OF, (operation,))

    def unsettled(self) -> list[Step]:
        """Calls of any operation that are SENT or UNKNOWN."""
        return self._database.each(journal_rows.step_of, journal_rows.UNSETTLED)

    def last_call(self, protocol: str) -> int:
        """The number of the last step that was SENT to this protocol; 0 where there is none."""
        sql = "SELECT coalesce(max(id), 0) FROM step WHERE protocol = ? AND state <> 'intent'"
        return self._database.read(lambda rows: int(next(rows)[0]), sql, (protocol,))

    def most(self, protocol: str) -> float | None:
        """The most that this protocol may have, going by what is written; None where nothing is."""
        found: float | None = self._database.read(lambda rows: next(rows)[0], journal_rows.MOST, {"protocol": protocol})
        return found

    def committed(self) -> dict[str, float]:
        """Shares of the last confirmed state, by protocol."""
        return self._database.read(dict, journal_rows.COMMITTED)

    def adopt(self, shares: Mapping[str, float]) -> None:
        """Takes shares as the confirmed ones: at the first start, or by a person's word."""
        self._write(lambda connection: _commit(connection, shares, replace=True))

    def last_changes(self) -> dict[str, Stamp]:
        """Each protocol's last call that moved it or put it back."""
        return self._database.read(
            lambda rows: {row[0]: journal_rows.stamp_of(row[1:]) for row in rows}, journal_rows.LAST_CHANGES
        )

    def last_moves(self, count: int) -> list[Stamp]:
        """The last `count` plans that were begun, newest first."""
        return self._database.each(journal_rows.stamp_of, journal_rows.LAST_MOVES, (count,))

    def changes(self, since: datetime | None = None, newest: int | None = None) -> list[AllocationChange]:
        """Every change asked for, or those of the `newest` only, oldest first."""
        limits = (0 if since is None else microseconds(since), -1 if newest is None else newest)
        return self._database.each(journal_rows.change_of, journal_rows.CHANGES, limits)[::-1]

    def wait_for(self, plan_id: str, plan: str, at: Stamp) -> None:
        """A plan that waits from now on, in place of any other."""
        values = (1, plan_id, plan, *at.columns, 0)
        self._run(("INSERT OR REPLACE INTO waiting VALUES (?, ?, ?, ?, ?, ?, ?)", values))

    def waiting(self) -> Waiting | None:
        """The plan that waits."""
        return self._database.first(journal_rows.waiting_of, journal_rows.WAITING)

    def confirm(self, plan_id: str) -> bool:
        """Marks the waiting plan as confirmed; False where another one waits, or none."""
        sql = "UPDATE waiting SET confirmed = 1 WHERE plan_id = ?"
        return self._write(lambda connection: connection.execute(sql, (plan_id,)).rowcount > 0)

    def drop_waiting(self) -> None:
        """Nothing waits any more."""
        self._run(("DELETE FROM waiting", ()))

    def decide(self, plan_id: str, at: datetime, verdict: MoveState, reason: str, plan: str, inputs: str = "") -> None:
        """A decision with its inputs; the same verdict on the same plan is kept once."""
        decision = Decision(plan_id, at, verdict, reason, plan, inputs)
        self._write(lambda connection: _decide(connection, decision))

    def decisions(self, limit: int = 100, plan_id: str | None = None) -> list[Decision]:
        """The last decisions, newest first; those on one plan where it is named."""
        asked, of_plan = ("", ()) if plan_id is None else ("WHERE plan_id = ?", (plan_id,))
        query = f"{journal_rows.DECISION} {asked} ORDER BY id DESC LIMIT ?"
        return self._database.each(journal_rows.decision_of, query, (*of_plan, limit))

    def decision_of(self, plan_id: str) -> Decision | None:
        """The newest decision on this plan that has its text."""
        query = f"{journal_rows.DECISION} WHERE plan_id = ? AND plan <> '' ORDER BY id DESC LIMIT 1"
        return self._database.first(journal_rows.decision_of, query, (plan_id,))

    def raise_alert(self, alert: Alert) -> bool:
        """Keeps an alert; False where its key is open already (it is counted)."""
        return self._alerts.raise_alert(alert)

    def recovered(self, key: str, at: datetime) -> bool:
        """Closes the open alert of this key; False where there is none."""
        return self._alerts.recovered(key, at)

    def alerts(self, limit: int = 1000) -> list[Alert]:
        """The last alerts, oldest first."""
        return self._alerts.alerts(limit)

    def close(self) -> None:
        """Lets go of the file."""
        self._database.close()


class MemoryJournal(SqliteJournal):
    """See Journal. `loses` says what a restart forgets."""

    def __init__(self) -> None:
        super().__init__(":memory:", reserve_bytes=0)
        self.loses = (
            "without a ledger a restart forgets which moves were begun, how long each protocol still rests, "
            "how many plans this hour had, what waits for a confirmation, and that the engine was halted"
        )


def _next_epoch(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
    epoch = int(row[0]) + 1 if row else 1
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('epoch', ?)", (str(epoch),))
    return epoch


def _insert_step(
    connection: sqlite3.Connection,
    operation: int,
    kind: ChangeKind,
    change: tuple[str, float, float],
    at: Stamp,
    *,
    sent: bool,
) -> Step:
    state, asked = (StepState.SENT, microseconds(at.wall)) if sent else (StepState.INTENT, None)
    values = (operation, kind.value, *change, state.value, *at.columns, int(sent), asked)
    cursor = connection.execute(
        "INSERT INTO step (operation, kind, protocol, before, after, state, wall, steady, boot, open, asked) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        values,
    )
    if sent:
        connection.execute(journal_rows.TOUCH, (change[0], *at.columns, kind.value))
    number = int(cursor.lastrowid or 0)
    return Step(number, operation, kind, *change, state, at, key=f"{operation}-{number}")


def _decide(connection: sqlite3.Connection, decision: Decision) -> None:
    values = (decision.plan_id, microseconds(decision.at), decision.verdict, decision.reason, decision.plan)
    sql = "INSERT OR IGNORE INTO decision (plan_id, wall, verdict, reason, plan, inputs) VALUES (?, ?, ?, ?, ?, ?)"
    connection.execute(sql, (*values, decision.inputs))


def _commit(connection: sqlite3.Connection, shares: Mapping[str, float], *, replace: bool) -> None:
    verb = "REPLACE" if replace else "IGNORE"
    connection.executemany(f"INSERT OR {verb} INTO committed VALUES (?, ?)", list(shares.items()))


def _dump(shares: Mapping[str, float]) -> str:
    return json.dumps(dict(shares), allow_nan=False)
