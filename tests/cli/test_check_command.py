"""reallot check: every adapter is asked once, nothing is moved or made, and every trouble has its cure."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reallot.cli.main import main
from reallot.engine.contracts.records import Alert
from reallot.engine.ledger.folder import open_ledger
from reallot.errors import how_to_install
from tests.adapters.server import Server
from tests.pair import PAIR


@contextmanager
def served(answer: Any) -> Iterator[Server]:
    """The server of the adapters' tests on a thread of its own: the command has an event loop of its own."""
    ready, loop, box = threading.Event(), asyncio.new_event_loop(), {}

    async def serve() -> None:
        box["stop"] = asyncio.Event()
        async with Server(answer) as server:
            box["server"] = server
            ready.set()
            await box["stop"].wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    ready.wait(5)
    try:
        yield box["server"]
    finally:
        loop.call_soon_threadsafe(box["stop"].set)
        thread.join(5)
        loop.close()


def check(capsys: pytest.CaptureFixture[str], folder: Path, text: str, *options: str) -> tuple[int, str, str]:
    path = folder / "config.toml"
    path.write_text(text)
    code = main(["check", str(path), *options])
    return code, *capsys.readouterr()


def findings(capsys: pytest.CaptureFixture[str], folder: Path, text: str) -> tuple[int, dict[str, dict[str, Any]]]:
    code, out, _ = check(capsys, folder, text, "--json")
    return code, {each["place"]: each for each in json.loads(out)["findings"]}


@pytest.mark.slow
def test_where_all_is_well_it_says_so_and_makes_no_file(capsys, tmp_path):
    code, out, err = check(capsys, tmp_path, PAIR + '[ledger]\npath = "books"\n')
    assert (code, err) == (0, "")
    assert "All is well; nothing was moved" in out
    assert [each.name for each in tmp_path.iterdir()] == ["config.toml"]


def test_the_next_step_is_named(capsys, tmp_path):
    assert f"Next: reallot run {tmp_path / 'config.toml'}" in check(capsys, tmp_path, PAIR)[1]


def test_every_adapter_is_asked_once(capsys, tmp_path):
    with served(lambda request: {"usd": 2.0, "share": 0.3}) as server:
        text = f'[protocols.disk]\nadapter = "http_json"\nurl = "{server.url}"\nvalue = "usd"\nshare = "share"\n'
        code, found = findings(capsys, tmp_path, text)
        assert len(server.requests) == 1
    assert code == 0
    assert (found["[protocols.disk]"]["earnings"], found["[protocols.disk]"]["share"]) == (2.0, 0.3)


def test_a_total_that_was_read_once_is_no_trouble(capsys, tmp_path):
    with served(lambda request: {"usd": 2.0}) as server:
        text = f'adapter = "http_json"\nurl = "{server.url}"\nvalue = "usd"\nseries = "counter"\nshare = 0.3\n'
        code, found = findings(capsys, tmp_path, "[protocols.disk]\n" + text)
    assert code == 0
    assert "next readings" in found["[protocols.disk]"]["note"]


@pytest.mark.parametrize(
    ("table", "trouble", "cure"),
    [
        ('adapter = "http_json"\nurl = "http://127.0.0.1:9"\nvalue = "usd"', "no connection", "see that it runs"),
        ('adapter = "command"\nread = ["./there-is-none"]\nvalue = "usd"', "cannot be started", "see that it runs"),
        ('adapter = "command"\nread = ["echo", "{}"]\nvalue = "usd"', "no 'usd'", "compare the keys"),
        ('adapter = "command"\nread = ["echo", "no JSON"]\nvalue = "usd"', "JSON", "compare the keys"),
        (
            'adapter = "command"\nread = ["echo", "1"]\nvalue = "usd"\nenv = ["REALLOT_NOT_SET"]',
            "REALLOT_NOT_SET is not set",
            "export REALLOT_NOT_SET=",
        ),
        ('adapter = "replay"\nfile = "none.csv"', "none.csv", "mend this key"),
    ],
)
def test_a_protocol_in_trouble_is_told_with_what_would_help(table, trouble, cure, capsys, tmp_path):
    code, found = findings(capsys, tmp_path, f"{PAIR}[protocols.odd]\n{table}\n")
    assert code == 3
    assert trouble in found["[protocols.odd]"]["trouble"]
    assert cure in found["[protocols.odd]"]["cure"]
    assert not found["[protocols.relay]"]["trouble"]
    code, out, _ = check(capsys, tmp_path, f"{PAIR}[protocols.odd]\n{table}\n")
    assert code == 3
    assert "1 trouble; nothing was moved" in out
    told = " ".join(out.split())
    assert "Cure: " in told
    assert cure in told


def test_an_actor_that_cannot_be_read_is_a_trouble(capsys, tmp_path):
    actor = '[protocols.relay.actor]\nadapter = "cgroup"\nfolder = "/there/is/none"\ncpus = 2.0\n'
    code, found = findings(capsys, tmp_path, PAIR + actor)
    assert code == 3
    assert found["[protocols.relay]"]["cure"]


