"""Recorded tables: the rate at the clock's time, gaps that stay gaps, mistakes named."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from reallot.adapters.replay import ReplayAdapter, replay_adapters
from reallot.engine.contracts.clock import ManualClock
from reallot.errors import ConfigurationError, ErrorKind, ProtocolError

START = datetime(2026, 1, 1, tzinfo=UTC)


def earnings(adapter) -> float | ErrorKind:
    try:
        return asyncio.run(adapter.get_status()).earnings_per_hour
    except ProtocolError as error:
        return error.kind


def test_the_last_rate_stands_until_the_next_and_not_much_longer():
    clock = ManualClock(START - timedelta(hours=1))
    rates = {
        START: 2.0,
        START + timedelta(hours=1): 3.0,
        START + timedelta(hours=2): None,
        START + timedelta(hours=3): 1,
    }
    adapter = ReplayAdapter("relay", rates, share=0.5, clock=clock)
    seen = []
    for _ in range(15):
        seen.append(earnings(adapter))
        clock.advance(1800.0)
    never, gap, over = ErrorKind.NEVER_REPORTED, ErrorKind.TRANSIENT, ErrorKind.UNREACHABLE
    assert seen == [never, never, 1.0, 1.0, 1.5, 1.5, gap, gap, *[0.5] * 5, over, over]


def test_a_change_of_share_is_read_back():
    async def run():
        adapter = ReplayAdapter("relay", {START: 2.0}, clock=ManualClock(START))
        await adapter.apply_allocation(0.25)
        for share in (1.5, float("nan"), "0.5"):
            with pytest.raises(ProtocolError) as caught:
                await adapter.apply_allocation(share)
            assert caught.value.kind is ErrorKind.REFUSED
        return await adapter.get_allocation(), (await adapter.get_status()).earnings_per_hour

    assert asyncio.run(run()) == (0.25, 0.5)


def test_a_file_and_a_frame_and_mappings_are_the_same_recording(tmp_path):
    path = tmp_path / "rates.csv"
    path.write_text("time,relay,disk\n2026-01-01T00:00:00Z,2.0,1.0\n2026-01-01T01:00:00Z,3.0,\n")
    index = pd.date_range(START, periods=2, freq="h")
    frame = pd.DataFrame({"relay": [2.0, 3.0], "disk": [1.0, float("nan")]}, index=index)
    plain = {"relay": {START.timestamp(): 2, START.timestamp() + 3600: 3}, "disk": frame["disk"]}
    for table in (path, str(path), frame, plain):
        for hours, relay, disk in ((0, 1.0, 0.5), (1, 1.5, ErrorKind.TRANSIENT)):
            clock = ManualClock(START + timedelta(hours=hours))
            adapters = replay_adapters(table, shares={"relay": 0.5, "disk": 0.5}, clock=clock)
            assert [earnings(adapters[name]) for name in ("relay", "disk")] == [relay, disk]


def test_a_recording_can_begin_at_another_moment():
    late = START + timedelta(days=300)
    table = {"relay": {START: 1.0, START + timedelta(hours=1): 2.0}, "disk": {START + timedelta(hours=1): 4.0}}
    adapters = replay_adapters(table, shares={"relay": 1.0, "disk": 1.0}, clock=ManualClock(late), start=late)
    assert (earnings(adapters["relay"]), earnings(adapters["disk"])) == (1.0, ErrorKind.NEVER_REPORTED)
    assert adapters["disk"].first == late + timedelta(hours=1)


@pytest.mark.parametrize(
    ("rates", "words"),
    [
        ({}, "nothing is recorded"),
        ([(START, 1.0), (START, 2.0)], "recorded twice"),
        ({datetime(2026, 1, 1): 1.0}, "has no zone; write 2026-01-01T00:00:00Z"),
        ({"noon": 1.0}, "moments and rates"),
        ({START: -1e10}, "at least -1e\\+09 is possible"),
        ({START: "much"}, "moments and rates"),
        ({START: float("inf")}, "finite"),
        (3, "moments and rates"),
    ],
)
def test_a_wrong_recording_is_refused_in_words(rates, words):
    with pytest.raises(ConfigurationError, match=words):
        ReplayAdapter("relay", rates)


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "first line"), ("time,a\n1", "line 2: 1 values"), ("time,a,a\n1,1,1", "twice"), (None, "cannot be read")],
)
def test_a_wrong_file_is_named(tmp_path, text, words):
    path = tmp_path / "rates.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigurationError, match=words) as caught:
        replay_adapters(path)
    assert "rates.csv" in str(caught.value)
    with pytest.raises(ConfigurationError, match="did you mean 'relay'"):
        replay_adapters({"relay": {START: 1.0}}, shares={"realy": 0.5})
