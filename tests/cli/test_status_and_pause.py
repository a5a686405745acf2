"""reallot status, and reallot pause with its resume: what a person sees of an engine, and how one holds it."""

from __future__ import annotations

import csv
import io
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reallot.cli.main import main
from reallot.engine.ledger.folder import open_ledger
from reallot.engine.ledger.timestamps import Stamp
from tests.pair import run
from tests.runtime.test_run import MOVING


def status(capsys: pytest.CaptureFixture[str], config: Path) -> dict:
    return json.loads(run(capsys, "status", config, "--json")[1])


def moves(capsys: pytest.CaptureFixture[str], config: Path) -> int:
    return len({change["plan_id"] for change in json.loads(run(capsys, "history", config, "--json")[1])})


@pytest.fixture
def config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """An engine that made its first move, and then was stopped."""
    path = tmp_path / "config.toml"
    path.write_text(MOVING + '[ledger]\npath = "books"\n')
    assert run(capsys, "run", path, "--once", "--simulate", "10m")[0] == 0
    return path


def test_a_plan_that_waits_is_declined_by_its_id_and_another_is_not(tmp_path, capsys):
    ledger = open_ledger(tmp_path)
    ledger.journal.wait_for("p1", "{}", Stamp(datetime(2026, 1, 1, tzinfo=UTC), 0.0, "boot"))
    assert main(["decline", "p2", "--ledger", str(tmp_path)]) == 3
    assert main(["decline", "p1", "--ledger", str(tmp_path)]) == 0
    assert "Declined: p1" in capsys.readouterr().out
    assert [(each.kind, each.plan_id) for each in ledger.requests.all()] == [("decline", "p1")]
    ledger.close()


def test_where_it_stands(capsys, config):
    found = status(capsys, config)
    assert (found["runs"], found["mode"], found["halted"], found["waiting"]) == ("", "automatic", "", "")
    assert "relay 0.60 -> 0.40" in found["last_plan"]
    assert {each["protocol"]: each["usd_per_hour"] for each in found["protocols"]} == {
        "relay": pytest.approx(0.6),
        "compute": pytest.approx(1.2),
    }
    out = run(capsys, "status", config)[1]
    assert "does not run" in out
    assert "moves         allowed" in out
    rows = list(csv.DictReader(io.StringIO(run(capsys, "status", config, "--csv")[1])))
    assert [row["protocol"] for row in rows] == ["compute", "relay"]


def test_an_engine_that_runs_is_named(capsys, config):
    ledger = open_ledger(config.parent / "books")
    try:
        assert "process" in status(capsys, config)["runs"]
    finally:
        ledger.close()
    assert status(capsys, config)["runs"] == ""


def test_no_ledger_is_told_with_the_way_to_name_one(capsys, tmp_path):
    code, _, err = run(capsys, "status", "--ledger", tmp_path / "none")
    assert code == 2
    assert "there is no ledger here" in err


@pytest.mark.slow
def test_a_paused_engine_moves_nothing_and_says_so_once(capsys, config):
    assert run(capsys, "pause", config)[0] == 0
    assert "begins with the next cycle" in status(capsys, config)["halted"]
    before = moves(capsys, config)
    code, out, _ = run(capsys, "run", config, "--simulate", "3h")
    assert code == 0
    assert out.count("alert: paused, as a person asked") == 1
    assert moves(capsys, config) == before
    assert "paused" in status(capsys, config)["halted"]
    out = run(capsys, "status", config)[1]
    assert "To let it move again: reallot resume" in out


@pytest.mark.slow
def test_it_moves_again_after_resume(capsys, config):
    run(capsys, "pause", config)
    run(capsys, "run", config, "--once", "--simulate", "10m")
    before = moves(capsys, config)
    code, out, _ = run(capsys, "resume", config)
    assert (code, "Moves are allowed again" in out) == (0, True)
    run(capsys, "run", config, "--simulate", "3h")
    assert moves(capsys, config) > before
    assert status(capsys, config)["halted"] == ""


@pytest.mark.slow
def test_a_pause_that_was_not_heard_yet_can_be_taken_back(capsys, config):
    run(capsys, "pause", config)
    assert run(capsys, "resume", config)[0] == 0
    assert status(capsys, config)["halted"] == ""
    before = moves(capsys, config)
    run(capsys, "run", config, "--simulate", "2h")
    assert moves(capsys, config) > before


@pytest.mark.slow
def test_a_halt_is_not_hidden_by_a_pause(capsys, config):
    from reallot.engine.contracts.records import Alert

    ledger = open_ledger(config.parent / "books")
    alert = Alert(key="halted", message="two moves failed", severity=1.0, timestamp="2026-01-01T00:00:00Z")
    ledger.requests.post("pause")
    ledger.journal.halt(alert, {})
    ledger.close()
    code, _, err = run(capsys, "pause", config)
    assert (code, "two moves failed" in err) == (3, True)
    run(capsys, "run", config, "--once", "--simulate", "10m")
    assert status(capsys, config)["halted"] == "two moves failed"


def test_resume_without_a_halt_or_a_pause_says_that_there_is_none(capsys, config):
    code, _, err = run(capsys, "resume", config)
    assert (code, "nothing is halted" in err) == (3, True)


STALE = """
[ledger]
path = "books"
[protocols.disk]
adapter = "command"
read = ["cat", "answer.json"]
value = "usd"
time = "at"
share = 0.5
[protocols.steady]
adapter = "simulated"
rate = 1.0
share = 0.5
"""


@pytest.mark.slow
def test_a_value_that_is_carried_forward_is_shown_with_its_age_and_not_as_measured(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(STALE)
    answer = tmp_path / "answer.json"
    for at in (datetime.now(UTC), datetime(2026, 1, 1, tzinfo=UTC)):
        answer.write_text(json.dumps({"usd": 2.0, "at": at.isoformat()}))
        assert run(capsys, "run", "config.toml", "--once")[0] == 0
    found = status(capsys, "config.toml")
    disk, steady = found["protocols"]
    assert disk["usd_per_hour"] == 2.0 and disk["value_age_seconds"] > 0.0
    assert steady["value_age_seconds"] == 0.0
    assert (found["total_usd_per_hour"], found["measured_usd_per_hour"]) == (2.5, 0.5)
    out = run(capsys, "status", "config.toml")[1]
    assert "older" in out and "0.500 measured" in out
    shutil.rmtree(tmp_path / "books")
    out = run(capsys, "run", "config.toml", "--once")[1]
    assert "0.500 measured" in out
    out = run(capsys, "status", "config.toml")[1]
    assert "gives no fresh value" in out


def test_shares_are_those_that_the_last_move_left(capsys, config):
    shares = {each["protocol"]: each["share"] for each in status(capsys, config)["protocols"]}
    assert shares == {"compute": pytest.approx(0.6), "relay": pytest.approx(0.4)}
