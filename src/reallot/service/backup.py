"""A copy of a ledger while an engine runs on it: by SQLite's own backup, and each file checked before it counts."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from ..errors import DataError, InvalidInput

DATABASES = ("requests.db", "events.db", "history.db", "journal.db")
"""The journal comes last: it may know of moves that readings and events do not show yet, never the other way round."""
BESIDE = ("history.json", "notified.json")


def back_up(folder: Path, target: Path) -> dict[str, int]:
    """Copies a ledger into `target`, a new or empty folder; returns the bytes of each file.

    The copy gets its name when all of it is written and sound. Raises InvalidInput where there is nothing to copy or
    the target is in use, DataError where a file cannot be read or the copy is not sound.
    """
    target = target.absolute()
    if not (folder / "journal.db").is_file():
        raise InvalidInput(f"{folder}: there is no ledger here; give its folder as --ledger FOLDER")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InvalidInput(f"{target} is there and is not an empty folder; name a new one")
    fresh = target.with_name(f".{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        fresh.mkdir(parents=True, mode=0o700)
        sizes = {name: _copied(folder / name, fresh / name) for name in DATABASES if (folder / name).is_file()}
        for name in BESIDE:
            if (folder / name).is_file():
                shutil.copyfile(folder / name, fresh / name)
                sizes[name] = (fresh / name).stat().st_size
        if target.exists():
            target.rmdir()
        fresh.rename(target)
    except OSError as error:
        raise DataError(f"{target}: the copy cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return sizes


def _copied(source: Path, copy: Path) -> int:
    """Copies one database and checks the copy; returns its bytes."""
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)) as whole,
            closing(sqlite3.connect(copy)) as into,
        ):
            whole.backup(into)
            if (answer := into.execute("PRAGMA integrity_check(1)").fetchone()[0]) != "ok":
                raise DataError(f"{source}: the copy is not sound: {answer}")
    except sqlite3.Error as error:
        raise DataError(f"{source}: it cannot be copied: {error}") from None
    with copy.open("rb") as written:
        os.fsync(written.fileno())
    return copy.stat().st_size
