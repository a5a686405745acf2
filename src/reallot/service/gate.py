"""The outermost layer, for HTTP and WebSocket alike: who may come in, with how much, how often and for how long."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any
from uuid import uuid4

from ..errors import DataError
from .access import Bucket, Caller, Refusal, Scope, Tokens, bearer, is_opened, offered, wrong_host, wrong_origin
from .bodies import check
from .problems import MEDIA, Problem, problem_of

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
BODY = 64 * 1024
"""Bytes of a body."""
MOST_BUCKETS = 10_000
SAFE = ("GET", "HEAD")
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
log = logging.getLogger("reallot.service")


@dataclass(frozen=True)
class Bounds:
    """How much is let in: requests a second and at once.

    reads, acts  of one token, to read and to act
    logins       wrong tokens of one peer
    in_flight    requests that are answered at once; `seconds` that one of them may take
    """

    reads: tuple[float, float] = (20.0, 60.0)
    acts: tuple[float, float] = (1.0, 5.0)
    logins: tuple[float, float] = (5.0 / 60.0, 5.0)
    in_flight: int = 64
    seconds: float = 10.0


class Gate:
    """Stands before the application. What no rule lets in stays out.

    scope_of    the scope that a method and a path need: None where no rule says, which lets nobody in
    streams     paths that may stay open
    seconds_of  seconds that a method and a path may take, where that is longer than the bound
    """

    def __init__(
        self,
        inside: Application,
        tokens: Tokens,
        hosts: Collection[str],
        scope_of: Callable[[str, str], Scope | None],
        streams: Collection[str] = (),
        bounds: Bounds | None = None,
        seconds_of: Callable[[str, str], float] = lambda method, path: 0.0,
    ) -> None:
        self._inside, self._tokens, self._hosts = inside, tokens, hosts
        self._bounds = bounds = bounds or Bounds()
        self._scope_of, self._streams, self._seconds, self._seconds_of = scope_of, streams, bounds.seconds, seconds_of
        self._reads: dict[str, Bucket] = defaultdict(lambda: Bucket(*bounds.reads))
        self._acts: dict[str, Bucket] = defaultdict(lambda: Bucket(*bounds.acts))
        self._logins: dict[str, Bucket] = defaultdict(lambda: Bucket(*bounds.logins))
        self._in_flight = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Lets one request or one WebSocket in, or turns it away."""
        if scope["type"] not in ("http", "websocket"):
            await self._inside(scope, receive, send)
            return
        number = uuid4().hex
        try:
            caller, is_good = self._admitted(scope)
            scope["state"] = {**scope.get("state", {}), "request": number, "caller": caller, "is_good": is_good}
        except Problem as problem:
            await _turn_away(scope, receive, send, problem, number)
            return
        if scope["type"] == "websocket":
            await self._inside(scope, receive, send)
            return
        await self._answer(scope, receive, send, number)

    def _admitted(self, scope: Mapping[str, Any]) -> tuple[Caller | None, Callable[[], bool]]:
        """Who asks, None where nobody has to say; and whether the token is still good, later. Raises Problem."""
        headers = _headers(scope)
        is_stream = scope["type"] == "websocket"
        method = "GET" if is_stream else scope["method"]
        secure = scope.get("scheme") in ("https", "wss")
        needed = self._scope_of(method, scope["path"])
        opened = needed == "none" and is_opened(headers)
        found = wrong_host(headers.get("host", ()), self._hosts) or wrong_origin(headers, secure, opened=opened)
        if found is not None:
            raise _problem(found)
        if b"token=" in scope.get("query_string", b"").lower():
            log.warning("a request with a token in its address was turned away: addresses are logged on their way")
            raise Problem(
                400,
                "token-in-url",
                "a token stands in the address; send it in the header Authorization",
            )
        if needed == "none":
            return None, lambda: True
        peer = (scope.get("client") or ("?",))[0]
        text = offered(scope.get("subprotocols", ())) if is_stream else bearer(headers)
        try:
            caller = None if text is None else self._tokens.caller(text)
        except DataError as error:  # who asks is not known, and is told of no file
            log.error("nobody is let in: %s", error)
            raise Problem(503, "ledger", "the tokens cannot be read: see the engine's log", retry_after=10.0) from None
        if caller is None:
            raise self._unknown(peer, tried=text is not None)
        self._within_rates(caller, "act" if needed == "act" else "read")
        if needed is not None and not caller.may(needed):
            raise Problem(403, "scope", f"this needs a token with the scope {needed}; {caller.name} has {caller.scope}")
        return caller, partial(self._is_good, text or "")

    def _is_good(self, text: str) -> bool:
        with suppress(DataError):
            return self._tokens.caller(text) is not None
        return False

    def _unknown(self, peer: str, *, tried: bool) -> Problem:
        if tried:
            wait = _bucket(self._logins, peer).take(monotonic())
            if wait:
                return Problem(429, "rate", "too many wrong tokens from this address", retry_after=wait)
            return Problem(401, "unauthenticated", "this token is not known, or not good any more: reallot token new")
        return Problem(
            401,
            "unauthenticated",
            "a token is needed, in the header Authorization; reallot token new makes one",
        )

    def _within_rates(self, caller: Caller, scope: Scope) -> None:
        if wait := _bucket(self._reads, caller.name).take(monotonic()):
            raise Problem(429, "rate", "at most 20 requests a second from one token", retry_after=wait)
        if scope == "act" and caller.may("act") and (wait := _bucket(self._acts, caller.name).take(monotonic())):
            raise Problem(429, "rate", "at most one action a second from one token", retry_after=wait)

    async def _answer(self, scope: MutableMapping[str, Any], receive: Receive, send: Send, number: str) -> None:
        """One request, its body within bounds, its answer in time, and headers on every answer."""
        began = False

        async def sent(message: Message) -> None:
            nonlocal began
            if message["type"] == "http.response.start":
                began = True
                headers = list(message.get("headers", ()))
                known = {name.lower() for name, _ in headers}
                headers += [(n.encode(), v.encode()) for n, v in HEADERS.items() if n.encode() not in known]
                if b"cache-control" not in known:
                    headers.append((b"cache-control", b"no-cache"))
                message = {**message, "headers": [*headers, (b"x-request-id", number.encode())]}
            await send(message)

        if self._in_flight >= self._bounds.in_flight:
            problem = Problem(503, "busy", f"{self._in_flight} requests are being answered already", retry_after=1.0)
            await _turn_away(scope, receive, sent, problem, number)
            return
        self._in_flight += 1
        counted, seconds = True, self._seconds
        try:
            async with asyncio.timeout(self._seconds):
                body = await _body(scope, receive)
            if body and scope["method"] not in SAFE:
                check(body, _headers(scope).get("content-type", [""])[0])
            given = _once(body, receive)
            if scope["path"] in self._streams:
                self._in_flight, counted = self._in_flight - 1, False
                await self._inside(scope, given, sent)
            else:
                seconds = max(seconds, self._seconds_of(scope["method"], scope["path"]))
                async with asyncio.timeout(seconds):
                    await self._inside(scope, given, sent)
        except TimeoutError:
            problem = Problem(503, "slow", f"no answer within {seconds:g} s", retry_after=self._seconds)
            if not began:
                await _turn_away(scope, receive, sent, problem, number)
        except Exception as error:
            if not isinstance(error, Problem):
                log.error("request %s failed: %s", number, type(error).__name__)
            if not began:
                await _turn_away(scope, receive, sent, problem_of(error), number)
        finally:
            self._in_flight -= counted


