"""What protocols would not take when they were asked: learned as a ceiling or a floor, for a while that doubles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from ..contracts.records import AggregatedMetrics
from ..ledger.journal import LearnedLimit, Standing
from .adapter_calls import Reading
from .guards import Change, Rules
from .journal_thread import AsyncJournal

CEILING, FLOOR = "ceiling", "floor"
FIRST_SECONDS, MOST_SECONDS = 3600.0, 86_400.0
"""How long a first failure is remembered, doubled after each further one, up to the second."""
TOLD_AT = 2
"""From so many failures in a row on there is an alert."""
KEY = "refuses:"
"""Keys of alerts begin so."""


class Keeper(Protocol):
    """Who keeps what is learned, and tells it: an Executor."""

    books: AsyncJournal
    rules: Rules

    def now(self) -> datetime:
        """Wall time."""

    async def standing(self) -> Standing:
        """What the journal says."""

    async def write(self, method: Any, *values: Any) -> Any:
        """Writes to the journal."""

    async def alert(self, key: str, message: str, severity: float) -> None:
        """Raises an alert, once while it lasts."""

    async def recovered(self, key: str) -> None:
        """Closes the alert of this key."""


@dataclass(frozen=True)
class ShareLimits:
    """Shares that protocols are not asked to go beyond for now, by name."""

    ceilings: dict[str, float] = field(default_factory=dict)
    floors: dict[str, float] = field(default_factory=dict)

    def within(self, metrics: AggregatedMetrics) -> AggregatedMetrics:
        """`metrics` with these limits beside those that adapters say."""
        floors = {name: max(share, metrics.floors.get(name, 0.0)) for name, share in self.floors.items() if share}
        return metrics.model_copy(update={"ceilings": self.ceilings, "floors": {**metrics.floors, **floors}})


def lasts(failures: int) -> float:
    """Seconds that so many failures in a row are remembered.

    >>> [lasts(failures) / 3600 for failures in (1, 2, 3, 5, 6, 60)]
    [1.0, 2.0, 4.0, 16.0, 24.0, 24.0]
    """
    return min(FIRST_SECONDS * 2.0 ** min(failures - 1, 30), MOST_SECONDS)


def in_force(learned: Iterable[LearnedLimit], books: AsyncJournal) -> ShareLimits:
    """Those that hold now."""
    found = ShareLimits()
    for each in learned:
        if books.age(each.at) < lasts(each.failures):
            (found.ceilings if each.kind == CEILING else found.floors)[each.protocol] = each.share
    return found


async def would_not(keeper: Keeper, change: Change, reading: Reading, reason: str) -> None:
    """Learns of a change that was not made, or not wholly; told from the second time on."""
    kind = FLOOR if change.releases else CEILING
    share = change.before if reading.share is None else reading.share
    known = [
        each for each in (await keeper.standing()).learned if (each.protocol, each.kind) == (change.protocol, kind)
    ]
    failures = 1 + (known[0].failures if known else 0)
    limit = LearnedLimit(change.protocol, kind, share, failures, reason, keeper.books.stamp())
    await keeper.write(keeper.books.journal.learn, limit)
    if failures >= TOLD_AT:
        await keeper.alert(KEY + change.protocol, _text(limit, keeper.now()), 0.6)


async def taken(keeper: Keeper, change: Change) -> None:
    """Forgets what a change that was made has disproved."""
    for each in (await keeper.standing()).learned:
        if each.protocol == change.protocol:
            beyond = change.after - each.share if each.kind == CEILING else each.share - change.after
            if beyond > keeper.rules.slack(change.protocol):
                await _forget(keeper, each)


async def forget_old(keeper: Keeper) -> None:
    """Forgets what was not asked for again for a day after it could have been."""
    for each in (await keeper.standing()).learned:
        if keeper.books.age(each.at) >= lasts(each.failures) + MOST_SECONDS:
            await _forget(keeper, each)


async def _forget(keeper: Keeper, limit: LearnedLimit) -> None:
    await keeper.write(keeper.books.journal.unlearn, limit.protocol, limit.kind)
    if not any(each.protocol == limit.protocol for each in (await keeper.standing()).learned):
        await keeper.recovered(KEY + limit.protocol)


def _text(limit: LearnedLimit, now: datetime) -> str:
    until = now + timedelta(seconds=lasts(limit.failures))
    is_ceiling = limit.kind == CEILING
    what, key = ("takes no more", "max_share") if is_ceiling else ("keeps no less", "decrease_floor")
    return (
        f"{limit.protocol} {what} than {limit.share:.4f}, as it showed {limit.failures} times in a row "
        f"(the last time {limit.reason}); it is asked again from {until:%Y-%m-%d %H:%M} UTC on, and plans keep to that "
        f"meanwhile: look at it, or set its {key}"
    )
