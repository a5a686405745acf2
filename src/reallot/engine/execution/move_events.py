"""The language of the state machine: what may happen to a move, and what it asks to be done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .guards import Blocked, Change


@dataclass(frozen=True)
class Event:
    """Something happened at a moment (wall time)."""

    at: datetime


@dataclass(frozen=True)
class ProtocolEvent(Event):
    """Something happened to a change of one protocol."""

    protocol: str


@dataclass(frozen=True)
class ProtocolFailure(ProtocolEvent):
    """A change of one protocol did not come out as it was asked for."""

    reason: str


@dataclass(frozen=True)
class Verifying:
    """A plan in the middle, as the journal has it: change `index` was made, and is not read back yet.

    partial  protocols of which a change was taken in part, or not at all, and why
    """

    changes: tuple[Change, ...]
    index: int
    partial: tuple[tuple[str, str], ...] = ()


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
    verifying: Verifying | None = None


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
class Answered(ProtocolEvent):
    """The call came back, or did not: only reading back tells what it did."""


@dataclass(frozen=True)
class Refused(ProtocolFailure):
    """The call was refused, and did nothing."""


@dataclass(frozen=True)
class Seen(ProtocolEvent):
    """The share was read back as it was asked for; after the last one `until` is the end of the hold."""

    until: datetime | None = None


@dataclass(frozen=True)
class NotYet(ProtocolFailure):
    """The share was not read back yet, and may be until then: the next cycle looks again."""

    until: datetime


@dataclass(frozen=True)
class RollbackRequested(Event):
    """A person wants the shares back that were in force before the plan that is in the middle."""

    reason: str


@dataclass(frozen=True)
class NotConfirmed(ProtocolFailure):
    """The share was not read back in time."""


@dataclass(frozen=True)
class Partly(ProtocolFailure):
    """The call is over, and the share was read: it was taken in part, or not at all."""


@dataclass(frozen=True)
class Balanced(Event):
    """What was given up and not taken: `changes` hand it on or give it back.

    rollback_reason  why nothing was achieved; "" where something was
    """

    changes: tuple[Change, ...] = ()
    rollback_reason: str = ""
    until: datetime | None = None


@dataclass(frozen=True)
class RolledBack(ProtocolEvent):
    """One share is again what it was, and was read back."""

    until: datetime | None = None


@dataclass(frozen=True)
class RollbackFailed(ProtocolFailure):
    """One share is not what it was, though it can be read."""


@dataclass(frozen=True)
class RollbackUnknown(ProtocolFailure):
    """One share can not be read, or must wait for a call that may still arrive: not a failure."""

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
class LookLater:
    """Command: say what is waited for; the next cycle goes on from what the journal keeps."""

    reason: str
    until: datetime


@dataclass(frozen=True)
class Balance:
    """Command: every change was tried, and not all were taken: say what becomes of the capacity that is left."""

    partial: tuple[tuple[str, str], ...]


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
    ReadWorld
    | Discard
    | Ask
    | Begin
    | Send
    | ReadBack
    | LookLater
    | Balance
    | Commit
    | BeginRollback
    | RollBack
    | EndRollback
    | Wait
    | Halt
)
