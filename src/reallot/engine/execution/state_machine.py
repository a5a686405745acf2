"""When to act, as a pure state machine: `step(state, event, rules) -> (state, commands)`.

It knows no clock, no asyncio, no logging and no file: time arrives inside the event, and the outcome of a command is
one more event. The engine carries commands out (reallocation.py).

The states and which may follow which are those of `engine.contracts.move_state`; ARCHITECTURE.md shows them as a
diagram. Each step is checked against that table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from ...errors import ReallocationError
from ..contracts.move_state import MoveState, may_step
from .guards import Blocked, Change, Rules

LONGEST_HISTORY = 30


@dataclass(frozen=True)
class State:
    """All that the machine remembers.

    plan_id   what is waited for or carried out
    changes   of that plan, in order; `index` is the one at hand
    pending   changes of the rollback that are still to be made, in order
    deferred  changes of the rollback whose outcome is not known yet; the next cycle asks again
    failed    changes of the rollback that failed in this round
    rounds    rounds of the rollback that failed
    until     end of the hold, of the wait for a person, or of the time in which a late call may still arrive
    history   the last events, oldest first
    """

    phase: MoveState = MoveState.RECONCILING
    plan_id: str = ""
    changes: tuple[Change, ...] = ()
    index: int = 0
    pending: tuple[Change, ...] = ()
    deferred: tuple[Change, ...] = ()
    failed: tuple[Change, ...] = ()
    rounds: int = 0
    until: datetime | None = None
    reason: str = ""
    history: tuple[str, ...] = ()


@dataclass(frozen=True)
class Event:
    """Something happened at a moment (wall time)."""

    at: datetime


@dataclass(frozen=True)
class Started(Event):
    """A process or a cycle begins, and trusts nothing that it remembers."""


@dataclass(frozen=True)
class Reconciled(Event):
    """What the journal and the world say: the rollback that is left to do, or why nothing may move."""

    plan_id: str = ""
    rollback: tuple[Change, ...] = ()
    rounds: int = 0
    halted: str = ""
    waiting: str = ""
    until: datetime | None = None


@dataclass(frozen=True)
class Proposed(Event):
    """A plan asks to be carried out; `blocked` is what the guards said, `ask_until` how long a person may think."""

    plan_id: str
    changes: tuple[Change, ...]
    blocked: Blocked | None = None
    ask_until: datetime | None = None


@dataclass(frozen=True)
class Confirmed(Event):
    """A person said yes."""

    plan_id: str


@dataclass(frozen=True)
class Answered(Event):
    """The call came back, or did not: only reading back tells what it did."""

    protocol: str


@dataclass(frozen=True)
class Refused(Event):
    """The call was refused, and did nothing."""

    protocol: str
    reason: str


@dataclass(frozen=True)
class Seen(Event):
    """The share was read back as it was asked for; after the last one `until` is the end of the hold."""

    protocol: str
    until: datetime | None = None


@dataclass(frozen=True)
class NotConfirmed(Event):
    """The share was not read back in time."""

    protocol: str
    reason: str


@dataclass(frozen=True)
class RolledBack(Event):
    """One share is again what it was, and was read back."""

    protocol: str
    until: datetime | None = None


@dataclass(frozen=True)
class RollbackFailed(Event):
    """One share is not what it was, though it can be read."""

    protocol: str
    reason: str


@dataclass(frozen=True)
class RollbackUnknown(Event):
    """One share can not be read, or must wait for a call that may still arrive: not a failure."""

    protocol: str
    reason: str
    until: datetime | None = None


@dataclass(frozen=True)
class Resumed(Event):
    """A person has looked at what halted it."""


@dataclass(frozen=True)
class Tick(Event):
    """Time passed."""


@dataclass(frozen=True)
class ReadWorld:
    """Command: read the journal and every share, answer with Reconciled."""


@dataclass(frozen=True)
class Discard:
    """Command: the plan is not carried out; say why."""

    blocked: Blocked


@dataclass(frozen=True)
class Ask:
    """Command: keep the plan until a person confirms it."""

    until: datetime


@dataclass(frozen=True)
class Begin:
    """Command: write the plan and all its steps down before anything is called."""


@dataclass(frozen=True)
class Send:
    """Command: ask one protocol for its new share."""

    change: Change


@dataclass(frozen=True)
class ReadBack:
    """Command: read one share until it is as asked, or the time is over."""

    change: Change


@dataclass(frozen=True)
class Commit:
    """Command: every share was read back; the plan is what is in force."""


@dataclass(frozen=True)
class BeginRollback:
    """Command: write down that the rollback begins, and why."""

    reason: str


@dataclass(frozen=True)
class RollBack:
    """Command: write the absolute previous share and read it back."""

    change: Change
    round: int


@dataclass(frozen=True)
class EndRollback:
    """Command: every share is again what it was."""


@dataclass(frozen=True)
class Wait:
    """Command: nothing more can be done now; the next cycle tries again."""

    reason: str


@dataclass(frozen=True)
class Halt:
    """Command: touch these no more, halt, and say so loudly, once."""

    frozen: tuple[Change, ...]
    reason: str


Command = (
    ReadWorld | Discard | Ask | Begin | Send | ReadBack | Commit | BeginRollback | RollBack | EndRollback | Wait | Halt
)
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
    if not may_step(state.phase, following.phase):
        raise InvalidTransition(state, event, f" leads to {following.phase.words}, which is not in the table")
    return replace(following, history=(*following.history, _told(event))[-LONGEST_HISTORY:]), commands


def _step(state: State, event: Event, rules: Rules) -> Next:
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
        case MoveState.APPLYING, Answered() if event.protocol == _at_hand(state):
            return replace(state, phase=MoveState.VERIFYING), [ReadBack(state.changes[state.index])]
        case MoveState.APPLYING, Refused() if event.protocol == _at_hand(state):
            return _failed(state, event.reason, rules)
        case MoveState.VERIFYING, NotConfirmed() if event.protocol == _at_hand(state):
            return _failed(state, event.reason, rules)
        case MoveState.VERIFYING, Seen() if event.protocol == _at_hand(state):
            return _seen(state, event)
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


def _seen(state: State, event: Seen) -> Next:
    index = state.index + 1
    if index < len(state.changes):
        return replace(state, phase=MoveState.APPLYING, index=index), [Send(state.changes[index])]
    return State(MoveState.HOLDING, until=event.until, history=state.history), [Commit()]


def _failed(state: State, reason: str, rules: Rules) -> Next:
    """What was asked for so far is rolled back, the last first; without `auto_rollback` a person has to look."""
    touched = state.changes[: state.index + 1]
    if not rules.auto_rollback:
        text = f"plan {state.plan_id} failed and auto_rollback is off: {reason}"
        return replace(state, phase=MoveState.HALTED, reason=text), [Halt(touched, text)]
    pending = tuple(change.reversed for change in reversed(touched))
    started = replace(state, phase=MoveState.ROLLING_BACK, pending=pending, reason=reason)
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


def _at_hand(state: State) -> str:
    return state.changes[state.index].protocol if state.index < len(state.changes) else ""


def _told(event: Event) -> str:
    about = getattr(event, "protocol", "") or getattr(event, "plan_id", "")
    return f"{type(event).__name__}{' ' + about if about else ''} {event.at.time().isoformat('seconds')}"
