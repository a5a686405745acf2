"""Changes that came later than anybody said: how long they take is waited for from then on, over restarts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from ..ledger.journal import LearnedLimit
from .executor import Executor
from .learned_limits import DELAY


async def comes_late(executor: Executor, name: str, took: timedelta) -> None:
    """A change of a protocol came after so long; where that was not too long to wait for, the next are waited for."""
    delay = executor.observed.came_late(name, took, executor.config.late_effects)
    if delay is not None:
        limit = LearnedLimit(name, DELAY, delay.total_seconds(), 1, "a change came late", executor.books.stamp())
        await executor.write(executor.books.journal.learn, limit)


def delays(learned: Iterable[LearnedLimit]) -> dict[str, timedelta]:
    """How long changes take of those that came late, by name."""
    return {each.protocol: timedelta(seconds=each.share) for each in learned if each.kind == DELAY}
