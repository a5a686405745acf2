"""The journal in SQLite: one file, one writer, every write on the disk before it counts."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from ...errors import DataError
from ..contracts.records import Alert, AllocationChange, ChangeKind
from .alerts import AlertTable, put_alert
from .database import RESERVE_BYTES, Database
from .journal import FOLLOWS, OPEN, Decision, Operation, OperationState, Step, StepState, Waiting
from .schema import JOURNAL
from .timestamps import Stamp, microseconds, moment

T = TypeVar("T")
OPERATION = "id, plan_id, kind, state, before, after, wall, steady, boot, epoch, rounds, reason"
STEP = "id, operation, kind, protocol, before, after, state, wall, steady, boot, may_act, detail"
OPEN_STATES = ", ".join(f"'{state.value}'" for state in OPEN)


class SqliteJournal:
    """See Journal. `path` is a file, or ":memory:".

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
        try:
            self._database = Database(
                path, JOURNAL, busy_seconds=busy_seconds, reserve_bytes=reserve_bytes, read_only=read_only
            )
        except sqlite3.OperationalError as error:
            raise DataError(f"{path}: {error}") from error
        self.path = self._database.path
        self.observe_only = f"{self.path} was opened to be read" if read_only else ""
        self.loses = ""
        self.blocking = not self._database.in_memory
        try:
            self.epoch = 0 if read_only else self._database.write(_next_epoch)
        except DataError:
            self._database.close()
            raise
        self._alerts = AlertTable(self._database.rows, self._write)

    def sound(self) -> bool:
        """True where SQLite finds nothing wrong with the file."""
        return self._database.rows("PRAGMA quick_check(1)") == [("ok",)]

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def fenced(connection: sqlite3.Connection) -> T:
            (epoch,) = connection.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
            if int(epoch) != self.epoch:
                raise DataError(f"{self.path}: another engine has taken over (epoch {epoch}, here {self.epoch})")
            return work(connection)

        return self._database.write(fenced)

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
        if kind is ChangeKind.MOVE and not self._database.keep_reserve():
            raise DataError(f"{self.path}: the disk is full; nothing is moved until something beside it is deleted")

        def work(connection: sqlite3.Connection) -> int:
            busy = connection.execute(f"SELECT id FROM operation WHERE state IN ({OPEN_STATES})").fetchone()
            if busy is not None:
                raise DataError(f"{self.path}: operation {busy[0]} is not at its end, and one runs at a time")
            row = (plan_id, kind.value, OperationState.PLANNED.value, _dump(before), _dump(after))
            cursor = connection.execute(_BEGIN, (*row, *_columns(at), self.epoch, reason))
            for change in changes:
                _insert_step(connection, cursor.lastrowid, kind, change, StepState.INTENT, at)
            return int(cursor.lastrowid or 0)

        found = self._write(work)
        return Operation(
            found, plan_id, kind, OperationState.PLANNED, dict(before), dict(after), at, self.epoch, 0, reason
        )

    def advance(self, operation: int, state: OperationState, at: Stamp, reason: str = "", rounds: int = 0) -> None:
        """Its next state; COMMITTED makes `after` the committed shares, ROLLED_BACK `before` where none were known."""

        def work(connection: sqlite3.Connection) -> None:
            row = connection.execute(_OPERATION_NOW, (operation,)).fetchone()
            if row is None:
                raise DataError(f"{self.path}: there is no operation {operation}")
            now = OperationState(row[0])
            if state is not now and state not in FOLLOWS.get(now, ()):
                raise DataError(f"{self.path}: operation {operation} is {now.value} and cannot become {state.value}")
            connection.execute(
                "UPDATE operation SET state = ?, wall = ?, steady = ?, boot = ?, rounds = max(rounds, ?), "
                "reason = CASE WHEN ? = '' THEN reason ELSE ? END WHERE id = ?",
                (state.value, *_columns(at), rounds, reason, reason, operation),
            )
            if state is OperationState.COMMITTED:
                _commit(connection, json.loads(row[2]), replace=True)
            elif state is OperationState.ROLLED_BACK:
                _commit(connection, json.loads(row[1]), replace=row[3] == ChangeKind.ROLLBACK.value)

        self._write(work)

    def add_step(self, operation: int, kind: ChangeKind, protocol: str, before: float, after: float, at: Stamp) -> Step:
        """One more call, SENT: written just before it is made."""
        change = (protocol, before, after)
        found = self._write(lambda db: _insert_step(db, operation, kind, change, StepState.SENT, at))
        return Step(found, operation, kind, protocol, before, after, StepState.SENT, at)

    def mark(self, step: int, state: StepState, at: Stamp, *, may_act: bool = False, detail: str = "") -> None:
        """The next state of a call."""
        still_open = state in (StepState.SENT, StepState.UNKNOWN) or may_act
        values = (state.value, *_columns(at), int(may_act), int(still_open), detail, microseconds(at.wall), step)

        def work(connection: sqlite3.Connection) -> None:
            before, kind, protocol = connection.execute(_STEP_NOW, (step,)).fetchone()
            connection.execute(_MARK, values)
            if before in ("intent", "sent"):
                _touch(connection, kind, protocol, at)

        self._write(work)

    def open_operation(self) -> Operation | None:
        """The one operation that is not at its end."""
        rows = self._database.rows(_OPEN_OPERATION)
        return _operation(rows[0]) if rows else None

    def operation_of(self, plan_id: str) -> Operation | None:
        """The first operation made of this plan."""
        rows = self._database.rows(_OPERATION_OF, (plan_id,))
        return _operation(rows[0]) if rows else None

    def last_committed(self) -> Operation | None:
        """The last plan that is in force and was not taken back."""
        rows = self._database.rows(_LAST_COMMITTED)
        return _operation(rows[0]) if rows else None

    def steps(self, operation: int) -> list[Step]:
        """Its calls, in order."""
        return [_step(row) for row in self._database.rows(_STEPS_OF, (operation,))]

    def unsettled(self) -> list[Step]:
        """Calls of any operation that are SENT or UNKNOWN."""
        return [_step(row) for row in self._database.rows(_UNSETTLED)]

    def last_call(self, protocol: str) -> int:
        """The number of the last step that was SENT to this protocol; 0 where there is none."""
        sql = "SELECT coalesce(max(id), 0) FROM step WHERE protocol = ? AND state <> 'intent'"
        return int(self._database.rows(sql, (protocol,))[0][0])

    def most(self, protocol: str) -> float | None:
        """The most that this protocol may have, going by what is written; None where nothing is."""
        found = self._database.rows(_MOST, {"protocol": protocol})[0][0]
        return None if found is None else float(found)

    def committed(self) -> dict[str, float]:
        """Shares of the last confirmed state, by protocol."""
        return dict(self._database.rows("SELECT protocol, share FROM committed ORDER BY protocol"))

    def adopt(self, shares: Mapping[str, float]) -> None:
        """Takes shares as the confirmed ones: at the first start, or by a person's word."""
        self._write(lambda connection: _commit(connection, shares, replace=True))

    def last_changes(self) -> dict[str, Stamp]:
        """Each protocol's last call that moved it or put it back."""
        return {row[0]: _stamp(row[1:]) for row in self._database.rows(_LAST_CHANGES)}

    def last_moves(self, count: int) -> list[Stamp]:
        """The last `count` plans that were begun, newest first."""
        return [_stamp(row) for row in self._database.rows(_LAST_MOVES, (count,))]

    def changes(self, since: datetime | None = None, newest: int | None = None) -> list[AllocationChange]:
        """Every change asked for, or those of the `newest` only, oldest first."""
        limits = (0 if since is None else microseconds(since), -1 if newest is None else newest)
        return [_change(row) for row in reversed(self._database.rows(_CHANGES, limits))]

    def wait_for(self, plan_id: str, plan: str, at: Stamp) -> None:
        """A plan that waits from now on, in place of any other."""
        values = (1, plan_id, plan, *_columns(at), 0)
        sql = "INSERT OR REPLACE INTO waiting VALUES (?, ?, ?, ?, ?, ?, ?)"
        self._write(lambda connection: connection.execute(sql, values) and None)

    def waiting(self) -> Waiting | None:
        """The plan that waits."""
        rows = self._database.rows("SELECT plan_id, plan, wall, steady, boot, confirmed FROM waiting")
        return Waiting(rows[0][0], rows[0][1], _stamp(rows[0][2:5]), bool(rows[0][5])) if rows else None

    def confirm(self, plan_id: str) -> bool:
        """Marks the waiting plan as confirmed; False where another one waits, or none."""
        sql = "UPDATE waiting SET confirmed = 1 WHERE plan_id = ?"
        return self._write(lambda connection: connection.execute(sql, (plan_id,)).rowcount > 0)

    def drop_waiting(self) -> None:
        """Nothing waits any more."""
        self._write(lambda connection: connection.execute("DELETE FROM waiting") and None)

    def decide(self, plan_id: str, at: datetime, verdict: str, reason: str, plan: str, inputs: str = "") -> None:
        """A decision with its inputs; the same verdict on the same plan is kept once."""
        values = (plan_id, microseconds(at), verdict, reason, plan, inputs)
        sql = "INSERT OR IGNORE INTO decision (plan_id, wall, verdict, reason, plan, inputs) VALUES (?, ?, ?, ?, ?, ?)"
        self._write(lambda connection: connection.execute(sql, values) and None)

    def decisions(self, limit: int = 100) -> list[Decision]:
        """The last decisions, newest first."""
        sql = "SELECT plan_id, wall, verdict, reason, plan, inputs FROM decision ORDER BY id DESC LIMIT ?"
        return [Decision(row[0], moment(row[1]), *row[2:]) for row in self._database.rows(sql, (limit,))]

    def halt(self, alert: Alert, frozen: Mapping[str, str]) -> bool:
        """No more moves until `resume`, and an alert, in one write; False where the alert was open already."""

        def work(connection: sqlite3.Connection) -> bool:
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('halted', ?)", (alert.message,))
            connection.executemany("INSERT OR REPLACE INTO frozen VALUES (?, ?)", list(frozen.items()))
            return put_alert(connection, alert)

        return self._write(work)

    def halted(self) -> str:
        """Why nothing moves, or ""."""
        rows = self._database.rows("SELECT value FROM meta WHERE name = 'halted'")
        return str(rows[0][0]) if rows else ""

    def frozen(self) -> dict[str, str]:
        """Protocols that are not touched, with the reason."""
        return dict(self._database.rows("SELECT protocol, reason FROM frozen ORDER BY protocol"))

    def resume(self) -> None:
        """A person has looked: nothing is halted or frozen any more."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM meta WHERE name = 'halted'")
            connection.execute("DELETE FROM frozen")

        self._write(work)

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


_BEGIN = (
    "INSERT INTO operation (plan_id, kind, state, before, after, wall, steady, boot, epoch, reason) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_OPEN_OPERATION = f"SELECT {OPERATION} FROM operation WHERE state IN ({OPEN_STATES}) LIMIT 1"
_OPERATION_OF = f"SELECT {OPERATION} FROM operation WHERE plan_id = ? ORDER BY id LIMIT 1"
_OPERATION_NOW = "SELECT state, before, after, kind FROM operation WHERE id = ?"
_STEP_NOW = "SELECT state, kind, protocol FROM step WHERE id = ?"
_MARK = (
    "UPDATE step SET state = ?, wall = ?, steady = ?, boot = ?, may_act = ?, open = ?, detail = ?, "
    "asked = coalesce(asked, ?) WHERE id = ?"
)
_STEPS_OF = f"SELECT {STEP} FROM step WHERE operation = ? ORDER BY id"
_UNSETTLED = f"SELECT {STEP} FROM step WHERE open = 1 ORDER BY id"
_MOST = """
    WITH own AS (SELECT id, before, after, state FROM step WHERE protocol = :protocol AND state <> 'intent'),
    sure AS (SELECT coalesce(max(id), 0) AS id FROM own WHERE state = 'confirmed')
    SELECT max(share) FROM (
        SELECT share FROM committed WHERE protocol = :protocol
        UNION ALL SELECT after FROM own, sure WHERE own.id >= sure.id AND state <> 'refused'
        UNION ALL SELECT before FROM own, sure WHERE own.id > sure.id
    )
