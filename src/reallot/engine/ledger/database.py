"""One SQLite connection that writes: its tables, transactions, room kept for a full disk, errors that name the file."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar

from ...errors import DataError
from .damage import UNREADABLE, Damaged, NewerSchema, damage_of

T = TypeVar("T")
RESERVE_BYTES = 4 * 1024 * 1024


class Database:
    """The connection, and what every statement goes through.

    path     ":memory:" or a file
    reserve  a file of 4 MB that is given up when the disk is full, so that what has begun can be written to its end
    """

    def __init__(
        self,
        path: str | Path,
        migrations: Sequence[str],
        *,
        synchronous: str = "FULL",
        busy_seconds: float = 5.0,
        reserve_bytes: int = 0,
        read_only: bool = False,
    ) -> None:
        self.path = str(path)
        self.in_memory = self.path == ":memory:"
        keeps = bool(reserve_bytes) and not self.in_memory and not read_only
        self._reserve = reserve_of(self.path) if keeps else None
        self._reserve_bytes = reserve_bytes
        target = f"{Path(self.path).absolute().as_uri()}?mode=ro" if read_only else self.path
        try:
            self.connection = sqlite3.connect(
                target,
                timeout=busy_seconds,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=256,
                uri=read_only,
            )
        except sqlite3.Error as error:
            raise self.error(error) from error
        try:
            self.connection.execute("PRAGMA foreign_keys = ON")
            if not self.in_memory:
                _check_schema(self.path, self.connection, migrations)
            if not (self.in_memory or read_only):
                self.connection.execute("PRAGMA journal_mode = WAL")
                self.connection.execute(f"PRAGMA synchronous = {synchronous}")
            if not read_only:
                _migrate(self.connection, migrations)
            if keeps:
                self.keep_reserve()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            self.connection.close()
            raise self.error(error) from error
        except BaseException:
            self.connection.close()
            raise

    def read(self, make: Callable[[sqlite3.Cursor], T], sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> T:
        """What `make` makes of the rows of a query. Raises DataError; Damaged where a row was never written so."""
        try:
            return make(self.connection.execute(sql, values))
        except sqlite3.Error as error:
            raise self.error(error) from error
        except UNREADABLE as error:
            raise Damaged(self.path, f"a row cannot be read: {type(error).__name__}") from error

    def each(self, make: Callable[[Any], T], sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[T]:
        """What `make` makes of each row of a query; raises as `read` does."""
        return self.read(lambda rows: list(map(make, rows)), sql, values)

    def first(self, make: Callable[[Any], T], sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> T | None:
        """What `make` makes of the first row of a query; None where there is no row. Raises as `read` does."""
        return self.read(lambda rows: next(map(make, rows), None), sql, values)

    def rows(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query; raises DataError."""
        return self.read(list, sql, values)

    def check(self, everything: Iterable[tuple[str, Callable[[tuple[Any, ...]], object]]] = ()) -> None:
        """Looks at every page and index, and at the rows of these queries with what is made of each; raises Damaged."""
        [(found,)] = self.rows("PRAGMA integrity_check(1)")
        if found != "ok":
            raise Damaged(self.path, found)
        for query, make in everything:
            self.read(partial(_each, make), query)

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Runs `work` in one transaction, on the disk when this returns; raises DataError with nothing written."""
        try:
            return self._once(work)
        except sqlite3.Error as error:
            if not (_is_full(error) and self.give_up_reserve()):
                raise self.error(error) from error
        try:
            return self._once(work)
        except sqlite3.Error as error:
            raise self.error(error) from error

    def _once(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            raise
        return result

    def keep_reserve(self) -> bool:
        """Makes the reserve file where it is missing; False where there is no room for it."""
        if self._reserve is None or self._reserve.exists():
            return True
        try:
            with self._reserve.open("xb") as file:
                file.write(b"\0" * self._reserve_bytes)
        except OSError as error:
            with suppress(OSError):
                self._reserve.unlink()
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                return False
            raise DataError(f"{self._reserve} could not be written: {error}") from error
        return True

    def give_up_reserve(self) -> bool:
        """Removes the reserve file; False where it is gone already."""
        if self._reserve is None:
            return False
        try:
            self._reserve.unlink()
        except OSError:
            return False
        return True

    def error(self, error: sqlite3.Error | UnicodeDecodeError) -> DataError:
        """What SQLite said, with the file and the way out."""
        if why := damage_of(error, self.path):
            return Damaged(self.path, why)
        if _is_full(error):
            return DataError(f"{self.path}: the disk is full; nothing is moved until something beside it is deleted")
        if "readonly" in str(error):
            return DataError(
                f"{self.path} may only be read; nothing is moved until this user may write it and its folder"
            )
        if "locked" in str(error) or "busy" in str(error):
            return DataError(f"{self.path} is locked by another process; nothing is moved until it lets go")
        return DataError(f"{self.path}: {error}")

    def close(self) -> None:
        """Closes the connection; again is harmless."""
        self.connection.close()


def _migrate(connection: sqlite3.Connection, migrations: Sequence[str]) -> None:
    """Runs what the file has not seen yet."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for number in range(version, len(migrations)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in migrations[number].split(";"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number + 1}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


def _check_schema(path: str, connection: sqlite3.Connection, migrations: Sequence[str]) -> None:
    """Raises Damaged where the tables are not those of the file's schema, and NewerSchema; nothing was touched."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(migrations):
        raise NewerSchema(
            f"{path} was written by a newer version: schema {version}, and this version knows {len(migrations)}; "
            "run that version again, or give another folder for the ledger"
        )
    if version < 0:
        raise Damaged(path, f"schema {version}")
    found, wanted = _objects(connection), _made_by(tuple(migrations[:version]))
    odd = [name for name, text in wanted.items() if found.get(name) != text]
    odd += [name for name in found.keys() - wanted.keys() if name[0] != "index"]
    if odd:
        raise Damaged(path, "its tables are not those of a ledger: " + ", ".join(sorted(name for _, name in odd)[:3]))


@lru_cache(64)
def _made_by(migrations: tuple[str, ...]) -> dict[tuple[str, str], str]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        _migrate(database, migrations)
        return _objects(database)


def _objects(connection: sqlite3.Connection) -> dict[tuple[str, str], str]:
    """The statements that made tables and indices, by kind and name, without spaces."""
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%'").fetchall()
    return {(kind, str(name)): "".join(str(text).split()) for kind, name, text in rows}


def _each(make: Callable[[tuple[Any, ...]], object], rows: Iterable[tuple[Any, ...]]) -> None:
    for row in rows:
        make(row)


def reserve_of(path: str | Path) -> Path:
    """The file that is given up when the disk is full."""
    return Path(f"{path}.reserve")


def _is_full(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
