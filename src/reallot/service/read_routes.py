"""The routes that only read: protocols, readings, plans, changes, alerts, reports, events, and estimates."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Annotated, Any

from fastapi import Body, FastAPI, Header, Path, Query
from fastapi.responses import JSONResponse, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ..engine.contracts.move_state import MoveState
from ..engine.contracts.records import AllocationPlan
from ..errors import InvalidInput, near_miss
from ..text.durations import parse_duration
from . import frames
from .board import Board, age_of, verdict
from .engine_link import ANSWER_SECONDS, EngineLink
from .explained import finite
from .hub import Hub
from .ledger_pages import SECONDS, LedgerPages
from .problems import Problem
from .routes import needs
from .solver_process import SolverProcess

DAY = timedelta(days=1)
Limit = Annotated[int, Query(ge=1, le=1000, description="rows of a page")]
Cursor = Annotated[str | None, Query(max_length=40, description="`next` of the page before")]
When = Annotated[AwareDatetime | None, Query(description="RFC 3339, with its zone")]
IfNoneMatch = Annotated[str | None, Header(alias="If-None-Match")]
PlanId = Annotated[str, Path(max_length=80)]
Open = Annotated[bool | None, Query(alias="open", description="only those that last, or that are over")]
AfterEvent = Annotated[int | None, Query(alias="after", ge=0, lt=1 << 62, description="the oldest first after this")]
BeforeEvent = Annotated[int | None, Query(ge=0, lt=1 << 62, description="the newest first before this")]
_YEARS = (1971, 9000)


class ShareOf(BaseModel):
    """A share of capacity."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    protocol: Annotated[str, Field(max_length=400)]
    share: Annotated[float, Field(ge=0.0, le=1.0)]


class RateOf(BaseModel):
    """What a full share earns, USD/h."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    protocol: Annotated[str, Field(max_length=400)]
    usd_per_hour: Annotated[float, Field(ge=-1e9, le=1e9)]


class Estimate(BaseModel):
    """Shares by name with rates (USD/h for a full share) or those of the last poll; or a number of protocols."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    allocation: Annotated[list[ShareOf], Field(max_length=1000)] | None = None
    rates: Annotated[list[RateOf], Field(max_length=1000)] | None = None
    protocol_count: Annotated[int, Field(ge=0, le=1_000_000)] | None = None


@dataclass(frozen=True)
class Sources:
    """What the routes read: boards, the ledger, the engine where one runs here, and who solves where that is on."""

    hub: Hub
    records: LedgerPages
    link: EngineLink | None = None
    solver: SolverProcess | None = None

    @property
    def engine(self) -> EngineLink:
        """The engine; raises Problem where none runs here."""
        if self.link is None:
            raise Problem(503, "busy", "no engine runs here, so it cannot be asked", retry_after=30.0)
        return self.link


def add_reading(app: FastAPI, sources: Sources) -> None:
    """Adds them all."""
    _protocols(app, sources)
    _readings(app, sources)
    _plans(app, sources)
    _kept(app, sources)
    _engine(app, sources)


def _protocols(app: FastAPI, sources: Sources) -> None:
    hub = sources.hub

    @app.get("/v1/protocols")
    @needs("read")
    async def protocols(if_none_match: IfNoneMatch = None) -> Response:
        """Every protocol as it was read last."""
        rows = [_protocol(hub.board, name, hub.now()) for name in hub.board.names]
        return tagged({"items": rows, "next": None}, if_none_match)

    @app.get("/v1/protocols/{name}")
    @needs("read")
    async def protocol(name: Annotated[str, Path(max_length=400)], if_none_match: IfNoneMatch = None) -> Response:
        """One protocol."""
        if name not in hub.board.names:
            near = near_miss(name, hub.board.names)
            raise Problem(404, "unknown", f"there is no protocol {name[:80]!r}; {near}", near=_near(near))
        return tagged(_protocol(hub.board, name, hub.now()), if_none_match)

    @app.get("/v1/opportunities")
    @needs("read")
    async def opportunities(if_none_match: IfNoneMatch = None) -> Response:
        """The moves of the last plan, the best first, with the age of what they rest on."""
        result = hub.board.result
        found = [] if result is None else result.opportunities
        rows = [
            {
                **each.model_dump(mode="json"),
                "age": max(age_of(hub.board, n, hub.now()) or 0.0 for n in (each.from_protocol, each.to_protocol)),
            }
            for each in sorted(found, key=lambda each: -each.earnings_improvement)
        ]
        return tagged({"items": rows, "next": None}, if_none_match)

    @app.get("/v1/permission")
    @needs("read")
    async def permission(if_none_match: IfNoneMatch = None) -> Response:
        """Whether a plan may be carried out now; who forbids it, until when and why."""
        found = frames.blocked(hub.board)
        told = {"allowed": found is None, "rests": {n: frames.stamp(at) for n, at in hub.board.rests.items()}}
        return tagged({**told, **(found or {})}, if_none_match)


