"""A monitor that knows what a ledger knows of a period, for reports of the time behind."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from ..engine.contracts.configs import MonitorConfig
from ..engine.contracts.move_state import MoveState
from ..engine.contracts.records import AllocationPlan
from ..engine.ledger.history_store import HistoryStore
from ..engine.ledger.journal import Journal
from ..orchestration.monitor import RealtimeMonitor
from .restore import polls

MOST_POLLS, MOST_ALERTS, MOST_DECISIONS = 2_000_000, 1_000_000, 100_000


def period_monitor(journal: Journal, history: HistoryStore, start: datetime, end: datetime) -> RealtimeMonitor:
    """Filled with what was read and decided from `start` to `end`. Runs a loop of its own; raises DataError."""
    config = MonitorConfig(max_snapshots=MOST_POLLS, max_alerts=MOST_ALERTS)
    monitor = RealtimeMonitor(config, changes=journal.changes)

    async def fill() -> None:
        for metrics in polls(history, start, end + timedelta(microseconds=1)):
            await monitor.update_snapshot(metrics)

    asyncio.run(fill())
    monitor.remember_hours(history.hours(start, end))
    for decision in reversed(journal.decisions(MOST_DECISIONS)):
        if decision.verdict is MoveState.COMMITTED:
            monitor.remember_plan(AllocationPlan.model_validate_json(decision.plan))
    for alert in journal.alerts(MOST_ALERTS):
        monitor.raise_alert(alert)
        if alert.recovered_at is not None:
            monitor.resolve_alert(alert.key)
    return monitor
