"""What people ask of a running engine from another process: to confirm a plan, to pause, to resume.

A file of its own, because only the engine writes the journal; without WAL, because here several do write.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ...errors import DataError
from .damage import UNREADABLE, is_damage, keep_aside

CONFIRM, PAUSE, RESUME, ROLLBACK = "confirm", "pause", "resume", "rollback"
ACKNOWLEDGE, ASK_AGAIN = "acknowledge", "ask again"


@dataclass(frozen=True)
class Request:
    """One wish: "confirm" or "rollback" (of `plan_id`), "acknowledge" (of a key), "pause", "resume" or "ask again"."""

    id: int
    kind: str
    plan_id: str
    at: datetime


class Requests:
    """The box they are put into; every method may raise DataError."""

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder) / "requests.db"

    def post(self, kind: str, plan_id: str = "", at: datetime | None = None) -> None:
        """Puts one in."""
        when = (at or datetime.now(UTC)).isoformat()
        self._run("INSERT INTO request (kind, plan_id, at) VALUES (?, ?, ?)", (kind, plan_id, when))

    def all(self) -> list[Request]:
        """What is in, oldest first."""
        if not self.path.exists():
            return []
        rows = self._run("SELECT id, kind, plan_id, at FROM request ORDER BY id", ())
        try:
            return [Request(row[0], row[1], row[2], datetime.fromisoformat(row[3])) for row in rows]
        except UNREADABLE:
            raise self._lost("a row cannot be read") from None

    def done(self, request: Request) -> None:
        """Takes one out: it was heard."""
        self._run("DELETE FROM request WHERE id = ?", (request.id,))

    def _run(self, sql: str, values: tuple[object, ...]) -> list[tuple[int, str, str, str]]:
        try:
            connection = sqlite3.connect(self.path, timeout=2.0, isolation_level=None)
            try:
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS request "
                    "(id INTEGER PRIMARY KEY, kind TEXT NOT NULL, plan_id TEXT NOT NULL, at TEXT NOT NULL)"
                )
                return connection.execute(sql, values).fetchall()
            finally:
                connection.close()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if is_damage(error, self.path):
                raise self._lost(error) from error
            raise DataError(f"{self.path}: {error}") from error

    def _lost(self, why: object) -> DataError:
        """Keeps a damaged box aside, so that the next request finds a new one."""
        try:
            aside = keep_aside(self.path)
        except OSError as error:
            return DataError(f"{self.path} is damaged ({why}) and could not be kept aside: {error}; delete it")
        return DataError(f"{self.path} was damaged ({why}) and is kept as {aside.name}; what was asked for: ask again")
