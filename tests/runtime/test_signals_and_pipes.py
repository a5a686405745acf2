"""A running engine whose terminal goes, whose reader goes, and whose configuration is read again."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reallot.engine.contracts.clock import ManualClock
from reallot.engine.ledger.folder import read_journal
from reallot.errors import ConfigurationError
from reallot.runtime.build import build
from reallot.runtime.config import config_from_text
from reallot.runtime.runner import Runner
from tests.runtime.test_a_clock_that_jumps import START

CONFIG = """
[coordinator]
every = "{every}"
[optimizer]
min_improvement_threshold = {threshold}
[reallocation]
mode = "automatic"
min_hold_duration = "1h"
[monitor]
low_earnings_threshold = {low}
optimization_threshold = 100.0
[protocols.relay]
adapter = "simulated"
share = 0.6
rate = 1.0
{more}
[protocols.compute]
adapter = "simulated"
share = 0.4
rate = 3.0
{more}
"""


def text(every="2m", threshold=0.01, low=0.01, more="", extra=""):
    return CONFIG.format(every=every, threshold=threshold, low=low, more=more) + extra


def played(*steps, first=None):
    """Cycles on a clock moved by hand; before each later one, what a step returns is the configuration from then on."""
    told, clock = [], ManualClock(START)
    parts = build(config_from_text(first or text()), clock=clock)
    runner = Runner(parts, told.append)

    async def run():
        stop, count = asyncio.Event(), 0
        async for _ in runner.cycles(stop):
            if count == len(steps):
                stop.set()
            elif steps[count] is not None:
                runner.reload(steps[count])
            count += 1
        await runner.parts.close()

    asyncio.run(run())
    return runner, [each.text for each in told if each.kind == "reload"], told


def given(new):
    return lambda: config_from_text(new)


def test_a_configuration_that_is_wrong_changes_nothing_and_says_why():
    def refused():
        raise ConfigurationError("config.toml: [optimizer] horizon: unknown key")

    runner, lines, _ = played(None, refused, None)
    assert lines == ["the configuration stays as it was: config.toml: [optimizer] horizon: unknown key"]
    assert runner.polls == 4


def test_the_same_configuration_changes_nothing():
    runner, lines, _ = played(given(text()), None)
    assert lines == ["the configuration was read again: nothing that is used changed"]
    assert runner.polls == 3


def test_other_thresholds_count_from_the_next_cycle_and_what_was_learned_stays():
    runner, lines, told = played(None, None, given(text(threshold=0.001)), None, first=text(threshold=50.0))
    assert lines == ["the configuration was read again, and changed: [optimizer]"]
    assert [each.kind for each in told if each.kind in ("move", "reload")] == ["reload", "move"]
    assert runner.polls == 5 and runner.parts.optimizer.config.min_improvement_threshold == 0.001


def test_an_alert_that_is_open_ends_by_the_new_threshold_and_is_not_told_twice():
    _, _, told = played(None, given(text(low=9.0)), None, None, given(text(low=0.01)), None)
    assert [each.kind for each in told if each.fields.get("key") == "low_earnings"] == ["alert", "recovered"]


def test_holds_and_shares_go_on_over_it():
    runner, _, told = played(None, given(text(every="3m")), None, None)
    assert [each.kind for each in told if each.kind == "move"] == ["move"]
    shares = {name: each.share for name, each in runner.parts.coordinator.adapters.items()}
    assert shares == pytest.approx({"relay": 0.4, "compute": 0.6})


def test_a_protocol_can_be_added_and_one_that_is_taken_out_keeps_its_share():
    more = '[protocols.disk]\nadapter = "simulated"\nshare = 0.0\nrate = 0.5\n'
    without_relay = text().replace('[protocols.relay]\nadapter = "simulated"\nshare = 0.6\nrate = 1.0\n', "")
    runner, lines, told = played(None, given(text(extra=more)), None, given(without_relay), None)
    assert lines == [
        "the configuration was read again, and changed: [protocols.disk]",
        "the configuration was read again, and changed: [protocols.relay], [protocols.disk]",
    ]
    assert any("relay" in each.text and each.kind == "alert" for each in told)
    assert sum(each.share for each in runner.parts.coordinator.adapters.values()) <= 1.0 + 1e-9


@pytest.mark.parametrize(
    "new",
    [
        text(threshold=0.02, more="share_tolerance = 0.02"),
        text(threshold=0.02, more="share_tolerance = 0.02") + "[limits]\nmax_moves = 2\n",
        text(every="3m").replace('min_hold_duration = "1h"', 'min_hold_duration = "2h"\nmax_per_hour = 2'),
    ],
)
def test_the_engine_goes_on_by_the_rules_that_a_new_start_would_have(new):
    runner, _, _ = played(None, given(new), None, first=text(more="share_tolerance = 0.02"))
    engine, fresh = runner.parts.engine, build(config_from_text(new), clock=ManualClock(START))
    assert (engine.config, engine.rules) == (fresh.engine.config, fresh.engine.rules)
    assert engine.next_best == runner.parts.optimizer.next_best
    fresh.engine.close()


def test_another_ledger_needs_a_new_start_and_is_named():
    _, lines, _ = played(None, given(text(threshold=0.02) + '[ledger]\npath = "other"\n'), None)
    assert lines == [
        "the configuration was read again, and changed: [optimizer]",
        "[ledger] path was not taken: it needs a new start",
    ]


# Real processes


def started(config, *arguments, **streams):
    command = [sys.executable, "-m", "reallot", "run", str(config), *(str(each) for each in arguments)]
    return subprocess.Popen(command, **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | streams))


def until(process, words):
    for line in process.stdout:
        if words in line:
            return
    pytest.fail(f"it ended without saying {words!r}: {process.stderr.read()}")


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(text(every="1s"))
    return path


@pytest.mark.slow
def test_a_hangup_reads_the_configuration_again_and_the_engine_goes_on(config, tmp_path):
    process = started(config, "--ledger", tmp_path / "books", start_new_session=True)
    until(process, "moved relay")
    config.write_text("[optimizer]\nhorizon = 3\n")
    process.send_signal(signal.SIGHUP)
    until(process, "the configuration stays as it was")
    config.write_text(text(every="1s", threshold=0.5))
    process.send_signal(signal.SIGHUP)
    until(process, "and changed: [optimizer]")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "") and "stopped" in out


@pytest.mark.slow
def test_a_terminal_that_is_closed_in_a_move_lets_the_step_end_and_says_so(config, tmp_path):
    config.write_text(text(every="1s", more='latency = "500ms"'))
    master, slave = pty.openpty()
    log = tmp_path / "log"
    with log.open("w") as out:
        process = started(
            config, "--ledger", tmp_path / "books", stdin=slave, stdout=out, stderr=out, start_new_session=True
        )
    os.close(slave)
    wait_for(log, "2 protocols", process)
    os.close(master)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGHUP)  # the shell sends one, and the system another
    assert process.wait(timeout=60) in (0, 5)
    assert "the terminal is gone" in log.read_text()
    journal = read_journal(tmp_path / "books")
    assert journal.open_operation() is None
    journal.close()


def wait_for(log: Path, words: str, process: subprocess.Popen) -> None:
    for _ in range(3000):
        if words in log.read_text():
            return
        try:
            process.wait(timeout=0.02)
        except subprocess.TimeoutExpired:
            continue
        break
    pytest.fail(f"it did not say {words!r}: {log.read_text()}")


@pytest.mark.slow
def test_with_nohup_a_closed_terminal_does_not_end_it(config, tmp_path):
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = started(config, "--ledger", tmp_path / "books", start_new_session=True)
    finally:
        signal.signal(signal.SIGHUP, previous)
    until(process, "moved relay")
    process.send_signal(signal.SIGHUP)
    until(process, "the configuration was read again")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--json-log",)])
def test_a_reader_that_goes_away_does_not_end_it_and_the_status_says_so(more, config, tmp_path):
    config.write_text(text(every="1s", low=5.0).replace("rate = 1.0", "rate = 1.0\nnoise = 0.2"))
    process = started(config, "--ledger", tmp_path / "books", *more, start_new_session=True)
    until(process, "2 protocols")
    process.stdout.close()
    told = process.stderr.readline()
    assert "it goes on without" in told
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 7
    assert process.stderr.read() == ""
    process.stderr.close()
    journal = read_journal(tmp_path / "books")
    assert journal.open_operation() is None and journal.committed()
    journal.close()


@pytest.mark.slow
def test_a_simulated_run_whose_reader_goes_away_ends_with_a_status_that_says_so(config):
    config.write_text(text())
    command = f"{sys.executable} -m reallot run {config} --simulate 3h | head -1; echo ${{PIPESTATUS[0]}}"
    run = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120)
    assert run.stdout.splitlines()[-1] == "7" and "Traceback" not in run.stderr
