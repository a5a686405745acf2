"""Silent divergence: shares are others than confirmed, and the engine that is at work believes it has nothing to do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from reallot.engine.ledger.journal import Journal

EPS = 1e-6


class Divergence:
    """Adds the length of each stretch, in seconds, to `lengths`.

    A stretch begins and ends with an effect, a write of the journal, or the start or death of a process. It is one
    while a process lives, nothing is begun and nothing is halted, and a confirmed share is not the one in force.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, lengths: list[float]) -> None:
        self._loop, self._lengths = loop, lengths
        self._alive = 0
        self._since: float | None = None

    @contextmanager
    def engine_at_work(self, watch: Callable[[], None]) -> Iterator[None]:
        """As long as a process lives."""
        self._alive += 1
        watch()
        try:
            yield
        finally:
            self._alive -= 1
            watch()

    def look(self, shares: Mapping[str, float], journal: Journal) -> None:
        """What is true now."""
        silent = self._alive > 0 and _differs(shares, journal.committed()) and _believes_idle(journal)
        if silent and self._since is None:
            self._since = self._loop.time()
        elif not silent and self._since is not None:
            self._lengths.append(self._loop.time() - self._since)
            self._since = None


def _differs(shares: Mapping[str, float], confirmed: Mapping[str, float]) -> bool:
    return any(not abs(shares[name] - share) <= EPS for name, share in confirmed.items())


def _believes_idle(journal: Journal) -> bool:
    return journal.open_operation() is None and not journal.halted()
