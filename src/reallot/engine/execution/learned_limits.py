"""What protocols would not take when they were asked: learned as a ceiling, floor or step, for a while that doubles."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from ..contracts.records import AggregatedMetrics
from ..ledger.journal import LearnedLimit, Standing
from .adapter_calls import Reading
from .guards import Change, Rules
from .journal_thread import AsyncJournal

CEILING, FLOOR, STEP, DELAY = "ceiling", "floor", "step", "delay"
STEPS = (0.01, 0.02, 0.025, 0.05, 0.1, 0.125, 0.2, 0.25, 0.5, 1.0)
"""Steps that shares are rounded to, if they are; with 1 it is all or nothing."""
FIRST_SECONDS, MOST_SECONDS = 3600.0, 86_400.0
"""How long a first failure is remembered, doubled after each further one, up to the second."""
TOGETHER_SECONDS = 1800.0
"""What may be asked again waits so long for others that may be soon: one attempt disturbs who gives once."""
DELAY_SECONDS = 30 * 86_400.0
"""A change that came late is remembered so long."""
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
    steps: dict[str, float] = field(default_factory=dict)

    def within(self, metrics: AggregatedMetrics) -> AggregatedMetrics:
        """`metrics` with these limits beside those that adapters say."""
        floors = {name: max(share, metrics.floors.get(name, 0.0)) for name, share in self.floors.items() if share}
        steps = {name: max(step, metrics.steps.get(name, 0.0)) for name, step in self.steps.items()}
        limits = {
            "ceilings": self.ceilings,
            "floors": {**metrics.floors, **floors},
            "steps": {**metrics.steps, **steps},
        }
        return metrics.model_copy(update=limits)


def lasts(failures: int) -> float:
    """Seconds that so many failures in a row are remembered.

    >>> [lasts(failures) / 3600 for failures in (1, 2, 3, 5, 6, 60)]
    [1.0, 2.0, 4.0, 16.0, 24.0, 24.0]
    """
    return min(FIRST_SECONDS * 2.0 ** min(failures - 1, 30), MOST_SECONDS)


def in_force(learned: Iterable[LearnedLimit], books: AsyncJournal) -> ShareLimits:
    """Those that hold now, and those that are over and wait for others to be asked again together."""
    found = ShareLimits()
    kinds = {CEILING: found.ceilings, FLOOR: found.floors, STEP: found.steps}
    left = [(each, lasts(each.failures) - books.age(each.at)) for each in learned if each.kind in kinds]
    wait = any(0.0 < seconds <= TOGETHER_SECONDS for _, seconds in left)
    for each, seconds in left:
        if seconds > 0.0 or (wait and seconds > -lasts(each.failures)):
            kinds[each.kind][each.protocol] = each.share
    return found


def learned_step(learned: Iterable[LearnedLimit], name: str) -> float:
    """The step that a protocol was learned to take; 0 where none was."""
    return max([each.share for each in learned if (each.protocol, each.kind) == (name, STEP)], default=0.0)


def whole(share: float, step: float) -> float:
    """The share in whole steps, no more than it is; as it is where there is no step.

    >>> round(whole(0.33, 0.05), 9), round(whole(0.3, 0.1), 9), whole(0.33, 0.0)
    (0.3, 0.3, 0.33)
    """
    return step * math.floor(share / step + 1e-9) if step else share


def step_of(asked: float, read: float, slack: float) -> float | None:
    """The smallest step to which `asked` was rounded or cut, else raised, to be `read`; None where it was not.

    >>> step_of(0.34, 0.35, 1e-6), step_of(0.333, 0.33, 1e-6), step_of(0.8, 0.0, 1e-6), step_of(0.5, 0.37, 1e-6)
    (0.025, 0.01, 1.0, None)
    """
    steps = [each for each in STEPS if not _is_whole(asked, each, slack) and _is_whole(read, each, slack)]
    rounded = (each for each in steps if abs(read - asked) <= each / 2.0 + slack or 0.0 < asked - read < each)
    raised = (each for each in steps if 0.0 < read - asked < each)
    return next(rounded, next(raised, None))


def _is_whole(share: float, step: float, slack: float) -> bool:
    return abs(share - step * round(share / step)) <= slack


async def would_not(keeper: Keeper, change: Change, reading: Reading, reason: str, stays: bool = True) -> None:
    """Learns of a change that was not made, or not as it was asked for; told from the second time on.

    stays  False where it goes back to where it was
    """
    kind = FLOOR if change.releases else CEILING
    share = change.before if reading.share is None else reading.share
    slack = keeper.rules.same(change.protocol, change.after - change.before)
    beyond = change.is_passed_by(share)
    if abs(share - change.before) > slack and (step := step_of(change.after, share, slack)) is not None:
        kind, share, beyond = STEP, step, False
    elif beyond and not stays:
        share = change.before
    learned = (await keeper.standing()).learned
    known = {each.kind: each.failures for each in learned if each.protocol == change.protocol and each.kind != DELAY}
    failures = 1 + max([count for each, count in known.items() if each == kind or STEP in (kind, each)], default=0)
    limit = LearnedLimit(change.protocol, kind, share, failures, reason, keeper.books.stamp())
    await keeper.write(keeper.books.journal.learn, limit)
    if failures + sum(known.values()) - known.get(kind, 0) >= TOLD_AT:
        await keeper.alert(KEY + change.protocol, _text(limit, beyond, keeper.now()), 0.6)


async def taken(keeper: Keeper, change: Change) -> None:
    """Forgets what a change that was made has disproved."""
    for each in (await keeper.standing()).learned:
        if each.protocol == change.protocol and each.kind != DELAY:
            beyond = change.after - each.share if each.kind == CEILING else each.share - change.after
            slack = keeper.rules.slack(change.protocol)
            if (not _is_whole(change.after, each.share, slack)) if each.kind == STEP else beyond > slack:
                await _forget(keeper, each)


async def forget_old(keeper: Keeper) -> None:
    """Forgets what was not asked for again for a day after it could have been, and delays of a month ago."""
    for each in (await keeper.standing()).learned:
        kept = DELAY_SECONDS if each.kind == DELAY else lasts(each.failures) + MOST_SECONDS
        if keeper.books.age(each.at) >= kept:
            await _forget(keeper, each)


async def _forget(keeper: Keeper, limit: LearnedLimit) -> None:
    await keeper.write(keeper.books.journal.unlearn, limit.protocol, limit.kind)
    learned = (await keeper.standing()).learned
    if not any(each.protocol == limit.protocol and each.kind != DELAY for each in learned):
        await keeper.recovered(KEY + limit.protocol)


def _text(limit: LearnedLimit, beyond: bool, now: datetime) -> str:
    until = now + timedelta(seconds=lasts(limit.failures))
    what, key = {
        CEILING: (f"takes no more than {limit.share:.4f}", "max_share"),
        FLOOR: (f"keeps no less than {limit.share:.4f}", "decrease_floor"),
        STEP: (f"takes whole steps of {limit.share:g} only", "step"),
    }[limit.kind]
    once = "once, after it would not go the other way either"
    times = f"{limit.failures} times in a row" if limit.failures > 1 else once
    if beyond:
        what = f"goes beyond what it is asked for, and stays at {limit.share:.4f}: does it add what it should set?"
    return (
        f"{limit.protocol} {what}, as it showed {times} "
        f"(the last time {limit.reason}); it is asked again from {until:%Y-%m-%d %H:%M} UTC on, and plans keep to that "
        f"meanwhile: look at it, or set its {key}"
    )
