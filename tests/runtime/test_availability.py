"""Hours in which a protocol may hold anything, and a command that says that somebody needs the machine."""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot.cli.main import main
from reallot.engine.contracts.clock import ManualClock
from reallot.engine.contracts.power import PowerCost
from reallot.errors import ConfigurationError
from reallot.runtime.availability import Availability
from reallot.runtime.build import build
from reallot.runtime.config import config_from_text
from reallot.runtime.operation import OperatingRules
from reallot.runtime.runner import Runner

BEGIN = datetime(2026, 3, 1, 20, 0, tzinfo=UTC)
WORLD = """
[coordinator]
every = "10m"
[optimizer]
min_improvement_threshold = 0.01
[reallocation]
mode = "{mode}"
min_hold_duration = "1h"
max_per_hour = 2
[protocols.miner]
adapter = "simulated"
share = {share}
rate = 3.0
{keys}
[protocols.disk]
adapter = "simulated"
share = 0.3
rate = 1.0
[protocols.relay]
adapter = "simulated"
share = 0.2
rate = 0.9
"""
NIGHT = 'hours = ["22:00-07:00"]'


def played(keys: str, hours: float, mode: str = "automatic", share: float = 0.5, begin: datetime = BEGIN):
    """[(time, {protocol: share}), ...] after each cycle, and all that was told."""
    config = config_from_text(WORLD.format(keys=keys, mode=mode, share=share))
    clock, told = ManualClock(begin), []
    parts = build(config, simulate=True, clock=clock)
    runner = Runner(parts, told.append)

    async def run():
        found = []
        async for _ in runner.cycles(asyncio.Event(), begin + timedelta(hours=hours)):
            shares = {name: adapter.share for name, adapter in parts.coordinator.adapters.items()}
            found.append((clock.now(), shares))
        await parts.close()
        return found

    return asyncio.run(run()), told


@pytest.mark.slow
def test_outside_of_its_hours_it_gives_up_all_at_once_and_holds_nothing():
    found, told = played(NIGHT, 2.0)  # from 20:00 to 22:00
    assert all(shares["miner"] == 0.0 for at, shares in found if at.hour < 22)
    assert sum(found[0][1].values()) == pytest.approx(0.5)  # the rest keep what they have
    text = " ".join(event.text for event in told)
    assert "miner 0.50 -> 0.00" in text
    assert text.count("miner 0.50 -> 0.00") == 1


@pytest.mark.slow
def test_what_was_given_up_goes_to_the_others_and_comes_back_in_its_hours():
    keys = 'hours = ["20:00-20:30", "22:00-07:00"]'  # read a few times before it goes
    found, _ = played(keys, 14.0)  # to 10:00 of the next day
    by_time = dict(found)
    before, after = BEGIN + timedelta(hours=13, minutes=50), BEGIN + timedelta(hours=10, minutes=50)
    assert sum(by_time[before].values()) > 0.5
    assert by_time[before]["miner"] == 0.0
    assert by_time[after]["miner"] > 0.5
    morning = [shares["miner"] for at, shares in found if BEGIN + timedelta(hours=11) <= at]
    assert morning and set(morning) == {0.0}
    assert all(sum(shares.values()) <= 1.0 + 1e-9 for _, shares in found)


@pytest.mark.slow
def test_rests_and_hourly_limits_do_not_hold_up_giving_way():
    keys = 'hours = ["19:00-20:30"]'  # it is still given more at 20:00, and rests until 21:00
    found, _ = played(keys, 1.0, share=0.3)
    by_time = dict(found)
    assert by_time[BEGIN]["miner"] > 0.3
    assert by_time[BEGIN + timedelta(minutes=30)]["miner"] == 0.0


@pytest.mark.slow
def test_advice_says_what_would_be_given_up_and_why():
    found, told = played(NIGHT, 1.0, mode="advise")
    assert all(shares["miner"] == 0.5 for _, shares in found)
    advice = [event for event in told if event.kind == "advice"]
    assert len(advice) == 1
    assert "miner 0.50 -> 0.00" in advice[0].text
    assert "outside of its hours (22:00-07:00, UTC)" in str(advice[0].fields["reasons"])


def test_a_share_that_limits_hold_stays():
    config = config_from_text(WORLD.format(keys=NIGHT, mode="automatic", share=0.5) + "[limits]\nheld = ['miner']\n")
    parts = build(config, simulate=True, clock=ManualClock(BEGIN))
    runner = Runner(parts, lambda event: None)

    async def run():
        await runner.cycle()
        share = parts.coordinator.adapters["miner"].share
        await parts.close()
        return share

    assert asyncio.run(run()) == 0.5


@pytest.mark.slow
def test_hours_are_those_of_the_clock_on_the_wall_of_their_zone():
    keys = 'hours = ["15:00-15:30", "22:00-07:00"]\ntime_zone = "America/New_York"'  # 20:00 UTC is 15:00 there
    found, _ = played(keys, 9.0)
    held = [at for at, shares in found if shares["miner"] > 0.0 and at >= BEGIN + timedelta(minutes=30)]
    assert min(held) == datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
    night = '[power]\nusd_per_kwh = 0.0\ntime_zone = "America/New_York"\n'
    config = config_from_text(night + WORLD.format(keys=NIGHT, mode="advise", share=0.5))
    assert not config.protocols["miner"].operation.is_open(datetime(2026, 3, 2, 2, 0, tzinfo=UTC), "America/New_York")


# A command that says that somebody is busy


def busy_while(path: Path) -> str:
    """A command that ends with 0 while a file is there."""
    code = f"import pathlib, sys; sys.exit(not pathlib.Path({str(path)!r}).exists())"
    return f"busy_command = {[sys.executable, '-c', code]!r}"


