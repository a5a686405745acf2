"""The report on a period: what was read, what was moved, and what older hourly means add to it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from ..contracts.records import Alert, AllocationChange, AllocationPlan
from ..contracts.reports import PerformanceReport
from ..ledger.history import Hour
from .hourly import WHOLE, by_hour, together
from .report import HOUR, Snapshot, count, integral, notes_on, nothing_read, reviews, spent_in_vain


def performance(
    start: datetime,
    end: datetime,
    snapshots: Sequence[Snapshot],
    hours: Sequence[Hour],
    changes: Sequence[AllocationChange],
    plans: Mapping[str, AllocationPlan],
    alerts: Sequence[Alert],
    shortest_gap: timedelta,
) -> PerformanceReport:
    """What the time from `start` to `end` brought; raises MonitoringError where nothing was read in it.

    snapshots     polls that are kept, in order of time
    hours         hourly means of the time before the first of them
    plans         those carried out, by their id
    shortest_gap  a shorter time without a reading is no gap
    """
    since = min(snapshots[0].at, end) if snapshots else end
    until = since.replace(minute=0, second=0, microsecond=0) + WHOLE
    after = bisect_left(snapshots, until, key=lambda each: each.at)
    older = by_hour(hours, start, since, shortest_gap, after=after)
    found = together(older, integral(snapshots, start, end, shortest_gap))
    if not found.covered and not any(start <= each.at <= end for each in snapshots):
        raise nothing_read(start, end, snapshots)
    moves = reviews(snapshots, changes, plans, lambda at: start <= at <= end)
    carried_out, back = count([change for change in changes if start <= change.timestamp <= end])
    cost = sum(move.cost for move in moves) + spent_in_vain(changes, plans, lambda at: start <= at <= end)
    covered = found.covered / HOUR
    return PerformanceReport(
        period_start=start,
        period_end=end,
        total_earnings=found.total,
        total_cost=cost,
        net_earnings=found.total - cost,
        average_earnings_per_hour=found.total / covered if covered > 0.0 else 0.0,
        earnings_by_protocol=found.by_protocol,
        uptime={name: min(up / found.covered, 1.0) for name, up in found.up.items()},
        covered=min(found.covered / (end - start).total_seconds(), 1.0),
        reallocations=carried_out,
        rollbacks=back,
        moves=moves,
        alerts=sum(start <= alert.timestamp <= end for alert in alerts),
        carried_earnings=found.carried,
        hourly_before=since if older.covered else None,
        notes=notes_on(older, found, since, carried_out - len(moves)),
    )
