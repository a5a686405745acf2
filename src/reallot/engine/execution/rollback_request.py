"""What a person asks for: to go back to the shares before a plan, or to take shares as they are."""

from __future__ import annotations

from ...errors import ReallocationError
from ..contracts.move_state import MoveState
from ..contracts.records import ChangeKind
from ..ledger.journal import Operation
from .adapter_calls import Reading
from .executor import Executor
from .move_events import RollbackRequested, Started
from .state_machine import State


async def begin_rollback(executor: Executor, state: State, asked: str) -> tuple[str, Started | RollbackRequested]:
    """Writes down that a plan is taken back: the one in the middle, or the last in force. Its id, and what follows.

    Raises ReallocationError where it is not the one `asked` for, and where nothing can be taken back.
    """
    if state.phase in (MoveState.HALTED, MoveState.ROLLING_BACK):
        raise ReallocationError(state.reason, by=state.phase, until=state.until)
    if blocked := executor.rules.watching:
        raise ReallocationError(blocked.reason, by=blocked.by)
    if state.phase is MoveState.VERIFYING:
        _is_asked_for(state.plan_id, asked)
        await executor.let_go()
        await executor.write(executor.books.journal.keep, sorted(executor.calls), executor.books.stamp())
        return state.plan_id, RollbackRequested(
            executor.now(), f"plan {state.plan_id} is taken back, as a person asked"
        )
    last = await executor.books.ask(executor.books.journal.last_committed)
    if last is None:
        raise ReallocationError("no plan is in force that could be taken back", by=MoveState.NOTHING_TO_DO)
    _is_asked_for(last.plan_id, asked)
    return await _begin(executor, last), Started(executor.now())


def _is_asked_for(plan_id: str, asked: str) -> None:
    if asked not in ("", plan_id):
        reason = f"plan {asked} is not the last in force any more, {plan_id} is: ask for that one"
        raise ReallocationError(reason, by=MoveState.OUTDATED)


async def _begin(executor: Executor, last: Operation) -> str:
    """A way back as an operation of its own; its id.

    Raises ReallocationError where a protocol is not configured any more, or it was to be taken back before.
    """
    at = executor.books.stamp()
    before = {name: last.before[name] for name in last.before if name in executor.adapters}
    found = {name: executor.seen.get(name, last.after[name]) for name in before}
    names = [name for name in before if last.before[name] != last.after.get(name)]
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
    return plan_id


async def must_be_back(executor: Executor, state: State, plan_id: str) -> None:
    """Raises ReallocationError where a way back did not end well, or not yet."""
    ended = await executor.books.ask(executor.books.journal.operation_of, plan_id)
    if ended is not None and ended.state is not MoveState.ROLLED_BACK:
        raise ReallocationError(state.reason or ended.reason, by=state.phase, until=state.until)


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
