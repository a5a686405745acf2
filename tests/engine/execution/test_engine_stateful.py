"""The engine as a Hypothesis state machine: time, plans, people, faults, crashes and clocks in any order."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from reallot.engine.contracts.configs import ReallocationConfig
from reallot.engine.ledger.sqlite_journal import MemoryJournal
from reallot.errors import ReallocationError
from reallot.orchestration.reallocation import ReallocationEngine
from tests.orchestration.worlds import Adapter, LoopClock, VirtualLoop, World, _cancel_all, plan, same

NAMES = ("alpha", "beta", "gamma")
APPLY = ("ok", "refuse", "before", "after", "hang", "hang after", "ignore", "half", "slow")
READS = (float("nan"), float("inf"), -0.2, 1000.0, None, "0.5", "fails", "hang")
EPS = 1e-6


class Traced(Adapter):
    """Tells the machine of each call that belongs to a plan, at its true time."""

    takes_key = True

    async def apply_allocation(self, share, key=""):
        self.world.calls.append((self.name, key, share))
        await super().apply_allocation(share)


def taken_in_part(shares, before, after):
    """True for shares between those before a plan and those that it asked for, and of no more capacity."""
    ends = {name: sorted((before[name], after[name])) for name in shares}
    between = all(low - EPS <= shares[name] <= high + EPS for name, (low, high) in ends.items())
    return between and sum(shares.values()) <= max(sum(each[name] for name in shares) for each in (before, after)) + EPS


class EngineMachine(RuleBasedStateMachine):
    @initialize(
        parts=st.lists(st.integers(1, 5), min_size=3, max_size=3),
        hold=st.sampled_from([0, 600, 3600]),
        most=st.sampled_from([1, 2, 4]),
        asks=st.booleans(),
        late=st.sampled_from([0, 15]),
    )
    def begin(self, parts, hold, most, asks, late):
        self.loop = VirtualLoop()
        self.clock = LoopClock(self.loop)
        self.world = World(**{name: part / sum(parts) for name, part in zip(NAMES, parts, strict=True)})
        self.world.adapters = {name: Traced(self.world, name) for name in NAMES}
        self.world.calls = _Calls(self)
        self.config = ReallocationConfig(
            min_hold_duration=timedelta(seconds=hold),
            max_per_hour=most,
            require_confirmation=asks,
            late_effects=timedelta(minutes=late),
        )
        self.journal = MemoryJournal()
        self.alerts = []
        self.known = [dict(self.world.shares)]
        self.asked = []
        self.moves, self.moved, self.wrong = {}, {}, []
        self.drifted = False
        self.restart()
        self.run(self.engine.recover(self.world.adapters))

    def run(self, entry, crash_after=None):
        task = self.loop.create_task(entry)
        if crash_after is not None:
            self.loop.call_later(crash_after, task.cancel)
        try:
            self.loop.run_until_complete(task)
        except ReallocationError as error:
            return error
        except asyncio.CancelledError:
            self.restart()
        return None

    @rule()
    def restart(self):
        self.engine = ReallocationEngine(
            self.config, ledger=self.journal, clock=self.clock, on_alert=self.alerts.append
        )

    @rule(seconds=st.sampled_from([1, 60, 599, 601, 1800, 3599, 3601]))
    def time_passes(self, seconds):
        self.loop.run_until_complete(asyncio.sleep(seconds))

    @rule(seconds=st.sampled_from([60.0, -60.0, 3600.0, -3600.0, 86400.0, -86400.0]))
    def the_clock_jumps(self, seconds):
        self.clock.off += seconds

    @rule(
        order=st.permutations(NAMES),
        part=st.sampled_from([0.1, 0.5, 1.0]),
        split=st.booleans(),
        crash=st.sampled_from([None, None, None, 0.0, 1.0, 3.0, 40.0]),
    )
    def propose(self, order, part, split, crash):
        giver, *takers = order
        shares = dict(self.world.shares)
        freed = shares[giver] * part
        wanted = {**shares, giver: shares[giver] - freed}
        for taker in takers if split else takers[:1]:
            wanted[taker] = min(1.0, shares[taker] + freed / (2 if split else 1))
        self.last = plan(shares, wanted)
        self.known.append(dict(self.last.allocation))
        self.asked.append((shares, self.last.allocation))
        self.run(self.engine.execute_reallocation(self.last, self.world.adapters), crash)

    @precondition(lambda self: hasattr(self, "last"))
    @rule()
    def propose_the_same_again(self):
        before = len(self.world.effects)
        first = self.journal.operation_of(self.last.id)
        if first is not None and self.journal.open_operation() is None:
            self.run(self.engine.execute_reallocation(self.last, self.world.adapters))
            assert len(self.world.effects) == before and self.engine.last_report.operation == first.id

    @precondition(lambda self: self.journal.waiting() is not None)
    @rule()
    def confirm(self):
        self.run(self.engine.confirm(self.journal.waiting().plan_id, self.world.adapters))

    @rule(crash=st.sampled_from([None, None, 0.0, 2.0]))
    def cycle(self, crash):
        self.run(self.engine.recover(self.world.adapters), crash)

    @rule()
    def take_back(self):
        self.run(self.engine.rollback_allocation(self.world.adapters))

    @rule(name=st.sampled_from(NAMES), faults=st.lists(st.sampled_from(APPLY), min_size=1, max_size=4))
    def calls_will_fail(self, name, faults):
        self.world.fail(name, *faults)

    @rule(name=st.sampled_from(NAMES), reads=st.lists(st.sampled_from(READS), min_size=1, max_size=3))
    def reads_will_fail(self, name, reads):
        self.world.reads[name].extend(reads)

    @rule(name=st.sampled_from(NAMES))
    def changed_by_hand(self, name):
        self.world.put(name, self.world.shares[name] / 2)
        self.drifted = True

    @precondition(lambda self: self.journal.halted())
    @rule(adopt=st.booleans())
    def a_person_resumes(self, adopt):
        self.known.append(dict(self.world.shares))
        self.drifted = self.drifted or not adopt
        self.run(self.engine.resume(self.world.adapters if adopt else None))
        self.drifted = self.drifted or bool(self.journal.halted())

    @invariant()
    def calls_are_written_down_first_a_hold_apart_and_within_the_budget(self):
        assert not getattr(self, "wrong", [])

    @invariant()
    def capacity_is_never_exceeded(self):
        assert not hasattr(self, "world") or self.world.most <= 1.0 + EPS

    @invariant()
    def at_rest_shares_are_those_of_a_confirmed_plan(self):
        if not hasattr(self, "world") or self.journal.open_operation() is not None or self.journal.halted():
            return
        committed = self.journal.committed()
        self.drifted = self.drifted and not same(self.world.shares, committed)
        assert self.drifted or same(self.world.shares, committed)
        adopted = {each.key.removeprefix("drift:") for each in self.alerts if each.key.startswith("drift:")}
        others = {name: share for name, share in committed.items() if name not in adopted}  # that nobody keeps changing
        whole = any(same(others, {name: each[name] for name in others}) for each in self.known)
        assert whole or (self.world.halves and any(taken_in_part(others, *each) for each in self.asked))

    @invariant()
    def a_halt_comes_from_a_failed_rollback_and_is_loud(self):
        if hasattr(self, "journal") and (why := self.journal.halted()):
            assert "rounds did not roll back" in why
            opened = [each for each in self.journal.alerts() if each.key == "halted" and each.recovered_at is None]
            assert len(opened) == 1
            assert sum(each.key == "halted" for each in self.alerts) >= 1

    def teardown(self):
        if not hasattr(self, "world"):
            return
        for name in NAMES:
            self.world.faults[name].clear()
            self.world.reads[name].clear()
        for _ in range(4):
            self.run(self.engine.recover(self.world.adapters))
            self.time_passes(601)
        assert self.journal.open_operation() is None
        assert self.journal.halted() or same(self.world.shares, self.journal.committed())
        _cancel_all(self.loop)
        self.loop.close()
        self.journal.close()


class _Calls(list):
    """Every call, and hold and budget by true time; what is wrong is kept, since the engine survives any exception."""

    def __init__(self, machine):
        super().__init__()
        self.machine = machine

    def append(self, call):
        super().append(call)
        machine, (name, key, share) = self.machine, call
        operation, number = (int(each) for each in key.split("-"))
        [entry] = [each for each in machine.journal.steps(operation) if each.id == number]
        if (entry.state, entry.protocol, entry.after) != ("sent", name, share):
            machine.wrong.append(f"{call} was not written down: {entry}")
        if entry.kind != "move":
            return
        now, hold = machine.loop.time(), machine.config.min_hold_duration.total_seconds()
        before = machine.moved.get(name)
        if before is not None and before[0] != operation and now - before[1] < hold - EPS:
            machine.wrong.append(f"{name} moved after {now - before[1]} s")
        machine.moved[name] = (operation, now)
        machine.moves.setdefault(operation, now)
        recent = [at for at in machine.moves.values() if now - at < 3600 - EPS]
        if len(recent) > machine.config.max_per_hour:
            machine.wrong.append(f"{len(recent)} plans in an hour")


EngineMachine.TestCase.settings = settings(stateful_step_count=40)
TestEngine = EngineMachine.TestCase
TestEngine.pytestmark = [pytest.mark.slow]


def three_alike():
    machine = EngineMachine()
    machine.begin(parts=[1, 1, 1], hold=0, most=1, asks=False, late=0)
    return machine


def test_who_gave_gets_all_back_where_the_taker_refuses_once_to_give_it_back():
    machine = three_alike()
    machine.calls_will_fail("beta", ["ok", "refuse"])
    machine.propose(["alpha", "beta", "gamma"], 0.1, False, None)
    machine.take_back()
    assert same(machine.world.shares, dict.fromkeys(NAMES, 1.0 / 3.0))
    machine.at_rest_shares_are_those_of_a_confirmed_plan()
    machine.teardown()


def test_a_share_that_was_once_put_back_by_half_is_asked_for_again():
    machine = three_alike()
    machine.calls_will_fail("alpha", ["refuse", "half"])
    machine.changed_by_hand("alpha")
    machine.take_back()
    assert same(machine.world.shares, dict.fromkeys(NAMES, 1.0 / 3.0))
    machine.at_rest_shares_are_those_of_a_confirmed_plan()
    machine.teardown()
