"""The engine as the cycle sees it: every plan that may act is kept beside its exact inputs before it is carried out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime

from ..engine.contracts.adapter import ProtocolAdapter
from ..engine.contracts.configs import Mode
from ..engine.contracts.move_state import MoveState
from ..engine.contracts.records import AllocationPlan
from ..engine.ledger.operator_requests import CONFIRM, Request
from ..engine.planning.problem_builder import PlanningProblem
from ..errors import ReallocationError
from .build import Parts
from .decision_replay import inputs_of


class RecordedEngine:
    """The engine, with every plan that may act kept beside its exact inputs before it is carried out."""

    def __init__(self, parts: Parts, take_up: Callable[[Request], Awaitable[None]]) -> None:
        self._take_up = take_up
        self._parts, self._held, self._fixed = parts, dict[str, datetime](), tuple[str, ...]()
        self._advised = ""

    async def recover(self, adapters: Mapping[str, ProtocolAdapter]) -> object:
        """Ends what was begun before, and takes up what people asked for."""
        state = await self._parts.engine.recover(adapters)
        while self._parts.engine.heard:
            await self._take_up(self._parts.engine.heard.pop(0))
        return state

    @property
    def limits(self) -> object:
        """Shares that protocols would not go beyond."""
        return self._parts.engine.limits

    @property
    def shares(self) -> object:
        """Shares in force, by name."""
        return self._parts.engine.shares

    @property
    def rules(self) -> object:
        """What the guards go by."""
        return self._parts.engine.rules

    async def held_protocols(self) -> dict[str, datetime]:
        """Protocols that still rest, and until when."""
        self._held = await self._parts.engine.held_protocols()
        return self._held

    def fixed_protocols(self, adapters: Mapping[str, ProtocolAdapter]) -> tuple[str, ...]:
        """Protocols whose shares nobody here can change."""
        self._fixed = self._parts.engine.fixed_protocols(adapters)
        return self._fixed

    async def execute_reallocation(self, plan: AllocationPlan, adapters: Mapping[str, ProtocolAdapter]) -> None:
        """Keeps a plan and carries it out; a plan that a person confirmed meanwhile goes first."""
        engine = self._parts.engine
        if (self._parts.mode is Mode.CONFIRM or engine.config.require_confirmation) and await self._confirmed():
            raise ReallocationError("a plan was confirmed meanwhile: it is carried out in the next cycle", by="confirm")
        if self._parts.mode in (Mode.OBSERVE, Mode.ADVISE):
            moves = ", ".join(f"{name} {change:+.2f}" for name, change in plan.moves.items())
            if self._parts.mode is Mode.ADVISE and moves != self._advised:
                self._advised = moves
                await self.record(plan, MoveState.ADVISED)
        else:
            with suppress(ReallocationError):  # which the engine says itself, at once
                if not plan.urgent:
                    await engine.can_reallocate()
                await self.record(plan, MoveState.PLANNED)
        await engine.execute_reallocation(plan, adapters)

    def asked(self) -> PlanningProblem:
        """The problem of the last plan."""
        return self._parts.optimizer.asked(held=(*self._held, *self._fixed))

    async def _confirmed(self) -> bool:
        """True where a person confirmed the plan that waits since this cycle began."""
        books, requests = self._parts.engine.books, self._parts.ledger.requests
        waiting = await books.ask(books.journal.waiting)
        if waiting is None or waiting.confirmed or requests is None:
            return waiting is not None and waiting.confirmed
        asked = await books.ask(requests.all)
        return any(each.kind == CONFIRM and each.plan_id == waiting.plan_id and not each.is_late() for each in asked)

    async def record(self, plan: AllocationPlan, verdict: MoveState, reason: str = "") -> None:
        """Keeps a plan beside its exact inputs, with what was decided on it and why."""
        asked = self.asked()
        books, reason = self._parts.engine.books, reason or "; ".join(plan.reasons)
        text = plan.model_dump_json()
        await books.ask(books.journal.decide, plan.id, books.clock.now(), verdict, reason, text, inputs_of(asked))
