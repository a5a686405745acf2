"""What a person asks for: to go back to the shares before a plan, or to take shares as they are."""

from __future__ import annotations

from ...errors import ReallocationError
from ..contracts.move_state import MoveState
from ..contracts.records import ChangeKind
from ..ledger.journal import Operation
from .adapter_calls import Reading
from .executor import Executor
from .guards import FINEST, Change, changes_of


async def begin_taking_back(executor: Executor, last: Operation) -> tuple[str, tuple[Change, ...]]:
    """Writes down that plan `last` is taken back; the id of that, and what it changes.

    Raises ReallocationError where a protocol is not configured any more, or it was to be taken back before.
    """
    at = executor.books.stamp()
    before = {name: last.before[name] for name in last.before if name in executor.adapters}
    found = {name: executor.seen.get(name, last.after[name]) for name in before}
    names = [name for name in before if last.before[name] != last.after.get(name)]
    undo = changes_of(found, before, names, min(executor.rules.tolerance, FINEST))
    if gone := [name for name in names if name in executor.removed]:
        reason = f"plan {last.plan_id} cannot be taken back: {executor.removed[gone[0]].text}"
        raise ReallocationError(reason, by="adapter")
    plan_id = f"back-{last.id}"
    if await executor.books.ask(executor.books.journal.operation_of, plan_id):
        raise ReallocationError(f"plan {last.plan_id} was to be taken back before", by=MoveState.REPEATED)
    reason = f"plan {last.plan_id} is taken back"
    begin, kind = executor.books.journal.begin, ChangeKind.ROLLBACK
    operation = await executor.write(begin, plan_id, kind, before, found, (), at, reason)
    await executor.write(executor.books.journal.keep, names, at)
    await executor.write(executor.books.journal.advance, operation.id, MoveState.ROLLING_BACK, at)
    return plan_id, undo


async def take_as_it_is(executor: Executor) -> None:
    """The shares in force are the confirmed ones, by a person's word, and what was begun is over.

    Raises ReallocationError where a share cannot be read.
    """
    readings, journal = await executor.read_all(), executor.books.journal
    readings |= {name: Reading(each.share) for name, each in executor.removed.items()}
    if unread := sorted(name for name, each in readings.items() if each.share is None):
        reason = f"{', '.join(unread)} cannot be read, so the shares in force are not known: try again"
        raise ReallocationError(reason, by="unreadable")
    await executor.write(journal.adopt, {name: each.share for name, each in readings.items() if each.share is not None})
    operation = await executor.books.ask(journal.open_operation)
    if operation is not None:
        end = MoveState.DISCARDED if operation.state is MoveState.PLANNED else MoveState.HALTED
        await executor.write(journal.advance, operation.id, end, executor.books.stamp(), "ended by a person")
