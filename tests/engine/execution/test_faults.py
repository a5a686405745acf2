"""A fault at every step of a move and of its way back, alone and in pairs; and whatever an adapter may return."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from reallot.engine.contracts.configs import ReallocationConfig
from reallot.engine.contracts.move_state import MoveState
from reallot.engine.execution.adapter_calls import Outcome, ask_all, ask_for, checked_share, read_shares
from reallot.engine.ledger.sqlite_journal import MemoryJournal
from reallot.errors import ErrorKind, ProtocolError, ReallocationError
from reallot.orchestration.reallocation import ReallocationEngine
from tests.orchestration.worlds import World, run, same

FROM = {"a": 0.3, "b": 0.3, "c": 0.2, "d": 0.2}
TO = {"a": 0.2, "b": 0.1, "c": 0.4, "d": 0.3}
ORDER = ("a", "b", "c", "d")
FAULTS = ("refuse", "before", "after", "hang", "hang after", "ignore", "half")
READS = (float("nan"), "fails", "hang", -1.0, 1000.0, None)


def engine_in(clock, alerts):
    config = ReallocationConfig(late_effects=timedelta(0))
    return ReallocationEngine(config, ledger=MemoryJournal(), clock=clock, on_alert=alerts.append)


async def carried_out(engine, world):
    """True where the plan is in force; False where it was put back, or is once everything can be read again."""
    try:
        await engine.execute_reallocation(world.plan(**TO), world.adapters)
    except ReallocationError as error:
        assert error.by in ("rolled_back", "settling", "halted"), error
        for name in ORDER:
            world.reads[name].clear()
        if error.by == "settling":
            await engine.recover(world.adapters)
        return error.by == "halted"
    return True


async def story_is_complete(engine, world):
    """Every effect of the world has its entry, and one more cycle leaves nothing unknown."""
    await engine.recover(world.adapters)
    changes = engine.journal.changes()
    assert len(world.effects) <= len(changes)
    known = {(each.protocol, round(each.after, 9)) for each in changes}
    assert {(name, round(share, 9)) for name, share in world.effects if share in (FROM[name], TO[name])} <= known
    assert not engine.journal.unsettled()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("step", range(4))
def test_a_fault_at_any_step_ends_before_or_after_never_between(step, fault):
    async def test(clock):
        world, alerts = World(**FROM), []
        engine = engine_in(clock, alerts)
        world.fail(ORDER[step], fault)
        done = await carried_out(engine, world)
        assert done == (fault in ("after", "hang after", "half"))
        if fault == "half":  # what was taken in part is in force, and what is left of it is nobody's loss
            assert world.shares[ORDER[step]] == pytest.approx((FROM[ORDER[step]] + TO[ORDER[step]]) / 2)
            assert sum(world.shares.values()) == pytest.approx(1.0)
            assert same(world.shares, engine.journal.committed())
        else:
            assert same(world.shares, TO if done else FROM)
        assert world.most <= 1.0 + 1e-9 and not alerts and engine.state.phase is not MoveState.HALTED
        await story_is_complete(engine, world)

    run(test)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [2, 3, 5, 6])
def test_so_it_does_for_plans_of_any_number_of_steps(steps):
    """Every fault at every step of plans of two to six steps (four are above)."""
    names = [f"p{number}" for number in range(steps)]
    giving = steps // 2
    before = dict.fromkeys(names, 1.0 / steps)
    after = {
        name: (0.5 if i < giving else 1.0 + 0.5 * giving / (steps - giving)) / steps for i, name in enumerate(names)
    }

    async def test(clock, step, fault):
        world, alerts = World(**before), []
        engine = engine_in(clock, alerts)
        world.fail(names[step], fault)
        try:
            await engine.execute_reallocation(world.plan(**after), world.adapters)
        except ReallocationError as error:
            if error.by == "settling":
                await engine.recover(world.adapters)
            done = False
        else:
            done = True
        assert done == (fault in ("after", "hang after", "half"))
        if fault == "half":
            assert world.shares[names[step]] == pytest.approx((before[names[step]] + after[names[step]]) / 2)
            assert sum(world.shares.values()) == pytest.approx(1.0)
            assert same(world.shares, engine.journal.committed())
        else:
            assert same(world.shares, after if done else before)
        assert world.most <= 1.0 + 1e-9 and not alerts
        await engine.recover(world.adapters)
        assert len(world.effects) <= len(engine.journal.changes()) and not engine.journal.unsettled()

    for step, fault in itertools.product(range(steps), FAULTS):
        run(lambda clock, step=step, fault=fault: test(clock, step, fault))


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("step", range(4))
def test_a_fault_at_any_step_of_the_way_back_is_tried_again(step, fault):
    async def test(clock):
        world, alerts = World(**FROM), []
        engine = engine_in(clock, alerts)
        world.fail("d", "refuse")
        if step < 3:
            world.fail(ORDER[step], "ok", fault)
        assert not await carried_out(engine, world)
        assert same(world.shares, FROM) and world.most <= 1.0 + 1e-9 and not alerts
        await story_is_complete(engine, world)

    run(test)


@pytest.mark.parametrize("reads", [1, 3, 40])
@pytest.mark.parametrize("value", READS, ids=str)
@pytest.mark.parametrize("step", range(4))
def test_readings_that_cannot_be_at_any_step_are_trusted_by_nobody(step, value, reads):
    async def test(clock):
        world, alerts = World(**FROM), []
        engine = engine_in(clock, alerts)
        await engine.recover(world.adapters)
        name = ORDER[step]
        world.reads[name].extend([FROM[name], *[value] * reads])
        done = await carried_out(engine, world)
        assert same(world.shares, TO if done else FROM) and world.most <= 1.0 + 1e-9
        assert engine.journal.open_operation() is None and not engine.journal.halted()

    run(test)


@pytest.mark.slow
@pytest.mark.parametrize("pair", list(itertools.combinations(range(4), 2)), ids=str)
def test_two_faults_at_once_end_whole_or_halted_and_loud(pair):
    async def test(clock, first, second):
        world, alerts = World(**FROM), []
        engine = engine_in(clock, alerts)
        world.fail(ORDER[pair[0]], *first)
        world.fail(ORDER[pair[1]], *second)
        await carried_out(engine, world)
        assert world.most <= 1.0 + 1e-9
        if engine.journal.halted():
            assert [each.key for each in alerts] == ["halted"]
        else:
            assert same(world.shares, TO) or same(world.shares, FROM)

    some = ("refuse", "hang", "hang after", "ignore")
    chains = [(one,) for one in some] + [("ok", one) for one in some] + [("ok", f"always {one}") for one in some]
    for first, second in itertools.product(chains, chains):
        run(lambda clock, first=first, second=second: test(clock, first, second))


@pytest.mark.parametrize("fault", ["refuse", "before", "hang", "ignore"])
@pytest.mark.parametrize("step", range(3))
def test_a_way_back_that_fails_for_ever_halts_with_one_alert_and_no_loop(step, fault):
    """The rest is put back, that one is frozen; one alert in all, and nothing moves for a day."""

    async def test(clock):
        world, alerts = World(**FROM), []
        engine = engine_in(clock, alerts)
        world.fail("d", "refuse")
        world.fail(ORDER[step], "ok", f"always {fault}")
        assert await carried_out(engine, world)
        assert engine.state.phase is MoveState.HALTED and [each.key for each in alerts] == ["halted"]
        assert len(world.adapters[ORDER[step]].calls) == 1 + engine.config.most_rollbacks
        others = {name: share for name, share in world.shares.items() if name != ORDER[step]}
        stuck = world.shares[ORDER[step]]
        assert stuck == TO[ORDER[step]] and world.most <= 1.0 + 1e-9
        if step < 2:
            assert others == {name: FROM[name] for name in others}, "the rest is put back"
        assert ORDER[step] in engine.journal.frozen()
        before = [len(each.calls) for each in world.adapters.values()]
        for _ in range(24):
            await clock.sleep(3600)
            await engine.recover(world.adapters)
        assert [len(each.calls) for each in world.adapters.values()] == before and len(alerts) == 1

    run(test)


GOOD = [0.25, 0, 1, np.float64(0.25), np.float32(0.25), np.int64(1), Fraction(1, 4), 1.0 + 1e-10, -1e-12, 5e-324]
BAD = [float("nan"), float("inf"), -float("inf"), -0.1, 1.1, 250.0, 1e308, None, "0.25", True, [0.25], {}, ...]


@pytest.mark.parametrize("value", GOOD, ids=repr)
def test_numbers_become_shares_at_the_edge(value):
    share = checked_share(value).share
    assert type(share) is float and 0.0 <= share <= 1.0 and abs(share - float(value)) <= 1e-9


@pytest.mark.parametrize("value", [*BAD, Decimal("0.25"), np.array([0.25]), np.float64("nan")], ids=repr)
def test_what_is_no_share_is_refused_with_the_reason(value):
    reading = checked_share(value)
    assert reading.share is None and "is not a share" in reading.reason


class Strange(BaseException):
    """An adapter's own."""


