"""One call on the way back: a previous share is asked for, and read back."""

from __future__ import annotations

import math
from dataclasses import replace

from ..contracts.records import ChangeKind
from ..ledger.journal import LOOKED_FOR, Step, StepState
from .adapter_calls import Outcome, found_instead, state_left
from .executor import Executor
from .guards import Change
from .move_events import Event, RollbackFailed, RollbackUnknown, RolledBack

NEAR = 0.005
"""What was put back this near to where it was is back: shares are measured, and there may be no more room."""


async def roll_back_share(executor: Executor, change: Change) -> Event:
    """Asks for a previous share, and reads it back."""
    operation, add, at = executor.opened, executor.books.journal.add_step, executor.books.stamp()
    kind = ChangeKind.REPAIR if operation.kind is ChangeKind.REPAIR else ChangeKind.ROLLBACK
    entry = await executor.write(add, operation.id, kind, change.protocol, change.before, change.after, at)
    outcome, reason = await executor.call(change, entry.key)
    if outcome is Outcome.REFUSED:
        await executor.mark(entry, StepState.REFUSED, reason)
        executor.asked_back[change.protocol] = replace(entry, state=StepState.REFUSED, detail=reason)
        return RollbackFailed(executor.now(), change.protocol, f"{change.protocol} refused: {reason}")
    return await verify_rollback(executor, change, replace(entry, at=executor.books.stamp()), outcome, reason)


async def look_for(executor: Executor, entry: Step) -> Event:
    """Reads back what an earlier cycle asked for as a previous share."""
    outcome = Outcome.LOST if entry.may_act else Outcome.ANSWERED
    change = Change(entry.protocol, entry.before, entry.after)
    return await verify_rollback(executor, change, entry, outcome, entry.detail)


async def verify_rollback(executor: Executor, change: Change, entry: Step, outcome: Outcome, reason: str) -> Event:
    """Whether a previous share is in force again, by reading it back."""
    reading = await executor.verified(change, entry)
    lost = outcome is Outcome.LOST
    off = math.inf if reading.share is None else abs(reading.share - change.after)
    is_near = off <= NEAR and outcome is Outcome.ANSWERED
    if executor.matches(reading, change) or (is_near and not executor.matches(reading, change.reversed)):
        await executor.mark(entry, StepState.CONFIRMED, after=reading.share)
        return RolledBack(executor.now(), change.protocol)
    if (left := executor.times_left(change, entry, reading)[1]) > 0.0:
        executor.asked_back[change.protocol] = replace(entry, detail=LOOKED_FOR, may_act=lost)
        return await executor.look_later(RollbackUnknown, replace(entry, detail=reason, may_act=lost), left)
    detail = found_instead(change, reading, reason.partition(LOOKED_FOR)[0].removesuffix("; "))
    entry = replace(entry, state=state_left(reading, lost), detail=detail, may_act=lost)
    executor.asked_back[change.protocol] = entry
    await executor.mark(entry, entry.state, detail, may_act=lost)
    if reading.share is None:
        return RollbackUnknown(executor.now(), change.protocol, detail)
    return RollbackFailed(executor.now(), change.protocol, detail)
