"""What a server beside an engine costs: a thousand clients, clients that never read, and the engine's own cycle."""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec

from reallot.engine.contracts.clock import ManualClock
from reallot.runtime.build import build
from reallot.runtime.config import config_from_text
from reallot.runtime.runner import Runner

START = datetime(2026, 1, 1, tzinfo=UTC)
SLOW_FRAME = 20_000
PROTOCOLS = "".join(
    f'[protocols.p{n}]\nadapter = "simulated"\nshare = 0.1\nrate = {1 + n / 10}\nnoise = 0.05\n' for n in range(10)
)


@dataclass(frozen=True)
class Served:
    """One load.

    cpu        part of one core that the server's process took
    frames     states that the clients got; `expected` of them were sent to those that read. A client that is given no
               processor skips states: what clients that never read change is the difference from the row without them
    gaps       events that a client did not get
    dismissed  clients that were too slow; all who never read, where the time was enough
    cycle      the engine's cycle, 99 % of them within so many ms; 0 where none ran
    """

    what: str
    cpu: float
    frames: int
    expected: int
    gaps: int
    dismissed: int
    cycle: float


def left_out() -> str:
    """What is missing."""
    missing = [name for name in ("fastapi", "uvicorn", "websockets") if find_spec(name) is None]
    return f"{', '.join(missing)}: pip install -e '.[service]'" if missing else ""


