"""Hypothesis profiles, by HYPOTHESIS_PROFILE, and the limit that keeps the quick round quick, by REALLOT_QUICK.

dev (default), paths and ci repeat their examples; explore and nightly draw new ones. Files of tests are kept in memory
where there is such a file system: a journal syncs each of its writes, and a disk takes milliseconds for that.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import process_time

import pytest
from hypothesis import HealthCheck, settings

from tests.machine import slower

_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}

settings.register_profile("dev", max_examples=12, derandomize=True, **_COMMON)
settings.register_profile("paths", max_examples=100, derandomize=True, **_COMMON)
settings.register_profile("ci", max_examples=300, derandomize=True, **_COMMON)
settings.register_profile("explore", max_examples=60, **_COMMON)
settings.register_profile("nightly", max_examples=10_000, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def _memory() -> Path | None:
    """The folder whose files are in memory, where it has a gigabyte left and programs in it may be run."""
    folder = Path("/dev/shm")
    if "TMPDIR" in os.environ or not os.access(folder, os.W_OK):
        return None
    found = os.statvfs(folder)
    return folder if found.f_bavail * found.f_frsize > 1 << 30 and not found.f_flag & os.ST_NOEXEC else None


if (_folder := _memory()) is not None:
    os.environ["TMPDIR"] = tempfile.tempdir = str(_folder)

QUICK = float(os.environ.get("REALLOT_QUICK", "inf"))
"""Seconds of processor time that a test not marked `slow` may take on a machine as fast as the reference."""


@pytest.fixture(scope="session", autouse=True)
def _first_calls() -> None:
    """Pays what the first call of anything costs, so that no test is charged for it: imports and compiled kernels."""
    if float("inf") == QUICK:
        return
    import asyncio
    import importlib
    from dataclasses import replace

    from pandas import DataFrame, date_range

    from reallot import (
        AllocationProblem,
        Limits,
        SimulatedAdapter,
        allocate,
        allocate_many,
        backtest,
        explain,
        hindsight,
    )
    from reallot.cli.main import parser
    from reallot.runtime.config import config_from_text
    from reallot.solvers.numba import dispatch

    for name in (
        "pandas",
        "pydantic",
        "scipy.optimize",
        "scipy.sparse",
        "numpy.testing",
        "sqlite3",
        "httpx2",
        "rich.table",
        "matplotlib.figure",
    ):
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    problem = AllocationProblem({"a": 2.0, "b": 1.0}, {"a": 0.3, "b": 0.7}, limits=Limits(max_change=0.2))
    for solver in ("exact", "highs", "scipy", "pulp"):
        explain(allocate(problem, solver=solver)).to_frame()
    for solver in ("numpy", "numba") if dispatch.available() else ("numpy",):
        allocate_many([[2.0, 1.0]], [[0.3, 0.7]], solver=solver)
    hindsight(replace(problem, periods=12))
    adapter = SimulatedAdapter("a", 2.0, share=0.5)
    asyncio.run(adapter.get_status())
    parser()
    config_from_text('[protocols.a]\nadapter = "simulated"\nshare = 0.5\nrate = 1.0\n')
    times = date_range("2026-01-01", periods=6, freq="h", tz="UTC")
    backtest(DataFrame({"a": 1.0, "b": 2.0}, index=times), ["replay"])


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fails a test that is not marked `slow` and takes more processor time than a quick one may.

    Only the call counts, no fixture; and a machine that is slower, or busy, is given more by as much.
    """
    started = process_time()
    outcome = yield
    taken = process_time() - started
    if taken <= QUICK or item.get_closest_marker("slow") is not None or outcome.excinfo is not None:
        return
    times = slower()
    if taken > QUICK * times:
        words = f"takes {taken / times:.2f} s of processor time, over {QUICK:g} s; make it less or mark it slow"
        outcome.force_exception(pytest.fail.Exception(words))
