"""Releases of HiGHS that are refused, and processes that are started after HiGHS ran."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import highspy
import pytest

from reallot import AllocationProblem, Limits, ProtocolSpec, SolverFailed, allocate
from reallot.solvers.programs.highs_library import why_refused

SECONDS = 60.0
"""A worker that hangs does so for ever; one that does not takes about two seconds."""
IN_A_PROCESS = """
import sys
from multiprocessing import get_context
from reallot import AllocationProblem, Limits, ProtocolSpec, allocate

def best(turn):
    specs = [ProtocolSpec(f"p{i}", 1.0 + 0.37 * i % 1, step=0.07) for i in range(12)]
    current = {spec.name: 1 / 12 for spec in specs}
    problem = AllocationProblem(specs, current, allow_idle=True, limits=Limits(max_change=0.1))
    return round(allocate(problem, solver="highs").certificate.objective, 9)

if __name__ == "__main__":
    here = best(0)
    with get_context(sys.argv[1]).Pool(2) as pool:
        print(pool.map(best, range(2)) == [here, here])
"""


@pytest.mark.slow
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_search_over_whole_numbers_after_their_parent_did(start: str, tmp_path: Path) -> None:
    if start == "fork" and not hasattr(os, "fork"):
        pytest.skip("this system does not fork")
    script = tmp_path / "in_a_process.py"
    script.write_text(IN_A_PROCESS, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, str(script), start], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        said, _ = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        pytest.fail(f"no answer after {SECONDS:g} s")
    assert (said.strip(), process.returncode) == ("True", 0)


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ((1, 10, 0), r"highspy 1\.10\.0 is not used: releases before 1\.13 lack changeRowsBounds; run pip install"),
        ((1, 12, 0), r"highspy 1\.12\.0 is not used: releases before 1\.13 lack"),
        ((1, 14, 0), r"highspy 1\.14\.0 is not used: its presolve loses optima.*'highspy>=1\.15', or .*solver='scipy'"),
    ],
)
def test_a_release_that_is_wrong_is_refused_in_words(
    version: tuple[int, int, int], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = AllocationProblem({"relay": 2.0, "compute": 1.0}, {"relay": 0.5, "compute": 0.5})
    for name, number in zip(("MAJOR", "MINOR", "PATCH"), version, strict=True):
        monkeypatch.setattr(highspy, f"HIGHS_VERSION_{name}", number)
    with pytest.raises(SolverFailed, match=words):
        allocate(problem, solver="highs")
    assert allocate(problem, solver="scipy").shares["relay"] == pytest.approx(1.0)


def test_other_releases_are_not_refused() -> None:
    assert [why_refused(version) for version in ((1, 13, 0), (1, 13, 1), (1, 15, 0), (1, 16, 0), (2, 0, 0))] == [
        None
    ] * 5


@pytest.mark.parametrize("solver", ["highs", "scipy", "pulp"])
def test_whole_units_below_a_full_capacity_are_sold(solver: str) -> None:
    # the units of 0.1 are worth 1.3 and base 0.2: all of the change of 0.1 goes to gpu, 0.6 * 1.3 + 0.4 * 0.2 = 0.86
    problem = AllocationProblem(
        [ProtocolSpec("base", 0.2), ProtocolSpec("gpu", 1.3, step=0.1)],
        {"base": 0.5, "gpu": 0.5},
        allow_idle=True,
        limits=Limits(max_change=0.1),
    )
    plan = allocate(problem, solver=solver)
    assert plan.certificate.objective == pytest.approx(0.86, abs=1e-9)
