"""A run whose readings are kept on a real server: reports find them; a server that is down is no end."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from contextlib import closing
from datetime import timedelta

import pytest

from reallot.engine.ledger.history_place import FILE, HistoryPlace, keep_place, place_of
from reallot.engine.ledger.postgres_history import PostgresHistory
from reallot.errors import DataError
from reallot.runtime.build import build, remember
from reallot.runtime.config import read_config
from reallot.runtime.runner import Runner
from tests.engine.ledger.conftest import VARIABLE
from tests.pair import PAIR, run
from tests.servers import PASSWORD

MOVING = (
    """
[reallocation]
mode = "automatic"
[coordinator]
every = "2m"
[optimizer]
min_improvement_threshold = 0.01
"""
    + PAIR
    + "noise = 0.1\n"
)
POLLS = 31
"""In an hour of one every two minutes, both ends included."""


@pytest.fixture
def config(tmp_path, schema):
    path = tmp_path / "config.toml"
    path.write_text(f'[ledger]\npath = "books"\nhistory_env = "{VARIABLE}"\nhistory_schema = "{schema}"\n{MOVING}')
    return path


@pytest.mark.slow
def test_a_report_finds_the_readings_on_the_server(postgres, variable, schema, config, tmp_path, capsys, monkeypatch):
    books, local = tmp_path / "books", tmp_path / "local"
    assert run(capsys, "run", config, "--simulate", "3h")[0] == 0
    plain = tmp_path / "plain.toml"
    plain.write_text(MOVING)
    assert run(capsys, "run", plain, "--simulate", "3h", "--ledger", local)[0] == 0
    here, there = (run(capsys, "report", "--since", "2h", "--ledger", ledger, "--json") for ledger in (local, books))
    assert here[0] == 0 and there == here
    assert (
        run(capsys, "history", "--since", "2h", "--ledger", books)[:2]
        == run(capsys, "history", "--since", "2h", "--ledger", local)[:2]
    )
    with closing(PostgresHistory(variable, schema=schema)) as store:
        store.roll_up(store.last() + timedelta(hours=1), raw=timedelta(hours=2))
        assert len(store.hours(*everything(store))) == 8
    code, out, _ = run(capsys, "report", "--since", "3h", "--ledger", books, "--json")
    told, exact = json.loads(out), json.loads(run(capsys, "report", "--since", "3h", "--ledger", local, "--json")[1])
    assert (code, told["hourly_before"] is None) == (0, False)
    assert told["total_earnings"] == pytest.approx(exact["total_earnings"], rel=0.02)
    assert told["covered"] == pytest.approx(1.0, abs=0.02)
    postgres.stop()
    try:
        code, out, err = run(capsys, "report", "--ledger", books)
        assert (code, "readings in PostgreSQL" in err, PASSWORD in out + err) == (3, True, False)
        assert run(capsys, "history", "--ledger", books)[0] == 0  # moves are in the local journal
    finally:
        postgres.start()
    monkeypatch.delenv(variable)
    code, _, err = run(capsys, "report", "--ledger", books)
    assert (code, f"environment variable {variable} is not set" in err) == (2, True)
    assert run(capsys, "confirm", "any", "--ledger", books)[0] == 3  # needs no reading
    # readings in the folder again from now on
    assert run(capsys, "run", plain, "--simulate", "10m", "--ledger", books)[0] == 0
    assert run(capsys, "report", "--ledger", books)[0] == 0


def everything(store):
    return store.last() - timedelta(days=30), store.last() + timedelta(days=1)


@pytest.mark.slow
def test_a_run_starts_without_the_server_and_catches_up(postgres, variable, schema, config):
    async def two_hours():
        postgres.stop()
        try:
            parts = build(read_config(config), simulate=True)
            assert "simulated time begins after the last plan" in parts.notes[0]
            with pytest.raises(DataError, match="readings in PostgreSQL"):
                await remember(parts)
            told = []
            runner, begin = Runner(parts, told.append), parts.clock.now()
            async for _ in runner.cycles(asyncio.Event(), begin + timedelta(hours=1)):
                pass
            assert (parts.ledger.history.waiting, parts.ledger.history.lost) == (2 * POLLS, 0)
            assert runner.moves == 2
        finally:
            postgres.start()
        assert parts.ledger.history.last() == begin + timedelta(hours=1)
        await parts.clock.sleep(120.0)
        async for _ in runner.cycles(asyncio.Event(), begin + timedelta(hours=1, minutes=10)):
            pass
        found = parts.ledger.history.samples(begin, begin + timedelta(hours=2), "relay")
        assert len(found) == POLLS + 5 and parts.ledger.history.waiting == 0
        await parts.close()

    asyncio.run(two_hours())
    again = build(read_config(config), simulate=True)
    assert again.notes == [] and again.clock.now() == read_config(config).simulation.start + timedelta(minutes=72)
    asyncio.run(again.close())


@pytest.mark.slow
def test_a_process_that_starts_without_the_server_says_so_and_catches_up(postgres, variable, schema, config):
    config.write_text(config.read_text().replace('every = "2m"', 'every = "200ms"'))
    postgres.stop()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "reallot", "run", str(config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        begun = until(process, "moved relay")
    finally:
        postgres.start()
    assert "what was known before cannot be read: readings in PostgreSQL" in begun
    begun += until(process, "written again; 0 lost meanwhile")
    assert "at most 100000 readings wait in memory" in begun
    process.send_signal(signal.SIGINT)
    out = begun + process.communicate(timeout=60)[0]
    assert process.returncode == 0, out
    assert "none of" not in out and PASSWORD not in out
    with closing(PostgresHistory(variable, schema=schema)) as store:
        kept = store.samples(*everything(store), "relay")
    # every poll, from before the server was there on
    assert f"{len(kept)} polls, " in out or f"{len(kept)} polls." in out


def until(process, words):
    """All that is said up to the line with these words."""
    said = ""
    for line in process.stdout:
        said += line
        if words in line:
            return said
    raise AssertionError(f"it ended without saying {words!r}:\n{said}")


def test_the_place_is_noted_by_name_and_forgotten_again(tmp_path):
    place = HistoryPlace("READINGS_URL", "mine")
    keep_place(tmp_path, None)
    assert place_of(tmp_path) is None
    keep_place(tmp_path, place)
    keep_place(tmp_path, place)
    assert place_of(tmp_path) == place
    keep_place(tmp_path, None)
    assert list(tmp_path.iterdir()) == []
    for spoilt in ("", "[]", "{}", '{"variable": 1, "schema": "x"}', '{"variable": "A", "schema": "x", "more": 1}'):
        (tmp_path / FILE).write_text(spoilt)
        with pytest.raises(DataError, match=r"history\.json does not say where the readings are"):
            place_of(tmp_path)
    keep_place(tmp_path, place)
    assert place_of(tmp_path) == place
    with pytest.raises(DataError, match="cannot be written"):
        keep_place(tmp_path / "nowhere", place)
