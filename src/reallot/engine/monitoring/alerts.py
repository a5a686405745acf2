"""Alerts by condition: raised once while it lasts, over when it is over, muted, acknowledged, bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from ...errors import MonitoringError
from ...text.durations import format_duration
from ..contracts.configs import MonitorConfig
from ..contracts.records import Alert

FLAPS, QUIET = 2, timedelta(hours=1)
"""What was over so often within this time, and comes back, is over when it stays away for as long."""
FLAPPING = "it comes and goes, and is over when it stays away for an hour"


class AlertBook:
    """The alerts of one monitor, oldest first; a timestamp is that of one alert only.

    keys  of those whose condition still holds
    seen_before  keys of conditions that an earlier process told, and that a person has seen
    """

    def __init__(self, config: MonitorConfig) -> None:
        self._config = config
        self._alerts: dict[datetime, Alert] = {}
        self._open: dict[str, datetime] = {}
        self.keys: Collection[str] = self._open.keys()
        self._told: dict[str, datetime] = {}
        self._muted: dict[str, datetime] = {}
        self._silent: set[str] = set()
        self.seen_before: set[str] = set()
        self._checks: dict[str, deque[bool]] = {}
        self._ends: dict[str, deque[datetime]] = {}

    def reconfigure(self, config: MonitorConfig) -> None:
        """Other rules from the next check on."""
        self._config = config
        self._checks = {key: deque(checks, maxlen=config.out_of) for key, checks in self._checks.items()}

    def check(self, now: datetime, conditions: Iterable[Alert]) -> list[Alert]:
        """Alerts that begin at this check, and those that end (with recovered_at, and a message that says so)."""
        found = {condition.key: condition for condition in conditions}
        told = []
        for key in [*found, *(key for key in self._checks if key not in found)]:
            checks = self._checks.setdefault(key, deque(maxlen=self._config.out_of))
            checks.append(key in found)
            flaps = key in self._ends and self._flaps(key, now)
            if key in found and (key in self._open or sum(checks) >= self._config.needed):
                said = f"{found[key].message}; {FLAPPING}" if flaps else found[key].message
                told.append(self.raised(found[key].model_copy(update={"message": said}) if flaps else found[key], now))
            elif not any(checks) and not (flaps and self._is_recent(key, now)):
                told.append(self.recovered(key, now))
                if key in self._told:
                    self._ends.setdefault(key, deque(maxlen=FLAPS)).append(now)
                del self._checks[key]
        return [alert for alert in told if alert is not None]

    def raised(self, condition: Alert, now: datetime) -> Alert | None:
        """The new alert of a condition, a message without a key is its own key.

        None where it is open already (it is counted), muted, or back too soon.
        """
        key = condition.key or condition.message
        again = self._open.get(key)
        if again is not None and again in self._alerts:
            alert = self._update(again, last_seen=now, count=self._alerts[again].count + 1)
            if key in self._silent and now - self._told[key] >= self._config.mute:  # it came back, and stays
                self._silent.discard(key)
                return alert
            return None
        last = self._told.get(key)
        if last in self._alerts and abs(now - last) < self._config.mute:  # a clock may go back
            self._open[key] = last
            self._silent.add(key)
            self._update(last, last_seen=now, count=self._alerts[last].count + 1, recovered_at=None)
            return None
        if now < self._muted.get(key, now):
            return None
        while now in self._alerts:
            now += timedelta(microseconds=1)
        alert = Alert(
            message=condition.message,
            severity=condition.severity,
            timestamp=now,
            acknowledged=key in self.seen_before,
            key=key,
            last_seen=now,
        )
        self._alerts[now] = alert
        self._open[key] = self._told[key] = now
        while len(self._alerts) > self._config.max_alerts:  # those that are over go first, oldest first
            still = set(self._open.values())
            del self._alerts[next((at for at in self._alerts if at not in still), next(iter(self._alerts)))]
        return alert

    def recovered(self, key: str, now: datetime) -> Alert | None:
        """Ends the open alert of a condition; None where there is none, it is muted, or its return was not told."""
        began = self._open.pop(key, None)
        if began is None or began not in self._alerts:
            return None
        alert = self._update(began, recovered_at=now)
        self.seen_before.discard(key)
        if now < self._muted.get(key, now) or key in self._silent:
            self._silent.discard(key)
            return None
        lasted = format_duration(max(now - began, timedelta(0)))
        return alert.model_copy(update={"message": f"over after {lasted}: {alert.message}"})

    def _flaps(self, key: str, now: datetime) -> bool:
        """True where a condition was over so often lately."""
        ends = self._ends[key]
        if abs(now - ends[-1]) >= QUIET and key not in self._open:
            del self._ends[key]
            return False
        return len(ends) == FLAPS and abs(ends[-1] - ends[0]) < QUIET

    def _is_recent(self, key: str, now: datetime) -> bool:
        """True where an open alert's condition was seen less than an hour ago."""
        alert = self._alerts.get(self._open.get(key, now))
        return alert is not None and alert.last_seen is not None and abs(now - alert.last_seen) < QUIET

    def mute(self, key: str, until: datetime) -> None:
        """Nothing new is told of a condition until then."""
        self._muted[key] = until

    def acknowledge(self, moment: datetime) -> Alert:
        """Marks the alert of that timestamp as seen; raises MonitoringError, naming the nearest, for none."""
        if not isinstance(moment, datetime) or moment.tzinfo is None:
            raise MonitoringError("an alert's timestamp is aware; give alert.timestamp")
        if moment not in self._alerts:
            nearest = min(self._alerts, key=lambda at: abs(at - moment), default=None)
            said = "there are none" if nearest is None else f"the nearest is {nearest.isoformat()}"
            raise MonitoringError(
                f"no alert at {moment.isoformat()}; {said}" + (f" ({self._alerts[nearest].message})" if nearest else "")
            )
        return self._update(moment, acknowledged=True)

    def forget(self, before: datetime) -> None:
        """Drops alerts from before that time; what is still open stays."""
        keep = set(self._open.values())
        self._alerts = {at: alert for at, alert in self._alerts.items() if at >= before or at in keep}

    @property
    def history(self) -> list[Alert]:
        """All alerts kept, oldest first."""
        return list(self._alerts.values())

    @property
    def open(self) -> list[Alert]:
        """Those whose condition still holds, gravest first."""
        alerts = [self._alerts[at] for at in self._open.values() if at in self._alerts]
        return sorted(alerts, key=lambda alert: (-alert.severity, alert.timestamp))

    def _update(self, at: datetime, **changes: object) -> Alert:
        self._alerts[at] = self._alerts[at].model_copy(update=changes)
        return self._alerts[at]
