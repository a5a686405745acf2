"""A plan in force that a person wants back: an operation of its own, carried out by the same machinery."""

from __future__ import annotations

from ...errors import ReallocationError
from ..contracts.move_state import MoveState
from ..contracts.records import ChangeKind
from ..ledger.journal import Operation
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
    await executor.write(executor.books.journal.advance, operation.id, MoveState.ROLLING_BACK, at)
    return plan_id, undo
