"""What is left of old readings, one mean an hour, as a part of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from statistics import median_low

from ..ledger.history import Hour
from .report import HOUR, Integral

WHOLE = timedelta(hours=1)
NEAR = 2
"""How far apart readings were in an hour is also judged by so many hours before and after it."""


def by_hour(
    hours: Sequence[Hour],
    start: datetime,
    end: datetime,
    shortest_gap: timedelta = timedelta(minutes=5),
    *,
    after: int = 0,
) -> Integral:
    """Earnings from `start` to `end` by hourly means: mean rate times the time that its readings stand for.

    A reading stands for the time to the next one, at most the usual time around that hour. So an hour of which only a
    part was seen counts in part. What was carried forward is not in the totals; `carried` is what it would have added
    at the hour's mean. Where `start` or `end` is within an hour, it counts in proportion to the time; or, where `after`
    of the readings of `end`'s hour are known to be after it, to the readings before.
    """
    result = Integral()
    seen = {at: list(group) for at, group in groupby(sorted(hours, key=_at), key=_at)}
    steps = _steps(seen)
    for at, group in seen.items():
        part = (min(at + WHOLE, end) - max(at, start)).total_seconds() / HOUR
        if after and start <= at <= end < at + WHOLE:
            part = 1.0 - after / max(each.samples for each in group)
        if part <= 0.0:
            continue
        stands = {each.protocol: each.samples * steps[at] * part for each in group}
        result.covered += max(stands.values())
        for each in group:
            _add(result, each, stands[each.protocol])
    there = [at for at in seen if at + WHOLE > start and at < end]
    for one, other in pairwise([*there, *([end] if there else [])]):
        if other - one - WHOLE > shortest_gap:
            result.gaps.append((one + WHOLE, other))
    return result


def together(earlier: Integral, later: Integral) -> Integral:
    """Two stretches of time as one."""

    def added(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
        return {name: one.get(name, 0.0) + other.get(name, 0.0) for name in {**one, **other}}

    return Integral(
        total=earlier.total + later.total,
        carried=earlier.carried + later.carried,
        covered=earlier.covered + later.covered,
        by_protocol=added(earlier.by_protocol, later.by_protocol),
        up=added(earlier.up, later.up),
        gaps=[*earlier.gaps, *later.gaps],
    )


def _add(result: Integral, hour: Hour, seconds: float) -> None:
    result.up[hour.protocol] = result.up.get(hour.protocol, 0.0) + hour.up * seconds
    if hour.earnings is None:
        return
    money = hour.earnings * seconds / HOUR
    result.by_protocol[hour.protocol] = result.by_protocol.get(hour.protocol, 0.0) + money * hour.measured
    result.total += money * hour.measured
    result.carried += money * (1.0 - hour.up)


def _steps(seen: Mapping[datetime, Sequence[Hour]]) -> dict[datetime, float]:
    """Seconds between readings in each hour, no longer than is usual in the hours around it."""
    own = {}
    for at, group in seen.items():
        most = max(group, key=lambda each: each.samples)
        own[at] = most.seconds / (most.samples - 1) if most.samples > 1 else HOUR
    found = {}
    for at in seen:
        around = [own[at + n * WHOLE] for n in range(-NEAR, NEAR + 1) if at + n * WHOLE in own]
        found[at] = min(own[at], median_low(around))
    return found


def _at(hour: Hour) -> datetime:
    return hour.at
