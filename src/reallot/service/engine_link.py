"""What only the running engine can say, asked on its own loop: the calls of a plan, its inputs, estimates."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

from ..engine.contracts.move_state import MoveState
from ..engine.contracts.records import AllocationPlan
from ..engine.contracts.secrets import redact
from ..engine.ledger.journal import Decision
from ..errors import ConfigurationError, DataError, ReallotError
from ..runtime.config import Config, read_config
from ..runtime.decision_replay import inputs_of
from ..runtime.declined import why_declined
from ..runtime.runner import Runner
from .access import Bucket
from .problems import Problem

T = TypeVar("T")
ANSWER_SECONDS = 20.0
PREVIEWS = (1.0 / 60.0, 3.0)
"""A second, and at once: a preview reads every adapter."""


class EngineLink:
    """A runner, and the loop that it runs on. Methods are called on the server's loop."""

    def __init__(self, runner: Runner, loop: asyncio.AbstractEventLoop) -> None:
        self._runner, self._loop = runner, loop
        self._previews = Bucket(*PREVIEWS)

    async def _there(self, work: Callable[[], Awaitable[T]]) -> T:
        """What work on the engine's loop returns; raises Problem where that takes too long."""

        async def run() -> T:
            return await work()

        asked = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(run(), self._loop))
        try:
            return await asyncio.wait_for(asked, ANSWER_SECONDS)
        except TimeoutError:
            raise Problem(503, "slow", "the engine is busy: ask again", retry_after=10.0) from None

    async def preview(self, plan: AllocationPlan, now: float, *, waits: bool) -> dict[str, Any]:
        """The exact calls of a plan in their order, and what forbids them; raises Problem.

        A plan that waits for a person is carried out by a yes, however old it is.
        """
        plan = plan.model_copy(update={"expires_at": None}) if waits else plan
        if wait := self._previews.take(now):
            raise Problem(429, "rate", "a preview reads every adapter: at most one a minute", retry_after=wait)
        parts = self._runner.parts
        found = await self._there(lambda: parts.engine.dry_run(plan, parts.coordinator.adapters))
        forbids = [each for each in found if each.startswith("not now (")]
        calls = [each for each in found if each not in forbids]
        blocked = [each for each in forbids if not (waits and each.startswith("not now (confirmation)"))]
        by, _, reason = blocked[0].removeprefix("not now (").partition("): ") if blocked else ("", "", "")
        return {"plan_id": plan.id, "calls": calls, "blocked": {"by": by, "reason": reason} if blocked else None}

    async def last_decision(self) -> Decision | None:
        """The last plan with its inputs, kept or not; None before the first."""

        async def look() -> Decision | None:
            last = self._runner.last
            if last is None or last.plan is None:
                return None
            try:
                inputs = inputs_of(self._runner.asked())
            except ReallotError:
                return None
            declined = why_declined(last.plan, self._runner.parts.optimizer.config)
            reason = last.blocked or ("; ".join(last.plan.reasons) if declined is None else declined.text)
            verdict = MoveState.BLOCKED if last.blocked else MoveState.DECLINED
            text = last.plan.model_dump_json()
            return Decision(last.plan.id, last.started_at, verdict, reason, text, inputs)

        return await self._there(look)

    async def estimate(
        self, allocation: Mapping[str, float] | None, rates: Mapping[str, float] | None, count: int | None
    ) -> dict[str, Any]:
        """USD/h that shares would bring more, at these rates or those of the last poll; USD that changes cost."""

        async def work() -> dict[str, Any]:
            parts, found = self._runner.parts, dict[str, Any]()
            if allocation is not None:
                given = dict(self._rates()) if rates is None else dict(rates)
                found["improvement"] = parts.optimizer.estimate_earnings_improvement(allocation, given)
            if count is not None:
                found["cost"] = parts.engine.estimate_reallocation_cost(count)
            return found

        return await self._there(work)

    def _rates(self) -> dict[str, float]:
        """USD/h for a full share, of who holds one."""
        last = self._runner.last
        if last is None or last.metrics is None:
            return {}
        earns, shares = last.metrics.earnings_by_protocol, last.metrics.allocation_by_protocol
        return {name: earns[name] / share for name, share in shares.items() if share > 0.0 and name in earns}

    def config(self) -> dict[str, Any]:
        """The configuration as it is used. Blocking: the file is read again, to say whether it is another one."""
        used = self._runner.parts.config
        try:
            stale = _told(read_config(used.source)) != _told(used)
        except (ConfigurationError, DataError, OSError):
            stale = True
        return {"source": used.source, "stale": stale, "config": _told(used)}


def _told(config: Config) -> dict[str, Any]:
    """Its sections as plain values. Secrets are named by their variables and stand nowhere; the rest is redacted."""
    return {each.name: _plain(getattr(config, each.name)) for each in fields(config) if each.name not in _LEFT_OUT}


_LEFT_OUT = ("source", "folder")


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(mode="json"))
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {redact(str(key)): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return redact(str(value))
