"""RealtimeMonitor: what is seen, what is worth an alert, what a period brought."""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from ..engine.contracts.clock import Clock
from ..engine.contracts.configs import MonitorConfig
from ..engine.contracts.records import (
    AggregatedMetrics,
    Alert,
    AllocationChange,
    AllocationPlan,
    OptimizationOpportunity,
)
from ..engine.contracts.reports import DashboardSnapshot, PerformanceReport
from ..engine.ledger.history import Hour
from ..engine.ledger.timestamps import moment_before
from ..engine.monitoring.alert_conditions import (
    JUMP,
    NOTHING,
    Observed,
    low_earnings,
    observe,
    protocol_conditions,
    worthwhile,
)
from ..engine.monitoring.alerts import AlertBook
from ..engine.monitoring.performance import performance
from ..engine.monitoring.report import HOUR, Changes, ChangeSource, ListedChanges, Snapshot, usual_total
from ..errors import ConfigurationError, InvalidInput, MonitoringError, other_kind
from ..problem.file_errors import read

RECENT, MOST_RECENT = timedelta(hours=24), 20
"""Changes on a dashboard are of this time, at most so many."""
MOST_PLANS = 1000
MOST_YEAR = 9999


class RealtimeMonitor:
    """Keep snapshots of polls, raise alerts and make reports.

    Parameters
    ----------
    config
        What is worth an alert. None is the default.
    clock
        The clock that is asked for the time. None takes the time of the metrics at hand, or of the newest snapshot.
    changes
        Where moves are known: a ReallocationEngine, or a function that returns or awaits them. None knows of no moves.

    Attributes
    ----------
    accepted
        Names of protocols whose jump of earnings a person has seen. A cycle takes them up.

    Raises
    ------
    ConfigurationError
        Where `needed` is above `out_of`.

    Examples
    --------
    >>> from reallot import MonitorConfig, RealtimeMonitor
    >>> monitor = RealtimeMonitor(MonitorConfig(low_earnings_threshold=None))
    >>> monitor.raise_alert("disk full", key="disk").severity, [alert.key for alert in monitor.open_alerts]
    (1.0, ['disk'])
    """

    def __init__(
        self,
        config: MonitorConfig | None = None,
        *,
        clock: Clock | None = None,
        changes: ChangeSource | Changes | None = None,
    ) -> None:
        if not isinstance(config, MonitorConfig | None):
            raise ConfigurationError(other_kind("config", config, "a MonitorConfig, or None for the default"))
        self.config = config or MonitorConfig()
        if self.config.needed > self.config.out_of:
            raise ConfigurationError(
                f"needed is {self.config.needed} of out_of {self.config.out_of} checks: no alert would ever be raised"
            )
        self._clock = clock
        self._changes: ChangeSource | None = ListedChanges(changes) if callable(changes) else changes
        self._snapshots: list[Snapshot] = []
        self._hours: list[Hour] = []
        self._seen: dict[str, Observed] = {}
        self._observed: datetime | None = None
        self._alerts = AlertBook(self.config)
        self._plans: dict[str, AllocationPlan] = {}
        self.accepted: set[str] = set()

    async def update_snapshot(self, metrics: AggregatedMetrics) -> None:
        """Keep one poll; the same time again replaces it.

        Parameters
        ----------
        metrics
            The poll.
        """
        if not isinstance(metrics, AggregatedMetrics):
            raise MonitoringError(other_kind("metrics", metrics, "the AggregatedMetrics of a poll"))
        self._observe(metrics)
        names, connected = tuple(metrics.earnings_by_protocol), metrics.connection_status
        if self._snapshots:  # what is as before is held once
            before = self._snapshots[-1]
            names = before.names if before.names == names else names
            connected = before.connected if before.connected == connected else connected  # type: ignore[assignment]
        rates, stale = array("d", metrics.earnings_by_protocol.values()), frozenset(metrics.stale)
        snapshot = Snapshot(metrics.timestamp, metrics.total_earnings_per_hour, names, rates, connected, stale)
        place = bisect_left(self._snapshots, snapshot.at, key=lambda each: each.at)
        if place < len(self._snapshots) and self._snapshots[place].at == snapshot.at:
            self._snapshots[place] = snapshot
        else:
            insort(self._snapshots, snapshot, key=lambda each: each.at)
        if len(self._snapshots) > self.config.max_snapshots:
            del self._snapshots[: len(self._snapshots) - self.config.max_snapshots]

    async def check_alerts(
        self, metrics: AggregatedMetrics, opportunities: Sequence[OptimizationOpportunity]
    ) -> list[Alert]:
        """Check all conditions at one poll.

        Parameters
        ----------
        metrics
            The poll.
        opportunities
            The moves worth making.

        Returns
        -------
        list
            Alerts that begin at this check, and those that are over: with `recovered_at`, and a message that says so.
        """
        if not isinstance(metrics, AggregatedMetrics):
            raise MonitoringError(other_kind("metrics", metrics, "the AggregatedMetrics of a poll"))
        pairs = opportunities if isinstance(opportunities, Sequence) else (None,)
        if not all(isinstance(each, OptimizationOpportunity) for each in pairs):
            raise MonitoringError(other_kind("opportunities", opportunities, "what analyze_opportunities returned"))
        self._observe(metrics)
        config, already, now = self.config, self._alerts.keys, metrics.timestamp
        median = None if config.low_earnings_percent is None else usual_total(self._snapshots, now - RECENT, now)
        found = [low_earnings(metrics, config, median, already), worthwhile(opportunities, config, already, now)]
        for name in {**metrics.connection_status, **metrics.earnings_by_protocol}:
            found += protocol_conditions(name, self._seen.get(name, NOTHING), metrics, config, already)
        return self._alerts.check(self._now(metrics), [alert for alert in found if alert is not None])

    async def get_dashboard_metrics(
        self,
        metrics: AggregatedMetrics,
        optimal_allocation: Mapping[str, float],
        opportunities: Sequence[OptimizationOpportunity],
    ) -> DashboardSnapshot:
        """Return all that a dashboard shows now.

        Parameters
        ----------
        metrics
            The newest poll.
        optimal_allocation
            Shares of the best plan, by name.
        opportunities
            The moves worth making.

        Returns
        -------
        DashboardSnapshot
            Earnings, shares, best move, newest changes and open alerts.
        """
        if not isinstance(metrics, AggregatedMetrics):
            raise MonitoringError(other_kind("metrics", metrics, "the AggregatedMetrics of a poll"))
        pairs = opportunities if isinstance(opportunities, Sequence) else (None,)
        if not all(isinstance(each, OptimizationOpportunity) for each in pairs):
            raise MonitoringError(other_kind("opportunities", opportunities, "what analyze_opportunities returned"))
        if not isinstance(optimal_allocation, Mapping):
            raise MonitoringError(other_kind("optimal_allocation", optimal_allocation, "shares by name"))
        now, changes, wait = self._now(metrics), list[AllocationChange](), None
        if self._changes is not None:
            newest = await self._changes.get_newest_reallocations(MOST_RECENT)
            changes = [change for change in newest if change.timestamp >= now - RECENT]
            if opportunities:
                blocked = await self._changes.blocked()
                until = now if blocked is None else blocked.until
                wait = None if until is None else max(until - now, timedelta(0))
        return DashboardSnapshot(
            timestamp=metrics.timestamp,
            total_earnings_per_hour=metrics.total_earnings_per_hour,
            earnings_by_protocol=metrics.earnings_by_protocol,
            current_allocation=metrics.allocation_by_protocol,
            optimal_allocation=dict(optimal_allocation),
            optimization_opportunity=max(opportunities, key=lambda each: each.earnings_improvement, default=None),
            next_reallocation_in=wait,
            connection_status=metrics.connection_status,
            recent_changes=changes,
            stale=metrics.stale,
            measured_earnings_per_hour=metrics.measured_earnings_per_hour,
            alerts=self._alerts.open,
        )

    async def generate_report(self, period_start: datetime, period_end: datetime) -> PerformanceReport:
        """Report what a period brought, time-weighted.

        Parameters
        ----------
        period_start, period_end
            The period (aware).

        Returns
        -------
        PerformanceReport
            Earnings and costs (USD), uptime, moves and alerts.

        Raises
        ------
        MonitoringError
            Where a time is naive, the period is empty, or there are no readings in it.
        """
        start, end = _utc(period_start, "period_start"), _utc(period_end, "period_end")
        if end <= start:
            raise MonitoringError(f"the period ends at {end.isoformat()}, not after its start {start.isoformat()}")
        changes = [] if self._changes is None else await self._changes.get_reallocation_history()
        alerts, gap = self._alerts.history, self.config.connection_timeout
        return performance(start, end, self._snapshots, self._hours, changes, self._plans, alerts, gap)

    async def get_earnings_trends(self, hours: float) -> list[tuple[datetime, float]]:
        """Return the total earnings of every snapshot of the last hours.

        Parameters
        ----------
        hours
            Hours to look back.

        Returns
        -------
        list
            Pairs of time and USD/h, the oldest first.
        """
        now = self._now()
        since = _back(now, hours, HOUR, "hours")
        place = bisect_left(self._snapshots, since, key=lambda each: each.at)
        return [(each.at, each.total) for each in self._snapshots[place:] if each.at <= now]

    async def get_alert_history(self) -> list[Alert]:
        """Return all alerts that are kept.

        Returns
        -------
        list
            At most `max_alerts` alerts, the oldest first.
        """
        return self._alerts.history

    async def acknowledge_alert(self, alert_timestamp: datetime) -> None:
        """Mark one alert as seen by a person.

        Earnings that jumped are believed from the next cycle on.

        Parameters
        ----------
        alert_timestamp
            The alert's `timestamp`.

        Raises
        ------
        MonitoringError
            Where no alert has this timestamp; the message names the nearest.
        """
        kind, _, name = self._alerts.acknowledge(alert_timestamp).key.partition(":")
        if kind == JUMP:
            self.accepted.add(name)

    async def cleanup_old_data(self, retention_days: float) -> None:
        """Drop older snapshots, plans and alerts; an alert whose condition still holds stays.

        Parameters
        ----------
        retention_days
            Age (days) up to which they are kept.
        """
        before = _back(self._now(), retention_days, 24.0 * HOUR, "retention_days")
        del self._snapshots[: bisect_left(self._snapshots, before, key=lambda each: each.at)]
        self._plans = {key: plan for key, plan in self._plans.items() if plan.created_at >= before}
        self._alerts.forget(before)

    # beside the contract ---------------------------------------------------------------------------------------------

    def raise_alert(self, alert: Alert | str, *, key: str = "", severity: float = 1.0) -> Alert | None:
        """Raise an alert from elsewhere, such as an engine that halted (`on_alert`).

        It lasts until `resolve_alert` is called with its key. A message without a key is its own key.

        Parameters
        ----------
        alert
            The alert, or its message.
        key
            Key of a message.
        severity
            Severity of a message, 0 to 1.

        Returns
        -------
        Alert or None
            The alert. None where its key is open already.

        Raises
        ------
        MonitoringError
            Where the message or the key is no text, or the severity is no number from 0 to 1.
        """
        if not isinstance(alert, Alert):
            said = {"key": key, "message": alert, "severity": severity, "timestamp": self._now()}
            try:
                alert = read(Alert, said)
            except InvalidInput as error:
                raise MonitoringError(f"no alert can be made of that: {error}") from None
        return self._alerts.raised(alert, alert.timestamp)

    def resolve_alert(self, key: str) -> Alert | None:
        """End an alert from elsewhere.

        Parameters
        ----------
        key
            Key of the alert.

        Returns
        -------
        Alert or None
            The alert with `recovered_at`. None where none with this key is open.
        """
        if not isinstance(key, str):
            raise MonitoringError(other_kind("key", key, "the key of an alert"))
        return self._alerts.recovered(key, self._now())

    def mute_alert(self, key: str, until: datetime) -> None:
        """Tell nothing new of one key until a given time.

        Parameters
        ----------
        key
            Key of the alert.
        until
            End of the silence (aware).
        """
        if not isinstance(key, str):
            raise MonitoringError(other_kind("key", key, "the key of an alert"))
        self._alerts.mute(key, _utc(until, "until"))

    def reconfigure(self, config: MonitorConfig) -> None:
        """Take other thresholds from now on; what is open stays open until it is over by these.

        Parameters
        ----------
        config
            The new configuration.
        """
        if not isinstance(config, MonitorConfig):
            raise ConfigurationError(other_kind("config", config, "a MonitorConfig"))
        self.config = config
        self._alerts.reconfigure(config)

    @property
    def open_alerts(self) -> list[Alert]:
        """Alerts whose condition still holds, the gravest first."""
        return self._alerts.open

    def seen_before(self, keys: set[str]) -> None:
        """Take alerts as seen by a person, where their condition still holds after a restart.

        Parameters
        ----------
        keys
            Their keys.

        Raises
        ------
        MonitoringError
            Where they are no strings.
        """
        if not isinstance(keys, set) or not all(isinstance(key, str) for key in keys):
            raise MonitoringError(other_kind("keys", keys, "a set of keys of alerts"))
        self._alerts.seen_before |= keys

    def remember_hours(self, hours: Sequence[Hour]) -> None:
        """Take hourly means, by which reports count the time before the first snapshot.

        Parameters
        ----------
        hours
            The hourly means.
        """
        try:
            self._hours = list(hours)
        except TypeError:
            raise MonitoringError(other_kind("hours", hours, "a list of hourly means")) from None

    def remember_plan(self, plan: AllocationPlan) -> None:
        """Keep what a plan that is carried out was to bring and to cost, for reports.

        Parameters
        ----------
        plan
            The plan.
        """
        if not isinstance(plan, AllocationPlan):
            raise MonitoringError(other_kind("plan", plan, "an AllocationPlan"))
        self._plans[plan.id] = plan
        if len(self._plans) > MOST_PLANS:
            del self._plans[next(iter(self._plans))]

    # inside ----------------------------------------------------------------------------------------------------------

    def _now(self, metrics: AggregatedMetrics | None = None) -> datetime:
        if self._clock is not None:
            return self._clock.now()
        if metrics is not None:
            return metrics.timestamp
        return self._snapshots[-1].at if self._snapshots else self._observed or datetime.now(UTC)

    def _observe(self, metrics: AggregatedMetrics) -> None:
        if metrics.timestamp != self._observed:
            self._seen, self._observed = observe(self._seen, metrics), metrics.timestamp


def _utc(moment: datetime, what: str) -> datetime:
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise MonitoringError(f"{what} is {moment!r}; give an aware datetime, such as datetime.now(UTC)")
    if not 1 < moment.year < MOST_YEAR:
        raise MonitoringError(f"{what} is {moment.isoformat()}; give a time between the years 2 and {MOST_YEAR - 1}")
    return moment.astimezone(UTC)


def _back(now: datetime, length: float, unit: float, what: str) -> datetime:
    try:
        return moment_before(now, length, unit, what)
    except InvalidInput as error:
        raise MonitoringError(str(error)) from None
