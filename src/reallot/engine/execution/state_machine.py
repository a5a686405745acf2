"""When to act, as a pure state machine: `step(state, event, rules) -> (state, commands)`.

It knows no clock, no asyncio, no logging and no file: time arrives inside the event, and the outcome of a command is
one more event. The engine carries commands out (reallocation.py).

The states and which may follow which are those of `engine.contracts.move_state`;
a page of the docs is made from it. Each step is checked against that table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from ...errors import ReallocationError
from ..contracts.move_state import MAY_FOLLOW, MoveState
from .guards import Blocked, Change, Rules
from .move_events import (
    Answered,
    Ask,
    Balance,
    Balanced,
    Begin,
    BeginRollback,
    Command,
    Commit,
    Confirmed,
    Discard,
    EndRollback,
    Event,
    Halt,
    LookLater,
    NotConfirmed,
    NotYet,
    Partly,
    Proposed,
    ReadBack,
    ReadWorld,
    Reconciled,
    Refused,
    Resumed,
    RollBack,
    RollbackFailed,
    RollbackRequested,
    RollbackUnknown,
    RolledBack,
    Seen,
    Send,
    Started,
    Tick,
    Wait,
)

LONGEST_HISTORY = 30


@dataclass(frozen=True)
class State:
    """All that the machine remembers.

    plan_id   what is waited for or carried out
    changes   of that plan, in order; `index` is the one at hand
    pending   changes of the rollback that are still to be made, in order
    deferred  changes of the rollback whose outcome is not known yet; the next cycle asks again
    failed    changes of the rollback that failed in this round
    partial   protocols of which a change was taken in part, or not at all, and why
    rounds    rounds of the rollback that failed
    until     end of the hold, of the wait for a person or for a share to be read back, or of the time in which a late
              call may still arrive
    history   the last events, oldest first
    """

    phase: MoveState = MoveState.RECONCILING
    plan_id: str = ""
    changes: tuple[Change, ...] = ()
    index: int = 0
    pending: tuple[Change, ...] = ()
    deferred: tuple[Change, ...] = ()
    failed: tuple[Change, ...] = ()
    partial: tuple[tuple[str, str], ...] = ()
    rounds: int = 0
    until: datetime | None = None
    reason: str = ""
    history: tuple[str, ...] = ()

    @property
    def touched(self) -> frozenset[str]:
        """Protocols that the plan changes."""
        return frozenset(each.protocol for each in self.changes)


Next = tuple[State, list[Command]]


class InvalidTransition(ReallocationError):
    """An event that cannot happen in this phase: an error of the caller. The message holds the history."""

    def __init__(self, state: State, event: Event, why: str = "") -> None:
        history = ", ".join([*state.history, _told(event)])
        super().__init__(f"{type(event).__name__} while {state.phase.words}{why}. History: {history}", by="history")
        self.state, self.event = state, event


def step(state: State, event: Event, rules: Rules) -> Next:
    """The next state, and what is to be done; raises InvalidTransition."""
    following, commands = _step(state, event, rules)
    if following.phase not in MAY_FOLLOW[state.phase]:
        raise InvalidTransition(state, event, f" leads to {following.phase.words}, which is not in the table")
    return replace(following, history=(*following.history, _told(event))[-LONGEST_HISTORY:]), commands


def _step(state: State, event: Event, rules: Rules) -> Next:  # noqa: C901  one case for each phase and event
    at_hand = state.changes[state.index].protocol if state.index < len(state.changes) else ""
    match state.phase, event:
        case _, Started():
            return State(history=state.history), [ReadWorld()]
        case MoveState.RECONCILING, Reconciled():
            return _reconciled(state, event)
        case ((MoveState.IDLE | MoveState.HOLDING), Proposed()):
            return _proposed(state, event)
        case MoveState.WAITING, Proposed():
            text = f"plan {state.plan_id} waits for a confirmation"
            return state, [Discard(event.blocked or Blocked("confirmation", state.until, text))]
        case MoveState.HALTED, Proposed():
            return state, [Discard(Blocked(MoveState.HALTED, None, state.reason))]
        case _, Proposed():
            return state, [
                Discard(Blocked("busy", state.until, f"{state.phase.words} {state.plan_id}: {state.reason}"))
            ]
        case MoveState.WAITING, Confirmed() if event.plan_id == state.plan_id:
            return State(MoveState.IDLE, history=state.history), []
        case MoveState.APPLYING, Answered() if event.protocol == at_hand:
            return replace(state, phase=MoveState.VERIFYING), [ReadBack(state.changes[state.index])]
        case MoveState.APPLYING, Refused() if event.protocol == at_hand:
            return _failed(state, event.reason, rules)
        case MoveState.VERIFYING, NotConfirmed() if event.protocol == at_hand:
            return _failed(state, event.reason, rules)
        case ((MoveState.APPLYING | MoveState.VERIFYING), Partly()) if event.protocol == at_hand:
            if not rules.auto_rollback:
                return _failed(state, event.reason, rules)
            return _next(replace(state, partial=(*state.partial, (event.protocol, event.reason))), None)
        case MoveState.VERIFYING, NotYet() if event.protocol == at_hand:
            waits = replace(state, until=event.until, reason=event.reason)
            return waits, [LookLater(event.reason, event.until)]
        case MoveState.VERIFYING, RollbackRequested():
            return _failed(state, event.reason, replace(rules, auto_rollback=True))
        case MoveState.VERIFYING, Balanced():
            return _balanced(state, event, rules)
        case MoveState.VERIFYING, Seen() if event.protocol == at_hand:
            return _next(state, event.until)
        case MoveState.ROLLING_BACK, (RolledBack() | RollbackFailed() | RollbackUnknown()) if (
            state.pending and event.protocol == state.pending[0].protocol
        ):
            return _rolled_back(state, event, rules)
        case MoveState.HALTED, Resumed():
            return State(history=state.history), [ReadWorld()]
        case ((MoveState.HOLDING | MoveState.WAITING), Tick()) if state.until is not None and event.at >= state.until:
            return State(MoveState.IDLE, history=state.history), []
        case _, Tick():
            return state, []
        case _:
            raise InvalidTransition(state, event)


def _reconciled(state: State, event: Reconciled) -> Next:
    fresh = State(history=state.history, plan_id=event.plan_id, until=event.until)
    if event.halted:
        return replace(fresh, phase=MoveState.HALTED, reason=event.halted), []
    if (found := event.verifying) is not None:
        at_hand = found.changes[found.index]
        goes_on = replace(fresh, phase=MoveState.VERIFYING, changes=found.changes, index=found.index)
        return replace(goes_on, partial=found.partial), [ReadBack(at_hand)]
    if event.rollback:
        started = replace(fresh, phase=MoveState.ROLLING_BACK, pending=event.rollback, rounds=event.rounds)
        return started, [RollBack(event.rollback[0], event.rounds)]
    if event.waiting:
        return replace(fresh, phase=MoveState.WAITING, plan_id=event.waiting), []
    return replace(fresh, phase=MoveState.HOLDING if event.until else MoveState.IDLE, plan_id=""), []


def _proposed(state: State, event: Proposed) -> Next:
    if event.blocked is not None:
        return state, [Discard(event.blocked)]
    if not event.changes:
        return state, [Discard(Blocked(MoveState.NOTHING_TO_DO, None, "every share is already what the plan says"))]
    if event.ask_until is not None:
        asked = State(MoveState.WAITING, event.plan_id, until=event.ask_until, history=state.history)
        return asked, [Ask(event.ask_until)]
    begun = State(MoveState.APPLYING, event.plan_id, event.changes, history=state.history)
    return begun, [Begin(), Send(event.changes[0])]


def _next(state: State, until: datetime | None) -> Next:
    """The change after this one; after the last one its end, or a look at what is left where some were not taken."""
    index = state.index + 1
    if index < len(state.changes):
        return replace(state, phase=MoveState.APPLYING, index=index), [Send(state.changes[index])]
    if state.partial:
        return replace(state, phase=MoveState.VERIFYING, index=index), [Balance(state.partial)]
    return State(MoveState.HOLDING, until=until, history=state.history), [Commit()]


def _balanced(state: State, event: Balanced, rules: Rules) -> Next:
    if event.rollback_reason:
        return _failed(state, event.rollback_reason, rules)
    if not event.changes:
        return State(MoveState.HOLDING, until=event.until, history=state.history), [Commit()]
    more = (*state.changes, *event.changes)
    return replace(state, phase=MoveState.APPLYING, changes=more), [Send(event.changes[0])]


def _failed(state: State, reason: str, rules: Rules) -> Next:
    """What was asked for so far is rolled back, the last first; without `auto_rollback` a person has to look."""
    first: dict[str, Change] = {}
    for change in state.changes[: state.index + 1]:
        first.setdefault(change.protocol, change)
    touched = tuple(first.values())
    if not rules.auto_rollback:
        text = f"plan {state.plan_id} failed and auto_rollback is off: {reason}"
        return replace(state, phase=MoveState.HALTED, reason=text), [Halt(touched, text)]
    pending = tuple(change.reversed for change in reversed(touched))
    started = replace(state, phase=MoveState.ROLLING_BACK, pending=pending, reason=reason, until=None)
    return started, [BeginRollback(reason), RollBack(pending[0], 0)]


def _rolled_back(state: State, event: RolledBack | RollbackFailed | RollbackUnknown, rules: Rules) -> Next:
    """One answer during the rollback: the next in the round, another round, an end, a wait or a halt."""
    change, pending = state.pending[0], state.pending[1:]
    state = replace(state, pending=pending)
    if isinstance(event, RollbackFailed):
        state = replace(state, failed=(*state.failed, change), reason=event.reason)
    elif isinstance(event, RollbackUnknown):
        ends = [each for each in (state.until, event.until) if each is not None]
        state = replace(
            state, deferred=(*state.deferred, change), until=max(ends) if ends else None, reason=event.reason
        )
    if pending:
        return state, [RollBack(pending[0], state.rounds)]
    if state.failed:
        return _another_round(state, rules)
    if state.deferred:
        return replace(state, pending=state.deferred, deferred=()), [Wait(state.reason)]
    held = event.until if isinstance(event, RolledBack) else None
    return State(MoveState.HOLDING if held else MoveState.IDLE, until=held, history=state.history), [EndRollback()]


def _another_round(state: State, rules: Rules) -> Next:
    rounds = state.rounds + 1
    remaining = (*state.failed, *state.deferred)
    if rounds >= rules.most_rollbacks:
        names = ", ".join(f"{each.protocol} (to {each.after:.4f})" for each in remaining)
        text = f"{rounds} rounds did not roll back {names}: {state.reason}"
        halted = replace(
            state, phase=MoveState.HALTED, pending=(), deferred=(), failed=remaining, rounds=rounds, reason=text
        )
        return halted, [Halt(remaining, text)]
    # releases first again: a change that failed may have waited for one of them
    ordered = (*(each for each in remaining if each.releases), *(each for each in remaining if not each.releases))
    again = replace(state, pending=ordered, deferred=(), failed=(), rounds=rounds)
    return again, [RollBack(ordered[0], rounds)]


def _told(event: Event) -> str:
    about = getattr(event, "protocol", "") or getattr(event, "plan_id", "")
    return f"{type(event).__name__}{' ' + about if about else ''} {event.at.time().isoformat('seconds')}"
