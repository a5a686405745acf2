"""Files of a ledger that do not hold what was written: how that is found out, and how they are kept aside."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from ...errors import DataError
from .schema import NewerSchema, check_version, migrate

UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError)
"""What the making of a record raises of a row that was never written so; a text that is no UTF-8 is one of them."""
_DAMAGE = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_DAMAGE |= {sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG}
_BESIDE = ("", "-wal", "-shm", "-journal")


class Damaged(DataError):
    """A file does not hold what was written. `why` is what was found."""

    def __init__(self, path: str | Path, why: object) -> None:
        super().__init__(
            f"{path} is damaged ({why}); nothing is moved, and the next start of the engine keeps the file aside and "
            "says what to do"
        )
        self.why = str(why)


def is_damage(error: BaseException, path: str | Path) -> bool:
    """True where the file itself is the reason for SQLite's error, and neither the disk nor another process."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_READONLY:
        return _written_for_reading_only(path)
    return code in _DAMAGE or isinstance(error, UnicodeDecodeError) or "decode" in str(error)


def _written_for_reading_only(path: str | Path) -> bool:
    """True where the header itself asks for it: its byte 18 is 1 or 2 in what SQLite writes."""
    with suppress(OSError), Path(path).open("rb") as file:
        header = file.read(20)
        return len(header) == 20 and header[18] not in (1, 2)
    return False


def keep_aside(path: Path) -> Path:
    """Renames a damaged file and what SQLite keeps beside it; returns the new name. Raises OSError."""
    aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
    for ending in _BESIDE:
        with suppress(FileNotFoundError):
            Path(f"{path}{ending}").rename(f"{aside}{ending}")
    return aside


def check_schema(path: str | Path, connection: sqlite3.Connection, migrations: Sequence[str]) -> None:
    """Raises Damaged where the tables are not those of the file's schema, and NewerSchema."""
    try:
        version = check_version(connection, migrations)
    except NewerSchema as error:
        way = "run that version again, or give another folder for the ledger"
        raise NewerSchema(f"{path} was written by a newer version: {error}; {way}") from None
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
        migrate(database, migrations)
        return _objects(database)


def _objects(connection: sqlite3.Connection) -> dict[tuple[str, str], str]:
    """The statements that made tables and indices, by kind and name, without spaces."""
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%'").fetchall()
    return {(kind, str(name)): "".join(str(text).split()) for kind, name, text in rows}
