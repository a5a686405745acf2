"""The journal as the engine uses it: off the event loop where it waits for a disk, and in the engine's own time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar

from ..contracts.clock import Clock, SystemClock
from ..ledger.journal import Journal, Step
from ..ledger.timestamps import Stamp, elapsed, machine_boot

P = ParamSpec("P")
T = TypeVar("T")


class Books:
    """A journal with a clock."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self.journal, self.clock = journal, clock
        self._boot = _boot_of(clock)
        self._started = clock.monotonic()
        self._thread: ThreadPoolExecutor | None = None

    async def ask(self, method: Callable[P, T], *values: P.args, **named: P.kwargs) -> T:
        """What the journal's method returns; raises DataError."""
        if not self.journal.blocking:
            return method(*values, **named)
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "reallot-journal")
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: method(*values, **named))

    def stamp(self) -> Stamp:
        """This moment."""
        return Stamp(self.clock.now(), self.clock.monotonic(), self._boot)

    def age(self, since: Stamp) -> float:
        """Seconds since a stamp; never more than is sure."""
        return elapsed(since, self.stamp(), self.clock.monotonic() - self._started)

    async def ages(self) -> dict[str, float]:
        """Seconds since each protocol's last change."""
        stamps = await self.ask(self.journal.last_changes)
        now, awake = self.stamp(), self.clock.monotonic() - self._started
        return {name: elapsed(stamp, now, awake) for name, stamp in stamps.items()}

    async def plan_ages(self, count: int) -> list[float]:
        """Seconds since each of the last `count` plans."""
        return [self.age(stamp) for stamp in await self.ask(self.journal.last_moves, count)]

    async def may_still_act(self, window: timedelta) -> list[tuple[Step, datetime]]:
        """Calls without an answer that may still take effect, with the end of that."""
        seconds = window.total_seconds()
        found = []
        for each in await self.ask(self.journal.unsettled):
            age = self.age(each.at)
            if each.may_act and age < seconds:
                found.append((each, self.clock.now() + timedelta(seconds=seconds - age)))
        return found

    def close(self) -> None:
        """Lets go of the thread; the journal belongs to whoever opened it."""
        if self._thread is not None:
            self._thread.shutdown(wait=True)
            self._thread = None


def _boot_of(clock: Clock) -> str:
    """What the clock's steady seconds belong to: the machine's boot, or the clock itself."""
    own = getattr(clock, "boot", None)
    if isinstance(own, str):
        return own
    return machine_boot() if isinstance(clock, SystemClock) else f"{type(clock).__name__}-{id(clock)}"
