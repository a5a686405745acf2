"""A pause that a person asks for from another process: what was begun is ended first, then nothing is moved."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from reallot.engine.contracts.configs import ReallocationConfig
from reallot.engine.contracts.move_state import MoveState
from reallot.engine.execution.pause import PAUSED
from reallot.engine.ledger.folder import open_ledger
from reallot.engine.ledger.operator_requests import PAUSE, RESUME
from reallot.orchestration.reallocation import ReallocationEngine
from tests.engine.execution.test_reallocation_engine import TO, refused, two
from tests.orchestration.worlds import run, same


def engine_at(folder, clock, alerts):
    config = ReallocationConfig(late_effects=timedelta(0), min_hold_duration=timedelta(0))
    ledger = open_ledger(folder)
    return ledger, ReallocationEngine(config, ledger=ledger, clock=clock, on_alert=alerts.append)


@pytest.mark.slow
def test_a_paused_engine_refuses_plans_until_resume(tmp_path):
    async def test(clock):
        world, alerts = two(), []
        ledger, engine = engine_at(tmp_path, clock, alerts)
        ledger.requests.post(PAUSE)
        for _ in range(3):
            await engine.recover(world.adapters)
            error = await refused(engine.execute_reallocation(world.plan(**TO), world.adapters))
            assert (error.by, error.reason) == (MoveState.HALTED, PAUSED)
        assert same(world.shares, {"relay": 0.5, "storage": 0.5})
        assert [alert.message for alert in alerts] == [PAUSED]
        ledger.requests.post(RESUME)
        await engine.execute_reallocation(world.plan(**TO), world.adapters)
        assert same(world.shares, TO)
        assert ledger.requests.all() == []
        ledger.close()

    run(test)


@pytest.mark.slow
def test_a_pause_outlives_the_engine(tmp_path):
    async def test(clock):
        world = two()
        ledger, engine = engine_at(tmp_path, clock, [])
        ledger.requests.post(PAUSE)
        await engine.recover(world.adapters)
        ledger.close()
        alerts = []
        ledger, engine = engine_at(tmp_path, clock, alerts)
        error = await refused(engine.execute_reallocation(world.plan(**TO), world.adapters))
        assert error.by == MoveState.HALTED
        assert [alert.message for alert in alerts] == [PAUSED]
        ledger.close()

    run(test)


@pytest.mark.slow
def test_a_move_that_was_begun_is_ended_before_the_pause(tmp_path):
    async def test(clock):
        world = two()
        ledger, engine = engine_at(tmp_path, clock, [])
        world.fail("storage", "hang")  # after the other gave up its part
        move = asyncio.ensure_future(engine.execute_reallocation(world.plan(**TO), world.adapters))
        while not world.adapters["storage"].calls:
            await asyncio.sleep(0)
        move.cancel()
        await asyncio.gather(move, return_exceptions=True)
        assert ledger.journal.open_operation() is not None
        ledger.requests.post(PAUSE)
        for _ in range(4):
            await engine.recover(world.adapters)
            await asyncio.sleep(600.0)
        assert ledger.journal.open_operation() is None
        assert ledger.journal.halted() == PAUSED
        assert same(world.shares, {"relay": 0.5, "storage": 0.5})
        ledger.close()

    run(test)
