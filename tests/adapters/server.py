"""A server on loopback that answers what a test tells it to, and nothing else: the other end of every HTTP adapter."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Answer:
    """body: bytes, text or a document; cut: the connection ends after so many bytes of it; hangs: nothing comes.

    raw: these bytes instead of an answer in HTTP
    """

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "application/json"
    cut: int | None = None
    hangs: bool = False
    delay: float = 0.0
    raw: bytes | None = None


@dataclass
class Request:
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


class Server:
    """`async with Server(answer) as server`: `answer(request)` gives an Answer, a document, or None for a 404."""

    def __init__(self, answer: Callable[[Request], Any]) -> None:
        self.answer, self.requests = answer, []
        self._tasks: set[asyncio.Task] = set()

    async def __aenter__(self) -> Server:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, target, _ = head[0].split(" ")
            headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in head[1:] if line}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            path, _, query = target.partition("?")
            request = Request(method, path, query, headers, body)
            self.requests.append(request)
            await self._reply(request, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _reply(self, request: Request, writer: asyncio.StreamWriter) -> None:
        found = self.answer(request)
        if found is None:
            found = Answer({"error": "not found"}, 404)
        answer = found if isinstance(found, Answer) else Answer(found)
        if answer.hangs:
            await asyncio.Event().wait()
        if answer.delay:
            await asyncio.sleep(answer.delay)
        if answer.raw is not None:
            writer.write(answer.raw)
            await writer.drain()
            return
        body = answer.body
        if not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        body = body.encode() if isinstance(body, str) else body
        lines = [f"HTTP/1.1 {answer.status} Told", "Connection: close"]
        if answer.status != 204:
            lines += [f"Content-Length: {len(body)}", f"Content-Type: {answer.kind}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + (body if answer.cut is None else body[: answer.cut]))
        await writer.drain()
