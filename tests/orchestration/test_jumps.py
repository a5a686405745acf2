"""Jumps and falls of earnings such as a wrong unit makes: a person is asked first; true ones are followed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from reallot.runtime.build import remember
from tests.orchestration.played import Played, simulated

pytestmark = pytest.mark.slow
A = simulated("a", 0.5, "rate = 1.0")


def begun(changes: str, *, rate: float = 1.0, ledger: Path | None = None, more: str = "") -> Played:
    return Played(A + simulated("b", 0.5, f"rate = {rate}", f"changes = {changes}"), ledger=ledger, more=more)


def acknowledged(played: Played) -> None:
    [alert] = [each for each in played.parts.monitor.open_alerts if each.key == "jump:b"]
    asyncio.run(played.parts.monitor.acknowledge_alert(alert.timestamp))


@pytest.mark.parametrize("factor", [24.0, 60.0, 1000.0, 3600.0, 1e6, 150.0])
def test_a_jump_as_of_units_moves_one_step_until_a_person_has_seen_the_alert(factor: float):
    played = begun(f'[["1h", {factor}]]').go(8)
    assert max(shares["b"] for _, shares in played.shares) <= 0.7 + 1e-9
    assert played.alerts("jump:b") == 1
    [told] = [text for text in played.of("alert") if "b earns" in text]
    assert f"{factor:.0f}-fold" in told and "is its unit right?" in told
    acknowledged(played)
    assert played.go(4).now()["b"] == pytest.approx(1.0)
    assert [text for text in played.of("recovered") if "b earns" in text and text.startswith("over after")] != []
    assert played.alerts("jump:b") == 1


def test_a_true_rise_by_six_and_a_half_is_followed_within_the_hour():
    played = begun('[["1h", 6.5]]').go(2)
    assert played.now()["b"] > 0.5
    assert played.alerts("jump:b") == 0


@pytest.mark.parametrize("factor", [1 / 24, 1 / 60, 1e-3, 1 / 3600, 1e-6])
def test_a_fall_as_of_units_takes_one_step_until_a_person_has_seen_the_alert(factor: float):
    played = begun(f'[["1h", {factor}]]').go(8)
    assert min(shares["b"] for _, shares in played.shares) == pytest.approx(0.3)
    assert played.alerts("jump:b") == 1
    [told] = [text for text in played.of("alert") if "times less" in text]
    assert "At most one step is taken from it until somebody says: reallot acknowledge b" in told
    acknowledged(played)
    assert played.go(4).now()["b"] == pytest.approx(0.0)
    assert played.alerts("jump:b") == 1


def test_a_fall_as_of_units_that_ends_brings_the_step_back_and_its_alert_ends():
    played = begun(f'[["1h", {1 / 60}], ["5h", 1.5]]').go(4)
    assert played.now()["b"] == pytest.approx(0.3)
    assert played.go(6).now()["b"] > 0.8
    assert played.alerts("jump:b") == 1
    assert len([text for text in played.of("recovered") if "times less" in text]) == 1


@pytest.mark.parametrize("factor", [1 / 6.5, 0.1, 1 / 40, 1 / 500, -1.0])
def test_a_true_fall_is_followed_within_the_hour(factor: float):
    played = begun(f'[["1h", {factor}]]').go(2)
    assert played.now()["b"] < 0.5
    assert played.alerts("jump:b") == 0
    assert played.go(4).now()["b"] == pytest.approx(0.0)


def test_a_level_believed_in_the_last_day_is_believed_again_at_once():
    played = begun('[["30m", 0.02], ["2h30m", 1.0]]', rate=24.0).go(2.4)
    low = played.now()["b"]
    assert low < 0.6
    assert played.go(2.0).now()["b"] > low
    assert played.alerts("jump:b") == 0


def test_a_jump_that_is_over_at_the_next_poll_moves_nothing_and_its_alert_ends():
    played = begun('[["1h", 24.0], ["1h4m", 1.0]]', rate=1.0).go(3)
    assert played.of("move") == []
    assert played.alerts("jump:b") == 1
    assert len([text for text in played.of("recovered") if "b earns" in text]) == 1


def test_the_bound_can_be_set():
    assert begun('[["1h", 10.0]]').go(6).now()["b"] == pytest.approx(1.0)
    played = begun('[["1h", 10.0]]', more="")
    played.parts.coordinator._sources["b"].plausible.__init__(5.0)
    assert played.go(6).now()["b"] <= 0.7 + 1e-9


def test_what_fell_is_still_doubted_after_a_restart(tmp_path: Path):
    begun(f'[["1h", {1 / 60}]]', ledger=tmp_path).go(3).close()
    second = begun(f'[["0s", {1 / 60}]]', ledger=tmp_path)
    asyncio.run(remember(second.parts))
    assert min(shares["b"] for _, shares in second.go(4).shares) == pytest.approx(0.3)
    second.close()


def test_what_is_doubted_still_is_after_a_restart_and_what_was_seen_is_not(tmp_path: Path):
    changes = '[["1h", 24.0]]'
    first = begun(changes, ledger=tmp_path).go(3)
    first.close()
    second = begun('[["0s", 24.0]]', ledger=tmp_path)
    asyncio.run(remember(second.parts))
    assert max(shares["b"] for _, shares in second.go(4).shares) <= 0.7 + 1e-9
    acknowledged(second)
    second.go(0.25).close()
    third = begun('[["0s", 24.0]]', ledger=tmp_path)
    asyncio.run(remember(third.parts))
    assert third.go(4).now()["b"] == pytest.approx(1.0)
    third.close()
