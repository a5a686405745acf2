"""A real Chromium for the tests of the page: one for all of them, without a download."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reallot.engine.contracts.configs import Mode
from reallot.engine.contracts.records import AggregatedMetrics, Alert, AllocationPlan, ProtocolStatus
from reallot.engine.ledger.journal import Standing
from reallot.errors import ErrorKind
from reallot.orchestration.cycle import CycleResult
from reallot.service.board import Board

NAMES = ("inference", "mining", "relay", "rental", "render", "vpn")
SHARES = (0.40, 0.12, 0.10, 0.17, 0.15, 0.06)
EARNS = (0.093, 0.018, 0.021, 0.064, 0.071, 0.0)
BAD_NAME = '<img src=x onerror="window.hit=1">\u202egnp.' + "x" * 160


@contextmanager
def browser() -> Iterator[object]:
    """The browser; skips with the reason where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the test extra is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("chromium is not on this machine: it is Debian's package of this name")
    flags = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=chromium, args=flags)
        yield found
        found.close()


def axe() -> str:
    """The checker of accessibility, as a script; skips where it is not installed."""
    found = pytest.importorskip("axe_playwright_python", reason="the test extra is not installed")
    return (Path(found.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


def plan(names: tuple[str, ...] = NAMES, at: datetime | None = None) -> AllocationPlan:
    """The second protocol gives all it has, the fourth and the fifth take it."""
    current = dict(zip(names, SHARES, strict=True))
    after = {**current, names[1]: 0.0, names[3]: 0.23, names[4]: 0.21}
    return AllocationPlan(
        allocation=after,
        estimated_improvement=0.016,
        estimated_cost=0.002,
        net_benefit=0.38,
        roi_percent=19000.0,
        confidence=0.7,
        created_at=at or datetime.now(UTC),
        id="20260601T120000-abcd",
        fingerprint="f00d",
        current=current,
    )


def board(condition: str, seq: int = 3, names: tuple[str, ...] = NAMES) -> Board:
    """A board of six protocols that is earning, waiting, halted or blind; the last does not answer."""
    now = datetime.now(UTC)
    up = {name: name != names[5] and condition != "blind" for name in names}
    gone = {"connected": False, "earnings_per_hour": None, "allocation": None, "error": ErrorKind.UNREACHABLE}
    silent = ProtocolStatus(protocol=names[5], observed_at=now, **gone)
    metrics = AggregatedMetrics(
        timestamp=now,
        total_earnings_per_hour=sum(EARNS),
        earnings_by_protocol=dict(zip(names[:5], EARNS[:5], strict=True)),
        allocation_by_protocol=dict(zip(names, SHARES, strict=True)),
        connection_status=up,
        statuses={names[5]: silent},
        stale={names[2]: 420.0},
    )
    better, waits = plan(names, now), condition == "waiting"
    alert = Alert(message=f"{names[5]} gives no value (unreachable)", severity=0.7, timestamp=now, key="silent:vpn")
    halted = "rental was not read back; look at it, then: reallot resume" if condition == "halted" else ""
    return Board(
        seq=seq,
        epoch=1,
        version="1",
        at=now,
        names=names,
        result=CycleResult(started_at=now, metrics=metrics, plan=better, wanted=waits, acted=waits),
        standing=Standing(halted=halted),
        rests={names[3]: now + timedelta(minutes=22)},
        waiting=better if waits else None,
        waits_until=now + timedelta(minutes=41) if waits else None,
        alerts=(alert,),
        never=0.231,
        mode=Mode.CONFIRM,
    )


def next_board(before: Board, **changes: object) -> Board:
    """The one of the next cycle."""
    return replace(before, seq=before.seq + 1, at=datetime.now(UTC), **changes)


class Proxy:
    """A small proxy that serves one server under a path; `cut` are paths that it refuses."""

    def __init__(self, port: int, prefix: str, cut: tuple[str, ...] = ()) -> None:
        self._to, self._prefix, self._cut = port, prefix.encode(), tuple(each.encode() for each in cut)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}{prefix}/"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """One request a connection, so that only its first line has to be read."""
        head = b""
        while b"\r\n\r\n" not in head:
            data = b""
            with suppress(OSError):
                data = client.recv(65536)
            if not data:
                client.close()
                return
            head += data
        line, _, rest = head.partition(b"\r\n")
        method, path, version = line.split(b" ")
        path = path.removeprefix(self._prefix)
        if path in self._cut:
            client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            client.close()
            return
        if b"upgrade: websocket" not in rest.lower():
            rest = rest.replace(b"Connection: keep-alive", b"Connection: close")
        with client, socket.create_connection(("127.0.0.1", self._to)) as server:
            server.sendall(b" ".join((method, path, version)) + b"\r\n" + rest)
            back = threading.Thread(target=_pump, args=(client, server), daemon=True)
            back.start()
            _pump(server, client)
            back.join(5.0)

    def close(self) -> None:
        """No more connections."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5.0)


def _pump(source: socket.socket, into: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            into.sendall(data)
    for each in (source, into):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
