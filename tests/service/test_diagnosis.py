"""reallot doctor: planted faults, each named with the command that mends it."""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reallot.cli.main import main
from reallot.engine.contracts.records import Alert
from reallot.engine.ledger.folder import open_ledger
from reallot.engine.ledger.history import samples_of
from reallot.runtime.config import config_from_text
from reallot.service.diagnosis import Complaint, Machine, diagnose
from tests.pair import PAIR, run

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LEDGER = '[ledger]\npath = "ledger"\n'
MACHINE = Machine(now=NOW, sqlite=(3, 53, 0), free_bytes=10**12, port=0)


def complaints(folder: Path, text: str, machine: Machine = MACHINE) -> list[Complaint]:
    return asyncio.run(diagnose(config_from_text(text, folder=folder), machine))


def troubles(folder: Path, text: str, machine: Machine = MACHINE) -> list[Complaint]:
    return [each for each in complaints(folder, text, machine) if each.level != "ok"]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    opened = open_ledger(tmp_path / "ledger")
    opened.history.add(samples_of(NOW - timedelta(minutes=1), {"relay": 1.0}, {"relay": 0.5}, {"relay": True}))
    opened.close()
    return tmp_path


def test_what_is_well_has_no_trouble(ledger: Path):
    assert troubles(ledger, LEDGER + PAIR) == []


def unreachable() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


FILES = [  # a fault in the file, what is said of it, and the cure
    ("[optimizer]\nhorizon = 24\n" + PAIR, "unknown key; did you mean 'horizon_hours'", "mend it in"),
    ("[optimizer\n", "not valid TOML", "mend it in"),
    ("[coordinator]\nevery = 60\n" + PAIR, "every", "mend it in"),
    ('[protocols.a]\nadapter = "stroj"\n', "did you mean 'storj'", "mend it in"),
    ("", "at least one is needed", "mend it in"),
]


@pytest.mark.parametrize(("text", "said", "cure"), FILES)
def test_a_fault_in_the_file(tmp_path: Path, capsys, text, said, cure):
    (tmp_path / "config.toml").write_text(text)
    code, out, _ = run(capsys, "doctor", tmp_path / "config.toml")
    assert code == 2 and said in out and cure in out


def test_a_file_that_is_not_there(tmp_path: Path, capsys):
    code, out, _ = run(capsys, "doctor", tmp_path / "config.toml")
    assert code == 2 and "reallot init" in out


READER = '[protocols.a]\nadapter = "http_json"\nvalue = "usd"\nshare = 0.5\n'
PROGRAM = '[protocols.a]\nadapter = "command"\nread = ["/no/such"]\nvalue = "usd"\nshare = 0.5\n'
CROWDED = "[limits]\ngroups = [{ name = 'g', members = ['relay', 'compute'], max_share = 0.2 }]\n"
ADAPTERS = [
    (READER + 'url = "{unreachable}"\n', "connect", "see that it runs"),
    (READER + 'url = "{unreachable}"\nbearer_env = "NO_TOKEN"\n', "NO_TOKEN is not set", "export NO_TOKEN"),
    (PROGRAM, "/no/such", "see that it"),
    (CROWDED + PAIR, "no split meets all limits", "loosen what it names"),
]


@pytest.mark.parametrize(("text", "said", "cure"), ADAPTERS)
def test_a_fault_of_an_adapter_or_of_limits(tmp_path: Path, text, said, cure):
    found = troubles(tmp_path, text.replace("{unreachable}", unreachable()))
    trouble = next(each for each in found if each.level == "fail")
    assert said in trouble.text and cure in trouble.cure


def test_faults_of_the_machine(ledger: Path):
    (full,) = troubles(ledger, LEDGER + PAIR, replace(MACHINE, free_bytes=10**7))
    assert (full.level, full.cure) == ("fail", f"make room: df -h {ledger / 'ledger'}")
    (little,) = troubles(ledger, LEDGER + PAIR, replace(MACHINE, free_bytes=10**8))
    assert little.level == "warn" and "100 MB" in little.text
    notes = [each.text for each in complaints(ledger, LEDGER + PAIR, replace(MACHINE, sqlite=(3, 40, 1)))]
    assert any("SQLite 3.40.1" in each for each in notes)


def test_a_clock_that_went_back(ledger: Path):
    (trouble,) = troubles(ledger, LEDGER + PAIR, replace(MACHINE, now=NOW - timedelta(days=1)))
    assert trouble.place == "clock" and "timedatectl" in trouble.cure


