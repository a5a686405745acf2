"""The live stream over a WebSocket, and the same messages as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from . import frames
from .access import SUBPROTOCOL, Caller
from .hub import Client, Hub
from .mailbox import Fate
from .problems import Problem

BEAT_SECONDS, SEND_SECONDS, RESUME_SECONDS = 15.0, 5.0, 5.0
MOST_SENT = 4096
"""Characters of a message that a client may send."""
TOO_SLOW, GOES_AWAY, NOT_ALLOWED, FULL = 1013, 1001, 1008, 1013


class Stream:
    """The endpoints; `beat` and `send` are in seconds."""

    def __init__(self, hub: Hub, *, beat: float = BEAT_SECONDS, send: float = SEND_SECONDS) -> None:
        self._hub, self._beat, self._send = hub, beat, send

    async def websocket(self, socket: WebSocket) -> None:
        """One WebSocket from its first message to its last."""
        caller: Caller = socket.scope["state"]["caller"]
        client = Client(caller, _peer(socket.scope), "websocket", socket.scope["state"]["is_good"])
        await socket.accept(SUBPROTOCOL)
        try:
            self._hub.join(client)
        except Problem as problem:
            await self._bye(socket, FULL, problem.detail, problem.retry_after)
            return
        reading = asyncio.ensure_future(self._listen(socket, client))
        writing = asyncio.ensure_future(self._write(socket, client))
        try:
            await asyncio.wait((reading, writing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.leave(client)
            for task in (reading, writing):
                task.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)

    async def _listen(self, socket: WebSocket, client: Client) -> None:
        """What a client may say: once where to go on, and that it is there. Returns when it is gone, or said more."""
        while True:
            try:
                message = await socket.receive()
            except (WebSocketDisconnect, RuntimeError):
                return
            if message["type"] == "websocket.disconnect":
                return
            told = _told(message)
            if told is None:
                await self._bye(socket, NOT_ALLOWED, "only resume and pong are understood, in up to 4 kB")
                return
            if told["t"] == "resume":
                self._resume(client, told)

    def _resume(self, client: Client, told: dict[str, Any]) -> None:
        """Goes on after the last event that the client knows; it asks for a list where that is too long ago."""
        wants = told.get("want", ["state", "event"])
        client.mailbox.wants_states, client.mailbox.wants_events = "state" in wants, "event" in wants
        after = told.get("events_after")
        if after is None or not client.mailbox.wants_events:
            return
        now, (texts, gap) = monotonic(), self._hub.missed(after)
        if gap or told.get("epoch", self._hub.board.epoch) > self._hub.board.epoch:
            client.mailbox.put_event(self._hub.hello_for(client, gap=True), now)
        else:
            client.mailbox.forget_events()
            for text in texts:
                client.mailbox.put_event(text, now)
        client.waked.set()

    async def _write(self, socket: WebSocket, client: Client) -> None:
        """Sends what waits, a beat where nothing does; returns when the client is too slow or gone."""
        with suppress(WebSocketDisconnect, RuntimeError):
            code, reason, retry_in = await self._send_all(client, socket.send_text)
            await self._bye(socket, code, reason, retry_in)

    async def _send_all(self, client: Client, send: Callable[[str], Awaitable[None]]) -> tuple[int, str, float | None]:
        """Sends until the server ends, or the client is dismissed or let in no more; how it is closed then."""
        async for text in self._messages(client):
            while not await self._sent(send, text):  # what timed out was not sent: it is tried again
                client.mailbox.failed()
                if client.closing or client.mailbox.fate(monotonic()) is Fate.DISMISS:
                    break
            else:
                client.mailbox.sent(monotonic())
                continue
            break
        if client.closing:
            return GOES_AWAY, "the server ends", 2.0
        if not client.is_good():
            return NOT_ALLOWED, "the token is not good any more", None
        self._hub.dismiss(client)
        return TOO_SLOW, "the client is too slow", 10.0

    async def _sent(self, send: Callable[[str], Awaitable[None]], text: str) -> bool:
        """False where it did not go out in time."""
        try:
            async with asyncio.timeout(self._send):
                await send(text)
        except TimeoutError:
            return False
        return True

    async def _messages(self, client: Client) -> AsyncIterator[str]:
        """The first message, then whatever comes, until the end of the server or of the client's time."""
        hub, box = self._hub, client.mailbox
        yield hub.hello_for(client)
        box.put_state(hub.text, monotonic())
        while not client.closing and client.is_good():
            fate = box.fate(monotonic())
            if fate is Fate.DISMISS:
                return
            if fate is Fate.RESYNC:
                box.resynced()
                yield hub.hello_for(client, gap=True)
                continue
            client.waked.clear()
            if (text := box.take()) is not None:
                yield text
                continue
            try:
                await asyncio.wait_for(client.waked.wait(), self._beat)
            except TimeoutError:
                yield frames.encoded(frames.beat(hub.board, hub.now()))

    async def events(self, request: Request) -> Response:
        """The same messages as server-sent events, for whoever has no WebSocket. Raises Problem."""
        known = request.scope["state"]
        client = Client(known["caller"], _peer(request.scope), "sse", known["is_good"])
        self._hub.join(client)
        after = request.headers.get("last-event-id", "")
        if after.isascii() and after.isdigit() and len(after) <= 18:
            self._resume(client, {"t": "resume", "events_after": int(after)})
        return _Events(self, self._hub, client)

    async def serve_events(self, client: Client, send: Callable[[str], Awaitable[None]]) -> None:
        """Sends until the end."""
        await send("retry: 2000\n\n")
        closed = await self._send_all(client, lambda text: send(_as_sse(text)))
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await send(_as_sse(frames.encoded(frames.bye(*closed))))

    async def _bye(self, socket: WebSocket, code: int, reason: str, retry_in: float | None = None) -> None:
        with suppress(Exception):
            async with asyncio.timeout(1.0):
                await socket.send_text(frames.encoded(frames.bye(code, reason, retry_in)))
                await socket.close(code, reason)


class _Events(Response):
    """The answer that goes on: it ends when the client is gone, is dismissed, or the server ends."""

    media_type = "text/event-stream"

    def __init__(self, stream: Stream, hub: Hub, client: Client) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._stream, self._hub, self._client = stream, hub, client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the messages."""

        async def line(text: str) -> None:
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})

        async def gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        tasks: list[asyncio.Future[None]] = []
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            tasks += [asyncio.ensure_future(each) for each in (self._stream.serve_events(self._client, line), gone())]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._hub.leave(self._client)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _told(message: Mapping[str, Any]) -> dict[str, Any] | None:
    """A message of a client; None where it is none that is understood."""
    text = message.get("text")
    if not isinstance(text, str) or len(text) > MOST_SENT:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("t") not in ("resume", "pong"):
        return None
    after, epoch, want = found.get("events_after"), found.get("epoch", 0), found.get("want", [])
    whole = all(isinstance(each, int) and not isinstance(each, bool) and 0 <= each < 1 << 62 for each in (epoch,))
    named = isinstance(want, list) and all(each in ("state", "event") for each in want)
    known = after is None or (isinstance(after, int) and not isinstance(after, bool) and 0 <= after < 1 << 62)
    return found if whole and named and known else None


def _as_sse(text: str) -> str:
    """One message as server-sent event; an event's own number is what a client that comes back names."""
    frame = json.loads(text)
    number = f"id: {frame['seq']}\n" if frame["t"] == "event" else ""
    return f"{number}event: {frame['t']}\ndata: {text}\n\n"


def _peer(scope: Any) -> str:
    found = scope.get("client")
    return f"{found[0]}:{found[1]}" if found else "a socket"
