"""reallot status: where an engine stands now, from its ledger; it may be running."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ..engine.contracts.configs import Mode
from ..engine.ledger.history import Sample
from ..engine.ledger.lock import LedgerLock
from ..engine.ledger.operator_requests import PAUSE, RESUME, Requests
from ..text.durations import format_duration
from ..text.numbers import amount, share, shown
from ..text.tables import comma_separated
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
    """One protocol at its last reading; None where it said nothing of it. `at` is the time of the reading."""

    protocol: str
    share: float | None
    usd_per_hour: float | None
    answered: bool
    at: str


@dataclass(frozen=True)
class EngineStatus:
    """What is known of an engine.

    runs     who has the ledger; "" where nobody does
    mode     how far it goes; None where no configuration was given
    halted   why nothing is moved; "" where moves are allowed
    waiting  the plan that a person has to confirm; "" where none waits
    """

    ledger: str
    runs: str
    mode: str | None
    halted: str
    waiting: str
    last_reading: str | None
    last_plan: str
    protocols: list[ProtocolLine] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)


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
        head = ["protocol", "share", "usd_per_hour", "answered", "time"]
        print(comma_separated([head, *([*asdict(each).values()] for each in found.protocols)]))
    else:
        print(_text(found, datetime.now(UTC), Screen.of(sys.stdout)))
    return 0


def _status(books: LedgerReader, folder: Path, mode: str | None) -> EngineStatus:
    lock, journal, last = LedgerLock(folder), books.journal, books.last_reading
    waiting, plan = journal.waiting(), journal.last_committed()
    latest: dict[str, Sample] = {}
    if last is not None:
        for each in books.history.samples(last - LOOKS_BACK, last + timedelta(microseconds=1)):
            latest[each.protocol] = each
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
        protocols=[
            ProtocolLine(name, each.share, each.earnings, each.up, each.at.isoformat())
            for name, each in sorted(latest.items())
        ],
        alerts=[alert.message for alert in journal.alerts(MOST_ALERTS) if alert.recovered_at is None],
    )


def _stopped(folder: Path, halted: str) -> str:
    """Why nothing is moved, with what was asked for and not heard yet."""
    asked = [each.kind for each in Requests(folder).all() if each.kind in (PAUSE, RESUME)]
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
        table = [["", "share", "USD/h", "answered"]]
        table += [
            [
                shown(each.protocol),
                share(each.share),
                "?" if each.usd_per_hour is None else f"{each.usd_per_hour:.3f}",
                _ago(datetime.fromisoformat(each.at), now) if each.answered else "no",
            ]
            for each in found.protocols
        ]
        lines += ["", screen.table(table, (1, 2))]
    lines += [f"! {shown(message)}" for message in found.alerts if message != found.halted]
    return "\n".join(lines)


def _moves(found: EngineStatus) -> str:
    """Whether anything is moved; why not, where so."""
    if found.halted:
        return f"none: {shown(found.halted)}"
    return f"none: {ONLY[found.mode]}" if found.mode in ONLY else "allowed"


def _ago(moment: datetime, now: datetime) -> str:
    """How long ago in whole seconds; nothing of one that lies ahead, as simulated times may."""
    return f"{format_duration((now - moment) // SECOND * SECOND)} ago" if moment <= now else "ahead of this clock"
