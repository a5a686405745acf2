"""What happened, numbered without a gap, so that "why did nothing move at 02:31?" has an answer later.

A file of its own beside the readings, wherever these are kept. Losing it is sad, and stops nothing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from ...errors import DataError
from .damage import Damaged, NewerSchema, keep_aside
from .database import Database
from .timestamps import microseconds, moment

KEPT_DAYS, MOST = 30, 100_000
"""For how many days events are kept, and how many at most. A day counts where something happened on it: so a clock that
is years ahead for an hour forgets nothing."""
MOST_TEXT = 4000
"""Characters of one text."""
_TABLES = (
    """
    CREATE TABLE event (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL,
        fields TEXT NOT NULL, level INTEGER NOT NULL
    );
    CREATE INDEX event_at ON event (at)
    """,
)
_DAY = 86_400_000_000  # microseconds
_FORGET = f"""
    DELETE FROM event WHERE seq <= ? OR at < (
        SELECT DISTINCT at / {_DAY} * {_DAY} FROM event ORDER BY 1 DESC LIMIT 1 OFFSET ?
    )
"""
_SELECT = "SELECT seq, at, kind, text, fields, level FROM event"


class KeptEvent(NamedTuple):
    """Something that happened; `level` is that of the log."""

    seq: int
    at: datetime
    kind: str
    text: str
    fields: Mapping[str, str | float | int | bool | None]
    level: int


class EventLog:
    """The events of one ledger; without a folder in memory. Opened at the first use. May raise DataError."""

    def __init__(self, folder: Path | None, *, read_only: bool = False) -> None:
        self.path = None if folder is None else folder / "events.db"
        self._read_only = read_only
        self._opened: Database | None = None
        self._lock = Lock()
        self._added = 0

    def add(self, events: Iterable[tuple[datetime, str, str, Mapping[str, Any], int]]) -> list[KeptEvent]:
        """Keeps (time, kind, text, fields, level), and returns them with their numbers; old ones are forgotten."""
        rows = [
            (microseconds(at), kind, text[:MOST_TEXT], json.dumps(dict(fields)), level)
            for at, kind, text, fields, level in events
        ]

        def work(connection: sqlite3.Connection) -> list[int]:
            sql = "INSERT INTO event (at, kind, text, fields, level) VALUES (?, ?, ?, ?, ?)"
            numbers = [int(connection.execute(sql, row).lastrowid or 0) for row in rows]
            if numbers and self._added % 100 < len(numbers):
                connection.execute(_FORGET, (numbers[-1] - MOST, KEPT_DAYS - 1))
            return numbers

        with self._lock:
            numbers = self._database().write(work)
            self._added += len(numbers)
        return [_kept((number, *row)) for number, row in zip(numbers, rows, strict=True)]

    def after(self, seq: int, limit: int) -> list[KeptEvent]:
        """Those after a number, the oldest first."""
        return self._page(f"{_SELECT} WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit)

    def before(self, seq: int | None, limit: int) -> list[KeptEvent]:
        """Those before a number, or the last ones, the newest first."""
        if seq is None:
            return self._page(f"{_SELECT} ORDER BY seq DESC LIMIT ?", limit)
        return self._page(f"{_SELECT} WHERE seq < ? ORDER BY seq DESC LIMIT ?", seq, limit)

    def last_moved(self) -> KeptEvent | None:
        """The newest move that was told."""
        return next(iter(self._page(f"{_SELECT} WHERE kind = 'move' ORDER BY seq DESC LIMIT 1")), None)

    def last(self) -> int:
        """The number of the newest event; 0 where there is none."""
        found = self.before(None, 1)
        return found[0].seq if found else 0

    def close(self) -> None:
        """Lets go of the file; again is harmless."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    def _page(self, sql: str, *values: int) -> list[KeptEvent]:
        if self.path is not None and not self.path.exists():
            return []
        with self._lock:
            return self._database().each(_kept, sql, values)

    def _database(self) -> Database:
        """The open file; a damaged one is kept aside, and events begin anew."""
        if self._opened is None:
            path = ":memory:" if self.path is None else self.path
            try:
                self._opened = Database(path, _TABLES, synchronous="NORMAL", read_only=self._read_only)
            except (Damaged, NewerSchema):
                if self.path is None or self._read_only:
                    raise
                try:
                    keep_aside(self.path)
                except OSError as error:
                    raise DataError(f"{self.path} is damaged and could not be kept aside: {error}") from error
                self._opened = Database(path, _TABLES, synchronous="NORMAL")
        return self._opened


def _kept(row: tuple[Any, ...]) -> KeptEvent:
    seq, at, kind, text, fields, level = row
    return KeptEvent(int(seq), moment(at), str(kind), str(text), dict(json.loads(fields)), int(level))
