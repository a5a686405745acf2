"""What people ask for, heard between two steps: what each request does to the journal, and what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ..contracts.move_state import ENDED, MoveState
from ..contracts.records import Alert, AllocationPlan, ChangeKind
from ..ledger.journal import Operation
from ..ledger.operator_requests import (
    ACKNOWLEDGE,
    CONFIRM,
    DECLINE,
    EXECUTE,
    FORGET,
    MUTE,
    PAUSE,
    RESUME,
    ROLLBACK,
    UNPAUSE,
    ActionState,
    Request,
)
from .guards import Blocked
from .journal_thread import AsyncJournal
from .orphaned import KEY as ORPHANED
from .orphaned import give_up
from .pause import PAUSED, pause

PAGE = 50
"""Decisions that are read at once, where a person's no is looked for."""
BY_A_PERSON = "a person said no"
"""The reason of a decision against a plan that waited begins so."""


@dataclass(frozen=True)
class Heard:
    """What came of a request.

    state    where it stands now; None where it stays as it is, to be heard again
    resumes  True where moves are allowed again
    began    the alert that begins with it; `over` is the key of the one that ends
    """

    state: ActionState | None = ActionState.DONE
    problem: Mapping[str, Any] = field(default_factory=dict)
    operation: int | None = None
    resumes: bool = False
    began: Alert | None = None
    over: str = ""


LATER = Heard(None)


def refused(by: str, detail: str, until: datetime | None = None) -> Heard:
    """An answer that says no: who, why, and until when."""
    told = {"by": str(by), "detail": detail}
    return Heard(ActionState.REFUSED, told if until is None else {**told, "until": until.isoformat()})


async def hear(books: AsyncJournal, request: Request) -> Heard:
    """Does what a request asks of the journal. Raises DataError."""
    if request.is_late():
        told = f"nobody heard it within 10 minutes of {request.at:%Y-%m-%d %H:%M:%S} UTC, so it is not done: ask again"
        return Heard(ActionState.EXPIRED, {"by": "expired", "detail": told})
    does = _DOES.get(request.kind)
    return Heard() if does is None else await does(books, request)


async def _paused(books: AsyncJournal, _: Request) -> Heard:
    if await books.ask(books.journal.open_operation) is not None:
        return LATER  # what was begun is ended first
    return Heard(began=await pause(books))


async def _resumed(*_: object) -> Heard:
    return Heard(resumes=True)


async def _unpaused(books: AsyncJournal, _: Request) -> Heard:
    halted = await books.ask(books.journal.halted)
    if halted in ("", PAUSED):
        return Heard(resumes=bool(halted))
    return refused(MoveState.HALTED, f"it is not paused, it halted: {halted}; first look, then: reallot resume")


async def _rolled_back(books: AsyncJournal, request: Request) -> Heard:
    return await rolled_back(books, request.plan_id) or LATER


async def _seen(books: AsyncJournal, request: Request) -> Heard:
    await books.ask(books.journal.acknowledge, request.plan_id)
    return Heard()


async def _muted(books: AsyncJournal, request: Request) -> Heard:
    await books.ask(books.journal.mute, request.plan_id, datetime.fromisoformat(request.body["until"]))
    return Heard()


async def _confirmed(books: AsyncJournal, request: Request) -> Heard:
    """Marks the plan that waits; a request that was heard before ends as the plan did."""
    journal, plan_id = books.journal, request.plan_id
    if (operation := await books.ask(journal.operation_of, plan_id)) is not None:
        return ended(operation)
    if request.state is ActionState.QUEUED:
        over = ""
        if request.kind == EXECUTE and (known := await books.ask(journal.decision_of, plan_id)) is not None:
            over = await _given_up_for(books, plan_id)
            await books.ask(journal.wait_for, plan_id, known.plan, books.stamp())
        if await books.ask(journal.confirm, plan_id):
            return Heard(ActionState.RUNNING, over=over)
        waiting = await books.ask(journal.waiting)
        instead = f"; {waiting.plan_id} does" if waiting is not None else ""
        return refused("confirmation", f"plan {plan_id} does not wait for a confirmation{instead}")
    waiting = await books.ask(journal.waiting)
    if waiting is not None and waiting.plan_id == plan_id and waiting.confirmed:
        return LATER
    known = await books.ask(journal.decision_of, plan_id)
    if known is None or known.verdict in (MoveState.PLANNED, MoveState.WAITING):
        return refused("confirmation", f"plan {plan_id} does not wait any more, and was not carried out")
    return refused(known.verdict, f"plan {plan_id} was not carried out: {known.reason}")


async def _given_up_for(books: AsyncJournal, plan_id: str) -> str:
    """Another plan that waits does so no more, since this one is carried out; the key of its alert, "" without one."""
    journal, waiting = books.journal, await books.ask(books.journal.waiting)
    if waiting is None or waiting.plan_id == plan_id:
        return ""
    key, reason = f"confirm-{waiting.plan_id}", f"a person wanted {plan_id} carried out instead"
    await books.ask(journal.decide, waiting.plan_id, books.clock.now(), MoveState.OUTDATED, reason, waiting.plan)
    await books.ask(journal.recovered, key, books.clock.now())
    return key