ERRORS = [
    (ProtocolError("no", ErrorKind.REFUSED), Outcome.REFUSED),
    (ProtocolError("no", ErrorKind.AUTH), Outcome.REFUSED),
    (ProtocolError("no", ErrorKind.RATE_LIMITED), Outcome.REFUSED),
    (ProtocolError("no", ErrorKind.UNKNOWN), Outcome.LOST),
    (ProtocolError("no", ErrorKind.UNREACHABLE), Outcome.LOST),
    (ProtocolError("no", ErrorKind.TRANSIENT), Outcome.FAILED),
    (ProtocolError("no", ErrorKind.SHAPE), Outcome.FAILED),
    (ValueError("no"), Outcome.FAILED),
    (KeyError("no"), Outcome.FAILED),
    (RecursionError("no"), Outcome.FAILED),
    (MemoryError("no"), Outcome.FAILED),
    (StopAsyncIteration("no"), Outcome.FAILED),
    (Strange("no"), Outcome.FAILED),
    (GeneratorExit("no"), Outcome.FAILED),
    (ConnectionResetError("no"), Outcome.LOST),
    (TimeoutError("no"), Outcome.LOST),
    (asyncio.CancelledError("no"), Outcome.LOST),
]


class Raising:
    """Raises the same thing at every call."""

    def __init__(self, error):
        self.error = error

    async def get_allocation(self):
        raise self.error

    async def apply_allocation(self, share):
        raise self.error


