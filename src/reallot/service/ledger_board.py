"""Boards of a ledger alone: what an engine in another process, or none, has written down."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from ..engine.contracts.configs import Mode, ReallocationConfig
from ..engine.contracts.move_state import MoveState
from ..engine.contracts.records import AggregatedMetrics, AllocationPlan
from ..engine.execution.guards import Blocked
from ..engine.ledger.folder import Ledger
from ..engine.ledger.journal import Decision, Standing
from ..engine.ledger.lock import LedgerLock
from ..errors import DataError
from ..orchestration.cycle import CycleResult
from ..runtime.restore import polls
from .board import Board
from .hub import RECENT, Hub
from .publisher import own_version

LOOKS_BACK = timedelta(hours=1)
"""Readings so long before the newest one say since when a protocol is silent."""
MOST_ALERTS = 1000


class LedgerBoards:
    """Makes boards of a ledger that is only read, and tells the hub of each that differs. Blocking: never on a loop.

    mode, every, lifetime  as configured: how far an engine goes, seconds from poll to poll, and how long a plan waits
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        mode: Mode = Mode.OBSERVE,
        every: float = 60.0,
        lifetime: timedelta | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ledger, self._mode, self._every, self._now = ledger, mode, every, now
        self._lifetime = ReallocationConfig().confirmation_lifetime if lifetime is None else lifetime
        self._last = Board(mode=mode, every=every)
        self._event = 0

    def begin(self) -> Hub:
        """The hub, with the first board and with what happened before."""
        with suppress(DataError):
            before = self._ledger.events.before(None, RECENT)[::-1]
            self._event = before[-1].seq if before else 0
            hub = Hub(self._made(), self._now)
            hub.remember(before)
            return hub
        return Hub(self._made(), self._now)

    def look(self, hub: Hub) -> None:
        """Tells of what is new in the ledger. What cannot be read now is looked for the next time."""
        with suppress(DataError):
            if new := self._ledger.events.after(self._event, RECENT):
                self._event = new[-1].seq
                hub.publish(None, tuple(new))
        before = self._last
        if self._made() is not before:
            hub.publish(self._last)

    def _made(self) -> Board:
        """The newest board: the one before where nothing differs from it."""
        with suppress(DataError):
            found = self._read()
            if replace(found, seq=0) != replace(self._last, seq=0):
                self._last = replace(found, seq=self._last.seq + 1)
        return self._last

    def _read(self) -> Board:
        ledger, now = self._ledger, self._now()
        journal, folder = ledger.journal, ledger.folder
        standing, metrics = journal.standing(1), self._newest(now)
        decision = next(iter(journal.decisions(1)), None)
        waiting, until = None, None
        if standing.waiting is not None and not standing.waiting.confirmed:
            waiting = _plan(standing.waiting.plan)
            until = standing.waiting.at.wall + self._lifetime
        runs = folder is not None and LedgerLock(folder).is_held()
        return Board(
            epoch=getattr(journal, "epoch", 0),
            version=own_version(),
            mode=self._mode,
            at=None if metrics is None else metrics.timestamp,
            every=self._every,
            result=None if metrics is None else _result(metrics, decision),
            standing=standing,
            blocked=_blocked(standing, runs=runs),
            waiting=waiting,
            waits_until=until,
            alerts=tuple(each for each in journal.alerts(MOST_ALERTS) if each.recovered_at is None),
            muted={key: each for key, each in journal.muted().items() if each > now},
            names=tuple(sorted({*standing.committed, *(metrics.connection_status if metrics else ())})),
            last_event=self._event,
            runs=runs,
        )

    def _newest(self, now: datetime) -> AggregatedMetrics | None:
        """The newest poll that is not of the future."""
        history = self._ledger.history
        last = history.last(now) or history.last()
        if last is None:
            return None
        found = list(polls(history, last - LOOKS_BACK, last + timedelta(microseconds=1)))
        return found[-1] if found else None


def _result(metrics: AggregatedMetrics, decision: Decision | None) -> CycleResult:
    """The last poll, and the last decision where there was one."""
    plan = None if decision is None else _plan(decision.plan)
    if decision is None or plan is None:
        return CycleResult(started_at=metrics.timestamp, metrics=metrics)
    return CycleResult(
        started_at=metrics.timestamp,
        metrics=metrics,
        plan=plan,
        wanted=decision.verdict is not MoveState.DECLINED,
        acted=decision.verdict is MoveState.COMMITTED,
        blocked=decision.reason if decision.verdict is MoveState.BLOCKED else "",
    )


def _plan(text: str) -> AllocationPlan | None:
    with suppress(ValueError):
        return AllocationPlan.model_validate_json(text)
    return None


def _blocked(standing: Standing, *, runs: bool) -> Blocked | None:
    if standing.halted:
        return Blocked(MoveState.HALTED, None, standing.halted)
    return None if runs else Blocked("engine", None, "no engine runs on this ledger: reallot run begins one")