async def _forgotten(books: AsyncJournal, request: Request) -> Heard:
    """A person says that a protocol which is not configured any more has no share."""
    name = request.plan_id
    missed = (each.key for each in await books.ask(books.journal.alerts) if each.recovered_at is None)
    if ORPHANED + name not in missed:
        return refused(MoveState.NOTHING_TO_DO, f"no engine missed {name} here: only what is gone is forgotten")
    await books.ask(give_up, books.journal, name, books.stamp())
    return Heard()


async def declined_before(books: AsyncJournal, plan: AllocationPlan, lifetime: timedelta) -> Blocked | None:
    """Why a plan is not asked for: a person said no to the same moves, less than `lifetime` ago."""
    now, ways, before = books.clock.now(), _ways(plan), None
    while rows := await books.ask(books.journal.page, "decision", PAGE, before):
        before = rows[-1][0]
        for _, each in rows:
            if now - each.at >= lifetime:
                return None
            said_no = each.verdict is MoveState.DECLINED and each.reason.startswith(BY_A_PERSON)
            if said_no and each.at <= now and _ways(AllocationPlan.model_validate_json(each.plan)) == ways:
                until = each.at + lifetime
                told = f"a person said no to these moves; they are asked for again at {until:%H:%M} UTC"
                return Blocked("declined", until, told)
    return None


def _ways(plan: AllocationPlan) -> dict[str, bool]:
    """Which protocols a plan moves; True where one takes, False where it gives."""
    return {name: change > 0.0 for name, change in plan.moves.items()}


def ended(operation: Operation) -> Heard:
    """How a request for a plan stands whose operation is in the journal."""
    if operation.state not in ENDED:
        return Heard(ActionState.RUNNING, operation=operation.id)
    if operation.state is MoveState.COMMITTED:
        return Heard(operation=operation.id)
    said = f"{operation.plan_id} is {operation.state.words}" + (f": {operation.reason}" * bool(operation.reason))
    return Heard(ActionState.REFUSED, {"by": operation.state.value, "detail": said}, operation.id)


async def rolled_back(books: AsyncJournal, plan_id: str) -> Heard | None:
    """How it stands with the way back of a plan; None where none was begun."""
    operation = await books.ask(books.journal.operation_of, plan_id)
    if operation is None:
        return None
    if operation.state not in (MoveState.ROLLED_BACK, MoveState.ROLLING_BACK):
        operation = await books.ask(books.journal.operation_of, f"back-{operation.id}")
    if operation is not None and operation.state is MoveState.ROLLED_BACK:
        return Heard(operation=operation.id)
    return None if operation is None else ended(operation)


async def last_plan(books: AsyncJournal) -> str:
    """The plan under way, or the last in force: what somebody means who names none. "" without one."""
    operation = await books.ask(books.journal.open_operation)
    if operation is None or operation.kind is not ChangeKind.MOVE:
        operation = await books.ask(books.journal.last_committed)
    return "" if operation is None else operation.plan_id


def overtaken(plan_id: str, later: str) -> Heard:
    """The answer to who wanted a plan taken back, where somebody wanted another one taken back after that."""
    return refused(MoveState.OUTDATED, f"{plan_id} was not taken back: {later} was asked for after it")


async def _declined(books: AsyncJournal, request: Request) -> Heard:
    """The plan that waits does so no more, and the journal says that a person said no."""
    journal, waiting = books.journal, await books.ask(books.journal.waiting)
    if waiting is None or waiting.plan_id != request.plan_id:
        known = await books.ask(journal.decision_of, request.plan_id)
        if known is not None and known.verdict is MoveState.DECLINED and known.reason.startswith(BY_A_PERSON):
            return Heard(over=f"confirm-{request.plan_id}")  # a process ended before it said so
        instead = f"; {waiting.plan_id} does" if waiting is not None else ""
        return refused("confirmation", f"plan {request.plan_id} does not wait for a confirmation{instead}")
    if waiting.confirmed:
        return refused("confirmation", f"plan {request.plan_id} was confirmed before, and is carried out")
    reason = f"{BY_A_PERSON}: {request.body['reason']}" if request.body.get("reason") else BY_A_PERSON
    now, key = books.clock.now(), f"confirm-{waiting.plan_id}"
    await books.ask(journal.decide, waiting.plan_id, now, MoveState.DECLINED, reason, waiting.plan)
    await books.ask(journal.drop_waiting)
    await books.ask(journal.recovered, key, now)
    return Heard(over=key)


_DOES: dict[str, Callable[[AsyncJournal, Request], Awaitable[Heard]]] = {
    CONFIRM: _confirmed,
    EXECUTE: _confirmed,
    DECLINE: _declined,
    ROLLBACK: _rolled_back,
    PAUSE: _paused,
    RESUME: _resumed,
    UNPAUSE: _unpaused,
    ACKNOWLEDGE: _seen,
    MUTE: _muted,
    FORGET: _forgotten,
}
"""What each kind asks of the journal; the others are for whoever polls and watches."""
