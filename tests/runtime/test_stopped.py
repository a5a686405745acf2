"""SIGTERM in each phase of the machine, to a real `reallot run` whose protocols are files and programs."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from reallot.engine.ledger.folder import read_journal

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
BEFORE, AFTER = {"relay": 0.6, "compute": 0.4}, {"relay": 0.4, "compute": 0.6}
RATES = {"relay": 1.0, "compute": 3.0}
APPLY = """
[ -e "$1.refuses" ] && exit 64
[ -e "$1.ignores" ] && exit 0
echo "$3" >> "$1.calls"
echo "$3" | awk -v rate="$2" '{printf "{\\"usd\\": %.6f, \\"share\\": %s}", rate * $1, $1}' > "$1.new"
[ -e "$1.slow" ] || mv "$1.new" "$1.json"
"""
CONFIG = """
[coordinator]
every = "2m"
[optimizer]
min_improvement_threshold = 0.01
[reallocation]
mode = "automatic"
late_effects = "0s"
verify_timeout = "1s"
auto_rollback = {auto_rollback}
[monitor]
low_earnings_threshold = 0.01
optimization_threshold = 100.0
"""
PROTOCOL = """
[protocols.{name}]
adapter = "command"
read = ["/bin/cat", "{folder}/{name}.json"]
apply = ["/bin/sh", "{folder}/apply", "{folder}/{name}", "{rate}", "{{share}}"]
value = "usd"
share = "share"
rate = {rate}  # known, so that the first reading is believed
"""
FINISHED, PUT_BACK, AT_ONCE = 0, 5, 6


class Place:
    """A folder with a world of files, its configuration and its ledger."""

    def __init__(self, folder: Path, trouble: str, auto_rollback: bool) -> None:
        self.folder = folder
        (folder / "apply").write_text(APPLY)
        text = CONFIG.format(auto_rollback=str(auto_rollback).lower())
        for name, rate in RATES.items():
            share = BEFORE[name]
            (folder / f"{name}.json").write_text(json.dumps({"usd": rate * share, "share": share}))
            text += PROTOCOL.format(name=name, folder=folder, rate=rate)
        (folder / "config.toml").write_text(text)
        if trouble:
            (folder / f"compute.{trouble}").touch()

    def slow(self, name: str) -> Place:
        """The same where what this protocol is asked for is in force ten minutes later: once it `comes`."""
        (self.folder / f"{name}.slow").touch()
        path = self.folder / "config.toml"
        path.write_text(path.read_text().replace(f"[protocols.{name}]", f'[protocols.{name}]\ndelay = "10m"'))
        return self

    def comes(self, name: str) -> None:
        (self.folder / f"{name}.slow").unlink()
        (self.folder / f"{name}.new").replace(self.folder / f"{name}.json")

    def calls(self, name: str) -> int:
        return len((self.folder / f"{name}.calls").read_text().split())

    def shares(self) -> dict[str, float]:
        return {name: json.loads((self.folder / f"{name}.json").read_text())["share"] for name in RATES}

    def said(self) -> str:
        return (self.folder / "said").read_text()

    def journal(self):
        connection = sqlite3.connect(self.folder / "ledger" / "journal.db")
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()
        return read_journal(self.folder / "ledger")


@pytest.fixture(scope="module")
def start():
    """Runs `reallot run` in a process of its own; its exit code."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.runtime.stopped"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as forker:

        def run(place, *more, phase="", times=1, number=signal.SIGTERM):
            arguments = [f"{place.folder}/config.toml", "--ledger", f"{place.folder}/ledger", *more]
            job = {
                "folder": str(place.folder),
                "arguments": arguments,
                "phase": phase,
                "times": times,
                "signal": number,
            }
            forker.stdin.write(json.dumps(job) + "\n")
            forker.stdin.flush()
            return int(forker.stdout.readline())

        yield run
        forker.stdin.close()


