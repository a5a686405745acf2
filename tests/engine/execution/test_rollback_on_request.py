"""reallot rollback: asked of a running engine, of the next one, or done at once where none runs."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reallot.engine.contracts.clock import ManualClock
from reallot.engine.contracts.configs import Mode, ReallocationConfig
from reallot.engine.ledger.folder import open_ledger, read_journal
from reallot.engine.ledger.operator_requests import ROLLBACK, Requests
from reallot.errors import ReallocationError
from reallot.orchestration.reallocation import ReallocationEngine
from tests.orchestration.worlds import World, same
from tests.pair import PAIR, run

AT = datetime(2026, 3, 1, tzinfo=UTC)
MOVING = (
    """
[reallocation]
mode = "automatic"
[coordinator]
every = "2m"
[optimizer]
min_improvement_threshold = 0.01
[ledger]
path = "books"
"""
    + PAIR
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(MOVING)
    return path


def shares(ledger: Path) -> dict[str, float]:
    journal = read_journal(ledger)
    try:
        return dict(journal.committed())
    finally:
        journal.close()


def changes(capsys: pytest.CaptureFixture[str], ledger: Path) -> list[tuple[str, str, float]]:
    told = json.loads(run(capsys, "history", "--ledger", ledger, "--json")[1])
    return [(each["kind"], each["protocol"], round(each["after"], 9)) for each in told]


MOVED = [("move", "relay", 0.4), ("move", "compute", 0.6)]
BACK = [("rollback", "compute", 0.4), ("rollback", "relay", 0.6)]


@pytest.mark.slow
def test_where_no_engine_runs_it_is_done_at_once(capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path):
    books = tmp_path / "books"
    assert run(capsys, "run", config, "--simulate", "10m")[0] == 0
    code, out, err = run(capsys, "rollback", config)
    assert (code, err) == (0, "")
    assert out.startswith("Taken back: 2026") and "compute 0.60 -> 0.40, relay 0.40 -> 0.60" in out
    assert changes(capsys, books) == MOVED + BACK
    assert same(shares(books), {"relay": 0.6, "compute": 0.4})
    code, out, err = run(capsys, "rollback", config)
    assert (code, "no plan is in force that could be taken back" in err) == (3, True)
    assert Requests(books).all() == []


@pytest.mark.slow
def test_without_a_configuration_the_next_engine_does_it(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
):
    books = tmp_path / "books"
    assert run(capsys, "run", config, "--simulate", "10m")[0] == 0
    code, out, _ = run(capsys, "rollback", "--ledger", books)
    assert (code, out.startswith("Asked for: 2026"), "at the begin of the next cycle" in out) == (0, True, True)
    assert changes(capsys, books) == MOVED
    code, out, _ = run(capsys, "run", config, "--simulate", "10m")
    assert (code, out.count("taken back, as a person asked: plan 2026")) == (0, 1)
    # and the protocols rest: nothing moves them again at once
    assert changes(capsys, books) == MOVED + BACK
    assert Requests(books).all() == []


@pytest.mark.slow
def test_a_running_engine_is_asked(config: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    config.write_text(MOVING.replace('every = "2m"', 'every = "200ms"'))
    process = subprocess.Popen(
        [sys.executable, "-m", "reallot", "run", str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert any("moved relay" in line for line in process.stdout)
        code, out, err = run(capsys, "rollback", config)
        assert (code, err, out.startswith("Asked for: ")) == (0, "", True)
        assert any("taken back, as a person asked" in line for line in process.stdout)
    finally:
        process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert same(shares(tmp_path / "books"), {"relay": 0.6, "compute": 0.4})


@pytest.mark.slow
def test_an_engine_that_only_looks_refuses_and_says_so(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
):
    books = tmp_path / "books"
    run(capsys, "run", config, "--simulate", "10m")
    run(capsys, "rollback", "--ledger", books)
    code, out, _ = run(capsys, "run", config, "--simulate", "10m", "--mode", "advise")
    assert (code, out.count("the plan was not taken back: the mode is advise: nothing is moved")) == (0, 1)
    config.write_text(MOVING.replace("automatic", "observe"))
    code, _, err = run(capsys, "rollback", config)
    assert (code, "the mode is observe: nothing is moved" in err) == (3, True)
    assert changes(capsys, books) == MOVED and Requests(books).all() == []


def test_a_halted_engine_is_first_looked_at(capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path):
    books = tmp_path / "books"
    ledger = open_ledger(books)
    world = World(relay=0.5, storage=0.5)
    engine = ReallocationEngine(ReallocationConfig(auto_rollback=False), ledger=ledger, clock=ManualClock(AT))
    asyncio.run(engine.execute_reallocation(world.plan(relay=0.4, storage=0.6), world.adapters))
    asyncio.run(_halted(engine, world))
    engine.close()
    ledger.close()
    code, _, err = run(capsys, "rollback", config)
    assert (code, "books is halted" in err, "reallot resume" in err) == (3, True, True)


async def _halted(engine: ReallocationEngine, world: World) -> None:
    await engine.books.clock.sleep(3700.0)
    world.fail("storage", "refuse")
    with pytest.raises(ReallocationError, match="auto_rollback is off"):
        await engine.execute_reallocation(world.plan(relay=0.3, storage=0.7), world.adapters)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rollback"], "ledger: there is no ledger here"),
        (["rollback", "missing.toml"], "missing.toml: there is no such file"),
        (
            ["rollback", "memory.toml"],
            "its ledger is in memory; give the folder, as --ledger FOLDER",
        ),
        (["rollback", "memory.toml", "--ledger", "nowhere"], "nowhere: there is no ledger here"),
    ],
)
def test_bad_input_is_one_line(arguments, words, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("memory.toml").write_text(MOVING.replace('[ledger]\npath = "books"', ""))
    assert run(capsys, *arguments)[:2] == (2, "")
    code, _, err = run(capsys, *arguments)
    assert (code, words in err) == (2, True)


def ledger_of(folder: Path, **config: object):
    ledger = open_ledger(folder)
    clock = ManualClock(AT)
    engine = ReallocationEngine(
        ReallocationConfig(min_hold_duration=timedelta(0), **config), ledger=ledger, clock=clock
    )
    return ledger, engine


def test_only_the_plan_that_was_meant_is_taken_back(tmp_path: Path):
    ledger, engine = ledger_of(tmp_path)
    world = World(relay=0.5, storage=0.5)

    async def test() -> None:
        await engine.execute_reallocation(world.plan(relay=0.4, storage=0.6), world.adapters)
        meant = engine.last_report.plan_id
        assert await engine.execute_rollback_asked(world.adapters) == ""
        ledger.requests.post(ROLLBACK, meant)
        await engine.execute_reallocation(world.plan(relay=0.3, storage=0.7), world.adapters)
        with pytest.raises(ReallocationError, match=f"plan {meant} is not the last in force any more"):
            await engine.execute_rollback_asked(world.adapters)
        assert same(world.shares, {"relay": 0.3, "storage": 0.7})
        assert ledger.requests.all() == []

    asyncio.run(test())
    engine.close()
    ledger.close()


def test_asked_again_after_a_process_that_ended_in_between_it_goes_back_no_further(tmp_path: Path):
    ledger, engine = ledger_of(tmp_path)
    world = World(relay=0.5, storage=0.5)

    async def test() -> None:
        await engine.execute_reallocation(world.plan(relay=0.45, storage=0.55), world.adapters)
        await engine.execute_reallocation(world.plan(relay=0.4, storage=0.6), world.adapters)
        meant = engine.last_report.plan_id
        ledger.requests.post(ROLLBACK, meant)
        assert await engine.execute_rollback_asked(world.adapters) == meant
        ledger.requests.post(ROLLBACK, meant)  # as if the process had ended before it was taken out
        with pytest.raises(ReallocationError, match="not the last in force any more"):
            await engine.execute_rollback_asked(world.adapters)
        assert same(world.shares, {"relay": 0.45, "storage": 0.55})

    asyncio.run(test())
    engine.close()
    ledger.close()


def test_a_cycle_that_only_recovers_leaves_the_request_to_whoever_carries_it_out(tmp_path: Path):
    ledger, engine = ledger_of(tmp_path, mode=Mode.AUTOMATIC)
    world = World(relay=0.5, storage=0.5)

    async def test() -> None:
        await engine.execute_reallocation(world.plan(relay=0.4, storage=0.6), world.adapters)
        ledger.requests.post(ROLLBACK, engine.last_report.plan_id)
        await engine.recover(world.adapters)
        assert len(ledger.requests.all()) == 1
        await engine.execute_rollback_asked(world.adapters)
        assert same(world.shares, {"relay": 0.5, "storage": 0.5}) and ledger.requests.all() == []

    asyncio.run(test())
    engine.close()
    ledger.close()
