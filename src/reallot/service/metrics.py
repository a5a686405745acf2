"""What Prometheus reads: one collector over the newest board, and sums of what the boards and events told before.

Names are part of the API: `NAMES` lists them, and a test fails where one goes. Money is summed here, not in Grafana.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from threading import Lock
from time import monotonic
from typing import Any

from ..engine.contracts.move_state import MoveState
from ..engine.execution.pause import PAUSED
from ..engine.ledger.event_log import KeptEvent
from .board import Board
from .hub import Hub

NAMES = (
    "reallot_actions_total",
    "reallot_alerts_open",
    "reallot_blocked_plans_total",
    "reallot_build_info",
    "reallot_cycle_duration_seconds",
    "reallot_cycle_interval_seconds",
    "reallot_earned_usd_total",
    "reallot_earnings_usd_per_hour",
    "reallot_halted",
    "reallot_last_cycle_timestamp_seconds",
    "reallot_ledger_bytes",
    "reallot_loop_stalls_total",
    "reallot_lost_usd_total",
    "reallot_move_cost_usd_total",
    "reallot_notifications_total",
    "reallot_operations_total",
    "reallot_paused",
    "reallot_plan_confidence_ratio",
    "reallot_plan_improvement_usd_per_hour",
    "reallot_plan_waiting",
    "reallot_poll_duration_seconds",
    "reallot_protocol_earnings_usd_per_hour",
    "reallot_protocol_rests_until_timestamp_seconds",
    "reallot_protocol_share_ratio",
    "reallot_protocol_up",
    "reallot_protocol_value_age_seconds",
    "reallot_protocols_hidden",
    "reallot_stream_clients",
    "reallot_stream_clients_dismissed_total",
    "reallot_stream_frames_skipped_total",
    "reallot_unsettled_calls",
)
"""Every metric."""
BUCKETS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0)
"""Seconds of a cycle, and of a poll."""
MOST_PROTOCOLS, SHOWN = 1000, 200
"""Beyond so many protocols only those that earn the most are told one by one."""
SEVERITIES = ((0.8, "critical"), (0.6, "warning"), (0.0, "info"))
OUTCOMES = {
    "move": ("move", "committed"),
    "rollback": ("rollback", "committed"),
    MoveState.ROLLED_BACK.value: ("move", "rolled_back"),
    MoveState.HALTED.value: ("move", "halted"),
}
"""Kinds of events that end an operation, as (kind, outcome)."""
CACHED_SECONDS = 1.0
LONGEST_GAP = timedelta(hours=1)
"""Earnings between two boards that are further apart than this are not known."""
Counts = Callable[[], dict[tuple[str, str], int]]


class Durations:
    """How long something took, counted by the buckets that it falls into."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds

    def tell(self, histogram: Any, *labels: str) -> None:
        """Adds them to a histogram of Prometheus."""
        limits = [*map(str, BUCKETS), "+Inf"]
        histogram.add_metric(labels, list(zip(limits, accumulate(self.counts), strict=True)), self.seconds)


class Tally:
    """Sums over the boards and the events of this process."""

    def __init__(self) -> None:
        self.earned = self.lost = self.cost = 0.0
        self.stalls = 0
        self.operations: Counter[tuple[str, str]] = Counter()
        self.blocked: Counter[str] = Counter()
        self.cycles = Durations()
        self.polls: dict[str, Durations] = {}
        self._polled: Mapping[str, tuple[float, float]] = {}
        self._before: tuple[datetime, float] | None = None

    def see(self, board: Board | None, events: Sequence[KeptEvent]) -> None:
        """A newer board, and what happened."""
        for event in events:
            kind = str(event.kind)
            if kind in OUTCOMES:
                self.operations[OUTCOMES[kind]] += 1
            if kind == "move" and isinstance(cost := event.fields.get("cost"), int | float):
                self.cost += float(cost)
            elif kind == MoveState.BLOCKED.value:
                self.blocked[str(event.fields.get("by") or "other")] += 1
            elif kind == "standstill":
                self.stalls += 1
        metrics = None if board is None or board.result is None else board.result.metrics
        if board is None or metrics is None or (self._before is not None and metrics.timestamp == self._before[0]):
            return
        self.cycles.add(board.taken)
        for name, poll in board.polls.items():
            if self._polled.get(name) != poll:  # else it was not asked since
                self.polls.setdefault(name, Durations()).add(poll[1])
        self._polled = board.polls
        if self._before is not None:
            at, rate = self._before
            if timedelta(0) < metrics.timestamp - at <= max(LONGEST_GAP, 3 * timedelta(seconds=board.every)):
                usd = rate * ((metrics.timestamp - at) / timedelta(hours=1))
                self.earned, self.lost = self.earned + max(usd, 0.0), self.lost - min(usd, 0.0)
        self._before = (metrics.timestamp, metrics.total_earnings_per_hour)


