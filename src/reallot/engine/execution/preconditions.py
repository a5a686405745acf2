"""A plan against the world as it is read now: what would change, and which guard says no."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..contracts.move_state import MoveState
from ..contracts.records import AllocationPlan
from ..contracts.validation import capabilities_of
from ..ledger.journal import Standing
from .adapter_calls import Reading
from .executor import Executor
from .guards import (
    FINEST,
    Blocked,
    Change,
    Rules,
    budget_blocks,
    changes_of,
    close_to,
    expired,
    held,
    hold_blocks,
    outdated,
)
from .journal_thread import AsyncJournal


@dataclass(frozen=True)
class Proposal:
    """A plan as the engine would carry it out.

    before, after  shares of every protocol known
    changes        in order, releases first
    blocked        why not
    """

    plan_id: str
    before: Mapping[str, float]
    after: Mapping[str, float]
    changes: tuple[Change, ...]
    blocked: Blocked | None


def identity(plan: AllocationPlan) -> str:
    """An id made of all that a plan says."""
    return hashlib.sha256(plan.model_dump_json().encode()).hexdigest()[:16]


async def examine(plan: AllocationPlan, executor: Executor, expires_at: datetime | None) -> Proposal:
    """The proposal, by what was just read; the first guard that says no is in it. Raises DataError."""
    rules, readings, standing = executor.rules, executor.readings, await executor.standing()
    before = {name: each.share for name, each in readings.items() if each.share is not None}
    for name in executor.adapters.keys() - before.keys():
        if (written := await executor.books.ask(executor.books.journal.most, name)) is not None:
            before[name] = written
    planned = {name: plan.allocation.get(name, 0.0) for name in {*plan.allocation, *plan.current}}
    after = {**before, **{name: share for name, share in planned.items() if name in before}}
    for name in planned.keys() & before.keys():
        # what the plan leaves as it is stays as it is read, and so does what is there already; whether a smaller change
        # than shares are measured by was made could not be told, unless all is given up
        size, slack = after[name] - plan.current.get(name, before[name]), rules.slack(name)
        is_told = abs(size) > slack or not after[name]
        if close_to(after[name], before[name], rules.same(name, size) if size and is_told else slack):
            after[name] = before[name]
    changes = changes_of(before, after, list(before), min(rules.tolerance, FINEST))
    blocked = (
        rules.watching
        or expired(expires_at, executor.now())
        or _adapters_block(planned, plan.current, changes, executor, readings, before)
        or outdated(plan.current, before, rules)
    )
    if changes and blocked is None:
        blocked = (
            (_frozen(standing, changes) if standing.frozen else None)
            or _too_much(after, changes, rules)
            or (_late_calls(executor, standing, after, changes) if standing.unsettled else None)
        )
    urgent = bool(plan.urgent) and all(each.releases for each in changes)
    if changes and blocked is None and not urgent:
        blocked = hold_blocks(changes, executor.books.ages(standing), executor.now(), rules) or budget_blocks(
            executor.books.plan_ages(standing) if standing.last_moves else (), executor.now(), rules
        )
    return Proposal(plan.id, before, after, changes, blocked)


def _adapters_block(
    planned: Mapping[str, float],
    current: Mapping[str, float],
    changes: tuple[Change, ...],
    executor: Executor,
    readings: Mapping[str, Reading],
    before: Mapping[str, float],
) -> Blocked | None:
    """Every share that is to change needs an adapter that answers, may act, and takes so little."""
    for name, share in sorted(planned.items()):
        if name not in executor.adapters:
            if abs(share - current.get(name, 0.0)) > executor.rules.slack(name):
                return Blocked("adapter", None, f"the plan moves {name}, and there is no adapter of this name")
        elif readings[name].share is None and abs(share - before.get(name, -1.0)) > executor.rules.slack(name):
            return Blocked("unreadable", None, f"the plan moves {name}, which cannot be read: {readings[name].reason}")
    unknown = sorted(name for name in executor.adapters if name not in before)
    if unknown and any(not each.releases for each in changes):
        return Blocked("unreadable", None, f"nobody knows how much {', '.join(unknown)} has: nothing may grow")
    for each in changes:
        able = capabilities_of(executor.adapters[each.protocol])
        if not able.acts:
            return Blocked("adapter", None, f"the adapter of {each.protocol} only reads")
        if each.after < able.floor - executor.rules.slack(each.protocol):
            reason = f"{each.protocol} at {each.after:.4f} would be below the {able.floor:.4f} that it needs now"
            return Blocked("floor", None, reason)
    return None


def now_blocked(books: AsyncJournal, standing: Standing, rules: Rules, confirmation: timedelta) -> Blocked | None:
    """Why no plan at all may be carried out now, by the journal alone."""
    now = books.clock.now()
    if rules.watching:
        return rules.watching
    if standing.halted:
        return Blocked(MoveState.HALTED, None, standing.halted)
    if (operation := standing.operation) is not None:
        return Blocked("busy", None, f"{operation.plan_id} is {operation.state.words}: {operation.reason}")
    waiting = standing.waiting
    if (
        waiting is not None
        and not waiting.confirmed
        and (age := timedelta(seconds=books.age(waiting.at))) < confirmation
    ):
        until = now + confirmation - age
        return Blocked("confirmation", until, f"plan {waiting.plan_id} waits for a confirmation")
    resting = held(books.ages(standing), now, rules)
    if standing.committed and resting and all(name in resting for name in standing.committed):
        name = min(resting, key=lambda each: (resting[each], each))
        return Blocked("hold", resting[name], f"every protocol rests; {name} is the first to be free")
    return budget_blocks(books.plan_ages(standing) if standing.last_moves else (), now, rules)


def _frozen(standing: Standing, changes: tuple[Change, ...]) -> Blocked | None:
    for each in changes:
        if each.protocol in standing.frozen:
            return Blocked("frozen", None, f"{each.protocol} is frozen: {standing.frozen[each.protocol]}")
    return None


def _too_much(after: Mapping[str, float], changes: tuple[Change, ...], rules: Rules) -> Blocked | None:
    total = sum(after.values())
    if total <= rules.capacity + rules.slack_of(after) or all(each.releases for each in changes):
        return None
    return Blocked("capacity", None, f"shares would add up to {total:.6f} of capacity {rules.capacity:g}")


def _late_calls(
    executor: Executor, standing: Standing, after: Mapping[str, float], changes: tuple[Change, ...]
) -> Blocked | None:
    """A call without an answer may still take what this plan gives to another, or move what it moves."""
    late = executor.books.may_still_act(standing.unsettled, executor.config.late_effects)
    most = dict(after)
    for each, _ in late:
        most[each.protocol] = max(most.get(each.protocol, 0.0), each.after)
    touched = {each.protocol for each in changes}
    over = not executor.rules.fits(most)
    for each, end in late:
        if over or each.protocol in touched:
            reason = (
                f"a call that asked {each.protocol} for {each.after:.4f} was not answered and may still take effect"
            )
            return Blocked(MoveState.SETTLING, end, reason)
    return None
