"""A ledger as the commands see it from outside: read while an engine may be running, asked by its box of requests."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError, InvalidInput
from ..ledger.history import History
from ..ledger.schema import NewerSchema
from ..ledger.sqlite_journal import SqliteJournal
from ..ledger.store import read_journal


@dataclass(frozen=True)
class Books:
    """What a ledger says, for reading only."""

    folder: Path
    journal: SqliteJournal
    history: History


@contextmanager
def reading(folder: Path) -> Iterator[Books]:
    """The ledger in this folder; raises InvalidInput where there is none, DataError where it cannot be read."""
    if not (folder / "journal.db").is_file():
        raise InvalidInput(f"{folder}: there is no ledger here; give its folder, as --ledger FOLDER")
    journal = read_journal(folder)
    try:
        path = folder / "history.db"
        try:
            history = History(path, read_only=True) if path.is_file() else History()
        except (sqlite3.Error, NewerSchema) as error:
            raise DataError(f"{path}: {error}") from error
        try:
            yield Books(folder, journal, history)
        finally:
            history.close()
    finally:
        journal.close()