class Metrics:
    """The text that Prometheus reads; made at most once a second. Home of prometheus_client.

    actions       counts of actions by (kind, state)
    notified      counts of messages by (target, outcome)
    ledger_bytes  sizes of the ledger's files by name
    """

    def __init__(
        self,
        hub: Hub,
        *,
        actions: Counts = dict,
        notified: Counts = dict,
        ledger_bytes: Callable[[], dict[str, int]] = dict,
    ) -> None:
        self._hub, self._actions, self._notified, self._ledger_bytes = hub, actions, notified, ledger_bytes
        self.tally = Tally()
        self._text, self._made = b"", -CACHED_SECONDS
        self._lock = Lock()

    def text(self) -> bytes:
        """All metrics in the text format of Prometheus."""
        from prometheus_client import CollectorRegistry, generate_latest

        with self._lock:  # each scrape has a thread, and the counts of actions are summed over the looks
            if monotonic() - self._made >= CACHED_SECONDS:
                registry = CollectorRegistry(auto_describe=False)
                registry.register(self)
                self._text, self._made = generate_latest(registry), monotonic()
            return self._text

    def describe(self) -> list[Any]:
        """Nothing beforehand: labels come and go with the protocols."""
        return []

    def collect(self) -> Iterator[Any]:
        """Every metric, as prometheus_client asks for them."""
        from prometheus_client.core import CounterMetricFamily as Count
        from prometheus_client.core import GaugeMetricFamily as Gauge
        from prometheus_client.core import HistogramMetricFamily as Histogram

        board, tally, hub = self._hub.board, self.tally, self._hub
        metrics = None if board.result is None else board.result.metrics
        standing = board.standing

        def gauge(name: str, text: str, value: float | None, labels: dict[str, str] | None = None) -> Gauge:
            found = Gauge(f"reallot_{name}", text, labels=list(labels or ()))
            if value is not None:
                found.add_metric(list((labels or {}).values()), value)
            return found

        def counts(name: str, text: str, labels: tuple[str, ...], values: Mapping[Any, float]) -> Count:
            found = Count(f"reallot_{name}", text, labels=list(labels))
            for key, value in sorted(values.items()):
                found.add_metric([key] if isinstance(key, str) else list(key), value)
            return found

        info = {"version": board.version, "mode": board.mode.value}
        yield gauge("build_info", "Version and mode, always 1.", 1.0, info)
        total = None if metrics is None else metrics.total_earnings_per_hour
        yield gauge("earnings_usd_per_hour", "Earnings of all protocols now, USD per hour.", total)
        yield counts("earned_usd", "Earnings since the start of the process, USD.", (), {(): tally.earned})
        yield counts(
            "lost_usd", "Lost since the start, while all cost more than they earned, USD.", (), {(): tally.lost}
        )
        yield counts("move_cost_usd", "Estimated cost of moves since the start, USD.", (), {(): tally.cost})
        yield from _protocols(board, Gauge)
        plan = None if board.result is None else board.result.plan
        gain = None if plan is None else plan.estimated_improvement
        yield gauge("plan_improvement_usd_per_hour", "What the last plan would bring, USD per hour.", gain)
        sure = None if plan is None else plan.confidence
        yield gauge("plan_confidence_ratio", "Probability that the last plan pays, where known.", sure)
        yield gauge("plan_waiting", "1 where a plan waits for a person.", float(board.waiting is not None))
        done, blocked = dict(tally.operations), dict(tally.blocked)
        yield counts("operations", "Plans that came to their end since the start.", ("kind", "outcome"), done)
        yield counts("blocked_plans", "Times that a guard began to hold plans back.", ("guard",), blocked)
        yield gauge("halted", "1 where nothing moves until a person resumes.", float(bool(standing.halted)))
        yield gauge("paused", "1 where a person has paused it.", float(standing.halted == PAUSED))
        yield gauge("unsettled_calls", "Calls whose effect is not known yet.", float(len(standing.unsettled)))
        open_now = Counter(next(word for least, word in SEVERITIES if a.severity >= least) for a in board.alerts)
        alerts = Gauge("reallot_alerts_open", "Alerts whose condition holds.", labels=["severity"])
        for _, word in SEVERITIES:
            alerts.add_metric([word], open_now[word])
        yield alerts
        at = None if board.at is None else board.at.timestamp()
        yield gauge("last_cycle_timestamp_seconds", "When the last cycle began.", at)
        cycles = Histogram("reallot_cycle_duration_seconds", "How long cycles take.", labels=[])
        tally.cycles.tell(cycles)
        yield cycles
        polls = Histogram("reallot_poll_duration_seconds", "How long calls of protocols take.", labels=["protocol"])
        for name in _told_of(board):
            if name in tally.polls:
                tally.polls[name].tell(polls, name)
        yield polls
        yield gauge("cycle_interval_seconds", "Time from one cycle to the next, as configured.", board.every)
        yield counts("loop_stalls", "Times that something held up the event loop.", (), {(): tally.stalls})
        clients = Gauge("reallot_stream_clients", "Open live streams.", labels=["transport"])
        kinds = Counter(each.transport for each in list(hub.clients))
        for kind in sorted({"websocket", "sse", *kinds}):
            clients.add_metric([kind], kinds[kind])
        yield clients
        skipped = hub.skipped + sum(each.mailbox.skipped for each in list(hub.clients))
        yield counts("stream_frames_skipped", "States that slow clients were not sent.", (), {(): skipped})
        yield counts("stream_clients_dismissed", "Clients that were too slow.", (), {(): hub.dismissed})
        yield counts("notifications", "Messages to people.", ("target", "outcome"), dict(self._notified()))
        done = dict(self._actions())
        yield counts(
            "actions", "Actions that came to this state, 7 days before the start too.", ("kind", "state"), done
        )
        sizes = Gauge("reallot_ledger_bytes", "Size of the ledger's files.", labels=["file"])
        for name, size in sorted(self._ledger_bytes().items()):
            sizes.add_metric([name], size)
        yield sizes


