"""A ledger is a folder: the journal, the readings, a box for requests, a lock. Opening it never destroys anything."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ...errors import DataError
from ..contracts.records import Alert
from .database import reserve_of
from .history import History
from .history_store import HistoryStore
from .journal import Journal
from .lock import LedgerLock, LedgerTaken
from .operator_requests import Requests
from .schema import NewerSchema
from .sqlite_journal import MemoryJournal, SqliteJournal


@dataclass
class Ledger:
    """What must survive a restart.

    folder    None where all of it is in memory
    journal   moves; `journal.observe_only` says why nothing may be moved, where that is so
    history   readings
    requests  what people ask from another process; None in memory
    """

    folder: Path | None
    journal: Journal
    history: HistoryStore
    requests: Requests | None
    lock: LedgerLock | None

    def close(self) -> None:
        """Lets go of everything; again is harmless."""
        self.journal.close()
        self.history.close()
        if self.lock is not None:
            self.lock.release()


def open_ledger(
    folder: str | Path | None = None, *, busy_seconds: float = 5.0, history: HistoryStore | None = None
) -> Ledger:
    """The ledger in this folder, made where there is none; without a folder it is kept in memory.

    `history` keeps the readings instead of a file in the folder; it is closed with the ledger.

    Raises LedgerTaken where another engine has it. A journal that cannot be used is left as it is, or kept aside under
    another name where it is damaged; then nothing is moved, and `journal.observe_only` or its alert says why.
    """
    if folder is None:
        return Ledger(None, MemoryJournal(), history or History(), None, None)
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = LedgerLock(folder)
        lock.take()
    except LedgerTaken:
        raise
    except (OSError, DataError) as error:
        return Ledger(None, _only_observing(f"{folder} cannot be used: {error}"), history or History(), None, None)
    try:
        return Ledger(folder, _journal(folder, busy_seconds), history or _history(folder), Requests(folder), lock)
    except BaseException:
        lock.release()
        raise


def read_journal(folder: str | Path) -> SqliteJournal:
    """The journal of a ledger, to be read while an engine may be running; raises DataError."""
    path = Path(folder) / "journal.db"
    try:
        return SqliteJournal(path, read_only=True)
    except (sqlite3.DatabaseError, NewerSchema) as error:
        raise DataError(f"{path}: {error}") from error


def _journal(folder: Path, busy_seconds: float) -> Journal:
    path = folder / "journal.db"
    emptied = path.exists() and path.stat().st_size == 0 and reserve_of(path).exists()
    why = "it is empty" if emptied else ""
    if not emptied:
        try:
            journal = SqliteJournal(path, busy_seconds=busy_seconds)
            if journal.sound():
                return journal
            journal.close()
            why = "its pages do not fit together"
        except NewerSchema as error:
            return _only_observing(f"{path} was written by a newer version: {error}")
        except DataError as error:
            cause = error.__cause__
            if not _damaged(cause):
                return _only_observing(str(error))
            why = str(cause)
        except sqlite3.DatabaseError as error:
            why = str(error)
    return _instead(path, why, busy_seconds)


def _instead(path: Path, why: str, busy_seconds: float) -> Journal:
    """A fresh journal in place of a damaged one, which is kept; nothing is moved until a person resumes."""
    now = datetime.now(UTC)
    aside = path.with_name(f"{path.name}.damaged-{now:%Y%m%dT%H%M%S%f}")
    try:
        for ending in ("", "-wal", "-shm"):
            part = Path(f"{path}{ending}")
            if part.exists():
                part.rename(f"{aside}{ending}")
        journal = SqliteJournal(path, busy_seconds=busy_seconds)
    except (OSError, DataError) as error:
        return _only_observing(f"{path} is damaged ({why}) and could not be kept aside: {error}")
    message = (
        f"{path} was damaged ({why}) and is kept as {aside.name}; what was moved when is not known, "
        "so nothing is moved until somebody has looked at the shares and resumes"
    )
    journal.halt(Alert(key="halted", message=message, severity=1.0, timestamp=now), {})
    return journal


def _history(folder: Path) -> History:
    """The readings; a damaged file is kept aside, since losing them stops nothing."""
    path = folder / "history.db"
    try:
        return History(path)
    except (DataError, NewerSchema):
        aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
        with suppress(OSError):
            path.rename(aside)
            with suppress(DataError):
                return History(path)
        return History()


def _only_observing(why: str) -> Journal:
    journal = MemoryJournal()
    journal.observe_only = f"nothing is moved: {why}"
    return journal


def _damaged(error: BaseException | None) -> bool:
    text = str(error)
    return isinstance(error, sqlite3.DatabaseError) and ("malformed" in text or "not a database" in text)
