"""Readings over time: raw for two weeks, by the hour for two years. Losing them is sad; the journal is another file."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any

from ...errors import DataError
from .database import Database
from .schema import HISTORY
from .timestamps import microseconds, moment

HOUR = 3_600_000_000
BATCH = 10_000


@dataclass(frozen=True)
class Sample:
    """One reading: USD/h and share, None where absent; `up` where the protocol answered."""

    protocol: str
    at: datetime
    earnings: float | None
    share: float | None
    up: bool


@dataclass(frozen=True)
class Hour:
    """One hour of one protocol.

    earnings         mean USD/h of what was measured; lowest and highest of the same; None where nothing was
    share            mean of its readings
    samples, seconds number of readings, and the time from the first to the last
    up, measured     part of them in which it answered, and in which it said what it earned
    """

    protocol: str
    at: datetime
    earnings: float | None
    share: float | None
    lowest: float | None
    highest: float | None
    samples: int
    up: float
    measured: float
    seconds: float

    @classmethod
    def of(cls, protocol: str, at: datetime, *row: Any) -> Hour:
        """From the rest of a row of the tables, where `up` and `measured` are numbers of readings."""
        earnings, share, lowest, highest, samples, up, measured, seconds = row
        counted = samples, up / samples, measured / samples, float(seconds)
        return cls(protocol, at, earnings, share, lowest, highest, *counted)


class History:
    """Readings in SQLite; `path` is a file, or ":memory:". Every method may raise DataError.

    There is one connection, which one thread uses at a time: whoever adds waits for one transaction of a summing up,
    and `close` ends it after that one. It goes on where it was when it is asked for again.
    """

    def __init__(self, path: str | Path = ":memory:", *, read_only: bool = False) -> None:
        try:
            self._database = Database(path, HISTORY, synchronous="NORMAL", read_only=read_only)
        except sqlite3.Error as error:
            raise DataError(f"{path}: {error}") from error
        self.path = self._database.path
        self.blocking = not self._database.in_memory
        self._one = Lock()

    def add(self, samples: list[Sample]) -> None:
        """Keeps readings; one of the same protocol and moment is replaced."""
        raw = [(each.protocol, microseconds(each.at), each.earnings, each.share, int(each.up)) for each in samples]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO sample VALUES (?, ?, ?, ?, ?)", raw)

        with self._one:
            self._database.write(work)

    def samples(self, start: datetime, end: datetime, protocol: str | None = None) -> list[Sample]:
        """Raw readings with start <= at < end, by protocol and time."""
        sql = (
            "SELECT protocol, at, earnings, share, up FROM sample WHERE protocol = ? AND at >= ? AND at < ? ORDER BY at"
        )
        bounds = microseconds(start), microseconds(end)
        rows = [row for name in self._names(protocol) for row in self._rows(sql, name, *bounds)]
        return [Sample(row[0], moment(row[1]), row[2], row[3], bool(row[4])) for row in rows]

    def hours(self, start: datetime, end: datetime, protocol: str | None = None) -> list[Hour]:
        """Whole hours that were rolled up, with start <= at < end, by protocol and time."""
        sql = (
            "SELECT protocol, hour, earnings, share, lowest, highest, samples, up, measured, seconds FROM hourly "
            "WHERE protocol = ? AND hour >= ? AND hour < ? ORDER BY hour"
        )
        bounds = microseconds(start), microseconds(end)
        rows = [row for name in self._names(protocol) for row in self._rows(sql, name, *bounds)]
        return [Hour.of(row[0], moment(row[1]), *row[2:]) for row in rows]

    def last(self) -> datetime | None:
        """The moment of the newest raw reading; None where there is none."""
        newest = self._rows("SELECT max(at) FROM sample")[0][0]
        return None if newest is None else moment(newest)

    def roll_up(
        self, now: datetime, raw: timedelta = timedelta(days=14), hours: timedelta = timedelta(days=730)
    ) -> None:
        """Sums whole hours up, then forgets raw readings older than `raw` and hours older than `hours`.

        Repeated it changes nothing. Deleting goes by batches, so that nobody waits long for the file.
        """
        until = microseconds(now) // HOUR * HOUR
        done = self._rows("SELECT coalesce(max(hour), 0) FROM hourly")[0][0]
        with self._one:
            # the last rolled-up hour is summed again: a reading may have come late
            self._database.write(lambda connection: connection.execute(_ROLL_UP, (done, until)) and None)
        for name in self._names(None):
            self._forget(_FORGET_RAW, name, min(microseconds(now - raw), until))
            self._forget(_FORGET_HOURS, name, microseconds(now - hours))

    def _forget(self, sql: str, name: str, end: int) -> None:
        def batch(connection: sqlite3.Connection) -> int:
            return connection.execute(sql, (name, end, BATCH)).rowcount

        forgotten = BATCH
        while forgotten == BATCH:
            with self._one:
                forgotten = self._database.write(batch)

    def _names(self, protocol: str | None) -> list[str]:
        if protocol is not None:
            return [protocol]
        return [row[0] for row in self._rows(_NAMES)]

    def _rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with self._one:
            return self._database.rows(sql, values)

    def close(self) -> None:
        """Lets go of the file."""
        with self._one:
            self._database.close()


_NAMES = "SELECT protocol FROM sample UNION SELECT protocol FROM hourly ORDER BY 1"
_ROLL_UP = f"""
    INSERT OR REPLACE INTO hourly
    SELECT protocol, at / {HOUR} * {HOUR}, avg(earnings) FILTER (WHERE up), avg(share),
        min(earnings) FILTER (WHERE up), max(earnings) FILTER (WHERE up),
        count(*), sum(up), count(earnings) FILTER (WHERE up), (max(at) - min(at)) / 1e6
    FROM sample WHERE at >= ? AND at < ? GROUP BY 1, 2
"""
_FORGET_RAW = """
    DELETE FROM sample WHERE (protocol, at) IN (SELECT protocol, at FROM sample WHERE protocol = ? AND at < ? LIMIT ?)
"""
_FORGET_HOURS = """
    DELETE FROM hourly
    WHERE (protocol, hour) IN (SELECT protocol, hour FROM hourly WHERE protocol = ? AND hour < ? LIMIT ?)
"""


def samples_of(
    at: datetime,
    earnings: Mapping[str, float],
    shares: Mapping[str, float],
    connected: Mapping[str, bool],
) -> list[Sample]:
    """One poll as readings: what did not answer is a reading too, without a value."""
    names = sorted({*earnings, *shares, *connected})
    return [Sample(name, at, earnings.get(name), shares.get(name), connected.get(name, False)) for name in names]
