"""What a cycle costs beside the waiting, a simulated week, the slowest cycles, a poll of many slow sources at once."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from reallot.adapters.simulated import SimulatedAdapter
from reallot.engine.contracts.clock import ManualClock
from reallot.engine.contracts.records import AggregatedMetrics
from reallot.orchestration.coordinator import ProtocolCoordinator
from reallot.orchestration.cycle import cycles
from reallot.orchestration.monitor import RealtimeMonitor
from reallot.orchestration.optimizer import EarningsOptimizer
from reallot.orchestration.reallocation import ReallocationEngine

START = datetime(2026, 1, 1, tzinfo=UTC)
BEFORE = 120
"""Polls learned from before the time is taken."""
WEEK = 7 * 24 * 60
LATENCY = 0.2


@dataclass(frozen=True)
class Took:
    """One figure.

    seconds  of wall-clock time: for one cycle, one week, one poll; the least of several
    cpu      processor seconds of the same
    asked    no more wall-clock seconds than this; None where nothing was asked
    """

    what: str
    seconds: float
    cpu: float
    asked: float | None = None

    @property
    def reached(self) -> str:
        """In a word; "" where nothing was asked."""
        return "" if self.asked is None else "yes" if self.seconds <= self.asked else "no"


def polls(protocols: int, count: int, *, moving: bool, seed: int = 0) -> list[AggregatedMetrics]:
    """Polls a minute apart with 10 % noise; `moving` where one protocol earns more, so that each plan is solved for."""
    draw, names = random.Random(seed), [f"p{i:02}" for i in range(protocols)]
    made = []
    for minute in range(count):
        rates = {name: 10.0 + (2.0 if moving and name == names[0] else 0.0) for name in names}
        earned = {name: rate * (1.0 + 0.1 * draw.gauss(0.0, 1.0)) / protocols for name, rate in rates.items()}
        made.append(
            AggregatedMetrics(
                timestamp=START + timedelta(minutes=minute),
                total_earnings_per_hour=sum(earned.values()),
                earnings_by_protocol=earned,
                allocation_by_protocol=dict.fromkeys(names, 1.0 / protocols),
                connection_status=dict.fromkeys(names, True),
            )
        )
    return made


def deciding(protocols: int = 20, count: int = 300, *, moving: bool = False) -> tuple[float, float]:
    """(wall, processor) seconds a cycle of optimizer and monitor: learn, plan, judge, dashboard, alerts, snapshot."""
    made = polls(protocols, BEFORE + count, moving=moving)
    optimizer, monitor = EarningsOptimizer(), RealtimeMonitor()

    async def run() -> tuple[float, float]:
        for metrics in made[:BEFORE]:
            optimizer.update_metrics(metrics)
            await monitor.update_snapshot(metrics)
        watch = _Watch()
        for metrics in made[BEFORE:]:
            optimizer.update_metrics(metrics)
            pairs = optimizer.analyze_opportunities(metrics)
            plan = optimizer.calculate_optimal_allocation(metrics)
            optimizer.should_reallocate(pairs, plan)
            await monitor.get_dashboard_metrics(metrics, plan.allocation, pairs)
            await monitor.check_alerts(metrics, pairs)
            await monitor.update_snapshot(metrics)
        return watch.passed(count)

    return asyncio.run(run())


def everything(
    protocols: int = 12, minutes: int = 1440, *, noise: float = 0.1, alike: bool = True
) -> tuple[float, float]:
    """(wall, processor) seconds in all of all four parts on simulated protocols, a poll a minute, moves as they come.

    alike  all protocols earn the same, so that nothing is worth a move; else they swing over the day, one by one
    """
    clock = ManualClock(START)
    coordinator, engine = ProtocolCoordinator(clock=clock), ReallocationEngine(clock=clock)
    for i in range(protocols):
        earns: float | Callable[[float, datetime], float] = 10.0 if alike else _swing(i / protocols)
        adapter = SimulatedAdapter(f"p{i:02}", earns, share=1.0 / protocols, clock=clock, noise=noise, seed=i)
        coordinator.register_adapter(f"p{i:02}", adapter)
    optimizer, monitor = EarningsOptimizer(clock=clock), RealtimeMonitor(clock=clock, changes=engine)

    async def run() -> tuple[float, float]:
        watch = _Watch()
        async for _ in cycles(coordinator, optimizer, engine, monitor, most=minutes, clock=clock):
            pass
        return watch.passed(1)

    try:
        return asyncio.run(run())
    finally:
        engine.close()


def slowest(protocols: int = 100, count: int = 600) -> tuple[float, float]:
    """(wall, processor) seconds that 99 of 100 cycles of all four parts take at most, a poll a second, all swinging."""
    clock = ManualClock(START)
    coordinator, engine = ProtocolCoordinator(clock=clock), ReallocationEngine(clock=clock)
    for i in range(protocols):
        earns, name = _swing(i / protocols), f"p{i:03}"
        adapter = SimulatedAdapter(name, earns, share=1.0 / protocols, clock=clock, noise=0.1, seed=i)
        coordinator.register_adapter(name, adapter)
    optimizer, monitor = EarningsOptimizer(clock=clock), RealtimeMonitor(clock=clock, changes=engine)

    async def run() -> tuple[float, float]:
        took, watch = [], _Watch()
        async for _ in cycles(coordinator, optimizer, engine, monitor, every_seconds=1.0, most=count, clock=clock):
            took.append(watch.passed(1))
            watch = _Watch()
        last = math.ceil(0.99 * count) - 1
        return sorted(wall for wall, _ in took)[last], sorted(cpu for _, cpu in took)[last]

    try:
        return asyncio.run(run())
    finally:
        engine.close()


def _swing(part: float) -> Callable[[float, datetime], float]:
    """A whole share earns 10 USD/h on average, and half as much again at its own hour of the day."""

    def earns(share: float, moment: datetime) -> float:
        hours = (moment - START).total_seconds() / 3600.0
        return share * 10.0 * (1.0 + 0.5 * math.sin(2.0 * math.pi * (hours / 24.0 + part)))

    return earns


def polling(sources: int) -> tuple[float, float]:
    """(wall, processor) seconds of one poll of so many HTTP sources, each of which answers after LATENCY."""
    from reallot.adapters.http_json import HttpJsonAdapter

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (await reader.readline()).strip():
            pass
        await asyncio.sleep(LATENCY)
        body = b'{"usd": 1.0}'
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    async def run() -> tuple[float, float]:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=2 * sources)
        port = server.sockets[0].getsockname()[1]
        async with server, ProtocolCoordinator() as coordinator:
            for i in range(sources):
                name = f"p{i:03}"
                coordinator.register_adapter(name, HttpJsonAdapter(name, f"http://127.0.0.1:{port}/x", value="usd"))
            await coordinator.poll_all()  # the first one loads the client and makes it ready
            watch = _Watch()
            metrics = await coordinator.poll_all()
            took = watch.passed(1)
        if not all(metrics.connection_status.values()):
            raise AssertionError("a source did not answer")
        return took

    return asyncio.run(run())


class _Watch:
    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def passed(self, parts: int) -> tuple[float, float]:
        """(wall, processor) seconds for each of `parts`."""
        return (time.perf_counter() - self._wall) / parts, (time.process_time() - self._cpu) / parts


def measure(smoke: bool, repeats: int) -> list[Took]:
    """Every figure; in smoke mode an hour stands for the week, and nothing is said of what was asked."""
    count, minutes, sources = (10, 60, 5) if smoke else (300, WEEK, 100)
    span = "an hour" if smoke else "a week"
    found = [
        Took(
            "optimizer and monitor, 20 protocols, nothing to gain", *_best(repeats, lambda: deciding(20, count)), 0.005
        ),
        Took(
            "optimizer and monitor, 20 protocols, a plan each time",
            *_best(repeats, lambda: deciding(20, count, moving=True)),
            0.005,
        ),
        Took(f"{span} of 12 protocols, a poll a minute, all earn alike", *everything(12, minutes), 20.0),
        Took(f"{span} of 12 protocols, a poll a minute, all swing", *everything(12, minutes, alike=False), 20.0),
        Took("a cycle of all four parts, 20 protocols", *_cycle(20, count, repeats), 0.005),
        Took("99 of 100 cycles of 100 protocols, a poll a second", *slowest(100, 2 * count), 0.2),
    ]
    if not no_client():
        what = f"a poll of {sources} HTTP sources that take {LATENCY:g} s each"
        found.append(Took(what, *_best(repeats, lambda: polling(sources)), 0.5))
    return [replace(each, asked=None) for each in found] if smoke else found


def _cycle(protocols: int, count: int, repeats: int) -> tuple[float, float]:
    def once() -> tuple[float, float]:
        wall, cpu = everything(protocols, count, alike=False)
        return wall / count, cpu / count

    return _best(repeats, once)


def _best(repeats: int, work: Callable[[], tuple[float, float]]) -> tuple[float, float]:
    return min(work() for _ in range(min(repeats, 3)))


def no_client() -> str:
    """Why HTTP sources are left out, or ""."""
    from importlib.util import find_spec

    return "" if find_spec("httpx2") else "HTTP sources left out; install the extra http: pip install -e '.[http]'"


def table(rows: Sequence[Took]) -> str:
    """The figures as Markdown."""
    lines = ["| what | time | processor | asked | reached |", "| --- | ---: | ---: | ---: | --- |"]
    for row in rows:
        asked = "" if row.asked is None else f"under {_time(row.asked)}"
        lines.append(f"| {row.what} | {_time(row.seconds)} | {_time(row.cpu)} | {asked} | {row.reached} |")
    return "\n".join(lines)


def _time(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 0.1 else f"{1e3 * seconds:.3g} ms"
