"""Files of a ledger that do not hold what was written: how that is found out, and how they are kept aside."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing, suppress
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


def damage_of(error: BaseException, path: str | Path) -> str:
    """What is wrong with the file itself; "" where the disk or another process is the reason for SQLite's error."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY) and (folder := _folder_of(path)):
        return f"{folder} is a folder, in place of a file"
    if code == sqlite3.SQLITE_READONLY:
        return str(error) if _written_for_reading_only(path) else ""
    return str(error) if code in _DAMAGE or isinstance(error, UnicodeDecodeError) or "decode" in str(error) else ""


def _folder_of(path: str | Path) -> str:
    """The name of a folder that lies where SQLite keeps a file; "" where there is none."""
    places = (Path(f"{path}{ending}") for ending in _BESIDE)
    return next((place.name for place in places if place.is_dir()), "")


def _written_for_reading_only(path: str | Path) -> bool:
    """True where the header itself asks for it: its byte 18 is 1 or 2 in what SQLite writes."""
    header = first_bytes(path, 20)
    return len(header) == 20 and header[18] not in (1, 2)


def first_bytes(path: str | Path, count: int) -> bytes:
    """So many bytes of a file, or those that there are; none where it cannot be read."""
    with suppress(OSError), Path(path).open("rb") as file:
        return file.read(count)
    return b""


def lost_from_log(path: Path) -> str:
    """What the write-ahead log lacks of what an ended process had committed; "" where it lacks nothing.

    SQLite drops what comes after a damaged page of the log, or all of a log that is gone, and says nothing. The index
    beside the log counts its pages (`walIndexHdr` in SQLite's file format): they are counted again when it is read.
    """
    pages, copied, salt = _log_index(path)
    log = Path(f"{path}-wal")
    begun = first_bytes(log, 32)
    if pages <= copied or (len(begun) == 32 and begun[16:24] != salt):
        return ""  # all is in the file, or the log began anew since
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as reader:
        reader.execute("SELECT count(*) FROM sqlite_master").fetchall()
    found, _, _ = _log_index(path)
    return f"{log.name} lacks {pages - found} of {pages} pages that were written last" if found < pages else ""


def _log_index(path: Path) -> tuple[int, int, bytes]:
    """Pages in the log by its index, how many of them are in the file itself, and which log it is."""
    head = first_bytes(f"{path}-shm", 100)
    if len(head) < 100:
        return 0, 0, b""
    return int.from_bytes(head[16:20], sys.byteorder), int.from_bytes(head[96:], sys.byteorder), head[32:40]


def keep_aside(path: Path) -> Path:
    """Renames a damaged file and what SQLite keeps beside it; returns the new name. Raises OSError."""
    aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
    for ending in _BESIDE:
        with suppress(FileNotFoundError):
            Path(f"{path}{ending}").rename(f"{aside}{ending}")
    return aside
