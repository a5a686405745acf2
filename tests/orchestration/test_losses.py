"""Losses: they are read as numbers, told once, and given up."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from reallot.runtime.build import remember
from tests.orchestration.played import Played, simulated

pytestmark = pytest.mark.slow


def test_a_protocol_that_begins_to_lose_gives_its_capacity_to_the_others_and_never_takes_any():
    played = Played(
        simulated("steady", 0.5, "rate = 2.0") + simulated("loser", 0.5, "rate = 5.0", 'changes = [["1h", -1.0]]')
    )
    played.go(8)
    assert played.now()["loser"] == pytest.approx(0.0)
    held = [shares["loser"] for at, shares in played.shares if (at - played.shares[0][0]).total_seconds() > 3900.0]
    assert held == sorted(held, reverse=True)


LOSERS = simulated("a", 0.5, "rate = 2.0", 'changes = [["1h", -1.0], ["14h", 1.0]]') + simulated(
    "b", 0.5, "rate = 1.0", 'changes = [["1h", -1.0]]'
)


def test_where_everything_loses_capacity_goes_idle_if_it_may():
    played = Played(LOSERS).go(12)
    assert sum(played.now().values()) == pytest.approx(1.0)  # it may not: the least loser has most
    assert played.now()["b"] > played.now()["a"]
    played = Played(LOSERS, optimizer="allow_idle = true").go(12)
    assert played.now() == pytest.approx({"a": 0.0, "b": 0.0})


@pytest.mark.parametrize(("idle", "share"), [(-1.5, 1.0), (-0.5, 0.0)])
def test_idle_capacity_has_a_rate_of_its_own(idle: float, share: float):
    played = Played(
        simulated("only", 1.0, "rate = 1.0", 'changes = [["1h", -1.0]]'),
        optimizer=f"allow_idle = true\nidle_rate = {idle}",
    ).go(12)
    assert played.now() == pytest.approx({"only": share})


POWER = """[power]
usd_per_kwh = { "00:00" = 0.12, "07:00" = 0.28, "22:00" = 0.12 }
time_zone = "Europe/Berlin"
"""


def test_a_miner_stops_in_the_hours_in_which_its_power_costs_more_than_it_earns():
    played = Played(
        simulated("miner", 1.0, "rate = 0.08", "watts = 350", "step = 0.5"),
        optimizer="allow_idle = true\nmax_allocation_change = 1.0",
        more=POWER,
        every="15m",
    ).go(30)
    for at, shares in played.shares:
        hour = (at.hour + 1) % 24  # Berlin's clock in January
        if 8 <= hour < 22:
            assert shares["miner"] == 0.0
        elif hour not in (7, 22):
            assert shares["miner"] == 1.0
    trends = asyncio.run(played.parts.monitor.get_earnings_trends(30))
    assert {round(total, 6) for _, total in trends} == {round(0.08 - 0.35 * 0.12, 6), round(0.08 - 0.35 * 0.28, 6), 0.0}


def test_power_turns_the_better_gross_into_the_worse_net():
    hungry, frugal = simulated("hungry", 0.5, "rate = 1.0", "watts = 3000"), simulated("frugal", 0.5, "rate = 0.4")
    assert Played(hungry + frugal, more="[power]\nusd_per_kwh = 0.3").go(6).now()["frugal"] == pytest.approx(1.0)
    assert Played(hungry + frugal, more="[power]\nusd_per_kwh = 0.01").go(6).now()["hungry"] == pytest.approx(1.0)


def test_after_a_restart_rates_are_still_known_before_power(tmp_path: Path):
    def begun() -> Played:
        return Played(
            simulated("miner", 1.0, "rate = 0.08", "watts = 350"),
            optimizer="allow_idle = true",
            more="[power]\nusd_per_kwh = 0.2",
            ledger=tmp_path,
        )

    first = begun().go(2)
    first.close()
    second = begun()
    asyncio.run(remember(second.parts))
    second.go(2)
    assert second.now() == pytest.approx({"miner": 1.0})
    [rate] = second.parts.optimizer.rates(second.runner.last.metrics).values()
    assert rate.rate == pytest.approx(0.08)
    second.close()
