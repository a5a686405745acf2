"""A client for the HTTP API of a running engine, for programs: one that waits, and one for asyncio."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime
from secrets import token_hex
from types import ModuleType, TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import quote

from ..errors import ConfigurationError, ReallotError, how_to_install

SECONDS, PREVIEW_SECONDS = 10.0, 35.0
"""Longest wait for an answer, and for one that reads adapters."""


class ServiceProblem(ReallotError):
    """An answer of the API that is a problem.

    status  of the answer
    kind    the problem's stable name: "unauthenticated", "scope", "outdated", "hold", ...
    told    all that it says: by, until, near, errors ...
    """

    def __init__(self, status: int, told: Mapping[str, Any]) -> None:
        super().__init__(str(told.get("detail") or f"the server answers with status {status}"))
        self.status, self.told = status, dict(told)
        self.kind = str(told.get("type", "")).rpartition("/")[2]


class ApiCall(NamedTuple):
    """One request."""

    method: str
    path: str
    params: Mapping[str, Any]
    body: Mapping[str, Any] | None
    headers: Mapping[str, str]
    seconds: float


class _Api(ABC):
    """The calls by name; a client that waits returns what they answer, the other an awaitable of it."""

    @abstractmethod
    def _ask(self, call: ApiCall) -> Any:
        """What the server answers."""

    def _get(self, path: str, seconds: float = SECONDS, **params: Any) -> Any:
        told = {key: _plain(value) for key, value in params.items() if value is not None}
        return self._ask(ApiCall("GET", path, told, None, {}, seconds))

    def about(self) -> Any:
        """Whom one speaks with, and what the token may."""
        return self._get("v1")

    def state(self) -> Any:
        """The whole state: the verdict in one sentence, and columns beside `names`."""
        return self._get("v1/state")

    def protocols(self) -> Any:
        """Every protocol as it was read last."""
        return self._get("v1/protocols")

    def trends(self, hours: float = 24.0) -> Any:
        """Total earnings (USD/h) of the last hours."""
        return self._get("v1/trends", hours=hours)

    def report(self, start: datetime | None = None, end: datetime | None = None) -> Any:
        """What a period brought; the last day where none is given."""
        return self._get("v1/reports", start=start, end=end)

    def plans(self, verdict: str | None = None, limit: int = 100, after: str | None = None) -> Any:
        """Decisions that are kept, the newest first."""
        return self._get("v1/plans", verdict=verdict, limit=limit, after=after)

    def current_plan(self) -> Any:
        """The last plan, and why it was not carried out; None where there is none yet."""
        return self._get("v1/plans/current")

    def why(self, plan_id: str) -> Any:
        """Why a plan is what it is: sentences, rows that add up, who stayed, what limits cost."""
        return self._get(f"v1/plans/{quote(plan_id, safe='')}/why", 30.0)

    def preview(self, plan_id: str) -> Any:
        """The exact calls of a plan in their order, and what forbids them now."""
        return self._ask(ApiCall("POST", f"v1/plans/{quote(plan_id, safe='')}/preview", {}, None, {}, PREVIEW_SECONDS))

    def solve(self, problem: Mapping[str, Any]) -> Any:
        """The certified plan for a problem as it stands in a file, where the server is set to solve."""
        return self._ask(ApiCall("POST", "v1/solve", {}, problem, {}, PREVIEW_SECONDS))

    def alerts(self, is_open: bool | None = None, limit: int = 100, after: str | None = None) -> Any:
        """Alerts, the newest first."""
        return self._get("v1/alerts", open=is_open, limit=limit, after=after)

    def events(self, after: int | None = None, limit: int = 100) -> Any:
        """What happened, the newest first; after an event's number, what came since."""
        return self._get("v1/events", after=after, limit=limit)

    def act(
        self, kind: str, *, match: str | None = None, key: str | None = None, via: str | None = None, **about: Any
    ) -> Any:
        """Ask for an action.

        kind   "confirm", "decline", "execute", "rollback", "resume", "pause", "unpause", "poll", "acknowledge", "mute",
               "forget" or "cleanup"
        match  what it was decided on: a plan's fingerprint, or "epoch-seq" of a state; needed by what moves capacity
        key    its own, the same for a repeated try; made anew where none is given
        about  plan_id, alert, protocol, until, retention_days or reason
        """
        headers = {"Idempotency-Key": key or token_hex(16)}
        headers |= {"If-Match": f'"{match}"'} if match else {}
        headers |= {"Reallot-Via": via} if via else {}
        told = {"kind": kind, **{name: _plain(value) for name, value in about.items() if value is not None}}
        return self._ask(ApiCall("POST", "v1/actions", {}, told, headers, SECONDS))

    def action(self, number: str, wait: float = 0.0) -> Any:
        """An action by its id; with `wait` (seconds, 30 at most) it answers when that is at its end."""
        return self._get(f"v1/actions/{quote(number, safe='')}", SECONDS + wait, wait=wait or None)


class EngineClient(_Api):
    """A client that waits for each answer. Close it, or use it in a `with` statement.

    url    where the engine serves: "http://127.0.0.1:8420"
    token  as `reallot run --serve` prints it, or one of `reallot token new`
    """

    def __init__(self, url: str, token: str) -> None:
        self._http = _library().Client(**_options(url, token))

    def _ask(self, call: ApiCall) -> Any:
        return _told(self._http.request(**_request(call)))

    def frames(self) -> Iterator[dict[str, Any]]:
        """The live stream: hello, state after each cycle, event and beat, until the server ends."""
        with self._http.stream("GET", "v1/stream/events", timeout=60.0) as answer:
            if answer.status_code != 200:
                answer.read()
                _told(answer)
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line[6:])

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class AsyncEngineClient(_Api):
    """The same for asyncio: every method returns an awaitable. Close it, or use it in an `async with` statement."""

    def __init__(self, url: str, token: str) -> None:
        self._http = _library().AsyncClient(**_options(url, token))

    async def _ask(self, call: ApiCall) -> Any:
        return _told(await self._http.request(**_request(call)))

    async def frames(self) -> AsyncIterator[dict[str, Any]]:
        """The live stream: hello, state after each cycle, event and beat, until the server ends."""
        async with self._http.stream("GET", "v1/stream/events", timeout=60.0) as answer:
            if answer.status_code != 200:
                await answer.aread()
                _told(answer)
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    yield json.loads(line[6:])

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()


def _library() -> ModuleType:
    try:
        import httpx2
    except ImportError:
        raise ConfigurationError(f"the client needs the library httpx2: {how_to_install('http')}") from None
    return httpx2


def _options(url: str, token: str) -> dict[str, Any]:
    """No proxy and no login of the environment is used, and no redirect is followed."""
    headers = {"Authorization": f"Bearer {token}"}
    return {"base_url": f"{url.rstrip('/')}/", "headers": headers, "trust_env": False, "follow_redirects": False}


def _request(call: ApiCall) -> dict[str, Any]:
    return {
        "method": call.method,
        "url": call.path,
        "params": dict(call.params),
        "json": None if call.body is None else dict(call.body),
        "headers": dict(call.headers),
        "timeout": call.seconds,
    }


def _told(answer: Any) -> Any:
    """What an answer says; raises ServiceProblem."""
    if answer.status_code == 204:
        return None
    try:
        found = answer.json()
    except ValueError:
        found = {}
    if answer.status_code >= 300:
        raise ServiceProblem(answer.status_code, found if isinstance(found, dict) else {})
    return found


def _plain(value: Any) -> Any:
    """As a query or a body has it."""
    return value.isoformat() if isinstance(value, datetime) else value
