"""Nothing but ours reaches standard output, whichever backend solves."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reallot import AllocationProblem, Limits, ProtocolSpec, allocate
from reallot.solvers.programs.quiet import quiet

SPEAKS = {
    "horizon_hours": 24,
    "limits": {"max_change": 0.3},
    "protocols": {"p0": {"current": 0.16, "rate": 1.7}, "p1": {"current": 0.84, "rate": 2.0, "step": 0.2}},
}
"""A problem on which a release of HiGHS prints a line of its own, whatever it is told."""


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["auto", "highs", "scipy", "pulp"])
def test_json_is_all_that_the_command_prints(solver: str, tmp_path: Path) -> None:
    path = tmp_path / "speaks.json"
    path.write_text(json.dumps(SPEAKS))
    command = [sys.executable, "-m", "reallot", "solve", str(path), "--json", "--solver", solver]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(run.stdout)["status"] == "optimal"
    assert run.stderr == ""


def drained(capfd: pytest.CaptureFixture[str]) -> None:
    """What an earlier test left in C's buffer is not what this one is about."""
    ctypes.CDLL(None).fflush(None)
    capfd.readouterr()


@pytest.mark.parametrize("solver", ["highs", "scipy"])
def test_a_call_writes_nothing_to_the_descriptor(solver: str, capfd: pytest.CaptureFixture[str]) -> None:
    drained(capfd)
    protocols = [ProtocolSpec("p0", 1.7), ProtocolSpec("p1", 2.0, step=0.2)]
    problem = AllocationProblem(protocols, {"p0": 0.16, "p1": 0.84}, limits=Limits(max_change=0.3), horizon_hours=24)
    allocate(problem, solver=solver)
    assert capfd.readouterr() == ("", "")


def say(text: str) -> None:
    """As a C library does: into C's buffer, past Python."""
    ctypes.CDLL(None).printf(text.encode())


def test_what_c_prints_inside_is_dropped_and_what_it_prints_around_it_is_not(capfd: pytest.CaptureFixture[str]) -> None:
    drained(capfd)
    others = threading.active_count() > 1  # a thread that another test began: nothing is dropped then
    say("before ")
    with quiet():
        say("inside ")
        os.write(1, b"inside too ")
        with quiet():
            say("inside twice ")
    say("after")
    ctypes.CDLL(None).fflush(None)
    said, elsewhere = capfd.readouterr()
    assert said == "before after"
    assert others or not elsewhere


def test_lines_of_other_threads_go_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    inside, said = threading.Event(), threading.Event()

    def other() -> None:
        inside.wait()
        os.write(1, b"a line")
        said.set()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(other)
        with quiet():
            inside.set()
            said.wait()
    os.write(1, b"ours")
    assert capfd.readouterr() == ("ours", "a line")


def test_without_a_standard_output_it_does_nothing() -> None:
    script = "import os; os.close(1)\nfrom reallot.solvers.programs.quiet import quiet\nwith quiet(): os.stat('.')"
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0
