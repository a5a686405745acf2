"""A period as integrals of rates over time, and what each move in it brought."""

from __future__ import annotations

import inspect
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Protocol

from ...errors import MonitoringError
from ...text.numbers import count as counted
from ...text.numbers import usd
from ..contracts.records import AllocationChange, AllocationPlan, ChangeKind
from ..contracts.reports import MoveReview
from ..execution.guards import Blocked

HOUR = 3600.0
REVIEW = timedelta(hours=1)
"""A move is judged by the time before and after it, so long each: as long as a protocol rests by default."""
SETTLE = timedelta(minutes=5)
"""After a move, and where another may have ended before, so long is left out."""
LEAST_READINGS = 12
"""Fewer have no median."""
USUAL_GAPS = 2.5
"""A gap is a pause longer than so many usual ones, and than the caller's shortest gap."""

Changes = Callable[[], Sequence[AllocationChange] | Awaitable[Sequence[AllocationChange]]]


class ChangeSource(Protocol):
    """Where moves are known, and whether one may be made now: a ReallocationEngine."""

    async def get_reallocation_history(self) -> list[AllocationChange]:
        """All changes that are kept, oldest first."""

    async def get_newest_reallocations(self, most: int) -> list[AllocationChange]:
        """The last `most` changes, oldest first: a history grows."""

    async def blocked(self) -> Blocked | None:
        """Why no plan may be carried out now, and until when; None where one may."""


class ListedChanges:
    """Moves that a function returns or awaits; whether one may be made now, nobody knows."""

    def __init__(self, listed: Changes) -> None:
        self._listed = listed

    async def get_reallocation_history(self) -> list[AllocationChange]:
        """All of them."""
        found = self._listed()
        return list(await found if inspect.isawaitable(found) else found)

    async def get_newest_reallocations(self, most: int) -> list[AllocationChange]:
        """The last `most` of them."""
        return (await self.get_reallocation_history())[-most:]

    async def blocked(self) -> Blocked:
        """Nobody knows until when."""
        return Blocked("unknown", None, "nobody says whether a move may be made now")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a report needs of one poll; `stale` are carried forward.

    names, rates  protocols with a value, and their earnings (USD/h) in this order; names are held once where they stay
    """

    at: datetime
    total: float
    names: tuple[str, ...]
    rates: array[float]
    connected: Mapping[str, bool]
    stale: Collection[str]

    @property
    def earnings(self) -> dict[str, float]:
        """Earnings by protocol, USD/h."""
        return dict(zip(self.names, self.rates, strict=True))


def usual_total(snapshots: Sequence[Snapshot], start: datetime, end: datetime) -> float | None:
    """Median of the total earnings (USD/h) from `start` to `end`; None where there are too few."""
    totals = [each.total for each in snapshots[bisect_left(snapshots, start, key=_at) :] if each.at <= end]
    return median(totals) if len(totals) >= LEAST_READINGS else None


@dataclass
class Integral:
    """Money and time of a period. `total`, `carried` and `by_protocol` are USD; `covered` and `up` seconds."""

    total: float = 0.0
    carried: float = 0.0
    covered: float = 0.0
    by_protocol: dict[str, float] = field(default_factory=dict)
    up: dict[str, float] = field(default_factory=dict)
    gaps: list[tuple[datetime, datetime]] = field(default_factory=list)


def integral(
    snapshots: Sequence[Snapshot], start: datetime, end: datetime, shortest_gap: timedelta = timedelta(minutes=5)
) -> Integral:
    """Earnings from `start` to `end`, rates straight between readings; `snapshots` are in order of time.

    Nothing is said of the time before the first and after the last reading, nor of gaps. A protocol counts between two
    readings that both measured it; where one was carried forward, what it would have earned is in `carried`.
    """
    first = max(bisect_right(snapshots, start, key=_at) - 1, 0)
    last = bisect_left(snapshots, end, key=_at) + 1
    used = snapshots[first:last]
    spans = [(b.at - a.at).total_seconds() for a, b in pairwise(used)]
    usual = median(spans) if spans else 0.0
    most = max(shortest_gap.total_seconds(), USUAL_GAPS * usual)
    result = Integral()
    for (a, b), span in zip(pairwise(used), spans, strict=True):
        low, high = max(a.at, start), min(b.at, end)
        if high <= low:
            continue
        if span > most:
            result.gaps.append((low, high))
            continue
        seconds = (high - low).total_seconds()
        result.covered += seconds
        middle = ((low - a.at).total_seconds() + (high - a.at).total_seconds()) / (2.0 * span)
        _add(result, a, b, middle, seconds)
    return result


def _at(snapshot: Snapshot) -> datetime:
    return snapshot.at


def _add(result: Integral, a: Snapshot, b: Snapshot, middle: float, seconds: float) -> None:
    """One stretch: the mean of a straight line is its value in the middle (0 is at a, 1 at b)."""
    hours = seconds / HOUR

    def area(x: float, y: float) -> float:
        return (x + (y - x) * middle) * hours

    earned, later = a.earnings, b.earnings
    for name, rate in earned.items():
        if name not in later:
            continue
        money = area(rate, later[name])
        if name in a.stale or name in b.stale:
            result.carried += money
        else:
            result.by_protocol[name] = result.by_protocol.get(name, 0.0) + money
            result.total += money
    # what the total has beside the protocols
    result.total += area(a.total - sum(earned.values()), b.total - sum(later.values()))
    for name in {**a.connected, **b.connected}:
        part = (bool(a.connected.get(name)) + bool(b.connected.get(name))) / 2.0
        result.up[name] = result.up.get(name, 0.0) + part * seconds


def reviews(
    snapshots: Sequence[Snapshot],
    changes: Sequence[AllocationChange],
    plans: Mapping[str, AllocationPlan],
    within: Callable[[datetime], bool],
) -> list[MoveReview]:
    """What each plan carried out `within` a period was to bring, and what its protocols earned more afterwards.

    measured is the mean rate (USD/h) of the protocols that changed, in the hour after the move once it has settled,
    less that in the hour before: what markets did meanwhile is in it. None where either is not mostly covered by
    readings, or another move touched the same protocols.
    """
    result = []
    for plan_id, moved in _by_plan(changes).items():
        at, plan = max(change.timestamp for change in moved), plans.get(plan_id)
        if plan is None or not within(at):
            continue
        names = {change.protocol for change in moved}
        others = [
            change
            for change in changes
            if change.plan_id != plan_id and change.protocol in names and at - REVIEW < change.timestamp < at + REVIEW
        ]
        began = min(change.timestamp for change in moved)
        before = _mean(snapshots, names, began - REVIEW + SETTLE, began)
        after = _mean(snapshots, names, at + SETTLE, at + REVIEW)
        measured = None if others or before is None or after is None else after - before
        cost, predicted = plan.estimated_cost, plan.estimated_improvement
        result.append(MoveReview(plan_id=plan_id, timestamp=at, predicted=predicted, measured=measured, cost=cost))
    return result


def _by_plan(changes: Sequence[AllocationChange]) -> dict[str, list[AllocationChange]]:
    """The confirmed moves by plan, in order."""
    found: dict[str, list[AllocationChange]] = {}
    for change in changes:
        if change.kind is ChangeKind.MOVE and change.outcome == "confirmed":
            found.setdefault(change.plan_id or change.timestamp.isoformat(), []).append(change)
    return found


def spent_in_vain(
    changes: Sequence[AllocationChange], plans: Mapping[str, AllocationPlan], within: Callable[[datetime], bool]
) -> float:
    """USD that plans cost which were put back: as much of a plan's cost as changes were made of it, there and back."""
    made: dict[str, int] = {}
    for change in changes:
        there = change.kind is ChangeKind.MOVE and change.outcome == "rolled_back"
        back = change.kind is ChangeKind.ROLLBACK and change.outcome == "confirmed"
        if (there or back) and change.plan_id in plans and within(change.timestamp):
            made[change.plan_id] = made.get(change.plan_id, 0) + 1
    return sum(plans[key].estimated_cost * times / max(len(plans[key].moves), 1) for key, times in made.items())


