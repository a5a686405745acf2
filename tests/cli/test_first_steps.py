"""What somebody reads who starts in an empty folder: every message names the next step that works there."""

from __future__ import annotations

import pytest

from reallot.cli.live_table import state_table
from reallot.cli.screen import Screen
from reallot.orchestration.cycle import CycleResult
from tests.orchestration.polls import START, poll
from tests.pair import PAIR, run

NO_SHARES = "".join(
    f"""[protocols.{name}]\nadapter = "command"\nread = ["echo", '{{"usd": 1}}']\nvalue = "usd"\n"""
    for name in ("disk", "miner")
)


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def advised(tmp_path, capsys):
    """A ledger with one reading, in a mode that moves nothing."""
    path = tmp_path / "config.toml"
    path.write_text(PAIR + '[ledger]\npath = "ledger"\n')
    code, out, _ = run(capsys, "run", path, "--once")
    assert code == 0 and "ledger in the folder" in out
    return path


def test_protocols_that_report_no_share_are_named_with_what_to_set(capsys, tmp_path):
    (tmp_path / "config.toml").write_text(NO_SHARES)
    _, out, _ = run(capsys, "run", "config.toml", "--once")
    assert "no share of disk and miner is known, so there is nothing to plan; where one answers" in out
    assert "set its share, or give it an actor" in out
    assert "poll first" not in out
    (total,) = [line for line in out.splitlines() if line.startswith("total")]
    assert total.split() == ["total", "2.000"]  # their shares have no sum
    code, out, _ = run(capsys, "check", "config.toml")
    assert code == 0
    assert "no share of any protocol is known, so there is nothing to plan or to move" in " ".join(out.split())


@pytest.mark.parametrize("command", ["status", "report", "history", "resume", "pause"])
def test_without_a_ledger_it_is_said_who_makes_one_and_how_to_name_another(command, capsys):
    code, _, err = run(capsys, command)
    assert code == 2
    assert "there is no ledger here; reallot run makes one" in err
    assert "the config.toml that runs, or its folder as --ledger FOLDER" in err


def test_a_mode_that_moves_nothing_is_told_as_such(capsys, advised):
    out = run(capsys, "status", advised)[1]
    assert "moves         none: mode advise only says what it would move; reallot explain LAST shows why" in out
    assert "mode          not known from a ledger; reallot status CONFIG.toml names it" in run(capsys, "status")[1]
    advised.write_text('[reallocation]\nmode = "observe"\n' + advised.read_text())
    assert "moves         none: mode observe only reads" in run(capsys, "status", advised)[1]


def test_a_report_on_one_reading_says_why_nothing_is_earned_yet(capsys, advised):
    assert "known between two readings, and there are no such two here yet" in run(capsys, "report")[1]


def test_the_last_decision_is_found_by_the_configuration_as_by_its_ledger(capsys, advised, monkeypatch, tmp_path):
    told = run(capsys, "explain", "LAST")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = run(capsys, "explain", "LAST", advised)
    assert told[0] == again[0] == 0
    assert told[1].splitlines()[0] == again[1].splitlines()[0]
    code, _, err = run(capsys, "explain", advised, advised)
    assert code == 2 and "reallot explain LAST" in err


def test_after_a_move_the_earnings_are_said_to_be_those_before():
    metrics = poll({"disk": 4.0}, {"disk": 0.5})
    for acted in (True, False):
        told = state_table(CycleResult(started_at=START, metrics=metrics, acted=acted), Screen(100))
        assert ("USD/h before" in told) is acted
