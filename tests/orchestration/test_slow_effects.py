"""Changes that take ten minutes to be in force: all are polled and watched meanwhile, and what is awaited is told."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from reallot.cli.main import main
from reallot.engine.contracts.adapter import Capabilities
from reallot.engine.contracts.move_state import MoveState
from reallot.engine.contracts.records import AllocationPlan
from reallot.engine.execution.executor import WAITS
from reallot.engine.ledger.operator_requests import PAUSE, ROLLBACK
from reallot.errors import ReallocationError
from tests.orchestration.playing import Play, simulated

LATE = 'late = "10m"'
SLOW = simulated("a", 0.6, "rate = 0.2", LATE) + simulated("b", 0.4, "rate = 0.9", LATE)


def slow(**more: object) -> Play:
    return Play(SLOW, every="1m", **more)


def phase(played: Play) -> MoveState:
    return played.parts.engine.state.phase


def test_polls_go_on_while_a_change_takes_ten_minutes():
    """Two changes of ten minutes each, polled every minute: no poll is late, and the report covers it all."""
    played = slow()
    start = played.parts.clock.now()
    played.go(0.5)
    assert played.now() == pytest.approx({"a": 0.4, "b": 0.6}) == played.parts.engine.journal.committed()
    assert {(two - one).total_seconds() for one, two in pairwise(played.polled)} == {60.0}
    report = asyncio.run(played.parts.monitor.generate_report(start, played.parts.clock.now()))
    assert report.covered == pytest.approx(1.0)
    assert played.most <= 1.0 + 1e-9


def test_what_is_awaited_is_told_once_and_its_end_too():
    played = slow().go(0.1)
    assert phase(played) is MoveState.VERIFYING
    [told] = played.of("verifying")
    assert told.startswith("moves a 0.60 -> 0.40, b 0.40 -> 0.60") and "verifying since " in told
    assert "until " in told and "a was asked for 0.4000" in told
    assert "a was asked for 0.4000" in played.runner.last.dashboard.verifying
    played.go(0.5)
    assert len(played.of("verifying")) == 1 and len(played.of("move")) == 1 and not played.of("blocked")
    assert played.runner.moves == 1 and played.runner.last.dashboard.verifying == ""


def test_status_says_since_when_and_until_when(tmp_path, capsys):
    played = slow(ledger=tmp_path / "ledger").go(0.1)
    played.close()
    assert main(["status", str(tmp_path / "ledger")]) == 0
    assert "verifying since " in capsys.readouterr().out


def test_others_are_watched_meanwhile():
    """A protocol that stops answering while another's change is awaited raises its alert within its five minutes."""
    played = Play(SLOW + simulated("c", 0.0, "rate = 0.1", 'outages = [["2m", "1h"]]'), every="1m")
    played.go(0.15)
    assert phase(played) is MoveState.VERIFYING
    assert played.alerts("disconnected:c") == 1


def test_a_restart_in_the_middle_goes_on(tmp_path):
    first = slow(ledger=tmp_path).go(0.1)
    first.parts.clock.advance(60.0)
    shares, coming = first.now(), {name: each._coming for name, each in first.adapters.items()}
    now = first.parts.clock.monotonic()
    first.close()
    second = slow(ledger=tmp_path)
    for name, each in second.adapters.items():
        each._share, each._coming = shares[name], [(at - now, share) for at, share in coming[name]]
    second.go(0.5)
    assert second.now() == pytest.approx({"a": 0.4, "b": 0.6}) == second.parts.engine.journal.committed()
    assert second.changes("a") == 1 and second.changes("b") == 1
    second.close()


@pytest.mark.slow
@pytest.mark.parametrize("minutes", [3, 15])
def test_a_person_takes_a_move_back_in_the_middle(tmp_path, minutes):
    """Before and after the giver has given: all goes back to where it was, stays there, and no capacity is exceeded."""
    played = slow(ledger=tmp_path).go(minutes / 60)
    assert phase(played) is MoveState.VERIFYING
    played.parts.ledger.requests.post(ROLLBACK, played.parts.engine.state.plan_id)
    played.go(2)
    assert played.now() == pytest.approx({"a": 0.6, "b": 0.4}) == played.parts.engine.journal.committed()
    assert phase(played) in (MoveState.IDLE, MoveState.HOLDING) and not played.parts.engine.journal.unsettled()
    assert played.most <= 1.0 + 1e-9 and not played.alerts("drift")
    played.assert_alerts_begin_and_end_in_turn()
    played.close()


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_one_that_has_to_give_way_in_the_middle_waits_for_the_call_under_way_and_no_longer(name):
    """Its hours end at 00:03, and the first of two calls is in force at 00:10: then the move ends as far as it is."""
    hours = 'hours = ["12:00-00:03"]'
    tables = {"a": (0.6, "rate = 0.2", LATE), "b": (0.2, "rate = 0.9", LATE), "c": (0.2, "rate = 0.5")}
    played = Play(
        "".join(simulated(each, *keys, *([hours] if each == name else [])) for each, keys in tables.items()), every="1m"
    )
    played.go(0.4)
    begun = {"a": 10, "b": 10, "c": 0}[name]  # so long its own change takes
    for at, shares in played.shares:
        minutes = (at - played.shares[0][0]).total_seconds() / 60.0
        assert minutes < 10 + begun or shares[name] == 0.0, (minutes, shares)
    assert played.now()[name] == 0.0 and played.most <= 1.0 + 1e-9
    assert not played.of("rolled_back")
    assert name != "b" or played.adapters["b"].changes[0][1] == 0.0  # it is given nothing more


