"""reallot run --serve: the engine with a server beside it, which shows it and asks it for actions."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ..engine.ledger.operator_requests import Requests
from ..errors import ConfigurationError, how_to_install
from ..orchestration.cycle import CycleResult
from ..runtime.events import LogEvent
from ..runtime.runner import Runner
from .logs import tell

if TYPE_CHECKING:
    from ..service.ledger_pages import LedgerPages
    from ..service.publisher import Publisher
    from ..service.serving import ServiceThread

Show = Callable[[CycleResult], None]
PORT, PACE = 8420, 2.0
"""Where it listens if nothing else is said; seconds of real time from poll to poll after simulated time is over."""
UNIX = "unix:"
"""What an address begins with that is the path of a socket."""
_ADDRESS = re.compile(r"(?:(?P<host>\[[0-9a-fA-F:]+\]|[^:\[\]]+):)?(?P<port>[0-9]{1,5})")


def address_of(text: str) -> tuple[str, int]:
    """Host and port of "HOST:PORT", "PORT" or "", or "unix:/path" as it stands with port 0; raises ConfigurationError.

    >>> address_of("8080"), address_of("[::1]:80"), address_of("")
    (('127.0.0.1', 8080), ('::1', 80), ('127.0.0.1', 8420))
    """
    if text.startswith(f"{UNIX}/"):
        return text, 0
    found = _ADDRESS.fullmatch(text or str(PORT))
    if found is None or int(found["port"]) > 65535:
        raise ConfigurationError(
            f"--serve {text[:80]!r} is no address; give HOST:PORT, such as 127.0.0.1:{PORT}, or {UNIX}/PATH"
        )
    host = (found["host"] or "127.0.0.1").strip("[]")
    return host, int(found["port"])


class Served:
    """The server of a run, from its start to its end."""

    def __init__(
        self,
        server: ServiceThread,
        publisher: Publisher,
        pages: LedgerPages,
        token: str,
        say: Callable[[str], None],
    ) -> None:
        self.server, self.publisher, self.pages, self._token, self._say = server, publisher, pages, token, say

    @property
    def url(self) -> str:
        """What is opened in a browser; what follows # stays there, and is in no log of the server."""
        return f"{self.server.url}#token={self._token}"

    async def run(self, show: Show, until: datetime | None, stop: asyncio.Event) -> None:
        """Cycles, each shown and published; simulated time that is over goes on slowly until somebody stops it."""
        runner = self.publisher.runner
        try:
            await self.publisher.publish(None)
            async for result in runner.cycles(stop, until):
                show(result)
                await self.publisher.publish(result)
            if until is not None and not stop.is_set():
                runner.pace = PACE
                text = f"simulated time goes on, a poll every {PACE:g} s, until you stop it: {self.server.url}"
                tell(LogEvent("service", runner.parts.clock.now(), text))
                self._say(f"open {self.url}")  # again, below all that went by
                async for result in runner.cycles(stop):
                    show(result)
                    await self.publisher.publish(result, ends_simulated=True)
        finally:
            await asyncio.to_thread(self.server.stop)
            await asyncio.to_thread(self.pages.close)  # the process would wait for all that is asked still


def serve(
    runner: Runner, address: str, say: Callable[[str], None], notified: Mapping[tuple[str, str], int] | None = None
) -> Served:
    """Starts the server beside a runner, and says where it is; `notified` counts messages for the metrics.

    Raises ConfigurationError, where the extra is missing or the port is taken.
    """
    host, port = address_of(address)
    try:
        import_module("fastapi"), import_module("uvicorn"), import_module("websockets")
    except ImportError as error:
        told = f"--serve needs the library {error.name}: {how_to_install('service')}"
        raise ConfigurationError(told) from None
    from ..service.access import Tokens
    from ..service.actions import ActionCounts, Actions
    from ..service.board import Board
    from ..service.engine_link import EngineLink
    from ..service.hub import RECENT, Hub
    from ..service.ledger_pages import LedgerPages
    from ..service.metrics import Metrics
    from ..service.publisher import Publisher
    from ..service.read_routes import Sources
    from ..service.serving import ServiceThread
    from ..service.solver_process import SolverProcess

    parts, hosts = runner.parts, runner.parts.config.service.hosts
    beyond(host, hosts)
    if parts.ledger.requests is None:
        parts.ledger.requests = Requests(None)
        parts.engine.listen_to(parts.ledger.requests)
    loop = asyncio.get_running_loop()
    before = list(reversed(parts.ledger.events.before(None, RECENT)))
    last = before[-1].seq if before else 0
    hub = Hub(Board(mode=parts.mode, names=tuple(parts.coordinator.adapters), last_event=last), parts.clock.now)
    hub.remember(before)
    box = parts.ledger.requests
    actions = Actions(box, lambda: hub.board, _waker(loop, runner))
    metrics = Metrics(
        hub,
        actions=ActionCounts(box),
        notified=lambda: {} if notified is None else dict(notified),
        ledger_bytes=lambda: sizes(parts.ledger.folder),
    )
    tokens = Tokens(parts.ledger.folder)
    token = tokens.start(datetime.now(UTC))
    solver = SolverProcess() if parts.config.service.solve else None
    sources = Sources(hub, LedgerPages(parts.ledger), EngineLink(runner, loop), solver)
    server = ServiceThread(sources, actions, tokens, address=(host, port), hosts=hosts, metrics=metrics)
    server.start()
    served = Served(server, Publisher(runner, hub), sources.records, token, say)
    say(f"open {served.url}")  # not in the log, which keeps no token
    return served


def beyond(host: str, hosts: Collection[str]) -> None:
    """Raises ConfigurationError where it would listen beyond this machine, and nobody is named who may ask."""
    from ..service.access import LOOPBACK

    if host not in {each.strip("[]") for each in LOOPBACK} and not (hosts or host.startswith(UNIX)):
        told = (
            f"on {host} it would listen beyond this machine; use 127.0.0.1 and a tunnel, or name who may ask: "
            'hosts = ["box.example.net"] under [service]'
        )
        raise ConfigurationError(told)


def _waker(loop: asyncio.AbstractEventLoop, runner: Runner) -> Callable[[], None]:
    def wake() -> None:
        loop.call_soon_threadsafe(runner.wake)

    return wake


def sizes(folder: Path | None) -> dict[str, int]:
    """Bytes of each database of a ledger."""
    found: dict[str, int] = {}
    for each in [] if folder is None else folder.glob("*.db"):
        with suppress(OSError):  # a damaged one was put aside since
            found[each.name] = each.stat().st_size
    return found
