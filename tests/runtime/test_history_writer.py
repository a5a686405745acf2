"""What a cycle leaves in the ledger: nothing waits for the summing up of old readings, and nothing is lost by it."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reallot.engine.contracts.clock import ManualClock
from reallot.engine.contracts.records import Alert
from reallot.engine.execution.journal_thread import AsyncJournal
from reallot.engine.ledger.history import History, samples_of
from reallot.engine.ledger.sqlite_journal import MemoryJournal
from reallot.errors import DataError
from reallot.orchestration.cycle import CycleResult
from reallot.runtime.history_writer import ROLL_UP, HistoryWriter
from tests.orchestration.polls import poll

AT = datetime(2026, 3, 1, tzinfo=UTC)
NAMES = ["relay", "storage"]
MINUTE = timedelta(minutes=1)


class Slow(History):
    """Readings in a file, summed up only when somebody lets it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.may, self.begun, self.rolled = threading.Event(), threading.Event(), 0
        self.fails = ""

    def roll_up(self, now: datetime, raw: timedelta = timedelta(days=14), hours: timedelta = timedelta(days=730)):
        self.begun.set()
        assert self.may.wait(30.0)
        if self.fails:
            raise DataError(self.fails)
        super().roll_up(now, raw, hours)
        self.rolled += 1


def cycle(minute: float, alerts: tuple[Alert, ...] = ()) -> CycleResult:
    metrics = poll({"relay": 1.0, "storage": 2.0}, {"relay": 0.5, "storage": 0.5}, minute)
    return CycleResult(started_at=metrics.timestamp, metrics=metrics, alerts=list(alerts))


def writer(history: History) -> HistoryWriter:
    return HistoryWriter(history, AsyncJournal(MemoryJournal(), ManualClock(AT)))


def test_cycles_go_on_while_old_readings_are_summed_up(tmp_path: Path):
    history = Slow(tmp_path / "history.db")

    async def three():
        kept = writer(history)
        for minute in range(3):
            assert await kept.keep(cycle(minute)) is None
            await asyncio.to_thread(history.begun.wait, 30.0)
        assert (len(history.samples(*whole())), history.rolled) == (6, 0)
        history.may.set()
        while history.rolled == 0:
            await asyncio.sleep(0)
        # the next one a day later, and not before
        for minute in (3, 4):
            await kept.keep(cycle(minute))
        day = ROLL_UP.total_seconds() / 60.0
        while history.rolled == 1:
            await kept.keep(cycle(day))
        assert history.rolled == 2

    asyncio.run(three())
    history.close()


def whole():
    return AT - timedelta(days=365), AT + timedelta(days=365)


def test_a_summing_up_that_fails_is_told_once_at_the_next_cycle_and_tried_again_the_next_day(tmp_path: Path):
    history = Slow(tmp_path / "history.db")
    history.fails = "the disk is full"
    history.may.set()

    async def some():
        kept = writer(history)
        told = await kept.keep(cycle(0))
        assert told is None
        minute = 0
        while told is None:
            minute += 1
            told = await kept.keep(cycle(minute))
        assert (told.key, told.message) == ("ledger", "the disk is full")
        assert len(history.samples(*whole())) == 2 * (minute + 1)
        assert await kept.keep(cycle(minute + 1)) is None
        history.fails = ""
        while history.rolled == 0:
            assert await kept.keep(cycle(1440 + minute)) is None

    asyncio.run(some())
    history.close()


def test_readings_that_cannot_be_written_are_told_once_while_that_lasts(tmp_path: Path):
    history = History(tmp_path / "history.db")

    async def some():
        kept = writer(history)
        assert await kept.keep(cycle(0)) is None
        history.close()
        told = [await kept.keep(cycle(minute)) for minute in (1, 2)]
        assert [each is not None for each in told] == [True, False]
        assert "history.db" in told[0].message

    asyncio.run(some())


def fill(history: History, minutes: int, begin: int = 0) -> None:
    for minute in range(begin, begin + minutes):
        at = AT + minute * MINUTE
        earned = {name: float(minute % 7) for name in NAMES}
        history.add(samples_of(at, earned, dict.fromkeys(NAMES, 0.5), dict.fromkeys(NAMES, True)))


@pytest.mark.slow
def test_what_is_added_meanwhile_is_not_lost(tmp_path: Path):
    history, plain = History(tmp_path / "history.db"), History()
    fill(history, 600)
    now = AT + timedelta(hours=20)
    threads = [threading.Thread(target=history.roll_up, args=(now, timedelta(hours=n))) for n in (15, 12, 12)]
    for thread in threads:
        thread.start()
    fill(history, 600, 600)
    for thread in threads:
        thread.join()
    history.roll_up(now, timedelta(hours=12))
    fill(plain, 1200)
    plain.roll_up(now, timedelta(hours=12))
    assert history.samples(*whole()) == plain.samples(*whole())
    assert history.hours(*whole()) == plain.hours(*whole())
    history.close()


@pytest.mark.slow
def test_closing_ends_it_after_one_transaction_and_the_next_start_goes_on(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("reallot.engine.ledger.history.BATCH", 7)
    history, plain = History(tmp_path / "history.db"), History()
    fill(history, 300)
    fill(plain, 300)
    now, failed = AT + timedelta(days=1), []

    def roll() -> None:
        try:
            history.roll_up(now, timedelta(hours=21))
        except DataError as error:
            failed.append(str(error))

    thread = threading.Thread(target=roll)
    thread.start()
    history.close()
    thread.join()
    again = History(tmp_path / "history.db")
    again.roll_up(now, timedelta(hours=21))
    plain.roll_up(now, timedelta(hours=21))
    assert again.samples(*whole()) == plain.samples(*whole())
    assert again.hours(*whole()) == plain.hours(*whole())
    again.close()
