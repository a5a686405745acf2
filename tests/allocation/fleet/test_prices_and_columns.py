"""Fleets by prices and columns: equal to one program, bounds above every plan, at every size."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import Fleet, FleetLimits, Infeasible, Limits, allocate_fleet
from reallot.allocation.fleet.batch_block import BatchBlock
from reallot.allocation.fleet.decomposition import Decomposed, Here
from reallot.allocation.fleet.equal_hosts import summed
from reallot.allocation.fleet.judge import judge
from reallot.allocation.fleet.large import LargeFleet
from reallot.allocation.fleet.rows import SharedRows, rows_of
from tests.allocation.fleet.fleets import CONTINUOUS, best_of, world


def at_prices(fleet: Fleet, limits: FleetLimits, gap: float = 1e-9) -> tuple[Decomposed, float]:
    """The fleet decomposed, whatever its size, and the worth of its plan, which is judged as well."""
    rows = rows_of(fleet, limits)
    large = LargeFleet(fleet, limits, rows, np.ones(len(fleet)))
    makers = large.makers()
    stake = float(np.abs(fleet.table.gain()).max())
    found, shares = large.solve(
        Here([make() for make in makers]), len(makers), None, gap=gap, stake=stake, deadline=math.inf, tell=None
    )
    assert shares is not None
    judged = judge(fleet, limits, rows, shares)
    assert judged.residual <= 1e-9, judged.place
    return found, judged.net_benefit


@pytest.mark.slow
@given(st.integers(0, 10_000), st.integers(2, 8))
def test_prices_and_columns_find_what_an_independent_program_finds(seed: int, hosts: int) -> None:
    given = world(seed, hosts=hosts)
    found, worth = at_prices(given.fleet(), given.limits)
    best = best_of(given)
    assert worth == pytest.approx(best, rel=1e-8, abs=1e-8)
    assert found.bound >= worth - 1e-12 * max(1.0, worth) and found.bound >= best - 1e-9 * max(1.0, best)


@given(st.integers(0, 10_000), st.lists(st.floats(0.0, 50.0), min_size=20, max_size=20))
def test_at_any_prices_the_bound_is_above_any_plan(seed: int, numbers: list[float]) -> None:
    given = world(seed, CONTINUOUS, hosts=4)
    fleet, limits = given.fleet(), given.limits
    rows = rows_of(fleet, limits)
    shared = SharedRows.of(fleet, rows)
    prices = np.array(numbers[: len(rows)])
    answered = BatchBlock(shared, np.ones(len(fleet))).answer(prices)
    bound = answered.bound + float(prices @ (shared.limits - shared.now.sum(axis=0)))
    plan = allocate_fleet(fleet, limits)
    assert bound >= plan.net_benefit - 1e-12 * max(1.0, plan.net_benefit)
    # and the bound is what the answers are worth, less what they use
    worth = float(answered.value.sum() - (answered.use @ prices).sum())
    assert answered.bound == pytest.approx(worth, rel=1e-6, abs=1e-6)


def many(hosts: int, seed: int = 0) -> tuple[Fleet, FleetLimits]:
    """A fleet of ten protocols with eight caps, a turnover limit and a budget, most of which bind."""
    g = np.random.default_rng(seed)
    base, size = g.lognormal(0.0, 0.35, 10), g.lognormal(0.0, 0.6, hosts)
    rates = base * g.lognormal(0.0, 0.25, (hosts, 10)) * size[:, None]
    current = g.dirichlet(np.full(10, 0.6), hosts)
    cost = 0.6 * size[:, None] * g.uniform(0.5, 1.5, 10)
    fleet = Fleet.from_arrays(rates, current, max_change=0.2, move_cost=cost, sizes=size, horizon_hours=24.0)
    used = (size[:, None] * current).sum(axis=0)
    caps = {f"p{p}": float(used[p] * 1.02) for p in np.argsort(-base)[:8]}
    return fleet, FleetLimits(protocol_caps=caps, turnover=0.12 * size.sum(), move_budget=0.13 * size.sum())


@pytest.mark.slow
def test_a_fleet_beyond_one_program_is_planned_by_prices_with_a_proven_gap() -> None:
    fleet, limits = many(6000)
    plan = allocate_fleet(fleet, limits, gap=1e-9)
    assert plan.solver == "decomposition" and plan.status == "optimal"
    assert plan.gap <= 1e-9 and plan.certificate.worst_residual <= 1e-9
    again = allocate_fleet(fleet, limits, gap=1e-9, prices=plan.prices)
    assert again.rounds <= plan.rounds
    assert again.net_benefit == pytest.approx(plan.net_benefit, rel=1e-9)
    assert plan.host("h17").schedule[0].tolist() == plan.shares[17].tolist()


def test_equal_hosts_are_summed_and_the_plan_is_that_of_all() -> None:
    rates, current = [[2.0, 1.0], [3.0, 1.0], [2.5, 1.0]] * 1000, [[0.0, 1.0]]
    fleet = Fleet.from_arrays(rates, current, protocols=["storj", "relay"], max_change=0.5)
    kinds = summed(fleet, FleetLimits())
    assert kinds.counts.tolist() == [1000.0] * 3
    plan = allocate_fleet(fleet, FleetLimits(protocol_caps={"storj": 750.0}))
    assert "3,000 hosts of 3 different kinds" in plan.solver_reason
    assert plan.net_benefit == pytest.approx(500 * 2.0 + 250 * 1.5)
    assert plan.prices["protocol cap storj"] == pytest.approx(1.5)
    assert plan.shares[:, 0].sum() == pytest.approx(750.0)


def test_hosts_of_other_sizes_or_rules_are_not_summed() -> None:
    fleet = Fleet.from_arrays(np.ones((4, 2)), [[0.0, 1.0]], sizes=[1.0, 2.0, 1.0, 2.0])
    assert len(summed(fleet, FleetLimits()).fleet) == 2
    assert len(summed(fleet, FleetLimits(moving_hosts=1)).fleet) == 4


@pytest.mark.slow
def test_a_large_fleet_that_must_move_is_planned_and_one_that_cannot_is_refused_in_words() -> None:
    fleet, limits = many(2500)
    used = (fleet.sizes[:, None] * fleet.table.current).sum(axis=0)
    caps = {f"p{p}": float(used[p] * 0.97) for p in range(3)}
    plan = allocate_fleet(fleet, FleetLimits(protocol_caps=caps, turnover=limits.turnover), gap=1e-8)
    assert plan.solver == "decomposition" and plan.gap <= 1e-8
    least = float(np.maximum(fleet.table.current[:, 0] - 0.2, 0.0) @ fleet.sizes)
    held = {"p0": 0.5 * least}
    with pytest.raises(Infeasible, match=r"protocol cap p0: .* may not shrink") as e:
        allocate_fleet(fleet, FleetLimits(protocol_caps=held))
    assert e.value.conflict is not None
    assert e.value.conflict.amount == pytest.approx(least - held["p0"], rel=1e-6)
    with pytest.raises(Infeasible, match="cannot be met together") as e:
        allocate_fleet(fleet, FleetLimits(protocol_caps=caps, turnover=0.0001))
    assert "turnover" in e.value.conflict.rules  # type: ignore[union-attr]


@pytest.mark.slow
@given(st.integers(0, 10_000))
def test_moving_hosts_and_asymmetric_costs_answer_to_prices(seed: int) -> None:
    given = world(seed, ("turnover", "moving"), hosts=6)
    fleet, limits = given.fleet(), given.limits
    found, worth = at_prices(fleet, limits, gap=1e-6)
    plan = allocate_fleet(fleet, limits)
    assert worth <= plan.net_benefit + 1e-7 * max(1.0, plan.net_benefit)
    assert found.bound >= plan.net_benefit - 1e-9 * max(1.0, plan.net_benefit)


def test_idle_capacity_and_other_units_of_capacity_answer_to_prices() -> None:
    from reallot import AllocationProblem

    problems = [
        AllocationProblem(
            {"a": float(rate), "b": -1.0},
            {"a": 1.0, "b": 2.0},
            capacity=4.0,
            allow_idle=True,
            limits=Limits(max_turnover=1.5),
        )
        for rate in (1, 2, 3)
    ]
    fleet = Fleet(problems)
    limits = FleetLimits(protocol_caps={"a": 5.0})
    found, worth = at_prices(fleet, limits)
    plan = allocate_fleet(fleet, limits)
    assert worth == pytest.approx(plan.net_benefit)
    assert found.bound == pytest.approx(plan.net_benefit)
