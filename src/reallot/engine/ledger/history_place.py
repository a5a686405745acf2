"""Where a ledger's readings are, if not in its folder: kept there by name, so that whoever reads the ledger finds them.

The names of a variable and of a schema are kept, never the connection string.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ...errors import DataError

FILE = "history.json"


@dataclass(frozen=True)
class HistoryPlace:
    """A PostgreSQL server: the environment variable with its connection string, and the schema of the tables."""

    variable: str
    schema: str


def keep_place(folder: str | Path, place: HistoryPlace | None) -> None:
    """Notes where the readings of this ledger are from now on; None for the ledger itself. Raises DataError."""
    path = Path(folder) / FILE
    try:
        if place is None:
            path.unlink(missing_ok=True)
        elif place != _known(path):
            beside = path.with_suffix(".new")
            beside.write_text(json.dumps(asdict(place)), encoding="utf-8")
            beside.replace(path)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from None


def place_of(folder: str | Path) -> HistoryPlace | None:
    """Where the readings of this ledger are; None for the ledger itself. Raises DataError where that is not known."""
    path = Path(folder) / FILE
    if not path.exists():
        return None
    if (place := _known(path)) is None:
        raise DataError(f"{path} does not say where the readings are; the next run with its configuration mends it")
    return place


def _known(path: Path) -> HistoryPlace | None:
    with suppress(OSError, ValueError, TypeError):
        found = HistoryPlace(**json.loads(path.read_text(encoding="utf-8")))
        if isinstance(found.variable, str) and isinstance(found.schema, str):
            return found
    return None
