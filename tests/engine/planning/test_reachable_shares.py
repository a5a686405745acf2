"""Plans ask only for shares that can be asked for: whole steps, nothing below a floor, or what is there already."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reallot import Capabilities, Limits, ProtocolSpec, SimulatedAdapter
from reallot.engine.contracts.clock import ManualClock
from reallot.engine.contracts.configs import Mode, OptimizerConfig, ReallocationConfig
from reallot.orchestration.coordinator import ProtocolCoordinator
from reallot.orchestration.cycle import run_cycle
from reallot.orchestration.monitor import RealtimeMonitor
from reallot.orchestration.optimizer import EarningsOptimizer
from reallot.orchestration.reallocation import ReallocationEngine
from tests.orchestration.polls import START, poll
from tests.strategies import NAMES, budget

EIGHTH = 0.125


def is_multiple(share: float, step: float) -> bool:
    return abs(share / step - round(share / step)) <= 1e-9 / step


def planned(rates, shares, specs=(), **said):
    metrics = poll(rates, shares, **said)
    return EarningsOptimizer(specs=list(specs)).calculate_optimal_allocation(metrics)


def test_a_plan_moves_whole_threads():
    # 0.2 may move, which is one thread of eight and a part of the next
    plan = planned({"a": 1.0, "b": 9.0}, {"a": 0.5, "b": 0.5}, steps={"a": EIGHTH})
    assert plan.allocation == pytest.approx({"a": 0.375, "b": 0.625}, abs=1e-12)


def test_without_steps_the_same_moves_all_that_may_move():
    plan = planned({"a": 1.0, "b": 9.0}, {"a": 0.5, "b": 0.5})
    assert plan.allocation == pytest.approx({"a": 0.3, "b": 0.7})


def test_what_is_released_in_one_step_and_not_taken_up_in_another_lies_idle():
    # 0.2 given up, 0.15 taken: what b gains is more than what a loses, and 0.05 is nobody's
    rates, shares = {"a": 1.0, "b": 9.0, "c": None}, {"a": 0.6, "b": 0.3, "c": 0.1}
    plan = planned(rates, shares, steps={"a": 0.2, "b": 0.15})
    assert plan.allocation == pytest.approx({"a": 0.4, "b": 0.45, "c": 0.1}, abs=1e-12)


def test_a_step_larger_than_what_may_change_is_said_and_goes_where_one_unit_may_pass_the_limit():
    rates, shares, steps = {"a": 1.0, "b": 9.0}, {"a": 0.5, "b": 0.5}, {"a": 0.25}
    plan = planned(rates, shares, steps=steps)
    assert plan.moves == {} and "a unreachable: unit 25 % > limit 20 %" in plan.reasons
    optimizer = EarningsOptimizer(limits=Limits(allow_one_unit=True))
    plan = optimizer.calculate_optimal_allocation(poll(rates, shares, steps=steps))
    assert plan.allocation == pytest.approx({"a": 0.25, "b": 0.7}, abs=1e-12)


def test_nothing_goes_below_a_floor_nor_from_nothing_to_less_than_it():
    shares = {"disk": 0.4, "small": 0.1, "new": 0.0, "rest": 0.5}
    rates = {"disk": 0.1, "small": 0.1, "new": None, "rest": 9.0}
    plan = planned(rates, shares, floors={"disk": 0.3, "small": 0.2, "new": 0.3})
    assert plan.allocation == pytest.approx({"disk": 0.3, "small": 0.1, "new": 0.0, "rest": 0.6})
    spec = ProtocolSpec("new", 20.0)
    plan = planned(rates, shares, [spec], floors={"disk": 0.3, "small": 0.2, "new": 0.3})
    assert plan.allocation["new"] in (0.0, pytest.approx(0.3, abs=1e-12))


def test_a_specs_own_step_stands():
    spec = ProtocolSpec("a", 1.0, step=0.1)
    plan = planned({"a": 1.0, "b": 9.0}, {"a": 0.5, "b": 0.5}, [spec], steps={"a": 0.5})
    assert plan.allocation == pytest.approx({"a": 0.3, "b": 0.7}, abs=1e-12)


def test_the_fingerprint_knows_the_steps():
    rates, shares = {"a": 1.0, "b": 9.0}, {"a": 0.5, "b": 0.5}
    prints = {
        planned(rates, shares, **said).fingerprint for said in ({}, {"steps": {"a": 0.1}}, {"floors": {"a": 0.1}})
    }
    assert len(prints) == 3


def test_a_poll_says_what_adapters_can_be_asked_for_and_believes_no_nonsense():
    class Odd(SimulatedAdapter):
        def capabilities(self):
            return Capabilities(step=math.nan, floor="much")

    coordinator = ProtocolCoordinator()
    coordinator.register_adapter("miner", SimulatedAdapter("miner", 1.0, capabilities=Capabilities(step=EIGHTH)))
    coordinator.register_adapter("disk", SimulatedAdapter("disk", 1.0, capabilities=Capabilities(floor=0.3)))
    coordinator.register_adapter("odd", Odd("odd", 1.0))
    coordinator.register_adapter("plain", SimulatedAdapter("plain", 1.0))
    metrics = asyncio.run(coordinator.poll_all())
    assert (metrics.steps, metrics.floors) == ({"miner": EIGHTH}, {"disk": 0.3})


@st.composite
def situations(draw: st.DrawFn):
    """Shares, rates, steps and floors; shares are often off the grid and below the floor."""
    names = draw(st.permutations(NAMES))[: draw(st.integers(2, 5))]
    parts = [draw(st.integers(0, 8)) for _ in names]
    whole = sum(parts) + draw(st.sampled_from([0, 0, 1]))
    assume(sum(parts) > 0)
    shares = {name: part / whole for name, part in zip(names, parts, strict=True)}
    rates = {name: draw(st.one_of(st.none(), st.floats(-1.0, 20.0))) for name in names}
    kinds = {name: draw(st.sampled_from([None, EIGHTH, 0.25, 1.0 / 3.0, 1.0])) for name in names}
    floors = {name: draw(st.sampled_from([None, None, 0.05, 0.3])) for name in names}
    specs = [ProtocolSpec(name, draw(st.floats(0.0, 20.0))) for name in names if draw(st.integers(0, 3)) == 0]
    steps = {name: step for name, step in kinds.items() if step}
    config = OptimizerConfig(move_fee=draw(st.sampled_from([0.0, 0.5])))
    limits = Limits(allow_one_unit=draw(st.booleans()))
    optimizer = EarningsOptimizer(config, specs=specs, limits=limits)
    return optimizer, rates, shares, steps, {name: floor for name, floor in floors.items() if floor}


@pytest.mark.slow
@budget(2.0)
@given(situations())
def test_every_target_can_be_asked_for(situation):
    optimizer, rates, shares, steps, floors = situation
    plan = optimizer.calculate_optimal_allocation(poll(rates, shares, steps=steps, floors=floors))
    assert sum(plan.allocation.values()) <= 1.0 + 1e-9
    for name in plan.moves:
        target = plan.allocation[name]
        assert is_multiple(target, steps[name]) if name in steps else True
        # from below its floor a share rises to it, or not at all; from nothing it may also stay at nothing
        assert target >= floors.get(name, 0.0) - 1e-9
    assert plan.net_benefit >= -1e-9 * max(1.0, abs(plan.current_earnings))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_stepped_adapters_are_never_asked_for_what_they_refuse(seed: int):
    clock = ManualClock(START)
    coordinator = ProtocolCoordinator(clock=clock)
    can = {
        "miner": Capabilities(step=EIGHTH),
        "gpus": Capabilities(step=0.25),
        "disk": Capabilities(floor=0.2),
        "relay": Capabilities(),
    }
    begun = {"miner": 0.25, "gpus": 0.25, "disk": 0.3, "relay": 0.2}

    def earns(number):
        return lambda share, at: share * (2.0 + math.sin(seed + number + (at - START) / timedelta(hours=5)))

    for number, (name, capabilities) in enumerate(can.items()):
        adapter = SimulatedAdapter(
            name, earns(number), share=begun[name], clock=clock, noise=0.02, seed=seed, capabilities=capabilities
        )
        coordinator.register_adapter(name, adapter)
    optimizer = EarningsOptimizer(OptimizerConfig(min_improvement_threshold=0.01), clock=clock)
    engine, monitor = ReallocationEngine(clock=clock), RealtimeMonitor(clock=clock)

    async def day():
        acted = 0
        for _ in range(24 * 6):
            result = await run_cycle(coordinator, optimizer, engine, monitor, clock=clock)
            assert not result.errors and "refused" not in result.blocked
            acted += result.acted
            shares = {name: adapter.share for name, adapter in coordinator.adapters.items()}
            assert all(is_multiple(shares[name], step) for name, step in (("miner", EIGHTH), ("gpus", 0.25)))
            assert shares["disk"] >= 0.2 - 1e-9
            await clock.sleep(600.0)
        return acted

    assert asyncio.run(day()) >= 3
    assert all(change.outcome == "confirmed" for change in asyncio.run(engine.get_reallocation_history()))


@pytest.mark.parametrize("mode", [Mode.AUTOMATIC, Mode.ADVISE])
def test_what_nobody_here_can_change_stays_and_keeps_nothing_else_from_moving(mode: Mode):
    clock = ManualClock(START)
    coordinator = ProtocolCoordinator(clock=clock)
    for name, rate, share in (("node", 1.0, 0.4), ("relay", 2.0, 0.3), ("compute", 5.0, 0.3)):
        can = Capabilities(acts=name != "node")
        coordinator.register_adapter(name, SimulatedAdapter(name, rate, share=share, clock=clock, capabilities=can))
    optimizer = EarningsOptimizer(OptimizerConfig(min_improvement_threshold=0.01), clock=clock)
    engine = ReallocationEngine(ReallocationConfig(mode=mode), clock=clock)
    result = asyncio.run(run_cycle(coordinator, optimizer, engine, RealtimeMonitor(clock=clock), clock=clock))
    if mode is Mode.ADVISE:  # a person may be able to
        assert result.plan.moves == pytest.approx({"node": -0.2, "compute": 0.2})
    else:
        assert result.acted
        assert result.plan.moves == pytest.approx({"relay": -0.2, "compute": 0.2})
