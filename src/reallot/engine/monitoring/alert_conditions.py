"""What is worth an alert: conditions seen in one poll, and in what polls before it said of each protocol."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from ...errors import ErrorKind
from ...text.durations import format_duration
from ...text.numbers import usd
from ..contracts.configs import MonitorConfig
from ..contracts.records import AggregatedMetrics, Alert, AllocationPlan, OptimizationOpportunity

LIMITS, CONFLICT = "limits", "conflict"
"""Keys of alerts: present shares break limits, which plans go towards; or which no plan can bring nearer."""
HOUR = 3600.0
QUICK_HOURS, USUAL_HOURS = 1.0 / 6.0, 12.0
"""Half-lives of what a protocol earns now, and of what it usually earns."""
LEAST_HOURS = 1.0
"""A protocol watched for less has no usual rate."""
LEAST_CHANGES, PATIENCE = 5, 4.0
"""Earnings used to change where they did so often; they are flat after so many times their longest rest."""
MANY_CHANGES, SOONER = 30, 9.0
"""The longest rest is known well after so many changes: then this part of `flat_line` is enough."""
LEAST_SHARE = 0.005
BACK = 0.1
"""What was told is over where its number is so much, relatively, on the good side of its threshold."""
TOP = 3.0
"""A reading above so many times the usual counts as that."""
_SILENCE = {
    ErrorKind.AUTH: "has refused the login",
    ErrorKind.RATE_LIMITED: "has asked to be left alone",
    ErrorKind.REFUSED: "has refused to answer",
    ErrorKind.SHAPE: "has answered with nothing that can be read",
    ErrorKind.TRANSIENT: "has failed",
}
"""What is said of one that gives no value; "has not answered" is for those that cannot be reached."""


class Observed(NamedTuple):
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

    def until(self, now: datetime) -> Observed:
        """The same with no moment later than this: the clock went back."""
        down, since, at = (None if each is None else min(each, now) for each in (self.down_since, self.since, self.at))
        return self._replace(down_since=down, since=since, at=at)


NOTHING = Observed()
JUMP = "jump"
"""Alerts of earnings that a person should look at have a key that begins so."""


def observe(seen: Mapping[str, Observed], metrics: AggregatedMetrics) -> dict[str, Observed]:
    """`seen` after one poll more."""
    now, result = metrics.timestamp, dict(seen)
    if any((each.down_since or each.at or now) > now for each in seen.values()):
        result = {name: each.until(now) for name, each in seen.items()}
    for name in {**metrics.connection_status, **metrics.earnings_by_protocol}:
        before = result.get(name, NOTHING)
        if not metrics.connection_status.get(name, True):
            result[name] = before._replace(down_since=before.down_since or now)
        elif name in metrics.earnings_by_protocol and name not in metrics.stale and name not in metrics.warming:
            share = metrics.allocation_by_protocol.get(name)
            result[name] = _measured(before, metrics.earnings_by_protocol[name], share, now)
        else:
            result[name] = before._replace(down_since=None)
    return result


def _measured(seen: Observed, value: float, share: float | None, now: datetime) -> Observed:
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
    return Observed(
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


def low_earnings(
    metrics: AggregatedMetrics, config: MonitorConfig, median: float | None, open_keys: Collection[str]
) -> Alert | None:
    """Total earnings below the threshold, or below a part of the operator's own `median` (USD/h; None: not known).

    What is open lasts until its number is clearly better again: one that stands at its threshold is told once.
    """
    if metrics.warming and "low_earnings" not in open_keys:
        return None  # what warms up earns little for a while, as was known before
    total, lines = metrics.total_earnings_per_hour, []
    eased = 1.0 + (BACK if "low_earnings" in open_keys else 0.0)
    if config.low_earnings_threshold is not None and total < config.low_earnings_threshold * eased:
        lines.append((config.low_earnings_threshold, f"below {usd(config.low_earnings_threshold)}"))
    if config.low_earnings_percent is not None and median is not None:
        line = config.low_earnings_percent / 100.0 * median
        if total < line * eased:
            lines.append((line, f"below {config.low_earnings_percent:g} % of their median of {usd(median)}"))
    if not lines:
        return None
    line = max(line for line, _ in lines)
    severity = 0.3 + 0.6 * min(1.0, max(0.0, 1.0 - total / line)) if line > 0.0 else 0.3
    message = f"earnings are {usd(total)} USD/h, {' and '.join(text for _, text in lines)}"
    return Alert(key="low_earnings", message=message, severity=severity, timestamp=metrics.timestamp)


def worthwhile(
    opportunities: Sequence[OptimizationOpportunity], config: MonitorConfig, open_keys: Collection[str], now: datetime
) -> Alert | None:
    """The best pair promises as much as the threshold (USD/h) asks for."""
    best = max(opportunities, key=lambda each: each.earnings_improvement, default=None)
    eased = 1.0 - (BACK if "opportunity" in open_keys else 0.0)
    if best is None or best.earnings_improvement < config.optimization_threshold * eased:
        return None
    message = (
        f"{usd(best.earnings_improvement)} USD/h more by moving from {best.from_protocol} to {best.to_protocol} "
        f"({usd(best.current_rate)} -> {usd(best.projected_rate)} USD/h per unit of share)"
    )
    return Alert(key="opportunity", message=message, severity=0.2, timestamp=now)


def protocol_conditions(
    name: str, seen: Observed, metrics: AggregatedMetrics, config: MonitorConfig, open_keys: Collection[str]
) -> list[Alert]:
    """What holds of one protocol: silent, carried forward, flat, below its usual rate, not well."""
    now, status, found = metrics.timestamp, metrics.statuses.get(name), list[tuple[str, str, float]]()
    patience = config.connection_timeout.total_seconds()
    if seen.down_since is not None:
        if (now - seen.down_since).total_seconds() >= patience:
            said = f": {status.message or status.error}" if status and (status.message or status.error) else ""
            what = _SILENCE.get(status.error, "has not answered") if status and status.error else "has not answered"
            found.append(("disconnected", f"{what} since {_clock(seen.down_since)}{said}", 0.7))
    elif name in metrics.stale:
        if metrics.stale[name] >= patience:
            old = format_duration(metrics.stale[name])
            found.append(("stale", f"answers, but its value is {old} old: it is carried forward", 0.4))
    else:
        if _is_flat(seen, now, config):
            found.append(("flat", f"has earned exactly {usd(seen.value or 0.0)} USD/h since {_clock(seen.since)}", 0.4))
        if (value := metrics.earnings_by_protocol.get(name, 0.0)) < 0.0:
            found.append(("loss", f"loses {usd(-value)} USD/h; [optimizer] allow_idle lets capacity stand idle", 0.5))
        if _has_dropped(seen, config, BACK if f"drop:{name}" in open_keys else 0.0):
            text = f"earns {usd(seen.quick)} USD/h per unit of share; usual is {usd(seen.usual)}"
            found.append(("drop", text, 0.6))
    if status is not None and status.doubt:
        step = "is taken from it" if name in metrics.fallen else "more goes to it"
        text = f"{status.doubt} At most one step {step} until somebody says: reallot acknowledge {name}"
        found.append((JUMP, text, 0.8))
    if status is not None and status.healthy is False:
        found.append(("unhealthy", f"says that it is not well{f': {status.message}' if status.message else ''}", 0.6))
    return [
        Alert(key=f"{kind}:{name}", message=f"{name} {text}", severity=severity, timestamp=now)
        for kind, text, severity in found
    ]


def _is_flat(seen: Observed, now: datetime, config: MonitorConfig) -> bool:
    """True where earnings used to change and did not for long: `flat_line`, and several times their longest rest.

    What changed at most polls for long is flat within the hour: 40 minutes of the default 6 hours. A posted rate that
    changes once an hour rests that long, and is flat after four.
    """
    if seen.since is None or seen.value is None or seen.changes <= LEAST_CHANGES:
        return False
    least = config.flat_line.total_seconds() / (SOONER if seen.changes >= MANY_CHANGES else 1.0)
    return (now - seen.since).total_seconds() >= max(least, PATIENCE * seen.rest)


def _has_dropped(seen: Observed, config: MonitorConfig, eased: float) -> bool:
    """True where the rate is below `drop_percent` of the usual one, which takes an hour to be known."""
    if config.drop_percent is None or seen.seconds < LEAST_HOURS * HOUR or seen.usual <= 0.0:
        return False
    return seen.quick < config.drop_percent / 100.0 * (1.0 + eased) * seen.usual


def _clock(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"


def about_limits(plan: AllocationPlan) -> dict[str, tuple[str, float] | None]:
    """What is told of limits that present shares break, with its severity, by key; None where it is over."""
    going = f"limits are broken: {plan.breaks}; plans go there as fast as shares may change"
    stuck = f"limits are broken, and no plan can mend that: {plan.conflict}"
    return {
        CONFLICT: (stuck, 0.7) if plan.conflict else None,
        LIMITS: (going, 0.4) if plan.breaks and not plan.conflict else None,
    }
