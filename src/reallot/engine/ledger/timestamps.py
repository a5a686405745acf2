"""When something happened, by both clocks: the steady one counts inside a boot, the wall clock across boots."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from uuid import uuid4

from ...errors import InvalidInput

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Stamp:
    """A moment: wall time, steady seconds, and the boot that these seconds belong to."""

    wall: datetime
    steady: float
    boot: str

    @property
    def columns(self) -> tuple[int, float, str]:
        """As the journal keeps it: wall (microseconds), steady, boot."""
        return microseconds(self.wall), self.steady, self.boot


def elapsed(since: Stamp, now: Stamp, awake: float = 0.0) -> float:
    """Seconds between two stamps, never below 0 and never more than is sure.

    In one boot by steady seconds. Across boots by wall time: a wall clock that went back counts as "just now". `awake`
    is how long this process has run, in seconds: what another boot wrote is at least as old.

    >>> before = Stamp(datetime(2026, 1, 1, 12, tzinfo=UTC), 100.0, "a")
    >>> elapsed(before, Stamp(datetime(2026, 1, 1, 11, tzinfo=UTC), 160.0, "a"))
    60.0
    >>> elapsed(before, Stamp(datetime(2026, 1, 1, 11, tzinfo=UTC), 5.0, "b"), awake=5.0)
    5.0
    """
    if since.boot == now.boot:
        return max(0.0, now.steady - since.steady)
    return max(0.0, awake, (now.wall - since.wall).total_seconds())


def moment_before(now: datetime, length: object, unit: float, what: str) -> datetime:
    """The moment `length` units (of so many seconds) before `now`, no earlier than 1970; raises InvalidInput."""
    if isinstance(length, bool) or not isinstance(length, (int, float)) or not length >= 0.0:
        raise InvalidInput(f"{what} is {str(length)[:60]}; it must be a number, 0 or more")
    seconds = (now - EPOCH).total_seconds()
    return now - timedelta(seconds=min(min(length, seconds) * unit, seconds))


def microseconds(moment: datetime) -> int:
    """Whole microseconds UTC since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


@lru_cache(1024)
def moment(whole_microseconds: int) -> datetime:
    """The way back."""
    return EPOCH + timedelta(microseconds=whole_microseconds)


@cache
def machine_boot() -> str:
    """The name of the machine's present boot; where the system does not say, that of this process."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return f"process-{uuid4()}"
