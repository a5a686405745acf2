"""A protocol that is taken out of the configuration, or renamed, while it has a share or in the middle of a move.

There is no reload in a running engine: a configuration changes at a restart, and adapters from one entry to the next.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from reallot.cli.main import main
from reallot.engine.contracts.configs import ReallocationConfig
from reallot.engine.contracts.records import ChangeKind
from reallot.engine.execution.orphaned import KEY, OrphanedProtocol, give_up
from reallot.engine.ledger.folder import open_ledger, read_journal
from reallot.engine.ledger.sqlite_journal import MemoryJournal
from reallot.engine.ledger.timestamps import Stamp
from reallot.errors import DataError, ReallocationError
from reallot.orchestration.reallocation import ReallocationEngine
from tests.engine.execution.test_engine_stateful import EPS, NAMES, EngineMachine
from tests.orchestration.worlds import START, World, plan, run

CONFIG = ReallocationConfig(min_hold_duration=timedelta(0), max_per_hour=100, late_effects=timedelta(0))


class Parts:
    """An engine that may be started again with other adapters, on one journal."""

    def __init__(self, world, clock, config=CONFIG):
        self.world, self.clock, self.config = world, clock, config
        self.journal, self.alerts = MemoryJournal(), []
        self.start()

    def start(self):
        self.engine = ReallocationEngine(
            self.config, ledger=self.journal, clock=self.clock, on_alert=self.alerts.append
        )

    async def killed_in(self, wanted, effects):
        """A move that ends with its process after so many effects."""
        move = asyncio.ensure_future(self.engine.execute_reallocation(wanted, self.world.adapters))
        while len(self.world.effects) < effects:
            await self.clock.sleep(0.1)
        move.cancel()
        await asyncio.gather(move, return_exceptions=True)

    def without(self, *names):
        return {name: adapter for name, adapter in self.world.adapters.items() if name not in names}

    def open(self):
        return [each for each in self.journal.alerts() if each.key.startswith(KEY) and each.recovered_at is None]


@pytest.mark.parametrize("restarted", [True, False], ids=["after a restart", "between two entries"])
def test_what_is_not_configured_any_more_keeps_its_share_and_that_is_said_once(restarted):
    async def test(clock):
        world = World(relay=0.6, compute=0.3, storage=0.1)
        parts = Parts(world, clock)
        await parts.engine.recover(world.adapters)
        there = parts.without("relay")
        if restarted:
            parts.start()
        wanted = world.plan(compute=0.9)
        wanted = wanted.model_copy(
            update={
                name: {k: v for k, v in getattr(wanted, name).items() if k != "relay"}
                for name in ("allocation", "current")
            }
        )
        with pytest.raises(ReallocationError, match=r"1\.600000 of capacity 1") as caught:
            await parts.engine.execute_reallocation(wanted, there)
        await parts.engine.recover(there)
        (alert,) = parts.alerts
        (kept,) = parts.open()
        # what the others have among themselves may still move
        smaller = wanted.model_copy(update={"id": "smaller", "allocation": {"compute": 0.35, "storage": 0.05}})
        await parts.engine.execute_reallocation(smaller, there)
        shares = dict(world.shares)
        # it comes back with the share that it had, and the alert is over
        await parts.engine.recover(world.adapters)
        return caught.value.by, alert, kept, shares, parts.open(), world

    by, alert, kept, shares, open_at_the_end, world = run(test)
    assert by == "capacity"
    assert alert.key == kept.key == "removed:relay"
    assert "relay is not configured any more and may still have 0.6000 of capacity, which stays taken" in alert.message
    assert shares == pytest.approx({"relay": 0.6, "compute": 0.35, "storage": 0.05})
    assert open_at_the_end == []
    assert world.most <= 1.0 + EPS


def test_a_protocol_that_had_nothing_left_is_simply_gone():
    async def test(clock):
        world = World(relay=0.0, compute=0.6)
        parts = Parts(world, clock)
        await parts.engine.recover(world.adapters)
        parts.start()
        await parts.engine.recover(parts.without("relay"))
        return parts.alerts

    assert run(test) == []


@pytest.mark.parametrize("removed", ["relay", "compute"])
@pytest.mark.parametrize("calls", [1, 2], ids=["after the first call", "after the second call"])
def test_in_the_middle_of_a_move_the_others_are_put_back_and_it_is_when_it_is_back(removed, calls):
    """The old terms hold: those before the move. What the removed one may have stays taken meanwhile."""

    async def test(clock):
        world = World(relay=0.6, compute=0.3, storage=0.1)
        parts = Parts(world, clock)
        await parts.engine.recover(world.adapters)
        world.fail("relay", *([] if calls == 2 else ["hang after"]))
        world.fail("compute", "hang after")
        move = asyncio.ensure_future(
            parts.engine.execute_reallocation(world.plan(relay=0.4, compute=0.5), world.adapters)
        )
        while len(world.effects) < calls:
            await clock.sleep(0.1)
        move.cancel()
        await asyncio.gather(move, return_exceptions=True)
        parts.start()
        there = parts.without(removed)
        for _ in range(3):
            await parts.engine.recover(there)
        meanwhile, told = dict(world.shares), {each.key for each in parts.alerts}
        parts.start()
        for _ in range(3):
            await parts.engine.recover(world.adapters)
        return meanwhile, told, parts, world

    meanwhile, told, parts, world = run(test)
    assert f"removed:{removed}" in told
    other = "compute" if removed == "relay" else "relay"
    waits = removed == "compute" and calls == 2  # what it took is not there to be given back
    assert meanwhile[other] == pytest.approx(0.4 if waits else {"relay": 0.6, "compute": 0.3}[other])
    assert ("unsettled" in told) == waits
    assert world.shares == pytest.approx({"relay": 0.6, "compute": 0.3, "storage": 0.1})
    assert parts.journal.open_operation() is None and parts.open() == []
    assert world.most <= 1.0 + EPS


def test_a_plan_with_one_that_is_gone_is_not_taken_back_by_halves():
    async def test(clock):
        world = World(relay=0.6, compute=0.3)
        parts = Parts(world, clock)
        await parts.engine.execute_reallocation(world.plan(relay=0.4, compute=0.5), world.adapters)
        with pytest.raises(ReallocationError, match="relay is not configured any more") as caught:
            await parts.engine.rollback_allocation(parts.without("relay"))
        return caught.value.by, world.shares, parts.journal.open_operation()

    assert run(test) == ("adapter", {"relay": 0.4, "compute": 0.5}, None)


def test_a_persons_word_ends_it_also_in_the_middle_of_a_move():
    async def test(clock):
        world = World(relay=0.6, compute=0.3)
        parts = Parts(world, clock)
        await parts.engine.recover(world.adapters)
        world.fail("compute", "hang after")
        move = asyncio.ensure_future(
            parts.engine.execute_reallocation(world.plan(relay=0.3, compute=0.6), world.adapters)
        )
        while len(world.effects) < 2:
            await clock.sleep(0.1)
        move.cancel()
        await asyncio.gather(move, return_exceptions=True)
        there = parts.without("compute")
        parts.start()
        await parts.engine.recover(there)
        waits = parts.journal.open_operation()
        give_up(parts.journal, "compute", parts.engine.books.stamp())
        give_up(parts.journal, "compute", parts.engine.books.stamp())  # again is harmless
        del world.shares["compute"]
        parts.start()
        await parts.engine.recover(there)
        await parts.engine.execute_reallocation(world.plan(relay=1.0), there)
        return waits, parts, world.shares

    waits, parts, shares = run(test)
    assert waits is not None
    assert shares == {"relay": 1.0}
    assert parts.journal.committed() == {"relay": 1.0}, "what is forgotten is not at 0: it is not known"
    assert parts.open() == [] and parts.journal.most("compute") == 0.0


def test_others_in_the_middle_of_a_move_are_not_cut_short():
    journal, at = MemoryJournal(), Stamp(START, 0.0, "one")
    shares = {"relay": 0.6, "compute": 0.3}
    begun = journal.begin("plan", ChangeKind.MOVE, shares, {"relay": 0.4, "compute": 0.5}, [("relay", 0.6, 0.4)], at)
    with pytest.raises(DataError, match="one runs at a time"):
        give_up(journal, "storage", at)
    assert journal.open_operation() == begun


# The whole of it: a configuration file, a ledger, the command line

THREE = """
[coordinator]
every = "2m"
[optimizer]
min_improvement_threshold = 0.01
[reallocation]
mode = "automatic"
min_hold_duration = "0s"
[monitor]
low_earnings_threshold = 0.01
optimization_threshold = 100.0
"""
PROTOCOL = """
[protocols.{name}]
adapter = "simulated"
share = {share}
rate = {rate}
"""


def written(folder, **protocols):
    path = folder / "config.toml"
    path.write_text(THREE + "".join(PROTOCOL.format(name=n, share=s, rate=r) for n, (s, r) in protocols.items()))
    return path


def told(capsys, *arguments):
    code = main([str(each) for each in arguments])
    return code, *capsys.readouterr()


@pytest.mark.slow
def test_a_run_without_it_leaves_its_share_alone_until_it_is_forgotten(tmp_path, capsys):
    books = ("--ledger", tmp_path / "books")
    config = written(tmp_path, relay=(0.5, 1.0), compute=(0.3, 1.0), storage=(0.2, 1.0))
    assert told(capsys, "run", config, "--once", "--simulate", "1h", *books)[0] == 0
    assert told(capsys, "forget", "relay", *books)[0] == 3  # nobody misses it
    config = written(tmp_path, compute=(0.3, 3.0), storage=(0.2, 1.0))
    code, out, _ = told(capsys, "run", config, "--simulate", "20m", *books)
    assert code == 0
    assert out.count("relay is not configured any more and may still have 0.5000") >= 1
    assert out.count("alert: relay is not configured any more") == 1
    assert committed(tmp_path) == pytest.approx({"relay": 0.5, "compute": 0.5, "storage": 0.0})
    code, out, err = told(capsys, "forget", "rely", *books)
    assert code == 3 and "relay" in err
    code, out, _ = told(capsys, "forget", "relay", *books)
    assert (code, out) == (0, "Forgotten: relay; the 0.50 of capacity that it may have had is free from now on.\n")
    code, out, _ = told(capsys, "run", config, "--simulate", "20m", *books)
    assert code == 0 and "not configured any more" not in out
    assert committed(tmp_path) == pytest.approx({"compute": 1.0, "storage": 0.0})


@pytest.mark.slow
def test_a_new_name_is_another_protocol_and_nothing_is_given_twice(tmp_path, capsys):
    """Under its new name it has a share, under its old one it may: both count, until a person says which is true."""
    books = ("--ledger", tmp_path / "books")
    config = written(tmp_path, relay=(0.6, 1.0), compute=(0.4, 1.0))
    assert told(capsys, "run", config, "--once", "--simulate", "1h", *books)[0] == 0
    config = written(tmp_path, relay_two=(0.6, 1.0), compute=(0.4, 3.0))
    code, out, _ = told(capsys, "run", config, "--simulate", "20m", *books)
    assert code == 0
    assert "relay is not configured any more" in out and "not now (capacity)" in out
    assert committed(tmp_path) == pytest.approx({"relay": 0.6, "relay_two": 0.6, "compute": 0.4})
    assert told(capsys, "forget", "relay", *books)[0] == 0
    assert told(capsys, "run", config, "--simulate", "20m", *books)[0] == 0
    assert committed(tmp_path)["compute"] > 0.4 + EPS


@pytest.mark.slow
def test_a_ledger_that_an_engine_has_is_not_told(tmp_path, capsys):
    ledger = open_ledger(tmp_path / "books")
    parts = Parts(World(), None)
    ledger.journal.adopt({"relay": 0.5})
    parts.engine = ReallocationEngine(CONFIG, ledger=ledger)
    asyncio.run(parts.engine.recover({}))
    code, _, err = told(capsys, "forget", "relay", "--ledger", tmp_path / "books")
    assert code == 3 and "process" in err
    parts.engine.close()
    ledger.close()


def committed(folder):
    journal = read_journal(folder / "books")
    try:
        return journal.committed()
    finally:
        journal.close()


# Any history: restarts with other protocols at any time


class RemovingMachine(EngineMachine):
    """Every rule and invariant of the engine's machine, and restarts with some of the protocols only."""

    @initialize()
    def all_there(self):
        self.gone, self.told = frozenset(), False

    @rule(names=st.sets(st.sampled_from(NAMES), min_size=1))
    def another_configuration(self, names):
        adapters = self.everybody()
        self.gone = frozenset(NAMES) - names
        self.world.adapters = {name: adapters[name] for name in NAMES if name in names}
        self.restart()
        self.run(self.engine.recover(self.world.adapters))
        self.told = True

    def everybody(self):
        if not hasattr(self, "_all"):
            self._all = dict(self.world.adapters)
        return self._all

    @precondition(lambda self: len(self.gone) == 1)
    @rule(part=st.sampled_from([0.5, 1.0]), more=st.sampled_from([0.0, 0.2]), crash=st.sampled_from([None, 1.0, 3.0]))
    def propose_among_those_that_are_there(self, part, more, crash):
        """Plans that know nothing of the one that is gone, and some that would give its share away."""
        giver, taker = sorted(self.world.adapters)
        shares = {name: self.world.shares[name] for name in (giver, taker)}
        freed = shares[giver] * part
        self.last = plan(shares, {giver: shares[giver] - freed, taker: min(1.0, shares[taker] + freed + more)})
        self.run(self.engine.execute_reallocation(self.last, self.world.adapters), crash)

    @invariant()
    def who_is_gone_and_has_a_share_is_told_of(self):
        if not getattr(self, "told", False):
            return
        opened = {each.key for each in self.journal.alerts() if each.recovered_at is None}
        for name in self.gone:
            assert self.world.shares[name] <= EPS or f"removed:{name}" in opened
        assert not opened & {f"removed:{name}" for name in self.world.adapters}

    @invariant()
    def at_rest_shares_are_those_of_a_confirmed_plan(self):
        """What is gone cannot be put back: shares are looked at again at the end, when all are there."""

    def teardown(self):
        if hasattr(self, "world"):
            self.world.adapters = self.everybody()
            self.gone = frozenset()
            self.restart()
        super().teardown()


RemovingMachine.TestCase.settings = settings(stateful_step_count=40)
TestRemoving = RemovingMachine.TestCase
TestRemoving.pytestmark = [pytest.mark.slow]


def test_one_that_is_handed_in_as_missing_is_told_like_one_that_is_found_missing():
    """A running engine also polls what stands in for a protocol without an adapter."""

    async def first_alerts(hand_in):
        world, told = World(a=0.5, b=0.5), []
        journal = MemoryJournal()
        engine = ReallocationEngine(ledger=journal)
        await engine.recover(world.adapters)
        engine.close()
        engine = ReallocationEngine(ledger=journal, on_alert=told.append)
        left = {"b": world.adapters["b"]}
        await engine.recover({**left, "a": OrphanedProtocol("a", 0.5)} if hand_in else left)
        engine.close()
        return [(alert.key, alert.message) for alert in told]

    handed_in = asyncio.run(first_alerts(hand_in=True))
    assert [key for key, _ in handed_in] == ["removed:a"]
    assert handed_in == asyncio.run(first_alerts(hand_in=False))
