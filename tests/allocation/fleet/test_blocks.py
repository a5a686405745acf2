"""Blocks other than arrays: programs of single hosts, and sites with exclusive protocols."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.fleet import sites
from reallot import (
    AllocationProblem,
    EarningsCurve,
    Fleet,
    FleetLimits,
    Infeasible,
    Limits,
    ProtocolSpec,
    allocate_fleet,
)
from reallot.allocation.fleet.decomposition import Decomposed, Here
from reallot.allocation.fleet.judge import Judged, judge
from reallot.allocation.fleet.large import LargeFleet
from reallot.allocation.fleet.rows import rows_of
from tests.allocation.fleet.fleets import best_of, world


def decomposed(fleet: Fleet, limits: FleetLimits, gap: float = 1e-6) -> tuple[Decomposed, Judged | None]:
    """The fleet by prices, whatever its size; its plan judged, None without one."""
    rows = rows_of(fleet, limits)
    large = LargeFleet(fleet, limits, rows, np.ones(len(fleet)))
    makers = large.makers()
    crew = Here([make() for make in makers])
    found, shares = large.solve(crew, len(makers), None, gap=gap, stake=1.0, deadline=math.inf, tell=None)
    if shares is None:
        return found, None
    judged = judge(fleet, limits, rows, shares)
    assert judged.residual <= 1e-9, judged.place
    return found, judged


def bent(seed: int, hosts: int, *, whole: bool) -> Fleet:
    """Hosts with curves, resources and groups of limits of their own; with units and fees where `whole`."""
    g = np.random.default_rng(seed)
    problems = []
    for _ in range(hosts):
        low, high = np.sort(g.uniform(0.5, 4.0, 2))
        curve = EarningsCurve.through([(0.0, 0.0), (0.5, 0.5 * high), (1.0, 0.5 * high + 0.5 * low)])
        fee, step = (float(g.choice([0.0, 0.1])), float(g.choice([0.0, 0.25]))) if whole else (0.0, 0.0)
        specs = [
            ProtocolSpec("a", curve, move_cost=0.1, uses={"disk": 1.0}),
            ProtocolSpec("b", float(g.uniform(0.0, 3.0)), move_fee=fee, step=step),
            ProtocolSpec("c", 1.0, move_cost_in=0.2),
        ]
        problems.append(
            AllocationProblem(
                specs, {"a": 0.0, "b": 0.0, "c": 1.0}, resources={"disk": 0.8}, limits=Limits(max_turnover=0.7)
            )
        )
    return Fleet(problems)


@pytest.mark.slow
@given(st.integers(0, 10_000))
@settings(max_examples=10)
def test_hosts_with_curves_and_resources_answer_to_prices_as_in_one_program(seed: int) -> None:
    fleet = bent(seed, 4, whole=False)
    limits = FleetLimits(protocol_caps={"a": 1.0}, turnover=1.5, move_budget=0.2)
    plan = allocate_fleet(fleet, limits)
    found, judged = decomposed(fleet, limits, 1e-9)
    assert judged is not None
    assert judged.net_benefit == pytest.approx(plan.net_benefit, rel=1e-8, abs=1e-8)
    assert found.bound >= plan.net_benefit - 1e-9
    for name in fleet.hosts:
        assert plan.host(name).certificate.is_optimal


@pytest.mark.parametrize("seed", range(3))
def test_hosts_with_units_and_fees_answer_with_a_bound_above_the_best_plan(seed: int) -> None:
    fleet = bent(seed, 4, whole=True)
    limits = FleetLimits(protocol_caps={"a": 1.0}, move_budget=0.4)
    plan = allocate_fleet(fleet, limits)
    found, judged = decomposed(fleet, limits)
    assert found.bound >= plan.net_benefit - 1e-6
    assert judged is None or judged.net_benefit <= plan.net_benefit + 1e-6
    assert all(
        share % 0.25 in (0.0, 0.25) for h in fleet.alone for share in plan.shares[h, 1:2] if fleet.alone[h]["b"].step
    )


@pytest.mark.slow
@given(st.integers(0, 10_000))
@settings(max_examples=10)
def test_sites_answer_with_a_bound_above_the_best_plan_and_never_break_their_rule(seed: int) -> None:
    given = world(seed, ("exclusive", "turnover"), hosts=5, protocols=3)
    best = best_of(given)
    found, judged = decomposed(given.fleet(), given.limits)
    assert found.bound >= best - 1e-9 * max(1.0, best)
    assert judged is None or judged.net_benefit <= best + 1e-6 * max(1.0, best)


@given(st.integers(0, 10_000))
@settings(max_examples=10)
def test_a_site_alone_is_planned_exactly(seed: int) -> None:
    given = world(seed, ("exclusive",), hosts=5, protocols=3)
    _, judged = decomposed(given.fleet(), given.limits)
    assert judged is not None
    assert judged.net_benefit == pytest.approx(best_of(given), rel=1e-6, abs=1e-6)


def test_two_exclusive_protocols_are_handed_out_as_trying_every_way_finds() -> None:
    g = np.random.default_rng(3)
    rates = g.uniform(1.0, 4.0, (3, 3))
    names = ["x", "y", "rest"]
    fleet = Fleet.from_arrays(rates, [0.0, 0.0, 1.0], upper=[0.6, 0.6, 1.0], protocols=names, sites=["s", "s", "s"])
    limits = FleetLimits(exclusive={"x": "site", "y": "site"})
    best = -math.inf
    for x, y in product(range(3), repeat=2):
        upper = np.zeros((3, 3))
        upper[:, 2], upper[x, 0], upper[y, 1] = 1.0, 0.6, 0.6
        free = Fleet.from_arrays(rates, [0.0, 0.0, 1.0], upper=upper, protocols=names)
        best = max(best, allocate_fleet(free).net_benefit)
    found, judged = decomposed(fleet, limits)
    assert judged is not None
    assert judged.net_benefit == pytest.approx(best) == pytest.approx(found.bound)
    assert allocate_fleet(fleet, limits).net_benefit == pytest.approx(best)


def test_a_host_with_a_program_of_its_own_keeps_to_the_rule_of_its_site() -> None:
    plain = AllocationProblem({"x": 3.0, "rest": 1.0}, {"x": 0.0, "rest": 1.0})
    curve = EarningsCurve.through([(0.0, 0.0), (0.5, 2.0), (1.0, 2.2)])
    own = AllocationProblem({"x": curve, "rest": 1.0}, {"x": 0.0, "rest": 1.0})
    fleet = Fleet({"plain": plain, "own": own}, sites={"plain": "s", "own": "s"})
    limits = FleetLimits(exclusive={"x": "site"})
    _, judged = decomposed(fleet, limits)
    assert judged is not None and judged.net_benefit == pytest.approx(2.0)
    assert allocate_fleet(fleet, limits).shares.tolist() == [[1.0, 0.0], [0.0, 1.0]]


@pytest.mark.slow
def test_a_thousand_sites_are_planned_within_a_thousandth_and_never_break_their_rule() -> None:
    fleet, limits = sites(1000)
    plan = allocate_fleet(fleet, limits, gap=1e-3)
    assert plan.status == "optimal" and plan.gap <= 1e-3 and plan.certificate.worst_residual <= 1e-9
    for p in range(2):
        assert np.bincount(np.arange(3000) % 1000, plan.shares[:, p] > 0.0).max() <= 1.0


def test_what_two_hosts_of_a_site_must_hold_is_named_in_a_larger_fleet_too() -> None:
    rates = np.ones((40, 2))
    fleet = Fleet.from_arrays(
        rates, [0.5, 0.5], lower=[[0.5, 0.0]] * 2 + [[0.0, 0.0]] * 38, sites=["s"] * 40, protocols=["x", "rest"]
    )
    with pytest.raises(Infeasible, match="x is exclusive at site s, and h0 and h1 may not give it up"):
        allocate_fleet(fleet, FleetLimits(exclusive={"x": "site"}))


def site_with_least_gains(seed: int) -> dict[str, AllocationProblem]:
    """Three hosts of one site with least gains; one of them holds what pays best, and only one may."""
    random = np.random.default_rng(seed)
    problems = {}
    for h in range(3):
        current = {"a": 0.3 * (h == 0), "b": 0.5, "c": 0.5 - 0.3 * (h == 0)}
        rates = dict(zip("abc", random.uniform(0.5, [5.0 if h else 3.0, 3.0, 3.0]), strict=True))
        limits = Limits(min_gain=float(random.uniform(0.0, 1.0)), max_change=0.4)
        problems[f"s{seed}.h{h}"] = AllocationProblem(rates, current, limits=limits)
    return problems


@pytest.mark.parametrize("seed", [1, 2, 6])
def test_a_site_with_least_gains_is_planned_as_one_program_plans_it(seed: int) -> None:
    site, exclusive = site_with_least_gains(seed), FleetLimits(exclusive={"a": "site"})
    fleet = Fleet(site, sites=dict.fromkeys(site, "one"))
    found, judged = decomposed(fleet, exclusive)
    assert judged is not None
    assert judged.net_benefit == pytest.approx(allocate_fleet(fleet, exclusive).net_benefit, rel=1e-9)
    assert found.bound == pytest.approx(judged.net_benefit, rel=1e-9)


@pytest.mark.slow
def test_least_gains_hold_where_a_site_may_take_the_protocol_away() -> None:
    exclusive, hosts, worth = FleetLimits(exclusive={"a": "site"}), dict[str, AllocationProblem](), 0.0
    for seed in range(11):
        site = site_with_least_gains(seed)
        hosts |= site
        worth += allocate_fleet(Fleet(site, sites=dict.fromkeys(site, "one")), exclusive).net_benefit
    plan = allocate_fleet(Fleet(hosts, sites={name: name.split(".")[0] for name in hosts}), exclusive)
    assert plan.solver == "decomposition" and plan.gap <= 1e-9
    assert plan.net_benefit == pytest.approx(worth, rel=1e-9)
    for name, problem in hosts.items():
        shares = plan.shares[plan.fleet.place(name)]
        gained = float((problem.arrays.rate[0] * (shares - problem.arrays.current)).sum())
        assert gained >= problem.limits.min_gain - 1e-9 or (shares == problem.arrays.current).all()
