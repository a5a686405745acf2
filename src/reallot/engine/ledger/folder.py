"""A ledger is a folder: the journal, the readings, a box for requests, a lock. Opening it never destroys anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ...errors import DataError, other_kind
from ..contracts.records import Alert
from .damage import Damaged, NewerSchema, first_bytes, keep_aside, lost_from_log
from .event_log import EventLog
from .history import History
from .history_store import HistoryStore
from .journal import Journal
from .lock import LedgerLock, LedgerTaken
from .operator_requests import Requests
from .sqlite_journal import MemoryJournal, SqliteJournal

LOOK = "look at the shares, then: reallot resume"


@dataclass
class Ledger:
    """What must survive a restart.

    Parameters
    ----------
    folder
        The folder. None where all of it is in memory.
    journal
        The moves; `journal.observe_only` says why nothing may be moved, where that is so.
    history
        The readings.
    requests
        What people ask from another process. None in memory.
    lock
        The lock of the folder. None in memory.
    notes
        What somebody who starts an engine on it should know.
    events
        What happened, in words.
    """

    folder: Path | None
    journal: Journal
    history: HistoryStore
    requests: Requests | None
    lock: LedgerLock | None
    notes: list[str] = field(default_factory=list)
    events: EventLog = field(default_factory=lambda: EventLog(None))

    def close(self) -> None:
        """Lets go of everything; again is harmless."""
        self.journal.close()
        self.history.close()
        self.events.close()
        if self.lock is not None:
            self.lock.release()


def open_ledger(
    folder: str | Path | None = None, *, busy_seconds: float = 5.0, history: HistoryStore | None = None
) -> Ledger:
    """Open the ledger in a folder: the journal of moves (write-ahead), the readings, requests and a lock.

    Parameters
    ----------
    folder
        The folder, made where there is none. None keeps all of it in memory.
    busy_seconds
        Seconds to wait for another process that writes.
    history
        What keeps the readings instead of a file in the folder. It is closed with the ledger.

    Returns
    -------
    Ledger
        The ledger, to be closed by its `close`.

    Raises
    ------
    DataError
        As LedgerTaken, where another engine has the ledger.

    Notes
    -----
    A journal that cannot be used is left as it is, or kept aside under another name where it is damaged. Then nothing
    is moved, and `journal.observe_only` or its alert says why.

    Examples
    --------
    >>> from reallot import open_ledger
    >>> ledger = open_ledger()
    >>> ledger.journal.observe_only
    ''
    >>> ledger.close()
    """
    if folder is None:
        return Ledger(None, MemoryJournal(), history or History(), None, None)
    if not isinstance(folder, str | Path):
        raise DataError(other_kind("folder", folder, "its path, or None for memory"))
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = LedgerLock(folder)
        lock.take()
    except LedgerTaken:
        raise
    except (OSError, DataError) as error:
        why = "it is a file; give a folder" if folder.is_file() else str(error)
        return Ledger(None, _only_observing(f"{folder} cannot be used: {why}"), history or History(), None, None)
    notes: list[str] = []
    try:
        journal = _journal(folder, busy_seconds)
        readings, asked, events = history or _history(folder, notes), Requests(folder), EventLog(folder)
        _halt_where_older(journal, events, folder)
        return Ledger(folder, journal, readings, asked, lock, notes, events)
    except BaseException:
        lock.release()
        raise


def read_journal(folder: str | Path) -> SqliteJournal:
    """The journal of a ledger, to be read while an engine may be running; raises DataError."""
    return SqliteJournal(Path(folder) / "journal.db", read_only=True)


def _journal(folder: Path, busy_seconds: float) -> Journal:
    path = folder / "journal.db"
    if lost := _lost(path):
        return _instead(path, lost, busy_seconds)
    try:
        return SqliteJournal(path, busy_seconds=busy_seconds)
    except Damaged as error:
        return _instead(path, error.why, busy_seconds)
    except DataError as error:
        return _only_observing(str(error))


def _lost(path: Path) -> str:
    """What is not there of a journal that was used; "" where nothing is missing, or for a new folder."""
    if lost := lost_from_log(path):
        return lost
    used = _signs_of_use(path.parent)
    if not used or not path.exists():
        return f"it is missing, beside {used}" if used else ""
    never_written = not any(first_bytes(path, 64)[60:]) and not first_bytes(f"{path}-wal", 1)  # the schema's number
    return f"it is empty, beside {used}" if never_written and path.is_file() else ""


def _halt_where_older(journal: Journal, events: EventLog, folder: Path) -> None:
    """Halts a journal that does not know the newest move of the log of events: it lost what came after some moment."""
    try:
        told = events.last_moved()
        plan = "" if told is None else str(told.fields.get("plan_id") or "")
        if told is None or not plan or journal.observe_only or journal.decision_of(plan) is not None:
            return
        if any(each.key == "halted" and each.timestamp >= told.at for each in journal.alerts()):
            return  # of this a person knows already
        message = (
            f"{folder / 'journal.db'} is older than events.db, which tells of a move at {told.at:%Y-%m-%d %H:%M} UTC "
            f"(plan {plan}); what was moved since is not known, so nothing moves: {LOOK}"
        )
        journal.halt(Alert(key="halted", message=message, severity=1.0, timestamp=datetime.now(UTC)), {})
    except DataError:  # of the events, which are not needed, or of the journal, which the next cycle says
        return


def _signs_of_use(folder: Path) -> str:
    """A file that is made after the journal, so that a journal was there; "" for a new folder."""
    names = (f"journal.db{ending}" for ending in (".reserve", "-wal"))
    return next((name for name in (*names, "history.db", "history.json") if (folder / name).exists()), "")


def _instead(path: Path, why: str, busy_seconds: float) -> Journal:
    """A fresh journal in place of one that is gone or damaged, which is kept; nothing is moved until a person resumes.

    It comes under its name when the halt is in it: an end of the process in between leaves a missing journal.
    """
    fresh = path.with_name(f"{path.name}.new")
    try:
        aside = keep_aside(path)
        keep_aside(fresh) if fresh.exists() else None
        kept = f"is kept as {aside.name}" if aside.exists() else "was not deleted by the engine"
        message = f"{path} was damaged ({why}) and {kept}; what was moved when is not known, so nothing moves: {LOOK}"
        begun = SqliteJournal(fresh, busy_seconds=busy_seconds, reserve_bytes=0)
        begun.halt(Alert(key="halted", message=message, severity=1.0, timestamp=datetime.now(UTC)), {})
        begun.close()
        fresh.rename(path)
        return SqliteJournal(path, busy_seconds=busy_seconds)
    except (OSError, DataError) as error:
        return _only_observing(f"{path} is damaged ({why}) and could not be kept aside: {error}")


def _history(folder: Path, notes: list[str]) -> History:
    """The readings; a damaged file is kept aside, since losing them stops nothing."""
    path = folder / "history.db"
    try:
        try:
            return _checked(path)
        except (Damaged, NewerSchema) as error:
            aside = keep_aside(path)
            notes.append(f"{error}; it is kept as {aside.name}, and readings begin anew")
            return _checked(path)
    except (OSError, DataError) as error:
        notes.append(f"readings are kept in memory only: {error}")
        return History()


def _checked(path: Path) -> History:
    history = History(path)
    try:
        history.check()
    except DataError:
        history.close()
        raise
    return history


def _only_observing(why: str) -> Journal:
    journal = MemoryJournal()
    journal.observe_only = f"nothing is moved: {why}"
    return journal
