"""The port of the journal, a write-ahead log: what is written before anything moves, and what a restart reads first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from ..contracts.move_state import MoveState
from ..contracts.records import Alert, AllocationChange, ChangeKind
from .timestamps import Stamp


class StepState(StrEnum):
    """Where one call stands: INTENT -> SENT -> CONFIRMED | REFUSED | UNKNOWN; UNKNOWN ends by reading back only."""

    INTENT = "intent"
    SENT = "sent"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    UNKNOWN = "unknown"


LOOKED_FOR = "looked for until"
"""Stands in the detail of a call whose effect takes longer than a cycle waits."""


@dataclass(frozen=True)
class Step:
    """One call to one adapter, asked for or to be asked for.

    at       when its state last changed
    may_act  False where the call was answered: an UNKNOWN that is left is not going to happen later
    key      the same for one call and no other
    """

    id: int
    operation: int
    kind: ChangeKind
    protocol: str
    before: float
    after: float
    state: StepState
    at: Stamp
    may_act: bool = True
    detail: str = ""
    key: str = ""

    @property
    def is_looked_for(self) -> bool:
        """True where the call came back, and later cycles look for what it did."""
        return self.state is StepState.SENT and LOOKED_FOR in self.detail


@dataclass(frozen=True)
class Operation:
    """One plan, repair or way back.

    before, after  shares of all protocols: a way back leads to `before`
    at             when its state last changed
    rounds         how many rounds of putting back failed so far
    epoch          which holder of the ledger wrote it
    steps          its calls, where it was just begun; `Journal.steps` has those of any
    """

    id: int
    plan_id: str
    kind: ChangeKind
    state: MoveState
    before: Mapping[str, float]
    after: Mapping[str, float]
    at: Stamp
    epoch: int
    rounds: int = 0
    reason: str = ""
    steps: tuple[Step, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Waiting:
    """A plan that waits for a person; `plan` is its JSON."""

    plan_id: str
    plan: str
    at: Stamp
    confirmed: bool


@dataclass(frozen=True)
class Decision:
    """What was decided on a plan and why, with its exact inputs as JSON."""

    plan_id: str
    at: datetime
    verdict: MoveState
    reason: str
    plan: str
    inputs: str


class PaidQuote(NamedTuple):
    """What was paid of a protocol's quotes: the part, over how many hours that is known, and when it was paid last."""

    ratio: float
    hours: float
    at: datetime


class KeptBooks(NamedTuple):
    """A policy's books against never moving, USD, as `policy.regret_budget.Books` has them, over all its life.

    until       begin of the last step of the policy's clock that they count
    start       shares to go home to, by name
    homeward    True while the budget is spent and capacity goes home
    """

    until: datetime
    start: dict[str, float]
    gained: float
    spent: float
    never: float
    earned: float
    homeward: bool


@dataclass(frozen=True)
class LearnedLimit:
    """A share beyond which a protocol would not go when it was asked to, or how long it takes to go there.

    kind      "ceiling" where it took no more, "floor" where it gave no more, "step" where it rounded: `share` is that;
              "delay" where changes came later than anybody said: `share` is the seconds that they take
    failures  how often in a row; `reason` says what happened the last time, and `at` when
    """

    protocol: str
    kind: str
    share: float
    failures: int
    reason: str
    at: Stamp


@dataclass(frozen=True)
class Standing:
    """All that an entry into the engine asks the journal for, read at one moment.

    halted       why nothing moves, or ""
    frozen       protocols that are not touched, with the reason
    committed    shares of the last confirmed state, by protocol
    operation    the one operation that is not at its end
    unsettled    calls of any operation that are SENT or UNKNOWN, or may still act
    waiting      the plan that waits for a person
    last_changes each protocol's last call that moved it or put it back
    last_moves   the last plans that were begun, newest first
    open_alerts  keys of the alerts that are not over
    learned      shares beyond which protocols would not go, and how long changes take
    kept         protocols that a person has put back, and when
    names        every protocol that may have a share, going by what is written
    """

    halted: str = ""
    frozen: Mapping[str, str] = field(default_factory=dict)
    committed: Mapping[str, float] = field(default_factory=dict)
    operation: Operation | None = None
    unsettled: tuple[Step, ...] = ()
    waiting: Waiting | None = None
    last_changes: Mapping[str, Stamp] = field(default_factory=dict)
    last_moves: tuple[Stamp, ...] = ()
    open_alerts: frozenset[str] = frozenset()
    learned: tuple[LearnedLimit, ...] = ()
    kept: Mapping[str, Stamp] = field(default_factory=dict)
    names: frozenset[str] = frozenset()