def test_shares_that_are_read_and_exceed_capacity_are_a_trouble(capsys, tmp_path):
    read = """adapter = "command"\nread = ["echo", '{"usd": 1, "share": 0.7}']\nvalue = "usd"\nshare = "share"\n"""
    code, found = findings(capsys, tmp_path, f"[protocols.one]\n{read}[protocols.two]\n{read}")
    assert code == 3
    assert "together are 1.40, above 1" in found["[protocols]"]["trouble"]


@pytest.mark.slow
def test_limits_that_no_split_meets_are_a_trouble(capsys, tmp_path):
    text = PAIR + '[limits]\nrules = ["relay >= 0.8", "compute >= 0.8"]\n'
    code, found = findings(capsys, tmp_path, text)
    assert code == 3
    assert "compute" in found["[limits]"]["trouble"]


def test_a_ledger_that_cannot_be_used_is_a_trouble(capsys, tmp_path):
    (tmp_path / "books").write_text("this is a file")
    code, found = findings(capsys, tmp_path, PAIR + '[ledger]\npath = "books"\n')
    assert code == 3
    assert "no folder" in found["[ledger]"]["trouble"]
    assert found["[ledger]"]["cure"]
    assert (tmp_path / "books").read_text() == "this is a file"


def test_a_ledger_that_is_halted_or_damaged_is_a_trouble_and_stays_as_it_is(capsys, tmp_path):
    ledger = open_ledger(tmp_path / "books")
    alert = Alert(key="halted", message="two moves failed", severity=1.0, timestamp="2026-01-01T00:00:00Z")
    ledger.journal.halt(alert, {})
    ledger.close()
    text = PAIR + '[ledger]\npath = "books"\n'
    code, found = findings(capsys, tmp_path, text)
    assert code == 3
    assert "two moves failed" in found["[ledger]"]["trouble"]
    assert "reallot resume" in found["[ledger]"]["cure"]
    damaged = b"no database at all" * 500
    (tmp_path / "books" / "journal.db").write_bytes(damaged)
    code, found = findings(capsys, tmp_path, text)
    assert code == 3
    assert "journal.db" in found["[ledger]"]["trouble"]
    assert (tmp_path / "books" / "journal.db").read_bytes() == damaged


def test_an_engine_that_runs_is_named_and_not_disturbed(capsys, tmp_path):
    ledger = open_ledger(tmp_path / "books")
    try:
        code, found = findings(capsys, tmp_path, PAIR + '[ledger]\npath = "books"\n')
    finally:
        ledger.close()
    assert code == 0
    assert "in use by process" in found["[ledger]"]["note"]


def test_all_faults_of_a_file_are_told_a_line_each(capsys, tmp_path):
    keys = [f"key_{number} = 1\n" for number in range(7)]
    code, out, err = check(capsys, tmp_path, f"{PAIR}[optimizer]\n{''.join(keys)}")
    assert (code, out) == (2, "")
    assert err.count("\n") == 7
    assert all(f"key_{number}" in err for number in range(7))


def test_it_can_be_csv(capsys, tmp_path):
    code, out, _ = check(capsys, tmp_path, PAIR, "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert [row["place"] for row in rows] == ["[ledger]", "[protocols.relay]", "[protocols.compute]"]
    assert rows[1]["adapter"] == "simulated"
    assert float(rows[2]["usd_per_hour"]) == pytest.approx(1.2)


def test_a_library_that_is_missing_is_cured_by_its_extra(capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "httpx2", None)
    text = f'{PAIR}[protocols.odd]\nadapter = "http_json"\nurl = "http://127.0.0.1:9"\nvalue = "usd"\n'
    code, found = findings(capsys, tmp_path, text)
    assert code == 3
    assert found["[protocols.odd]"]["trouble"] == "adapters over HTTP need the extra http"
    assert found["[protocols.odd]"]["cure"] == how_to_install("http")


@pytest.mark.slow
def test_an_old_value_and_a_time_without_a_zone_are_troubles_and_their_cures_help(capsys, tmp_path):
    text = 'adapter = "http_json"\nvalue = "usd"\ntime = "at"\nshare = 0.3\n'
    old = {"usd": 2.0, "at": "2026-01-02T03:04:05+02:00"}
    cadence = 'series = { kind = "rate", cadence = "3650d" }\n'
    for answer, more, said, cure in (
        (old, "", "old, by its own time", "cadence"),
        (old, cadence, "", ""),
        ({"usd": 2.0, "at": "2026-01-02T03:04:05"}, cadence, "has no zone", "time_zone"),
        ({"usd": 2.0, "at": "2026-01-02T03:04:05"}, cadence + 'time_zone = "UTC"\n', "", ""),
    ):
        with served(lambda request, answer=answer: answer) as server:
            table = f'[protocols.disk]\nurl = "{server.url}"\n{text}{more}'
            code, found = findings(capsys, tmp_path, table)
        disk = found["[protocols.disk]"]
        assert code == (3 if said else 0)
        assert said in disk["trouble"] and cure in disk["cure"]
