"""The journal as the engine uses it: off the event loop where it waits for a disk, and in the engine's own time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar

from ..contracts.clock import Clock, SystemClock
from ..contracts.move_state import MoveState
from ..contracts.records import ChangeKind
from ..ledger.journal import Decision, Journal, Operation, Standing, Step
from ..ledger.timestamps import Stamp, elapsed, machine_boot
from .guards import Rules

P = ParamSpec("P")
T = TypeVar("T")


class AsyncJournal:
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

    async def standing(self, rules: Rules) -> Standing:
        """All that an entry into the engine asks the journal for. Raises DataError."""
        return await self.ask(self.journal.standing, max(rules.max_per_hour, 1))

    def stamp(self) -> Stamp:
        """The moment of the call, by the wall clock and by the machine's own."""
        return Stamp(self.clock.now(), self.clock.monotonic(), self._boot)

    def age(self, since: Stamp) -> float:
        """Seconds since a stamp; never more than is sure."""
        return elapsed(since, self.stamp(), self.clock.monotonic() - self._started)

    def ages(self, standing: Standing) -> dict[str, float]:
        """Seconds since each protocol's last change."""
        return {name: self.age(stamp) for name, stamp in standing.last_changes.items()}

    def kept_until(self, standing: Standing, window: timedelta) -> dict[str, datetime]:
        """Protocols that stay where a person has put them back, with the end of that."""
        seconds = window.total_seconds()
        ages = {name: self.age(stamp) for name, stamp in standing.kept.items()}
        now = self.clock.now()
        return {name: now + timedelta(seconds=seconds - age) for name, age in ages.items() if age < seconds}

    def plan_ages(self, standing: Standing) -> list[float]:
        """Seconds since each of the last plans."""
        return [self.age(stamp) for stamp in standing.last_moves]

    def may_still_act(self, unsettled: Iterable[Step], window: timedelta) -> list[tuple[Step, datetime]]:
        """Calls that were not answered, or are looked for, and may still take effect, with the end of that."""
        seconds = window.total_seconds()
        ages = ((each, self.age(each.at)) for each in unsettled if each.may_act or each.is_looked_for)
        return [(each, self.clock.now() + timedelta(seconds=seconds - age)) for each, age in ages if age < seconds]

    async def decision(self, operation: Operation, verdict: MoveState, reason: str) -> Decision | None:
        """The decision on a plan that an earlier cycle began; the plan's text is in the one that it wrote first."""
        if operation.kind is not ChangeKind.MOVE:
            return None
        known = await self.ask(self.journal.decision_of, operation.plan_id)
        return Decision(operation.plan_id, self.clock.now(), verdict, reason, "" if known is None else known.plan, "")

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
