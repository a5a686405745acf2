"""reallot confirm, acknowledge, pause, resume, rollback and forget: what a person asks of an engine, running or not."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from ..engine.contracts.clock import SystemClock
from ..engine.contracts.move_state import MoveState
from ..engine.contracts.records import ChangeKind
from ..engine.execution.journal_thread import AsyncJournal
from ..engine.execution.orphaned import KEY, give_up
from ..engine.ledger.folder import open_ledger
from ..engine.ledger.journal import Operation
from ..engine.ledger.lock import LedgerTaken
from ..engine.ledger.operator_requests import (
    ACKNOWLEDGE,
    ASK_AGAIN,
    CONFIRM,
    DECLINE,
    PAUSE,
    RESUME,
    ROLLBACK,
    Requests,
)
from ..errors import DataError, ReallocationError, near_miss
from ..runtime.build import build, close_quietly
from ..runtime.config import Config
from ..text.numbers import amount, shown
from .config_file import config_of, ledger_of
from .ledger_reader import reading


def confirm(options: argparse.Namespace) -> int:
    """Says yes to the plan that waits."""
    folder = ledger_of(options)
    with reading(folder) as books:
        waiting = books.journal.waiting()
    if waiting is None or waiting.plan_id != options.plan:
        instead = f"; {shown(waiting.plan_id)} does" if waiting is not None else "; none does"
        raise ReallocationError(f"plan {shown(options.plan)} does not wait for a confirmation{instead}", by="confirm")
    if not waiting.confirmed:
        Requests(folder).post(CONFIRM, waiting.plan_id)
    print(f"Confirmed: {shown(waiting.plan_id)} is carried out in the next cycle, if it still fits the world by then.")
    return 0


def decline(options: argparse.Namespace) -> int:
    """Says no to the plan that waits: the same moves are not asked for again while a confirmation would have lived."""
    folder = ledger_of(options)
    with reading(folder) as books:
        waiting = books.journal.waiting()
    if waiting is None or waiting.plan_id != options.plan or waiting.confirmed:
        reason = f"plan {shown(options.plan)} does not wait for a confirmation"
        raise ReallocationError(reason, by="confirm")
    Requests(folder).post(DECLINE, waiting.plan_id)
    print(f"Declined: {shown(waiting.plan_id)} does not wait any more from the next cycle on.")
    return 0


def pause(options: argparse.Namespace) -> int:
    """Lets an engine move nothing from the next cycle on; one that does not run hears of it when it starts."""
    folder = ledger_of(options)
    with reading(folder) as books:
        halted = books.journal.halted()
    if halted:
        raise ReallocationError(f"{folder}: nothing is moved already: {shown(halted)}", by=MoveState.NOTHING_TO_DO)
    Requests(folder).post(PAUSE)
    print(f"Nothing is moved from the next cycle on. To let it move again: reallot resume --ledger {folder}")
    return 0


def resume(options: argparse.Namespace) -> int:
    """Lets an engine move again that halted, and ask at once what it asks seldom, since that did not answer."""
    folder = ledger_of(options)
    with reading(folder) as books:
        halted, frozen, silent = books.journal.halted(), books.journal.frozen(), books.silent()
    paused = any(each.kind == PAUSE for each in Requests(folder).all())
    if not halted and not frozen and not paused and not silent:
        reason = f"{folder}: nothing is halted, and no protocol failed to answer when it was asked last"
        raise ReallocationError(reason, by=MoveState.NOTHING_TO_DO)
    stopped = bool(halted or frozen or paused)
    Requests(folder).post(RESUME if stopped else ASK_AGAIN)
    if silent:
        print(f"Asked again in the next cycle: {', '.join(map(shown, silent))} did not answer, and may be backed off.")
    if not stopped:
        return 0
    names = f" ({', '.join(shown(name) for name in sorted(frozen))} frozen)" if frozen else ""
    why = f" It had halted{names}: {shown(halted)}" if halted else ""
    print(f"Moves are allowed again from the next cycle on.{why}")
    return 0


def acknowledge(options: argparse.Namespace) -> int:
    """Says that somebody has seen an alert: earnings that jumped are believed from then on."""
    folder = ledger_of(options)
    with reading(folder) as books:
        keys = [each.key for each in books.journal.alerts() if each.recovered_at is None]
    found = [key for key in keys if options.alert in (key, key.partition(":")[2])]
    if not found:
        hint = f"; {near_miss(options.alert, keys)}" if keys else ""
        reason = f"{folder}: no alert is open about {shown(options.alert)}{hint}"
        raise ReallocationError(reason, by=MoveState.NOTHING_TO_DO)
    for key in found:
        Requests(folder).post(ACKNOWLEDGE, key)
    print(f"Seen: {', '.join(map(shown, found))}. The engine takes it up in the next cycle.")
    return 0


def rollback(options: argparse.Namespace) -> int:
    """Asks for the shares before the last plan; with a configuration they are put back now, where no engine runs."""
    config = None if options.config is None else config_of(options.config)
    folder = ledger_of(options)
    with reading(folder) as books:
        last, halted = books.journal.last_committed(), books.journal.halted()
        begun = books.journal.open_operation()
    if begun is not None and begun.kind is ChangeKind.MOVE and begun.state is MoveState.APPLYING:
        last = begun
    if last is None:
        raise ReallocationError(f"{folder}: no plan is in force that could be taken back", by=MoveState.NOTHING_TO_DO)
    if halted:
        reason = f"{folder} is halted: {shown(halted)}; first look, then: reallot resume"
        raise ReallocationError(reason, by=MoveState.HALTED)
    if config is not None:
        try:
            asyncio.run(_roll_back(config, folder, last.plan_id))
        except LedgerTaken:
            pass  # an engine runs, and hears of it
        else:
            print(f"Taken back: {shown(last.plan_id)}, {_moves(last)}")
            return 0
    Requests(folder).post(ROLLBACK, last.plan_id)
    print(f"Asked for: {shown(last.plan_id)} is taken back at the begin of the next cycle, {_moves(last)}")
    return 0


def forget(options: argparse.Namespace) -> int:
    """Takes a person's word that a protocol which is not configured any more has no share."""
    folder = ledger_of(options)
    with reading(folder) as books:
        told = [each.key for each in books.journal.alerts() if each.key.startswith(KEY) and each.recovered_at is None]
    names = [key.removeprefix(KEY) for key in told]
    if options.name not in names:
        hint = f"; {near_miss(options.name, names)}" if names else ""
        reason = f"no engine missed {shown(options.name)} here: only what is not configured any more is forgotten{hint}"
        raise ReallocationError(reason, by=MoveState.NOTHING_TO_DO)
    opened = open_ledger(folder)
    try:
        if opened.journal.observe_only:
            raise DataError(opened.journal.observe_only)
        most = opened.journal.most(options.name) or 0.0
        give_up(opened.journal, options.name, AsyncJournal(opened.journal, SystemClock()).stamp())
    finally:
        opened.close()
    print(f"Forgotten: {shown(options.name)}; the {amount(most)} of capacity that it may have had is free from now on.")
    return 0


async def _roll_back(config: Config, folder: Path, plan_id: str) -> None:
    """Acts as the engine; raises LedgerTaken where there is one."""
    parts = build(config, ledger=folder)
    try:
        Requests(folder).post(ROLLBACK, plan_id)
        await parts.engine.execute_rollback_asked(parts.coordinator.adapters)
    finally:
        await close_quietly(parts)


def _moves(plan: Operation) -> str:
    """The way back of a plan."""
    names = sorted(name for name, share in plan.after.items() if plan.before.get(name, share) != share)
    return ", ".join(f"{shown(name)} {amount(plan.after[name])} -> {amount(plan.before[name])}" for name in names)
