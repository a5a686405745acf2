"""A journal that is gone with the process: the same tables, in memory."""

from __future__ import annotations

from .sqlite_journal import SqliteJournal


class MemoryJournal(SqliteJournal):
    """See Journal. `loses` says what a restart forgets."""

    def __init__(self) -> None:
        super().__init__(":memory:", reserve_bytes=0)
        self.loses = (
            "without a ledger a restart forgets which moves were begun, how long each protocol still rests, "
            "how many plans this hour had, what waits for a confirmation, and that the engine was halted"
        )
