"""A simulated week with faults mixed in: outages, refusals, caps, slow effects, noise, zeros, jumps, stale, the clock.

The world is a set of simulated protocols whose answers are spoilt from outside; what they really earn is known.
"""

from __future__ import annotations

import asyncio
import os
import random
from datetime import UTC, datetime, timedelta

import pytest

from reallot.engine.contracts.adapter import Capabilities
from reallot.engine.contracts.clock import ManualClock
from reallot.errors import ErrorKind, ProtocolError
from reallot.runtime.build import build
from reallot.runtime.config import config_from_text
from reallot.runtime.runner import Runner

pytestmark = pytest.mark.slow
START = datetime(2026, 3, 1, tzinfo=UTC)
EVERY, HOUR = 600.0, 3600.0
CYCLES = int(7 * 24 * HOUR / EVERY)
HEAD = """
[coordinator]
every = "10m"
[reallocation]
mode = "automatic"
[optimizer]
min_improvement_threshold = 0.01
move_cost = 0.05
[monitor]
connection_timeout = "30m"
optimization_threshold = 1000.0
"""
WEEKS = range(2 if os.environ.get("HYPOTHESIS_PROFILE") in ("ci", "nightly") else 1)
NAMES = ("a", "b", "c", "d")
KINDS = ("out", "zero", "jump", "stale", "refuse", "cap", "slow", "late")
SLOW = timedelta(minutes=10)
"""How long a change takes that is slow, as its adapter says, or late, which nobody says."""
ONE_ENDS = ("alert", "recovered")


class Faults:
    """What is wrong with one protocol when: windows in hours since the start, one after another."""

    def __init__(self, adapter, seed, clock):
        self.adapter, self.clock = adapter, clock
        self.windows, draw, at = [], random.Random(seed), 6.0
        while at < 160.0:
            length = draw.choice([0.5, 1.0, 3.0])
            self.windows.append((at, at + length, draw.choice(KINDS)))
            at += length + draw.uniform(6.0, 24.0)
        self.read, self.asked, self.last = adapter.get_status, adapter.apply_allocation, None
        adapter.get_status, adapter.apply_allocation = self.get_status, self.apply_allocation
        adapter.capabilities = lambda: Capabilities(delay=SLOW if self.now() == "slow" else timedelta(0))

    def now(self):
        hours = self.clock.monotonic() / HOUR
        return next((kind for begin, end, kind in self.windows if begin <= hours < end), "")

    async def get_status(self):
        fault, status = self.now(), await self.read()
        if fault == "out":
            raise ProtocolError("no route to host", ErrorKind.UNREACHABLE)
        if fault in ("zero", "jump"):
            factor = 0.0 if fault == "zero" else 1000.0
            return status.model_copy(update={"earnings_per_hour": status.earnings_per_hour * factor})
        if fault == "stale" and self.last is not None:
            return status.model_copy(update={"earnings_per_hour": self.last})
        self.last = status.earnings_per_hour
        return status

    async def apply_allocation(self, share):
        fault = self.now()
        if fault == "refuse" or (fault == "cap" and share > 0.3):
            raise ProtocolError(f"refuses {share:g}", ErrorKind.REFUSED)
        self.adapter.late = SLOW if fault in ("slow", "late") else timedelta(0)
        await self.asked(share)


def week(seed, ledger):
    """Shares at each cycle, what was told, and what was earned, would have been by never moving, and was spent."""
    draw = random.Random(seed)
    text = HEAD + "".join(
        f'[protocols.{name}]\nadapter = "simulated"\nshare = 0.25\nrate = {draw.uniform(0.5, 3.0):.3f}\n'
        f"noise = {draw.choice([0.0, 0.05, 0.1])}\n"
        for name in NAMES
    )
    clock, told = ManualClock(START), []
    parts = build(config_from_text(text), clock=clock, ledger=ledger)
    world = parts.coordinator.adapters
    faults = {name: Faults(adapter, f"{seed}{name}", clock) for name, adapter in world.items()}
    runner, most, earned, never = Runner(parts, told.append), 0.0, 0.0, 0.0
    jumps = {300: 400 * 86_400.0, 320: -400 * 86_400.0, 600: -7_200.0}

    async def run():
        nonlocal most, earned, never
        stop, count = asyncio.Event(), 0
        async for result in runner.cycles(stop):
            assert not set(result.errors) - {"move", "poll"}, result.errors
            now = clock.now()
            most = max(most, sum(each.share for each in world.values()))
            earned += sum(each.earns(each.share, now) for each in world.values()) * EVERY / HOUR
            never += sum(each.earns(0.25, now) for each in world.values()) * EVERY / HOUR
            clock.jump(jumps.get(count, 0.0))
            count += 1
            if count == CYCLES:
                stop.set()
        await parts.close()

    asyncio.run(run())
    return runner, faults, told, most, earned, never


@pytest.mark.parametrize("seed", WEEKS)
def test_a_week_with_all_faults_earns_no_less_than_never_moving_and_keeps_the_laws(seed, tmp_path):
    runner, faults, told, most, earned, never = week(seed, tmp_path / "ledger")
    assert runner.moves and {kind for each in faults.values() for *_, kind in each.windows} >= {"out", "zero", "slow"}
    assert most <= 1.0 + 1e-9
    assert earned - runner.spent >= 0.99 * never
    began = dict.fromkeys({event.fields.get("key") for event in told if event.kind in ONE_ENDS}, 0)
    for event in told:
        if event.kind in ONE_ENDS:
            key = event.fields["key"]
            began[key] += 1 if event.kind == "alert" else -1
            assert began[key] in (0, 1), f"{key}: {event.text}"
    silent = {event.fields["key"] for event in told if event.kind == "alert"}
    for name, each in faults.items():
        long = [begin for begin, end, kind in each.windows if kind == "out" and end - begin >= 1.0]
        assert not long or f"disconnected:{name}" in silent
