"""A ledger whose files do not hold what was written: nothing moves, a person is told what to do, all is kept aside."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot.cli.main import main
from reallot.engine.contracts.move_state import MoveState
from reallot.engine.contracts.records import Alert, ChangeKind
from reallot.engine.ledger.folder import open_ledger, read_journal
from reallot.engine.ledger.history import History, samples_of
from reallot.engine.ledger.journal import StepState
from reallot.engine.ledger.operator_requests import Requests
from reallot.engine.ledger.timestamps import Stamp
from reallot.errors import DataError
from reallot.runtime.restore import polls

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = Stamp(AT, 0.0, "boot")
BEFORE, AFTER = {"relay": 0.5, "storage": 0.5}, {"relay": 0.3, "storage": 0.7}
ALWAYS = datetime(1971, 1, 1, tzinfo=UTC), datetime(9998, 1, 1, tzinfo=UTC)


@cache
def files():
    """The files of a ledger after one committed plan, by name."""
    with TemporaryDirectory() as place:
        folder = Path(place) / "ledger"
        ledger = open_ledger(folder)
        journal = ledger.journal
        steps = [(name, BEFORE[name], AFTER[name]) for name in BEFORE]
        operation = journal.begin("p1", ChangeKind.MOVE, BEFORE, AFTER, steps, NOW)
        for each in operation.steps:
            journal.send(each, NOW)
            journal.mark(each, StepState.CONFIRMED, NOW)
        journal.advance(operation.id, MoveState.COMMITTED, NOW)
        journal.decide("p1", AT, MoveState.PLANNED, "worth it", "{}", '{"held": []}')
        journal.raise_alert(Alert(key="low", message="low", severity=0.5, timestamp=AT))
        journal.wait_for("p2", "{}", NOW)
        for minute in range(70):
            ledger.history.add(samples_of(AT + timedelta(minutes=minute), {"relay": 1.0}, BEFORE, {"relay": True}))
        ledger.history.roll_up(AT + timedelta(hours=2))
        ledger.requests.post("confirm", "p2", AT)
        ledger.close()
        kept = {path.name: path.read_bytes() for path in folder.iterdir()}
        kept["journal.db.reserve"] = b""  # its size plays no part here
        return kept


def ledger_with(folder, **changed):
    """The ledger of `files` in this folder, with other bytes in some files."""
    folder.mkdir()
    for name, content in (files() | changed).items():
        if content is not None:
            (folder / name).write_bytes(content)
    return folder


def all_of(journal):
    """Everything that is ever read of a journal."""
    listed = journal.standing(10), journal.changes(), journal.decisions(), journal.alerts(), journal.last_committed()
    return repr((*listed, journal.most("relay"), journal.last_call("relay"), journal.decision_of("p1")))


@cache
def unharmed():
    with TemporaryDirectory() as place:
        journal = read_journal(ledger_with(Path(place) / "ledger"))
        kept = all_of(journal)
        journal.close()
        return kept


def tried(**changed):
    """What becomes of a ledger with these bytes: "halted", "observes", or "acts" where all was read as it was."""
    with TemporaryDirectory() as place:
        folder = ledger_with(Path(place) / "ledger", **changed)
        try:
            journal = read_journal(folder)
        except DataError as error:
            assert str(folder) in str(error)
        else:
            try:
                all_of(journal)
            except DataError as error:
                assert "keeps the file aside" in str(error)
            journal.close()
        ledger = open_ledger(folder)
        try:
            journal = ledger.journal
            if journal.observe_only:
                return "observes"
            if journal.halted():
                assert "reallot resume" in journal.halted()
                aside = list(folder.glob("journal.db.damaged-*"))
                assert not changed["journal.db"] or changed["journal.db"] in [each.read_bytes() for each in aside]
                return "halted"
            list(polls(ledger.history, *ALWAYS))
            ledger.history.hours(*ALWAYS)
            ledger.history.last(ALWAYS[1])
            ledger.history.add(samples_of(AT, {"relay": 1.0}, BEFORE, {"relay": True}))
            return "acts" if all_of(journal) == unharmed() else "acts on something else"
        finally:
            ledger.close()


def with_bits_flipped(content, offset, bits):
    changed = bytearray(content)
    changed[offset] ^= bits
    return bytes(changed)


@pytest.mark.parametrize("offset", [0, 18, 19, 21, 31, 44, 59, 60, 63, 103, 3500, 4000, 4095])
def test_a_changed_byte_of_the_head_halts_or_harms_nothing(offset):
    spoilt = with_bits_flipped(files()["journal.db"], offset, 0xFF)
    assert tried(**{"journal.db": spoilt}) in ("halted", "observes", "acts")


@pytest.mark.slow
@given(st.integers(0, 4095), st.integers(1, 255))
def test_a_changed_byte_of_the_first_page_halts_or_harms_nothing(offset, bits):
    spoilt = with_bits_flipped(files()["journal.db"], offset, bits)
    assert tried(**{"journal.db": spoilt}) in ("halted", "observes", "acts")


@pytest.mark.slow
@pytest.mark.parametrize("bits", [0xFF, 0x01])
def test_each_changed_byte_of_the_first_page_halts_or_harms_nothing(bits):
    content = files()["journal.db"]
    cells = int.from_bytes(content[105:107], "big")  # between the page's head and its cells there is nothing
    every = 1 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 21
    offsets = [*range(180), *range(cells, 4096)][bits % every :: every]
    found = {tried(**{"journal.db": with_bits_flipped(content, offset, bits)}) for offset in offsets}
    assert found <= {"halted", "observes", "acts"}


@pytest.mark.slow
@given(st.integers(4096, len(files()["journal.db"]) - 1), st.integers(1, 255))
def test_a_changed_byte_of_a_row_is_never_more_than_another_word(offset, bits):
    """A digit of a text can be another digit; whatever cannot have been written halts."""
    tried(**{"journal.db": with_bits_flipped(files()["journal.db"], offset, bits)})


@pytest.mark.slow
@given(st.sampled_from(["history.db", "requests.db"]), st.data())
def test_changed_bytes_of_readings_and_requests_stop_nothing(name, data):
    content = files()[name]
    offset = data.draw(st.integers(0, len(content) - 1))
    spoilt = with_bits_flipped(content, offset, data.draw(st.integers(1, 255)))
    assert tried(**{name: spoilt}) == "acts"


@pytest.mark.parametrize("name", ["history.db", "requests.db", "lock.db", "owner.json"])
@pytest.mark.parametrize("content", [b"no database " * 500, b"", None], ids=["words", "empty", "deleted"])
def test_any_other_file_may_be_spoilt_or_gone(name, content):
    assert tried(**{name: content}) == "acts"


@pytest.mark.parametrize("part", range(8))
def test_a_truncated_journal_halts(part):
    content = files()["journal.db"]
    assert tried(**{"journal.db": content[: len(content) * part // 8]}) == "halted"


def test_a_journal_that_is_gone_beside_the_rest_halts_and_says_what_to_do():
    assert tried(**{"journal.db": None}) == "halted"


@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal", "history.db", "requests.db", "lock.db", "events.db"])
def test_a_folder_in_place_of_a_file_is_kept_aside_as_the_file_would_be(name, tmp_path):
    folder = ledger_with(tmp_path / "ledger", **{name: None})
    (folder / name / "inner").mkdir(parents=True)
    ledger = open_ledger(folder)
    assert ledger.lock is not None and not ledger.journal.observe_only
    ledger.events.last()
    with contextlib.suppress(DataError):  # which says: ask again
        ledger.requests.all()
    halted = ledger.journal.halted()
    assert "is a folder" in halted and "reallot resume" in halted if name.startswith("journal") else not halted
    ledger.requests.post("pause", at=AT)
    ledger.close()
    assert len(list(folder.glob("*.damaged-*/inner"))) == 1


def test_a_new_folder_does_not_halt_nor_one_whose_first_start_was_cut_short(tmp_path):
    (tmp_path / "lock.db").touch()
    (tmp_path / "owner.json").touch()
    (tmp_path / "journal.db").touch()
    ledger = open_ledger(tmp_path)
    assert not ledger.journal.halted() and not ledger.journal.observe_only and not ledger.notes
    ledger.close()


FOREIGN = {
    "another program's": ["CREATE TABLE song (title TEXT)", "PRAGMA user_version = 4"],
    "no schema but tables": ["CREATE TABLE meta (name TEXT)"],
    "a table is missing": None,
    "an index is missing": None,
    "a column has another name": None,
}


@pytest.mark.parametrize("what", FOREIGN)
def test_tables_of_another_kind_halt(what, tmp_path):
    path = tmp_path / "made.db"
    changes = {
        "a table is missing": ["DROP TABLE frozen"],
        "an index is missing": ["DROP INDEX step_open"],
        "a column has another name": ["ALTER TABLE committed RENAME COLUMN share TO part"],
    }
    if what in changes:
        path.write_bytes(files()["journal.db"])
    connection = sqlite3.connect(path)
    for statement in changes.get(what) or FOREIGN[what]:
        connection.execute(statement)
    connection.commit()
    connection.close()
    assert tried(**{"journal.db": path.read_bytes()}) == "halted"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE committed SET share = 1e300",
        "UPDATE committed SET share = 'much'",
        "UPDATE operation SET state = 'flying'",
        "UPDATE operation SET before = '{'",
        "UPDATE operation SET wall = 9223372036854775807",
        "UPDATE step SET state = x'ff'",
        "UPDATE step SET protocol = CAST(x'ff41' AS TEXT)",
        "UPDATE decision SET verdict = ''",
        "UPDATE alert SET severity = -9.0",
        "UPDATE meta SET value = 'last week' WHERE name = 'epoch'",
    ],
)
def test_a_row_that_was_never_written_so_halts(change, tmp_path):
    path = tmp_path / "made.db"
    path.write_bytes(files()["journal.db"])
    connection = sqlite3.connect(path)
    connection.execute(change)
    connection.commit()
    connection.close()
    assert tried(**{"journal.db": path.read_bytes()}) == "halted"


def test_damaged_readings_are_kept_aside_and_told(tmp_path):
    folder = ledger_with(tmp_path / "ledger", **{"history.db": b"no database" * 100})
    ledger = open_ledger(folder)
    [note] = ledger.notes
    [aside] = folder.glob("history.db.damaged-*")
    assert f"kept as {aside.name}" in note and aside.read_bytes() == b"no database" * 100
    assert isinstance(ledger.history, History)
    ledger.close()
    assert not open_ledger(folder).notes


def test_readings_that_cannot_be_are_left_out_and_the_others_are_there(tmp_path):
    folder = ledger_with(tmp_path / "ledger")
    connection = sqlite3.connect(folder / "history.db")
    for column, value, minute in (("earnings", "'much'", 3), ("share", "1e30", 4), ("at", "9223372036854775807", 5)):
        at = (AT + timedelta(minutes=minute) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        connection.execute(f"UPDATE sample SET {column} = {value} WHERE at = {at} AND protocol = 'relay'")
    connection.commit()
    connection.close()
    history = History(folder / "history.db", read_only=True)
    assert len(history.samples(*ALWAYS, "relay")) == 70 - 2
    assert history.last(ALWAYS[1]) == AT + timedelta(minutes=69)
    assert len(list(polls(history, *ALWAYS))) == 70
    history.close()


def test_a_damaged_box_of_requests_says_ask_again_and_takes_the_next_one(tmp_path):
    requests = Requests(ledger_with(tmp_path / "ledger", **{"requests.db": b"letters " * 1000}))
    with pytest.raises(DataError, match="ask again"):
        requests.all()
    requests.post("resume")
    assert [each.kind for each in requests.all()] == ["resume"]
    assert list((tmp_path / "ledger").glob("requests.db.damaged-*"))


@pytest.mark.parametrize("step", range(4))
def test_an_end_in_the_middle_of_keeping_aside_still_halts(step, tmp_path, monkeypatch):
    """The fresh journal comes under its name when the halt is in it."""
    folder = ledger_with(tmp_path / "ledger", **{"journal.db": b"words" * 1000})
    rename, left = Path.rename, [step]

    def ends(path, target):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", ends)
    try:
        open_ledger(folder).close()
    except KeyboardInterrupt:
        monkeypatch.setattr(Path, "rename", rename)
    ledger = open_ledger(folder)
    assert ledger.journal.halted() and not ledger.journal.observe_only
    ledger.close()


@pytest.mark.parametrize("command", ["report", "history", "resume", "confirm p2", "rollback", "forget relay"])
@pytest.mark.parametrize("how", ["words", "half", "flipped", "a row"])
def test_commands_say_in_one_line_what_is_damaged(command, how, tmp_path, capsys):
    content = files()["journal.db"]
    spoilt = {
        "words": b"my shopping list\n" * 500,
        "half": content[: len(content) // 2],
        "flipped": with_bits_flipped(content, 60, 0xFF),
        "a row": content.replace(b"committed", b"committ\xff\xfe"),
    }[how]
    folder = ledger_with(tmp_path / "ledger", **{"journal.db": spoilt})
    code = main([*command.split(), "--ledger", str(folder)])
    out, err = capsys.readouterr()
    assert code == 3 and not out and len(err.splitlines()) == 1
    assert "journal.db" in err and "damaged" in err


def test_the_folder_may_be_copied_while_nothing_runs(tmp_path):
    folder = ledger_with(tmp_path / "ledger")
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy" / "lock.db").unlink()
    ledger = open_ledger(tmp_path / "copy")
    assert all_of(ledger.journal) == unharmed()
    ledger.close()
