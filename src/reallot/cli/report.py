"""reallot report and reallot history: what a ledger tells of the time behind."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta

from ..engine.contracts.records import AllocationChange
from ..engine.contracts.reports import PerformanceReport
from ..engine.ledger.history import Hour, Sample
from ..engine.monitoring.hourly import WHOLE
from ..errors import MonitoringError
from ..runtime.period import period_monitor
from ..text.columns import comma_separated
from ..text.numbers import share, shown
from .config_file import ledger_of
from .ledger_reader import LedgerReader, reading
from .live_table import final_table, report_text
from .screen import Screen

LEAD = timedelta(hours=3)
"""What came so long before a period is read too: moves are judged by the hours around them."""


def report(options: argparse.Namespace) -> int:
    """Prints what a period brought, up to the newest reading that is not of the future."""
    folder = ledger_of(options)
    with reading(folder) as books:
        end = books.last_reading
        if end is None:
            raise MonitoringError(f"{folder}: there is no reading yet; reallot run makes them")
        monitor = period_monitor(books.journal, books.history, end - options.since - LEAD, end)
        found = asyncio.run(monitor.generate_report(end - options.since, end))
        notes = [later] if (later := books.later_than(end)) else []
        if not found.covered:
            notes.append("what is earned is known between two readings, and there are no such two here yet")
        found = found.model_copy(update={"notes": [*found.notes, *notes]})
        first, last = _shares(books, end - options.since, end)
    if options.json:
        print(found.model_dump_json(indent=2))
        return 0
    if options.csv:
        print(_report_csv(found, first, last))
        return 0
    screen = Screen.of(sys.stdout)
    print(f"{final_table(found, first, last, screen)}\n\n{report_text(found)}")
    return 0


def _report_csv(found: PerformanceReport, first: dict[str, float], last: dict[str, float]) -> str:
    """The table by protocol, without its sums."""
    rows: list[list[object]] = [["protocol", "share_began", "share_ends", "earned_usd", "answered_part"]]
    rows += [
        [name, first.get(name), last.get(name), found.earnings_by_protocol.get(name), found.uptime.get(name)]
        for name in sorted({*found.earnings_by_protocol, *first, *last})
    ]
    return comma_separated(rows)


def _history_csv(changes: list[AllocationChange]) -> str:
    """The table of changes, with the reasons."""
    rows: list[list[object]] = [["time", "protocol", "from", "to", "kind", "outcome", "plan", "reason"]]
    for each in changes:
        moment, kind = each.timestamp.isoformat(), each.kind.value
        rows.append([moment, each.protocol, each.before, each.after, kind, each.outcome, each.plan_id, each.reason])
    return comma_separated(rows)


def _shares(books: LedgerReader, start: datetime, end: datetime) -> tuple[dict[str, float], dict[str, float]]:
    """Shares at the first and at the last reading of a period; the mean of an hour where that is what is left."""
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    raw = books.history.samples(start, end + timedelta(microseconds=1))
    since = min((each.at for each in raw), default=end)
    older: list[Hour | Sample] = [*books.history.hours(start, since - WHOLE)]
    for each in [*older, *raw]:
        if each.share is not None:
            first.setdefault(each.protocol, each.share)
            last[each.protocol] = each.share
    return first, last


def history(options: argparse.Namespace) -> int:
    """Prints every change of a share that was asked for, newest last."""
    folder = ledger_of(options)
    with reading(folder) as books:
        since = None if options.since is None else (books.last_reading or datetime.now(UTC)) - options.since
        changes = books.journal.changes(since)
        alerts = [alert for alert in books.journal.alerts(20) if alert.recovered_at is None]
        waiting = books.journal.waiting()
    if options.json:
        print(json.dumps([json.loads(change.model_dump_json()) for change in changes], indent=2))
        return 0
    if options.csv:
        print(_history_csv(changes))
        return 0
    rows = [["time (UTC)", "protocol", "from", "to", "kind", "outcome", "plan"]]
    rows += [
        [
            f"{change.timestamp:%Y-%m-%d %H:%M:%S}",
            shown(change.protocol),
            share(change.before),
            share(change.after),
            change.kind.value,
            change.outcome,
            shown(change.plan_id),
        ]
        for change in changes
    ]
    print(Screen.of(sys.stdout).table(rows, (2, 3)) if changes else "No share was ever changed.")
    if waiting is not None:
        print(f"Waits for a person: reallot confirm {shown(waiting.plan_id)} --ledger {folder}")
    for alert in alerts:
        print(f"Still so: {shown(alert.message)}")
    return 0
