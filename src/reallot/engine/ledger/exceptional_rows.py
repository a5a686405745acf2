"""What the journal keeps of what no ordinary move needs: halts, what was learned, what people put back, repairs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..contracts.records import Alert
from . import journal_rows
from .alerts import put_alert
from .database import Database
from .journal import LearnedLimit
from .timestamps import Stamp


class ExceptionalRows:
    """A part of the journal in SQLite: see Journal."""

    _database: Database
    _write: Callable[[Callable[[sqlite3.Connection], Any]], Any]

    def halt(self, alert: Alert, frozen: Mapping[str, str]) -> bool:
        """No more moves until `resume`, and an alert, in one write; False where the alert was open already."""

        def work(connection: sqlite3.Connection) -> bool:
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('halted', ?)", (alert.message,))
            connection.executemany("INSERT OR REPLACE INTO frozen VALUES (?, ?)", list(frozen.items()))
            return put_alert(connection, alert)

        return bool(self._write(work))

    def halted(self) -> str:
        """Why nothing moves, or ""."""
        return self._database.read(lambda rows: next((str(row[0]) for row in rows), ""), journal_rows.HALTED)

    def frozen(self) -> dict[str, str]:
        """Protocols that are not touched, with the reason."""
        return self._database.read(dict, journal_rows.FROZEN)

    def resume(self) -> None:
        """A person has looked: nothing is halted or frozen any more."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM meta WHERE name = 'halted'")
            connection.execute("DELETE FROM frozen")
            connection.execute(f"DELETE FROM meta WHERE {journal_rows.KEPT_NAMES}")

        self._write(work)

    def learn(self, limit: LearnedLimit) -> None:
        """Keeps what a protocol would not take."""
        row = (limit.protocol, limit.kind, limit.share, limit.failures, limit.reason, *limit.at.columns)
        name, sql = f"learned:{limit.kind}:{limit.protocol}", "INSERT OR REPLACE INTO meta VALUES (?, ?)"
        self._write(lambda connection: connection.execute(sql, (name, json.dumps(row))) and None)

    def unlearn(self, protocol: str, kind: str) -> None:
        """It does not hold any more."""
        sql = "DELETE FROM meta WHERE name = ?"
        self._write(lambda connection: connection.execute(sql, (f"learned:{kind}:{protocol}",)) and None)

    def keep(self, protocols: Sequence[str], at: Stamp) -> None:
        """Protocols that a person has put back, and that are to stay there."""
        rows = [(f"kept:{name}", json.dumps([name, *at.columns])) for name in protocols]
        sql = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
        self._write(lambda connection: connection.executemany(sql, rows) and None)

    def forget(self, protocol: str) -> None:
        """Nothing is known of a protocol any more but what was done."""

        def work(connection: sqlite3.Connection) -> None:
            names = [f"learned:ceiling:{protocol}", f"learned:floor:{protocol}", f"kept:{protocol}"]
            connection.executemany("DELETE FROM meta WHERE name = ?", [(name,) for name in names])
            for table in ("committed", "touched", "frozen"):
                connection.execute(f"DELETE FROM {table} WHERE protocol = ?", (protocol,))

        self._write(work)

    def repairs(self, count: int) -> list[tuple[Stamp, frozenset[str]]]:
        """The last repairs, newest first: when, and of which protocols."""
        return self._database.each(journal_rows.repair_of, journal_rows.REPAIRS, (count,))
