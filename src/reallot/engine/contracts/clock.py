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

    Parameters
    ----------
    start
        Wall time at the start (aware).

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from reallot import ManualClock
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
        """Return the wall time as it was set.

        Returns
        -------
        datetime.datetime
            Aware.
        """
        return self._wall

    def monotonic(self) -> float:
        """Return the time advanced so far.

        Returns
        -------
        float
            Seconds.
        """
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        """Advance at once, after letting other tasks run.

        Parameters
        ----------
        seconds
            Seconds to advance.
        """
        self.advance(max(seconds, 0.0))
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        """Move both times forward.

        Parameters
        ----------
        seconds
            Seconds to advance.
        """
        if seconds < 0.0:
            raise ValueError(f"time was to advance by {seconds:g} s; `jump` moves the wall clock back")
        self._wall += timedelta(seconds=seconds)
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Move the wall clock only, either way, as a corrected clock does.

        Parameters
        ----------
        seconds
            Seconds to jump.
        """
        self._wall += timedelta(seconds=seconds)