def _told_of(board: Board) -> list[str]:
    """The protocols, or those that earn the most where they are very many."""
    if len(board.names) <= MOST_PROTOCOLS:
        return list(board.names)
    metrics = None if board.result is None else board.result.metrics
    earns = {} if metrics is None else metrics.earnings_by_protocol
    return sorted(board.names, key=lambda name: -earns.get(name, 0.0))[:SHOWN]


def _protocols(board: Board, gauge: Any) -> Iterator[Any]:
    """What is told of each protocol, or of those that earn the most."""
    metrics = None if board.result is None else board.result.metrics
    plan = None if board.result is None else board.result.plan
    earns = {} if metrics is None else metrics.earnings_by_protocol
    names = _told_of(board)
    hidden = gauge("reallot_protocols_hidden", "Protocols that are not told one by one.")
    hidden.add_metric([], len(board.names) - len(names))
    yield hidden

    def family(name: str, text: str, values: dict[str, float]) -> Any:
        found = gauge(f"reallot_protocol_{name}", text, labels=["protocol"])
        for each in names:
            if each in values:
                found.add_metric([each], values[each])
        return found

    up = {} if metrics is None else {name: float(answers) for name, answers in metrics.connection_status.items()}
    ages = {} if metrics is None else {name: metrics.stale.get(name, 0.0) for name in earns}
    rests = {name: until.timestamp() for name, until in board.rests.items()}
    yield family("up", "1 where it answered the last poll.", up)
    yield family("value_age_seconds", "Age of its value at the last poll.", ages)
    yield family("earnings_usd_per_hour", "What it earns now, USD per hour.", dict(earns))
    yield family("rests_until_timestamp_seconds", "Until when its share stays, where it rests.", rests)
    shares = gauge("reallot_protocol_share_ratio", "Share of capacity.", labels=["protocol", "kind"])
    kinds = {
        "actual": {} if metrics is None else metrics.allocation_by_protocol,
        "committed": board.standing.committed,
        "planned": {} if plan is None else plan.allocation,
    }
    for kind, values in kinds.items():
        for name in names:
            if name in values:
                shares.add_metric([name, kind], values[name])
    yield shares
