"""The state machine alone: events in, commands out, no clock."""

from __future__ import annotations

import ast
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import reallot.engine.execution.state_machine as machine
from reallot.engine.contracts.move_state import MoveState
from reallot.engine.execution.guards import (
    Blocked,
    Change,
    Rules,
    budget_blocks,
    capacity_blocks,
    changes_of,
    close_to,
    expired,
    hold_blocks,
    outdated,
)
from reallot.engine.execution.move_events import (
    Answered,
    Ask,
    Begin,
    BeginRollback,
    Commit,
    Confirmed,
    Discard,
    EndRollback,
    Halt,
    NotConfirmed,
    Proposed,
    ReadBack,
    ReadWorld,
    Reconciled,
    Refused,
    Resumed,
    RollBack,
    RollbackFailed,
    RollbackUnknown,
    RolledBack,
    Seen,
    Send,
    Started,
    Tick,
    Wait,
)
from reallot.engine.execution.state_machine import InvalidTransition, State, step

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULES = Rules()
DOWN, UP = Change("relay", 0.5, 0.3), Change("storage", 0.5, 0.7)
PLAN = Proposed(AT, "p1", (DOWN, UP))


IDLE = State(MoveState.IDLE)


def after(*events, state=IDLE, rules=RULES):
    commands = []
    for event in events:
        state, commands = step(state, event, rules)
    return state, commands


def test_a_plan_goes_through_step_by_step():
    state, commands = after(PLAN)
    assert state.phase is MoveState.APPLYING and commands == [Begin(), Send(DOWN)]
    state, commands = after(Answered(AT, "relay"), state=state)
    assert state.phase is MoveState.VERIFYING and commands == [ReadBack(DOWN)]
    state, commands = after(Seen(AT, "relay"), state=state)
    assert state.phase is MoveState.APPLYING and commands == [Send(UP)]
    state, commands = after(Answered(AT, "storage"), Seen(AT, "storage", AT + timedelta(hours=1)), state=state)
    assert state.phase is MoveState.HOLDING and commands == [Commit()]
    assert after(Tick(AT + timedelta(minutes=59)), state=state)[0].phase is MoveState.HOLDING
    assert after(Tick(AT + timedelta(hours=1)), state=state)[0].phase is MoveState.IDLE


def test_a_start_trusts_nothing_that_is_remembered():
    for phase in MoveState:
        state, commands = after(Started(AT), state=State(phase, "p1", (DOWN,)))
        assert state.phase is MoveState.RECONCILING and commands == [ReadWorld()] and not state.changes


def test_what_the_journal_says_decides_where_it_goes_on():
    fresh = State()
    assert after(Reconciled(AT), state=fresh)[0].phase is MoveState.IDLE
    assert after(Reconciled(AT, until=AT), state=fresh)[0].phase is MoveState.HOLDING
    assert after(Reconciled(AT, waiting="p1"), state=fresh)[0].phase is MoveState.WAITING
    assert after(Reconciled(AT, halted="why"), state=fresh)[0].phase is MoveState.HALTED
    state, commands = after(Reconciled(AT, "p1", (UP.reversed, DOWN.reversed), 1), state=fresh)
    assert state.phase is MoveState.ROLLING_BACK and commands == [RollBack(UP.reversed, 1)]


@pytest.mark.parametrize("event", [Refused(AT, "storage", "no"), NotConfirmed(AT, "storage", "no")])
def test_a_failure_puts_back_what_was_touched_the_last_first(event):
    begun, _ = after(PLAN, Answered(AT, "relay"), Seen(AT, "relay"))
    if isinstance(event, NotConfirmed):
        begun, _ = after(Answered(AT, "storage"), state=begun)
    state, commands = after(event, state=begun)
    assert state.phase is MoveState.ROLLING_BACK and commands == [BeginRollback("no"), RollBack(UP.reversed, 0)]
    state, commands = after(RolledBack(AT, "storage"), state=state)
    assert commands == [RollBack(DOWN.reversed, 0)]
    state, commands = after(RolledBack(AT, "relay"), state=state)
    assert state.phase is MoveState.IDLE and commands == [EndRollback()]


def failing(rounds):
    state, _ = after(PLAN, Refused(AT, "relay", "no"))
    commands = []
    for _ in range(rounds):
        state, commands = after(RollbackFailed(AT, "relay", "still no"), state=state)
    return state, commands


def test_rounds_are_counted_and_the_last_one_halts():
    state, commands = failing(2)
    assert state.phase is MoveState.ROLLING_BACK and commands == [RollBack(DOWN.reversed, 2)]
    state, commands = failing(3)
    assert state.phase is MoveState.HALTED
    assert commands == [Halt((DOWN.reversed,), state.reason)] and "still no" in state.reason
    assert after(Tick(AT + timedelta(days=9)), state=state)[0].phase is MoveState.HALTED
    blocked = after(PLAN, state=state)[1][0]
    assert isinstance(blocked, Discard) and blocked.blocked.by == "halted"
    assert after(Resumed(AT), state=state)[1] == [ReadWorld()]


