"""reallot status: where an engine stands now, from its ledger; it may be running."""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ..engine.contracts.configs import Mode
from ..engine.execution.slow_effects import awaited
from ..engine.ledger.history import Sample
from ..engine.ledger.lock import LedgerLock
from ..engine.ledger.operator_requests import PAUSE, RESUME, Requests
from ..text.columns import comma_separated
from ..text.durations import format_duration
from ..text.numbers import amount, share, shown
from .config_file import config_of, ledger_of
from .ledger_reader import LedgerReader, reading
from .screen import BOLD, Screen

LOOKS_BACK = timedelta(days=1)
"""A protocol whose last reading is older than this before the newest of all is not shown."""
MOST_ALERTS = 1000
SECOND = timedelta(seconds=1)
ONLY = {
    Mode.OBSERVE.value: "mode observe only reads",
    Mode.ADVISE.value: "mode advise only says what it would move; reallot explain LAST shows why",
}
"""Why modes that move nothing move nothing."""


@dataclass(frozen=True)
class ProtocolLine:
    """One protocol at its last reading, with the share that it was given since; None where nothing is known.

    usd_per_hour       what was measured last
    at                 time of the reading
    value_age_seconds  how long before that reading it was measured; 0 where that one told it
    """

    protocol: str
    share: float | None
    usd_per_hour: float | None
    answered: bool
    at: str
    value_age_seconds: float | None


@dataclass(frozen=True)
class EngineStatus:
    """What is known of an engine.

    runs     who has the ledger; "" where nobody does
    mode     how far it goes; None where no configuration was given
    halted   why nothing is moved; "" where moves are allowed
    waiting  the plan that a person has to confirm; "" where none waits
    total_usd_per_hour, measured_usd_per_hour
             sum of what protocols earn, and the part of it that the last reading told
    verifying  what a move waits for, since when and until when; "" where nothing is awaited
    """

    ledger: str
    runs: str
    mode: str | None
    halted: str
    waiting: str
    last_reading: str | None
    last_plan: str
    total_usd_per_hour: float = 0.0
    measured_usd_per_hour: float = 0.0
    protocols: list[ProtocolLine] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)
    verifying: str = ""


def status(options: argparse.Namespace) -> int:
    """Prints it."""
    folder = ledger_of(options)
    config = options.config
    mode = None if config is None or config.is_dir() else config_of(config).reallocation.mode.value
    with reading(folder) as books:
        found = _status(books, folder, mode)
    if options.json:
        print(json.dumps(asdict(found), indent=2))
    elif options.csv:
        head = ["protocol", "share", "usd_per_hour", "answered", "time", "value_age_seconds"]
        print(comma_separated([head, *([*asdict(each).values()] for each in found.protocols)]))
    else:
        print(_text(found, datetime.now(UTC), Screen.of(sys.stdout)))
    return 0


def _status(books: LedgerReader, folder: Path, mode: str | None) -> EngineStatus:
    lock, journal, last = LedgerLock(folder), books.journal, books.last_reading
    waiting, plan = journal.waiting(), journal.last_committed()
    protocols = _protocols(books, last)
    known = [(each.usd_per_hour, each.value_age_seconds) for each in protocols if each.usd_per_hour is not None]
    moved = ""
    if plan is not None:
        names = sorted(name for name, now in plan.after.items() if plan.before.get(name, now) != now)
        moves = ", ".join(f"{shown(n)} {amount(plan.before[n])} -> {amount(plan.after[n])}" for n in names)
        moved = f"{plan.at.wall:%Y-%m-%d %H:%M:%S} UTC: {moves} (plan {shown(plan.plan_id)})"
    return EngineStatus(
        ledger=str(folder),
        runs=lock.owner() if lock.is_held() else "",
        mode=mode,
        halted=_stopped(folder, journal.halted()),
        waiting=waiting.plan_id if waiting is not None and not waiting.confirmed else "",
        last_reading=None if last is None else last.isoformat(),
        last_plan=moved,
        total_usd_per_hour=math.fsum(value for value, _ in known),
        measured_usd_per_hour=math.fsum(value for value, age in known if not age),
        protocols=protocols,
        verifying=awaited(journal.unsettled()),
        alerts=[alert.message for alert in journal.alerts(MOST_ALERTS) if alert.recovered_at is None],
    )


