"""What was paid of a quote is known after a restart, with its age; what is forgotten with its protocol is gone."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reallot.engine.contracts.clock import ManualClock
from reallot.engine.ledger.folder import open_ledger
from reallot.engine.ledger.journal import PaidQuote
from reallot.runtime.build import build, remember
from reallot.runtime.config import config_from_text
from reallot.runtime.runner import Runner

START = datetime(2026, 3, 1, tzinfo=UTC)
TEXT = """
[coordinator]
every = "10m"
[reallocation]
mode = "advise"
[protocols.pool]
adapter = "command"
read = ["cat", "pool.json"]
value = "usd"
quote = "offered"
share = "share"
[protocols.relay]
adapter = "simulated"
rate = 0.5
share = 0.5
"""


def run(folder: Path, polls: int, later: timedelta = timedelta(0), **said: float) -> str:
    """What the plan says of the pool's quote after so many polls, by a process of its own."""
    (folder / "pool.json").write_text(json.dumps(said), encoding="utf-8")
    parts = build(config_from_text(TEXT, folder=folder), ledger=folder / "books", clock=ManualClock(START + later))
    runner, end = Runner(parts, lambda event: None), parts.clock.now() + timedelta(minutes=10 * (polls - 1))

    async def cycles() -> str:
        await remember(parts)
        async for result in runner.cycles(asyncio.Event(), end):
            assert result.errors == {}
        await parts.close()
        return next((each for each in result.plan.reasons if "quote" in each), "")

    return asyncio.run(cycles())


@pytest.mark.slow
def test_what_was_paid_is_known_after_a_restart_with_its_age(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(tmp_path, 13, usd=0.4, offered=1.0, share=0.5)
    told = run(tmp_path, 1, timedelta(hours=30), usd=0.0, offered=1.0, share=0.0)
    assert told == "pool is taken at its quote, of which 80 % was paid, last 1d4h50m ago"


@pytest.mark.slow
def test_without_it_nothing_was_paid_yet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "of which nothing was paid yet" in run(tmp_path, 1, usd=0.0, offered=1.0, share=0.0)


def test_the_journal_keeps_the_newest_of_each_until_it_is_forgotten(tmp_path):
    for ratio in (0.5, 0.75):
        ledger = open_ledger(tmp_path)
        ledger.journal.keep_quotes({"a": PaidQuote(ratio, 2.0, START), "b": PaidQuote(1.0, 0.0, START)})
        ledger.close()
    ledger = open_ledger(tmp_path)
    assert ledger.journal.quotes() == {"a": PaidQuote(0.75, 2.0, START), "b": PaidQuote(1.0, 0.0, START)}
    ledger.journal.forget("a")
    assert set(ledger.journal.quotes()) == {"b"}
    ledger.close()
