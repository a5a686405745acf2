"""Reports over more time than single readings are kept: hourly means add to them what an integral of readings would."""

from __future__ import annotations

import asyncio
import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reallot.cli.main import main
from reallot.engine.contracts.configs import MonitorConfig
from reallot.engine.ledger.folder import open_ledger
from reallot.engine.ledger.history import History, Hour, samples_of
from reallot.engine.monitoring.hourly import by_hour, together
from reallot.engine.monitoring.report import integral
from reallot.orchestration.monitor import RealtimeMonitor
from reallot.runtime.restore import polls

AT = datetime(2026, 3, 1, tzinfo=UTC)
HOUR, MINUTE, DAY = timedelta(hours=1), timedelta(minutes=1), timedelta(days=1)


def hour(number, earnings, *, name="relay", samples=60, up=1.0, measured=None, seconds=None):
    """An hour that was polled once a minute."""
    measured = up if measured is None else measured
    seconds = 60.0 * (samples - 1) if seconds is None else seconds
    return Hour(name, AT + number * HOUR, earnings, 0.5, None, None, samples, up, measured, seconds)


def test_an_hour_is_its_mean_for_an_hour():
    found = by_hour([hour(0, 2.0), hour(1, 4.0), hour(1, 1.0, name="storage")], AT, AT + 2 * HOUR)
    assert found.by_protocol == pytest.approx({"relay": 6.0, "storage": 1.0})
    assert (found.total, found.covered, found.gaps) == (pytest.approx(7.0), pytest.approx(7200.0), [])


def test_where_the_period_begins_or_ends_within_an_hour_it_counts_in_proportion():
    found = by_hour([hour(0, 2.0), hour(1, 4.0)], AT + 45 * MINUTE, AT + HOUR + 15 * MINUTE)
    assert (found.total, found.covered) == (pytest.approx(0.5 + 1.0), pytest.approx(1800.0))
    assert by_hour([hour(0, 2.0)], AT + HOUR, AT + 2 * HOUR).covered == 0.0


def test_an_hour_that_was_seen_in_part_counts_in_part():
    alone = by_hour([hour(0, 6.0, samples=20)], AT, AT + HOUR)
    assert (alone.total, alone.covered) == (pytest.approx(2.0), pytest.approx(1200.0))
    # first and last readings are an hour apart, and forty minutes between them are missing
    holed = [hour(0, 6.0), hour(1, 6.0, samples=20, seconds=3540.0), hour(2, 6.0)]
    assert by_hour(holed, AT, AT + 3 * HOUR).covered == pytest.approx(2 * 3600.0 + 1200.0)
    # readings further apart from some hour on are no holes
    slower = [hour(0, 6.0), hour(1, 6.0), *(hour(n, 6.0, samples=12, seconds=3300.0) for n in (2, 3, 4))]
    assert by_hour(slower, AT, AT + 5 * HOUR).covered == pytest.approx(5 * 3600.0)
    hourly = [hour(n, 6.0, samples=1) for n in range(3)]
    assert by_hour(hourly, AT, AT + 3 * HOUR).total == pytest.approx(18.0)


def test_what_did_not_answer_is_not_earned_and_what_was_carried_is_said():
    found = by_hour([hour(0, 2.0, up=0.5), hour(0, 3.0, name="storage"), hour(1, None, up=0.0)], AT, AT + 2 * HOUR)
    assert found.by_protocol == pytest.approx({"relay": 1.0, "storage": 3.0})
    assert found.carried == pytest.approx(1.0)
    assert found.up == pytest.approx({"relay": 1800.0, "storage": 3600.0})
    # it answered, and said nothing of its earnings for a quarter of the hour
    assert by_hour([hour(0, 2.0, measured=0.75)], AT, AT + HOUR).total == pytest.approx(1.5)


def test_hours_without_a_reading_are_gaps():
    found = by_hour([hour(0, 2.0), hour(5, 2.0)], AT, AT + 7 * HOUR)
    assert found.gaps == [(AT + HOUR, AT + 5 * HOUR), (AT + 6 * HOUR, AT + 7 * HOUR)]
    assert by_hour([], AT, AT + HOUR).gaps == []


