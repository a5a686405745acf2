"""Reconciliation: a start and every cycle read the world, end what was begun, and put back what drifted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from ..contracts.move_state import MoveState
from ..contracts.records import ChangeKind
from ..contracts.validation import capabilities_of
from ..ledger.journal import Operation, Standing, Step, StepState
from .adapter_calls import NO_SHARE, Reading
from .executor import Executor
from .guards import FINEST, Change, changes_of, close_to, held
from .keeps_drifting import DRIFT, own_late_effects, told_drift, watch, without_those_that_keep_drifting
from .learned_limits import forget_old
from .move_events import Reconciled
from .slow_effects import in_the_middle
from .waiting_plan import outlived

UNSETTLED = "unsettled"
"""Key of an alert: something begun that cannot be ended yet."""
UNREAD = "no share:"
"""Keys of alerts about shares that are read as what is no share begin so."""


async def reconcile(executor: Executor, repair: bool) -> Reconciled:
    """What the journal and the world say together.

    An operation that was begun is found done (every share read back as planned) or is to be put back. Without one,
    shares that are not the confirmed ones are to be put back too, where `repair`. Raises DataError.
    """
    readings = await executor.read_all()
    if executor.rules.watching:
        return await _rest(executor)
    standing = await executor.standing()
    if standing.unsettled:
        await _settle(executor, standing, readings)
        standing = await executor.standing()
    unread = {name: each.reason for name, each in readings.items() if each.share is None and NO_SHARE in each.reason}
    if unread or any(key.startswith(UNREAD) for key in standing.open_alerts):
        await _tell_unread(executor, unread, standing)
    if standing.halted:
        return Reconciled(executor.now(), halted=standing.halted)
    operation = standing.operation
    if operation is None:
        if UNSETTLED in standing.open_alerts:
            await executor.recovered(UNSETTLED)
        operation = await _drift(executor, readings, repair)
        if halted := (await executor.standing()).halted:
            return Reconciled(executor.now(), halted=halted)
    if operation is None:
        return await _rest(executor)
    steps = await executor.adopt_operation(operation)
    found = in_the_middle(operation, steps)
    if found is not None and executor.removed.keys().isdisjoint(each.protocol for each in found.changes):
        return Reconciled(executor.now(), operation.plan_id, verifying=found)
    if found is not None:
        await executor.let_go()
    rollback = await unfinished(executor, operation, readings)
    if not rollback:
        return await _rest(executor)
    return Reconciled(executor.now(), operation.plan_id, rollback, operation.rounds)


async def _tell_unread(executor: Executor, unread: Mapping[str, str], standing: Standing) -> None:
    """Whose share is read as what is none: said while it lasts."""
    for name, reason in unread.items():
        told = f"the share of {name} cannot be read ({reason}), so nothing is moved that it takes part in"
        await executor.alert(UNREAD + name, f"{told}: its adapter has to return a fraction of capacity", 0.6)
    for key in standing.open_alerts:
        if key.startswith(UNREAD) and key.removeprefix(UNREAD) in executor.seen:
            await executor.recovered(key)


async def _settle(executor: Executor, standing: Standing, readings: dict[str, Reading]) -> None:
    """Ends what was unknown, by what is read: it happened, or its time is over and it did not.

    A share that may still change by itself is asked for once more where it was not read: `readings` gets it.
    """
    found, goes_on = standing.unsettled, standing.operation.id if standing.operation else 0
    window = executor.late_effects(found).total_seconds()
    for each in found:
        if each.is_looked_for and each.operation == goes_on:
            continue
        in_time = (each.may_act or each.is_looked_for) and executor.books.age(each.at) < window
        share = readings[each.protocol].share if each.protocol in readings else None
        if share is None and in_time and each.protocol in readings:
            readings[each.protocol] = await executor.read(each.protocol)
            share = readings[each.protocol].share
        if share is None:
            continue
        slack = executor.rules.same(each.protocol, each.after - each.before)
        if close_to(share, each.after, slack) and each.state is not StepState.CONFIRMED:
            # a later or an equal call may be what is seen: then this one may still be on its way
            alone = sum(other.protocol == each.protocol for other in found) == 1
            surely = alone and await executor.books.ask(executor.books.journal.last_call, each.protocol) == each.id
            await executor.mark(each, StepState.CONFIRMED, "read back later", may_act=in_time and not surely)
        elif not in_time:
            state = each.state if each.state is StepState.CONFIRMED else StepState.REFUSED
            await executor.mark(each, state, f"it did not happen: read back as {share:.6g}")


async def unfinished(executor: Executor, operation: Operation, readings: Mapping[str, Reading]) -> tuple[Change, ...]:
    """What still has to be put back of an operation, in order; it is ended here where that is nothing."""
    steps = await executor.books.ask(executor.books.journal.steps, operation.id)
    moves = [each for each in steps if each.kind is ChangeKind.MOVE]
    sent = [each for each in moves if each.state is not StepState.INTENT]
    if operation.state is MoveState.PLANNED and moves and not sent:
        await executor.advance(MoveState.DISCARDED, "nothing had been asked for when the engine stopped")
        return ()
    begun = operation.state is MoveState.APPLYING and len(sent) == len(moves)
    last = {each.protocol: Change(each.protocol, each.before, each.after) for each in moves}
    if begun and all(executor.matches(readings.get(name, Reading(None)), each) for name, each in last.items()):
        reason = "found in force after a restart"
        decision = await executor.books.decision(executor.opened, MoveState.COMMITTED, reason)
        shares = {**operation.after, **{name: each.after for name, each in last.items()}}
        await executor.advance(MoveState.COMMITTED, reason, decision=decision, shares=shares)
        return ()
    if operation.state is not MoveState.ROLLING_BACK:
        await executor.advance(MoveState.ROLLING_BACK, "found unfinished after a restart")
    if moves:
        first: dict[str, Step] = {}
        for each in sent:
            first.setdefault(each.protocol, each)
        rollback = tuple(Change(name, each.after, each.before) for name, each in reversed(first.items()))
    else:
        names = [name for name in operation.before if name in operation.after]
        rollback = changes_of(operation.after, operation.before, names, FINEST)
    rollback = await _without_removed(executor, rollback)
    if not rollback:
        await executor.advance(MoveState.ROLLED_BACK)
    return rollback


async def _without_removed(executor: Executor, rollback: tuple[Change, ...]) -> tuple[Change, ...]:
    """What can be put back: one that is not configured any more is, as drift, once it is configured again.

    Until then it counts as having the most that it may have.
    """
    journal = executor.books.journal
    for each in rollback:
        if each.protocol not in executor.removed:
            continue
        if each.before > (await executor.books.ask(journal.most, each.protocol) or 0.0):
            await executor.write(journal.adopt, {each.protocol: each.before})
    return tuple(each for each in rollback if each.protocol not in executor.removed)


async def _drift(executor: Executor, readings: Mapping[str, Reading], repair: bool) -> Operation | None:
    """A repair, begun, where shares are not the confirmed ones; those never seen before are taken as they are."""
    write, journal = executor.write, executor.books.journal
    standing = await executor.standing()
    committed = standing.committed
    read = {name: each.share for name, each in readings.items() if each.share is not None}
    fresh = {name: share for name, share in read.items() if name not in committed}
    if fresh:
        await write(journal.adopt, fresh)
    if not repair:
        return None
    if executor.observed.drifting or any(key.startswith(f"{DRIFT}:") for key in standing.open_alerts):
        await watch(executor, read, committed)
    slack, watched = executor.rules.slack, executor.observed.drifting
    drifted = {n: s for n, s in read.items() if n in committed and not close_to(s, committed[n], slack(n))}
    drifted = {name: share for name, share in drifted.items() if name not in watched}
    own = await own_late_effects(executor, drifted) if drifted else {}
    if own:
        drifted = own
    elif drifted and executor.config.restore_drift:
        drifted = await without_those_that_keep_drifting(executor, drifted, committed)
    if not drifted:
        if DRIFT in standing.open_alerts:
            await executor.recovered(DRIFT)
        return None
    told, who = told_drift(drifted, committed), "were changed by somebody else"
    if own:
        who = "were changed by calls of our own that came later than late_effects allows for (raise it)"
    acts = all(capabilities_of(executor.adapters[name]).acts for name in drifted)
    if not (executor.config.restore_drift and acts):
        await write(journal.adopt, drifted)
        await executor.alert(DRIFT, f"shares {who} and are taken as they are: {told}", 0.5)
        return None
    await executor.alert(DRIFT, f"shares {who} and are put back: {told}", 0.5)
    before = {name: committed[name] for name in drifted}
    at = executor.books.stamp()
    plan_id = f"{'late' if own else 'repair'}-{at.wall:%Y%m%dT%H%M%S%f}"
    operation = await write(journal.begin, plan_id, ChangeKind.REPAIR, before, drifted, (), at, told)
    await write(journal.advance, operation.id, MoveState.ROLLING_BACK, at)
    return (await executor.standing()).operation


async def _rest(executor: Executor) -> Reconciled:
    """Nothing to do: how long the longest hold lasts, and which plan waits."""
    standing, now = await executor.standing(), executor.now()
    executor.operation = None
    if standing.learned and not executor.books.journal.observe_only:
        await forget_old(executor)
    resting = held(executor.books.ages(standing), now, executor.rules)
    waiting = standing.waiting
    if waiting is not None and not waiting.confirmed and await outlived(executor, waiting):
        waiting = None
    if waiting is not None and not waiting.confirmed:
        left = executor.config.confirmation_lifetime.total_seconds() - executor.books.age(waiting.at)
        return Reconciled(now, waiting=waiting.plan_id, until=now + timedelta(seconds=left))
    return Reconciled(now, until=max(resting.values(), default=None))
