"""A ledger as the commands see it from outside: read while an engine may be running, asked by its box of requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ..engine.ledger.folder import read_journal
from ..engine.ledger.history import History
from ..engine.ledger.history_place import place_of
from ..engine.ledger.history_store import HistoryStore
from ..engine.ledger.sqlite_journal import SqliteJournal
from ..errors import DataError, InvalidInput

DAY = timedelta(days=1)


class LedgerReader:
    """What a ledger says, for reading only."""

    def __init__(self, folder: Path, journal: SqliteJournal) -> None:
        self.folder, self.journal = folder, journal
        self._history: HistoryStore | None = None

    @property
    def history(self) -> HistoryStore:
        """The readings, wherever they are; opened when asked for. Raises DataError, ConfigurationError."""
        if self._history is None:
            self._history = _history(self.folder)
        return self._history

    @property
    def last_reading(self) -> datetime | None:
        """The moment of the newest reading that is not of the future; of the newest where all are. None without any."""
        return self.history.last(datetime.now(UTC)) or self.history.last()

    def silent(self) -> list[str]:
        """Protocols that did not answer when they were asked last; none where the readings cannot be read."""
        with suppress(DataError):
            if (last := self.last_reading) is not None:
                found = self.history.samples(last - DAY, last + timedelta(microseconds=1))
                answered = {each.protocol: each.up for each in found}
                return sorted(name for name, up in answered.items() if not up)
        return []

    def later_than(self, end: datetime) -> str:
        """What to say of readings after the newest one that counts; "" where there are none."""
        last = self.history.last()
        if last is None or last <= end:
            return ""
        return f"readings up to {last:%Y-%m-%d %H:%M} UTC are from the future of this machine's clock: not counted"

    def close(self) -> None:
        """Lets go of both."""
        self.journal.close()
        if self._history is not None:
            self._history.close()


@contextmanager
def reading(folder: Path) -> Iterator[LedgerReader]:
    """The ledger in this folder; raises InvalidInput where there is none, DataError where it cannot be read."""
    if not (folder / "journal.db").is_file():
        raise InvalidInput(
            f"{folder}: there is no ledger here; reallot run makes one. "
            "Where one is elsewhere, give the config.toml that runs, or its folder as --ledger FOLDER"
        )
    books = LedgerReader(folder, read_journal(folder))
    try:
        yield books
    finally:
        books.close()


def _history(folder: Path) -> HistoryStore:
    if (place := place_of(folder)) is not None:
        from ..engine.ledger.postgres_history import PostgresHistory

        return PostgresHistory(place.variable, schema=place.schema)
    path = folder / "history.db"
    return History(path, read_only=True) if path.is_file() else History()
