"""What the journal keeps of what no ordinary move needs: halts, what was learned, what people put back, repairs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ..contracts.records import Alert
from . import journal_rows
from .alerts import alert_of, put_alert
from .database import Database
from .journal import KeptBooks, LearnedLimit, PaidQuote
from .timestamps import Stamp

_PUT, _DROP = "INSERT OR REPLACE INTO meta VALUES (?, ?)", "DELETE FROM meta WHERE name = ?"


class ExceptionalRows:
    """A part of the journal in SQLite: see Journal."""

    _database: Database
    _write: Callable[[Callable[[sqlite3.Connection], Any]], Any]
    _run: Callable[..., None]

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
        kept = f"DELETE FROM meta WHERE {journal_rows.KEPT_NAMES}"
        self._run(("DELETE FROM meta WHERE name = 'halted'", ()), ("DELETE FROM frozen", ()), (kept, ()))

    def learn(self, limit: LearnedLimit) -> None:
        """Keeps what a protocol would not take."""
        row = (limit.protocol, limit.kind, limit.share, limit.failures, limit.reason, *limit.at.columns)
        self._run((_PUT, (f"learned:{limit.kind}:{limit.protocol}", json.dumps(row))))

    def unlearn(self, protocol: str, kind: str) -> None:
        """It does not hold any more."""
        self._run((_DROP, (f"learned:{kind}:{protocol}",)))

    def keep(self, protocols: Sequence[str], at: Stamp) -> None:
        """Protocols that a person has put back, and that are to stay there."""
        self._run(*((_PUT, (f"kept:{name}", json.dumps([name, *at.columns]))) for name in protocols))

    def keep_quotes(self, paid: Mapping[str, PaidQuote]) -> None:
        """Keeps what was paid of quotes."""
        rows = {name: json.dumps([name, each.ratio, each.hours, each.at.isoformat()]) for name, each in paid.items()}
        self._run(*((_PUT, (f"quote:{name}", text)) for name, text in rows.items()))

    def quotes(self) -> dict[str, PaidQuote]:
        """What was paid of quotes, by protocol."""
        return dict(self._database.each(lambda row: journal_rows.quote_of(row[0]), journal_rows.QUOTES))

    def keep_books(self, books: KeptBooks) -> None:
        """Keeps the policy's books against never moving."""
        self._run((_PUT, ("regret", json.dumps([books.until.isoformat(), *books[1:]]))))

    def books(self) -> KeptBooks | None:
        """The policy's books that were kept."""
        return next(iter(self._database.each(lambda row: journal_rows.books_of(row[0]), journal_rows.BOOKS)), None)

    def forget(self, protocol: str) -> None:
        """Nothing is known of a protocol any more but what was done."""
        learned = (f"learned:{kind}:{protocol}" for kind in ("ceiling", "floor", "step", "delay"))
        names = (*learned, f"kept:{protocol}", f"quote:{protocol}")
        tables = (f"DELETE FROM {table} WHERE protocol = ?" for table in ("committed", "touched", "frozen"))
        self._run(*((_DROP, (name,)) for name in names), *((sql, (protocol,)) for sql in tables))

    def acknowledge(self, key: str) -> bool:
        """A person has seen the open alert of this key; False where there is none."""
        sql = "UPDATE alert SET acknowledged = 1 WHERE key = ? AND recovered IS NULL"
        return bool(self._write(lambda connection: connection.execute(sql, (key,)).rowcount > 0))

    def mute(self, key: str, until: datetime) -> None:
        """A person wants to hear nothing more of this key until then."""
        self._run((_PUT, (f"muted:{key}", json.dumps([key, until.isoformat()]))))

    def muted(self) -> dict[str, datetime]:
        """Keys of which nothing is to be heard, and until when."""
        return dict(self._database.each(lambda row: journal_rows.muted_of(row[0]), journal_rows.MUTED))

    def page(self, what: str, limit: int, before: int | None = None) -> list[tuple[int, Any]]:
        """The newest decisions, alerts or changes before this number, each with its own, the newest first."""
        makes: dict[str, Callable[[Any], Any]] = {
            "decision": journal_rows.decision_of,
            "alert": alert_of,
            "change": journal_rows.change_of,
        }
        make = makes[what]
        sql = f"SELECT * FROM ({journal_rows.PAGES[what]}) WHERE ? IS NULL OR id < ? ORDER BY id DESC LIMIT ?"
        return self._database.each(lambda row: (int(row[0]), make(row[1:])), sql, (before, before, limit))

    def repairs(self, count: int) -> list[tuple[Stamp, frozenset[str]]]:
        """The last repairs, newest first: when, and of which protocols."""
        return self._database.each(journal_rows.repair_of, journal_rows.REPAIRS, (count,))
