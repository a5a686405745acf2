"""Changes that take ten minutes to be in force: all are polled and watched meanwhile, and what is awaited is told."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.orchestration.playing import Play, simulated

SLOW = simulated("a", 0.6, "rate = 0.2", 'late = "10m"') + simulated("b", 0.4, "rate = 0.9", 'late = "10m"')


def gaps(played: Play) -> list[float]:
    """Seconds between two polls."""
    return [(two - one).total_seconds() for one, two in pairwise(played.polled)]


def test_polls_go_on_while_a_change_takes_ten_minutes():
    played = Play(SLOW, every="1m")
    played.go(0.5)
    assert played.now() == pytest.approx({"a": 0.4, "b": 0.6}) == played.parts.engine.journal.committed()
    assert set(gaps(played)) == {60.0}
    assert played.most <= 1.0 + 1e-9
    assert len(played.of("verifying")) == 1 and len(played.of("move")) == 1
