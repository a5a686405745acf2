"""Hypothesis profiles, by HYPOTHESIS_PROFILE: dev (default), paths and ci repeat examples; nightly draws new ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from time import process_time

import pytest
from hypothesis import HealthCheck, settings

_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}

settings.register_profile("dev", max_examples=30, derandomize=True, **_COMMON)
settings.register_profile("paths", max_examples=100, derandomize=True, **_COMMON)
settings.register_profile("ci", max_examples=300, derandomize=True, **_COMMON)
settings.register_profile("explore", max_examples=60, **_COMMON)
settings.register_profile("nightly", max_examples=10_000, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

QUICK = float(os.environ.get("REALLOT_QUICK", "inf"))
"""Seconds of processor time that a test not marked `slow` may take; `.ci/run` sets it."""


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fails a test that is not marked `slow` and takes more processor time than a quick one may."""
    started = process_time()
    outcome = yield
    taken = process_time() - started
    if taken > QUICK and item.get_closest_marker("slow") is None and outcome.excinfo is None:
        words = f"takes {taken:.2f} s of processor time, over {QUICK:g} s; make it less or mark it slow"
        outcome.force_exception(pytest.fail.Exception(words))
