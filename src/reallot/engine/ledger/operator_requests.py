"""What people ask of a running engine: each wish is a row that is heard once, and says later what came of it.

A file of its own, because only the engine writes the journal; without WAL, because here several do write.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from ...errors import DataError, InvalidInput
from .damage import UNREADABLE, damage_of, keep_aside
from .timestamps import microseconds, moment

T = TypeVar("T")
CONFIRM, DECLINE, EXECUTE, ROLLBACK = "confirm", "decline", "execute", "rollback"
PAUSE, UNPAUSE, RESUME, POLL, ASK_AGAIN = "pause", "unpause", "resume", "poll", "ask again"
ACKNOWLEDGE, MUTE, FORGET, CLEANUP = "acknowledge", "mute", "forget", "cleanup"
ABOUT = {
    **dict.fromkeys((CONFIRM, DECLINE, EXECUTE, ROLLBACK), "plan_id"),
    **dict.fromkeys((ACKNOWLEDGE, MUTE), "alert"),
    FORGET: "protocol",
}
"""What a request names, by its kind; the others name nothing."""
LIFETIME = timedelta(minutes=10)
"""What was not heard within this time is not carried out later: nobody acts on what was asked for yesterday."""
KEPT = timedelta(days=7)
"""For how long a request that came to its end can be found again."""
STAYS = (PAUSE,)
"""Kinds that do not expire: an engine that starts later still has to move nothing."""
LONGEST_KEY = 128


class ActionState(StrEnum):
    """Where a request stands: QUEUED -> RUNNING -> DONE | REFUSED, or EXPIRED where nobody heard it in time."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"
    EXPIRED = "expired"

    @property
    def is_open(self) -> bool:
        """True where something may still come of it."""
        return self in (ActionState.QUEUED, ActionState.RUNNING)


class KeyTaken(InvalidInput):
    """The idempotency key belongs to another request."""


@dataclass(frozen=True)
class Request:
    """One wish, and what came of it.

    id         sorts by time
    body       what it is about, such as {"plan_id": ...}
    key        the same for one wish and no other, so that asking twice is asking once
    actor, via who asked, and from where: "cli", "http", "page", "mcp"
    problem    why it was refused: "by", "detail", "until"
    operation  number of the operation that it led to
    """

    id: str
    kind: str
    body: Mapping[str, Any]
    at: datetime
    key: str
    actor: str = ""
    via: str = "cli"
    state: ActionState = ActionState.QUEUED
    version: str = ""
    problem: Mapping[str, Any] = field(default_factory=dict)
    operation: int | None = None
    ended: datetime | None = None

    @property
    def plan_id(self) -> str:
        """What it names: a plan, or an alert; "" where it names nothing."""
        return str(self.body.get(ABOUT.get(self.kind, ""), ""))

    def is_late(self, now: datetime | None = None) -> bool:
        """True where it waits since more than its lifetime, by either direction of a clock, and expires unheard."""
        waited = abs((now or datetime.now(UTC)) - self.at)
        return self.state is ActionState.QUEUED and self.kind not in STAYS and waited > LIFETIME