def test_an_engine_that_runs_and_reads_nothing(ledger: Path):
    opened = open_ledger(ledger / "ledger")
    assert troubles(ledger, LEDGER + PAIR) == []
    (trouble,) = troubles(ledger, LEDGER + PAIR, replace(MACHINE, now=NOW + timedelta(hours=1)))
    assert trouble.place == "engine" and "1h" in trouble.text and "restart" in trouble.cure
    opened.close()


def test_a_port_that_somebody_else_has(ledger: Path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        (trouble,) = troubles(ledger, LEDGER + PAIR, replace(MACHINE, port=port))
    assert f"port {port} is taken" in trouble.text and "ss -ltnp" in trouble.cure


def test_files_that_others_may_read_or_write(ledger: Path):
    tokens = ledger / "ledger" / "tokens.json"
    tokens.write_text("{}")
    tokens.chmod(0o644)
    (trouble,) = troubles(ledger, LEDGER + PAIR)
    assert trouble.cure == f"chmod 600 {tokens}"
    tokens.chmod(0o600)
    (ledger / "ledger").chmod(0o777)
    (trouble,) = troubles(ledger, LEDGER + PAIR)
    assert trouble.cure == f"chmod 700 {ledger / 'ledger'}"


def test_a_database_that_is_damaged(ledger: Path):
    path = ledger / "ledger" / "history.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    data = bytearray(path.read_bytes())
    data[4096:12288] = b"\xff" * 8192
    path.write_bytes(data)
    told = [each for each in troubles(ledger, LEDGER + PAIR) if "history.db is damaged" in each.text]
    assert told and told[0].cure.startswith("mv ")


def test_an_engine_that_halted(ledger: Path):
    opened = open_ledger(ledger / "ledger")
    opened.journal.halt(Alert(key="halted", message="relay was not read back", severity=1.0, timestamp=NOW), {})
    opened.close()
    (trouble,) = troubles(ledger, LEDGER + PAIR)
    assert "relay was not read back" in trouble.text and "reallot resume" in trouble.cure


def test_a_ledger_that_cannot_be_made_and_one_that_is_missing_where_it_acts(tmp_path: Path):
    (tmp_path / "ledger").write_text("")
    (trouble,) = troubles(tmp_path, LEDGER + PAIR)
    assert "no folder that may be written" in trouble.text and "set path" in trouble.cure
    acts = f'[reallocation]\nmode = "automatic"\n{READER}url = "{unreachable()}"\n'
    assert [each.cure for each in troubles(tmp_path, acts) if each.level == "warn"] == [
        'write path = "ledger" under [ledger]'
    ]


TARGETS = [
    ('url_env = "NO_SUCH_URL"', "NO_SUCH_URL is not set", "export NO_SUCH_URL=..."),
    ('command = ["no-such-program"]', "no program no-such-program", "which no-such-program"),
    ('url_env = "EMPTY_URL"', "holds no address", "export EMPTY_URL=https://..."),
]


@pytest.mark.parametrize(("keys", "said", "cure"), TARGETS)
def test_a_target_that_no_message_reaches(tmp_path: Path, monkeypatch, keys, said, cure):
    monkeypatch.setenv("EMPTY_URL", "canary-93af no address")
    (trouble,) = troubles(tmp_path, f"[notify]\n[[notify.targets]]\n{keys}\n{PAIR}")
    assert said in trouble.text and cure in trouble.cure and "canary" not in trouble.text + trouble.cure


def test_a_message_that_does_not_arrive_is_a_fault_where_one_is_sent(tmp_path: Path, capsys):
    (tmp_path / "config.toml").write_text(f'[notify]\n[[notify.targets]]\ncommand = ["false"]\n{PAIR}')
    assert run(capsys, "doctor", tmp_path / "config.toml")[0] == 0
    code, out, _ = run(capsys, "doctor", tmp_path / "config.toml", "--send")
    assert code == 2 and "no message arrives: false ended with 1" in out and "reallot notify test" in out


def test_the_command_ends_by_the_worst_and_prints_json(tmp_path: Path, capsys):
    (tmp_path / "config.toml").write_text(PAIR)
    code, out, _ = run(capsys, "doctor", tmp_path / "config.toml")
    assert code == 0 and "All is well." in out
    (tmp_path / "config.toml").write_text(f'[notify]\n[[notify.targets]]\nurl_env = "NO_SUCH_URL"\n{PAIR}')
    assert main(["doctor", str(tmp_path / "config.toml"), "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["status"] == "fail" and {"level", "place", "text", "cure"} == set(told["findings"][0])
    assert main(["doctor", str(tmp_path / "config.toml"), "--csv"]) == 2
    head, *rows = capsys.readouterr().out.splitlines()
    assert head == "level,place,text,cure" and len(rows) == len(told["findings"])
