"""Losses: they are read as numbers, told once, and given up."""

from __future__ import annotations

import pytest

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
