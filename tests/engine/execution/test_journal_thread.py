"""The journal in the engine's own time, and off its loop: the suite must notice every small change."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from reallot.engine.contracts.clock import ManualClock, SystemClock
from reallot.engine.contracts.move_state import MoveState
from reallot.engine.contracts.records import ChangeKind
from reallot.engine.execution.journal_thread import AsyncJournal
from reallot.engine.ledger.journal import StepState
from reallot.engine.ledger.sqlite_journal import MemoryJournal, SqliteJournal
from reallot.engine.ledger.timestamps import Stamp, elapsed, machine_boot, microseconds, moment

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WINDOW = timedelta(minutes=15)


class Booted(ManualClock):
    """Booted a while before anything here begins."""

    boot = "this boot"

    def __init__(self):
        super().__init__(NOON - timedelta(seconds=1000))
        self.advance(1000.0)


def books_with(*changes, state=StepState.SENT, may_act=True):
    """AsyncJournal whose journal has one operation, asked for at noon."""
    clock, journal = Booted(), MemoryJournal()
    books = AsyncJournal(journal, clock)
    operation = journal.begin("p", ChangeKind.MOVE, {}, {}, changes, books.stamp())
    for each in journal.steps(operation.id):
        journal.mark(each, state, books.stamp(), may_act=may_act)
    return books, clock


def test_a_journal_on_a_disk_is_asked_on_one_thread_of_its_own(tmp_path):
    journal = SqliteJournal(tmp_path / "journal.db")
    books = AsyncJournal(journal, SystemClock())

    async def names():
        return [await books.ask(threading.current_thread) for _ in range(2)]

    one, two = asyncio.run(names())
    most = books._thread._max_workers
    assert one is two and one is not threading.current_thread() and one.name.startswith("reallot-journal_")
    books.close()
    assert not one.is_alive() and most == 1
    books.close()
    journal.close()


def test_a_journal_in_memory_is_asked_at_once():
    books = AsyncJournal(MemoryJournal(), SystemClock())
    assert asyncio.run(books.ask(threading.current_thread)) is threading.current_thread()
    books.close()


def test_a_moment_has_both_clocks_and_the_boot_that_they_belong_to():
    clock = Booted()
    clock.advance(5.0)
    now = Stamp(NOON + timedelta(seconds=5), clock.monotonic(), "this boot")
    assert AsyncJournal(MemoryJournal(), clock).stamp() == now
    assert AsyncJournal(MemoryJournal(), SystemClock()).stamp().boot == machine_boot() != "None"
    told = Path("/proc/sys/kernel/random/boot_id")
    assert machine_boot() == told.read_text().strip() if told.exists() else machine_boot().startswith("process-")
    one, two = AsyncJournal(MemoryJournal(), ManualClock(NOON)), AsyncJournal(MemoryJournal(), ManualClock(NOON))
    assert one.stamp().boot != two.stamp().boot


def test_ages_are_seconds_and_of_another_boot_never_more_than_is_sure():
    books, clock = books_with(("relay", 0.5, 0.3))
    clock.advance(40.0)
    assert books.ages(books.journal.standing(4)) == {"relay": 40.0}
    assert books.age(Stamp(NOON + timedelta(hours=9), 0.0, "another")) == 40.0
    assert books.age(Stamp(NOON - timedelta(seconds=20), 0.0, "another")) == 60.0


def test_a_change_of_another_boot_is_as_old_as_this_start_where_its_clock_says_less():
    books, _ = books_with(("relay", 0.5, 0.3))
    clock = ManualClock(NOON - timedelta(hours=2))
    clock.advance(500.0)
    after = AsyncJournal(books.journal, clock)
    clock.advance(30.0)
    assert after.ages(after.journal.standing(4)) == {"relay": 30.0}


def test_plans_have_ages_from_when_they_were_begun():
    books, clock = books_with(("relay", 0.5, 0.3))
    books.journal.advance(1, MoveState.APPLYING, books.stamp())
    clock.advance(70.0)
    assert books.plan_ages(books.journal.standing(4)) == [70.0]
    assert books.plan_ages(books.journal.standing(0)) == []


def test_a_call_may_still_act_until_its_window_is_over():
    books, clock = books_with(("relay", 0.5, 0.3), ("storage", 0.5, 0.7), state=StepState.UNKNOWN)
    clock.advance(60.0)
    found = books.may_still_act(books.journal.unsettled(), WINDOW)
    assert [(step.protocol, end) for step, end in found] == [("relay", NOON + WINDOW), ("storage", NOON + WINDOW)]
    clock.advance(839.0)
    assert len(books.may_still_act(books.journal.unsettled(), WINDOW)) == 2
    clock.advance(1.0)
    assert books.may_still_act(books.journal.unsettled(), WINDOW) == []


def test_a_call_that_was_answered_acts_no_more():
    books, _ = books_with(("relay", 0.5, 0.3), state=StepState.UNKNOWN, may_act=False)
    assert books.journal.unsettled() and books.may_still_act(books.journal.unsettled(), WINDOW) == []


def test_time_between_two_moments_is_never_below_nothing_and_never_more_than_is_sure():
    def stamp(wall, steady, boot):
        return Stamp(NOON + timedelta(seconds=wall), steady, boot)

    assert elapsed(stamp(0, 7.0, "a"), stamp(50, 7.25, "a")) == 0.25
    assert elapsed(stamp(0, 7.0, "a"), stamp(50, 6.0, "a")) == 0.0
    assert elapsed(stamp(0, 7.0, "a"), stamp(0.5, 1.0, "b")) == 0.5
    assert elapsed(stamp(0, 7.0, "a"), stamp(-9, 1.0, "b")) == 0.0
    assert elapsed(stamp(0, 7.0, "a"), stamp(-9, 0.25, "b"), awake=0.25) == 0.25
    assert elapsed(stamp(0, 7.0, "a"), stamp(9, 0.25, "b"), awake=0.25) == 9.0


def test_moments_are_whole_microseconds_since_1970():
    assert microseconds(datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC)) == 1_000_005
    assert moment(1_000_005) == datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC)
