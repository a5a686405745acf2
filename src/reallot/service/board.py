"""What is known of an engine after a cycle, as one frozen record, and the one sentence that it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from ..engine.contracts.configs import Mode
from ..engine.contracts.records import Alert, AllocationPlan
from ..engine.execution.guards import Blocked
from ..engine.execution.pause import PAUSED
from ..engine.ledger.journal import Standing
from ..orchestration.cycle import CycleResult
from ..text.numbers import listed, shown, usd


@dataclass(frozen=True)
class Board:
    """The engine as it stood at the end of a cycle.

    seq      grows by one with each board
    epoch    which holder of the ledger this is
    every    seconds from cycle to cycle
    taken    seconds that the cycle took
    polls    by protocol, when its last call began (monotonic seconds) and how long it took (seconds)
    result   the cycle; None before the first
    shown    the plan that was worth it, or the last that was not
    blocked  why no plan may be carried out now
    rests    protocols that may not change yet, and until when
    waiting  the plan that waits for a person, until `waits_until`
    never    USD/h that the shares of the start would earn now; None where nobody knows
    last_event  number of the newest event; 0 where there is none
    ends_simulated  True where simulated time is over, and goes on slowly
    runs     False where nobody has the ledger that this was read from
    """

    seq: int = 0
    epoch: int = 0
    version: str = ""
    mode: Mode = Mode.OBSERVE
    at: datetime | None = None
    every: float = 60.0
    taken: float = 0.0
    polls: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    result: CycleResult | None = None
    standing: Standing = field(default_factory=Standing)
    blocked: Blocked | None = None
    rests: Mapping[str, datetime] = field(default_factory=dict)
    waiting: AllocationPlan | None = None
    waits_until: datetime | None = None
    alerts: tuple[Alert, ...] = ()
    muted: Mapping[str, datetime] = field(default_factory=dict)
    never: float | None = None
    names: tuple[str, ...] = ()
    ends_simulated: bool = False
    last_event: int = 0
    runs: bool = True

    @property
    def key(self) -> str:
        """Names this board among all of its ledger."""
        return f"{self.epoch}-{self.seq}"

    def is_fresh(self, now: datetime) -> bool:
        """True where an engine runs, and its last cycle is no older than three of them and a minute."""
        return self.runs and self.at is not None and (now - self.at).total_seconds() <= 3.0 * self.every + 60.0

    @property
    def read_until(self) -> datetime | None:
        """Just after the newest reading; None before the first."""
        metrics = None if self.result is None else self.result.metrics
        return None if metrics is None else metrics.timestamp + timedelta(microseconds=1)

    @property
    def silent(self) -> list[str]:
        """Protocols that did not answer in the last poll."""
        metrics = None if self.result is None else self.result.metrics
        return [] if metrics is None else [name for name, up in metrics.connection_status.items() if not up]


class Condition(StrEnum):
    """What the engine as a whole is at, the gravest first."""

    HALTED = "halted"
    PAUSED = "paused"
    BLIND = "blind"
    MOVING = "moving"
    WAITING = "waiting"
    HELD = "held"
    EARNING = "earning"


class Verdict(NamedTuple):
    """The condition, and the sentence that says it."""

    condition: Condition
    text: str


def verdict(board: Board) -> Verdict:
    """What to say of an engine first.

    >>> verdict(Board()).text
    'No poll was made yet.'
    """
    metrics, standing = None if board.result is None else board.result.metrics, board.standing
    if standing.halted == PAUSED:
        return Verdict(Condition.PAUSED, f"{_earning(board)}. Paused, as a person asked: nothing is moved.")
    if standing.halted:
        return Verdict(Condition.HALTED, f"Halted: {standing.halted}")
    if not board.runs:
        last = "" if board.at is None else f"; the last poll was at {board.at:%Y-%m-%d %H:%M} UTC"
        return Verdict(Condition.BLIND, f"No engine runs on this ledger{last}.")
    if metrics is None:
        said = "No poll was made yet." if board.result is None else _failed(board.result)
        return Verdict(Condition.BLIND, said)
    if metrics.connection_status and not any(metrics.connection_status.values()):
        return Verdict(Condition.BLIND, "No protocol answers: what is earned is not known.")
    if standing.operation is not None:
        operation = standing.operation
        return Verdict(Condition.MOVING, f"{_earning(board)}. A move is {operation.state.words}.{_inputs(board)}")
    if board.waiting is not None:
        gain = usd(board.waiting.estimated_improvement, sign=True)
        said = f"{_earning(board)}. A plan waits for your yes: {gain} USD/h.{_inputs(board)}"
        return Verdict(Condition.WAITING, said)
    result = board.result
    if result is not None and result.wanted and not result.acted and (result.blocked or board.blocked is not None):
        until = "" if board.blocked is None or board.blocked.until is None else _until(board.blocked.until)
        why = result.blocked or (board.blocked.reason if board.blocked is not None else "")
        return Verdict(Condition.HELD, f"{_earning(board)}. A better plan is held back{until}: {why}.{_inputs(board)}")
    return Verdict(Condition.EARNING, f"{_earning(board)}.{_inputs(board)}")


def _earning(board: Board) -> str:
    metrics = None if board.result is None else board.result.metrics
    return "Nothing was read yet" if metrics is None else f"Earning {usd(metrics.total_earnings_per_hour)} USD/h"


def _failed(result: CycleResult) -> str:
    return next((f"The {step} failed: {said}" for step, said in result.errors.items()), "No poll was made yet.")


def _until(moment: datetime) -> str:
    return f" until {moment:%H:%M} UTC"


def _inputs(board: Board) -> str:
    """What to know of the numbers before they are believed."""
    names = board.silent
    if not names:
        return ""
    told = listed(list(map(shown, names[:3])), "and") if len(names) <= 3 else f"{len(names)} protocols"
    rest = "is silent, and keeps its share" if len(names) == 1 else "are silent, and keep their shares"
    return f" {told[:1].upper()}{told[1:]} {rest}: the numbers rest on what was known of " + (
        "it." if len(names) == 1 else "them."
    )


def age_of(board: Board, name: str, now: datetime) -> float | None:
    """Seconds since the value of a protocol was read; None where there is none."""
    metrics = None if board.result is None else board.result.metrics
    if metrics is None or name not in metrics.earnings_by_protocol:
        return None
    return max(0.0, (now - metrics.timestamp) / timedelta(seconds=1)) + metrics.stale.get(name, 0.0)
