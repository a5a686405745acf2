"""The public fake: earns by its curve, and misbehaves exactly as told."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from statistics import fmean, stdev

import pytest

from reallot import EarningsCurve
from reallot.adapters.simulated import SimulatedAdapter
from reallot.engine.contracts.adapter import Capabilities
from reallot.engine.contracts.clock import ManualClock
from reallot.errors import ConfigurationError, ErrorKind, ProtocolError

START = datetime(2026, 1, 1, tzinfo=UTC)


def earnings(adapter):
    return asyncio.run(adapter.get_status()).earnings_per_hour


def kind_of(adapter, share):
    with pytest.raises(ProtocolError) as caught:
        asyncio.run(adapter.apply_allocation(share))
    return caught.value.kind


def test_it_earns_by_number_curve_and_function():
    curve = EarningsCurve.through([(0, 0), (0.5, 1.0)])
    clock = ManualClock(START + timedelta(hours=6))
    for told, value in ((2.0, 1.5), (curve, 1.0), (lambda share, moment: share * moment.hour, 4.5)):
        assert earnings(SimulatedAdapter("a", told, share=0.75, clock=clock)) == value


def test_noise_is_the_same_for_the_same_seed_and_moment_and_keeps_the_mean():
    async def read(seed):
        clock = ManualClock(START)
        adapter = SimulatedAdapter("a", 2.0, share=1.0, clock=clock, noise=0.1, seed=seed)
        found = []
        for _ in range(2000):
            found.append((await adapter.get_status()).earnings_per_hour)
            clock.advance(60.0)
        return found

    def series(seed):
        return asyncio.run(read(seed))

    first = series(1)
    assert first == series(1) != series(2)
    assert abs(fmean(first) - 2.0) < 0.02
    assert abs(stdev(first) - 0.2) < 0.02


def test_in_an_outage_it_does_not_answer():
    clock = ManualClock(START)
    adapter = SimulatedAdapter(
        "a", 1.0, clock=clock, outages=[(START + timedelta(hours=1), START + timedelta(hours=2))]
    )
    assert earnings(adapter) == 0.0
    clock.advance(3600.0)
    with pytest.raises(ProtocolError) as caught:
        earnings(adapter)
    assert caught.value.kind is ErrorKind.UNREACHABLE
    clock.advance(3600.0)
    assert earnings(adapter) == 0.0


def test_a_late_effect_comes_late_and_in_order():
    clock = ManualClock(START)
    adapter = SimulatedAdapter("a", 1.0, clock=clock, late=timedelta(minutes=10))
    asyncio.run(adapter.apply_allocation(0.5))
    clock.advance(60.0)
    asyncio.run(adapter.apply_allocation(0.25))
    asyncio.run(adapter.apply_allocation(0.25))
    seen = []
    for _ in range(4):
        seen.append(asyncio.run(adapter.get_allocation()))
        clock.advance(270.0)
    assert seen == [0.0, 0.0, 0.5, 0.25]
    assert [share for _, share in adapter.changes] == [0.5, 0.25]
    assert adapter.capabilities().delay == timedelta(minutes=10)


def test_it_refuses_what_it_cannot_do():
    can = Capabilities(step=0.25, floor=0.25)
    adapter = SimulatedAdapter("a", 1.0, share=0.5, capabilities=can, refuses=lambda share: share > 0.8)
    for share in (0.0, 0.3, 0.9, 1.5, -0.1, float("nan"), "0.5", None):
        assert kind_of(adapter, share) is ErrorKind.REFUSED
    asyncio.run(adapter.apply_allocation(0.75))
    assert (adapter.share, len(adapter.changes)) == (0.75, 1)
    reader = SimulatedAdapter("a", 1.0, capabilities=Capabilities(acts=False))
    assert kind_of(reader, 0.5) is ErrorKind.REFUSED


@pytest.mark.parametrize(("rate", "share"), [(float("nan"), 0.5), ("much", 0.5), (1.0, 1.5), (1.0, "half")])
def test_a_wrong_one_is_refused_in_words(rate, share):
    with pytest.raises(ConfigurationError, match="a: "):
        SimulatedAdapter("a", rate, share=share)


def test_latency_is_time_on_its_clock():
    clock = ManualClock(START)
    earnings(SimulatedAdapter("a", 1.0, clock=clock, latency=2.0))
    assert clock.monotonic() == 2.0
