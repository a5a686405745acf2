"""Sources that fall silent while they answer: a value that grows old, or is frozen, is told before it lasts an hour."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest

from reallot.engine.contracts.clock import ManualClock
from reallot.engine.contracts.configs import MonitorConfig
from reallot.engine.contracts.records import ProtocolStatus
from reallot.orchestration.coordinator import ProtocolCoordinator
from reallot.orchestration.monitor import RealtimeMonitor
from tests.orchestration.worlds import START


class Spoken:
    """A source that says what these functions of the minutes since the start give: earnings, and their own time."""

    def __init__(
        self, clock: ManualClock, value: Callable[[float], float], stamp: Callable[[float], float] | None
    ) -> None:
        self.clock, self.value, self.stamp = clock, value, stamp

    async def get_status(self) -> ProtocolStatus:
        minutes = (self.clock.now() - START).total_seconds() / 60.0
        said = None if self.stamp is None else START + timedelta(minutes=self.stamp(minutes))
        return ProtocolStatus(
            protocol="it",
            connected=True,
            earnings_per_hour=self.value(minutes),
            allocation=0.5,
            observed_at=self.clock.now(),
            source_time=said,
        )

    async def get_allocation(self) -> float:
        return 0.5

    async def apply_allocation(self, share: float) -> None:
        raise AssertionError("nobody asks it for a share")


def told(
    every: float,
    hours: float,
    value: Callable[[float], float],
    stamp: Callable[[float], float] | None = None,
    jumps: Mapping[float, float] | None = None,
) -> list[tuple[str, float]]:
    """Kinds of alerts that began, with their minute; the wall clock `jumps` by so many seconds at a minute."""
    clock = ManualClock(START)
    coordinator, found = ProtocolCoordinator(clock=clock), list[tuple[str, float]]()
    coordinator.register_adapter("it", Spoken(clock, value, stamp))
    monitor = RealtimeMonitor(MonitorConfig(low_earnings_threshold=None), clock=clock)

    async def run() -> None:
        while (minutes := (clock.now() - START).total_seconds() / 60.0) < 60.0 * hours:
            alerts = await monitor.check_alerts(await coordinator.poll_all(), [])
            found.extend((alert.key.partition(":")[0], minutes) for alert in alerts if alert.recovered_at is None)
            clock.advance(60.0 * every)
            clock.jump((jumps or {}).get(minutes, 0.0))

    asyncio.run(run())
    return found


def wavers(minutes: float) -> float:
    return 2.0 + (7.0 * minutes % 11.0) / 50.0


@pytest.mark.parametrize("every", [1, 5, 10, 20, 30])
@pytest.mark.parametrize("stops", [0, 180])
def test_a_value_whose_own_time_stands_still_is_told_within_the_hour(every, stops):
    [(kind, at), *more] = told(every, 6, wavers, lambda minutes: min(minutes, stops))
    assert kind == "stale" and stops < at <= stops + 60 + (every if stops else 0) and not more


@pytest.mark.parametrize("by", [86_400.0, 7200.0])
def test_a_clock_that_jumped_ahead_does_not_make_a_source_slow(by):
    """No time passed while the clock jumped, so the gap between two of the source's times is none of its own."""
    ahead = by / 60.0
    stops = 300 + 2 * ahead
    found = told(10, (stops + 120) / 60, wavers, lambda minutes: min(minutes, stops), {100: by, 200 + ahead: by})
    [late] = [at for kind, at in found if kind == "stale"]
    assert stops < late <= stops + 60


@pytest.mark.parametrize("rests", [1, 15, 30, 60])
def test_a_source_that_changes_its_value_every_so_often_is_late_when_it_did_not(rests):
    """A value that is stamped once an hour is no alert from its second hour on, and is late half an hour after that."""
    stops = 600
    found = told(5, 14, wavers, lambda minutes: rests * (min(minutes, stops) // rests))
    late = [at for kind, at in found if kind == "stale" and at > 120]
    assert len(late) == 1 and stops < late[0] <= stops + 60 + rests
    assert len(found) <= (3 if rests == 60 else 1)


@pytest.mark.parametrize(("every", "stops"), [(1, 605), (5, 601), (10, 600), (10, 1205)])
def test_earnings_that_changed_at_every_poll_and_are_frozen_are_told_within_the_hour(every, stops):
    found = told(every, stops / 60 + 5, lambda minutes: wavers(min(minutes, stops)))
    [(kind, at)] = found
    assert kind == "flat" and stops < at <= stops + 60


@pytest.mark.parametrize("hours", [1, 3])
def test_posted_rates_that_change_every_so_often_are_no_alert(hours):
    """They stand exactly still between two postings, one of them for twice as long, for five days."""

    def posting(minutes: float) -> float:
        number = minutes // 60 // hours
        return 2.0 + 0.01 * (number - (number == 31))

    assert told(30, 120, posting) == []


def test_a_constant_rate_is_never_an_alert():
    assert told(30, 120, lambda minutes: 2.0) == []


def test_a_source_that_is_quiet_at_night_is_told_once_at_most():
    """It changes at every poll by day, and stands still for eight hours of each night."""
    found = told(20, 24 * 4, lambda minutes: wavers(minutes if minutes % 1440 < 960 else minutes // 1440 * 1440 + 960))
    assert [kind for kind, _ in found] == ["flat"] and found[0][1] < 1440
