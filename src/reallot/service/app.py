"""The routes of the HTTP API, each with the scope that it needs; what they answer is made elsewhere."""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Header, Path, Query, Request, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from ..errors import ReallotError, near_miss
from . import frames
from .access import Caller
from .actions import Actions, row, until_of
from .described import described
from .hub import Hub
from .metrics import Metrics
from .problems import MEDIA, Problem, problem_of
from .read_routes import Sources, add_reading
from .routes import needs
from .stream import Stream

TYPES = {"html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}
PAGE = "index.html"
LONGEST_WAIT = 30.0
"""Seconds that a caller may wait for the end of an action."""
ActionKind = Literal[
    "confirm",
    "decline",
    "execute",
    "rollback",
    "resume",
    "pause",
    "unpause",
    "poll",
    "acknowledge",
    "mute",
    "forget",
    "cleanup",
]
Key = Annotated[
    str | None, Header(alias="Idempotency-Key", description="1 to 128 visible characters, the same for one action")
]
IfMatch = Annotated[
    str | None, Header(alias="If-Match", description="what it was decided on: the ETag of /v1/state, or the plan")
]
IfNoneMatch = Annotated[str | None, Header(alias="If-None-Match")]
Via = Annotated[Literal["page", "mcp"] | None, Header(alias="Reallot-Via", description="who asks for a person")]


class Action(BaseModel):
    """What is asked for: `alert` is its key, `until` is for mute, and `retention_days` is for cleanup."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    kind: ActionKind
    plan_id: Annotated[str, Field(max_length=80)] | None = None
    alert: Annotated[str, Field(max_length=400)] | None = None
    protocol: Annotated[str, Field(max_length=400)] | None = None
    until: AwareDatetime | None = None
    retention_days: Annotated[int, Field(ge=1, le=100_000)] | None = None
    reason: Annotated[str, Field(max_length=400)] | None = None


def application(sources: Sources, actions: Actions, stream: Stream, metrics: Metrics | None = None) -> FastAPI:
    """The application, without the gate that stands before it."""
    hub = sources.hub
    # no page of the schema: it would load scripts from elsewhere
    once = [Depends(_only_known)]
    app = FastAPI(title="reallot", dependencies=once, docs_url=None, redoc_url=None, openapi_url=None)
    _errors(app)
    _static(app)
    _state(app, hub)
    _actions(app, actions)
    add_reading(app, sources)
    metrics = metrics or Metrics(hub)
    hub.watch = metrics.tally.see

    @app.get("/metrics", response_class=Response)
    @needs("read")
    def exposed() -> Response:
        """All metrics, as Prometheus reads them."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.websocket("/v1/stream")
    @needs("read")
    async def live(socket: WebSocket) -> None:
        await stream.websocket(socket)

    @app.get("/v1/stream/events", response_class=Response)
    @needs("read")
    async def live_events(request: Request) -> Response:
        """The frames of the live stream as server-sent events."""
        return await stream.events(request)

    @app.get("/openapi.json")
    @needs("read")
    async def schema() -> dict[str, Any]:
        """All that can be asked, as OpenAPI 3.1."""
        return described(app)

    return app


def _state(app: FastAPI, hub: Hub) -> None:
    @app.get("/healthz")
    @needs("none")
    async def health() -> Response:
        """200 where the last cycle is no older than three of them and a minute, else 503."""
        fresh = hub.board.is_fresh(hub.now())
        return JSONResponse({"status": "ok" if fresh else "stale"}, 200 if fresh else 503)

    @app.get("/v1")
    @needs("read")
    async def about(request: Request) -> dict[str, Any]:
        """Whom one speaks with, and what the token may."""
        board, caller = hub.board, _caller(request)
        return {
            "name": "reallot",
            "version": board.version,
            "api": 1,
            "mode": board.mode.value,
            "epoch": board.epoch,
            "every": frames.iso_duration(board.every),
            "you": {"name": caller.name, "scope": caller.scope},
            "links": {"state": "/v1/state", "stream": "/v1/stream", "events": "/v1/stream/events"},
        }

    @app.get("/v1/state")
    @needs("read")
    async def state(if_none_match: IfNoneMatch = None) -> Response:
        """The whole state, as the live stream sends it."""
        tag = f'"{hub.board.key}"'
        if if_none_match is not None and tag in if_none_match:
            return Response(status_code=304, headers={"ETag": tag})
        return Response(hub.text, media_type="application/json", headers={"ETag": tag})


def _actions(app: FastAPI, actions: Actions) -> None:
    @app.post("/v1/actions", status_code=202)
    @needs("act")
    def act(asked: Action, request: Request, key: Key = None, match: IfMatch = None, via: Via = None) -> Response:
        """Asks for an action; the same key again answers with the first."""
        body = {**asked.model_dump(exclude={"kind", "until"}), "until": until_of(asked.until)}
        found, is_new = actions.post(
            asked.kind, body, key=key, match=match, actor=_caller(request).name, via=via or "http"
        )
        headers = {"Location": f"/v1/actions/{found.id}"}
        return JSONResponse(row(found), 202 if is_new else 200, headers)

    @app.get("/v1/actions")
    @needs("read")
    def all_actions(
        limit: Annotated[int, Query(ge=1, le=1000)] = 100, after: Annotated[str | None, Query(max_length=40)] = None
    ) -> dict[str, Any]:
        """Actions of the last 7 days, the newest first."""
        found = actions.page(limit, after)
        return {"items": list(map(row, found)), "next": found[-1].id if len(found) == limit else None}

    @app.get("/v1/actions/{number}")
    @needs("read", seconds=LONGEST_WAIT + 10.0)
    async def one_action(
        number: Annotated[str, Path(max_length=40)], wait: Annotated[float, Query(ge=0.0, le=LONGEST_WAIT)] = 0.0
    ) -> dict[str, Any]:
        """One action; with `wait` (seconds) it answers when that is at its end."""
        return row(await actions.ended(number, wait))


def _static(app: FastAPI) -> None:
    """The page: every file of the package's folder is a route of its own, and nothing else is."""
    folder = files(__package__) / "static"
    names = [each.name for each in folder.iterdir() if each.is_file()] if folder.is_dir() else []
    for name in names:
        content, media = (folder / name).read_bytes(), TYPES.get(name.rpartition(".")[2])
        if media is not None:
            _serve(app, f"/{name}", content, media)
            if name == PAGE:
                _serve(app, "/", content, media)


def _serve(app: FastAPI, path: str, content: bytes, media: str) -> None:
    @needs("none")
    async def file() -> Response:
        return Response(content, headers={"content-type": media})

    app.add_api_route(path, file, methods=["GET", "HEAD"], include_in_schema=False)


def _only_known(asked: HTTPConnection) -> None:
    """Raises Problem for a parameter that the path does not have, or that is there twice."""
    known = [each.alias for each in asked.scope["route"].dependant.query_params]
    names = [name for name, _ in asked.query_params.multi_items()]
    for name in names:
        if name not in known:
            raise Problem(422, "invalid", f"there is no parameter {name[:60]!r} here; {near_miss(name, known)}")
        if names.count(name) > 1:
            raise Problem(422, "invalid", f"the parameter {name!r} is there {names.count(name)} times; give it once")


def _errors(app: FastAPI) -> None:
    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return _answer(request, _wrong(error))

    @app.exception_handler(HTTPException)
    async def plain(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404:
            told = Problem(404, "unknown", "there is nothing at this path; GET /openapi.json lists all paths")
        elif error.status_code == 405:
            told = Problem(405, "method", "this path has other methods; GET /openapi.json lists them")
        else:
            told = Problem(error.status_code, "invalid", "the request cannot be read")
        answer = _answer(request, told)
        answer.headers.update({k: v for k, v in (error.headers or {}).items() if k.lower() == "allow"})
        return answer

    @app.exception_handler(Exception)
    async def other(request: Request, error: Exception) -> Response:
        return _answer(request, problem_of(error))

    for kind in (Problem, ReallotError):
        app.add_exception_handler(kind, other)


def _wrong(error: RequestValidationError) -> Problem:
    """The places and the rules, never what was given."""
    found = [
        {"pointer": "/" + "/".join(map(str, each["loc"][1:])), "in": str(each["loc"][0]), "rule": _rule(each)}
        for each in error.errors()
    ]
    told = "; ".join(f"{each['in']} {each['pointer']}: {each['rule']}" for each in found[:3])
    return Problem(422, "invalid", told or "the request cannot be read", errors=found[:20])


def _rule(error: dict[str, Any]) -> str:
    """What must hold, without what was given."""
    kind, context = str(error["type"]), error.get("ctx") or {}
    bounds = {key: value for key, value in context.items() if key in ("ge", "le", "gt", "lt", "max_length", "expected")}
    return " ".join([kind.replace("_", " "), *(f"{key} {value}" for key, value in bounds.items())])


def _answer(request: Request, problem: Problem) -> Response:
    number = request.scope.get("state", {}).get("request", "")
    return Response(problem.text(number), problem.status, problem.headers(), MEDIA)


def _caller(request: Request) -> Caller:
    found: Caller = request.scope["state"]["caller"]
    return found
