"""A plan that waits for a person: it does not wait for ever, nor for a world that is another one."""

from __future__ import annotations

from ..contracts.move_state import MoveState
from ..contracts.records import AllocationPlan
from ..ledger.journal import Waiting
from .executor import Executor
from .guards import outdated


async def expire(executor: Executor, waiting: Waiting) -> None:
    """A plan that nobody confirmed in time does not wait any more."""
    if executor.books.age(waiting.at) >= executor.config.confirmation_lifetime.total_seconds():
        await drop(executor, waiting, MoveState.EXPIRED, "nobody confirmed it in time")


async def outlived(executor: Executor, waiting: Waiting) -> bool:
    """True where a plan starts from other shares than those in force: then it does not wait any more."""
    read = {name: each.share for name, each in executor.readings.items() if each.share is not None}
    blocked = outdated(AllocationPlan.model_validate_json(waiting.plan).current, read, executor.rules)
    if blocked is not None:
        await drop(executor, waiting, MoveState.OUTDATED, blocked.reason)
    return blocked is not None


async def drop(executor: Executor, waiting: Waiting, verdict: MoveState, reason: str) -> None:
    """It does not wait any more, and the journal says why."""
    journal = executor.books.journal
    await executor.write(journal.drop_waiting)
    await executor.write(journal.decide, waiting.plan_id, executor.now(), verdict, reason, waiting.plan)
    await executor.recovered(f"confirm-{waiting.plan_id}")
