"""Every rule of one host works inside a fleet: with no shared limits as on its own, and weighed against other hosts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import (
    AllocationProblem,
    Fleet,
    FleetLimits,
    FleetPlan,
    Goal,
    Group,
    InvalidInput,
    Limits,
    ProtocolSpec,
    Tiers,
    allocate,
    allocate_fleet,
)
from reallot.allocation.fleet.large import LargeFleet
from reallot.allocation.fleet.rows import rows_of
from tests.strategies import budget

RISING, FALLING = Tiers([(0.1, 0.05), (None, 0.6)]), Tiers([(0.2, 0.5), (None, 0.1)])
RULES: dict[str, dict[str, Any]] = {
    "max_increase": {"max_increase": 0.15},
    "max_decrease": {"max_decrease": {"a": 0.1}},
    "relative": {"max_change_relative": 0.4},
    "one way": {"only_decrease": ["b"]},
    "turnover_cost": {"turnover_cost": Tiers([(0.1, 0.1), (None, 0.7)])},
    "plan_fee": {"plan_fee": 0.3},
    "min_gain": {"min_gain": 0.3},
    "plan_fee and min_gain": {"plan_fee": 0.1, "min_gain": 0.2},
    "group": {"groups": [Group("few", ["a", "b"], max_active=1)]},
    "rule": {"rules": ["a <= 2 * c"]},
    "rising tiers": {"move_cost": RISING},
    "falling tiers": {"move_cost": FALLING},
    "nothing": {},
}


def host(seed: int, kind: str) -> AllocationProblem:
    """A host with three protocols and this rule; staying meets it."""
    random = np.random.default_rng(seed)
    rules = dict(RULES[kind])
    cost = rules.pop("move_cost", 0.1)
    current = [0.0, *random.dirichlet([1.0, 1.0])]
    specs = [
        ProtocolSpec(name, rate, move_cost=cost) for name, rate in zip("abc", random.uniform(0, 2, 3), strict=True)
    ]
    return AllocationProblem(specs, dict(zip("abc", current, strict=True)), limits=Limits(**rules))


def by_prices(fleet: Fleet, limits: FleetLimits) -> float:
    """What no plan is worth more than, by prices of shared limits: USD over the horizon, beyond staying."""
    rows = rows_of(fleet, limits)
    large = LargeFleet(fleet, limits, rows, np.ones(len(fleet)))
    blocks = [block for make in large.makers() for block in make().blocks]
    prices = np.full(len(rows), 0.2)
    return sum(block.answer(prices).bound for block in blocks) + float(prices @ large.room)


@budget(0.15)
@given(st.integers(0, 10_000), st.lists(st.sampled_from(list(RULES)), min_size=2, max_size=4))
def test_without_shared_limits_every_host_is_planned_as_on_its_own(seed: int, kinds: list[str]) -> None:
    hosts = [host(seed + h, kind) for h, kind in enumerate(kinds)]
    plan = allocate_fleet(Fleet(hosts))
    alone = [allocate(problem) for problem in hosts]
    assert plan.net_benefit == pytest.approx(sum(each.net_benefit for each in alone), abs=1e-7)
    assert plan.certificate.is_feasible and plan.gap <= 1e-6
    for place, each in enumerate(alone):
        assert plan.host(f"h{place}").certificate.is_optimal
        if each.moves:
            assert plan.shares[place].tolist() == pytest.approx(each.schedule[0].tolist(), abs=1e-6)


@budget(0.15)
@given(st.integers(0, 10_000), st.sampled_from(list(RULES)), st.sampled_from(["budget", "turnover", "cap"]))
def test_a_shared_limit_costs_no_less_than_prices_say_and_is_kept(seed: int, kind: str, limit: str) -> None:
    hosts = [host(seed + h, kind) for h in range(3)]
    shared = {
        "budget": FleetLimits(move_budget=0.2),
        "turnover": FleetLimits(turnover=0.4),
        "cap": FleetLimits(protocol_caps={"a": 0.5}),
    }[limit]
    fleet = Fleet(hosts)
    plan = allocate_fleet(fleet, shared)
    assert plan.certificate.is_feasible and plan.gap <= 1e-6
    assert plan.net_benefit <= allocate_fleet(fleet).net_benefit + 1e-7
    assert plan.net_benefit <= by_prices(fleet, shared) + 1e-7
    paid = 0.0
    for problem, shares in zip(hosts, plan.shares, strict=True):
        own = allocate_as(problem, shares)
        paid += own[1]
        assert own[0] >= problem.limits.min_gain - 1e-7 or not own[2]
    if limit == "budget":
        assert paid <= 0.2 + 1e-9


def allocate_as(problem: AllocationProblem, shares: np.ndarray) -> tuple[float, float, bool]:
    """Worth beyond staying and money paid (USD) of these shares, read from the rules; and whether anything moves."""
    change = shares - problem.current_shares
    moves, paid = bool((change != 0.0).any()), 0.0
    for name, size in zip(problem.names, np.abs(change), strict=True):
        cost = problem[name].move_cost
        paid += cost.cost(size) if isinstance(cost, Tiers) else cost * size
    if problem.limits.turnover_cost is not None:
        paid += problem.limits.turnover_cost.cost(float(np.maximum(change, 0.0).sum()))
    paid += problem.limits.plan_fee * moves
    rates = [problem[name].curve.last_slope for name in problem.names]
    return float(rates @ change) - paid, paid, moves


def plan_of(rates: tuple[float, float], limits: FleetLimits, **rules: Any) -> FleetPlan:
    """Two hosts that hold b at 1 USD/h, and could hold a at these rates."""
    cost = rules.pop("move_cost", 0.0)
    return allocate_fleet(
        Fleet(
            [
                AllocationProblem(
                    [ProtocolSpec("a", rate, move_cost_in=cost), ProtocolSpec("b", 1.0)],
                    {"a": 0.0, "b": 1.0},
                    limits=Limits(**rules),
                )
                for rate in rates
            ]
        ),
        limits,
    )


def test_a_budget_that_pays_one_plan_fee_goes_to_the_host_that_gains_most() -> None:
    plan = plan_of((2.0, 3.0), FleetLimits(move_budget=0.5), plan_fee=0.3)
    assert plan.shares[:, 0].tolist() == pytest.approx([0.0, 1.0])
    assert plan.net_benefit == pytest.approx(2.0 - 0.3)
    assert [limit.used for limit in plan.shared_limits] == pytest.approx([0.3])


def test_a_host_that_a_shared_limit_leaves_too_little_to_gain_stays() -> None:
    # the cap leaves the first host half a unit, which gains 0.5 USD
    caps = FleetLimits(protocol_caps={"a": 1.0})
    assert plan_of((2.0, 3.0), caps, max_change=0.5).shares[:, 0].tolist() == pytest.approx([0.5, 0.5])
    plan = plan_of((2.0, 3.0), caps, max_change=0.5, min_gain=0.6)
    assert plan.shares[:, 0].tolist() == pytest.approx([0.0, 0.5])
    assert plan.net_benefit == pytest.approx(1.0)


def test_tiers_and_a_price_of_turnover_are_paid_by_the_shared_budget() -> None:
    # the first 0.2 of a cost 0.5 USD a unit, the rest 2: the dearer part is worth it to the second host only
    tiers = Tiers([(0.2, 0.5), (None, 2.0)])
    plan = plan_of((2.0, 4.0), FleetLimits(move_budget=1.0), move_cost=tiers)
    # 0.1 USD for each host's cheap part, and 0.8 USD for 0.4 of the second's dear one
    assert plan.shares[:, 0].tolist() == pytest.approx([0.2, 0.6])
    assert plan.net_benefit == pytest.approx(0.2 * 0.5 + 0.2 * 2.5 + 0.4 * 1.0)
    assert plan.prices["budget"] == pytest.approx(0.5)
    graded = plan_of((2.0, 4.0), FleetLimits(move_budget=0.3), turnover_cost=Tiers([(0.5, 0.5), (None, 2.5)]))
    assert graded.shares[:, 0].tolist() == pytest.approx([0.1, 0.5])


def test_limits_of_one_direction_hold_inside_a_fleet() -> None:
    plan = plan_of((2.0, 3.0), FleetLimits(turnover=0.4), max_increase=0.3)
    assert plan.shares[:, 0].tolist() == pytest.approx([0.1, 0.3])
    assert plan_of((2.0, 3.0), FleetLimits(), only_decrease=["a"]).moves() == ()


FRAME = pd.DataFrame(
    {
        "host": ["attic", "attic", "cellar", "cellar"],
        "protocol": ["a", "b", "a", "b"],
        "rate": [2.0, 1.0, 3.0, 1.0],
        "current": [0.0, 1.0, 0.0, 1.0],
    }
)


def test_a_table_with_limits_and_tiers_is_a_fleet_of_such_hosts() -> None:
    costs = [Tiers([(0.2, 0.5), (None, 2.0)]), 0.0, 0.1, 0.0]
    frame = FRAME.assign(move_cost=pd.Series(costs, dtype=object))
    fleet = Fleet.from_frame(frame)
    assert list(fleet.alone) == [0] and fleet.problem("attic")["a"].move_cost == costs[0]
    limited = Fleet.from_frame(FRAME, limits=Limits(plan_fee=0.2, max_increase={"a": 0.5}))
    assert limited.problem("cellar").limits.max_increase == {"a": 0.5}
    assert allocate_fleet(limited).net_benefit == pytest.approx(0.5 - 0.2 + 1.0 - 0.2)


def test_a_table_of_polars_is_the_same_fleet() -> None:
    pl = pytest.importorskip("polars")
    given = {key: FRAME[key].tolist() for key in FRAME.columns}
    frame = pl.DataFrame({**given, "max_share": [0.5, None, None, None], "site": ["here", "here", None, None]})
    same = FRAME.assign(max_share=[0.5, np.nan, np.nan, np.nan], site=["here", "here", None, None])
    assert Fleet.from_frame(frame) == Fleet.from_frame(same)
    with pytest.raises(InvalidInput, match="host cellar, protocol a: rate is nan"):
        Fleet.from_frame(frame.with_columns(rate=pl.Series([2.0, 1.0, None, 1.0])))


@pytest.mark.parametrize(
    "limits",
    [{"max_increase": {"c": 0.1}}, {"only_decrease": ["c"]}, {"groups": [Group("few", ["c"], max_share=0.5)]}],
)
def test_a_limit_on_a_protocol_that_no_row_names_is_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="'c'"):
        Fleet.from_frame(FRAME, limits=Limits(**limits))


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({"periods": 2}, "host h plans 2 periods; a fleet plans one"),
        ({"goal": Goal(minimise="turnover")}, "has a goal"),
    ],
)
def test_several_periods_and_goals_are_refused_by_name(others: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        Fleet({"h": AllocationProblem({"a": 1.0}, {"a": 1.0}, **others)})
