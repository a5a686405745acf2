"""The engine's side of the service: after each cycle one board, made of what the engine knows, and what happened."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version

from ..engine.contracts.records import AllocationPlan
from ..engine.execution.preconditions import now_blocked
from ..engine.ledger.event_log import KeptEvent
from ..engine.ledger.journal import Standing, Waiting
from ..errors import DataError
from ..orchestration.cycle import CycleResult
from ..runtime.runner import Runner
from .board import Board
from .hub import Hub


class Publisher:
    """Makes boards of a runner, on its loop, and hands them to the hub."""

    def __init__(self, runner: Runner, hub: Hub) -> None:
        self.runner, self._hub = runner, hub
        self._last_event = hub.board.last_event
        runner.on_kept = self.happened
        self.board = hub.board

    def happened(self, events: list[KeptEvent]) -> None:
        """What was kept of a cycle is told at once."""
        self._last_event = events[-1].seq
        self._hub.publish(None, tuple(events))

    async def publish(self, result: CycleResult | None, **known: object) -> Board:
        """The board after a cycle, told to everybody. Raises nothing: what cannot be read is left out."""
        board = await self._board(result)
        self.board = replace(board, **known) if known else board  # type: ignore[arg-type]
        self._hub.publish(self.board)
        return self.board

    async def _board(self, result: CycleResult | None) -> Board:
        runner, parts = self.runner, self.runner.parts
        engine, before = parts.engine, self.board
        standing, muted = Standing(), before.muted
        with suppress(DataError):
            standing = await engine.books.standing(engine.rules)
            muted = await engine.books.ask(engine.journal.muted)
        now = parts.clock.now()
        waiting, until = self._waiting(standing.waiting, now)
        result = before.result if result is None else result
        lifetime = engine.config.confirmation_lifetime
        return Board(
            seq=before.seq + 1,
            epoch=getattr(engine.journal, "epoch", 0),
            version=own_version(),
            mode=parts.mode,
            at=before.at if result is None else result.started_at,
            every=parts.config.coordinator.every.total_seconds(),
            taken=runner.taken,
            polls=parts.coordinator.took,
            result=result,
            standing=standing,
            blocked=now_blocked(engine.books, standing, engine.rules, lifetime),
            rests=await self._rests(),
            waiting=waiting,
            waits_until=until,
            alerts=tuple(parts.monitor.open_alerts),
            muted={key: each for key, each in muted.items() if each > now},
            never=runner.never_rate,
            names=tuple(parts.coordinator.adapters),
            last_event=self._last_event,
        )

    async def _rests(self) -> dict[str, datetime]:
        try:
            return await self.runner.parts.engine.held_protocols()
        except DataError:
            return {}

    def _waiting(self, waiting: Waiting | None, now: datetime) -> tuple[AllocationPlan | None, datetime | None]:
        """The plan that waits for a person, and until when."""
        if waiting is None or waiting.confirmed:
            return None, None
        engine = self.runner.parts.engine
        try:
            plan = AllocationPlan.model_validate_json(waiting.plan)
        except ValueError:
            return None, None
        age = engine.books.age(waiting.at)
        return plan, now + engine.config.confirmation_lifetime - timedelta(seconds=age)


def own_version() -> str:
    """The version that is installed; "0" where none is."""
    try:
        return version("reallot")
    except PackageNotFoundError:
        return "0"