async def _body(scope: Mapping[str, Any], receive: Receive) -> bytes:
    """All of it; raises Problem where it is too large."""
    told = _headers(scope).get("content-length", ["0"])[0]
    too_large = Problem(413, "too-large", f"the body has more than {BODY // 1024} kB")
    if not told.isdigit() or int(told) > BODY:
        raise too_large
    found = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem(400, "invalid", "the request broke off")
        found += bytes(message.get("body", b""))
        if len(found) > BODY:
            raise too_large
        if not message.get("more_body"):
            return found


def _once(body: bytes, receive: Receive) -> Receive:
    """Hands the body over once; after that whatever comes, which is the end of the connection."""
    given = False

    async def receiving() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receiving


def _headers(scope: Mapping[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def _problem(refusal: Refusal) -> Problem:
    return Problem(refusal.status, refusal.kind, refusal.detail, retry_after=refusal.retry_after)


def _bucket(buckets: dict[str, Bucket], name: str) -> Bucket:
    if len(buckets) > MOST_BUCKETS:
        buckets.clear()
    return buckets[name]


async def _turn_away(scope: Mapping[str, Any], receive: Receive, send: Send, problem: Problem, number: str) -> None:
    """The answer that says no; of a WebSocket before it is one."""
    text = problem.text(number)
    headers = {
        "content-type": MEDIA,
        "content-length": str(len(text)),
        "cache-control": "no-store",
        "x-request-id": number,
        **HEADERS,
        **{name.lower(): value for name, value in problem.headers().items()},
    }
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    kind = "http.response"
    if scope["type"] == "websocket":
        await receive()  # websocket.connect
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008, "reason": problem.kind})
            return
        kind = "websocket.http.response"
    elif scope["method"] == "HEAD":
        text = b""
    await send({"type": f"{kind}.start", "status": problem.status, "headers": raw})
    await send({"type": f"{kind}.body", "body": text})