class Requests:
    """The box that wishes are put into; every method may raise DataError.

    folder  where `requests.db` lies; None keeps the box in memory, for one process
    """

    def __init__(self, folder: str | Path | None) -> None:
        self.path = None if folder is None else Path(folder) / "requests.db"
        self._memory: sqlite3.Connection | None = None
        self._lock, self._puts = Lock(), 0

    def post(self, kind: str, about: str = "", at: datetime | None = None, *, via: str = "cli") -> Request:
        """Puts one in that nobody repeats; `about` is the plan or the alert that it names."""
        named = ABOUT.get(kind)
        return self.put(kind, {named: about} if named else {}, at=at, via=via)[0]

    def put(
        self,
        kind: str,
        body: Mapping[str, Any],
        *,
        key: str = "",
        actor: str = "",
        via: str = "cli",
        version: str = "",
        at: datetime | None = None,
    ) -> tuple[Request, bool]:
        """Puts one in, and True; the first one of this key and False where it is in already.

        Raises KeyTaken where the key belongs to another wish. An empty key is one that nobody has.
        """
        if len(key) > LONGEST_KEY or not (key.isascii() and key.isprintable()):
            raise InvalidInput(f"an idempotency key has 1 to {LONGEST_KEY} visible ASCII characters")
        when = at or datetime.now(UTC)
        text = json.dumps(dict(body), sort_keys=True, allow_nan=False)
        digest = hashlib.sha256(f"{kind} {text}".encode()).hexdigest()
        made = ordered_id(when)
        row = (made, key or made, digest, kind, text, version, actor, via, microseconds(when), ActionState.QUEUED)

        def work(connection: sqlite3.Connection) -> tuple[Request, bool]:
            old = "DELETE FROM action WHERE ended IS NOT NULL AND ended < ?"
            connection.execute(old, (microseconds(when - KEPT),))
            is_new = connection.execute(_INSERT, row).rowcount > 0
            found = connection.execute(f"{_SELECT} WHERE key = ?", (row[1],)).fetchone()
            if found[2] != digest:
                raise KeyTaken(f"the idempotency key {key!r} belongs to another action; give this one a key of its own")
            return _request(found), is_new

        self._puts += 1
        return self._run(work)

    def all(self) -> list[Request]:
        """What is not at its end yet, oldest first."""
        if self.path is not None and not self.path.exists():
            return []
        query = f"{_SELECT} WHERE state IN ('queued', 'running') ORDER BY rowid"
        return self._run(lambda connection: list(map(_request, connection.execute(query))))

    def stamp(self) -> object:
        """Another value where somebody may have put something in since the last look; it reads no row."""
        if self.path is None:
            return self._puts
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size

    def find(self, number: str) -> Request | None:
        """The request of this id; None where there is none."""
        found = self.page(1, "id = ?", number)
        return found[0] if found else None

    def page(self, limit: int, where: str = "1", *values: Any) -> list[Request]:
        """The newest first, at most `limit`, those for which an SQL condition holds."""
        if self.path is not None and not self.path.exists():
            return []
        query = f"{_SELECT} WHERE {where} ORDER BY rowid DESC LIMIT ?"
        return self._run(lambda connection: list(map(_request, connection.execute(query, (*values, limit)))))

    def done(
        self,
        request: Request,
        state: ActionState | None = ActionState.DONE,
        problem: Mapping[str, Any] | None = None,
        operation: int | None = None,
    ) -> None:
        """Says what came of one: nothing yet where `state` is None. A request that is at its end stays so."""
        if state is None:
            return
        ended = None if state.is_open else microseconds(datetime.now(UTC))
        sql = (
            "UPDATE action SET state = ?, problem = ?, operation = coalesce(?, operation), ended = ? "
            "WHERE id = ? AND state IN ('queued', 'running')"
        )
        row = (state, json.dumps(dict(problem or {})), operation, ended, request.id)
        self._run(lambda connection: connection.execute(sql, row))

    def close(self) -> None:
        """Lets go of a box in memory."""
        if self._memory is not None:
            self._memory.close()
            self._memory = None

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        path = self.path or ":memory:"
        try:
            with self._opened() as connection:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    result = work(connection)
                    connection.execute("COMMIT")
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                return result
        except InvalidInput:
            raise
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if self.path is not None and (why := damage_of(error, self.path)):
                raise self._lost(why) from error
            raise DataError(f"{path}: {error}") from error
        except UNREADABLE:
            raise self._lost("a row cannot be read") from None

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        if self.path is not None:
            connection = sqlite3.connect(self.path, timeout=2.0, isolation_level=None)
            try:
                _prepare(connection)
                yield connection
            finally:
                connection.close()
            return
        with self._lock:
            if self._memory is None:
                self._memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
                _prepare(self._memory)
            yield self._memory

    def _lost(self, why: object) -> DataError:
        """Keeps a damaged box aside, so that the next request finds a new one."""
        if self.path is None:
            return DataError(f"the box of requests is damaged ({why})")
        try:
            aside = keep_aside(self.path)
        except OSError as error:
            return DataError(f"{self.path} is damaged ({why}) and could not be kept aside: {error}; delete it")
        return DataError(f"{self.path} was damaged ({why}) and is kept as {aside.name}; what was asked for: ask again")


_TABLE = """
CREATE TABLE action (
    id TEXT PRIMARY KEY, key TEXT NOT NULL UNIQUE, digest TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
    version TEXT NOT NULL, actor TEXT NOT NULL, via TEXT NOT NULL, at INTEGER NOT NULL, state TEXT NOT NULL,
    problem TEXT NOT NULL, operation INTEGER, ended INTEGER
)"""
_INSERT = "INSERT OR IGNORE INTO action VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '{}', NULL, NULL)"
_SELECT = "SELECT id, key, digest, kind, body, version, actor, via, at, state, problem, operation, ended FROM action"


def _prepare(connection: sqlite3.Connection) -> None:
    """Makes the table; what an older version put in becomes rows of it."""
    if connection.execute("PRAGMA user_version").fetchone()[0] == 1:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if connection.execute("PRAGMA user_version").fetchone()[0] != 1:
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            connection.execute(_TABLE)
            if "request" in names:
                rows = connection.execute("SELECT kind, plan_id, at FROM request ORDER BY id").fetchall()
                connection.executemany(_INSERT, [_older(number, *row) for number, row in enumerate(rows)])
                connection.execute("DROP TABLE request")
            connection.execute("PRAGMA user_version = 1")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _older(number: int, kind: str, about: str, at: str) -> tuple[Any, ...]:
    """A row of the table that there was before, of which one column named what the request is about."""
    named, when = ABOUT.get(kind), datetime.fromisoformat(at)
    text = json.dumps({named: about} if named else {})
    made = f"00000000-0000-7000-8000-{number:012x}"  # before all that comes, in their order
    digest = hashlib.sha256(f"{kind} {text}".encode()).hexdigest()
    return (made, made, digest, kind, text, "", "", "cli", microseconds(when), ActionState.QUEUED)


def ordered_id(at: datetime) -> str:
    """An id that nobody else makes and that sorts by time: a UUID of version 7 (RFC 9562), to the microsecond."""
    milliseconds, rest = divmod(microseconds(at), 1000)
    number = (milliseconds & (1 << 48) - 1) << 80 | 0x7 << 76 | rest << 66 | int.from_bytes(os.urandom(8))
    text = f"{number & ~(0x3 << 62) | 0x2 << 62:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _request(row: tuple[Any, ...]) -> Request:
    number, key, _, kind, body, version, actor, via, at, state, problem, operation, ended = row
    return Request(
        str(number),
        str(kind),
        dict(json.loads(body)),
        moment(at),
        str(key),
        str(actor),
        str(via),
        ActionState(state),
        str(version),
        dict(json.loads(problem)),
        None if operation is None else int(operation),
        None if ended is None else moment(ended),
    )
