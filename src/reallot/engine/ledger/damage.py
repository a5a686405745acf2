"""Files of a ledger that do not hold what was written: how that is found out, and how they are kept aside."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from ...errors import DataError

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


class NewerSchema(DataError):
    """The file was written by a newer version."""


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
