"""Engines that are really killed or paused: `python -m tests.engine.execution.killed` forks one for each line it reads.

A job is JSON: the folder, what to do, and when the process gets a signal: before or after the n-th write of the
journal, or before or after the n-th effect. The world is a file too, so that it survives its engine.

    execute   one plan
    recover   what every start and every cycle begins with
    work      plan after plan until it is killed; each record of the journal is told as soon as it is written
    continue  the process that was paused goes on
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from reallot.engine.contracts.clock import SystemClock
from reallot.engine.contracts.configs import ReallocationConfig
from reallot.engine.contracts.records import AllocationPlan
from reallot.engine.ledger.folder import Ledger, open_ledger
from reallot.engine.ledger.lock import LedgerTaken
from reallot.errors import DataError, ErrorKind, ProtocolError, ReallocationError
from reallot.orchestration.reallocation import ReallocationEngine

BEFORE = {"relay": 0.5, "storage": 0.3, "compute": 0.2}
AFTER = {"relay": 0.3, "storage": 0.4, "compute": 0.3}
THIRD = {"relay": 0.1, "storage": 0.2, "compute": 0.7}
TAKEN, FENCED, PAUSED = 3, 4, 99
"""How a process ended: another one has the ledger, or took it over; or it is paused."""


class Hurried(SystemClock):
    """The machine's clock, without waiting."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


class FileAdapter:
    """A share in a file; every effect is appended to a log."""

    def __init__(self, folder: Path, name: str, refuses: Callable[[float], bool], about: Callable[[str], None]) -> None:
        self.folder, self.name, self.refuses, self.about = folder, name, refuses, about

    async def get_status(self) -> Any:
        raise ProtocolError("no status here", ErrorKind.NEVER_REPORTED)

    async def get_allocation(self) -> float:
        return shares(self.folder)[self.name]

    async def apply_allocation(self, share: float) -> None:
        if self.refuses(share):
            raise ProtocolError("not now", ErrorKind.REFUSED)
        self.about("before an effect")
        now = {**shares(self.folder), self.name: share}
        fresh = self.folder / "world.new"
        fresh.write_text(json.dumps(now))
        fresh.replace(self.folder / "world.json")
        with (self.folder / "effects.log").open("a") as log:
            log.write(f"{json.dumps(now)}\n")
        self.about("after an effect")


def shares(folder: Path) -> dict[str, float]:
    """The true shares."""
    path = folder / "world.json"
    return dict(json.loads(path.read_text())) if path.exists() else dict(BEFORE)


def plan_of(name: str, current: Mapping[str, float], allocation: Mapping[str, float]) -> AllocationPlan:
    return AllocationPlan(
        id=name,
        allocation=dict(allocation),
        current=dict(current),
        estimated_improvement=1.0,
        estimated_cost=0.0,
        net_benefit=24.0,
        roi_percent=0.0,
        confidence=None,
        created_at=datetime(2026, 3, 1, tzinfo=UTC),
    )


def signals_at(job: dict[str, Any]) -> Callable[[str], None]:
    """Counts the moments, and sends the signal at the one that the job names."""
    left = {job.get("when", ""): job.get("number", 0)}
    number = signal.SIGSTOP if job.get("pause") else signal.SIGKILL

    def about(moment: str) -> None:
        if moment in left:
            left[moment] -= 1
            if left[moment] == -1:
                signal.pthread_kill(threading.get_ident(), number)  # this thread: not one instruction further

    return about


