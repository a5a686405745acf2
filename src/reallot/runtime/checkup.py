"""A configuration tried out before it runs: every adapter is asked once, nothing is moved, and no file is made."""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ..adapters.reading import FIRST_READING
from ..allocation.allocate import allocate
from ..engine.contracts.adapter import ProtocolAdapter
from ..engine.contracts.clock import Clock, SystemClock
from ..engine.contracts.configs import Mode
from ..engine.contracts.records import ProtocolStatus
from ..engine.contracts.secrets import redact
from ..engine.contracts.validation import UNREAD_QUOTE, failure
from ..engine.execution.adapter_calls import only_reads
from ..engine.ledger.folder import read_journal
from ..engine.ledger.lock import LedgerLock
from ..errors import (
    ConfigurationError,
    CoordinationError,
    ErrorKind,
    Infeasible,
    InvalidInput,
    ReallotError,
    SolverFailed,
)
from ..orchestration.coordinator import ProtocolCoordinator
from ..problem import AllocationProblem, EarningsCurve, ProtocolSpec
from ..text.durations import format_duration
from ..text.numbers import amount
from .adapter_settings import ADAPTERS
from .availability import PATIENCE
from .build import adapter_of, availability_of
from .config import Config
from .shared_settings import BuildPlace

ACTING = (Mode.CONFIRM, Mode.AUTOMATIC)
TOLERANCE = 1e-6
"""Shares that sum to the capacity within this are all of it."""
CURES: Mapping[ErrorKind, str] = {
    ErrorKind.AUTH: "see that the variables with its login are set, and that the login is right",
    ErrorKind.RATE_LIMITED: 'ask it less often: min_interval = "5m"',
    ErrorKind.TRANSIENT: "see its own log, then check again",
    ErrorKind.SHAPE: "compare the keys of its table with what it really answers",
    ErrorKind.UNREACHABLE: "see that it runs, and that its address in this table is right",
    ErrorKind.NEVER_REPORTED: "wait where it is new; else compare the keys of its table with what it really answers",
    ErrorKind.REFUSED: "see what it allows",
    ErrorKind.UNKNOWN: "see its own log, then check again",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    place     the table that it is about: "[protocols.disk]", "[ledger]"
    adapter   of a protocol
    earnings  USD/h that it says; None where it says none
    share     that it has; None where that is not known
    trouble   what is wrong; "" where nothing is
    cure      what would mend that
    note      what somebody should know all the same
    """

    place: str
    adapter: str = ""
    earnings: float | None = None
    share: float | None = None
    trouble: str = ""
    cure: str = ""
    note: str = ""


async def check_config(config: Config, *, clock: Clock | None = None) -> list[Finding]:
    """What is found where a configuration is tried out: the ledger, each protocol, then all of them together."""
    clock = clock or SystemClock()
    coordinator = ProtocolCoordinator(clock=clock, power=config.power_cost)
    found = [_ledger(config)]
    broken: dict[str, Finding] = {}
    for name, section in config.protocols.items():
        try:
            place = BuildPlace(clock, clock.now(), config.folder, config.simulation.seed)
            coordinator.register_adapter(name, adapter_of(config, name, section, place))
        except ConfigurationError as error:
            where = f"[protocols.{name}]"
            told = str(error).removeprefix(f"{config.source}: ").removeprefix(where).strip()
            told, install, library = told.partition(": pip install ")
            cure = f"pip install {library}" if install else "mend this key"
            broken[name] = Finding(where, _kind(config, name), trouble=told, cure=cure)
    availability = availability_of(config, clock)
    try:
        asked, stale = await _asked(coordinator)
        found += [
            broken.get(name) or await _protocol(config, name, coordinator.adapters[name], asked[name], stale.get(name))
            for name in config.protocols
        ]
    finally:
        await coordinator.close()
    if availability is not None:
        found = _with_availability(found, await availability.look(2 * PATIENCE), availability.away())
    acts = config.reallocation.mode in ACTING
    fixed = frozenset(name for name, adapter in coordinator.adapters.items() if acts and only_reads(adapter))
    together = _together(config, found, fixed)
    return found if together is None else [*found, together]


async def _asked(coordinator: ProtocolCoordinator) -> tuple[dict[str, ProtocolStatus | None], Mapping[str, float]]:
    """One poll: what each says, and ages (seconds) of old values. One that failed is not asked again for its error."""
    statuses: Mapping[str, ProtocolStatus] = {}
    stale: Mapping[str, float] = {}
    with suppress(CoordinationError):  # nothing is there, or nothing answers
        metrics = await coordinator.poll_all()
        statuses, stale = metrics.statuses, metrics.stale
    asked: dict[str, ProtocolStatus | None] = {}
    for name in coordinator.adapters:
        asked[name] = statuses.get(name)
        if asked[name] is None:
            with suppress(CoordinationError):
                asked[name] = await coordinator.get_protocol_status(name)
    return asked, stale


async def _protocol(
    config: Config, name: str, adapter: ProtocolAdapter, status: ProtocolStatus | None, old: float | None
) -> Finding:
    place, kind = f"[protocols.{name}]", _kind(config, name)
    if status is None:
        return Finding(place, kind, trouble="it hangs in a call that cannot be ended", cure=CURES[ErrorKind.TRANSIENT])
    share, unread = status.allocation, ""
    if share is None:
        try:
            share = await adapter.get_allocation()
        except Exception as error:
            unread = failure(error)[1]
    told = status.message.removeprefix(f"{name}: ")
    if status.error is not None and not status.message.endswith(FIRST_READING):
        return Finding(place, kind, share=share, trouble=told, cure=_cure(status.error, told))
    note = "it answers; its rate follows from the next readings" if status.error is not None else ""
    if share is None and config.protocols[name].actor is not None:
        cure = "see that what its actor table names exists and can be read"
        return Finding(place, kind, status.earnings_per_hour, None, f"its share cannot be read: {unread}", cure)
    if share is None:
        note = "its share is not known, so it is watched and never moved: set its share, or give it an actor"
    if UNREAD_QUOTE in told:
        cure = CURES[ErrorKind.SHAPE]
        return Finding(place, kind, status.earnings_per_hour, share, told, cure)
    if status.healthy is False:
        return Finding(place, kind, status.earnings_per_hour, share, "it says that it is not well", "see its own log")
    if old is not None:
        cure = 'see that it still counts; where it changes rarely: series = { kind = "rate", cadence = "1d" }'
        trouble = f"its value is {format_duration(old)} old, by its own time"
        return Finding(place, kind, status.earnings_per_hour, share, trouble, cure)
    return Finding(place, kind, status.earnings_per_hour, share, note=note)


def _with_availability(found: list[Finding], failing: Mapping[str, str], away: Mapping[str, str]) -> list[Finding]:
    """The findings with commands that could not be asked, and with who may hold nothing now."""
    result = []
    for each in found:
        name = each.place.removeprefix("[protocols.").removesuffix("]")
        if name in failing and not each.trouble:
            cure = "see that its busy_command names a program that ends by itself"
            each = replace(each, trouble=f"busy_command cannot be asked: {failing[name]}", cure=cure)
        elif name in away:
            each = replace(each, note=f"may hold nothing now, {away[name]}")
        result.append(each)
    return result


def _cure(kind: ErrorKind, told: str) -> str:
    """What would mend it; a variable that is not set is named."""
    if told.startswith("the environment variable ") and told.endswith(" is not set"):
        return f"set it where reallot runs: export {told.split()[3]}=..."
    if "set time_zone" in told:
        return 'write the zone beside its time key, such as time_zone = "UTC"'
    return CURES[kind]


def _together(config: Config, found: list[Finding], fixed: frozenset[str]) -> Finding | None:
    """What no protocol can see alone: shares that are above capacity, or limits that no split meets.

    fixed  protocols whose shares nobody here can change: they stay as they are
    """
    shares = {each.place: each.share for each in found if each.share is not None}
    if (total := math.fsum(shares.values())) > 1.0 + max(config.share_slack, TOLERANCE):
        told = ", ".join(f"{place} {amount(share)}" for place, share in shares.items())
        cure = "correct share where it is a number; else give back what is too much"
        return Finding("[protocols]", trouble=f"all shares together are {amount(total)}, above 1: {told}", cure=cure)
    if not shares and not any(each.trouble for each in found):
        return Finding("[protocols]", note="no share of any protocol is known, so there is nothing to plan or to move")
    if len(shares) < len(config.protocols):
        return None
    specs, current = [], {}
    for name, section in config.protocols.items():
        specs.append(section.spec or ProtocolSpec(name, EarningsCurve.flat(0.0)))
        current[name] = shares[f"[protocols.{name}]"]
    # how far one plan may go is no matter of what can be reached in the end
    held = {*fixed, *(name for name in config.limits.held if config.limits.held_until(name, 1))}
    limits = replace(config.limits, held=held, max_change=None, max_turnover=None, max_moves=None)
    if total > 1.0:
        current = {name: share / total for name, share in current.items()}
    try:
        allocate(AllocationProblem(specs, current, limits=limits, allow_idle=total < 1.0 - TOLERANCE))
    except Infeasible as error:
        return Finding(
            "[limits]", trouble=redact(f"no split meets all limits: {error}", 800), cure="loosen what it names"
        )
    except (InvalidInput, SolverFailed) as error:
        return Finding("[limits]", trouble=redact(str(error), 800), cure="mend what it names")
    return None


def _ledger(config: Config) -> Finding:
    """Whether what must survive a restart can be kept; nothing is made there, and nothing is kept aside."""
    folder, place = config.ledger_folder, "[ledger]"
    if missing := [variable for where, variable in config.missing_variables() if where == place]:
        told = f"the environment variable {missing[0]} is not set"
        return Finding(place, trouble=told, cure=_cure(ErrorKind.AUTH, told))
    if folder is None:
        note = "kept in memory: a restart forgets holds and readings" if config.reallocation.mode in ACTING else ""
        return Finding(place, note=f"{note}; path keeps them" if note else "kept in memory")
    if not folder.exists():
        above = next(each for each in (folder, *folder.absolute().parents) if each.exists())
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            trouble = f"{folder} cannot be made: {above} is no folder that may be written"
            return Finding(place, trouble=trouble, cure="set path to a folder that this user may write")
        return Finding(place, note=f"{folder} is made by the first run")
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        trouble = f"{folder} is no folder that may be written"
        return Finding(place, trouble=trouble, cure="set path to a folder that this user may write")
    return _journal(folder, place)


def _journal(folder: Path, place: str) -> Finding:
    if not (folder / "journal.db").is_file():
        return Finding(place, note=f"{folder}: nothing was moved yet")
    try:
        journal = read_journal(folder)
        try:
            sound, halted = journal.sound(), journal.halted()
        finally:
            journal.close()
    except (ReallotError, sqlite3.Error, ValueError, LookupError) as error:
        return Finding(place, trouble=redact(str(error)), cure=f"keep {folder} aside, and let the next run begin anew")
    if not sound:
        cure = "the next run keeps it aside, and moves nothing until somebody has looked and resumes"
        return Finding(place, trouble=f"{folder / 'journal.db'} is damaged", cure=cure)
    if halted:
        cure = f"look at the shares, then: reallot resume --ledger {folder}"
        return Finding(place, trouble=f"nothing is moved: {redact(halted, 800)}", cure=cure)
    lock = LedgerLock(folder)
    return Finding(place, note=f"{folder} is in use by {lock.owner()}" if lock.is_held() else str(folder))


def _kind(config: Config, name: str) -> str:
    """What `adapter` says of a protocol, with its actor's where there is one."""
    section = config.protocols[name]
    kinds = [section.reader] if section.actor is None else [section.reader, section.actor]
    return " + ".join(kind for each in kinds for kind, settings in ADAPTERS.items() if type(each) is settings)