def readings(minutes, every=1):
    """Two protocols; one of them is down in the small hours, and the engine itself for some of another."""
    for minute in range(0, minutes, every):
        at = AT + minute * MINUTE
        hours = minute / 60.0
        if 30.2 < hours < 31.7:
            continue
        up = not 2.25 < hours % 24.0 < 3.5
        earned = {"relay": 2.0 + math.sin(hours / 3.0), "storage": 1.0 + hours / 100.0}
        yield samples_of(at, earned, {"relay": 0.6, "storage": 0.4}, {"relay": True, "storage": up})


def snapshots_of(metrics):
    monitor = RealtimeMonitor(MonitorConfig(max_snapshots=10**6))
    for each in metrics:
        asyncio.run(monitor.update_snapshot(each))
    return monitor._snapshots


@pytest.mark.slow
@pytest.mark.parametrize("every", [1, 5, 7])
def test_hourly_means_add_up_to_what_the_readings_did(every: int):
    history, end = History(), AT + 2 * DAY
    for samples in readings(2 * 24 * 60 + 1, every):
        history.add(samples)
    snapshots = snapshots_of(polls(history, AT, end + MINUTE))
    exact = integral(snapshots, AT, end)
    history.roll_up(end)
    found = by_hour(history.hours(AT, end), AT, end)
    for name, earned in exact.by_protocol.items():
        assert found.by_protocol[name] == pytest.approx(earned, rel=0.003 * every)
    assert found.covered == pytest.approx(exact.covered, rel=0.003 * every)
    assert found.carried == pytest.approx(exact.carried, rel=0.05 * every)
    for name, up in exact.up.items():
        assert found.up[name] == pytest.approx(up, rel=0.003 * every)
    # any cut into an older part by the hour and a newer one by readings: neither twice nor not at all
    for cut in (AT + 5 * HOUR, AT + 17 * HOUR + 23 * MINUTE, AT + 31 * HOUR):
        newer = [each for each in snapshots if each.at >= cut]
        until = newer[0].at.replace(minute=0) + HOUR
        after = sum(each.at < until for each in newer)
        older = by_hour(history.hours(AT, end), AT, newer[0].at, after=after)
        both = together(older, integral(newer, AT, end))
        assert both.total == pytest.approx(exact.total, rel=0.003 * every)
        assert both.covered == pytest.approx(exact.covered, rel=0.003 * every)


def test_a_monitor_says_from_when_on_it_is_by_the_hour():
    monitor = RealtimeMonitor(MonitorConfig())
    history = History()
    for samples in readings(121):
        history.add(samples)

    async def whole():
        for metrics in polls(history, AT + 90 * MINUTE, AT + 3 * HOUR):
            await monitor.update_snapshot(metrics)
        with_nothing_older = await monitor.generate_report(AT, AT + 2 * HOUR)
        history.roll_up(AT + 2 * HOUR)
        monitor.remember_hours(history.hours(AT, AT + 3 * HOUR))
        return with_nothing_older, await monitor.generate_report(AT, AT + 2 * HOUR)

    half, found = asyncio.run(whole())
    assert (half.covered, half.hourly_before) == (pytest.approx(0.25), None)
    assert (found.covered, found.hourly_before) == (pytest.approx(1.0), AT + 90 * MINUTE)
    assert found.notes[0].startswith("before 2026-03-01T01:30:00+00:00 by the hour")
    assert found.total_earnings == pytest.approx(2.0 * 3.0, rel=0.2)


@pytest.mark.slow
def test_a_report_reaches_back_behind_the_readings_that_are_kept(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    days, every = 20, 10
    ledger = open_ledger(tmp_path / "books")
    whole = History()
    for samples in readings(days * 24 * 60 + 1, every):
        ledger.history.add(samples)
        whole.add(samples)
    end = AT + days * DAY
    exact = integral(snapshots_of(polls(whole, AT, end + MINUTE)), AT, end)
    ledger.history.roll_up(end)
    assert min(each.at for each in ledger.history.samples(AT, end)) == AT + 6 * DAY
    ledger.close()
    arguments = ["report", "--since", f"{days}d", "--ledger", str(tmp_path / "books")]
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["total_earnings"] == pytest.approx(exact.total, rel=0.002)
    assert found["covered"] == pytest.approx(exact.covered / (end - AT).total_seconds(), rel=0.002)
    assert found["hourly_before"] == "2026-03-07T00:00:00Z"
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "Note: before 2026-03-07T00:00:00+00:00 by the hour" in out
    assert "relay    0.600  0.600" in out
    # a period for which single readings are kept is not touched by hours
    assert main(["report", "--since", "10d", "--ledger", str(tmp_path / "books"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["hourly_before"] is None
