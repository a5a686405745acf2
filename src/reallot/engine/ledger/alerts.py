"""Alerts in a table: one row per condition while it lasts, counted, closed when it is over."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime
from typing import Any

from ..contracts.records import Alert
from .timestamps import microseconds, moment

ALERT = "SELECT key, message, severity, wall, last_seen, count, acknowledged, recovered FROM alert"
Write = Callable[[Callable[[sqlite3.Connection], bool]], bool]


class AlertTable:
    """The alerts of one ledger; `each` is the database's, `write` the journal's."""

    def __init__(self, each: Callable[..., list[Any]], write: Write) -> None:
        self._each, self._write = each, write

    def raise_alert(self, alert: Alert) -> bool:
        """Keeps an alert; False where its key is open already (it is counted)."""
        return self._write(lambda connection: put_alert(connection, alert))

    def recovered(self, key: str, at: datetime) -> bool:
        """Closes the open alert of this key; False where there is none."""
        if not self._each(tuple, "SELECT 1 FROM alert WHERE key = ? AND recovered IS NULL", (key,)):
            return False
        sql = "UPDATE alert SET recovered = ? WHERE key = ? AND recovered IS NULL"
        return self._write(lambda connection: connection.execute(sql, (microseconds(at), key)).rowcount > 0)

    def alerts(self, limit: int = 1000) -> list[Alert]:
        """The last alerts, oldest first."""
        return self._each(alert_of, f"{ALERT} ORDER BY id DESC LIMIT ?", (limit,))[::-1]


def put_alert(connection: sqlite3.Connection, alert: Alert) -> bool:
    """Writes an alert; False where its key is open already: then that one is counted."""
    at = microseconds(alert.timestamp)
    key = alert.key or alert.message
    counted = connection.execute(
        "UPDATE alert SET count = count + 1, last_seen = ? WHERE key = ? AND recovered IS NULL", (at, key)
    )
    if counted.rowcount:
        return False
    connection.execute(
        "INSERT INTO alert (key, message, severity, wall, last_seen, count, acknowledged) VALUES (?, ?, ?, ?, ?, 1, ?)",
        (key, alert.message, alert.severity, at, at, int(alert.acknowledged)),
    )
    return True


def alert_of(row: tuple[Any, ...]) -> Alert:
    """A row of ALERT."""
    key, message, severity, wall, last_seen, count, acknowledged, ended = row
    return Alert(
        key=key,
        message=message,
        severity=severity,
        timestamp=moment(wall),
        last_seen=moment(last_seen),
        count=count,
        acknowledged=bool(acknowledged),
        recovered_at=None if ended is None else moment(ended),
    )
