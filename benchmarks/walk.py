"""python -m benchmarks.walk: how much of the package one decision and one cycle run through.

Counted are the source files entered, the named functions run (comprehensions and lambdas are not functions of their
own), and, for a cycle, the SQL statements of its journal. The files and functions of a cycle are those of building its
objects too; the cycle that stays is the second one. A count says how much somebody has to read, not how long it takes.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import reallot as ra
from reallot.engine.ledger.sqlite_journal import MemoryJournal

MOVES, STAYS = "cycle that moves two", "cycle that stays"
PACKAGE = str(Path(ra.__file__).parent) + "/"


@dataclass(frozen=True)
class Walk:
    """What one piece of work ran: source files, named functions, and SQL statements where there is a journal."""

    name: str
    files: int
    functions: int
    statements: int | None = None


def walked(name: str, work: Callable[[], object]) -> Walk:
    """Runs `work` and counts."""
    files, functions = set[str](), set[tuple[str, str]]()

    def entered(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(PACKAGE):
            files.add(code.co_filename)
            if not code.co_qualname.endswith(">"):
                functions.add((code.co_filename, code.co_qualname))

    sys.setprofile(entered)
    try:
        work()
    finally:
        sys.setprofile(None)
    return Walk(name, len(files), len(functions))


def problem() -> ra.AllocationProblem:
    """Three protocols: a curve, a cap, a cost; one is held."""
    return ra.AllocationProblem(
        protocols=[
            ra.ProtocolSpec("storage", ra.EarningsCurve.through([(0, 0), (0.3, 0.9), (0.6, 1.2)]), move_cost=0.02),
            ra.ProtocolSpec("relay", 2.1, max_share=0.5),
            ra.ProtocolSpec("compute", 1.7, move_cost=0.01),
        ],
        current={"storage": 0.4, "relay": 0.4, "compute": 0.2},
        horizon_hours=24,
        limits=ra.Limits(max_change=0.2, held={"relay"}),
    )


class World:
    """A new engine in memory over two simulated protocols, of which the second earns `rate` USD/h."""

    def __init__(self, rate: float) -> None:
        self.clock = ra.ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.coordinator = ra.ProtocolCoordinator(clock=self.clock)
        for name, earns, share in (("relay", 1.0, 0.6), ("compute", rate, 0.4)):
            self.coordinator.register_adapter(name, ra.SimulatedAdapter(name, earns, share=share, clock=self.clock))
        self.optimizer = ra.EarningsOptimizer(ra.OptimizerConfig(), clock=self.clock)
        self.journal = MemoryJournal()
        self.engine = ra.ReallocationEngine(ra.ReallocationConfig(), ledger=self.journal, clock=self.clock)
        self.monitor = ra.RealtimeMonitor(ra.MonitorConfig(), clock=self.clock, changes=self.engine)

    async def cycle(self) -> Any:
        """One cycle; its result."""
        return await ra.run_cycle(self.coordinator, self.optimizer, self.engine, self.monitor, clock=self.clock)


def cycle(rate: float, acts: bool, before: int) -> None:
    """So many cycles and one more, which acts or does not."""
    world = World(rate)

    async def run() -> None:
        for _ in range(before + 1):
            result = await world.cycle()
            world.clock.advance(60.0)
        assert result.acted is acts and not result.errors, result

    asyncio.run(run())


@contextmanager
def statements(journal: MemoryJournal) -> Iterator[list[str]]:
    """What SQLite is asked for meanwhile."""
    found: list[str] = []
    connection: sqlite3.Connection = journal._database.connection
    connection.set_trace_callback(found.append)
    try:
        yield found
    finally:
        connection.set_trace_callback(None)


def asked(rate: float, before: int) -> int:
    """SQL statements of the cycle after `before` others."""
    world = World(rate)

    async def run() -> int:
        for _ in range(before):
            await world.cycle()
            world.clock.advance(60.0)
        with statements(world.journal) as found:
            await world.cycle()
        return len(found)

    return asyncio.run(run())


def walks() -> list[Walk]:
    """Every piece of work, once more after a first time that loads what is loaded late."""
    made = [problem() for _ in range(6)]
    works: list[tuple[str, Callable[[], object]]] = [
        ("making a problem", problem),
        ("allocate, exact", lambda: ra.allocate(made.pop())),
        ("allocate, HiGHS", lambda: ra.allocate(made.pop(), solver="highs")),
        ("allocate, explain", lambda: str(ra.explain(ra.allocate(made.pop()), budget_seconds=None))),
        (MOVES, lambda: cycle(3.0, acts=True, before=0)),
        (STAYS, lambda: cycle(1.0, acts=False, before=1)),
    ]
    sql = {MOVES: asked(3.0, before=0), STAYS: asked(1.0, before=1)}
    found = []
    for name, work in works:
        work()
        walk = walked(name, work)
        found.append(Walk(name, walk.files, walk.functions, sql.get(name)))
    return found


def shown(found: Iterable[Walk]) -> str:
    """The table, as ARCHITECTURE.md has it."""
    rows = ["| work | files | named functions | SQL |", "|---|---|---|---|"]
    for each in found:
        sql = "" if each.statements is None else each.statements
        rows.append(f"| {each.name} | {each.files} | {each.functions} | {sql} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(shown(walks()))
