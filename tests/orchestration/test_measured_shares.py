"""Shares that are measured, rounded, or changed by somebody else."""

from __future__ import annotations

import asyncio
import random

import pytest

from reallot.engine.contracts.records import AllocationPlan
from tests.orchestration.playing import HEAD, Play, simulated

TWO = simulated("a", 0.6, "rate = 0.2") + simulated("b", 0.4, "rate = 0.6")


def read_as(played: Play, name: str, told) -> None:
    """What is read of a share from now on."""
    adapter = played.adapters[name]
    status = type(adapter).get_status

    async def get_allocation() -> float:
        return told(adapter.share)

    async def get_status():
        return (await status(adapter)).model_copy(update={"allocation": told(adapter.share)})

    adapter.get_allocation, adapter.get_status = get_allocation, get_status


@pytest.mark.parametrize("where", ["[reallocation]\nshare_tolerance = 0.002\n", ""])
def test_noise_of_readings_halts_nothing_and_moves_nothing_but_what_pays(where: str):
    own = () if where else ("share_tolerance = 0.002",)
    tables = simulated("a", 0.6, "rate = 0.2", *own) + simulated("b", 0.4, "rate = 0.6", *own)
    played, dice = Play(tables, head=HEAD + where), random.Random(1)
    for name in "ab":
        read_as(played, name, lambda share: min(max(share + dice.uniform(-5e-4, 5e-4), 0.0), 1.0))
    played.go(5)
    assert played.now()["b"] > 0.99 and played.changes("a") <= 4
    assert not played.parts.engine.journal.halted() and not played.of("alert")
    assert played.most <= 1.0 + 1e-3


def test_noise_beyond_the_tolerance_halts_nothing_either():
    played, dice = Play(TWO), random.Random(2)
    for name in "ab":
        read_as(played, name, lambda share: min(max(share + dice.uniform(-5e-4, 5e-4), 0.0), 1.0))
    played.go(3)
    assert not played.parts.engine.journal.halted()
    played.assert_alerts_begin_and_end_in_turn()


@pytest.mark.parametrize("size", [0.0001, 0.0015])
def test_a_change_smaller_than_shares_are_measured_by_is_not_asked_for(size: float):
    """Whether it was made could not be told, and a move that was made would be put back for it."""
    head = HEAD + "[reallocation]\nshare_tolerance = 0.002\n"
    tables = TWO + simulated("c", 0.0, "rate = 0.5")
    played = Play(tables, head=head)
    engine, adapters = played.parts.engine, played.adapters
    read_as(played, "c", lambda share: share + 0.0005 if share else 0.0)
    plan = AllocationPlan(
        id="by-hand",
        created_at=played.parts.clock.now(),
        allocation={"a": 0.4 - size, "b": 0.6, "c": size},
        current={"a": 0.6, "b": 0.4, "c": 0.0},
        estimated_improvement=1.0,
        estimated_cost=0.0,
        net_benefit=24.0,
        roi_percent=0.0,
        confidence=None,
    )
    asyncio.run(engine.execute_reallocation(plan, adapters))
    assert played.now() == pytest.approx({"a": 0.4 - size, "b": 0.6, "c": 0.0}) and played.changes("c") == 0


def test_shares_in_whole_percent_that_sum_to_a_little_more_than_all_are_planned_with():
    third = 1.0 / 3.0
    tables = "".join(simulated(name, third, f"rate = {rate}") for name, rate in (("a", 0.1), ("b", 0.5), ("c", 0.6)))
    played = Play(tables, head=HEAD + "[reallocation]\nshare_tolerance = 0.005\n")
    for name in "ab":
        read_as(played, name, lambda share: round(share + 0.002, 2))  # 0.34 + 0.34 + 0.33
    read_as(played, "c", lambda share: round(share, 2))
    played.go(3)
    assert played.now()["a"] < 0.02 and played.now()["c"] > 0.6
    assert not played.of("alert")


def test_a_share_within_its_tolerance_of_a_limit_meets_it():
    tables = simulated("a", 0.2, "rate = 3.0", "max_share = 0.2") + simulated("b", 0.8, "rate = 1.0")
    played = Play(tables, head=HEAD + "[reallocation]\nshare_tolerance = 0.002\n")
    read_as(played, "a", lambda share: share + 5e-4)
    played.go(1)
    assert played.of("move") == [] == played.of("alert")


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["adopt", "stop"])
def test_what_somebody_keeps_changing_is_put_back_twice_an_hour_and_then_told(policy: str):
    head = HEAD + f'[reallocation]\nkeeps_drifting = "{policy}"\n'
    played = Play(simulated("a", 0.6, "rate = 0.5") + simulated("b", 0.4, "rate = 0.5"), head=head)

    def somebody(play: Play) -> None:
        play.adapters["b"]._share = 0.3

    played.go(6, somebody)
    if policy == "stop":
        assert played.alerts("halted") == 1 and "somebody else keeps changing b" in played.parts.engine.journal.halted()
        assert played.changes("b") == 2
        return
    assert (played.alerts("drift:b"), played.ends("drift:b")) == (1, 1)  # it rests, as nobody puts it back
    assert played.changes("b") <= 3 and played.now()["b"] == pytest.approx(0.3)
    played.assert_alerts_begin_and_end_in_turn()


@pytest.mark.slow
def test_interest_that_accrues_is_written_seldom_and_told_once():
    """10 % a year, read every five minutes."""
    played = Play(simulated("a", 0.5, "rate = 0.5") + simulated("b", 0.4, "rate = 0.5"))

    def accrue(play: Play) -> None:
        play.adapters["b"]._share *= 1.0 + 0.1 / (365 * 24 * 12)

    played.go(24, accrue)
    assert (played.alerts("drift:b"), played.ends("drift:b")) == (1, 0)
    assert played.changes("b") == 2 and played.alerts("drift") <= 2
    played.go(2)  # the interest is paid out
    assert played.ends("drift:b") == 1
    played.assert_alerts_begin_and_end_in_turn()


@pytest.mark.slow
@pytest.mark.parametrize("minutes", [10, 30, 60])
def test_what_is_set_back_again_and_again_is_left_alone_for_ever_longer_and_moved_again_when_that_ends(minutes: int):
    """Somebody's timer sets b back, however often: few are told, few are disturbed, and no plan works against it."""
    played = Play(simulated("a", 0.6, "rate = 0.2") + simulated("b", 0.4, "rate = 0.6"), every="10m")

    def somebody(play: Play) -> None:
        if play.parts.clock.monotonic() // 60 % minutes < 10:
            play.adapters["b"]._share = min(play.adapters["b"].share, 0.4)

    played.go(24, somebody)
    assert played.alerts("drift") <= 6 and 1 <= played.alerts("drift:b") <= 5
    assert played.changes("b") <= 18 and played.changes("a") <= 12
    assert played.most <= 1.0 + 1e-9 and not played.parts.engine.journal.halted()
    played.go(26)
    assert played.now()["b"] == pytest.approx(1.0)
    assert not played.parts.monitor.open_alerts
    played.assert_alerts_begin_and_end_in_turn()