class Journal(Protocol):
    """What must not be lost. One holder at a time; every write is durable when the method returns.

    Every method may raise DataError, which names the file: nothing is done then.

    observe_only  "" or why nothing may be moved with this journal
    loses         "" or what is gone after a restart
    blocking      True where calls wait for a disk, and belong on a thread
    """

    observe_only: str
    loses: str
    blocking: bool

    def begin(
        self,
        plan_id: str,
        kind: ChangeKind,
        before: Mapping[str, float],
        after: Mapping[str, float],
        changes: Sequence[tuple[str, float, float]],
        at: Stamp,
        reason: str = "",
    ) -> Operation:
        """A new operation, PLANNED, with a step in INTENT for each (protocol, before, after)."""

    def standing(self, moves: int) -> Standing:
        """Everything at one moment, with the last `moves` plans that were begun."""

    def advance(
        self,
        operation: int,
        state: MoveState,
        at: Stamp,
        reason: str = "",
        rounds: int = 0,
        decision: Decision | None = None,
        shares: Mapping[str, float] | None = None,
    ) -> None:
        """Its next state, and the decision that goes with it in the same write; an illegal state raises DataError.

        COMMITTED makes `after` the committed shares, or `shares` where they became others; ROLLED_BACK `before`, where
        it is a ROLLBACK or nothing was.
        """

    def add_step(self, operation: int, kind: ChangeKind, protocol: str, before: float, after: float, at: Stamp) -> Step:
        """One more call, SENT: written just before it is made."""

    def send(self, step: Step, at: Stamp) -> None:
        """A call is SENT, and may act: written just before it is made. Its operation is APPLYING from the first on.

        `step.after` is what is asked for, which may be less than was planned.
        """

    def mark(
        self,
        step: Step,
        state: StepState,
        at: Stamp,
        *,
        may_act: bool = False,
        detail: str = "",
        after: float | None = None,
    ) -> None:
        """The next state of a call; `after` is the share that it led to, where that is another than was asked for."""

    def learn(self, limit: LearnedLimit) -> None:
        """Keeps what a protocol would not take, in place of what is known of that kind."""

    def unlearn(self, protocol: str, kind: str) -> None:
        """It does not hold any more."""

    def keep(self, protocols: Sequence[str], at: Stamp) -> None:
        """Protocols that a person has put back, and that are to stay there; `resume` ends that."""

    def keep_quotes(self, paid: Mapping[str, PaidQuote]) -> None:
        """Keeps what was paid of quotes, by protocol, in place of what is known of it."""

    def quotes(self) -> dict[str, PaidQuote]:
        """What was paid of quotes, by protocol."""

    def keep_books(self, books: KeptBooks) -> None:
        """Keeps the policy's books against never moving, in place of what is kept of them."""

    def books(self) -> KeptBooks | None:
        """The policy's books that were kept; None where none were."""

    def forget(self, protocol: str) -> None:
        """Nothing is known of a protocol any more but what was done."""

    def repairs(self, count: int) -> list[tuple[Stamp, frozenset[str]]]:
        """The last repairs, newest first: when, and of which protocols."""

    def open_operation(self) -> Operation | None:
        """The one operation that is not at its end."""

    def operation_of(self, plan_id: str) -> Operation | None:
        """The first operation made of this plan."""

    def last_committed(self) -> Operation | None:
        """The last plan that is in force and was not taken back."""

    def steps(self, operation: int) -> list[Step]:
        """Its calls, in order."""

    def unsettled(self) -> list[Step]:
        """Calls of any operation that are SENT or UNKNOWN, or may still act."""

    def last_call(self, protocol: str) -> int:
        """The number of the last step that was SENT to this protocol; 0 where there is none."""

    def most(self, protocol: str) -> float | None:
        """The most that this protocol may have, going by what is written; None where nothing is."""

    def committed(self) -> dict[str, float]:
        """Shares of the last confirmed state, by protocol."""

    def adopt(self, shares: Mapping[str, float]) -> None:
        """Takes shares as the confirmed ones: at the first start, or by a person's word."""

    def last_changes(self) -> dict[str, Stamp]:
        """Each protocol's last call that moved it or put it back."""

    def last_moves(self, count: int) -> list[Stamp]:
        """The last `count` plans that were begun, newest first."""

    def changes(self, since: datetime | None = None, newest: int | None = None) -> list[AllocationChange]:
        """Every change asked for, or those of the `newest` only, oldest first."""

    def wait_for(self, plan_id: str, plan: str, at: Stamp) -> None:
        """A plan that waits from now on, in place of any other."""

    def waiting(self) -> Waiting | None:
        """The plan that waits."""

    def confirm(self, plan_id: str) -> bool:
        """Marks the waiting plan as confirmed; False where another one waits, or none."""

    def drop_waiting(self) -> None:
        """Nothing waits any more."""

    def decide(self, plan_id: str, at: datetime, verdict: MoveState, reason: str, plan: str, inputs: str = "") -> None:
        """A decision with its inputs; the same verdict on the same plan is kept once."""

    def decisions(self, limit: int = 100, plan_id: str | None = None) -> list[Decision]:
        """The last decisions, newest first; those on one plan where it is named."""

    def page(self, what: str, limit: int, before: int | None = None) -> list[tuple[int, Any]]:
        """The newest of what is a "decision", "alert" or "change" before this number, each with its own."""

    def decision_of(self, plan_id: str) -> Decision | None:
        """The newest decision on this plan that has its text."""

    def halt(self, alert: Alert, frozen: Mapping[str, str]) -> bool:
        """No more moves until `resume`, and an alert, in one write; False where the alert was open already.

        The alert's message is the reason; `frozen` says why, by protocol.
        """

    def halted(self) -> str:
        """Why nothing moves, or ""."""

    def frozen(self) -> dict[str, str]:
        """Protocols that are not touched, with the reason."""

    def resume(self) -> None:
        """A person has looked: nothing is halted or frozen any more."""

    def raise_alert(self, alert: Alert) -> bool:
        """Keeps an alert; False where its key is open already (it is counted)."""

    def recovered(self, key: str, at: datetime) -> bool:
        """Closes the open alert of this key; False where there is none."""

    def acknowledge(self, key: str) -> bool:
        """A person has seen the open alert of this key; False where there is none."""

    def mute(self, key: str, until: datetime) -> None:
        """A person wants to hear nothing more of this key until then."""

    def muted(self) -> dict[str, datetime]:
        """Keys of which nothing is to be heard, and until when; what is over is among them until it is muted anew."""

    def alerts(self, limit: int = 1000) -> list[Alert]:
        """The last alerts, oldest first."""

    def close(self) -> None:
        """Lets go of the files."""