def test_a_pause_in_the_middle_begins_when_the_move_is_over(tmp_path):
    played = slow(ledger=tmp_path).go(0.1)
    played.parts.ledger.requests.post(PAUSE)
    played.go(1)
    assert phase(played) is MoveState.HALTED and played.now() == pytest.approx({"a": 0.4, "b": 0.6})
    played.close()


def test_another_who_takes_nothing_after_all_is_learned_and_the_giver_gets_it_back():
    played = slow()
    played.adapters["b"].refuses = True
    played.go(1)
    assert played.now() == pytest.approx({"a": 0.6, "b": 0.4})
    assert {(two - one).total_seconds() for one, two in pairwise(played.polled)} <= {60.0, 65.0, 55.0}
    assert played.most <= 1.0 + 1e-9


@pytest.mark.parametrize("slowly", ["a", "b"])
def test_an_effect_that_comes_later_than_anybody_said_exceeds_nothing(slowly):
    """No adapter says that it is slow, and one takes six minutes: its change is waited for, as a late effect is."""
    played = Play(simulated("a", 0.6, "rate = 0.2") + simulated("b", 0.4, "rate = 0.9"), every="1m")
    played.adapters[slowly].late = timedelta(minutes=6)
    assert played.adapters[slowly].capabilities() == Capabilities()
    played.go(0.5)
    assert played.now() == pytest.approx({"a": 0.4, "b": 0.6}) and played.most <= 1.0 + 1e-9
    assert len(played.of("move")) == 1 and not played.of("rolled_back")


@pytest.mark.slow
def test_an_effect_that_comes_later_than_was_waited_for_is_nobody_elses():
    """It comes when its time is over: it is told as our own and put back, and nobody else is said to change it."""
    played = Play(simulated("a", 0.6, "rate = 0.2") + simulated("b", 0.4, "rate = 0.9"), every="1m")
    played.adapters["a"].late = timedelta(minutes=20)
    played.go(4)
    told = [text for text in played.of("alert") if "shares were changed" in text]
    assert told and all("by calls of our own" in text and "(raise it)" in text for text in told)
    assert not played.alerts("drift:a") and not played.parts.engine.journal.repairs(10)
    assert played.most <= 1.0 + 1e-9 and not played.parts.engine.journal.halted()


@pytest.mark.slow
@pytest.mark.parametrize("minutes", [20, 50])
@pytest.mark.parametrize("names", ["a", "b", "ab"])
def test_one_whose_changes_come_later_than_anybody_said_is_waited_for_from_then_on(names, minutes):
    """The first time it may be too much for as long as it takes to put it back; it is never so again."""
    played, over = Play(simulated("a", 0.6, "rate = 0.2") + simulated("b", 0.4, "rate = 0.9")), []
    for name in names:
        played.adapters[name].late = timedelta(minutes=minutes)
    played.go(15, lambda each: over.append(sum(each.now().values()) > 1.0 + 1e-9), fails=True)
    assert 5 * sum(over) <= (minutes + 5 if "b" in names else 0)
    assert played.now() == pytest.approx({"a": 0.0, "b": 1.0}) == played.parts.engine.journal.committed()
    assert not played.parts.engine.journal.halted() and played.changes("b") <= 8
    played.assert_alerts_begin_and_end_in_turn()


@pytest.mark.slow
def test_how_long_a_change_takes_is_remembered_over_a_restart(tmp_path: Path):
    def play(a: float, b: float) -> Play:
        tables = simulated("a", 0.6, f"rate = {a}") + simulated("b", 0.4, f"rate = {b}")
        played = Play(tables, ledger=tmp_path)
        for adapter in played.adapters.values():
            adapter.late = timedelta(minutes=20)
        return played

    first = play(0.2, 0.9)
    first.go(10, fails=True)
    assert first.most > 1.1 and first.now() == pytest.approx({"a": 0.0, "b": 1.0})  # it could not be known
    first.close()
    second = play(0.9, 0.2)
    second.go(10, fails=True)
    assert second.now() == pytest.approx({"a": 1.0, "b": 0.0}) and second.most <= 1.0 + 1e-9
    second.close()


def test_a_call_outside_of_a_cycle_returns_when_all_is_done():
    """The plain call of the engine waits to the end, as it always did."""
    played = slow()
    plan = AllocationPlan(
        id="by-hand",
        created_at=played.parts.clock.now(),
        allocation={"a": 0.4, "b": 0.6},
        current={"a": 0.6, "b": 0.4},
        estimated_improvement=1.0,
        estimated_cost=0.0,
        net_benefit=24.0,
        roi_percent=0.0,
        confidence=None,
    )
    engine, start = played.parts.engine, played.parts.clock.monotonic()
    asyncio.run(engine.execute_reallocation(plan, played.adapters))
    assert played.now() == {"a": 0.4, "b": 0.6} and engine.last_report.verdict is MoveState.COMMITTED
    assert played.parts.clock.monotonic() - start >= 1200.0


def test_the_same_call_in_a_cycle_returns_at_once_and_later_ones_end_it():
    played = slow().go(0.0)
    engine, clock = played.parts.engine, played.parts.clock
    assert engine.last_report.verdict is MoveState.VERIFYING
    waits = WAITS.set(0.0)
    try:
        with pytest.raises(ReallocationError, match="verifying since"):
            asyncio.run(
                engine.execute_reallocation(played.runner.last.plan.model_copy(update={"id": "other"}), played.adapters)
            )
        for _ in range(2):
            clock.advance(601.0)
            asyncio.run(engine.recover(played.adapters))
    finally:
        WAITS.reset(waits)
    assert played.now() == pytest.approx({"a": 0.4, "b": 0.6}) == engine.journal.committed()
