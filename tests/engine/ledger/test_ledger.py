"""The ledger on a real file: what it keeps, who may write, and what it does when the file is not what it should be."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from reallot.adapters.simulated import SimulatedAdapter
from reallot.engine.contracts.clock import ManualClock
from reallot.engine.contracts.configs import ReallocationConfig
from reallot.engine.contracts.move_state import MoveState
from reallot.engine.contracts.records import Alert, ChangeKind
from reallot.engine.ledger.database import Database
from reallot.engine.ledger.folder import open_ledger, read_journal
from reallot.engine.ledger.history import History, Sample, samples_of
from reallot.engine.ledger.journal import StepState
from reallot.engine.ledger.lock import LedgerTaken
from reallot.engine.ledger.migrations import JOURNAL
from reallot.engine.ledger.sqlite_journal import MemoryJournal, SqliteJournal
from reallot.engine.ledger.timestamps import Stamp, elapsed
from reallot.errors import DataError, ReallocationError
from reallot.orchestration.coordinator import ProtocolCoordinator
from reallot.orchestration.cycle import cycles
from reallot.orchestration.monitor import RealtimeMonitor
from reallot.orchestration.optimizer import EarningsOptimizer
from reallot.orchestration.reallocation import ReallocationEngine
from tests.orchestration.worlds import World, same

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = Stamp(AT, 0.0, "boot")
SHARES = {"relay": 0.5, "storage": 0.5}
TO = {"relay": 0.3, "storage": 0.7}
STEPS = [("relay", 0.5, 0.3), ("storage", 0.5, 0.7)]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "ledger"


def begun(journal, plan_id="p1"):
    return journal.begin(plan_id, ChangeKind.MOVE, SHARES, TO, STEPS, NOW)


def committed(journal, plan_id="p1"):
    operation = begun(journal, plan_id)
    journal.advance(operation.id, MoveState.APPLYING, NOW)
    for each in journal.steps(operation.id):
        journal.send(each, NOW)
        journal.mark(each, StepState.CONFIRMED, NOW)
    journal.advance(operation.id, MoveState.COMMITTED, NOW)
    return operation


def test_what_was_written_is_there_after_a_restart(folder):
    with_ledger = open_ledger(folder)
    operation = committed(with_ledger.journal)
    with_ledger.journal.raise_alert(Alert(key="k", message="m", severity=0.5, timestamp=AT))
    with_ledger.journal.decide("p1", AT, "committed", "", "{}")
    with_ledger.close()
    again = open_ledger(folder)
    assert again.journal.committed() == TO
    assert again.journal.operation_of("p1").id == operation.id
    assert [each.state for each in again.journal.steps(operation.id)] == [StepState.CONFIRMED] * 2
    assert again.journal.last_changes() == {"relay": NOW, "storage": NOW}
    assert again.journal.last_moves(4) == [NOW]
    assert [each.key for each in again.journal.alerts()] == ["k"]
    assert not again.journal.observe_only and not again.journal.halted()
    again.close()


def test_the_newest_changes_are_the_last_of_all():
    journal = MemoryJournal()
    for number in range(3):
        committed(journal, f"p{number}")
    every = journal.changes()
    assert len(every) > 2 and journal.changes(newest=2) == every[-2:] and journal.changes(newest=99) == every
    assert journal.changes(every[-1].timestamp + timedelta(seconds=1), newest=2) == []


def test_one_operation_at_a_time_and_no_state_out_of_order():
    journal = MemoryJournal()
    operation = begun(journal)
    with pytest.raises(DataError, match="one runs at a time"):
        begun(journal, "p2")
    with pytest.raises(DataError, match="planned and cannot become committed"):
        journal.advance(operation.id, MoveState.COMMITTED, NOW)
    journal.advance(operation.id, MoveState.DISCARDED, NOW)
    with pytest.raises(DataError, match="cannot become"):
        journal.advance(operation.id, MoveState.APPLYING, NOW)


def test_a_journal_in_memory_says_what_it_loses():
    assert "restart forgets" in MemoryJournal().loses
    assert "restart forgets" in ReallocationEngine().loses


def test_an_alert_is_one_row_while_its_condition_lasts():
    journal = MemoryJournal()
    alert = Alert(key="halted", message="m", severity=1.0, timestamp=AT)
    assert journal.halt(alert, {"relay": "why"}) and not journal.halt(alert, {})
    assert [each.count for each in journal.alerts()] == [2]
    assert journal.recovered("halted", AT) and not journal.recovered("halted", AT)
    assert journal.raise_alert(alert) and len(journal.alerts()) == 2


def test_numbers_that_are_none_are_not_written():
    with pytest.raises(ValueError, match="not JSON compliant"):
        MemoryJournal().begin("p", ChangeKind.MOVE, {"a": float("nan")}, {}, [], NOW)


def test_time_counts_by_the_steady_clock_in_a_boot_and_never_backwards_across_boots():
    later = Stamp(AT - timedelta(hours=2), 60.0, "boot")
    assert elapsed(NOW, later) == 60.0
    assert elapsed(later, NOW) == 0.0
    assert elapsed(NOW, Stamp(AT - timedelta(hours=1), 5.0, "other")) == 0.0
    assert elapsed(NOW, Stamp(AT + timedelta(hours=1), 5.0, "other")) == 3600.0
    assert elapsed(Stamp(AT + timedelta(days=4000), 0.0, "boot"), Stamp(AT, 9.0, "other"), awake=9.0) == 9.0


def test_the_file_is_in_wal_mode_with_full_synchronisation(folder):
    ledger = open_ledger(folder)
    connection = ledger.journal._database.connection
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA user_version").fetchone() == (len(JOURNAL),)
    assert ledger.history._database.connection.execute("PRAGMA synchronous").fetchone() == (1,)
    ledger.close()


def test_a_second_engine_is_refused_at_once_and_told_by_whom(folder):
    """In less than a second."""
    first, began = open_ledger(folder), time.perf_counter()
    with pytest.raises(LedgerTaken, match=f"process {os.getpid()} on .* since 20"):
        open_ledger(folder)
    assert time.perf_counter() - began < 1.0
    first.close()
    open_ledger(folder).close()


@pytest.mark.slow
def test_another_process_is_refused_and_takes_over_when_the_owner_is_killed(folder):
    """Refused with the process and since when; in less than two seconds once it is gone."""
    program = (
        "import sys, time; from reallot.engine.ledger.folder import open_ledger; open_ledger(sys.argv[1]); "
        "print('mine', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout.readline() == "mine\n"
        with pytest.raises(LedgerTaken, match=f"process {owner.pid} "):
            open_ledger(folder)
        owner.kill()
        owner.wait()
        began = time.perf_counter()
    open_ledger(folder).close()
    assert time.perf_counter() - began < 2.0


def test_one_that_was_taken_over_may_not_write_any_more(folder):
    folder.mkdir()
    old, new = SqliteJournal(folder / "journal.db"), SqliteJournal(folder / "journal.db")
    with pytest.raises(DataError, match="another engine has taken over"):
        begun(old)
    begun(new)
    old.close()
    new.close()


def test_a_reader_sees_what_is_committed_while_the_engine_runs(folder):
    ledger = open_ledger(folder)
    committed(ledger.journal)
    reader = read_journal(folder)
    assert reader.committed() == TO and reader.observe_only
    with pytest.raises(DataError):
        reader.adopt({})
    reader.close()
    ledger.close()
    with pytest.raises(DataError, match=r"journal\.db"):
        read_journal(folder / "nothing")


def damaged(folder, how):
    """A ledger with one committed plan, whose file is then spoilt."""
    ledger = open_ledger(folder)
    committed(ledger.journal)
    ledger.close()
    path = folder / "journal.db"
    how(path)
    return path.read_bytes()


def overwrite(path, start, data):
    with path.open("r+b") as file:
        file.seek(start)
        file.write(data)


SPOILT = {
    "zero bytes": lambda path: path.write_bytes(b""),
    "truncated": lambda path: os.truncate(path, path.stat().st_size // 2),
    "random bytes": lambda path: overwrite(path, 0, bytes(range(256)) * 64),
    "random in the middle": lambda path: overwrite(path, 4096, bytes(range(256)) * 32),
    "not a database": lambda path: path.write_text("my shopping list\n" * 500),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_damaged_journal_is_kept_aside_and_nothing_is_moved(folder, how):
    """It is halted until a person has looked, the file as it was beside the new one."""
    spoilt = damaged(folder, SPOILT[how])
    ledger = open_ledger(folder)
    [aside] = [path for path in folder.glob("journal.db.damaged-*") if not path.name.endswith(("-wal", "-shm"))]
    assert aside.read_bytes() == spoilt
    assert aside.name in ledger.journal.halted()
    world = World(**SHARES)
    alerts = []
    engine = ReallocationEngine(ledger=ledger, clock=ManualClock(AT), on_alert=alerts.append)
    with pytest.raises(ReallocationError) as caught:
        asyncio.run(engine.execute_reallocation(world.plan(**TO), world.adapters))
    assert caught.value.by == "halted" and not world.effects
    assert [each.key for each in alerts] == ["halted"]
    asyncio.run(engine.resume())
    asyncio.run(engine.execute_reallocation(world.plan(**TO), world.adapters))
    assert same(world.shares, TO)
    engine.close()
    ledger.close()


def only_observes(ledger, text):
    world = World(**SHARES)
    engine = ReallocationEngine(ledger=ledger, clock=ManualClock(AT))
    with pytest.raises(ReallocationError, match=text) as caught:
        asyncio.run(engine.execute_reallocation(world.plan(**TO), world.adapters))
    assert caught.value.by == "ledger" and not world.effects
    asyncio.run(engine.recover(world.adapters))
    engine.close()
    ledger.close()
    return True


def test_a_journal_of_a_newer_version_is_not_touched(folder):
    open_ledger(folder).close()
    path = folder / "journal.db"
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(JOURNAL) + 1}")
    connection.close()
    before = path.read_bytes()
    assert only_observes(open_ledger(folder), "newer version")
    assert path.read_bytes() == before


@pytest.mark.parametrize("how", ["a file", "a folder"])
def test_a_journal_that_may_only_be_read_leaves_only_observing(folder, how, monkeypatch):
    """What it holds is not changed. Permissions say nothing to root, so that SQLite is asked to open read-only."""
    ledger = open_ledger(folder)
    committed(ledger.journal)
    ledger.close()
    before = (folder / "journal.db").read_bytes()
    if how == "a file":
        monkeypatch.setattr("reallot.engine.ledger.database.sqlite3.connect", reading_only)
    else:
        monkeypatch.setattr("reallot.engine.ledger.lock.sqlite3.connect", reading_only)
    assert only_observes(open_ledger(folder), "readonly|read-only|cannot be used")
    assert (folder / "journal.db").read_bytes() == before
    assert not list(folder.glob("*damaged*"))


connect = sqlite3.connect


def reading_only(path, *arguments, **named):
    connection = connect(path, *arguments, **named)
    if str(path) != ":memory:":
        connection.execute("PRAGMA query_only = 1")
    return connection


def test_a_folder_that_cannot_be_made_leaves_only_observing(tmp_path):
    (tmp_path / "file").write_text("")
    assert only_observes(open_ledger(tmp_path / "file" / "ledger"), "cannot be used")


HOLDS = (
    "import sqlite3, sys; base = sqlite3.connect(sys.argv[1], isolation_level=None); base.execute('BEGIN IMMEDIATE'); "
    "print('mine', flush=True); sys.stdin.read()"
)


@pytest.mark.slow
def test_while_another_process_holds_the_journal_watching_goes_on_and_then_moving_does(folder):
    """Half a minute of cycles on the simulated clock; the ledger is locked by a process of its own."""
    clock, ledger = ManualClock(AT), open_ledger(folder, busy_seconds=0.02)
    coordinator = ProtocolCoordinator(clock=clock)
    for name, rate in (("relay", 4.0), ("storage", 16.0)):
        coordinator.register_adapter(name, SimulatedAdapter(name, rate, share=0.5, clock=clock))
    engine = ReallocationEngine(ledger=ledger, clock=clock)
    optimizer, monitor = EarningsOptimizer(clock=clock), RealtimeMonitor(clock=clock)

    async def count(most):
        loop = cycles(coordinator, optimizer, engine, monitor, every_seconds=10.0, most=most, clock=clock)
        return [result async for result in loop]

    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(folder / "journal.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline() == "mine\n"
        locked = asyncio.run(count(3))
        other.communicate()
    for result in locked:
        assert result.metrics.allocation_by_protocol == SHARES and not result.acted
        assert "journal.db is locked" in result.errors["recover"]
    [free] = asyncio.run(count(1))
    assert free.acted and not free.errors
    engine.close()
    ledger.close()


def test_a_locked_journal_stops_acting_names_the_file_and_recovers_by_itself(folder):
    ledger = open_ledger(folder, busy_seconds=0.05)
    other = sqlite3.connect(folder / "journal.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    world = World(**SHARES)
    engine = ReallocationEngine(ledger=ledger, clock=ManualClock(AT))
    with pytest.raises(DataError, match=r"journal\.db is locked"):
        asyncio.run(engine.execute_reallocation(world.plan(**TO), world.adapters))
    assert not world.effects
    other.execute("ROLLBACK")
    other.close()
    asyncio.run(engine.execute_reallocation(world.plan(**TO), world.adapters))
    assert same(world.shares, TO)
    engine.close()
    ledger.close()


class FullDisk:
    """Lets so many writes through and then says that the disk is full, as long as the reserve is not given up."""

    def __init__(self, database, writes, room_in_reserve):
        self.database, self.writes, self.room = database, writes, room_in_reserve
        self.once = database._once
        database._once = self

    def __call__(self, work):
        if self.writes <= 0 and not (self.room and not self.database._reserve.exists()):
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        self.writes -= 1
        return self.once(work)


def writes_of_a_plan():
    return 9  # adopt, begin, applying, 2 x (sent, confirmed), confirming, committed; the decision comes after


@pytest.mark.parametrize("room", [True, False], ids=["reserve", "no room at all"])
@pytest.mark.parametrize("writes", range(writes_of_a_plan() + 1))
def test_a_full_disk_at_every_write(folder, writes, room):
    """A move is written down or not made, the reserve is given up, the message says what to do."""
    ledger = open_ledger(folder)
    world = World(**SHARES)
    config = ReallocationConfig(late_effects=timedelta(0))
    clock = ManualClock(AT)
    engine = ReallocationEngine(config, ledger=ledger, clock=clock)
    full = FullDisk(ledger.journal._database, writes, room)
    failed = None
    try:
        asyncio.run(engine.execute_reallocation(world.plan(**TO), world.adapters))
    except DataError as error:
        failed = error
        assert "journal.db" in str(error) and "full" in str(error) and "deleted" in str(error)
    if room:
        assert failed is None and same(world.shares, TO)
    elif writes < 3:
        assert not world.effects, "something was moved without an entry"
    sent = {each.protocol for each in ledger.journal.changes()}
    assert {name for name, _ in world.effects} <= sent
    full.writes = 1000
    asyncio.run(engine.recover(world.adapters))
    assert same(world.shares, ledger.journal.committed() or SHARES) and world.most <= 1.0 + 1e-9
    assert ledger.journal.open_operation() is None
    engine.close()
    ledger.close()


def test_without_room_for_the_reserve_nothing_new_begins(folder, monkeypatch):
    ledger = open_ledger(folder)
    monkeypatch.setattr(Database, "keep_reserve", lambda self: False)
    with pytest.raises(DataError, match="disk is full"):
        begun(ledger.journal)
    ledger.close()


@pytest.mark.slow
def test_a_really_full_file_is_an_error_that_names_it_and_reading_goes_on(folder):
    """SQLite's own limit of pages stands for the disk: the same error, from the same place."""
    ledger = open_ledger(folder)
    journal = ledger.journal
    committed(journal)
    connection = journal._database.connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")

    def fill() -> None:
        for number in range(1000):
            journal.decide(f"p{number}", AT, "committed", "", "x" * 4000)

    with pytest.raises(DataError, match="disk is full"):
        fill()
    assert not (folder / "journal.db.reserve").exists()
    assert journal.committed() == TO
    assert journal.sound()
    ledger.close()