NOTHING_MOVES = 3
"""Status of one cycle on a ledger that is halted: whether it was by then depends on when it was told."""
PHASES = {
    # phase: what goes wrong, whether that is put back, more arguments; exit code, what is said, shares at the end
    "reconciling": ("", True, (), FINISHED, "the step under way was finished", AFTER),
    "idle": ("", True, (), FINISHED, "the step under way was finished", AFTER),
    "waiting": ("", True, ("--mode", "confirm"), FINISHED, "the step under way was finished", BEFORE),
    "applying": ("", True, (), FINISHED, "the step under way was finished", AFTER),
    "verifying": ("", True, (), FINISHED, "the step under way was finished", AFTER),
    "verifying in vain": ("ignores", True, (), PUT_BACK, "was not finished: rolled back", BEFORE),
    "holding": ("", True, (), FINISHED, "the step under way was finished", AFTER),
    "rolling_back": ("refuses", True, (), PUT_BACK, "was not finished: rolled back", BEFORE),
    "halted": ("refuses", False, (), PUT_BACK, "was not finished: halted", {"relay": 0.4, "compute": 0.4}),
}


@pytest.mark.parametrize("case", PHASES)
def test_stopped_in_any_phase_it_ends_whole_and_its_exit_code_says_how(case, start, tmp_path):
    trouble, auto_rollback, more, code, said, shares = PHASES[case]
    place = Place(tmp_path, trouble, auto_rollback)
    assert start(place, *more, phase=case.removesuffix(" in vain")) == code, place.said()
    assert said in place.said()
    assert place.shares() == pytest.approx(shares)
    journal = place.journal()
    assert journal.open_operation() is None and not journal.unsettled()
    assert bool(journal.halted()) is (case == "halted")
    if case != "halted":
        assert journal.committed() == pytest.approx(shares)
    journal.close()


@pytest.mark.parametrize("case", PHASES)
def test_told_twice_it_ends_at_once_and_the_next_start_ends_what_was_begun(case, start, tmp_path):
    trouble, auto_rollback, more, *_ = PHASES[case]
    place = Place(tmp_path, trouble, auto_rollback)
    assert start(place, *more, phase=case.removesuffix(" in vain"), times=2) == AT_ONCE, place.said()
    assert "stopped at once: the next start ends what was begun" in place.said()
    place.journal().close()
    assert sum(place.shares().values()) <= 1.0 + 1e-9
    for name in ("compute.refuses", "compute.ignores"):
        (tmp_path / name).unlink(missing_ok=True)
    ended, journal = start(place, "--once"), place.journal()
    assert ended == (NOTHING_MOVES if journal.halted() else 0), place.said()
    if not journal.halted():
        assert journal.open_operation() is None and not journal.unsettled()
        assert place.shares() == pytest.approx(journal.committed()) and sum(place.shares().values()) <= 1.0 + 1e-9
    # a second signal as it halts may come before the halt is written: then the next start ends what was begun
    assert not journal.halted() or case == "halted"
    journal.close()


HOW = {
    # a signal, how many times; exit code, what is said
    "told once": (signal.SIGTERM, 1, AT_ONCE, ": the next start goes on with it"),
    "told twice": (signal.SIGTERM, 2, AT_ONCE, "stopped at once: the next start ends what was begun"),
    "killed": (signal.SIGKILL, 1, -signal.SIGKILL, ""),
}


@pytest.mark.parametrize("name", RATES)
@pytest.mark.parametrize("how", HOW)
def test_a_change_that_takes_ten_minutes_outlives_its_engine_and_the_next_one_goes_on(how, name, start, tmp_path):
    """Stopped while the giver's, or the taker's, change is awaited: started while it is, and when it is in force."""
    number, times, code, said = HOW[how]
    place = Place(tmp_path, "", auto_rollback=True).slow(name)
    assert start(place, phase="put off", times=times, number=number) == code, place.said()
    assert said in place.said()
    start(place, "--once")
    journal = place.journal()
    assert journal.open_operation() is not None and [each.protocol for each in journal.unsettled()] == [name]
    journal.close()
    assert sum(place.shares().values()) <= 1.0 + 1e-9
    place.comes(name)
    assert start(place, "--once") == 0, place.said()
    journal = place.journal()
    assert place.shares() == pytest.approx(AFTER) == journal.committed()
    assert journal.open_operation() is None and not journal.unsettled() and not journal.halted()
    assert {each: place.calls(each) for each in RATES} == {"relay": 1, "compute": 1}
    journal.close()
