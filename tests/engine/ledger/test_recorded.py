"""Journals that older versions wrote. Nothing in them is lost, and what follows from them stays the same.

Each `recorded/schema-N-*.sql` was dumped (`sqlite3 .dump`, and the schema's number) from a journal that a program with
schema N had written or, from schema 3 on, had opened and brought up. Where a migration is added, record those of the
new schema beside them, and leave the old ones.
"""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reallot.engine.contracts.clock import ManualClock
from reallot.engine.contracts.configs import ReallocationConfig
from reallot.engine.contracts.move_state import MoveState
from reallot.engine.ledger.folder import open_ledger, read_journal
from reallot.engine.ledger.migrations import JOURNAL
from reallot.errors import ReallocationError
from reallot.orchestration.reallocation import ReallocationEngine
from reallot.runtime.decision_replay import replay
from tests.orchestration.worlds import World, plan, same

RECORDED = sorted((Path(__file__).parent / "recorded").glob("*.sql"), key=lambda path: path.stem)
NAMES = [path.stem for path in RECORDED]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def rows_of(path):
    """Every row of every table; the epoch is who opened it last."""
    with sqlite3.connect(path) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {name: sorted(database.execute(f"SELECT * FROM {name}").fetchall()) for name in tables}
        indices = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
        (schema,) = database.execute("PRAGMA user_version").fetchone()
    database.close()
    found["meta"] = [row for row in found["meta"] if row[0] != "epoch"]
    return found, indices, schema


def in_words_of_now(rows):
    """Schema 4 writes verdicts as the other states are written."""
    decisions = [tuple("rolled_back" if each == "rolled back" else each for each in row) for row in rows["decision"]]
    return {**rows, "decision": sorted(decisions)}


def restored(name, folder):
    """A ledger's folder with this journal in it."""
    folder.mkdir()
    database = sqlite3.connect(folder / "journal.db")
    database.executescript((Path(__file__).parent / "recorded" / f"{name}.sql").read_text())
    database.close()
    return folder


def engine_at(ledger, minutes, **settings):
    """An engine that starts so long after noon, in another boot."""
    config = ReallocationConfig(late_effects=timedelta(0), **settings)
    return ReallocationEngine(config, ledger=ledger, clock=ManualClock(NOON + timedelta(minutes=minutes)))


def refused(engine, wanted, world):
    with pytest.raises(ReallocationError) as caught:
        asyncio.run(engine.execute_reallocation(wanted, world.adapters))
    return caught.value


def test_journals_of_every_schema_are_recorded():
    assert {int(name.split("-")[1]) for name in NAMES} == set(range(1, len(JOURNAL) + 1))


@pytest.mark.parametrize("name", NAMES)
def test_an_old_journal_is_brought_up_without_loss(name, tmp_path):
    folder = restored(name, tmp_path / "ledger")
    before, _, schema = rows_of(folder / "journal.db")
    assert schema == int(name.split("-")[1])
    open_ledger(folder).close()
    after, indices, schema = rows_of(folder / "journal.db")
    open_ledger(tmp_path / "new").close()
    _, wanted, newest = rows_of(tmp_path / "new" / "journal.db")
    assert after == in_words_of_now(before)
    assert (schema, indices) == (newest, wanted)
    assert not list(folder.glob("*damaged*"))


@pytest.mark.parametrize("name", NAMES)
def test_an_old_journal_may_be_read_as_it_is(name, tmp_path):
    folder = restored(name, tmp_path / "ledger")
    journal = read_journal(folder)
    assert journal.changes() or name.endswith("waiting")
    assert journal.committed()
    journal.close()
    assert rows_of(folder / "journal.db")[2] == int(name.split("-")[1])


def those(ending):
    return pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(ending)])