def _readings(app: FastAPI, sources: Sources) -> None:
    records, hub = sources.records, sources.hub

    def until() -> datetime:
        """Where a period ends that names no end: the same for whoever asks again before the next poll."""
        return hub.board.read_until or hub.now()

    @app.get("/v1/metrics")
    @needs("read")
    async def metrics(
        start: When = None,
        end: When = None,
        every: Annotated[str | None, Query(max_length=40, description='means over so long, such as "1h"')] = None,
        limit: Limit = 100,
        after: When = None,
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        """Polls, the newest first; `after` is `next` of the page before."""
        begin, ends = period(start, end, until())
        step = None if every is None else _length(every)
        return tagged(await records.ask(records.metrics, begin, ends, step, limit, after), if_none_match)

    @app.get("/v1/trends")
    @needs("read")
    async def trends(
        hours: Annotated[float, Query(gt=0.0, le=17_520.0)] = 24.0, if_none_match: IfNoneMatch = None
    ) -> Response:
        """Total earnings (USD/h) of the last hours, in at most 1,000 stretches, the oldest first."""
        return tagged(await records.ask(records.trends, hours, until(), tuple(hub.never)), if_none_match)

    @app.get("/v1/reports")
    @needs("read")
    async def reports(start: When = None, end: When = None, if_none_match: IfNoneMatch = None) -> Response:
        """What a period brought; the last day where none is given."""
        begin, ends = period(start, end, until())
        return tagged(await records.ask(records.report, begin, ends), if_none_match)


def _plans(app: FastAPI, sources: Sources) -> None:
    records, hub = sources.records, sources.hub

    @app.get("/v1/plans/current", responses={204: {"description": "there is no plan yet"}})
    @needs("read")
    async def current(if_none_match: IfNoneMatch = None) -> Response:
        """The last plan, whether it is worth it, and why it was not carried out."""
        board, result = hub.board, hub.board.result
        if result is None or result.plan is None:
            return Response(status_code=204)
        told = {
            "plan_id": result.plan.id,
            "plan": result.plan.model_dump(mode="json"),
            "wanted": result.wanted,
            "acted": result.acted,
            "blocked": frames.blocked(board),
            "reason": result.blocked or None,
            "verdict": verdict(board)._asdict(),
        }
        return tagged(finite(told), if_none_match)

    @app.get("/v1/plans")
    @needs("read")
    async def plans(
        verdict: Annotated[MoveState | None, Query()] = None,
        limit: Limit = 100,
        after: Cursor = None,
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        """Decisions that are kept, the newest first."""
        asked = None if verdict is None else verdict.value
        return tagged(await records.ask(records.decisions, limit, _cursor(after), asked), if_none_match)

    @app.get("/v1/plans/{plan_id}")
    @needs("read")
    async def plan(plan_id: PlanId, if_none_match: IfNoneMatch = None) -> Response:
        """All that was decided on one plan."""
        return tagged(await records.ask(records.plan, plan_id), if_none_match)

    @app.get("/v1/plans/{plan_id}/why")
    @needs("read")
    async def why(plan_id: PlanId, if_none_match: IfNoneMatch = None) -> Response:
        """Why a plan is what it is, made again from its inputs; also the last plan that was not carried out."""
        last = None if sources.link is None else await sources.link.last_decision()
        instead = last if last is not None and last.plan_id == plan_id else None
        return tagged(await records.ask(records.why, plan_id, instead), if_none_match)

    @app.post("/v1/plans/{plan_id}/preview")
    @needs("read", seconds=ANSWER_SECONDS + SECONDS + 1.0)
    async def preview(plan_id: PlanId) -> Response:
        """The exact calls of a plan in their order, and what forbids them now. It changes nothing."""
        board = hub.board
        known = [each for each in (board.waiting, None if board.result is None else board.result.plan) if each]
        found = next((each for each in known if each.id == plan_id), None)
        if found is None:
            kept = (await records.ask(records.plan, plan_id))["decisions"]
            text = next((each["plan"] for each in kept if each["plan"]), None)
            if text is None:
                raise Problem(404, "unknown", "this plan was kept without its shares")
            found = AllocationPlan.model_validate(text, strict=False)
        return JSONResponse(await sources.engine.preview(found, monotonic(), waits=found is board.waiting))


def _kept(app: FastAPI, sources: Sources) -> None:
    records = sources.records

    @app.get("/v1/changes")
    @needs("read")
    async def changes(
        since: When = None,
        protocol: Annotated[str | None, Query(max_length=400)] = None,
        plan_id: Annotated[str | None, Query(max_length=80)] = None,
        limit: Limit = 100,
        after: Cursor = None,
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        """Changes of shares, the newest first."""
        asked = (limit, _cursor(after), since, protocol, plan_id)
        return tagged(await records.ask(records.changes, *asked), if_none_match)

    @app.get("/v1/alerts")
    @needs("read")
    async def alerts(
        is_open: Open = None,
        limit: Limit = 100,
        after: Cursor = None,
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        """Alerts, the newest first."""
        return tagged(await records.ask(records.alerts, limit, _cursor(after), is_open), if_none_match)

    @app.get("/v1/events")
    @needs("read")
    async def events(
        since: AfterEvent = None,
        before: BeforeEvent = None,
        limit: Limit = 100,
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        """What happened, in words and numbers; without `after` the newest first."""
        return tagged(await records.ask(records.events, limit, since, before), if_none_match)


def _engine(app: FastAPI, sources: Sources) -> None:
    @app.get("/v1/config")
    @needs("read")
    async def config(if_none_match: IfNoneMatch = None) -> Response:
        """The configuration that is used; secrets are named by their variables and stand nowhere."""
        return tagged(finite(await asyncio.to_thread(sources.engine.config)), if_none_match)

    @app.post("/v1/estimates")
    @needs("read")
    async def estimates(asked: Estimate) -> Response:
        """What shares would bring more (USD/h), and what changing so many protocols costs (USD)."""
        if asked.allocation is None and asked.protocol_count is None:
            raise Problem(422, "invalid", "give an allocation, a protocol_count, or both")
        shares = None if asked.allocation is None else {each.protocol: each.share for each in asked.allocation}
        rates = None if asked.rates is None else {each.protocol: each.usd_per_hour for each in asked.rates}
        return JSONResponse(finite(await sources.engine.estimate(shares, rates, asked.protocol_count)))

    @app.post("/v1/solve")
    @needs("read")
    def solve(problem: Annotated[dict[str, Any], Body(description="a problem as in problem.toml")]) -> Response:
        """The certified plan for a problem, as `reallot solve --json` prints it; at most 200 protocols, 2 s."""
        if sources.solver is None:
            raise Problem(404, "unknown", "no problem is solved here; to have that, set solve = true under [service]")
        return JSONResponse(finite(sources.solver.solve(problem)))


def _protocol(board: Board, name: str, now: datetime) -> dict[str, Any]:
    """One protocol as it is told."""
    result = board.result
    metrics, plan = (None, None) if result is None else (result.metrics, result.plan)
    status = None if metrics is None else metrics.statuses.get(name)
    rests = board.rests.get(name)
    return finite(
        {
            "name": name,
            "up": None if metrics is None else metrics.connection_status.get(name),
            "earnings": None if metrics is None else metrics.earnings_by_protocol.get(name),
            "age": age_of(board, name, now),
            "share": None if metrics is None else metrics.allocation_by_protocol.get(name),
            "committed": board.standing.committed.get(name),
            "planned": None if plan is None else plan.allocation.get(name),
            "rests_until": None if rests is None else frames.stamp(rests),
            "frozen": board.standing.frozen.get(name),
            "error": None if status is None or status.error is None else status.error.value,
            "message": "" if status is None else status.message,
            "healthy": None if status is None else status.healthy,
            "doubt": "" if status is None else status.doubt,
        }
    )


def tagged(content: dict[str, Any], if_none_match: str | None) -> Response:
    """An answer with a strong tag; 304 where the caller has it already."""
    body = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    tag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    headers = {"ETag": tag}
    if if_none_match is not None and tag in {each.strip() for each in if_none_match.split(",")}:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def period(start: datetime | None, end: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    """A period; the last day where none is given. Raises Problem."""
    ends = now if end is None else end
    if not _YEARS[0] <= ends.year <= _YEARS[1] or (start is not None and not _YEARS[0] <= start.year <= _YEARS[1]):
        raise Problem(422, "invalid", f"a time lies in the years {_YEARS[0]} to {_YEARS[1]}")
    begin = ends - DAY if start is None else start
    if begin >= ends:
        raise Problem(422, "invalid", "the period ends no later than it starts: give a start before its end")
    return begin, ends


def _length(text: str) -> timedelta:
    try:
        found = parse_duration(text, "every")
    except InvalidInput as error:
        raise Problem(422, "invalid", str(error)) from None
    if not timedelta(minutes=1) <= found <= timedelta(days=366):
        raise Problem(422, "invalid", "every is 1m to 366d")
    return found


def _cursor(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise Problem(422, "invalid", "after is `next` of the page before, as it stands there")
    return int(text)


def _near(sentence: str) -> str | None:
    """The name in "did you mean 'x'?"; None where there is no such name."""
    return sentence.split("'")[1] if sentence.startswith("did you mean '") else None
