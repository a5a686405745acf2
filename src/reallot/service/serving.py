"""The server beside the engine: a thread of its own with a loop of its own, so that no client delays a cycle."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Collection
from pathlib import Path
from threading import Event, Thread

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..errors import ConfigurationError
from .access import LOOPBACK, Tokens
from .actions import Actions
from .app import application
from .gate import Bounds, Gate
from .metrics import Metrics
from .read_routes import Sources
from .routes import scope_of, seconds_of
from .stream import Stream

SEND_BUFFER = 65_536
"""Bytes that the kernel keeps for a client: with its usual 4 MB a client that never reads is noticed late."""
HEADER_BYTES, MESSAGE_BYTES, BACKLOG, GRACE = 16 * 1024, 4096, 2048, 3
log = logging.getLogger("reallot.service")


class ServiceThread:
    """uvicorn in a thread. `url` is where it listens."""

    def __init__(
        self,
        sources: Sources,
        actions: Actions,
        tokens: Tokens,
        *,
        address: tuple[str, int],
        hosts: Collection[str] = (),
        stream: Stream | None = None,
        metrics: Metrics | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        self._hub = hub = sources.hub
        self._solver = sources.solver
        self.host, self.port = address
        self._path = Path(self.host.removeprefix("unix:")) if self.host.startswith("unix:") else None
        self._socket = _bound(*address) if self._path is None else _bound_at(self._path)
        if self._path is None:
            self.port = int(self._socket.getsockname()[1])
        app = application(sources, actions, stream or Stream(hub), metrics)
        named = {*LOOPBACK, *(each.lower() for each in hosts)}
        routes = app.router.routes
        self.gate = Gate(
            app,
            tokens,
            named,
            lambda method, path: scope_of(routes, method, path),
            ("/v1/stream/events",),
            bounds,
            lambda method, path: seconds_of(routes, method, path),
        )
        self._server = uvicorn.Server(
            uvicorn.Config(
                self.gate,
                ws="websockets-sansio",
                ws_per_message_deflate=False,
                ws_max_size=MESSAGE_BYTES * 2,
                ws_ping_interval=None,
                h11_max_incomplete_event_size=HEADER_BYTES,
                http=_within((bounds or Bounds()).seconds),
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=GRACE,
                timeout_keep_alive=30,
                backlog=BACKLOG,
            )
        )
        self._ready = Event()
        self._thread = Thread(target=self._run, name="reallot-service", daemon=True)

    @property
    def url(self) -> str:
        """Where it listens: the address of the page, or "unix:/path"."""
        if self._path is not None:
            return self.host
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"

    def start(self) -> None:
        """Listens from now on."""
        self._thread.start()
        self._ready.wait(10.0)

    def stop(self) -> None:
        """Says goodbye to the streams, ends what is being answered, and returns within a few seconds."""
        self._hub.end()  # streams end by themselves: the server would wait for them
        self._server.should_exit = True
        self._thread.join(GRACE + 2.0)
        self._socket.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        if self._solver is not None:
            self._solver.close()

    @property
    def is_alive(self) -> bool:
        """True while it answers."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # the engine goes on without it
            log.error("the service ended: %s", type(error).__name__)

    async def _serve(self) -> None:
        self._hub.belongs_to(asyncio.get_running_loop())
        self._ready.set()
        await self._server.serve(sockets=[self._socket])


def _within(seconds: float) -> type[H11Protocol]:
    """HTTP on connections that have so long for the head of a request: one that drips it keeps no place."""

    class Impatient(H11Protocol):
        _ends: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._wait()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._wait()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self.conn.trailing_data[0]:  # the next head has begun to come before this answer
                self._wait()

        def handle_websocket_upgrade(self, event: h11.Request) -> None:
            self._ended()
            super().handle_websocket_upgrade(event)

        def connection_lost(self, exc: Exception | None) -> None:
            self._ended()
            super().connection_lost(exc)

        def _wait(self) -> None:
            """The time runs from the first byte of a head, or from the connection on, to the head's last byte."""
            if self.transport.get_protocol() is not self or self.conn.their_state is not h11.IDLE:
                self._ended()
            elif self._ends is None:
                self._ends = self.loop.call_later(seconds, self.transport.close)

        def _ended(self) -> None:
            if self._ends is not None:
                self._ends.cancel()
                self._ends = None

    return Impatient


def _bound_at(path: Path) -> socket.socket:
    """A listening UNIX socket, which its user and group may use; raises ConfigurationError where it cannot be.

    One that nobody listens on any more is taken over: the end of a process leaves its name.
    """
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket():
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
                if other.connect_ex(str(path)) == 0:
                    raise OSError("another process listens there")
            path.unlink()
        found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        found.bind(str(path))
        path.chmod(0o660)
        found.listen(BACKLOG)
        found.setblocking(False)
    except OSError as error:
        found.close()
        why = getattr(error, "strerror", None) or str(error)
        told = f"the service cannot listen on unix:{path}: {why}; give a path in a folder that this user may write"
        raise ConfigurationError(told) from None
    return found


def _bound(host: str, port: int) -> socket.socket:
    """A listening socket; raises ConfigurationError where the address is taken or is none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        found.bind((host, port))
        found.listen(BACKLOG)
        found.setblocking(False)
    except (OSError, OverflowError) as error:
        found.close()
        why = getattr(error, "strerror", None) or str(error)
        told = f"the service cannot listen on {host}:{port}: {why}; give another port, as --serve {host}:8421"
        raise ConfigurationError(told) from None
    return found