@those("unfinished")
def test_what_an_older_version_left_unfinished_is_put_back(name, tmp_path):
    """It was killed when relay had given, and before compute was asked: relay gets its share back, once."""
    ledger = open_ledger(restored(name, tmp_path / "ledger"))
    world = World(relay=0.3, storage=0.4, compute=0.2)
    engine = engine_at(ledger, 131)
    state = asyncio.run(engine.recover(world.adapters))
    assert world.effects == [("relay", 0.4)] and same(world.shares, ledger.journal.committed())
    assert state.phase is MoveState.HOLDING
    assert [each.outcome for each in ledger.journal.changes()][:5] == [
        "confirmed",
        "confirmed",
        "rolled_back",
        "failed",
        "confirmed",
    ]
    assert ledger.journal.operation_of("third").state == "rolled_back"
    assert refused(engine, plan(world.shares, {"relay": 0.3}, id="fourth"), world).by == "hold"
    asyncio.run(engine.execute_reallocation(plan(world.shares, {"storage": 0.3}, id="first"), world.adapters))
    assert engine.last_report.verdict == "repeated" and len(world.effects) == 1
    engine.close()
    ledger.close()


@those("resting")
def test_holds_and_budget_of_an_older_version_go_on(name, tmp_path):
    """relay and storage changed at noon, for one plan."""
    ledger = open_ledger(restored(name, tmp_path / "ledger"))
    world = World(relay=0.45, storage=0.35, compute=0.2)
    engine = engine_at(ledger, 50)
    held = asyncio.run(engine.held_protocols())
    assert held == {"relay": NOON + timedelta(hours=1), "storage": NOON + timedelta(hours=1)}
    error = refused(engine, plan(world.shares, {"relay": 0.4}), world)
    assert (error.by, error.until) == ("hold", NOON + timedelta(hours=1))
    busy = engine_at(ledger, 50, max_per_hour=1)
    error = refused(busy, plan(world.shares, {"compute": 0.1}), world)
    assert (error.by, error.until) == ("budget", NOON + timedelta(hours=1))
    asyncio.run(engine.execute_reallocation(plan(world.shares, {"compute": 0.1}), world.adapters))
    assert world.effects == [("compute", 0.1)]
    for each in (engine, busy):
        each.close()
    ledger.close()


@those("waiting")
def test_a_plan_that_waited_in_an_older_version_still_waits_and_is_carried_out_as_confirmed(name, tmp_path):
    ledger = open_ledger(restored(name, tmp_path / "ledger"))
    world = World(relay=0.4, storage=0.4, compute=0.2)
    engine = engine_at(ledger, 130, require_confirmation=True)
    assert asyncio.run(engine.recover(world.adapters)).phase is MoveState.WAITING
    asyncio.run(engine.confirm("second", world.adapters))
    assert world.effects == [("relay", 0.3), ("compute", 0.3)]
    engine.close()
    ledger.close()


@those("halted")
def test_a_halt_of_an_older_version_holds_until_a_person_resumes(name, tmp_path):
    ledger = open_ledger(restored(name, tmp_path / "ledger"))
    world = World(relay=0.4, storage=0.3, compute=0.2)
    engine = engine_at(ledger, 600)
    assert "3 rounds did not put back relay" in ledger.journal.halted()
    assert list(ledger.journal.frozen()) == ["relay"]
    assert asyncio.run(engine.recover(world.adapters)).phase is MoveState.HALTED
    assert refused(engine, plan(world.shares, {"compute": 0.1}), world).by == "halted" and not world.effects
    asyncio.run(engine.resume())
    asyncio.run(engine.recover(world.adapters))
    assert world.effects == [("relay", 0.5)]
    engine.close()
    ledger.close()


@those("decided")
def test_decisions_of_an_older_version_are_made_again_alike(name, tmp_path):
    journal = read_journal(restored(name, tmp_path / "ledger"))
    kept = [each for each in journal.decisions() if each.inputs]
    assert len(kept) == 2
    assert [replay(each).differences for each in kept] == [(), ()]
    journal.close()