def count(changes: Sequence[AllocationChange]) -> tuple[int, int]:
    """How many plans were carried out, and how many put back."""
    back = {change.plan_id or change.timestamp for change in changes if change.kind is ChangeKind.ROLLBACK}
    return len(_by_plan(changes)), len(back)


def _mean(snapshots: Sequence[Snapshot], names: Collection[str], start: datetime, end: datetime) -> float | None:
    """Mean rate of these protocols together, USD/h; None where less than half of the time is covered."""
    found = integral(snapshots, start, end)
    if found.covered < 0.5 * (end - start).total_seconds() or not all(name in found.by_protocol for name in names):
        return None
    return sum(found.by_protocol[name] for name in names) / (found.covered / HOUR)


def nothing_read(start: datetime, end: datetime, snapshots: Sequence[Snapshot]) -> MonitoringError:
    """That no reading is known of a period, and of which there are some."""
    kept = f"{snapshots[0].at.isoformat()} to {snapshots[-1].at.isoformat()}" if snapshots else ""
    known = f"there are some from {kept}" if kept else "there is none at all"
    return MonitoringError(f"no reading from {start.isoformat()} to {end.isoformat()}; {known}")


def notes_on(older: Integral, found: Integral, since: datetime, unknown: int) -> list[str]:
    """What a reader of a report should know; of `unknown` moves nobody knows the plan."""
    by_the_hour = f"before {since.isoformat()} by the hour: of older readings only hourly means are kept"
    notes = [by_the_hour] if older.covered else []
    notes += [f"no readings from {low.isoformat()} to {high.isoformat()}: not counted" for low, high in found.gaps]
    if found.carried:
        notes.append(f"values carried forward would add {usd(found.carried)} USD: not measured, so not counted")
    if unknown > 0:
        notes.append(f"of {counted(unknown, 'move')} the plan is not known here, nor what it cost")
    return notes
