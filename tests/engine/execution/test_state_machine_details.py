"""The state machine to the last field: the suite must notice every small change in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reallot.engine.contracts.move_state import MoveState
from reallot.engine.execution.guards import Change, Rules
from reallot.engine.execution.move_events import (
    Answered,
    Balance,
    Balanced,
    Commit,
    Confirmed,
    EndRollback,
    Halt,
    NotConfirmed,
    Partly,
    Proposed,
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
SOON, LATER = AT + timedelta(minutes=5), AT + timedelta(hours=1)
RULES = Rules()
DOWN, UP = Change("relay", 0.5, 0.3), Change("storage", 0.5, 0.7)
PLAN = Proposed(AT, "p1", (DOWN, UP))
TOLD = ("before",)


def after(*events, state=State(MoveState.IDLE, history=TOLD), rules=RULES):  # noqa: B008
    commands = []
    for event in events:
        state, commands = step(state, event, rules)
    return state, commands


def back(*left, rounds=0):
    return State(MoveState.ROLLING_BACK, "p1", pending=left, rounds=rounds, history=TOLD)


def test_every_step_goes_on_with_the_story():
    journeys = {
        "started": (Started(AT),),
        "found idle": (Started(AT), Reconciled(AT)),
        "begun": (PLAN,),
        "waits": (replace(PLAN, ask_until=LATER),),
        "confirmed": (replace(PLAN, ask_until=LATER), Confirmed(AT, "p1")),
        "expired": (replace(PLAN, ask_until=LATER), Tick(LATER)),
        "committed": (Proposed(AT, "p1", (DOWN,)), Answered(AT, "relay"), Seen(AT, "relay")),
        "put back": (PLAN, Refused(AT, "relay", "no"), RolledBack(AT, "relay")),
        "resumed": (Started(AT), Reconciled(AT, halted="why"), Resumed(AT)),
    }
    for name, events in journeys.items():
        state, _ = after(*events)
        assert len(state.history) == 1 + len(events) and state.history[0] == "before", name


def test_the_story_keeps_the_last_thirty_events():
    state, _ = after(*[Tick(AT)] * 40, Started(AT))
    assert len(state.history) == 30 and state.history[-1] == "Started 12:00:00"


def test_what_is_found_is_taken_over_whole():
    fresh = State(history=TOLD)
    found = Reconciled(AT, "p1", (UP.reversed, DOWN.reversed), 2, until=SOON)
    state, commands = after(found, state=fresh)
    assert (state.plan_id, state.pending, state.rounds, state.until) == ("p1", (UP.reversed, DOWN.reversed), 2, SOON)
    assert commands == [RollBack(UP.reversed, 2)]
    state, _ = after(Reconciled(AT, "p1", (UP.reversed,)), state=fresh)
    assert state.rounds == 0
    state, _ = after(Reconciled(AT, "p1", halted="why"), state=fresh)
    assert (state.phase, state.reason) == (MoveState.HALTED, "why")
    state, _ = after(Reconciled(AT, "p1", waiting="p2", until=SOON), state=fresh)
    assert (state.phase, state.plan_id, state.until) == (MoveState.WAITING, "p2", SOON)
    state, _ = after(Reconciled(AT, "p1", until=SOON), state=fresh)
    assert (state.phase, state.plan_id, state.until) == (MoveState.HOLDING, "", SOON)


def test_a_plan_may_begin_while_others_rest_and_keeps_its_name():
    state, commands = after(PLAN, state=State(MoveState.HOLDING, until=SOON))
    assert (state.phase, state.plan_id, state.changes) == (MoveState.APPLYING, "p1", (DOWN, UP))
    assert commands[1] == Send(DOWN)


def test_what_is_left_is_handed_on_by_the_same_plan():
    third = Change("compute", 0.0, 0.1)
    state, commands = after(PLAN, Answered(AT, "relay"), Seen(AT, "relay"), Partly(AT, "storage", "takes 0.6"))
    assert (state.phase, commands) == (MoveState.VERIFYING, [Balance((("storage", "takes 0.6"),))])
    state, commands = after(Balanced(AT, (third,)), state=state)
    assert (state.phase, state.changes, commands) == (MoveState.APPLYING, (DOWN, UP, third), [Send(third)])


def test_a_plan_in_force_rests_until_its_hold_ends():
    state, commands = after(Proposed(AT, "p1", (DOWN,)), Answered(AT, "relay"), Seen(AT, "relay", LATER))
    assert (state.phase, state.until, commands) == (MoveState.HOLDING, LATER, [Commit()])


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (State(MoveState.APPLYING, "p1", (DOWN, UP)), Answered(AT, "storage")),
        (State(MoveState.APPLYING, "p1", (DOWN, UP)), Partly(AT, "storage", "takes 0.6")),
        (State(MoveState.APPLYING, "p1", (DOWN, UP)), Refused(AT, "storage", "no")),
        (State(MoveState.VERIFYING, "p1", (DOWN, UP)), NotConfirmed(AT, "storage", "no")),
        (State(MoveState.VERIFYING, "p1", (DOWN, UP)), Seen(AT, "storage")),
        (back(DOWN), RolledBack(AT, "storage")),
        (back(DOWN), RollbackFailed(AT, "storage", "no")),
        (back(DOWN), RollbackUnknown(AT, "storage", "no")),
        (back(), RolledBack(AT, "relay")),
        (State(MoveState.APPLYING, "p1", (DOWN,), index=1), Answered(AT, "relay")),
    ],
)
def test_an_answer_of_another_protocol_is_an_error_of_the_caller(state, event):
    with pytest.raises(InvalidTransition) as caught:
        step(state, event, RULES)
    assert caught.value.by == "history" and (caught.value.state, caught.value.event) == (state, event)


def test_a_failure_keeps_its_reason():
    assert after(PLAN, Refused(AT, "relay", "no room"))[0].reason == "no room"
    state, commands = after(PLAN, Refused(AT, "relay", "no room"), rules=replace(RULES, auto_rollback=False))
    assert state.reason == "plan p1 failed and auto_rollback is off: no room"
    assert commands == [Halt((DOWN,), state.reason)]


def test_on_the_way_back_nothing_is_dropped():
    one, two, three = Change("a", 0.4, 0.5), Change("b", 0.3, 0.4), Change("c", 0.5, 0.3)
    state, commands = after(
        RollbackUnknown(AT, "a", "dark", LATER),
        RollbackUnknown(AT, "b", "dark too", SOON),
        RolledBack(AT, "c"),
        state=back(one, two, three),
    )
    assert (state.pending, state.deferred, state.until, commands) == ((one, two), (), LATER, [Wait("dark too")])
    state, commands = after(
        RollbackFailed(AT, "a", "no"),
        RollbackUnknown(AT, "b", "dark"),
        RollbackFailed(AT, "c", "never"),
        state=back(one, two, three),
    )
    assert (state.pending, state.deferred, state.failed, state.rounds) == ((three, one, two), (), (), 1)
    assert commands == [RollBack(three, 1)]


def test_another_round_asks_each_once_and_releases_first():
    down, up, other = Change("a", 0.5, 0.3), Change("b", 0.3, 0.4), Change("c", 0.4, 0.2)
    state, _ = after(
        RollbackFailed(AT, "b", "no"),
        RollbackFailed(AT, "a", "no"),
        RollbackFailed(AT, "c", "no"),
        state=back(up, down, other),
    )
    assert state.pending == (down, other, up)


def test_the_last_round_halts_with_all_that_is_left():
    one, two = Change("a", 0.4, 0.5), Change("b", 0.3, 0.4)
    state, commands = after(
        RollbackUnknown(AT, "a", "dark"), RollbackFailed(AT, "b", "no"), state=back(one, two, rounds=2)
    )
    reason = "3 rounds did not roll back b (to 0.4000), a (to 0.5000): no"
    assert (state.phase, state.pending, state.deferred, state.failed) == (MoveState.HALTED, (), (), (two, one))
    assert (state.rounds, state.reason, commands) == (3, reason, [Halt((two, one), reason)])


def test_all_put_back_rests_where_there_is_a_hold():
    state, commands = after(RolledBack(AT, "relay", LATER), state=back(DOWN))
    assert (state.phase, state.until, commands) == (MoveState.HOLDING, LATER, [EndRollback()])
    state, commands = after(RolledBack(AT, "relay"), state=back(DOWN))
    assert (state.phase, state.until, commands) == (MoveState.IDLE, None, [EndRollback()])
