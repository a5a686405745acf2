"""The port of the readings: what a store keeps, gives back and sums up, wherever it is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from .history import Hour, Sample


class HistoryStore(Protocol):
    """Readings over time. Every method but `close` may raise DataError; losing readings never stops a move.

    blocking  True where `add` and `roll_up` wait for a disk, and belong on a thread; several threads may call it
    """

    blocking: bool

    def add(self, samples: list[Sample]) -> None:
        """Keeps readings; one of the same protocol and moment is replaced."""

    def samples(self, start: datetime, end: datetime, protocol: str | None = None) -> list[Sample]:
        """Raw readings with start <= at < end, by protocol and time; all that was added before is there."""

    def hours(self, start: datetime, end: datetime, protocol: str | None = None) -> list[Hour]:
        """Whole hours that were rolled up, with start <= at < end, by protocol and time."""

    def last(self, until: datetime = ...) -> datetime | None:
        """The moment of the newest raw reading up to then; None where there is none."""

    def roll_up(self, now: datetime, raw: timedelta | None = ..., hours: timedelta | None = ...) -> None:
        """Sums whole hours up, then forgets raw readings older than `raw` and hours older than `hours`.

        None is as long as usual, counted in hours that have readings: nothing is lost by a clock that jumped. A store
        elsewhere may do it later, but before it answers anything.
        """

    def close(self) -> None:
        """Lets go of it; again is harmless."""