@pytest.mark.slow
def test_it_gives_way_while_the_command_ends_with_0_and_comes_back_after(tmp_path, caplog):
    there = tmp_path / "playing"
    config = config_from_text(WORLD.format(keys=busy_while(there), mode="automatic", share=0.5))
    clock = ManualClock(BEGIN)
    parts = build(config, simulate=True, clock=clock)
    runner, shares = Runner(parts, lambda event: None), []
    caplog.set_level("INFO")

    async def run():
        for cycle in range(28):
            if cycle == 4:
                there.touch()
            if cycle == 8:
                there.unlink()
            await runner.cycle()
            shares.append(parts.coordinator.adapters["miner"].share)
            clock.advance(600.0)
        await parts.close()

    asyncio.run(run())
    assert shares[3] >= 0.5
    assert shares[4:8] == [0.0] * 4
    assert shares[-1] > 0.0
    told = [record.getMessage() for record in caplog.records if record.name.endswith("availability")]
    assert len(told) == 2
    assert "miner may hold nothing now" in told[0]
    assert "miner may hold capacity again" in told[1]


@pytest.mark.slow
def test_a_command_that_cannot_be_run_is_told_once_and_says_nothing(caplog):
    keys = 'busy_command = ["./there-is-no-such-program"]'
    found, _ = played(keys, 1.0)
    assert all(shares["miner"] >= 0.5 for _, shares in found)
    told = [record for record in caplog.records if "busy_command cannot be asked" in record.getMessage()]
    assert len(told) == 1


@pytest.mark.slow
def test_check_asks_the_command_too(tmp_path, capsys):
    path = tmp_path / "config.toml"
    path.write_text(WORLD.format(keys='busy_command = ["./none"]', mode="advise", share=0.5))
    assert main(["check", str(path)]) == 3
    out = " ".join(capsys.readouterr().out.split())
    assert "busy_command" in out
    path.write_text(WORLD.format(keys=busy_while(tmp_path), mode="advise", share=0.5))
    assert main(["check", str(path)]) == 0
    assert "may hold nothing now" in " ".join(capsys.readouterr().out.split())


# What may be written


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ('hours = "22:00-07:00"', "hours: it must be a list"),
        ("hours = []", "hours"),
        ('hours = ["22-07"]', 'hours[0]: a stretch of the day is written "22:00-07:00"'),
        ('hours = ["25:00-07:00"]', "hours[0]: a stretch of the day"),
        ('hours = ["07:00-24:30"]', "hours[0]: a stretch of the day"),
        ('hours = ["07:00-07:00"]', "hours[0]: a stretch of the day"),
        ('time_zone = "Europe/Berlim"', "time_zone: no such zone"),
        ('busy_command = "./plays"', "busy_command: it must be a list"),
        ("busy_command = []", "busy_command"),
        ('hour = ["22:00-07:00"]', "did you mean 'hours'?"),
    ],
)
def test_what_cannot_be_is_refused_with_its_key(keys, told):
    with pytest.raises(ConfigurationError) as caught:
        config_from_text(WORLD.format(keys=keys, mode="advise", share=0.5))
    assert told in str(caught.value)
    assert "[protocols.miner]" in str(caught.value)


@given(
    begins=st.integers(0, 1439),
    ends=st.integers(0, 1440),
    moment=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]),
)
def test_it_is_open_from_the_first_minute_to_before_the_last_by_the_clock_on_the_wall(begins, ends, moment, zone):
    if begins == ends:
        return
    text = f"{begins // 60:02}:{begins % 60:02}-{ends // 60:02}:{ends % 60:02}"
    wall = moment.astimezone(ZoneInfo(zone))
    now = 60 * wall.hour + wall.minute
    inside = {each % 1440 for each in range(begins, ends if ends > begins else ends + 1440)}
    assert OperatingRules(hours=[text], time_zone=zone).is_open(moment, "UTC") == (now in inside)
    assert OperatingRules(hours=[text]).is_open(moment, zone) == (now in inside)


def test_a_command_that_hangs_keeps_no_poll_waiting_and_the_others_are_heard(tmp_path):
    operations = {
        "hangs": OperatingRules(busy_command=["sleep", "60"]),
        "plays": OperatingRules(busy_command=["true"]),
        "idle": OperatingRules(busy_command=["false"]),
    }

    async def run():
        availability = Availability(operations, "UTC", ManualClock(BEGIN))
        began = time.monotonic()
        for _ in range(2):  # the one that hangs is not begun twice
            assert await availability.look(timedelta(seconds=0.5)) == {}
        assert set(availability.away()) == {"plays"}
        await availability.close()
        assert time.monotonic() - began < 30.0
        return len(asyncio.all_tasks())

    assert asyncio.run(run()) == 1


@pytest.mark.parametrize(("month", "day", "ends"), [(3, 28, 6), (3, 29, 5), (10, 24, 5), (10, 25, 6)])
def test_hours_and_prices_follow_the_clock_on_the_wall_where_it_changes(month: int, day: int, ends: int):
    """Berlin's clock goes from 02:00 to 03:00 on 29 March 2026, and back an hour on 25 October."""
    night, zone = OperatingRules(hours=["22:00-07:00"]), "Europe/Berlin"
    power = PowerCost({"miner": 1000.0}, (0, 420), (0.12, 0.28), ZoneInfo(zone))
    end = datetime(2026, month, day, ends, tzinfo=UTC)
    before = end - timedelta(minutes=1)
    assert [night.is_open(at, zone) for at in (before, end)] == [True, False]
    assert [power.rate("miner", at) for at in (before, end)] == [0.12, 0.28]