"""
_LAST_CHANGES = "SELECT protocol, wall, steady, boot FROM touched"
_LAST_COMMITTED = (
    f"SELECT {OPERATION} FROM operation WHERE kind = 'move' AND state = 'committed' AND NOT EXISTS "
    "(SELECT 1 FROM operation AS back WHERE back.plan_id = 'back-' || operation.id AND back.state = 'rolled_back') "
    "ORDER BY id DESC LIMIT 1"
)
_LAST_MOVES = (
    "SELECT wall, steady, boot FROM operation WHERE kind = 'move' AND state NOT IN ('planned', 'discarded') "
    "ORDER BY id DESC LIMIT ?"
)
_CHANGES = (
    "SELECT coalesce(step.asked, step.wall), step.protocol, step.before, step.after, operation.plan_id, step.kind, "
    "step.state, operation.state, operation.reason, step.detail FROM step JOIN operation ON operation.id = operation "
    "WHERE step.state <> 'intent' AND coalesce(step.asked, step.wall) >= ? ORDER BY step.id DESC LIMIT ?"
)
_OUTCOMES = {"confirmed": "confirmed", "refused": "failed"}


def _next_epoch(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
    epoch = int(row[0]) + 1 if row else 1
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('epoch', ?)", (str(epoch),))
    return epoch


def _insert_step(
    connection: sqlite3.Connection,
    operation: int | None,
    kind: ChangeKind,
    change: tuple[str, float, float],
    state: StepState,
    at: Stamp,
) -> int:
    sent = state is StepState.SENT
    cursor = connection.execute(
        "INSERT INTO step (operation, kind, protocol, before, after, state, wall, steady, boot, open, asked) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            operation,
            kind.value,
            *change,
            state.value,
            *_columns(at),
            int(sent),
            microseconds(at.wall) if sent else None,
        ),
    )
    if sent:
        _touch(connection, kind.value, change[0], at)
    return int(cursor.lastrowid or 0)


def _commit(connection: sqlite3.Connection, shares: Mapping[str, float], *, replace: bool) -> None:
    verb = "REPLACE" if replace else "IGNORE"
    connection.executemany(f"INSERT OR {verb} INTO committed VALUES (?, ?)", list(shares.items()))


def _touch(connection: sqlite3.Connection, kind: str, protocol: str, at: Stamp) -> None:
    """A repair only brings back what was confirmed: it does not make a protocol rest."""
    if kind != ChangeKind.REPAIR.value:
        connection.execute("INSERT OR REPLACE INTO touched VALUES (?, ?, ?, ?)", (protocol, *_columns(at)))


def _dump(shares: Mapping[str, float]) -> str:
    return json.dumps(dict(shares), allow_nan=False)


def _columns(at: Stamp) -> tuple[int, float, str]:
    return microseconds(at.wall), at.steady, at.boot


@lru_cache(1024)
def _stamp(row: tuple[int, float, str]) -> Stamp:
    return Stamp(moment(row[0]), row[1], row[2])


def _operation(row: Sequence[Any]) -> Operation:
    number, plan_id, kind, state, before, after = row[:6]
    shares = json.loads(before), json.loads(after)
    return Operation(number, plan_id, ChangeKind(kind), OperationState(state), *shares, _stamp(row[6:9]), *row[9:])


def _step(row: Sequence[Any]) -> Step:
    number, operation, kind, protocol, before, after, state = row[:7]
    stamp = _stamp(row[7:10])
    return Step(
        number, operation, ChangeKind(kind), protocol, before, after, StepState(state), stamp, bool(row[10]), row[11]
    )


@lru_cache(256)
def _change(row: tuple[Any, ...]) -> AllocationChange:
    wall, protocol, before, after, plan_id, kind, state, ended, reason, detail = row
    outcome = _OUTCOMES.get(state, "unknown")
    if kind == "move" and state == "confirmed" and ended == OperationState.ROLLED_BACK.value:
        outcome = "rolled_back"
    return AllocationChange(
        timestamp=moment(wall),
        protocol=protocol,
        before=before,
        after=after,
        plan_id=plan_id,
        kind=ChangeKind(kind),
        outcome=outcome,
        reason=detail or reason,
    )