@pytest.mark.parametrize(("error", "outcome"), ERRORS, ids=lambda each: type(each).__name__)
def test_whatever_an_adapter_raises_is_an_outcome(error, outcome):
    async def test(clock):
        adapter = Raising(error)
        assert (await read_shares({"it": adapter}, 5.0))["it"].share is None
        assert (await ask_for(adapter, 0.5, "key", 5.0))[0] is outcome

    run(test)


def test_a_thousand_calls_that_hang_leave_nothing_behind():
    async def test(clock):
        world = World(**{f"p{number}": 0.0 for number in range(1000)})
        for reads in world.reads.values():
            reads.append("hang")
        readings = await read_shares(world.adapters, 10.0)
        assert clock.monotonic() == 10.0 and not any(each.share for each in readings.values())
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1

    run(test)


def test_a_call_that_ignores_its_cancellation_does_not_hold_anybody_up():
    async def test(clock):
        async def stubborn():
            while True:
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    continue

        [task] = await ask_all([stubborn()], 5.0)
        assert clock.monotonic() == 5.0 and not task.done()

    async def bounded(clock):
        await asyncio.wait_for(test(clock), 60)

    loop_with_a_stubborn_task(bounded)


def loop_with_a_stubborn_task(test):
    """Such a task outlives any cancellation: its loop is closed over it."""
    from tests.orchestration.worlds import LoopClock, VirtualLoop

    loop = VirtualLoop()
    loop.run_until_complete(test(LoopClock(loop)))
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False
    loop.close()