def engine_of(job: dict[str, Any]) -> None:
    """Runs one engine; it dies on the way where the job says so."""
    folder, about = Path(job["folder"]), signals_at(job)
    if job.get("by_force"):  # what an operator does who is told of an owner that does not answer
        (folder / "ledger" / "lock.db").unlink()
    began = time.monotonic()
    ledger = open_ledger(folder / "ledger")
    _at_every_write(ledger, about)
    draw = random.Random(job.get("seed", 0))
    refuses = job.get("refuses", "")
    adapters = {
        name: FileAdapter(folder, name, lambda share, name=name: name == refuses and share == AFTER[name], about)
        for name in BEFORE
    }
    config = ReallocationConfig(
        late_effects=timedelta(minutes=job.get("late", 0)),
        verify_timeout=timedelta(milliseconds=1),
        min_hold_duration=timedelta(0),
        max_per_hour=1_000_000,
        most_rollbacks=100,
    )
    engine = ReallocationEngine(config, ledger=ledger, clock=Hurried())
    if job["do"] == "execute":
        try:
            asyncio.run(engine.execute_reallocation(plan_of("the plan", BEFORE, AFTER), adapters))
        except ReallocationError:
            assert refuses
    elif job["do"] == "work":
        for adapter in adapters.values():
            adapter.refuses = lambda share: draw.random() < 0.15
        _tell_every_record(ledger)
        asyncio.run(_work(engine, folder, adapters, draw, job["seed"]))
    else:
        asyncio.run(engine.recover(adapters))
        (folder / "recovery.seconds").write_text(f"{time.monotonic() - began}")
    engine.close()
    ledger.close()


async def _work(
    engine: ReallocationEngine, folder: Path, adapters: dict[str, FileAdapter], draw: random.Random, seed: int
) -> None:
    for number in range(1_000_000):
        now = shares(folder)
        wanted = draw.choice([each for each in (BEFORE, AFTER, THIRD) if each != now])
        with suppress(ReallocationError):
            await engine.execute_reallocation(plan_of(f"plan-{seed}-{number}", now, wanted), adapters)


def _at_every_write(ledger: Ledger, about: Callable[[str], None]) -> None:
    database = ledger.journal._database  # type: ignore[attr-defined]
    once = database._once

    def counted(work: Any) -> Any:
        about("before a write")
        done = once(work)
        about("after a write")
        return done

    database._once = counted


def _tell_every_record(ledger: Ledger) -> None:
    """One line on standard output for each record, when the journal says that it is kept."""
    journal: Any = ledger.journal
    begin, advance, add_step, send, mark, decide = (
        getattr(journal, name) for name in ("begin", "advance", "add_step", "send", "mark", "decide")
    )

    def tell(*record: object) -> None:
        os.write(1, f"{json.dumps(record)}\n".encode())

    def begins(*values: Any, **named: Any) -> Any:
        made = begin(*values, **named)
        tell("operation", made.id, made.state)
        return made

    def advances(operation: int, state: str, *values: Any, **named: Any) -> None:
        advance(operation, state, *values, **named)
        tell("operation", operation, state)
        decision = values[3] if len(values) > 3 else named.get("decision")
        if decision is not None:
            tell("decision", decision.plan_id, decision.verdict)

    def adds_step(*values: Any) -> Any:
        made = add_step(*values)
        tell("step", made.id, made.state)
        return made

    def sends(step: Any, *values: Any) -> None:
        send(step, *values)
        tell("step", step.id, "sent")

    def marks(step: Any, state: str, *values: Any, **named: Any) -> None:
        mark(step, state, *values, **named)
        tell("step", step.id, state)

    def decides(plan_id: str, at: Any, verdict: str, *values: Any) -> None:
        decide(plan_id, at, verdict, *values)
        tell("decision", plan_id, verdict)

    journal.begin, journal.advance, journal.add_step = begins, advances, adds_step
    journal.send, journal.mark, journal.decide = sends, marks, decides


def _child(job: dict[str, Any]) -> int:
    try:
        if job["do"] == "work":
            os.write(1, f"{os.getpid()}\n".encode())
        engine_of(job)
    except LedgerTaken:
        return TAKEN
    except DataError as error:
        if "another engine has taken over" in str(error):
            return FENCED
        print(f"DataError: {error}", file=sys.stderr, flush=True)
        return 1
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def main() -> None:
    """One fork for each job; answers with how the process ended."""
    paused = 0
    try:
        for line in sys.stdin:
            job = json.loads(line)
            if job["do"] == "continue":
                child = paused
                os.kill(child, signal.SIGCONT)
            else:
                child = os.fork()
                if child == 0:
                    os._exit(_child(job))
            _, status = os.waitpid(child, os.WUNTRACED)
            if os.WIFSTOPPED(status):
                paused = child
                print(PAUSED, flush=True)
                continue
            paused = 0 if child == paused else paused
            print(os.waitstatus_to_exitcode(status), flush=True)
    finally:
        if paused:
            os.kill(paused, signal.SIGKILL)


if __name__ == "__main__":
    main()
