"""What the shares of the start would have earned, poll by poll, where a simulation knows: kept beside the trends."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

MOST_KEPT = 5000
"""Polls whose rates are kept: a day of one poll in 20 seconds."""


class NeverMoving(NamedTuple):
    """What never moving would have earned at a poll, USD/h."""

    at: datetime
    usd_per_hour: float


def kept() -> deque[NeverMoving]:
    """An empty, bounded list of them, the oldest first."""
    return deque(maxlen=MOST_KEPT)


def beside(rows: Iterable[dict[str, Any]], every: timedelta, known: Iterable[NeverMoving]) -> list[dict[str, Any]]:
    """The rows of the trends (stretches of `every` from `at`), each with its mean of never moving; None without one.

    >>> from datetime import UTC
    >>> at = datetime(2026, 1, 1, tzinfo=UTC)
    >>> row = beside([{"at": "2026-01-01T00:00:00Z"}], timedelta(minutes=1), [NeverMoving(at, 2.0)])[0]
    >>> row["never_moving"]
    2.0
    """
    listed = list(known)
    times = [each.at for each in listed]
    result = []
    for row in rows:
        start = datetime.fromisoformat(row["at"])
        found = listed[bisect_left(times, start) : bisect_left(times, start + every)]
        mean = sum(each.usd_per_hour for each in found) / len(found) if found else None
        result.append({**row, "never_moving": mean})
    return result
