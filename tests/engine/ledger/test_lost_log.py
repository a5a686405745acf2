"""What was written last lies in SQLite's log beside the journal: where some of it is gone, nothing moves."""

from __future__ import annotations

import shutil

import pytest

from reallot.engine.contracts.move_state import MoveState
from reallot.engine.ledger.folder import open_ledger, read_journal
from tests.engine.ledger.test_damage import AT, ledger_with, with_bits_flipped


def killed(folder, place):
    """A copy of the folder as the end of the process would leave it: with what SQLite keeps beside an open file."""
    ledger = open_ledger(folder)
    ledger.journal.decide("p3", AT, MoveState.PLANNED, "worth it", "{}", "")
    shutil.copytree(folder, place, ignore=shutil.ignore_patterns("lock.db*", "*.reserve"))
    ledger.close()
    (place / "journal.db.reserve").touch()
    return place


def without(*names):
    return lambda place: [(place / f"journal.db-{name}").unlink() for name in names]


def log_with(change):
    def changed(place):
        path = place / "journal.db-wal"
        path.write_bytes(change(path.read_bytes()))

    return changed


GONE = {
    "the log of a used journal": (False, without("wal"), "journal.db-wal lacks"),
    "the log of a new journal": (True, without("wal"), "journal.db-wal lacks"),
    "all that is beside a new journal": (True, without("wal", "shm"), "it is empty"),
    "the log's words": (False, log_with(lambda content: b""), "journal.db-wal lacks"),
    "the log's end": (False, log_with(lambda content: content[:-5000]), "journal.db-wal lacks"),
    "a byte of the log": (False, log_with(lambda content: with_bits_flipped(content, 900, 1)), "journal.db-wal lacks"),
    "the log's number": (False, log_with(lambda content: with_bits_flipped(content, 1, 1)), "journal.db-wal lacks"),
}


@pytest.mark.parametrize("case", GONE)
def test_a_log_of_which_something_is_gone_halts(case, tmp_path):
    fresh, harm, words = GONE[case]
    place = killed(tmp_path / "ledger" if fresh else ledger_with(tmp_path / "ledger"), tmp_path / "killed")
    harm(place)
    ledger = open_ledger(place)
    assert words in ledger.journal.halted() and "reallot resume" in ledger.journal.halted()
    ledger.close()


def test_what_a_killed_process_left_does_not_halt_nor_what_a_reader_leaves(tmp_path):
    place = killed(ledger_with(tmp_path / "ledger"), tmp_path / "killed")
    for _ in range(2):
        ledger = open_ledger(place)
        assert not ledger.journal.halted() and ledger.journal.decision_of("p3") is not None
        ledger.close()
        read_journal(place).close()


def test_a_journal_of_before_halts_beside_events_that_know_more_and_once_only(tmp_path):
    folder, found = ledger_with(tmp_path / "ledger"), []
    for plan in ("p1", "p9", ""):
        ledger = open_ledger(folder)
        found.append(ledger.journal.halted())
        ledger.journal.resume()
        ledger.events.add([(AT, "move", "moved", {"plan_id": plan}, 20), (AT, "alert", "low", {}, 20)] if plan else [])
        ledger.close()
    assert not found[0] and not found[1]
    assert "older than events.db" in found[2] and "reallot resume" in found[2]
    ledger = open_ledger(folder)
    assert not ledger.journal.halted()
    ledger.close()
