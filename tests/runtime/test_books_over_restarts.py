"""A policy's books against never moving outlive the process, and a restart says what they hold."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reallot.engine.contracts.clock import ManualClock
from reallot.engine.ledger.folder import open_ledger
from reallot.engine.ledger.journal import KeptBooks
from reallot.errors import DataError
from reallot.runtime.build import build, remember
from reallot.runtime.config import config_from_text
from reallot.runtime.runner import Runner

START = datetime(2026, 3, 1, tzinfo=UTC)
KEPT = KeptBooks(START, {"pool": 0.5, "relay": 0.5}, -0.5, 0.25, 2.0, 2.0, True)
TEXT = """
[reallocation]
mode = "advise"
[coordinator]
every = "5m"
[optimizer]
move_cost = 1.0
[protocols.pool]
adapter = "simulated"
rate = 1.0
share = 0.5
[protocols.relay]
adapter = "simulated"
rate = 0.5
share = 0.5
"""


def test_the_journal_keeps_the_newest_books(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    assert ledger.journal.books() is None
    for books in (KEPT._replace(gained=1.0), KEPT):
        ledger.journal.keep_books(books)
    ledger.close()
    ledger = open_ledger(tmp_path)
    assert ledger.journal.books() == KEPT
    ledger.close()


@pytest.mark.parametrize("move_cost", [1.0, 0.0])
def test_a_restart_says_what_the_books_hold_where_a_policy_is_asked(tmp_path: Path, move_cost: float) -> None:
    ledger = open_ledger(tmp_path)
    ledger.journal.keep_books(KEPT)
    ledger.close()
    text = TEXT.replace("move_cost = 1.0", f"move_cost = {move_cost}")
    clock = ManualClock(START + timedelta(hours=1))
    parts = build(config_from_text(text, folder=tmp_path), ledger=tmp_path, clock=clock)
    asyncio.run(remember(parts))
    told = [note for note in parts.notes if "regret budget" in note]
    wanted = "the regret budget goes on where it was at 2026-03-01 00:00 UTC: moves cost 0.25 USD and brought -0.5"
    assert [note.startswith(wanted) for note in told] == [True] * (move_cost > 0.0)
    asyncio.run(parts.close())


def test_a_running_engine_keeps_its_books(tmp_path: Path) -> None:
    parts = build(config_from_text(TEXT, folder=tmp_path), ledger=tmp_path / "books", clock=ManualClock(START))

    async def cycles() -> KeptBooks | None:
        runner = Runner(parts, lambda event: None)
        async for result in runner.cycles(asyncio.Event(), START + timedelta(minutes=15)):
            assert result.errors == {}
        kept = parts.ledger.journal.books()
        await parts.close()
        return kept

    kept = asyncio.run(cycles())
    assert kept is not None and kept.start == {"pool": 0.5, "relay": 0.5} and kept.until == START


def test_books_that_cannot_be_read_are_no_books(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    ledger.journal.keep_books(KEPT._replace(start={"pool": 7.0}))
    with pytest.raises(DataError):
        ledger.journal.books()
    ledger.close()
