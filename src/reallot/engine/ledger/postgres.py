"""The readings' tables in a PostgreSQL server: one connection, no wait without an end, no password in any text."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Lock, Timer
from typing import Any
from urllib.parse import urlsplit

from ...errors import ConfigurationError, DataError, ProtocolError, how_to_install
from ...text.durations import format_duration
from ..contracts.secrets import Secret, redact, remember
from .history import Readings
from .history_sql import POSTGRESQL

_LOCK = 7_305_414_977_301
"""Any number: held while tables are made, so that two processes do not make them at once."""
_SCHEME = re.compile(r"^postgres(?:ql)?(?:\+\w+)?://")


class Server(Readings):
    """The readings in one schema, reached by the connection string in the environment variable `variable`.

    connect_seconds    how long a connection may take, 2 or more
    statement_seconds  how long a transaction may take, also where the server has stopped to answer

    Making one connects to nothing; raises ConfigurationError where the variable or the extra is missing.
    """

    def __init__(self, variable: str, schema: str, *, connect_seconds: float, statement_seconds: float) -> None:
        super().__init__(POSTGRESQL)
        try:
            import psycopg
        except ImportError:
            raise ConfigurationError(f"readings in PostgreSQL need more: {how_to_install('postgres')}") from None
        given = _connection_values(variable)
        self.name = f"readings in PostgreSQL ({given.get('host') or 'local'}/{given.get('dbname') or ''})"
        self._seconds = connect_seconds + statement_seconds
        self._failures = (psycopg.Error, OSError)
        self._schema, self._quoted = schema, '"' + schema.replace('"', '""') + '"'
        milliseconds = max(1, round(1000 * statement_seconds))
        self._begin = f"SET LOCAL statement_timeout = {milliseconds}; SET LOCAL search_path = {self._quoted}"
        self._one = Lock()
        self._connection: Any = None
        self._prepared = self._was_cut = self._closed = False
        patience = {"connect_timeout": round(connect_seconds), "tcp_user_timeout": round(1000 * self._seconds)}

        def connect() -> Any:
            values: dict[str, Any] = {"application_name": "reallot", **patience, **given}
            return psycopg.connect(**values, prepare_threshold=None)

        self._connect = connect

    def close(self) -> None:
        """Ends the connection, and with it what is still being waited for."""
        self._closed = True
        if self._one.locked():
            self._cut()
        elif self._connection is not None:
            self._connection.close()

    def _rows(self, query: str, *values: Any) -> Sequence[Any]:
        with self._transaction() as cursor:
            rows: Sequence[Any] = cursor.execute(query, values).fetchall()
        return rows

    def _change(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> int:
        with self._transaction() as cursor:
            cursor.executemany(statement, rows)
            changed: int = cursor.rowcount
        return changed

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        """A cursor in one transaction, one at a time; raises DataError, with nothing written."""
        with self._one:
            if self._closed:
                raise DataError(f"{self.name}: it is closed")
            self._let_go_if_gone()
            try:
                with self._watched():
                    if self._connection is None:
                        self._connection = self._connect()
                    with self._connection.transaction(), self._connection.cursor() as cursor:
                        cursor.execute(self._begin)
                        if not self._prepared:
                            self._prepare(cursor)
                        yield cursor
                self._prepared = True
            except self._failures as error:
                self._prepared = False
                text = f"no answer within {format_duration(self._seconds)}" if self._was_cut else redact(str(error))
                raise DataError(f"{self.name}: {text or type(error).__name__}") from None
            finally:
                if self._closed and self._connection is not None:
                    self._connection.close()

    def _let_go_if_gone(self) -> None:
        """Closes a connection that does not answer, so that a new one is made."""
        if self._connection is None:
            return
        with suppress(*self._failures), self._watched():
            self._connection.execute("SELECT 1")
            self._connection.rollback()
            return
        self._connection.close()
        self._connection = None

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """A server that has stopped to answer keeps no statement's time limit: then the connection is cut."""
        self._was_cut = False
        watch = Timer(self._seconds, self._cut)
        watch.daemon = True
        watch.start()
        try:
            yield
        finally:
            watch.cancel()

    def _cut(self) -> None:
        self._was_cut = True
        with suppress(Exception), socket.socket(fileno=os.dup(self._connection.fileno())) as connection:
            connection.shutdown(socket.SHUT_RDWR)

    def _prepare(self, cursor: Any) -> None:
        """Makes what is not there yet; raises DataError where the tables are a newer version's."""
        encoding = cursor.execute("SHOW server_encoding").fetchone()[0]
        if encoding != "UTF8":
            raise DataError(f"{self.name}: the database's encoding is {encoding}; UTF8 is needed")
        migrations = POSTGRESQL.migrations()
        if self._migrated(cursor) == len(migrations):
            return
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        known = self._migrated(cursor)
        if known > len(migrations):
            newer = f"schema {known} of a newer version, and this version knows {len(migrations)}"
            raise DataError(f"{self.name}: {newer}; not touched")
        if not cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [self._schema]).fetchone():
            cursor.execute(f"CREATE SCHEMA {self._quoted}")
        cursor.execute("CREATE TABLE IF NOT EXISTS version (number INTEGER PRIMARY KEY); DELETE FROM version")
        for migration in migrations[known:]:
            cursor.execute(migration)
        cursor.execute("INSERT INTO version VALUES (%s)", [len(migrations)])

    def _migrated(self, cursor: Any) -> int:
        """How many migrations have run there."""
        there = "SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = 'version'"
        if not cursor.execute(there, [self._schema]).fetchone():
            return 0
        return int(cursor.execute(f"SELECT coalesce(max(number), 0) FROM {self._quoted}.version").fetchone()[0])


def _connection_values(variable: str) -> dict[str, Any]:
    """libpq's parameters from an URL or "key=value" pairs; the password is struck out of every text from now on."""
    import psycopg.conninfo

    try:
        text = Secret(variable).value()
    except ProtocolError as error:
        raise ConfigurationError(f"{error}; it holds the connection string of the readings' server") from None
    text = _SCHEME.sub("postgresql://", text)
    remember(text)
    given: dict[str, Any] | None = None
    with suppress(psycopg.Error):  # what it says repeats the text
        given = dict(psycopg.conninfo.conninfo_to_dict(text))
    if given is None:
        raise ConfigurationError(f"{variable} is no connection string: postgresql://user:password@host/base")
    remember(str(given.get("password") or ""))
    with suppress(ValueError):
        remember(urlsplit(text).password or "")
    if "@" in str(given.get("host") or ""):
        raise ConfigurationError(f"{variable}: the host has an @ in it; write one in a password as %40")
    return given
