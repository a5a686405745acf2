"""kill -9 of a real process at every write of the journal and around every effect, then again during recovery."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from reallot.ledger.store import open_ledger
from tests.orchestration.killed import AFTER, BEFORE, shares

ROOT = Path(__file__).parents[2]
MOMENTS = ("before a write", "after a write", "before an effect", "after an effect")
KILLED = -signal.SIGKILL


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
        [sys.executable, "-m", "tests.orchestration.killed"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as forker:

        def run(folder, do, **job):
            forker.stdin.write(json.dumps({"folder": str(folder), "do": do, **job}) + "\n")
            forker.stdin.flush()
            return int(forker.stdout.readline())

        yield run
        forker.stdin.close()


def points(start, folder, do, prepare, **job):
    """Every moment at which the engine can be killed, with a fresh folder that was killed there."""
    for moment in MOMENTS:
        for number in range(100):
            place = folder / f"{do}-{moment}-{number}".replace(" ", "-")
            place.mkdir(parents=True)
            prepare(place)
            ended = start(place, do, when=moment, number=number, **job)
            if ended == 0:
                break
            assert ended == KILLED
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
@pytest.mark.parametrize("refuses", ["", "compute", "storage"], ids=["goes well", "last refuses", "first refuses"])
def test_killed_anywhere_it_ends_before_or_after_and_recovery_is_idempotent(start, place, refuses):
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
@pytest.mark.parametrize("moment", ["after a write", "after an effect"])
def test_killed_again_during_recovery_it_ends_the_same(start, place, moment):
    """The engine dies after each write or effect of the plan; the recovery dies at each of its own moments."""
    count = 0
    for number in range(100):

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
