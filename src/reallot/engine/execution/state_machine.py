"""When to act, as a pure state machine: `step(state, event, rules) -> (state, commands)`.

It knows no clock, no asyncio, no logging and no file: time arrives inside the event, and the outcome of a command is
one more event. The engine carries commands out (reallocation.py).

```
                    Proposed                Sent...                 Seen (last)
RECONCILING -> IDLE ---------> APPLYING <--------------> VERIFYING ------------> HOLDING --Tick--> IDLE
      |          \\-> CONFIRMING   |  Refused                 |  NotSeen
      |                            v                          v
      +----------------------> ROLLING_BACK -- all put back --> HOLDING
                                   |  rounds used up
                                   v
                                 HALTED -- Resumed --> RECONCILING
```
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from ...errors import ReallocationError
from .guards import Blocked, Change, Rules

LONGEST_STORY = 30


class Phase(StrEnum):
    """Where the machine stands."""

    RECONCILING = "reconciling"
    IDLE = "idle"
    CONFIRMING = "confirming"
    APPLYING = "applying"
    VERIFYING = "verifying"
    HOLDING = "holding"
    ROLLING_BACK = "rolling back"
    HALTED = "halted"


@dataclass(frozen=True)
class State:
    """All that the machine remembers.

    plan_id   what is waited for or carried out
    changes   of that plan, in order; `index` is the one at hand
    left      what still has to be put back, in order, as (from, to); `later` waits, `failed` failed in this round
    rounds    rounds of putting back that failed
    until     end of the hold, of the wait for a person, or of the time in which a late call may still arrive
    story     the last events, oldest first
    """

    phase: Phase = Phase.RECONCILING
    plan_id: str = ""
    changes: tuple[Change, ...] = ()
    index: int = 0
    left: tuple[Change, ...] = ()
    later: tuple[Change, ...] = ()
    failed: tuple[Change, ...] = ()
    rounds: int = 0
    until: datetime | None = None
    reason: str = ""
    story: tuple[str, ...] = ()


@dataclass(frozen=True)
class Event:
    """Something happened at a moment (wall time)."""

    at: datetime


@dataclass(frozen=True)
class Started(Event):
    """A process or a cycle begins, and trusts nothing that it remembers."""


@dataclass(frozen=True)
class Reconciled(Event):
    """What the journal and the world say: what has to be put back, or why nothing may move."""

    plan_id: str = ""
    undo: tuple[Change, ...] = ()
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
class NotSeen(Event):
    """The share was not read back in time."""

    protocol: str
    reason: str


@dataclass(frozen=True)
class PutBack(Event):
    """One share is again what it was."""

    protocol: str
    until: datetime | None = None


@dataclass(frozen=True)
class NotPutBack(Event):
    """One share could not be put back, though it can be read."""

    protocol: str
    reason: str


@dataclass(frozen=True)
class Unclear(Event):
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
class StartBack:
    """Command: write down that the way back begins, and why."""

    reason: str


@dataclass(frozen=True)
class Restore:
    """Command: write the absolute previous share and read it back."""

    change: Change
    round: int


@dataclass(frozen=True)
class FinishBack:
    """Command: every share is again what it was."""


@dataclass(frozen=True)
class Wait:
    """Command: nothing more can be done now; later, with the next cycle."""

    reason: str


@dataclass(frozen=True)
class Freeze:
    """Command: touch these no more, halt, and say so loudly, once."""

    frozen: tuple[Change, ...]
    reason: str


Command = (
    ReadWorld | Discard | Ask | Begin | Send | ReadBack | Commit | StartBack | Restore | FinishBack | Wait | Freeze
)
Next = tuple[State, list[Command]]


class InvalidTransition(ReallocationError):
    """An event that cannot happen in this phase: an error of the caller. The message holds the story."""

    def __init__(self, state: State, event: Event) -> None:
        story = ", ".join([*state.story, _told(event)])
        super().__init__(f"{type(event).__name__} while {state.phase.value}. Story: {story}", by="story")
        self.state, self.event = state, event


def step(state: State, event: Event, rules: Rules) -> Next:
    """The next state, and what is to be done; raises InvalidTransition."""
    state, commands = _step(state, event, rules)
    return replace(state, story=(*state.story, _told(event))[-LONGEST_STORY:]), commands


def _step(state: State, event: Event, rules: Rules) -> Next:
    match state.phase, event:
        case _, Started():
            return State(story=state.story), [ReadWorld()]
        case Phase.RECONCILING, Reconciled():
            return _reconciled(state, event)
        case ((Phase.IDLE | Phase.HOLDING), Proposed()):
            return _proposed(state, event)
        case Phase.CONFIRMING, Proposed():
            text = f"plan {state.plan_id} waits for a confirmation"
            return state, [Discard(event.blocked or Blocked("confirmation", state.until, text))]
        case Phase.HALTED, Proposed():
            return state, [Discard(Blocked("halted", None, state.reason))]
        case _, Proposed():
            return state, [
                Discard(Blocked("busy", state.until, f"{state.phase.value} {state.plan_id}: {state.reason}"))
            ]
        case Phase.CONFIRMING, Confirmed() if event.plan_id == state.plan_id:
            return State(Phase.IDLE, story=state.story), []
        case Phase.APPLYING, Answered() if event.protocol == _at_hand(state):
            return replace(state, phase=Phase.VERIFYING), [ReadBack(state.changes[state.index])]
        case Phase.APPLYING, Refused() if event.protocol == _at_hand(state):
            return _failed(state, event.reason, rules)
        case Phase.VERIFYING, NotSeen() if event.protocol == _at_hand(state):
            return _failed(state, event.reason, rules)
        case Phase.VERIFYING, Seen() if event.protocol == _at_hand(state):
            return _seen(state, event)
        case Phase.ROLLING_BACK, (PutBack() | NotPutBack() | Unclear()) if (
            state.left and event.protocol == state.left[0].protocol
        ):
            return _back(state, event, rules)
        case Phase.HALTED, Resumed():
            return State(story=state.story), [ReadWorld()]
        case ((Phase.HOLDING | Phase.CONFIRMING), Tick()) if state.until is not None and event.at >= state.until:
            return State(Phase.IDLE, story=state.story), []
        case _, Tick():
            return state, []
        case _:
            raise InvalidTransition(state, event)


def _reconciled(state: State, event: Reconciled) -> Next:
    fresh = State(story=state.story, plan_id=event.plan_id, until=event.until)
    if event.halted:
        return replace(fresh, phase=Phase.HALTED, reason=event.halted), []
    if event.undo:
        back = replace(fresh, phase=Phase.ROLLING_BACK, left=event.undo, rounds=event.rounds)
        return back, [Restore(event.undo[0], event.rounds)]
    if event.waiting:
        return replace(fresh, phase=Phase.CONFIRMING, plan_id=event.waiting), []
    return replace(fresh, phase=Phase.HOLDING if event.until else Phase.IDLE, plan_id=""), []


def _proposed(state: State, event: Proposed) -> Next:
    if event.blocked is not None:
        return state, [Discard(event.blocked)]
    if not event.changes:
        return state, [Discard(Blocked("nothing to do", None, "every share is already what the plan says"))]
    if event.ask_until is not None:
        asked = State(Phase.CONFIRMING, event.plan_id, until=event.ask_until, story=state.story)
        return asked, [Ask(event.ask_until)]
    begun = State(Phase.APPLYING, event.plan_id, event.changes, story=state.story)
    return begun, [Begin(), Send(event.changes[0])]


def _seen(state: State, event: Seen) -> Next:
    index = state.index + 1
    if index < len(state.changes):
        return replace(state, phase=Phase.APPLYING, index=index), [Send(state.changes[index])]
    return State(Phase.HOLDING, until=event.until, story=state.story), [Commit()]


def _failed(state: State, reason: str, rules: Rules) -> Next:
    """What was asked for so far is put back, the last first; without `auto_rollback` a person has to look."""
    touched = state.changes[: state.index + 1]
    if not rules.auto_rollback:
        text = f"plan {state.plan_id} failed and auto_rollback is off: {reason}"
        return replace(state, phase=Phase.HALTED, reason=text), [Freeze(touched, text)]
    left = tuple(change.back for change in reversed(touched))
    back = replace(state, phase=Phase.ROLLING_BACK, left=left, reason=reason)
    return back, [StartBack(reason), Restore(left[0], 0)]


def _back(state: State, event: PutBack | NotPutBack | Unclear, rules: Rules) -> Next:
    """One answer on the way back: the next in the round, another round, an end, a wait or a halt."""
    change, left = state.left[0], state.left[1:]
    state = replace(state, left=left)
    if isinstance(event, NotPutBack):
        state = replace(state, failed=(*state.failed, change), reason=event.reason)
    elif isinstance(event, Unclear):
        ends = [each for each in (state.until, event.until) if each is not None]
        state = replace(state, later=(*state.later, change), until=max(ends) if ends else None, reason=event.reason)
    if left:
        return state, [Restore(left[0], state.rounds)]
    if state.failed:
        return _another_round(state, rules)
    if state.later:
        return replace(state, left=state.later, later=()), [Wait(state.reason)]
    held = event.until if isinstance(event, PutBack) else None
    return State(Phase.HOLDING if held else Phase.IDLE, until=held, story=state.story), [FinishBack()]


def _another_round(state: State, rules: Rules) -> Next:
    rounds = state.rounds + 1
    remaining = (*state.failed, *state.later)
    if rounds >= rules.most_rollbacks:
        names = ", ".join(f"{each.protocol} (to {each.after:.4f})" for each in remaining)
        text = f"{rounds} rounds did not put back {names}: {state.reason}"
        halted = replace(state, phase=Phase.HALTED, left=(), later=(), failed=remaining, rounds=rounds, reason=text)
        return halted, [Freeze(remaining, text)]
    # releases first again: what could not be put back may have waited for one of them
    ordered = (*(each for each in remaining if each.releases), *(each for each in remaining if not each.releases))
    again = replace(state, left=ordered, later=(), failed=(), rounds=rounds)
    return again, [Restore(ordered[0], rounds)]


def _at_hand(state: State) -> str:
    return state.changes[state.index].protocol if state.index < len(state.changes) else ""


def _told(event: Event) -> str:
    about = getattr(event, "protocol", "") or getattr(event, "plan_id", "")
    return f"{type(event).__name__}{' ' + about if about else ''} {event.at.time().isoformat('seconds')}"
