"""The readings' tables in a PostgreSQL server: one connection, no wait without an end, no password in any text."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from threading import Lock, Timer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...errors import ConfigurationError, DataError, ProtocolError
from ...text.durations import format_duration
from ..contracts.secrets import Secret, redact, remember
from .history import BATCH, Hour, Sample

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_LOCK = 7_305_414_977_301
"""Any number: held while tables are made, so that two processes do not make them at once."""
_SCHEME = re.compile(r"^postgres(?:ql)?(?:\+\w+)?://")


class Server:
    """The tables of one schema, reached by the connection string in the environment variable `variable`.

    connect_seconds    how long a connection may take, 2 or more
    statement_seconds  how long a transaction may take, also where the server has stopped to answer

    Making one connects to nothing; raises ConfigurationError where the variable or the extra is missing.
    """

    def __init__(self, variable: str, schema: str, *, connect_seconds: float, statement_seconds: float) -> None:
        try:
            import psycopg
            import sqlalchemy
        except ImportError:
            raise ConfigurationError("readings in PostgreSQL need more: pip install 'reallot[postgres]'") from None
        given = _connection_values(variable)
        self.name = f"readings in PostgreSQL ({given.get('host') or 'local'}/{given.get('dbname') or ''})"
        self._seconds = connect_seconds + statement_seconds
        self._statement_milliseconds = max(1, round(1000 * statement_seconds))
        self._schema = schema
        self._one = Lock()
        self._driver: Any = None
        self._prepared = self._was_cut = self._closed = False
        self._failures = (sqlalchemy.exc.SQLAlchemyError, psycopg.Error, OSError)
        self._tables = _Tables(schema)
        patience = {"connect_timeout": round(connect_seconds), "tcp_user_timeout": round(1000 * self._seconds)}

        def connect() -> Any:
            values: dict[str, Any] = {"application_name": "reallot", **patience, **given}
            self._driver = psycopg.connect(**values, prepare_threshold=None)
            return self._driver

        self._engine: Engine = sqlalchemy.create_engine(
            "postgresql+psycopg://",
            creator=connect,
            pool_size=1,
            max_overflow=0,
            pool_pre_ping=True,
            hide_parameters=True,
            use_native_hstore=False,
        )

    def write(self, samples: Sequence[Sample]) -> None:
        """Keeps readings, no two of the same protocol and moment; raises DataError with none of them written."""
        rows = [(each.protocol, each.at, _number(each.earnings), _number(each.share), each.up) for each in samples]
        names = [column.name for column in self._tables.sample.columns]
        values = [dict(zip(names, row, strict=True)) for row in rows]
        with self._transaction() as connection:
            connection.execute(self._tables.put_sample, values)

    def samples(self, start: datetime, end: datetime, protocol: str | None) -> list[Sample]:
        """See HistoryStore."""
        rows = self._rows(self._tables.sample, self._tables.sample.c.at, start, end, protocol)
        return [Sample(row[0], row[1].astimezone(UTC), *row[2:]) for row in rows]

    def hours(self, start: datetime, end: datetime, protocol: str | None) -> list[Hour]:
        """See HistoryStore."""
        rows = self._rows(self._tables.hourly, self._tables.hourly.c.hour, start, end, protocol)
        return [Hour.of(row[0], row[1].astimezone(UTC), *row[2:]) for row in rows]

    def last(self) -> datetime | None:
        """See HistoryStore."""
        from sqlalchemy import func, select

        with self._transaction() as connection:
            newest: datetime | None = connection.execute(select(func.max(self._tables.sample.c.at))).scalar()
        return None if newest is None else newest.astimezone(UTC)

    def roll_up(self, now: datetime, raw: timedelta, hours: timedelta) -> None:
        """See HistoryStore."""
        until = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        with self._transaction() as connection:
            connection.execute(self._tables.roll_up, {"until": until})
        sample, hourly = self._tables.sample, self._tables.hourly
        self._forget(sample, sample.c.at, min(now - raw, until))
        self._forget(hourly, hourly.c.hour, now - hours)

    def close(self) -> None:
        """Ends the connection, and with it what is still being waited for."""
        self._closed = True
        if self._one.locked():
            self._cut()
        self._engine.dispose()

    def _rows(self, table: Any, time: Any, start: datetime, end: datetime, protocol: str | None) -> Sequence[Any]:
        query = table.select().where(time >= start, time < end)
        if protocol is not None:
            query = query.where(table.c.protocol == protocol)
        with self._transaction() as connection:
            found: Sequence[Any] = connection.execute(query.order_by(table.c.protocol, time)).all()
        return found

    def _forget(self, table: Any, time: Any, end: datetime) -> None:
        """By batches, each in a transaction of its own, so that nobody waits long for the table."""
        from sqlalchemy import select, tuple_

        key = table.c.protocol, time
        statement = table.delete().where(tuple_(*key).in_(select(*key).where(time < end).limit(BATCH)))
        while True:
            with self._transaction() as connection:
                if connection.execute(statement).rowcount == 0:
                    return

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """One transaction, one at a time; raises DataError, with nothing written."""
        with self._one, self._watched():
            if self._closed:
                raise DataError(f"{self.name}: it is closed")
            try:
                with self._engine.begin() as connection:
                    connection.exec_driver_sql(f"SET LOCAL statement_timeout = {self._statement_milliseconds}")
                    if not self._prepared:
                        self._tables.make(connection, self.name)
                    yield connection
                self._prepared = True
            except self._failures as error:
                self._prepared = False
                cause = getattr(error, "orig", None) or error
                text = f"no answer within {format_duration(self._seconds)}" if self._was_cut else redact(str(cause))
                raise DataError(f"{self.name}: {text or type(cause).__name__}") from None

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
        with suppress(Exception), socket.socket(fileno=os.dup(self._driver.fileno())) as connection:
            connection.shutdown(socket.SHUT_RDWR)


class _Tables:
    """The tables of one schema, and the statements on them."""

    def __init__(self, schema: str) -> None:
        import sqlalchemy as sa
        from sqlalchemy.dialects.postgresql import insert

        self.schema = schema
        self._data = sa.MetaData(schema=schema)
        moment, name = sa.DateTime(timezone=True), sa.Text(collation="C")  # C: sorted as everywhere else
        self._version = sa.Table("version", self._data, sa.Column("number", sa.Integer, primary_key=True))
        self.sample = sa.Table(
            "sample",
            self._data,
            sa.Column("protocol", name, primary_key=True),
            sa.Column("at", moment, primary_key=True),
            sa.Column("earnings", sa.Double),
            sa.Column("share", sa.Double),
            sa.Column("up", sa.Boolean, nullable=False),
        )
        sa.Index("sample_at", self.sample.c.at)
        self.hourly = sa.Table(
            "hourly",
            self._data,
            sa.Column("protocol", name, primary_key=True),
            sa.Column("hour", moment, primary_key=True),
            sa.Column("earnings", sa.Double),
            sa.Column("share", sa.Double),
            sa.Column("lowest", sa.Double),
            sa.Column("highest", sa.Double),
            sa.Column("samples", sa.BigInteger, nullable=False),
            sa.Column("up", sa.BigInteger, nullable=False),
            sa.Column("measured", sa.BigInteger, nullable=False),
            sa.Column("seconds", sa.Double, nullable=False),
        )
        self._migrations: tuple[Callable[[Connection], None], ...] = (self._data.create_all, self._add_length)

        def upsert(statement: Any, key: tuple[str, str]) -> Any:
            taken = {each.name: each for each in statement.excluded if each.name not in key}
            return statement.on_conflict_do_update(index_elements=key, set_=taken)

        self.put_sample = upsert(insert(self.sample), ("protocol", "at"))
        value, hour = self.sample.c, sa.func.date_trunc("hour", self.sample.c.at, "UTC")
        # the last hour that was rolled up is summed again: a reading may have come late
        done = sa.select(sa.func.max(self.hourly.c.hour)).scalar_subquery()
        summed = (
            sa.select(
                value.protocol,
                hour,
                sa.func.avg(value.earnings).filter(value.up),
                sa.func.avg(value.share),
                sa.func.min(value.earnings).filter(value.up),
                sa.func.max(value.earnings).filter(value.up),
                sa.func.count(),
                sa.func.count().filter(value.up),
                sa.func.count(value.earnings).filter(value.up),
                sa.cast(sa.extract("epoch", sa.func.max(value.at) - sa.func.min(value.at)), sa.Double),
            )
            .where(sa.or_(done.is_(None), value.at >= done), value.at < sa.bindparam("until", type_=moment))
            .group_by(value.protocol, sa.text("2"))
        )
        names = [column.name for column in self.hourly.columns]
        self.roll_up = upsert(insert(self.hourly).from_select(names, summed), ("protocol", "hour"))

    def _add_length(self, connection: Connection) -> None:
        """What an hour's mean is of; of hours summed up before it is not known, and taken as seen evenly."""
        import sqlalchemy as sa

        hourly, there = self.hourly, sa.inspect(connection).get_columns("hourly", schema=self.schema)
        if any(column["name"] == "seconds" for column in there):
            return
        place = connection.dialect.identifier_preparer.format_table(hourly)
        for column, kind in (("measured", "BIGINT"), ("seconds", "DOUBLE PRECISION")):
            connection.exec_driver_sql(f"ALTER TABLE {place} ADD COLUMN {column} {kind} NOT NULL DEFAULT 0")
        known = sa.case((hourly.c.earnings.is_(None), 0), else_=hourly.c.up)
        seen = 3600.0 * (hourly.c.samples - 1) / hourly.c.samples
        connection.execute(hourly.update().values(measured=known, seconds=seen))

    def make(self, connection: Connection, name: str) -> None:
        """Makes what is not there yet; raises DataError where the tables are a newer version's."""
        import sqlalchemy as sa

        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
        if encoding != "UTF8":
            raise DataError(f"{name}: the database's encoding is {encoding}; UTF8 is needed")
        if self._known(connection, name) == len(self._migrations):
            return
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        known = self._known(connection, name)
        if not sa.inspect(connection).has_schema(self.schema):
            connection.execute(sa.schema.CreateSchema(self.schema))
        for migration in self._migrations[known:]:
            migration(connection)
        connection.execute(self._version.delete())
        connection.execute(self._version.insert().values(number=len(self._migrations)))

    def _known(self, connection: Connection, name: str) -> int:
        import sqlalchemy as sa

        if not sa.inspect(connection).has_table("version", schema=self.schema):
            return 0
        found = int(connection.execute(sa.select(self._version.c.number)).scalar() or 0)
        if found > len(self._migrations):
            known = len(self._migrations)
            raise DataError(f"{name}: schema {found} of a newer version, and this version knows {known}; not touched")
        return found


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


def _number(value: float | None) -> float | None:
    """What sums never overflow on: not finite, or beyond 1e100, is absent, and below 1e-100 is 0."""
    if value is None or not abs(value) <= 1e100:
        return None
    return float(value) if abs(value) >= 1e-100 else 0.0
