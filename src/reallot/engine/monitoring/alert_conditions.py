"""What is worth an alert: conditions seen in one poll, and in what polls before it said of each protocol."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from ...text.numbers import usd
from ..contracts.records import AggregatedMetrics, MonitorConfig, OptimizationOpportunity

HOUR = 3600.0
QUICK_HOURS, USUAL_HOURS = 1.0 / 6.0, 12.0
"""Half-lives of what a protocol earns now, and of what it usually earns."""
LEAST_HOURS = 1.0
"""A protocol watched for less has no usual rate."""
LEAST_CHANGES, PATIENCE = 5, 4.0
"""Earnings used to change where they did so often; they are flat after so many times their longest rest."""
LEAST_SHARE = 0.005
BACK = 0.1
"""What was told is over where its number is so much, relatively, on the good side of its threshold."""
TOP = 3.0
"""A reading above so many times the usual counts as that."""


@dataclass(frozen=True)
class Finding:
    """A condition that holds now: `key` is what it is about, `severity` from 0 to 1."""

    key: str
    message: str
    severity: float


class Seen(NamedTuple):
    """What polls said of one protocol.

    down_since      first of the polls in a row that it did not answer; None where it answered
    value, since    its earnings (USD/h), and since when they are the same
    changes, rest   how often they changed, and the longest time between two changes, seconds
    quick, usual    running means of earnings per share, USD/h
    taken, seconds  readings in them, and the time they cover
    at              the last reading
    """

    down_since: datetime | None = None
    value: float | None = None
    since: datetime | None = None
    changes: int = 0
    rest: float = 0.0
    quick: float = 0.0
    usual: float = 0.0
    taken: int = 0
    seconds: float = 0.0
    at: datetime | None = None


_NOTHING = Seen()


def observe(seen: Mapping[str, Seen], metrics: AggregatedMetrics) -> dict[str, Seen]:
    """`seen` after one poll more."""
    now, result = metrics.timestamp, dict(seen)
    for name in {**metrics.connection_status, **metrics.earnings_by_protocol}:
        before = result.get(name, _NOTHING)
        if not metrics.connection_status.get(name, True):
            result[name] = before._replace(down_since=before.down_since or now)
        elif name in metrics.earnings_by_protocol and name not in metrics.stale:
            share = metrics.allocation_by_protocol.get(name)
            result[name] = _measured(before, metrics.earnings_by_protocol[name], share, now)
        else:
            result[name] = before._replace(down_since=None)
    return result


def _measured(seen: Seen, value: float, share: float | None, now: datetime) -> Seen:
    """`seen` of one that answered, with what it earns now."""
    if share is not None and share < LEAST_SHARE:
        return seen._replace(down_since=None, value=None, since=None)
    since, changes, rest = seen.since, seen.changes, seen.rest
    if seen.value is None or since is None or value != seen.value:
        rest = max(rest, 0.0 if since is None else (now - since).total_seconds())
        since, changes = now, changes + 1
    if share is None:
        return seen._replace(down_since=None, value=value, since=since, changes=changes, rest=rest)
    rate = value / share
    passed = 0.0 if seen.at is None else max(0.0, (now - seen.at).total_seconds())
    quick, usual = (
        max(1.0 - 0.5 ** (passed / HOUR / half), 1.0 / (seen.taken + 1.0)) for half in (QUICK_HOURS, USUAL_HOURS)
    )
    topped = min(rate, TOP * seen.usual) if seen.taken and seen.usual > 0.0 else rate
    return Seen(
        value=value,
        since=since,
        changes=changes,
        rest=rest,
        quick=seen.quick + quick * (rate - seen.quick),
        usual=seen.usual + usual * (topped - seen.usual),
        taken=seen.taken + 1,
        seconds=seen.seconds + passed,
        at=now,
    )


def findings(
    seen: Mapping[str, Seen],
    metrics: AggregatedMetrics,
    opportunities: Sequence[OptimizationOpportunity],
    config: MonitorConfig,
    median: float | None,
    told: Collection[str] = (),
) -> list[Finding]:
    """Every condition that holds at this poll.

    `median` is the operator's own (USD/h), None where not known yet; `told` are the keys that are open: these last
    until their number is clearly better again, so that one that stands at its threshold is not told over and over.
    """

    def eased(key: str) -> float:
        return BACK if key in told else 0.0

    found = [_low(metrics, config, median, eased("low_earnings")), _worth(opportunities, config, eased("opportunity"))]
    names = {**metrics.connection_status, **metrics.earnings_by_protocol}
    for name in names:
        one = seen.get(name, _NOTHING)
        if one.down_since is not None:
            found.append(_silent(name, one.down_since, metrics, config))
        elif name in metrics.stale:
            found.append(_stale(name, metrics.stale[name], config))
        else:
            found += [_flat(name, one, metrics, config), _dropped(name, one, config, eased(f"drop:{name}"))]
        found.append(_unwell(name, metrics))
    return [finding for finding in found if finding is not None]


def _low(metrics: AggregatedMetrics, config: MonitorConfig, median: float | None, eased: float) -> Finding | None:
    total, lines = metrics.total_earnings_per_hour, []
    if config.low_earnings_threshold is not None and total < config.low_earnings_threshold * (1.0 + eased):
        lines.append((config.low_earnings_threshold, f"below {usd(config.low_earnings_threshold)}"))
    if config.low_earnings_percent is not None and median is not None:
        line = config.low_earnings_percent / 100.0 * median
        if total < line * (1.0 + eased):
            lines.append((line, f"below {config.low_earnings_percent:g} % of their median of {usd(median)}"))
    if not lines:
        return None
    line = max(line for line, _ in lines)
    severity = 0.3 + 0.6 * min(1.0, max(0.0, 1.0 - total / line)) if line > 0.0 else 0.3
    return Finding("low_earnings", f"earnings are {usd(total)} USD/h, {' and '.join(t for _, t in lines)}", severity)


def _worth(opportunities: Sequence[OptimizationOpportunity], config: MonitorConfig, eased: float) -> Finding | None:
    best = max(opportunities, key=lambda each: each.earnings_improvement, default=None)
    if best is None or best.earnings_improvement < config.optimization_threshold * (1.0 - eased):
        return None
    message = (
        f"{usd(best.earnings_improvement)} USD/h more by moving from {best.from_protocol} to {best.to_protocol} "
        f"({usd(best.current_rate)} -> {usd(best.projected_rate)} USD/h for a whole share)"
    )
    return Finding("opportunity", message, 0.2)


def _silent(name: str, since: datetime, metrics: AggregatedMetrics, config: MonitorConfig) -> Finding | None:
    passed = (metrics.timestamp - since).total_seconds()
    if passed < config.connection_timeout.total_seconds():
        return None
    status = metrics.statuses.get(name)
    said = f": {status.message or status.error}" if status is not None and (status.message or status.error) else ""
    return Finding(f"disconnected:{name}", f"{name} has not answered since {_clock(since)}{said}", 0.7)


def _stale(name: str, age: float, config: MonitorConfig) -> Finding | None:
    if age < config.connection_timeout.total_seconds():
        return None
    return Finding(f"stale:{name}", f"{name} answers, but its value is old: it is carried forward", 0.4)


def _unwell(name: str, metrics: AggregatedMetrics) -> Finding | None:
    status = metrics.statuses.get(name)
    if status is None or status.healthy is not False:
        return None
    said = f": {status.message}" if status.message else ""
    return Finding(f"unhealthy:{name}", f"{name} says that it is not well{said}", 0.6)


def _flat(name: str, seen: Seen, metrics: AggregatedMetrics, config: MonitorConfig) -> Finding | None:
    if seen.since is None or seen.value is None or seen.changes <= LEAST_CHANGES:
        return None
    passed = (metrics.timestamp - seen.since).total_seconds()
    if passed < max(config.flat_line.total_seconds(), PATIENCE * seen.rest):
        return None
    return Finding(f"flat:{name}", f"{name} has earned exactly {usd(seen.value)} USD/h since {_clock(seen.since)}", 0.4)


def _dropped(name: str, seen: Seen, config: MonitorConfig, eased: float) -> Finding | None:
    if config.drop_percent is None or seen.seconds < LEAST_HOURS * HOUR or seen.usual <= 0.0:
        return None
    if seen.quick >= config.drop_percent / 100.0 * (1.0 + eased) * seen.usual:
        return None
    message = f"{name} earns {usd(seen.quick)} USD/h for a whole share; usual is {usd(seen.usual)}"
    return Finding(f"drop:{name}", message, 0.6)


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
