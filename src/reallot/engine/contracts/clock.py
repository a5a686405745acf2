"""Time as a value: the clock of the machine, or one moved by hand in tests, simulations and backtests."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Wall time for records, monotonic time for waiting, and the waiting itself."""

    def now(self) -> datetime:
        """Wall time, aware, UTC; may jump."""

    def monotonic(self) -> float:
        """Seconds that never go back while the program runs; their zero means nothing."""

    async def sleep(self, seconds: float) -> None:
        """Waits."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Wall time, aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Waits for `seconds`."""
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock that moves when told to, or when somebody sleeps on it.

    >>> clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    >>> clock.advance(3600)
    >>> clock.now().isoformat(), clock.monotonic()
    ('2026-01-01T01:00:00+00:00', 3600.0)
    """

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock starts at an aware datetime, such as datetime(2026, 1, 1, tzinfo=UTC)")
        self._wall, self._monotonic = start.astimezone(UTC), 0.0

    def now(self) -> datetime:
        """Wall time as it was set."""
        return self._wall

    def monotonic(self) -> float:
        """Seconds advanced so far."""
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        """Advances at once, after letting others run."""
        self.advance(max(seconds, 0.0))
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        """Moves both times forward."""
        if seconds < 0.0:
            raise ValueError(f"time was to advance by {seconds:g} s; `jump` moves the wall clock back")
        self._wall += timedelta(seconds=seconds)
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Moves the wall clock only, either way, as a corrected clock does."""
        self._wall += timedelta(seconds=seconds)
