"""A pause: a person wants to act alone, so nothing is moved until one resumes."""

from __future__ import annotations

from ..contracts.records import Alert
from .journal_thread import AsyncJournal

PAUSED = "paused, as a person asked: nothing is moved until reallot resume"


async def pause(books: AsyncJournal) -> Alert | None:
    """Halts the ledger; the alert to tell. None where it was halted before, since that stays the reason."""
    if await books.ask(books.journal.halted):
        return None
    alert = Alert(key="halted", message=PAUSED, severity=0.5, timestamp=books.clock.now())
    await books.ask(books.journal.halt, alert, {})
    return alert
