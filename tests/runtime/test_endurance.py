"""A hundred adapters and a poll a second, on the simulated clock: memory stays flat, no task and no file is left.

REALLOT_CYCLES=86400 runs the 24 hours, which takes hours; 60 cycles otherwise. What a cycle takes is printed (pytest
-s), and `python -m benchmarks --only cycle` measures it without the bookkeeping of memory.
"""

from __future__ import annotations

import asyncio
import gc
import math
import os
import time
import tracemalloc
from array import array
from datetime import timedelta
from pathlib import Path

import pytest

from reallot.runtime.build import build
from reallot.runtime.config import config_from_text
from reallot.runtime.runner import Runner

CYCLES = int(os.environ.get("REALLOT_CYCLES", "60"))
KEPT = CYCLES // 4
"""Polls and snapshots that are kept at most: what is compared has reached that bound."""
HUNDRED = """
[coordinator]
every = "1s"
max_history_size = {kept}
[optimizer]
min_improvement_threshold = 0.01
min_improvement_percent = 0.0
analysis_window_hours = 1
[reallocation]
mode = "automatic"
min_hold_duration = "20s"
max_per_hour = 60
[monitor]
max_snapshots = {kept}
low_earnings_threshold = 0.0
optimization_threshold = 1e9
"""
PROTOCOL = """
[protocols.p{number:02}]
adapter = "simulated"
share = 0.01
rate = {rate}
noise = 0.05
daily = 0.3
peak = "{number}m"
"""


def files() -> int:
    """Open files of this process; 0 where the system does not say."""
    place = Path("/proc/self/fd")
    return len(list(place.iterdir())) if place.is_dir() else 0


@pytest.mark.slow
def test_a_hundred_adapters_at_a_poll_a_second_leave_nothing_behind(tmp_path):
    """The second half of the run takes no more than the first did, within 5 %."""
    text = HUNDRED.format(kept=min(KEPT, 1000))
    text += "".join(PROTOCOL.format(number=number, rate=1.0 + number / 100.0) for number in range(100))
    parts = build(config_from_text(text), simulate=True, ledger=tmp_path / "books")
    took, seen = array("d", bytes(8 * CYCLES)), []

    async def run():
        runner, end = Runner(parts, lambda event: None), parts.clock.now() + timedelta(seconds=CYCLES - 1)
        began, count = time.perf_counter(), 0
        async for result in runner.cycles(asyncio.Event(), end):
            assert not result.errors
            took[count] = time.perf_counter() - began
            count += 1
            if count in (CYCLES // 2, CYCLES):
                gc.collect()
                seen.append((tracemalloc.get_traced_memory()[0], len(asyncio.all_tasks()), files()))
            began = time.perf_counter()
        await parts.close()
        return runner.moves

    tracemalloc.start(1)
    try:
        moves = asyncio.run(run())
    finally:
        tracemalloc.stop()
    (before, tasks, open_files), (after, tasks_after, open_files_after) = seen
    assert moves >= 1
    assert 0.95 <= after / before <= 1.05
    assert (tasks_after, open_files_after) == (tasks, open_files)
    p99 = sorted(took)[math.ceil(0.99 * CYCLES) - 1]
    print(
        f"{CYCLES} cycles, {moves} moves: {before / 1e6:.2f} MB, then {after / 1e6:.2f} MB; p99 of a cycle {p99:.3f} s"
    )
