"""The one table of a move's life: the state machine keeps to it, the journal's writes follow from it, pages show it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot.engine.contracts.move_state import FOLLOWS, MAY_FOLLOW, PASSED, RECORD_FOLLOWS, MoveState
from reallot.engine.execution.guards import Blocked, Change, Rules
from reallot.engine.execution.move_events import (
    Answered,
    Confirmed,
    NotConfirmed,
    NotYet,
    Proposed,
    Reconciled,
    Refused,
    Resumed,
    RollbackFailed,
    RollbackRequested,
    RollbackUnknown,
    RolledBack,
    Seen,
    Started,
    Tick,
    Verifying,
)
from reallot.engine.execution.state_machine import InvalidTransition, State, step

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = AT + timedelta(hours=1)
DOWN, UP = Change("relay", 0.5, 0.3), Change("storage", 0.5, 0.7)
NAMES = st.sampled_from(["relay", "storage"])
UNTIL = st.none() | st.just(LATER)
EVENTS = st.one_of(
    st.just(Started(AT)),
    st.builds(Reconciled, st.just(AT), st.just("p1"), st.sampled_from([(), (UP.reversed, DOWN.reversed)]), until=UNTIL),
    st.just(Reconciled(AT, "p1", halted="why")),
    st.builds(
        Reconciled, st.just(AT), st.just("p1"), verifying=st.builds(Verifying, st.just((DOWN, UP)), st.integers(0, 1))
    ),
    st.builds(NotYet, st.just(AT), NAMES, st.just("slow"), st.just(LATER)),
    st.just(RollbackRequested(AT, "a person asked")),
    st.just(Reconciled(AT, waiting="p1", until=LATER)),
    st.builds(Proposed, st.just(AT), st.just("p1"), st.sampled_from([(), (DOWN,), (DOWN, UP)]), ask_until=UNTIL),
    st.just(Proposed(AT, "p1", (DOWN,), Blocked("hold", LATER, "rests"))),
    st.just(Confirmed(AT, "p1")),
    st.builds(Answered, st.just(AT), NAMES),
    st.builds(Refused, st.just(AT), NAMES, st.just("no")),
    st.builds(Seen, st.just(AT), NAMES, UNTIL),
    st.builds(NotConfirmed, st.just(AT), NAMES, st.just("no")),
    st.builds(RolledBack, st.just(AT), NAMES, UNTIL),
    st.builds(RollbackFailed, st.just(AT), NAMES, st.just("no")),
    st.builds(RollbackUnknown, st.just(AT), NAMES, st.just("dark"), UNTIL),
    st.just(Resumed(AT)),
    st.builds(Tick, st.sampled_from([AT, LATER])),
)


@given(st.lists(EVENTS, max_size=25), st.booleans())
def test_no_story_leaves_the_table(events, auto_rollback):
    rules, state = Rules(auto_rollback=auto_rollback), State()
    for event in events:
        try:
            following, _ = step(state, event, rules)
        except InvalidTransition as error:
            # an event out of its turn is refused as such, never because a step is missing in the table
            assert "table" not in str(error)
            continue
        assert following.phase in MAY_FOLLOW[state.phase]
        state = following


def test_every_line_between_two_stops_is_walked_by_the_machine():
    walked = set()
    plan = Proposed(AT, "p1", (DOWN, UP))
    stories = [
        [Started(AT), Reconciled(AT), plan, Answered(AT, "relay"), Seen(AT, "relay"), Answered(AT, "storage")],
        [Reconciled(AT), replace(plan, ask_until=LATER), Confirmed(AT, "p1")],
        [Reconciled(AT, until=LATER), Tick(LATER)],
        [Reconciled(AT, until=LATER), replace(plan, ask_until=LATER)],
        [Reconciled(AT, waiting="p1", until=LATER)],
        [Reconciled(AT, halted="why"), Resumed(AT)],
        [Reconciled(AT), plan, Refused(AT, "relay", "no")],
        [Reconciled(AT), plan, Answered(AT, "relay"), NotConfirmed(AT, "relay", "no")],
        [Reconciled(AT, "p1", (DOWN,), 2), RollbackFailed(AT, "relay", "no")],
        [
            Reconciled(AT, "p1", verifying=Verifying((DOWN, UP), 1)),
            NotYet(AT, "storage", "slow", LATER),
            Seen(AT, "storage"),
        ],
    ]
    for auto_rollback in (True, False):
        for story in stories:
            state = State()
            for event in story:
                following, _ = step(state, event, Rules(auto_rollback=auto_rollback))
                walked.add((state.phase, following.phase))
                state = following
    lines = {(one, other) for one, following in FOLLOWS.items() for other in following}
    stops = {(one, other) for one, other in lines if one not in PASSED and other not in PASSED}
    assert stops <= walked


def test_the_journal_writes_what_the_table_allows():
    assert {state: set(following) for state, following in RECORD_FOLLOWS.items()} == {
        MoveState.PLANNED: {MoveState.APPLYING, MoveState.ROLLING_BACK, MoveState.DISCARDED, MoveState.HALTED},
        MoveState.APPLYING: {MoveState.COMMITTED, MoveState.ROLLING_BACK, MoveState.HALTED},
        MoveState.ROLLING_BACK: {MoveState.ROLLED_BACK, MoveState.HALTED},
    }


def test_words_of_older_journals_are_understood():
    assert MoveState("rolled back") is MoveState.ROLLED_BACK and MoveState("confirming") is MoveState.APPLYING
    with pytest.raises(ValueError, match="gone"):
        MoveState("gone")