def test_what_is_unclear_is_no_failure_and_waits():
    state, _ = after(PLAN, Refused(AT, "relay", "no"))
    state, commands = after(RollbackUnknown(AT, "relay", "no answer", AT + timedelta(minutes=5)), state=state)
    assert state.phase is MoveState.ROLLING_BACK and commands == [Wait("no answer")]
    assert state.rounds == 0 and state.pending == (DOWN.reversed,) and state.until == AT + timedelta(minutes=5)
    assert after(PLAN, state=state)[1][0].blocked.by == "busy"


def test_without_auto_rollback_a_failure_halts():
    state, commands = after(PLAN, Refused(AT, "relay", "no"), rules=replace(RULES, auto_rollback=False))
    assert state.phase is MoveState.HALTED and isinstance(commands[0], Halt)


def test_a_plan_that_asks_waits_and_is_confirmed_or_expires():
    until = AT + timedelta(hours=1)
    state, commands = after(replace(PLAN, ask_until=until))
    assert state.phase is MoveState.WAITING and commands == [Ask(until)]
    assert after(Proposed(AT, "p2", (DOWN,)), state=state)[1][0].blocked.by == "confirmation"
    assert after(Confirmed(AT, "p1"), state=state)[0].phase is MoveState.IDLE
    assert after(Tick(until), state=state)[0].phase is MoveState.IDLE
    with pytest.raises(InvalidTransition):
        after(Confirmed(AT, "p2"), state=state)


def test_blocked_and_empty_plans_are_discarded_with_the_reason():
    blocked = Blocked("hold", AT, "rests")
    assert after(replace(PLAN, blocked=blocked))[1] == [Discard(blocked)]
    assert after(Proposed(AT, "p1", ()))[1][0].blocked.by == "nothing_to_do"


def test_an_event_that_cannot_happen_raises_with_the_story():
    state, _ = after(PLAN, Answered(AT, "relay"))
    with pytest.raises(InvalidTransition) as caught:
        step(state, Answered(AT, "storage"), RULES)
    text = str(caught.value)
    assert text.startswith("Answered while verifying. History: Proposed p1 12:00:00, Answered relay 12:00:00")
    for event in (Seen(AT, "relay"), RolledBack(AT, "relay"), Confirmed(AT, "p1"), Resumed(AT), Reconciled(AT)):
        with pytest.raises(InvalidTransition):
            step(State(MoveState.IDLE), event, RULES)


def test_the_story_does_not_grow_for_ever():
    state, _ = after(*[Tick(AT)] * 1000)
    assert len(state.history) == machine.LONGEST_HISTORY


@pytest.mark.slow
def test_the_machine_knows_no_clock_no_loop_and_no_log():
    for name in ("state_machine.py", "move_events.py", "guards.py"):
        tree = ast.parse((Path(machine.__file__).parent / name).read_text())
        used = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        used |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert used <= {
            "__future__",
            "collections.abc",
            "dataclasses",
            "datetime",
            "enum",
            "errors",
            "guards",
            "move_events",
            "contracts.move_state",
            "contracts.configs",
            "text.durations",
        }
        assert not any(isinstance(node, (ast.AsyncFunctionDef, ast.Await)) for node in ast.walk(tree))
        assert "now()" not in (Path(machine.__file__).parent / name).read_text()


def test_what_is_not_a_number_is_near_nothing():
    nan = float("nan")
    assert not close_to(nan, 0.5, 1.0) and not close_to(0.5, nan, 1.0)
    assert changes_of({"a": 0.5}, {"a": nan}, ["a"], 1e-6)
    assert outdated({"a": nan}, {"a": 0.5}, Rules(tolerance=1e-6)) is not None


def test_releases_come_first():
    before, to = {"a": 0.1, "b": 0.5, "c": 0.4}, {"a": 0.3, "b": 0.4, "c": 0.3}
    assert [each.protocol for each in changes_of(before, to, list(before), 1e-6)] == ["b", "c", "a"]


def test_hold_and_budget_end_when_they_say():
    blocked = hold_blocks((DOWN,), {"relay": 240.0}, AT, RULES)
    assert blocked == Blocked("hold", AT + timedelta(seconds=3360), "relay changed 4m ago and rests for 1h")
    assert hold_blocks((DOWN,), {"relay": 3600.0, "storage": 1.0}, AT, RULES) is None
    ages = [10.0, 600.0, 1200.0, 3000.0]
    assert budget_blocks(ages, AT, RULES).until == AT + timedelta(seconds=600)
    assert budget_blocks([*ages[:3], 3600.0], AT, RULES) is None
    assert budget_blocks([], AT, replace(RULES, max_per_hour=0)).until is None


def test_a_share_grows_only_into_what_nobody_may_take():
    assert capacity_blocks(UP, {"relay": 0.3, "storage": 0.5}, None, RULES) is None
    assert capacity_blocks(UP, {"relay": 0.5, "storage": 0.5}, None, RULES).by == "capacity"
    assert capacity_blocks(UP, {"relay": 0.3, "storage": 0.8}, AT, RULES).by == "settling"
    assert capacity_blocks(DOWN, {"relay": 0.9, "storage": 0.9}, None, RULES) is None


def test_an_expiry_is_the_moment_itself():
    assert (
        expired(AT, AT) is not None
        and expired(AT + timedelta(microseconds=1), AT) is None
        and expired(None, AT) is None
    )
