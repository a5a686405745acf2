"""Engines that are really killed: `python -m tests.orchestration.killed` forks one process for each line it reads.

A job is JSON: the folder, "execute" or "recover", and when to die: before or after the n-th write of the journal, or
before or after the n-th effect. The world is a file too, so that it survives its engine.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from reallot.errors import ErrorKind, ProtocolError, ReallocationError
from reallot.ledger.store import open_ledger
from reallot.orchestration.clock import SystemClock
from reallot.orchestration.reallocation import ReallocationEngine
from reallot.orchestration.records import AllocationPlan, ReallocationConfig

BEFORE = {"relay": 0.5, "storage": 0.3, "compute": 0.2}
AFTER = {"relay": 0.3, "storage": 0.4, "compute": 0.3}


class Hurried(SystemClock):
    """The machine's clock, without waiting."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


class FileAdapter:
    """A share in a file; every effect is appended to a log."""

    def __init__(self, folder: Path, name: str, refuses: bool, about: Callable[[str], None]) -> None:
        self.folder, self.name, self.refuses, self.about = folder, name, refuses, about

    async def get_status(self) -> Any:
        raise ProtocolError("no status here", ErrorKind.NEVER_REPORTED)

    async def get_allocation(self) -> float:
        return shares(self.folder)[self.name]

    async def apply_allocation(self, share: float) -> None:
        if self.refuses and share == AFTER[self.name]:
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


def engine_of(job: dict[str, Any]) -> None:
    """Runs one engine; it dies on the way where the job says so."""
    folder = Path(job["folder"])
    left = {job.get("when", ""): job.get("number", 0)}

    def about(moment: str) -> None:
        if moment in left:
            left[moment] -= 1
            if left[moment] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    ledger = open_ledger(folder / "ledger")
    database = ledger.journal._database  # type: ignore[attr-defined]
    once = database._once

    def counted(work: Any) -> Any:
        about("before a write")
        done = once(work)
        about("after a write")
        return done

    database._once = counted
    refuses = job.get("refuses", "")
    adapters = {name: FileAdapter(folder, name, name == refuses, about) for name in BEFORE}
    config = ReallocationConfig(late_effects=timedelta(0), min_hold_duration=timedelta(0))
    engine = ReallocationEngine(config, ledger=ledger, clock=Hurried())
    plan = AllocationPlan(
        id="the plan",
        allocation=AFTER,
        current=BEFORE,
        estimated_improvement=1.0,
        estimated_cost=0.0,
        net_benefit=24.0,
        roi_percent=0.0,
        confidence=None,
        created_at=datetime(2026, 3, 1, tzinfo=UTC),
    )
    if job["do"] == "execute":
        try:
            asyncio.run(engine.execute_reallocation(plan, adapters))
        except ReallocationError:
            assert refuses
    else:
        asyncio.run(engine.recover(adapters))
    engine.close()
    ledger.close()


def main() -> None:
    """One fork for each job; answers with how the process ended."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                engine_of(json.loads(line))
                code = 0
            except BaseException as error:
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
