"""Commands on a ledger find it by the configuration that runs, and print tables for programs."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.pair import run
from tests.runtime.test_run import MOVING


@pytest.fixture
def config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A configuration whose engine ran for a while, in a folder that nobody stands in."""
    path = tmp_path / "config.toml"
    path.write_text(MOVING + '[ledger]\npath = "books"\n')
    assert run(capsys, "run", path, "--simulate", "10m")[0] == 0
    return path


def test_the_ledger_beside_a_configuration_is_found(capsys, config):
    for command in ("report", "history"):
        found = run(capsys, command, config)
        assert found == run(capsys, command, "--ledger", config.parent / "books")
        assert found[0] == 0
        assert run(capsys, command, config.parent / "books") == found


def test_a_folder_that_was_given_for_one_run_is_found_beside_the_file(capsys, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(MOVING)
    assert run(capsys, "run", path, "--once", "--simulate", "10m", "--ledger", tmp_path / "ledger")[0] == 0
    assert run(capsys, "report", path)[0] == 0


def test_a_ledger_in_memory_is_refused_with_the_way_out(capsys, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(MOVING)
    code, out, err = run(capsys, "report", path)
    assert (code, out) == (2, "")
    assert "give the folder, as --ledger FOLDER" in err
    assert 'set path = "ledger" under [ledger]' in err


def test_a_report_as_csv_has_the_numbers_of_the_json(capsys, config):
    told = json.loads(run(capsys, "report", config, "--json")[1])
    rows = {row["protocol"]: row for row in csv.DictReader(io.StringIO(run(capsys, "report", config, "--csv")[1]))}
    assert {name: float(row["earned_usd"]) for name, row in rows.items()} == told["earnings_by_protocol"]
    assert float(rows["relay"]["share_began"]) == pytest.approx(0.6)


def test_the_history_as_csv_has_a_row_for_each_change(capsys, config):
    told = json.loads(run(capsys, "history", config, "--json")[1])
    rows = list(csv.DictReader(io.StringIO(run(capsys, "history", config, "--csv")[1])))
    assert len(told) == len(rows) > 0
    assert [(row["protocol"], float(row["to"])) for row in rows] == [(each["protocol"], each["after"]) for each in told]


def test_one_format_at_a_time(capsys, config):
    assert run(capsys, "report", config, "--json", "--csv")[0] == 2
