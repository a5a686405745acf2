"""Readings in PostgreSQL: adding never waits for the server; while it is down they wait in memory, up to a bound."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from threading import Condition, Lock, Thread

from ...errors import DataError, InvalidInput
from .history import BATCH, HOURS, LATEST, RAW, Hour, Sample
from .postgres import Server

_log = logging.getLogger("reallot.engine.ledger.history")
_LONGEST_NAME = 500
_LONGEST_PAUSE = 60.0

Key = tuple[str, datetime]


class PostgresHistory:
    """A HistoryStore in a PostgreSQL server: the extra `postgres`. Moves are written elsewhere, in the local journal.

    variable       name of the environment variable that holds the connection string, with its password
    schema         where the tables are made; one for each ledger that shares the database
    most_waiting   readings that are kept in memory while the server does not take them; then the oldest are lost
    pause_seconds  how long it is left alone after a failure; twice as long after each, up to a minute

    `add` and `roll_up` hand over to a thread and return at once, and are done when the server is there; everything else
    asks it, after what was handed over, and raises DataError where that cannot be done. `waiting`, `lost` and `trouble`
    say how it goes. What waits is gone with the process.
    """

    blocking = False

    def __init__(
        self,
        variable: str = "REALLOT_HISTORY_URL",
        *,
        schema: str = "reallot",
        most_waiting: int = 100_000,
        connect_seconds: float = 5.0,
        statement_seconds: float = 60.0,
        close_seconds: float = 5.0,
        pause_seconds: float = 1.0,
    ) -> None:
        self._server = Server(variable, schema, connect_seconds=connect_seconds, statement_seconds=statement_seconds)
        self._most, self._close_seconds, self._pause = most_waiting, close_seconds, pause_seconds
        self._changed = Condition()
        self._writing = Lock()
        self._waiting: dict[Key, Sample] = {}
        self._sent: dict[Key, Sample] = {}
        self._roll_up: tuple[datetime, timedelta | None, timedelta | None] | None = None
        self._lost, self._told_lost = 0, 0
        self._trouble = ""
        self._closed = False
        self._thread: Thread | None = None

    def __repr__(self) -> str:
        return f"PostgresHistory({self._server.name!r})"

    @property
    def waiting(self) -> int:
        """Readings that the server has not taken yet."""
        with self._changed:
            return len(self._waiting.keys() | self._sent.keys())

    @property
    def lost(self) -> int:
        """Readings that were given up, since more waited than may."""
        return self._lost

    @property
    def trouble(self) -> str:
        """Why the server takes nothing, or ""."""
        return self._trouble

    def add(self, samples: list[Sample]) -> None:
        """Keeps readings, without waiting; one of the same protocol and moment is replaced.

        A number that is not finite is kept as absent. Raises InvalidInput where a name cannot be kept.
        """
        for name in {each.protocol for each in samples}:
            if not _can_be_kept(name):
                rule = f"it has a zero, half a sign, or over {_LONGEST_NAME} bytes"
                raise InvalidInput(f"{name[:40]!r} is no name to keep: {rule}")
        with self._changed:
            self._hand_over()
            for each in samples:
                self._waiting[each.protocol, each.at.astimezone(UTC)] = each
            self._trim()

    def samples(self, start: datetime, end: datetime, protocol: str | None = None) -> list[Sample]:
        """Raw readings with start <= at < end, by protocol and time."""
        self._write()
        if protocol is not None and not _can_be_kept(protocol):
            return []
        return self._server.samples(start, end, protocol)

    def hours(self, start: datetime, end: datetime, protocol: str | None = None) -> list[Hour]:
        """Whole hours that were rolled up, with start <= at < end, by protocol and time."""
        self._write()
        if protocol is not None and not _can_be_kept(protocol):
            return []
        return self._server.hours(start, end, protocol)

    def last(self, until: datetime = LATEST) -> datetime | None:
        """The moment of the newest raw reading up to then; None where there is none."""
        self._write()
        return self._server.last(until)

    def roll_up(self, now: datetime, raw: timedelta | None = RAW, hours: timedelta | None = HOURS) -> None:
        """Sums whole hours up, then forgets raw readings older than `raw` and hours older than `hours`.

        Repeated it changes nothing. What waits is written first: hours of an outage are summed when it is over.
        """
        with self._changed:
            self._hand_over()
            self._roll_up = now, raw, hours

    def close(self) -> None:
        """Writes what waits, as far as that is done within `close_seconds`, and lets go; again is harmless."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(self._close_seconds)
        self._server.close()
        if left := self.waiting:
            _log.warning("%s: closed while %d readings waited; they are lost", self._server.name, left)

    def _hand_over(self) -> None:
        if self._closed:
            raise DataError(f"{self._server.name}: it is closed")
        if self._thread is None:
            self._thread = Thread(target=self._work, name="reallot-history", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _work(self) -> None:
        pause = self._pause
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._waiting or self._roll_up)
                last = self._closed
            try:
                self._write()
                pause = self._pause
            except DataError:
                with self._changed:
                    self._changed.wait_for(lambda: self._closed, pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            if last:
                return

    def _write(self) -> None:
        """Writes all that waits, then rolls up; raises DataError, and then it waits on."""
        with self._writing:
            try:
                while self._take():
                    self._server.add(list(self._sent.values()))
                    with self._changed:
                        self._sent = {}
                if (asked := self._roll_up) is not None:
                    self._server.roll_up(*asked)
                    with self._changed:
                        self._roll_up = None if self._roll_up is asked else self._roll_up
                self._succeeded()
            except DataError as error:
                self._failed(str(error))
                raise
            finally:
                with self._changed:
                    self._waiting, self._sent = {**self._sent, **self._waiting}, {}
                    self._trim()
                    self._changed.notify_all()

    def _take(self) -> bool:
        with self._changed:
            keys = [key for key, _ in zip(self._waiting, range(BATCH), strict=False)]
            self._sent = {key: self._waiting.pop(key) for key in keys}
            return bool(keys)

    def _trim(self) -> None:
        over = len(self._waiting) - self._most
        for key in [key for key, _ in zip(self._waiting, range(over), strict=False)]:
            del self._waiting[key]
            self._lost += 1

    def _failed(self, why: str) -> None:
        if not self._trouble:
            _log.warning("%s; at most %d readings wait in memory", why, self._most)
        self._trouble = why

    def _succeeded(self) -> None:
        if self._trouble:
            _log.warning("%s: written again; %d lost meanwhile", self._server.name, self._lost - self._told_lost)
        self._trouble, self._told_lost = "", self._lost


def _can_be_kept(name: str) -> bool:
    try:
        return len(name.encode()) <= _LONGEST_NAME and "\0" not in name
    except UnicodeEncodeError:
        return False
