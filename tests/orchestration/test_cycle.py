"""The cycle: the eight steps on simulated protocols, and what a failing step leaves working."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from benchmarks.cycle import deciding, everything
from reallot import Group, Limits, Status
from reallot.adapters.simulated import SimulatedAdapter
from reallot.engine.contracts.clock import ManualClock
from reallot.engine.contracts.configs import MonitorConfig
from reallot.engine.contracts.records import Alert
from reallot.engine.ledger.folder import open_ledger
from reallot.errors import CoordinationError, ProtocolError, ReallocationError
from reallot.orchestration.coordinator import ProtocolCoordinator
from reallot.orchestration.cycle import cycles, run_cycle
from reallot.orchestration.monitor import RealtimeMonitor
from reallot.orchestration.optimizer import EarningsOptimizer
from reallot.orchestration.reallocation import ReallocationEngine
from tests.orchestration.polls import START
from tests.test_certificates import answering

run = asyncio.run


class PlainEngine:
    """Moves without a journal; says no where it is told to."""

    def __init__(self, refusal: Exception | None = None, rests: tuple[str, ...] = ()) -> None:
        self.refusal, self.rests, self.plans = refusal, rests, []

    async def recover(self, adapters):
        pass

    def fixed_protocols(self, adapters):
        return ()

    async def held_protocols(self):
        return dict.fromkeys(self.rests)

    async def execute_reallocation(self, plan, adapters):
        if self.refusal is not None:
            raise self.refusal
        self.plans.append(plan)
        for name, share in sorted(plan.allocation.items(), key=lambda each: each[1] - plan.current[each[0]]):
            await adapters[name].apply_allocation(share)


def world(clock, rates=None, shares=None):
    rates, shares = rates or {"relay": 4.0, "compute": 16.0}, shares or {"relay": 0.5, "compute": 0.5}
    coordinator = ProtocolCoordinator(clock=clock)
    for name, rate in rates.items():
        coordinator.register_adapter(name, SimulatedAdapter(name, rate, share=shares[name], clock=clock))
    monitor = RealtimeMonitor(MonitorConfig(low_earnings_threshold=None), clock=clock)
    return coordinator, EarningsOptimizer(clock=clock), monitor


async def several(count, coordinator, optimizer, engine, monitor, clock):
    loop = cycles(coordinator, optimizer, engine, monitor, every_seconds=60.0, most=count, clock=clock)
    return [result async for result in loop]


def test_one_cycle_polls_plans_moves_shows_and_keeps():
    clock = ManualClock(START)
    coordinator, optimizer, monitor = world(clock)
    engine = PlainEngine()
    result = run(run_cycle(coordinator, optimizer, engine, monitor, clock=clock))
    assert (result.wanted, result.acted, result.errors, result.blocked) == (True, True, {}, "")
    assert result.plan == engine.plans[0]
    assert result.dashboard.optimal_allocation == pytest.approx({"relay": 0.3, "compute": 0.7})
    assert {alert.key for alert in result.alerts} == {"opportunity"}
    assert run(monitor.get_earnings_trends(1)) == [(START, 10.0)]
    assert run(coordinator.adapters["compute"].get_allocation()) == pytest.approx(0.7)


def test_a_loop_waits_between_cycles_and_goes_on_to_the_end_of_what_is_worth_it():
    clock = ManualClock(START)
    coordinator, optimizer, monitor = world(clock)
    engine = PlainEngine()
    results = run(several(10, coordinator, optimizer, engine, monitor, clock))
    assert [result.acted for result in results] == [True, True, True] + [False] * 7
    assert [result.started_at for result in results] == [START + timedelta(minutes=m) for m in range(10)]
    assert run(coordinator.adapters["compute"].get_allocation()) == pytest.approx(1.0)
    report = run(monitor.generate_report(START, clock.now()))
    assert report.total_earnings == pytest.approx((11.2 + 13.6 + 15.4 + 16 * 6) / 60, abs=0.02)


def test_a_second_cycle_in_an_unchanged_world_leaves_no_trace(tmp_path):
    """Nothing is moved, written down or told."""
    clock = ManualClock(START)
    coordinator, optimizer, monitor = world(clock, {"relay": 4.0, "compute": 4.0})
    with closing(open_ledger(tmp_path)) as ledger:
        engine = ReallocationEngine(ledger=ledger, clock=clock)
        results = run(several(1, coordinator, optimizer, engine, monitor, clock))
        before = written(tmp_path)
        results += run(several(3, coordinator, optimizer, engine, monitor, clock))
        assert before and written(tmp_path) == before
        engine.close()
    assert all((each.acted, each.alerts, each.errors) == (False, [], {}) for each in results)
    assert all(each.dashboard.recent_changes == [] for each in results)


def written(folder):
    """Every row of the journal, read beside the engine that holds it."""
    with closing(sqlite3.connect(f"file:{folder / 'journal.db'}?mode=ro", uri=True)) as connection:
        return list(connection.iterdump())


def test_without_an_engine_it_advises():
    clock = ManualClock(START)
    coordinator, optimizer, monitor = world(clock)
    result = run(run_cycle(coordinator, optimizer, None, monitor, clock=clock))
    assert (result.wanted, result.acted) == (True, False)
    assert run(coordinator.adapters["compute"].get_allocation()) == 0.5


def test_a_protocol_that_rests_is_held_in_the_plan():
    clock = ManualClock(START)
    result = run(run_cycle(*(parts := world(clock))[:2], PlainEngine(rests=("compute",)), parts[2], clock=clock))
    assert result.plan.moves == {}
    assert result.opportunities == []
    assert (result.wanted, result.acted) == (False, False)


def test_a_guard_that_says_no_is_no_failure():
    clock = ManualClock(START)
    coordinator, optimizer, monitor = world(clock)
    engine = PlainEngine(ReallocationError("4 plans in this hour already", by="budget"))
    result = run(run_cycle(coordinator, optimizer, engine, monitor, clock=clock))
    assert (result.acted, result.blocked, result.errors) == (False, "4 plans in this hour already", {})
    assert result.dashboard is not None


@pytest.mark.slow
def test_with_the_engine_moves_are_a_hold_apart_and_bring_what_was_predicted():
    clock = ManualClock(START)
    coordinator, optimizer, _ = world(clock)
    quiet = MonitorConfig(low_earnings_threshold=None)
    told: list[Alert] = []
    engine = ReallocationEngine(clock=clock, on_alert=told.append)
    monitor = RealtimeMonitor(quiet, clock=clock, changes=engine)

    async def day():
        results = await several(60, coordinator, optimizer, None, monitor, clock)  # an hour of looking first
        results += await several(240, coordinator, optimizer, engine, monitor, clock)
        return results, await monitor.generate_report(START, clock.now())

    results, report = run(day())
    engine.close()
    assert not any(result.errors for result in results)
    assert told == []
    assert [minute for minute, result in enumerate(results) if result.acted] == [60, 120, 180]
    assert report.reallocations == 3
    assert [move.predicted for move in report.moves] == pytest.approx([2.4, 2.4, 1.2])
    assert [move.measured for move in report.moves] == pytest.approx([2.4, 2.4, 1.2])
    # moves at 59, 119 and 179 min of 298; each is seen a minute later, half of that minute's gain lies on the slope
    expected = (10 * 59 + 12.4 * 60 + 14.8 * 60 + 16 * 119 - 0.5 * (2.4 + 2.4 + 1.2)) / 60
    assert report.total_earnings == pytest.approx(expected)
    assert results[-1].dashboard.recent_changes[-1].protocol == "compute"


def test_a_cycle_costs_little_beside_the_waiting():
    # figures are printed by python -m benchmarks --only cycle; this only keeps it running, and far from what would hurt
    assert deciding(20, 20)[1] < 0.05
    assert deciding(20, 20, moving=True)[1] < 0.05
    assert everything(3, 30)[1] / 30 < 0.05


class Broken:
    """A coordinator that cannot poll."""

    adapters = {}  # noqa: RUF012

    async def poll_all(self):
        raise CoordinationError("none of 3 protocols answers")


def test_a_failed_poll_is_told_once_while_it_lasts_and_once_when_it_is_over():
    clock = ManualClock(START)
    coordinator, optimizer, monitor = world(clock, rates={"relay": 1.0, "compute": 1.0})
    alerts = []
    for source in (Broken(), Broken(), coordinator):
        result = run(run_cycle(source, optimizer, None, monitor, clock=clock))
        alerts.append([(alert.key, alert.recovered_at is not None) for alert in result.alerts])
        clock.advance(60)
    assert alerts == [[("cycle:poll", False)], [], [("cycle:poll", True)]]


class Misspelt(PlainEngine):
    """An engine whose `held_protocols` is not there."""

    held_protocols = property()
    held_protocol = PlainEngine.held_protocols


def test_an_engine_that_lacks_a_method_fails_in_that_step_and_moves_nothing():
    clock = ManualClock(START)
    coordinator, optimizer, monitor = world(clock)
    engine = Misspelt()
    result = run(run_cycle(coordinator, optimizer, engine, monitor, clock=clock))
    assert list(result.errors) == ["recover"] and "AttributeError" in result.errors["recover"]
    assert result.wanted and not result.acted and engine.plans == []


@pytest.mark.parametrize("step", ["recover", "analyse", "plan", "move", "dashboard", "alerts"])
def test_a_step_that_fails_does_not_stop_observing(step, monkeypatch):
    clock = ManualClock(START)
    coordinator, optimizer, monitor = world(clock)
    engine = PlainEngine()

    def fail(*_, **__):
        raise ProtocolError("login refused, token=abcdef")

    owner, name = {
        "recover": (engine, "held_protocols"),
        "analyse": (optimizer, "analyze_opportunities"),
        "plan": (optimizer, "calculate_optimal_allocation"),
        "move": (engine, "execute_reallocation"),
        "dashboard": (monitor, "get_dashboard_metrics"),
        "alerts": (monitor, "check_alerts"),
    }[step]

    async def later(*_, **__):
        fail()

    monkeypatch.setattr(owner, name, fail if owner is optimizer else later)
    result = run(run_cycle(coordinator, optimizer, engine, monitor, clock=clock))
    assert list(result.errors) == [step]
    assert "abcdef" not in result.errors[step]
    assert result.acted is (step in ("dashboard", "alerts"))
    assert len(run(monitor.get_earnings_trends(1))) == 1
    assert f"cycle:{step}" in {alert.key for alert in monitor.open_alerts}


def crashed(*_, **__):
    raise RuntimeError("HiGHS ended in the middle")


WRONG = {
    "raises": (crashed, "HiGHS ended in the middle"),
    "time limit": (lambda solution: replace(solution, status=Status.STOPPED, values=None), "no certified plan"),
    "too much": (lambda solution: replace(solution, values=solution.values * 2.0), "fails its certificate"),
    "not a number": (lambda solution: replace(solution, values=solution.values * float("nan")), "no certified plan"),
    "stays where moving is better": (lambda solution: replace(solution, values=solution.values * 0.0), "certificate"),
}


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("name", WRONG)
def test_a_solver_that_is_wrong_moves_nothing_and_its_reason_is_shown(name, monkeypatch):
    """A rule between shares has HiGHS asked, whose answer is then planted."""
    change, words = WRONG[name]
    clock = ManualClock(START)
    coordinator, _, monitor = world(clock)
    limits = Limits(rules=("relay + compute <= 1",))
    optimizer, engine = EarningsOptimizer(limits=limits, clock=clock), PlainEngine()
    answering(monkeypatch, change)
    result = run(run_cycle(coordinator, optimizer, engine, monitor, clock=clock))
    assert engine.plans == [] and result.plan is None
    assert words in result.errors["plan"]
    assert "cycle:plan" in {alert.key for alert in monitor.open_alerts}
    monkeypatch.undo()
    clock.advance(60.0)
    result = run(run_cycle(coordinator, optimizer, engine, monitor, clock=clock))
    assert result.acted and len(engine.plans) == 1
    assert "cycle:plan" not in {alert.key for alert in monitor.open_alerts}


def test_limits_that_nothing_meets_move_nothing_and_are_named():
    clock = ManualClock(START)
    coordinator, _, monitor = world(clock)
    limits = Limits(groups=(Group("all", ("relay", "compute"), max_share=0.5),), max_turnover=0.1)
    engine = PlainEngine()
    result = run(run_cycle(coordinator, EarningsOptimizer(limits=limits, clock=clock), engine, monitor, clock=clock))
    assert engine.plans == [] and not result.wanted and not result.errors
    assert "all" in " ".join(result.plan.reasons)
