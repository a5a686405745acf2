"""A wall clock that is years ahead, or goes back: nothing is forgotten, sums go on, alerts and reports stay true."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reallot.cli.main import main
from reallot.engine.contracts.clock import ManualClock
from reallot.engine.contracts.configs import MonitorConfig
from reallot.engine.ledger.folder import open_ledger
from reallot.engine.ledger.history import History, samples_of
from reallot.orchestration.monitor import RealtimeMonitor
from reallot.runtime.build import build, remember
from reallot.runtime.config import config_from_text
from reallot.runtime.runner import Runner
from tests.orchestration.polls import poll
from tests.pair import PAIR

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
YEARS = timedelta(days=1096)
ALWAYS = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
CONFIG = """
[reallocation]
mode = "automatic"
[coordinator]
every = "10m"
[monitor]
low_earnings_threshold = 0.0
""" + PAIR.replace("3.0", "1.0")


def ran(folder, at, cycles, told=None, jumps=()):
    """An engine on this ledger for so many cycles from that moment on; `jumps`: seconds by the number of a cycle."""
    clock = ManualClock(at)
    parts = build(config_from_text(CONFIG), ledger=folder, clock=clock)

    async def run():
        await remember(parts)
        runner, stop, count = Runner(parts, ([] if told is None else told).append), asyncio.Event(), 0
        async for _ in runner.cycles(stop):
            clock.jump(dict(jumps).get(count, 0.0))
            count += 1
            if count == cycles:
                stop.set()
        if (summing_up := runner._writer._rolling) is not None:
            await summing_up  # no cycle waits for it, and closing would end it halfway on a busy machine
        await parts.close()

    asyncio.run(run())
    return parts


def kept(folder):
    """Raw readings and hours of the ledger, by protocol and time."""
    history = History(folder / "history.db", read_only=True)
    try:
        return history.samples(*ALWAYS, "relay"), history.hours(*ALWAYS, "relay")
    finally:
        history.close()


def test_one_start_three_years_ahead_forgets_nothing(tmp_path):
    folder = tmp_path / "ledger"
    ran(folder, START, 30)
    before = {each.at for each in kept(folder)[0]}
    ran(folder, START + YEARS, 3)
    after, hours = kept(folder)
    assert before <= {each.at for each in after} and len(after) == 33
    assert [each.at for each in hours] == [START + timedelta(hours=each) for each in range(5)]


def test_hourly_sums_go_on_after_readings_from_the_future(tmp_path):
    folder = tmp_path / "ledger"
    ran(folder, START, 6)
    ran(folder, START + YEARS, 20)  # with hours of the future
    ran(folder, START + YEARS + timedelta(days=2), 1)  # which are summed up
    ran(folder, START + timedelta(hours=1), 18)
    ran(folder, START + timedelta(days=2), 1)
    raw, hours = kept(folder)
    assert [each.at for each in hours if each.at < START + timedelta(days=3)] == [
        START + timedelta(hours=each) for each in range(4)
    ]
    assert all(each.samples == 6 for each in hours[:4])
    assert len(raw) == 6 + 20 + 1 + 18 + 1


def test_a_restart_is_told_of_readings_from_the_future_and_learns_from_none(tmp_path):
    folder = tmp_path / "ledger"
    ran(folder, START, 6)
    assert not ran(folder, START + timedelta(hours=1), 1).notes
    ran(folder, START + YEARS, 6)
    parts = ran(folder, START + timedelta(hours=2), 1)
    [note] = parts.notes
    assert "up to 2029-03-01 12:50 UTC are from the future" in note
    assert all(each.at < START + timedelta(days=1) for each in parts.monitor._snapshots)


def test_a_clock_that_jumps_while_it_runs_is_told_once_each_time(tmp_path):
    told = []
    ran(tmp_path / "ledger", START, 40, told, {5: YEARS.total_seconds(), 20: -YEARS.total_seconds()})
    lines = [each.text for each in told if each.kind == "clock"]
    assert ["1096d ahead" in lines[0], "1096d back" in lines[1], len(lines)] == [True, True, 2]
    assert len(kept(tmp_path / "ledger")[0]) == 40


def test_two_weeks_of_readings_are_kept_and_older_ones_give_way_to_as_many_newer():
    history = History()
    for hour in range(24 * 20):
        at = START + timedelta(hours=hour)
        history.add(samples_of(at, {"relay": 1.0}, {"relay": 0.5}, {"relay": True}))
    history.roll_up(START + timedelta(days=20), None, None)
    raw = history.samples(*ALWAYS)
    assert min(each.at for each in raw) == START + timedelta(days=6) and len(history.hours(*ALWAYS)) == 24 * 20
    history.roll_up(START + timedelta(days=900), None, None)
    assert history.samples(*ALWAYS) == raw and len(history.hours(*ALWAYS)) == 24 * 20


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0, 0, 0, -3 * 86_400, 400 * 86_400, -400 * 86_400, 7_200, -7_200]), st.booleans()),
        min_size=5,
        max_size=40,
    )
)
def test_however_the_clock_jumps_every_whole_hour_is_summed_and_no_reading_is_lost(steps):
    history, now, times = History(), START, set()
    for jump, rolls in steps:
        now += timedelta(minutes=25, seconds=jump)
        history.add(samples_of(now, {"relay": 1.0}, {"relay": 0.5}, {"relay": True}))
        times.add(now)
        if rolls:
            history.roll_up(now, None, None)
    history.roll_up(now, None, None)
    assert {each.at for each in history.samples(*ALWAYS)} == times
    whole = {at.replace(minute=0) for at in times if at.replace(minute=0) < now.replace(minute=0)}
    assert whole <= {each.at for each in history.hours(*ALWAYS)}


def test_a_report_ends_now_and_says_what_it_leaves_out(tmp_path, capsys):
    folder, now = tmp_path / "ledger", datetime.now(UTC)
    ledger = open_ledger(folder)
    for minutes in range(0, 300, 10):
        at = now - timedelta(minutes=300 - minutes)
        ledger.history.add(samples_of(at, {"relay": 1.0}, {"relay": 0.5}, {"relay": True}))
    ledger.history.add(samples_of(now + YEARS, {"relay": 9.0}, {"relay": 0.5}, {"relay": True}))
    ledger.close()
    assert main(["report", "--ledger", str(folder), "--since", "4h", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert datetime.fromisoformat(found["period_end"]) == now - timedelta(minutes=10)
    assert found["total_earnings"] == pytest.approx(4.0, rel=0.01)
    assert any("from the future" in note and "not counted" in note for note in found["notes"])
    assert main(["report", "--ledger", str(folder)]) == 0
    assert "from the future" in capsys.readouterr().out
    assert main(["status", "--ledger", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["last_reading"] == (now - timedelta(minutes=10)).isoformat()


def test_who_does_not_answer_is_told_also_after_the_clock_went_back():
    """Silent since a moment that is in the future now: the hour counts from now on."""
    monitor = RealtimeMonitor(MonitorConfig(connection_timeout="5m", low_earnings_threshold=None))

    async def check(minute, up):
        metrics = poll({"relay": 1.0}, {"relay": 0.5}, minute)
        metrics = metrics.model_copy(update={"connection_status": {"relay": up}})
        return [each.key for each in await monitor.check_alerts(metrics, [])]

    async def run():
        ahead = 60 * 24 * 1000
        told = [await check(ahead, True), await check(ahead + 1, False)]
        return told + [await check(minute, False) for minute in range(0, 30, 2)]

    told = asyncio.run(run())
    assert ["disconnected:relay"] in told[2:9]


def test_an_alert_of_the_future_does_not_silence_the_same_one_now():
    monitor = RealtimeMonitor(MonitorConfig(low_earnings_threshold=5.0, mute="1h"))

    async def check(minute, earned):
        return await monitor.check_alerts(poll({"relay": earned}, {"relay": 0.5}, minute), [])

    async def run():
        ahead = 60 * 24 * 1000
        await check(ahead, 1.0)
        for minute in range(1, 10):
            await check(ahead + minute, 20.0)
        return [each.key for minute in range(5) for each in await check(minute, 1.0)]

    assert asyncio.run(run()) == ["low_earnings"]
