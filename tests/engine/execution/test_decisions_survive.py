"""A process that ends at any write of the journal: what it decided on a plan is known after the next start."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

import pytest

from reallot.engine.contracts.clock import ManualClock
from reallot.engine.contracts.configs import ReallocationConfig
from reallot.engine.contracts.move_state import MoveState
from reallot.engine.ledger.sqlite_journal import SqliteJournal
from reallot.errors import ReallocationError
from reallot.orchestration.reallocation import ReallocationEngine
from tests.orchestration.worlds import World, plan, same

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TO = {"relay": 0.3, "compute": 0.7}
ENDED = {MoveState.COMMITTED: "committed", MoveState.ROLLED_BACK: "rolled_back"}


class Ends(BaseException):
    """The process ends here."""


def engine_on(path, clock, ends_after=None):
    """An engine on this file; with `ends_after` its process ends once so many writes are on the disk."""
    journal = SqliteJournal(path, reserve_bytes=0)
    if ends_after is not None:
        write, count = journal._database.write, iter(range(1, 10**6))

        def counted(work):
            result = write(work)
            if next(count) >= ends_after:
                raise Ends
            return result

        journal._database.write = counted
    config = ReallocationConfig(late_effects=timedelta(0))
    return ReallocationEngine(config, ledger=journal, clock=clock)


def closed(engine):
    engine.close()
    engine.journal.close()


@pytest.mark.parametrize("refuses", [False, True], ids=["goes well", "compute refuses"])
@pytest.mark.parametrize("writes", range(1, 16))
def test_a_plan_that_ended_has_its_decision_wherever_the_process_ended(writes, refuses, tmp_path):
    clock, world = ManualClock(NOON), World(relay=0.5, compute=0.5)
    if refuses:
        world.fail("compute", "refuse")
    wanted = plan(world.shares, TO, id="p")
    first = engine_on(tmp_path / "journal.db", clock)
    first.journal.decide("p", NOON, "planned", "", wanted.model_dump_json(), "{}")
    closed(first)
    ended = engine_on(tmp_path / "journal.db", clock, writes)
    with contextlib.suppress(Ends, ReallocationError):
        asyncio.run(ended.execute_reallocation(wanted, world.adapters))
    closed(ended)
    after = engine_on(tmp_path / "journal.db", clock)
    asyncio.run(after.recover(world.adapters))
    operation = after.journal.operation_of("p")
    decisions = {each.verdict: each for each in after.journal.decisions()}
    if operation is not None and operation.state in ENDED:
        found = decisions[ENDED[operation.state]]
        assert found.plan == wanted.model_dump_json()
        assert same(world.shares, TO if operation.state is MoveState.COMMITTED else {"relay": 0.5, "compute": 0.5})
    else:
        assert operation is None or operation.state is MoveState.DISCARDED
        assert not set(decisions) & set(ENDED.values())
    closed(after)