def measure(smoke: bool, _: int) -> Sequence[Served]:
    """All loads; the smallest in smoke mode."""
    if left_out():
        return []
    clients, seconds = (20, 2.0) if smoke else (1_000, 15.0)
    stuck, longer = (2, 2.0) if smoke else (20, 40.0)
    wide = f"{clients // 5} clients, 10 a second, 20 kB"
    return [
        _load("nobody looks", 0, 0, seconds, 1.0, wide=False),
        _load(f"{clients} clients, a state a second", clients, 0, seconds, 1.0, wide=False),
        _load(wide, clients // 5, 0, seconds, 0.1, wide=True),
        _load(f"{wide}, and {stuck} that never read", clients // 5, stuck, longer, 0.1, wide=True),
    ]


def table(rows: Sequence[Served]) -> str:
    """As Markdown."""
    head = ("load", "CPU, part of a core", "states got", "sent", "gaps", "dismissed", "cycle p99, ms")
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in rows:
        counts = f"{row.frames} | {row.expected} | {row.gaps} | {row.dismissed}"
        lines.append(f"| {row.what} | {row.cpu:.1%} | {counts} | {row.cycle:.0f} |")
    return "\n".join(lines)


def _load(what: str, clients: int, stuck: int, seconds: float, every: float, *, wide: bool) -> Served:
    """The engine in this thread, the server in its own, the clients in another process."""
    with _server() as (server, hub, token):
        listening = None
        if clients:
            command = [
                sys.executable,
                "-m",
                "benchmarks.service",
                str(server.port),
                token,
                str(clients),
                str(stuck),
            ]
            listening = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            _until(lambda: len(hub.clients) >= clients + stuck, 60.0)
        runner = _runner()
        cpu, took, sent = _publish(runner, hub, seconds, every, wide=wide)
        told = {"frames": 0, "gaps": 0}
        if listening is not None:
            time.sleep(2.0)  # what was published last is still on its way
            hub.end()
            told = json.loads(listening.communicate(timeout=60.0)[0])
        return Served(what, cpu, told["frames"], sent * clients, told["gaps"], hub.dismissed, took)


def _publish(runner: Runner, hub: object, seconds: float, every: float, *, wide: bool) -> tuple[float, float, int]:
    """Cycles and boards for so long: the part of a core beside the cycles, the slow cycle in ms, boards published."""
    from reallot.service.publisher import Publisher

    cycles: list[float] = []

    async def run() -> tuple[float, int]:
        publisher, own, sent = Publisher(runner, hub), 0.0, 0  # type: ignore[arg-type]
        began, used = time.monotonic(), time.process_time()
        while (now := time.monotonic()) < began + seconds:
            before = time.thread_time()
            result = await runner.cycle()
            cycles.append(time.monotonic() - now)
            runner.parts.clock.advance(60.0)
            if wide:
                result = _widened(result)
            await publisher.publish(result)
            sent += 1
            own += time.thread_time() - before
            await asyncio.sleep(max(0.0, now + every - time.monotonic()))
        return (time.process_time() - used - own) / (time.monotonic() - began), sent

    cpu, sent = asyncio.run(run())
    ranked = sorted(cycles)
    return cpu, 1000.0 * ranked[min(len(ranked) - 1, math.ceil(0.99 * len(ranked)) - 1)], sent


def _widened(result: object) -> object:
    """A state of 20 kB."""
    return result.model_copy(update={"errors": {"wide": "x" * SLOW_FRAME}})  # type: ignore[attr-defined]


def _runner() -> Runner:
    text = f'[coordinator]\nevery = "1m"\n[reallocation]\nmode = "automatic"\n{PROTOCOLS}'
    return Runner(build(config_from_text(text), clock=ManualClock(START)), lambda _: None)


@contextmanager
def _server() -> Iterator[tuple[object, object, str]]:
    from reallot.engine.ledger.folder import open_ledger
    from reallot.engine.ledger.operator_requests import Requests
    from reallot.service.access import Tokens
    from reallot.service.actions import Actions
    from reallot.service.board import Board
    from reallot.service.gate import Bounds
    from reallot.service.hub import Hub
    from reallot.service.ledger_pages import LedgerPages
    from reallot.service.read_routes import Sources
    from reallot.service.serving import ServiceThread

    hub, tokens = Hub(Board(names=tuple(f"p{n}" for n in range(10)))), Tokens(None)
    actions = Actions(Requests(None), lambda: hub.board, lambda: None)
    ledger = open_ledger()
    pages = LedgerPages(ledger)
    server = ServiceThread(
        Sources(hub, pages), actions, tokens, address=("127.0.0.1", 0), bounds=Bounds(reads=(1e9, 1e9))
    )
    server.start()
    try:
        yield server, hub, tokens.new("act", "load", None)
    finally:
        server.stop()
        pages.close()
        ledger.close()


def _until(holds: object, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:  # type: ignore[operator]
        time.sleep(0.05)


async def _listen(port: int, token: str, clients: int, stuck: int) -> None:
    """The clients: what they got, as JSON on standard output."""
    import websockets

    frames = gaps = 0
    gate, offers = asyncio.Semaphore(50), ["reallot.v1", f"token.{token}"]

    async def reads() -> None:
        nonlocal frames, gaps
        plain = {"compression": None, "max_size": None, "open_timeout": 60}
        async with gate:
            socket = await websockets.connect(f"ws://127.0.0.1:{port}/v1/stream", subprotocols=offers, **plain)
        event = None
        async for text in socket:  # until the server ends
            frames += text.startswith('{"t":"state"') and '"at":null' not in text[:80]
            if text.startswith('{"t":"event"'):
                number = json.loads(text)["seq"]
                gaps += 0 if event is None else number - event - 1
                event = number

    async def sleeps() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        head = "GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eHh4eHh4eHh4eHh4eHh4eA==\r\n"
        writer.write(f"{head}{key}Sec-WebSocket-Protocol: {', '.join(offers)}\r\n\r\n".encode())
        try:
            await asyncio.Event().wait()
        finally:
            writer.transport.abort()

    sleeping = [asyncio.ensure_future(sleeps()) for _ in range(stuck)]
    await asyncio.gather(*(reads() for _ in range(clients)))
    for each in sleeping:
        each.cancel()
    await asyncio.gather(*sleeping, return_exceptions=True)
    print(json.dumps({"frames": frames, "gaps": gaps}))


if __name__ == "__main__":
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    asyncio.run(_listen(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