def test_a_cancelled_entry_passes_the_cancellation_on_and_loses_nothing():
    async def test(clock):
        world, alerts = World(**FROM), []
        engine = engine_in(clock, alerts)
        world.fail("c", "hang")
        task = asyncio.ensure_future(engine.execute_reallocation(world.plan(**TO), world.adapters))
        await asyncio.sleep(5.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert world.shares == {**FROM, "a": 0.2, "b": 0.1}
        await engine.recover(world.adapters)
        assert same(world.shares, FROM) and engine.journal.open_operation() is None

    run(test)


def test_an_outage_in_the_middle_of_a_move_is_waited_for():
    """Half an hour, minute by minute; settled in the first cycle after it."""

    async def test(clock):
        world, alerts = World(**FROM), []
        engine = engine_in(clock, alerts)
        await engine.recover(world.adapters)
        world.fail("c", "hang after")
        for name in ORDER:
            world.reads[name].extend([FROM[name]])
        for name in ("c", "d"):
            world.reads[name].append("always fails")
        with pytest.raises(ReallocationError) as caught:
            await engine.execute_reallocation(world.plan(**TO), world.adapters)
        assert caught.value.by == "settling"
        for _ in range(30):
            await clock.sleep(60)
            await engine.recover(world.adapters)
            assert engine.journal.open_operation() is not None and not engine.journal.halted()
        for name in ORDER:
            world.reads[name].clear()
        await engine.recover(world.adapters)
        assert same(world.shares, FROM) and engine.journal.open_operation() is None
        assert [each.key for each in alerts] == ["unsettled"]

    run(test)


async def hung(clock, name):
    """A world whose call of `name` hung in a move of a and b, its engine, and what it told; the call may still work."""
    world, alerts = World(a=0.5, b=0.5), []
    config = ReallocationConfig(late_effects=timedelta(minutes=15))
    engine = ReallocationEngine(config, ledger=MemoryJournal(), clock=clock, on_alert=alerts.append)
    world.fail(name, "hang")
    with pytest.raises(ReallocationError):
        await engine.execute_reallocation(world.plan(a=0.3, b=0.7), world.adapters)
    return world, engine, alerts


@pytest.mark.parametrize("read", [float("nan"), "fails", -1.0])
def test_a_share_that_a_late_call_may_still_change_is_asked_for_once_more(read):
    """One bad reading does not hide a late effect for another cycle."""

    async def test(clock):
        world, engine, alerts = await hung(clock, "a")
        await engine.recover(world.adapters)
        world.put("a", 0.3)  # it arrives late
        world.reads["a"].append(read)
        await engine.recover(world.adapters)
        assert same(world.shares, {"a": 0.5, "b": 0.5}), alerts

    run(test)


@pytest.mark.parametrize("minutes", [1, 5, 14])
def test_a_late_effect_is_put_back_within_two_cycles_and_does_not_swing(minutes):
    """At most two repairs for each late effect, then nothing more for an hour."""

    async def test(clock):
        world, engine, _ = await hung(clock, "b")
        for _ in range(minutes):
            await engine.recover(world.adapters)
            await clock.sleep(60.0)
        before = len(engine.journal.changes())
        world.put("b", 0.7)
        for _ in range(2):
            await engine.recover(world.adapters)
        assert same(world.shares, {"a": 0.5, "b": 0.5}) and world.most <= 1.0 + 1e-9
        calls = len(engine.journal.changes())
        assert calls - before <= 2
        for _ in range(60):
            await clock.sleep(60.0)
            await engine.recover(world.adapters)
        assert len(engine.journal.changes()) - before <= 2
        assert same(world.shares, {"a": 0.5, "b": 0.5}) and engine.journal.open_operation() is None

    run(test)


@pytest.mark.parametrize("restore", [True, False], ids=["restored", "adopted"])
@pytest.mark.parametrize("begun", [0, 1, 2, 3], ids=lambda calls: f"after {calls} calls")
def test_what_was_changed_by_hand_while_it_was_down_is_told_and_never_kept_in_silence(begun, restore):
    """Shares that are neither those before the move nor those after it, inside the move and beside it."""

    first = {**FROM, "d": 0.1}  # with room, or what is changed by hand could not be put back, and that halts
    planned = {**TO, "d": 0.2}

    async def test(clock):
        world, alerts = World(**first, e=0.0), []
        config = ReallocationConfig(late_effects=timedelta(0), restore_drift=restore)
        engine = ReallocationEngine(config, ledger=MemoryJournal(), clock=clock, on_alert=alerts.append)
        await engine.recover(world.adapters)
        if begun:
            move = asyncio.ensure_future(engine.execute_reallocation(world.plan(**planned), world.adapters))
            while len(world.effects) < begun:
                await asyncio.sleep(0)
            move.cancel()
            await asyncio.gather(move, return_exceptions=True)
        by_hand = {"a": 0.05, "e": 0.02}
        for name, share in by_hand.items():
            world.put(name, share)
        again = ReallocationEngine(config, ledger=engine.journal, clock=clock, on_alert=alerts.append)
        for _ in range(3):
            await again.recover(world.adapters)
        assert "drift" in {each.key for each in alerts}
        told = " ".join(each.message for each in alerts if each.key == "drift")
        assert "e is at 0.0200, not 0.0000" in told
        # what the move had begun goes back to where it was, whoever changed it since
        adopted = {"e": 0.02} if begun else by_hand
        assert same(world.shares, {**first, "e": 0.0} if restore else {**first, **adopted})
        assert same(engine.journal.committed(), world.shares) and world.most <= 1.0 + 1e-9

    run(test)
