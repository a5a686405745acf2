"""Readings over time: raw for two weeks, by the hour for two years. Losing them is sad; the journal is another file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from . import history_sql as sql
from .damage import UNREADABLE
from .database import Database
from .history_sql import SQLITE, Dialect
from .timestamps import EPOCH

T = TypeVar("T")
BATCH = 10_000
RAW, HOURS = timedelta(days=14), timedelta(days=730)
"""For how long readings are kept, and their sums by the hour."""
OVERLAP = timedelta(days=2)
"""Hours before the last that are summed again where a clock may have gone back."""
LATEST = datetime(9999, 1, 1, tzinfo=UTC)


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


class Readings(ABC):
    """Readings in a database of any kind, by one SQL; whoever has the connection says how a transaction is done.

    Every method may raise DataError.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    @abstractmethod
    def _rows(self, query: str, *values: Any) -> Sequence[Any]:
        """All rows of a query."""

    @abstractmethod
    def _change(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> int:
        """Runs a statement with each of these values, in one transaction; returns how many rows it changed."""

    def add(self, samples: list[Sample]) -> None:
        """Keeps readings; one of the same protocol and moment is replaced."""
        kept = self._dialect.kept
        rows = [(s.protocol, kept(s.at), _number(s.earnings), _number(s.share), bool(s.up)) for s in samples]
        self._change(self._dialect.sql(sql.PUT_SAMPLE), rows)

    def samples(self, start: datetime, end: datetime, protocol: str | None = None) -> list[Sample]:
        """Raw readings with start <= at < end, by protocol and time."""
        return _readable(self._sample, self._between(sql.SAMPLES, start, end, protocol))

    def hours(self, start: datetime, end: datetime, protocol: str | None = None) -> list[Hour]:
        """Whole hours that were rolled up, with start <= at < end, by protocol and time."""
        return _readable(self._hour, self._between(sql.HOURS, start, end, protocol))

    def last(self, until: datetime = LATEST) -> datetime | None:
        """The moment of the newest raw reading up to then; None where there is none."""
        newest = self._rows(self._dialect.sql(sql.LAST), self._dialect.kept(until))[0][0]
        return None if newest is None else self._dialect.read(newest)

    def roll_up(self, now: datetime, raw: timedelta | None = RAW, hours: timedelta | None = HOURS) -> None:
        """Sums whole hours up, then forgets raw readings older than `raw` and hours older than `hours`.

        Repeated it changes nothing. Deleting goes by batches, so that nobody waits long for the table. None is as long
        as usual, counted in hours that have readings, and hours are summed in any order: so nothing is lost by a clock
        that jumped.
        """
        kept, dialect = self._dialect.kept, self._dialect
        until = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        jumps = raw is None
        # the last rolled-up hour is summed again: a reading may have come late
        done = self._rows(dialect.sql(sql.LAST_HOUR), kept(until if jumps else LATEST))[0][0]
        begin = EPOCH if done is None else dialect.read(done) - (OVERLAP if jumps else timedelta(0))
        self._change(dialect.sql(sql.ROLL_UP, which=sql.BETWEEN), [(kept(begin), kept(until))])
        if jumps:
            self._change(dialect.sql(sql.ROLL_UP, which=dialect.sql(sql.NOT_SUMMED)), [(kept(until),)])
        ends = min(self._age(now, raw, RAW), until), self._age(now, hours, HOURS)
        for (name,) in self._rows(dialect.sql(sql.NAMES)):
            for text, end in zip((sql.FORGET_SAMPLES, sql.FORGET_HOURS), ends, strict=True):
                while self._change(dialect.sql(text), [(name, kept(end), BATCH)]) == BATCH:
                    pass

    def _age(self, now: datetime, length: timedelta | None, usual: timedelta) -> datetime:
        """The moment before which is forgotten."""
        if length is not None:
            return now - length
        query, kept = self._dialect.sql(sql.NEWEST_HOURS), self._dialect.kept
        found = self._rows(query, kept(now), usual // timedelta(hours=1) - 1)
        return min(now - usual, self._dialect.read(found[0][0])) if found else EPOCH

    def _sample(self, row: Sequence[Any]) -> Sample:
        name, at, earnings, share, up = row
        _check(earnings, share)
        return Sample(name, self._dialect.read(at), earnings, share, bool(up))

    def _hour(self, row: Sequence[Any]) -> Hour:
        _check(*row[2:4])
        return Hour.of(row[0], self._dialect.read(row[1]), *row[2:])

    def _between(self, text: str, start: datetime, end: datetime, protocol: str | None) -> Sequence[Any]:
        kept = self._dialect.kept
        query = self._dialect.sql(text, and_protocol="" if protocol is None else " AND protocol = ?")
        return self._rows(query, kept(start), kept(end), *(() if protocol is None else (protocol,)))


class History(Readings):
    """Readings in SQLite; `path` is a file, or ":memory:". Every method may raise DataError.

    There is one connection, which one thread uses at a time: whoever adds waits for one transaction of a summing up,
    and `close` ends it after that one. It goes on where it was when it is asked for again.
    """

    def __init__(self, path: str | Path = ":memory:", *, read_only: bool = False) -> None:
        super().__init__(SQLITE)
        self._database = Database(path, SQLITE.migrations(), synchronous="NORMAL", read_only=read_only)
        self.path = self._database.path
        self.blocking = not self._database.in_memory
        self._one = Lock()

    def _rows(self, query: str, *values: Any) -> Sequence[Any]:
        with self._one:
            return self._database.rows(query, values)

    def _change(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> int:
        with self._one:
            return self._database.write(lambda connection: connection.executemany(statement, rows).rowcount)

    def check(self) -> None:
        """Looks at every page; raises Damaged."""
        self._database.check()

    def close(self) -> None:
        """Lets go of the file."""
        with self._one:
            self._database.close()


def samples_of(
    at: datetime,
    earnings: Mapping[str, float],
    shares: Mapping[str, float],
    connected: Mapping[str, bool],
) -> list[Sample]:
    """One poll as readings: what did not answer is a reading too, without a value."""
    names = sorted({*earnings, *shares, *connected})
    return [Sample(name, at, earnings.get(name), shares.get(name), connected.get(name, False)) for name in names]


def _readable(make: Callable[[Sequence[Any]], T], rows: Iterable[Sequence[Any]]) -> list[T]:
    """What the rows say; one that cannot have been written so is no reading."""
    found = []
    for row in rows:
        try:
            found.append(make(row))
        except UNREADABLE:
            continue
    return found


def _check(earnings: Any, share: Any) -> None:
    """Raises ValueError or TypeError where it was not `add` that wrote them."""
    if _number(earnings) != earnings or _number(share) != share:
        raise ValueError("no reading")


def _number(value: float | None) -> float | None:
    """What sums never overflow on: not finite, or beyond 1e100, is absent, and below 1e-100 is 0."""
    if value is None or not abs(value) <= 1e100:
        return None
    return float(value) if abs(value) >= 1e-100 else 0.0