def test_people_are_heard_across_processes(folder):
    ledger = open_ledger(folder)
    world, clock = World(**SHARES), ManualClock(AT)
    engine = ReallocationEngine(ReallocationConfig(require_confirmation=True), ledger=ledger, clock=clock)
    plan = world.plan(**TO)
    with pytest.raises(ReallocationError):
        asyncio.run(engine.execute_reallocation(plan, world.adapters))
    ledger.requests.post("confirm", plan.id)
    assert asyncio.run(engine.execute_confirmed(world.adapters)) and same(world.shares, TO)
    assert ledger.requests.all() == []
    ledger.journal.halt(Alert(key="halted", message="m", severity=1.0, timestamp=AT), {})
    ledger.requests.post("resume")
    asyncio.run(engine.recover(world.adapters))
    assert not ledger.journal.halted()
    engine.close()
    ledger.close()


def test_readings_are_kept_rolled_up_and_forgotten(folder):
    ledger = open_ledger(folder)
    history = ledger.history
    minutes = [AT + timedelta(minutes=each) for each in range(180)]
    for number, at in enumerate(minutes):
        earned = {"relay": float(number)} if number % 2 else {}
        history.add(samples_of(at, earned, {"relay": 0.5}, {"relay": bool(earned)}))
    assert len(history.samples(AT, AT + timedelta(hours=3))) == 180
    assert history.samples(AT, AT + timedelta(minutes=1)) == [Sample("relay", AT, None, 0.5, False)]
    history.roll_up(AT + timedelta(hours=2, minutes=30))
    first, second = history.hours(AT, AT + timedelta(days=1), "relay")
    assert (first.earnings, first.samples, first.up, first.lowest, first.highest) == (30.0, 60, 0.5, 1.0, 59.0)
    assert second.earnings == 90.0
    history.roll_up(AT + timedelta(days=15))
    assert history.samples(AT, AT + timedelta(hours=3)) == []
    assert len(history.hours(AT, AT + timedelta(days=1))) == 3
    history.roll_up(AT + timedelta(days=15))
    assert len(history.hours(AT, AT + timedelta(days=1))) == 3
    history.roll_up(AT + timedelta(days=731))
    assert history.hours(AT, AT + timedelta(days=1)) == []
    ledger.close()


def test_damaged_readings_are_kept_aside_and_stop_nothing(folder):
    open_ledger(folder).close()
    (folder / "history.db").write_text("no database" * 100)
    for ending in ("-wal", "-shm"):
        (folder / f"history.db{ending}").unlink(missing_ok=True)
    ledger = open_ledger(folder)
    assert isinstance(ledger.history, History) and not ledger.journal.halted()
    assert list(folder.glob("history.db.damaged-*"))
    ledger.close()


def test_a_copy_of_the_folder_opens_as_the_same(folder, tmp_path):
    ledger = open_ledger(folder)
    committed(ledger.journal)
    shutil.copytree(folder, tmp_path / "copy")
    ledger.close()
    copy = open_ledger(tmp_path / "copy")
    assert copy.journal.committed() == TO
    copy.close()
