"""A world of shares that tests hold in their hands: adapters that fail as told, and a loop whose time is virtual."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections import deque
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from reallot.engine.contracts.records import AllocationPlan
from reallot.errors import ErrorKind, ProtocolError

T = TypeVar("T")
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class World:
    """True shares, every effect in order, and the most that was ever in use at once."""

    def __init__(self, **shares: float) -> None:
        self.shares = dict(shares)
        self.effects: list[tuple[str, float]] = []
        self.halves = 0
        self.most = sum(shares.values())
        self.faults: dict[str, deque[str]] = {name: deque() for name in shares}
        self.reads: dict[str, deque[object]] = {name: deque() for name in shares}
        self.adapters = {name: Adapter(self, name) for name in shares}

    def put(self, name: str, share: float) -> None:
        self.shares[name] = share
        self.effects.append((name, share))
        self.most = max(self.most, sum(self.shares.values()))

    def fail(self, name: str, *faults: str) -> None:
        """What the next calls do: ok, refuse, before, after, hang, hang after, ignore, half, slow, or "always ..."."""
        self.faults[name].extend(faults)

    def plan(self, **allocation: float) -> AllocationPlan:
        return plan(self.shares, allocation)


class Adapter:
    """One protocol of a world."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.calls: list[float] = []

    async def get_status(self) -> Any:
        raise ProtocolError("no status here", ErrorKind.NEVER_REPORTED)

    async def get_allocation(self) -> Any:
        reads = self.world.reads[self.name]
        if reads:
            value = reads.popleft() if len(reads) > 1 or reads[0] != "always fails" else reads[0]
            if value == "hang":
                await asyncio.get_running_loop().create_future()
            if isinstance(value, BaseException):
                raise value
            if value in ("fails", "always fails"):
                raise ProtocolError("no route to host", ErrorKind.UNREACHABLE)
            return value
        return self.world.shares[self.name]

    async def apply_allocation(self, share: float) -> None:
        self.calls.append(share)
        faults = self.world.faults[self.name]
        fault = faults.popleft() if faults else "ok"
        if fault.startswith("always "):
            fault = fault.removeprefix("always ")
            faults.appendleft(f"always {fault}")
        if fault == "refuse":
            raise ProtocolError("not now", ErrorKind.REFUSED)
        if fault == "before":
            raise ProtocolError("connection reset", ErrorKind.TRANSIENT)
        if fault == "hang":
            await asyncio.get_running_loop().create_future()
        if fault == "slow":
            await asyncio.sleep(3.0)
        if fault == "half":
            share = (share + self.world.shares[self.name]) / 2
            self.world.halves += 1
        if fault != "ignore":
            self.world.put(self.name, share)
        if fault == "slow":
            await asyncio.sleep(3.0)
        if fault == "after":
            raise ProtocolError("connection reset", ErrorKind.TRANSIENT)
        if fault == "hang after":
            await asyncio.get_running_loop().create_future()


_numbers = iter(range(1, 1_000_000_000))


def plan(current: dict[str, float], allocation: dict[str, float], **more: Any) -> AllocationPlan:
    """A plan from these shares to those; who is not named stays."""
    values: dict[str, Any] = {
        "allocation": {**current, **allocation},
        "current": dict(current),
        "estimated_improvement": 1.0,
        "estimated_cost": 0.0,
        "net_benefit": 24.0,
        "roi_percent": 0.0,
        "confidence": None,
        "created_at": START,
        "id": f"plan-{next(_numbers)}",
    }
    return AllocationPlan(**{**values, **more})


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that never waits: where nothing is ready, its time jumps to the next timer."""

    def __init__(self, choose: Callable[[int], int] | None = None) -> None:
        super().__init__()
        self._virtual = 0.0
        self._choose = choose

    def time(self) -> float:
        return self._virtual

    def _run_once(self) -> None:
        """As the loop's own, without asking the system for sockets: nothing here waits for one."""
        ready, scheduled = self._ready, self._scheduled
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)._scheduled = False
            self._timer_cancelled_count = max(0, self._timer_cancelled_count - 1)
        if not ready and scheduled:
            self._virtual = max(self._virtual, scheduled[0]._when)
        if self._choose is not None and len(ready) > 1:
            ready.rotate(self._choose(len(ready)))
        while scheduled and scheduled[0]._when < self._virtual + self._clock_resolution:
            timer = heapq.heappop(scheduled)
            timer._scheduled = False
            ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()


class LoopClock:
    """The loop's own time, with a wall clock that can be moved."""

    boot = "one"

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self.off = loop, 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self._loop.time() + self.off)

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def run(test: Callable[[LoopClock], Coroutine[Any, Any, T]]) -> T:
    """Runs a test in virtual time, with the clock of its loop."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(test(LoopClock(loop)))
    finally:
        _cancel_all(loop)
        loop.close()


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))


def same(one: dict[str, float], other: dict[str, float]) -> bool:
    return one.keys() == other.keys() and all(math.isclose(one[n], other[n], abs_tol=1e-6) for n in one)
