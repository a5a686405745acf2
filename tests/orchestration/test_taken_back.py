"""What a person takes back, forgets, or lets wait."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from reallot.engine.contracts.configs import Mode
from reallot.engine.execution.orphaned import give_up
from tests.orchestration.playing import HEAD, Play, simulated

TWO = simulated("a", 0.6, "rate = 0.2") + simulated("b", 0.4, "rate = 0.6")


@pytest.mark.slow
@pytest.mark.parametrize("head", [HEAD, HEAD + '[reallocation]\nrollback_pause = "6h"\n'])
def test_what_a_person_took_back_is_not_proposed_again_for_a_while(head: str, tmp_path: Path):
    played = Play(TWO, head=head, ledger=tmp_path).go(0.1)
    assert played.now()["b"] == pytest.approx(0.6)
    asyncio.run(played.parts.engine.rollback_allocation(played.adapters))
    played.go(4)
    assert played.now() == pytest.approx({"a": 0.6, "b": 0.4}) and len(played.of("move")) == 1
    played.close()
    second = Play(TWO, head=head, ledger=tmp_path).go(1)
    assert second.of("move") == []
    if head == HEAD:
        asyncio.run(second.parts.engine.resume())
    second.go(2)
    assert second.now()["b"] > 0.5
    second.close()


def test_a_waiting_plan_that_starts_from_other_shares_is_discarded_at_once():
    played = Play(TWO, head=HEAD + '[reallocation]\nmode = "confirm"\nrestore_drift = false\n').go(0.1)
    waits = played.parts.engine.journal.waiting()
    assert waits is not None and played.parts.mode is Mode.CONFIRM
    played.adapters["a"]._share = 0.5  # somebody lowers it
    played.go(0.1)
    now = played.parts.engine.journal.waiting()
    assert now is None or now.plan_id != waits.plan_id
    assert played.ends(f"confirm-{waits.plan_id}") == 1
    played.assert_alerts_begin_and_end_in_turn()


def test_what_is_forgotten_and_comes_back_by_hand_is_taken_as_it_is(tmp_path: Path):
    tables = simulated("a", 0.6, "rate = 0.5") + simulated("b", 0.4, "rate = 0.5")
    played = Play(tables, ledger=tmp_path).go(0.1)
    journal = played.parts.engine.journal
    give_up(journal, "b", played.parts.engine.books.stamp())
    assert "b" not in journal.committed()
    played.adapters["b"]._share = 0.3  # it comes back by hand, with another share
    played.go(1)
    assert played.now()["b"] == pytest.approx(0.3) == journal.committed()["b"]
    assert not played.of("alert")
    played.close()
