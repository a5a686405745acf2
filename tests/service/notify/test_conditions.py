"""What people are told of a real engine: the plan that waits, the pause, and their ends."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from reallot.cli.beside import Beside
from reallot.cli.main import main
from reallot.runtime.notify_settings import NotifySection
from reallot.service.notify.conditions import Conditions
from reallot.service.notify.sender import Notifier
from reallot.service.notify.ways import Arrival, Attempt
from tests.orchestration.played import Played
from tests.pair import PAIR

CONFIRM = '[reallocation]\nmode = "confirm"\n'


@pytest.mark.slow
def test_a_plan_that_waits_and_a_pause_are_told_with_their_ends(tmp_path: Path):
    played = Played(PAIR, more=CONFIRM, ledger=tmp_path)
    sent: list[str] = []

    def deliver(_target, message):
        sent.append(f"{message.title}: {message.text}")
        return Attempt(Arrival.SENT)

    notifier = Notifier(
        NotifySection(targets=[{"command": ["true"], "events": ["waiting", "halted", "move"]}]),
        played.parts.clock,
        deliver=deliver,
    )
    conditions = Conditions()

    def told() -> list[str]:
        for event in played.told:
            if (notice := conditions.happened(event)) is not None:
                notifier.hear(notice)
        played.told.clear()
        notifier.cycle(conditions.holds(played.runner))
        notifier.pump()
        found = list(sent)
        sent.clear()
        return found

    async def cycle():
        await played.runner.cycle()

    for _ in range(3):
        asyncio.run(cycle())
    plan = played.parts.engine.state.plan_id
    (waits,) = told()
    assert waits.startswith("reallot: a plan waits for your yes") and "would move relay 0.60 -> 0.40" in waits
    assert told() == []
    assert main(["confirm", plan, "--ledger", str(tmp_path)]) == 0
    asyncio.run(cycle())
    (moved,) = told()
    assert (
        "2 things" in moved
        and f"moved, as a person confirmed: plan {plan}" in moved
        and "over: would move relay" in moved
    )
    assert main(["pause", "--ledger", str(tmp_path)]) == 0
    asyncio.run(cycle())
    assert [each for each in told() if each.startswith("reallot: nothing is moved:")]
    assert main(["resume", "--ledger", str(tmp_path)]) == 0
    asyncio.run(cycle())
    assert [each for each in told() if "over: " in each]
    played.close()


def test_a_run_without_targets_and_without_systemd_has_nothing_beside_it(monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    played = Played(PAIR)
    assert Beside.of(played.parts, print, simulated=False) is None
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere")
    assert Beside.of(played.parts, print, simulated=True) is None
    played.close()
