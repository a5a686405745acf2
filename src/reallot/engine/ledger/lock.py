"""One engine per ledger: a tiny database of its own, held exclusively as long as the process lives."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from ...errors import DataError
from .damage import damage_of, keep_aside


class LedgerTaken(DataError):
    """Another engine has this ledger; the message names its process and since when."""


class LedgerLock:
    """Held from `take` to `release`, or to the end of the process, however it ends."""

    def __init__(self, folder: Path) -> None:
        self._path, self._owner = folder / "lock.db", folder / "owner.json"
        self._connection: sqlite3.Connection | None = None

    def take(self, wait_seconds: float = 0.2, *, anew: bool = True) -> None:
        """Takes it; raises LedgerTaken. A damaged file is made `anew`: it holds nothing, and nobody holds it."""
        connection = None
        try:
            connection = sqlite3.connect(
                self._path, timeout=wait_seconds, isolation_level=None, check_same_thread=False
            )
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            if anew and damage_of(error, self._path):
                keep_aside(self._path)
                return self.take(wait_seconds, anew=False)
            if "locked" not in str(error):
                raise DataError(f"{self._path}: {error}") from error
            raise LedgerTaken(f"{self._path.parent} is in use by {self.owner()}; one engine acts per ledger") from error
        self._connection = connection
        told = {"pid": os.getpid(), "host": socket.gethostname(), "since": datetime.now(UTC).isoformat("T", "seconds")}
        fresh = self._owner.with_suffix(".new")
        try:
            fresh.write_text(json.dumps(told))
            fresh.replace(self._owner)
        except OSError:
            # without room for this note the lock still holds; the note only tells others who has it
            with suppress(OSError):
                fresh.unlink()

    def owner(self) -> str:
        """Who has it, as far as that is written down."""
        try:
            told = json.loads(self._owner.read_text())
            return f"process {told['pid']} on {told['host']} since {told['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"

    def is_held(self) -> bool:
        """True where an engine has it now. Nothing is written, and nobody has to wait for this."""
        if not self._path.is_file():
            return False
        connection = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True, timeout=0.0)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        except sqlite3.Error as error:
            return "locked" in str(error)
        finally:
            connection.close()
        return False

    def release(self) -> None:
        """Lets go; again is harmless."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
