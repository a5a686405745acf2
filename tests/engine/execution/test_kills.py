"""kill -9 of a real process at every write of the journal and around every effect, at random, and again in recovery.

A paused owner is in here too. REALLOT_KILLS=500 kills so often at random, and five times at every moment; 20 times and
once otherwise, and the recovery then dies after every second write or effect only.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from reallot.engine.contracts.move_state import RECORD_FOLLOWS, MoveState
from reallot.engine.ledger.folder import open_ledger, read_journal
from tests.engine.execution.killed import AFTER, BEFORE, FENCED, PAUSED, TAKEN, THIRD, shares

ROOT = Path(__file__).parents[3]
MOMENTS = ("before a write", "after a write", "before an effect", "after an effect")
KILLED = -signal.SIGKILL
KILLS = int(os.environ.get("REALLOT_KILLS", "20"))
REPEATS = 5 if "REALLOT_KILLS" in os.environ else 1


@pytest.fixture
def place():
    """A folder in memory where there is one: what a killed process wrote stays there as on a disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def start():
    """Starts an engine in a process of its own; how it ended."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.engine.execution.killed"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as forker:

        def begin(folder, do, **job):
            forker.stdin.write(json.dumps({"folder": str(folder), "do": do, **job}) + "\n")
            forker.stdin.flush()

        def run(folder, do, **job):
            begin(folder, do, **job)
            return int(forker.stdout.readline())

        run.begin = begin

        run.lines = forker.stdout
        yield run
        forker.stdin.close()


def points(start, folder, do, prepare, moments=MOMENTS, **job):
    """Every moment at which the engine can be killed, with a fresh folder that was killed there."""
    for moment in moments:
        for number in range(100):
            place = folder / f"{do}-{moment}-{number}".replace(" ", "-")
            place.mkdir(parents=True)
            prepare(place)
            ended = start(place, do, when=moment, number=number, **job)
            if ended == 0:
                break
            assert ended == (PAUSED if job.get("pause") else KILLED)
            yield place


def is_whole(folder):
    """Shares are those before or those planned, the journal agrees, and capacity was never exceeded."""
    world = shares(folder)
    ledger = open_ledger(folder / "ledger")
    try:
        assert world in (BEFORE, AFTER)
        assert ledger.journal.committed() == world
        assert ledger.journal.open_operation() is None and not ledger.journal.halted()
        assert ledger.journal.sound() and not list((folder / "ledger").glob("*damaged*"))
        log = folder / "effects.log"
        effects = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        assert all(sum(each.values()) <= 1.0 + 1e-9 for each in effects)
        written = ledger.journal.changes()
        assert len(effects) <= len(written)
        return len(effects), len(written)
    finally:
        ledger.close()


@pytest.mark.slow
@pytest.mark.parametrize("repeat", range(REPEATS))
@pytest.mark.parametrize("refuses", ["", "compute", "storage"], ids=["goes well", "last refuses", "first refuses"])
def test_killed_anywhere_it_ends_before_or_after_and_recovery_is_idempotent(start, place, refuses, repeat):
    count = 0
    for each in points(start, place, "execute", lambda folder: None, refuses=refuses):
        assert start(each, "recover", refuses=refuses) == 0
        whole = is_whole(each)
        assert start(each, "recover", refuses=refuses) == 0
        assert is_whole(each) == whole, "the second recovery did something"
        if refuses:
            assert shares(each) == BEFORE
        count += 1
    assert count >= 24


@pytest.mark.slow
@pytest.mark.parametrize("repeat", range(REPEATS))
@pytest.mark.parametrize("moment", ["after a write", "after an effect"])
def test_killed_again_during_recovery_it_ends_the_same(start, place, moment, repeat):
    """The engine dies after each write or effect of the plan, the recovery at each of its own moments."""
    count = 0
    for number in range(0, 100, 1 if REPEATS > 1 else 2):

        def prepare(folder, number=number):
            return start(folder, "execute", when=moment, number=number)

        probe = place / f"probe-{number}"
        probe.mkdir()
        if prepare(probe) == 0:
            break
        for each in points(start, place / str(number), "recover", prepare):
            assert start(each, "recover") == 0
            is_whole(each)
            count += 1
    assert count >= 8


@pytest.mark.slow
def test_a_plan_that_was_carried_out_is_not_carried_out_again_after_a_restart(start, place):
    assert start(place, "execute") == 0
    whole = is_whole(place)
    assert shares(place) == AFTER
    assert start(place, "execute") == 0
    assert is_whole(place) == whole


def worked_and_killed(start, folder, seed):
    """An engine that works is killed at a random moment; the last state of each record that it was told is kept."""
    draw, kept = random.Random(seed), {}
    start.begin(folder, "work", seed=seed)
    owner = int(start.lines.readline())
    for line in (start.lines.readline() for _ in range(draw.randrange(1, 150))):
        kind, which, state = json.loads(line)
        kept[kind, which, state if kind == "decision" else ""] = state
    sum(range(draw.randrange(20_000)))  # the moment is anywhere between two records, or in the middle of one
    os.kill(owner, signal.SIGKILL)
    while (line := start.lines.readline()) != f"{KILLED}\n":
        kind, which, state = json.loads(line)
        kept[kind, which, state if kind == "decision" else ""] = state
    return kept


def lost(kept, folder):
    """Records that the journal said were kept, and that are not in the file, at this state or a later one."""
    connection = sqlite3.connect(folder / "ledger" / "journal.db")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    operations = dict(connection.execute("SELECT id, state FROM operation"))
    steps = dict(connection.execute("SELECT id, state FROM step"))
    decisions = set(connection.execute("SELECT plan_id, verdict FROM decision"))
    connection.close()
    order = ["intent", "sent", "unknown", "refused", "confirmed"]
    there = {
        "operation": lambda number, state: number in operations and operations[number] in later(state),
        "step": lambda number, state: number in steps and order.index(steps[number]) >= order.index(state),
        "decision": lambda plan_id, verdict: (plan_id, verdict) in decisions,
    }
    return [(kind, which, state) for (kind, which, _), state in kept.items() if not there[kind](which, state)]


def later(state):
    """This state and those that may come after it."""
    found = {state}
    for each in RECORD_FOLLOWS.get(MoveState(state), ()):
        found |= later(each.value)
    return found


@pytest.mark.slow
def test_killed_at_random_again_and_again_nothing_that_was_acknowledged_is_lost(start, place):
    """One ledger through all of it; with REALLOT_KILLS each recovery is also timed: under 1 s."""
    seconds, records = [], 0
    for seed in range(KILLS):
        kept = worked_and_killed(start, place, seed)
        assert not lost(kept, place)
        assert start(place, "recover") == 0
        seconds.append(float((place / "recovery.seconds").read_text()))
        records += len(kept)
        journal = read_journal(place / "ledger")
        assert journal.open_operation() is None and not journal.halted() and not journal.unsettled()
        assert journal.committed() == shares(place) and shares(place) in (BEFORE, AFTER, THIRD)
        journal.close()
    effects = [json.loads(line) for line in (place / "effects.log").read_text().splitlines()]
    assert all(sum(each.values()) <= 1.0 + 1e-9 for each in effects)
    assert not list((place / "ledger").glob("*damaged*"))
    assert records >= KILLS
    if "REALLOT_KILLS" in os.environ:
        print(f"{KILLS} kills, {records} records, {len(effects)} effects, slowest recovery {max(seconds):.3f} s")
        assert max(seconds) < 1.0


@pytest.mark.slow
def test_an_owner_that_was_paused_and_taken_over_acts_no_more(start, place):
    """Paused at every moment of a move, continued after the take-over: each act is refused by its epoch.

    The lock lives as long as its process, so that only a person can take it away from one that is paused. What can
    still come is the call that the journal had written down before: it is waited for, and put back.
    """
    fenced = 0
    moments = ("before a write", "before an effect")
    for each in points(start, place, "execute", lambda folder: None, moments, pause=True, late=15):
        assert start(each, "recover", late=15) == TAKEN, "the lock of a paused owner holds"
        assert start(each, "recover", late=15, by_force=True) == 0
        journal = read_journal(each / "ledger")
        may_come = {(step.protocol, step.after) for step in journal.unsettled() if step.may_act}
        operations = journal._database.rows("SELECT id, state, epoch FROM operation")
        journal.close()
        before = shares(each)
        ended = start(each, "continue")
        fenced += ended == FENCED
        if ended != FENCED:
            assert ended == 0 and before == shares(each), "it had nothing left to write"
        changed = {(name, share) for name, share in shares(each).items() if share != before[name]}
        assert changed <= may_come and len(changed) <= 1
        journal = read_journal(each / "ledger")
        assert journal._database.rows("SELECT id, state, epoch FROM operation") == operations
        journal.close()
        for _ in range(2):
            assert start(each, "recover", late=15) == 0
        is_whole(each)
    assert fenced >= 10