def _protocols(books: LedgerReader, last: datetime | None) -> list[ProtocolLine]:
    """Each protocol as it is known at the last reading."""
    if last is None:
        return []
    latest: dict[str, Sample] = {}
    measured: dict[str, Sample] = {}
    for each in books.history.samples(last - LOOKS_BACK, last + timedelta(microseconds=1)):
        latest[each.protocol] = each
        if each.up and each.earnings is not None:
            measured[each.protocol] = each
    committed, changed, found = books.journal.committed(), books.journal.last_changes(), []
    for name, each in sorted(latest.items()):
        value, age = measured.get(name), None
        if value is not None:
            age = (each.at - value.at).total_seconds()
        is_later = name in changed and changed[name].wall >= each.at
        held = committed.get(name, each.share) if is_later else each.share
        earns = None if value is None else value.earnings
        found.append(ProtocolLine(name, held, earns, each.up, each.at.isoformat(), age))
    return found


def _stopped(folder: Path, halted: str) -> str:
    """Why nothing is moved, with what was asked for and not heard yet."""
    asked = [each.kind for each in Requests(folder).all() if each.kind in (PAUSE, RESUME) and not each.is_late()]
    if not asked:
        return halted
    if asked[-1] == RESUME:
        return f"{halted}; it goes on from the next cycle" if halted else ""
    return halted or "a person asked for a pause; it begins with the next cycle"


def _text(found: EngineStatus, now: datetime, screen: Screen) -> str:
    last = None if found.last_reading is None else datetime.fromisoformat(found.last_reading)
    rows = [
        ["engine", f"runs, as {found.runs}" if found.runs else "does not run"],
        ["mode", found.mode or "not known from a ledger; reallot status CONFIG.toml names it"],
        ["moves", _moves(found)],
        ["last reading", "none yet" if last is None else f"{last:%Y-%m-%d %H:%M:%S} UTC, {_ago(last, now)}"],
        ["last plan", found.last_plan or "none in force"],
        ["ledger", shown(found.ledger)],
    ]
    lines = [f"{screen.paint(name.ljust(12), BOLD)}  {screen.folded(told)}" for name, told in rows]
    if found.halted and "next cycle" not in found.halted:
        lines.append(f"To let it move again: reallot resume --ledger {shown(found.ledger)}")
    if found.waiting:
        lines.append(f"Waits for a person: reallot confirm {shown(found.waiting)} --ledger {shown(found.ledger)}")
    if found.protocols:
        table = [["", "share", "USD/h", "answered", ""], *(_row(each, now) for each in found.protocols)]
        held = math.fsum(each.share or 0.0 for each in found.protocols)
        total, measured = f"{found.total_usd_per_hour:.3f}", f"{found.measured_usd_per_hour:.3f} measured"
        table.append(["total", share(held), total, "", measured if any(row[4] for row in table) else ""])
        lines += ["", screen.table(table, (1, 2))]
    lines += [f"! {shown(message)}" for message in found.alerts if message != found.halted]
    return "\n".join(lines)


def _row(each: ProtocolLine, now: datetime) -> list[str]:
    """One protocol; what is carried forward is said to be so."""
    answered = _ago(datetime.fromisoformat(each.at), now) if each.answered else "no"
    if each.usd_per_hour is None:
        return [shown(each.protocol), share(each.share), "?", answered, "gives no fresh value" if each.answered else ""]
    old = f"value {format_duration(each.value_age_seconds)} older" if each.value_age_seconds else ""
    return [shown(each.protocol), share(each.share), f"{each.usd_per_hour:.3f}", answered, old]


def _moves(found: EngineStatus) -> str:
    """Whether anything is moved; why not, where so."""
    if found.halted:
        return f"none: {shown(found.halted)}"
    if found.verifying:
        return shown(found.verifying)
    return f"none: {ONLY[found.mode]}" if found.mode in ONLY else "allowed"


def _ago(moment: datetime, now: datetime) -> str:
    """How long ago in whole seconds; nothing of one that lies ahead, as simulated times may."""
    return f"{format_duration((now - moment) // SECOND * SECOND)} ago" if moment <= now else "ahead of this clock"
