"""Protocols that have to warm up, or to settle, after a change of share: nothing is learned or told meanwhile."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reallot.engine.contracts.records import ProtocolStatus
from tests.orchestration.playing import HEAD, Play, simulated

QUIET = HEAD.replace("low_earnings_threshold = 0.0", "low_earnings_threshold = 0.5")


def warms_up(played: Play, name: str, minutes: float) -> None:
    """From now on it earns nothing for so long after each change of its share."""
    adapter, clock = played.adapters[name], played.parts.clock
    status = type(adapter).get_status

    async def get_status() -> ProtocolStatus:
        said = await status(adapter)
        at = adapter.changes[-1][0] if adapter.changes else None
        cold = at is not None and clock.now() - at < timedelta(minutes=minutes)
        return said.model_copy(update={"earnings_per_hour": 0.0}) if cold else said

    adapter.get_status = get_status


@pytest.mark.slow
@pytest.mark.parametrize("key", ["warm_up_hours = 1.5", 'settle = "90m"', 'warm_up_hours = 1.5\nsettle = "5m"'])
def test_one_that_needs_ninety_minutes_is_neither_dropped_nor_moved_about(key: str):
    played = Play(simulated("a", 0.8, "rate = 1.0") + simulated("b", 0.2, "rate = 2.0", key), head=QUIET)
    warms_up(played, "b", 85)
    played.go(48)
    assert played.now() == pytest.approx({"a": 0.0, "b": 1.0})
    assert len(played.of("move")) <= 5 and not played.of("alert")


@pytest.mark.slow
def test_settle_can_be_set_for_all_and_shorter_than_usual():
    for where, key in (('[optimizer]\nsettle = "90m"\n', ()), ("", ('settle = "0s"',))):
        played = Play(
            simulated("a", 0.8, "rate = 1.0") + simulated("b", 0.2, "rate = 2.0", *key),
            head=QUIET.replace("[optimizer]\n", where or "[optimizer]\n"),
        )
        played.go(6)
        assert played.now()["b"] == pytest.approx(1.0)
