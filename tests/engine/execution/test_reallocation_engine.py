"""The engine on a world in the hand: what it does with plans, and with each thing that can go wrong."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from reallot.engine.contracts.configs import Mode, ReallocationConfig
from reallot.engine.contracts.move_state import MoveState
from reallot.engine.contracts.records import ChangeKind
from reallot.engine.ledger.sqlite_journal import MemoryJournal
from reallot.errors import ReallocationError
from reallot.orchestration.reallocation import ReallocationEngine
from tests.orchestration.worlds import START, World, plan, run, same

TO = {"relay": 0.3, "storage": 0.7}


def engine_in(clock, journal=None, repair=True, **settings):
    settings.setdefault("late_effects", timedelta(0))
    alerts = []
    made = ReallocationEngine(
        ReallocationConfig(**settings),
        ledger=journal or MemoryJournal(),
        clock=clock,
        on_alert=alerts.append,
        repair=repair,
    )
    made.alerts = alerts
    return made


def two():
    return World(relay=0.5, storage=0.5)


async def refused(call):
    with pytest.raises(ReallocationError) as caught:
        await call
    return caught.value


def test_a_plan_is_carried_out_release_first_and_read_back():
    async def test(clock):
        world, engine = two(), engine_in(clock)
        await engine.execute_reallocation(world.plan(**TO), world.adapters)
        assert same(world.shares, TO)
        assert [name for name, _ in world.effects] == ["relay", "storage"]
        assert world.most <= 1.0 + 1e-9
        assert engine.state.phase is MoveState.HOLDING
        assert engine.last_report.verdict == "committed"
        history = await engine.get_reallocation_history()
        assert [(each.protocol, each.before, each.after, each.outcome) for each in history] == [
            ("relay", 0.5, 0.3, "confirmed"),
            ("storage", 0.5, 0.7, "confirmed"),
        ]
        assert engine.journal.committed() == TO

    run(test)


def test_the_same_plan_again_is_answered_with_the_first():
    async def test(clock):
        world, engine = two(), engine_in(clock)
        once = world.plan(**TO)
        await engine.execute_reallocation(once, world.adapters)
        first = engine.last_report.operation
        await engine.execute_reallocation(once, world.adapters)
        assert engine.last_report.verdict == "repeated" and engine.last_report.operation == first
        assert len(world.effects) == 2

    run(test)


def test_the_same_plan_at_the_same_time_is_carried_out_once_and_another_is_told_to_wait():
    async def test(clock):
        world, engine = two(), engine_in(clock)
        once, other = world.plan(**TO), world.plan(relay=0.1, storage=0.9)
        ends = await asyncio.gather(
            *(engine.execute_reallocation(each, world.adapters) for each in (once, once, other)),
            return_exceptions=True,
        )
        assert ends[:2] == [None, None] and ends[2].by == "busy"
        assert same(world.shares, TO) and len(world.effects) == 2

    run(test)


def test_a_plan_that_changes_nothing_leaves_no_trace():
    async def test(clock):
        world, engine = two(), engine_in(clock)
        await engine.execute_reallocation(world.plan(), world.adapters)
        assert engine.last_report.verdict == "nothing_to_do"
        assert not world.effects and not engine.journal.decisions() and not engine.journal.changes()

    run(test)


def test_a_protocol_rests_for_an_hour_and_the_others_do_not():
    async def test(clock):
        world, engine = World(a=0.3, b=0.3, c=0.2, d=0.2), engine_in(clock)
        await engine.execute_reallocation(world.plan(a=0.2, b=0.4), world.adapters)
        error = await refused(engine.execute_reallocation(world.plan(a=0.1, c=0.3), world.adapters))
        assert error.by == "hold" and "rests for 1h" in error.reason
        assert error.until == START + timedelta(seconds=clock.monotonic() + 3600)
        await engine.execute_reallocation(world.plan(c=0.1, d=0.3), world.adapters)
        assert set(await engine.held_protocols()) == {"a", "b", "c", "d"}
        assert (await refused(engine.can_reallocate())).by == "hold"
        await clock.sleep(3600)
        await engine.can_reallocate()
        await engine.execute_reallocation(world.plan(a=0.1, c=0.2), world.adapters)

    run(test)


def test_four_plans_an_hour_and_a_wall_clock_that_jumps_changes_nothing():
    async def test(clock):
        world, engine = two(), engine_in(clock, min_hold_duration=timedelta(0))
        for share in (0.4, 0.3, 0.4, 0.3):
            await engine.execute_reallocation(world.plan(relay=share, storage=1 - share), world.adapters)
        clock.off = 7200.0
        error = await refused(engine.execute_reallocation(world.plan(relay=0.5, storage=0.5), world.adapters))
        assert error.by == "budget" and "4 plans" in error.reason
        clock.off = -7200.0
        assert (await refused(engine.can_reallocate())).by == "budget"
        await clock.sleep(3600)
        await engine.can_reallocate()

    run(test)


DAY = 86_400.0
JUMPS = {
    "an hour back and on": (-3600.0, 3600.0),
    "a day on and back": (DAY, 0.0),
    "a day back": (-DAY,),
    "back twice": (-3600.0, -7200.0),
    "the year 2038": (12.0 * 365.25 * DAY, 13.0 * 365.25 * DAY),
    "summer time and back": (3600.0, 0.0),
}


@pytest.mark.parametrize("jumps", JUMPS.values(), ids=JUMPS)
def test_limits_are_by_true_time_whatever_the_wall_clock_says(jumps):
    """No move before the hold or the budget allows it, and each again once true time has passed."""

    async def test(clock):
        world, engine = two(), engine_in(clock, max_per_hour=2)
        await engine.execute_reallocation(world.plan(**TO), world.adapters)
        began = clock.monotonic()
        for off in jumps:
            clock.off = off
            await clock.sleep(60.0)
            await engine.recover(world.adapters)
            error = await refused(engine.execute_reallocation(world.plan(relay=0.5, storage=0.5), world.adapters))
            assert error.by == "hold" and all(
                age >= 0.0 for age in engine.books.ages(engine.journal.standing(1)).values()
            )
        # the machine was asleep for eight hours: its steady clock stood still, or went on; both are too early or right
        await clock.sleep(3600.0 - (clock.monotonic() - began) - 1.0)
        assert (
            await refused(engine.execute_reallocation(world.plan(relay=0.5, storage=0.5), world.adapters))
        ).by == "hold"
        await clock.sleep(2.0)
        await engine.execute_reallocation(world.plan(relay=0.5, storage=0.5), world.adapters)
        await clock.sleep(3600.0)
        await engine.execute_reallocation(world.plan(**TO), world.adapters)
        assert same(world.shares, TO)

    run(test)


def test_eight_hours_of_sleep_are_eight_hours_where_only_the_wall_clock_counts_them():
    """With a steady clock that stood still a protocol rests longer than it must, and never shorter."""

    async def test(clock):
        world, engine = two(), engine_in(clock)
        await engine.execute_reallocation(world.plan(**TO), world.adapters)
        clock.off = 8 * 3600.0
        error = await refused(engine.execute_reallocation(world.plan(relay=0.5, storage=0.5), world.adapters))
        assert error.by == "hold"
        await clock.sleep(3600.0)
        await engine.execute_reallocation(world.plan(relay=0.5, storage=0.5), world.adapters)

    run(test)


def test_limits_survive_a_restart():
    async def test(clock):
        journal, world = MemoryJournal(), two()
        await engine_in(clock, journal).execute_reallocation(world.plan(**TO), world.adapters)
        error = await refused(
            engine_in(clock, journal).execute_reallocation(world.plan(relay=0.5, storage=0.5), world.adapters)
        )
        assert error.by == "hold"

    run(test)


def test_outdated_and_expired_plans_are_discarded_with_the_reason():
    async def test(clock):
        world, engine = two(), engine_in(clock, restore_drift=False)
        stale = plan({"relay": 0.6, "storage": 0.4}, TO)
        error = await refused(engine.execute_reallocation(stale, world.adapters))
        assert error.by == "outdated" and "0.6000" in error.reason and "0.5000" in error.reason
        old = plan(world.shares, TO, expires_at=START - timedelta(seconds=1))
        assert (await refused(engine.execute_reallocation(old, world.adapters))).by == "expired"
        assert not world.effects
        assert [each.verdict for each in engine.journal.decisions()] == ["expired", "outdated"]

    run(test)


@pytest.mark.parametrize("name", ["relay", "storage"])
@pytest.mark.parametrize("fault", ["refuse", "before", "hang", "ignore"])
def test_a_step_that_fails_puts_everything_back(name, fault):
    async def test(clock):
        world, engine = two(), engine_in(clock)
        world.fail(name, fault)
        error = await refused(engine.execute_reallocation(world.plan(**TO), world.adapters))
        assert error.by == "rolled_back" and name in error.reason
        assert same(world.shares, {"relay": 0.5, "storage": 0.5}) and world.most <= 1.0 + 1e-9
        assert engine.state.phase is MoveState.IDLE and not engine.journal.halted()
        assert await engine.recover(world.adapters) and not engine.alerts
        moves = [each for each in await engine.get_reallocation_history() if each.kind is ChangeKind.MOVE]
        assert "confirmed" not in {each.outcome for each in moves}

    run(test)


@pytest.mark.parametrize("name", ["relay", "storage"])
def test_a_step_that_is_taken_by_half_is_in_force_by_half(name):
    async def test(clock):
        world, engine = two(), engine_in(clock)
        world.fail(name, "half")
        await engine.execute_reallocation(world.plan(**TO), world.adapters)
        half = {each: (0.5 + TO[each]) / 2 for each in TO}
        assert same(world.shares, half) and same(engine.journal.committed(), half) and world.most <= 1.0 + 1e-9
        assert engine.last_report.verdict is MoveState.COMMITTED and name in engine.last_report.reason
        assert {each.outcome for each in await engine.get_reallocation_history()} == {"confirmed"}
        assert not engine.alerts and not engine.journal.unsettled()

    run(test)


@pytest.mark.parametrize("name", ["relay", "storage"])
@pytest.mark.parametrize("fault", ["after", "hang after"])
def test_a_step_that_was_done_in_spite_of_an_error_counts_as_done(name, fault):
    async def test(clock):
        world, engine = two(), engine_in(clock)
        world.fail(name, fault)
        await engine.execute_reallocation(world.plan(**TO), world.adapters)
        assert same(world.shares, TO) and len(world.effects) == 2

    run(test)


def test_a_share_that_reads_as_nan_is_not_trusted_and_everything_waits_until_it_can_be_read():
    async def test(clock):
        world, engine = two(), engine_in(clock)
        await engine.recover(world.adapters)
        world.reads["storage"].extend([0.5, 0.5, *[float("nan")] * 60])
        error = await refused(engine.execute_reallocation(world.plan(**TO), world.adapters))
        assert error.by == "settling" and "nan" in error.reason
        assert [alert.key for alert in engine.alerts] == ["unsettled"]
        world.reads["storage"].clear()
        await engine.recover(world.adapters)
        assert same(world.shares, {"relay": 0.5, "storage": 0.5})
        assert engine.journal.open_operation() is None
        assert engine.journal.alerts()[0].recovered_at is not None

    run(test)


def test_a_rollback_that_fails_freezes_halts_and_says_so_once():
    async def test(clock):
        world, engine = World(a=0.4, b=0.3, c=0.3), engine_in(clock)
        world.fail("c", "refuse")
        world.fail("b", "ok", "always refuse")
        error = await refused(engine.execute_reallocation(world.plan(a=0.2, b=0.4, c=0.4), world.adapters))
        assert error.by == "halted" and "3 rounds" in error.reason
        assert world.shares["b"] == 0.4 and world.most <= 1.0 + 1e-9
        assert engine.state.phase is MoveState.HALTED and "b" in engine.journal.frozen()
        calls = len(world.adapters["b"].calls)
        for _ in range(5):
            await engine.recover(world.adapters)
            assert (await refused(engine.execute_reallocation(world.plan(a=0.3, c=0.3), world.adapters))).by == "halted"
        assert len(world.adapters["b"].calls) == calls
        assert [alert.key for alert in engine.alerts] == ["halted"]
        world.faults["b"].clear()
        await engine.resume()
        await engine.recover(world.adapters)
        assert same(world.shares, {"a": 0.4, "b": 0.3, "c": 0.3}) and engine.state.phase is not MoveState.HALTED

    run(test)


def test_after_a_halt_a_person_may_take_the_shares_as_they_are():
    """Only a person ends a halt."""

    async def test(clock):
        world, engine = two(), engine_in(clock)
        world.fail("storage", "refuse")
        world.fail("relay", "ok", "always refuse")
        await refused(engine.execute_reallocation(world.plan(**TO), world.adapters))
        await engine.resume(world.adapters)
        await engine.recover(world.adapters)
        assert engine.journal.committed() == {"relay": 0.3, "storage": 0.5} == world.shares

    run(test)


def test_without_auto_rollback_a_failure_halts():
    async def test(clock):
        world, engine = two(), engine_in(clock, auto_rollback=False)
        world.fail("storage", "refuse")
        assert (await refused(engine.execute_reallocation(world.plan(**TO), world.adapters))).by == "halted"
        assert world.shares == {"relay": 0.3, "storage": 0.5}

    run(test)


def test_a_rollback_does_not_use_up_the_budget():
    async def test(clock):
        world, engine = two(), engine_in(clock, max_per_hour=2, min_hold_duration=timedelta(0))
        await engine.execute_reallocation(world.plan(**TO), world.adapters)
        await engine.rollback_allocation(world.adapters)
        assert same(world.shares, {"relay": 0.5, "storage": 0.5})
        await engine.execute_reallocation(world.plan(**TO), world.adapters)
        kinds = [each.kind for each in await engine.get_reallocation_history()]
        assert kinds == [ChangeKind.MOVE] * 2 + [ChangeKind.ROLLBACK] * 2 + [ChangeKind.MOVE] * 2
        assert (await refused(engine.can_reallocate())).by == "budget"

    run(test)


def test_taking_back_twice_takes_back_the_plan_before():
    async def test(clock):
        world, engine = two(), engine_in(clock, min_hold_duration=timedelta(0))
        assert (await refused(engine.rollback_allocation(world.adapters))).by == "nothing_to_do"
        await engine.execute_reallocation(world.plan(relay=0.4, storage=0.6), world.adapters)
        await engine.execute_reallocation(world.plan(relay=0.3, storage=0.7), world.adapters)
        await engine.rollback_allocation(world.adapters)
        assert same(world.shares, {"relay": 0.4, "storage": 0.6})
        await engine.rollback_allocation(world.adapters)
        assert same(world.shares, {"relay": 0.5, "storage": 0.5})
        assert (await refused(engine.rollback_allocation(world.adapters))).by == "nothing_to_do"
        await engine.recover(world.adapters)
        assert same(world.shares, {"relay": 0.5, "storage": 0.5})

    run(test)


def test_a_plan_waits_for_a_person_and_is_carried_out_or_forgotten():
    async def test(clock):
        world, engine = two(), engine_in(clock, require_confirmation=True)
        first = world.plan(**TO)
        error = await refused(engine.execute_reallocation(first, world.adapters))
        assert error.by == "confirmation" and error.until == START + timedelta(hours=1)
        assert (await refused(engine.can_reallocate())).by == "confirmation"
        later = await refused(engine.execute_reallocation(world.plan(relay=0.2, storage=0.8), world.adapters))
        assert later.by == "confirmation" and first.id in later.reason
        assert (await refused(engine.confirm("another"))).by == "confirmation"
        await engine.confirm(first.id, world.adapters)
        assert same(world.shares, TO)
        assert not await engine.execute_confirmed(world.adapters)
        await clock.sleep(3600)
        third = world.plan(relay=0.2, storage=0.8)
        await refused(engine.execute_reallocation(third, world.adapters))
        await clock.sleep(3601)
        assert (await refused(engine.confirm(third.id))).by == "expired"
        await engine.recover(world.adapters)
        assert engine.journal.waiting() is None and same(world.shares, TO)

    run(test)


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.ADVISE])
def test_modes_that_only_look_or_say_move_nothing(mode):
    async def test(clock):
        world, engine = two(), engine_in(clock, mode=mode)
        assert (await refused(engine.execute_reallocation(world.plan(**TO), world.adapters))).by == "mode"
        assert (await refused(engine.can_reallocate())).by == "mode"
        assert not world.effects

    run(test)


def test_a_dry_run_tells_the_calls_in_order_and_makes_none():
    async def test(clock):
        world, engine = two(), engine_in(clock)
        assert await engine.dry_run(world.plan(**TO), world.adapters) == (
            "relay: apply_allocation(0.3)  # from 0.5",
            "storage: apply_allocation(0.7)  # from 0.5",
        )
        assert not world.effects
        await engine.execute_reallocation(world.plan(**TO), world.adapters)
        assert "not now (hold)" in (await engine.dry_run(world.plan(relay=0.5, storage=0.5), world.adapters))[-1]

    run(test)


def test_drift_is_told_once_and_put_back():
    async def test(clock):
        world, engine = two(), engine_in(clock)
        await engine.recover(world.adapters)
        world.put("relay", 0.1)
        await engine.recover(world.adapters)
        assert world.shares == {"relay": 0.5, "storage": 0.5}
        assert [alert.key for alert in engine.alerts] == ["drift"]
        assert (await engine.get_reallocation_history())[-1].kind is ChangeKind.REPAIR
        assert not await engine.held_protocols()
        rows = len(engine.journal.changes())
        await engine.recover(world.adapters)
        assert len(engine.journal.changes()) == rows
        assert engine.journal.alerts()[0].recovered_at is not None

    run(test)


def test_a_call_without_an_answer_keeps_its_share_free_until_it_can_no_longer_arrive():
    async def test(clock):
        world, engine = two(), engine_in(clock, late_effects=timedelta(minutes=15))
        world.fail("storage", "hang")
        error = await refused(engine.execute_reallocation(world.plan(**TO), world.adapters))
        assert error.by == "settling" and "may still take" in error.reason
        assert world.shares == {"relay": 0.3, "storage": 0.5}
        world.put("storage", 0.7)  # it arrives late
        assert world.most <= 1.0 + 1e-9
        await engine.recover(world.adapters)
        assert same(world.shares, {"relay": 0.5, "storage": 0.5}) and world.most <= 1.0 + 1e-9

    run(test)


def test_what_never_arrives_is_put_back_when_its_time_is_over():
    async def test(clock):
        world, engine = two(), engine_in(clock, late_effects=timedelta(minutes=15))
        world.fail("storage", "hang")
        await refused(engine.execute_reallocation(world.plan(**TO), world.adapters))
        await clock.sleep(600)
        await engine.recover(world.adapters)
        assert world.shares == {"relay": 0.3, "storage": 0.5}
        await clock.sleep(400)
        await engine.recover(world.adapters)
        assert same(world.shares, {"relay": 0.5, "storage": 0.5})
        assert not engine.journal.unsettled()

    run(test)


def test_a_protocol_that_cannot_be_read_is_not_moved_and_the_others_are():
    async def test(clock):
        world, engine = World(a=0.4, b=0.3, c=0.3), engine_in(clock)
        await engine.recover(world.adapters)
        world.reads["c"].append("always fails")
        assert (await refused(engine.execute_reallocation(world.plan(a=0.3, c=0.4), world.adapters))).by == "unreadable"
        await engine.execute_reallocation(world.plan(a=0.3, b=0.4), world.adapters)
        assert world.shares == {"a": 0.3, "b": 0.4, "c": 0.3}

    run(test)


def test_shares_above_capacity_are_refused():
    async def test(clock):
        world, engine = two(), engine_in(clock)
        assert (await refused(engine.execute_reallocation(world.plan(storage=0.6), world.adapters))).by == "capacity"

    run(test)


def test_the_cost_of_moving_is_an_estimate_by_protocol():
    assert ReallocationEngine(ReallocationConfig(cost_per_protocol=0.25)).estimate_reallocation_cost(4) == 1.0
