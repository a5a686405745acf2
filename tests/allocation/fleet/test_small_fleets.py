"""Small fleets against a second reading of the rules, prices as slopes, and what is degenerate."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reallot
from reallot import (
    AllocationProblem,
    EarningsCurve,
    Fleet,
    FleetLimits,
    FleetPlan,
    Infeasible,
    InvalidInput,
    Limits,
    ProtocolSpec,
    allocate,
    allocate_fleet,
)
from tests.allocation.fleet.fleets import CONTINUOUS, KINDS, World, best_of, world
from tests.strategies import budget

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
"""A thousand fleets are tried at night, fewer by day."""


def near(one: float, other: float, tolerance: float = 1e-9) -> bool:
    return abs(one - other) <= tolerance * max(1.0, abs(one), abs(other))


def meets_all_rules(given: World, plan: FleetPlan) -> bool:
    """Every host's rules and every shared limit, read from the table of the plan."""
    frame = plan.to_frame().merge(given.frame, on=["host", "protocol"], suffixes=("", "_given"))
    size = frame["host"].map(given.sizes)
    slack, own, limits = 1e-9, given.own, given.limits
    held = frame["protocol"].isin(list(own.held))
    by_protocol = (size * frame["share"]).groupby(frame["protocol"]).sum()
    moved = frame["change"].abs()
    paid = (
        frame["change"].clip(lower=0) * frame["move_cost_in"] - frame["change"].clip(upper=0) * frame["move_cost_out"]
    )
    rules = [
        ((frame.groupby("host")["share"].sum() - 1.0).abs() <= slack).all(),
        (frame["share"] >= frame["min_share"] - slack).all() and (frame["share"] <= frame["max_share"] + slack).all(),
        own.max_change is None or (moved <= own.max_change + slack).all(),
        (moved[held] == 0.0).all(),
        own.max_turnover is None or (moved.groupby(frame["host"]).sum() / 2 <= own.max_turnover + slack).all(),
        all(by_protocol[name] <= cap + slack * max(1.0, cap) for name, cap in limits.protocol_caps.items()),
        all(by_protocol[name] >= floor - slack * max(1.0, floor) for name, floor in limits.protocol_floors.items()),
        limits.turnover is None or (size * moved).sum() / 2 <= limits.turnover + slack * max(1.0, limits.turnover),
        limits.move_budget is None or paid.sum() <= limits.move_budget + slack * max(1.0, limits.move_budget),
        limits.moving_hosts is None or frame.loc[moved > 0.0, "host"].nunique() <= limits.moving_hosts,
    ]
    power = (frame["uses.power"] * frame["share"]).groupby(frame["site"]).sum()
    for site, most in limits.resources.get("power", {}).items():  # type: ignore[union-attr]
        rules.append(power.get(site, 0.0) <= most + slack * max(1.0, most))
    for name in limits.exclusive:
        holders = frame[(frame["protocol"] == name) & (frame["share"] > 0.0)]
        rules.append(not holders["site"].duplicated().any())
    return all(map(bool, rules))


@pytest.mark.slow
@given(st.integers(0, 10_000), st.integers(2, 8))
def test_a_fleet_is_planned_as_an_independent_program_does(seed: int, hosts: int) -> None:
    given = world(seed, hosts=hosts)
    plan = allocate_fleet(given.fleet(), given.limits)
    assert near(plan.net_benefit, best_of(given))
    assert plan.gap <= 1e-9 and plan.bound >= plan.net_benefit
    assert meets_all_rules(given, plan)


@pytest.mark.slow
def test_fleets_are_planned_as_an_independent_program_does() -> None:
    for seed in range(1000 if NIGHTLY else 100):
        given = world(seed)
        plan = allocate_fleet(given.fleet(), given.limits)
        assert near(plan.net_benefit, best_of(given)), seed
        assert plan.gap <= 1e-9 and meets_all_rules(given, plan), seed


@pytest.mark.slow
def test_fleets_with_all_kinds_of_limits_are_planned_as_an_independent_search_does() -> None:
    for seed in range(1000 if NIGHTLY else 20):
        given = world(seed, KINDS, None if seed % 4 == 0 else 5, 3)
        plan = allocate_fleet(given.fleet(), given.limits)
        assert near(plan.net_benefit, best_of(given)), seed
        assert meets_all_rules(given, plan), seed


@budget(0.3)
@given(st.integers(0, 10_000))
def test_whole_numbers_are_planned_as_an_independent_search_does(seed: int) -> None:
    given = world(seed, KINDS, hosts=4, protocols=3)
    best = best_of(given)
    try:
        plan = allocate_fleet(given.fleet(), given.limits)
    except Infeasible:
        assert math.isnan(best)
        return
    assert near(plan.net_benefit, best, 1e-6)
    assert meets_all_rules(given, plan)


@budget(0.3)
@given(st.integers(0, 10_000), st.sampled_from(CONTINUOUS))
def test_loosening_a_shared_limit_never_lowers_the_plan(seed: int, kind: str) -> None:
    given = world(seed, (kind,), hosts=5)
    plan = allocate_fleet(given.fleet(), given.limits)
    limits = given.limits
    wider = FleetLimits(
        protocol_caps={name: cap * 1.2 for name, cap in limits.protocol_caps.items()},
        protocol_floors={name: floor * 0.8 for name, floor in limits.protocol_floors.items()},
        turnover=None if limits.turnover is None else limits.turnover * 1.2,
        move_budget=None if limits.move_budget is None else limits.move_budget * 1.2,
    )
    assert allocate_fleet(given.fleet(), wider).net_benefit >= plan.net_benefit - 1e-9 * max(1.0, plan.net_benefit)


@budget(0.3)
@given(st.integers(0, 10_000))
def test_a_price_lies_between_the_slopes_of_the_optimum(seed: int) -> None:
    given = world(seed, ("caps", "turnover"), hosts=5)
    fleet, limits = given.fleet(), given.limits
    assert limits.turnover is not None
    plan, step = allocate_fleet(fleet, limits), 1e-5
    more = allocate_fleet(fleet, replace(limits, turnover=limits.turnover + step))
    less = allocate_fleet(fleet, replace(limits, turnover=limits.turnover - step))
    price, dust = plan.prices["turnover"], 1e-6 * max(1.0, plan.net_benefit)
    assert (more.net_benefit - plan.net_benefit) / step <= price + dust
    assert price <= (plan.net_benefit - less.net_benefit) / step + dust


FRAME = pd.DataFrame(
    {
        "host": ["attic", "attic", "cellar", "cellar"],
        "protocol": ["storj", "relay", "storj", "relay"],
        "rate": [2.0, 1.0, 3.0, 1.0],
        "current": [0.0, 1.0, 0.0, 1.0],
    }
)


def test_a_cap_goes_to_the_host_that_earns_most_of_it() -> None:
    plan = allocate_fleet(Fleet.from_frame(FRAME, horizon_hours=24), FleetLimits(protocol_caps={"storj": 1.5}))
    assert plan.shares.tolist() == [[0.5, 0.5], [1.0, 0.0]]
    assert plan.net_benefit == pytest.approx(24 * (0.5 + 2.0))
    assert plan.prices == pytest.approx({"protocol cap storj": 24.0})
    assert str(plan.shared_limits[0]) == "protocol cap storj is 1.5 of 1.5 units: each unit more is worth 24.00 USD"


def test_sizes_weigh_shared_limits_only() -> None:
    fleet = Fleet.from_frame(FRAME, {"cellar": 4.0})
    plan = allocate_fleet(fleet, FleetLimits(protocol_caps={"storj": 4.0}))
    # a unit of the cap brings the attic 1 USD and the cellar 2 / 4
    assert plan.shares[:, 0].tolist() == pytest.approx([1.0, 0.75])
    assert plan.net_benefit == pytest.approx(1.0 + 0.75 * 2.0)


def test_the_table_of_a_plan_has_the_present_share_the_plan_and_the_change() -> None:
    plan = allocate_fleet(Fleet.from_frame(FRAME), FleetLimits(turnover=0.5))
    frame = plan.to_frame()
    assert list(frame.columns) == ["host", "protocol", "current", "share", "change"]
    assert frame["host"].tolist() == FRAME["host"].tolist()
    assert frame["change"].tolist() == [0.0, 0.0, 0.5, -0.5]
    assert [(move.host, move.protocol) for move in plan.moves(top=1)] == [("cellar", "storj")]


def test_a_floor_is_met_where_it_costs_least() -> None:
    frame = FRAME.assign(current=[0.5, 0.5, 0.5, 0.5], rate=[1.0, 2.0, 1.0, 3.0])
    plan = allocate_fleet(Fleet.from_frame(frame), FleetLimits(protocol_floors={"storj": 0.75}))
    assert plan.shares[:, 0].tolist() == [0.75, 0.0]
    assert plan.prices["protocol floor storj"] == pytest.approx(1.0)


def test_a_site_that_loses_power_moves_what_uses_it() -> None:
    frame = FRAME.assign(
        current=[1.0, 0.0, 1.0, 0.0], site=["a", "a", "b", "b"], **{"uses.power": [300.0, 100.0, 300.0, 100.0]}
    )
    plan = allocate_fleet(Fleet.from_frame(frame), FleetLimits(resources={"power": {"a": 200.0, "b": 400.0}}))
    assert plan.shares.tolist() == [[0.5, 0.5], [1.0, 0.0]]
    assert plan.prices["resource power a"] == pytest.approx(1.0 / 200.0)


@pytest.mark.parametrize("limits", [FleetLimits(), None, FleetLimits(turnover=1.0, protocol_caps={"a": 5.0})])
def test_where_all_rates_are_equal_everybody_stays(limits: FleetLimits | None) -> None:
    fleet = Fleet.from_arrays(np.ones((4, 3)), [0.2, 0.3, 0.5], protocols=["a", "b", "c"])
    plan = allocate_fleet(fleet, limits)
    assert plan.shares.tolist() == [[0.2, 0.3, 0.5]] * 4
    assert plan.net_benefit == 0.0 and plan.gap <= 1e-9 and plan.status == "optimal"


def test_one_host_without_shared_limits_is_planned_as_on_its_own() -> None:
    problem = AllocationProblem({"a": 2.0, "b": 1.0}, {"a": 0.3, "b": 0.7}, limits=Limits(max_change=0.2))
    plan = allocate_fleet(Fleet([problem]))
    assert plan.shares[0].tolist() == pytest.approx(allocate(problem).schedule[0].tolist(), abs=1e-12)
    assert plan.prices == {}


def test_a_cap_of_nothing_is_met_by_nothing() -> None:
    plan = allocate_fleet(Fleet.from_frame(FRAME), FleetLimits(protocol_caps={"storj": 0.0}))
    assert plan.shares[:, 0].tolist() == [0.0, 0.0]
    assert plan.prices["protocol cap storj"] == pytest.approx(2.0)


def test_a_host_whose_protocols_tie_stays_while_another_moves() -> None:
    frame = FRAME.assign(rate=[1.0, 1.0, 3.0, 1.0])
    plan = allocate_fleet(Fleet.from_frame(frame), FleetLimits(turnover=5.0))
    assert plan.shares.tolist() == [[0.0, 1.0], [1.0, 0.0]]


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("rate", math.nan, "host cellar, protocol storj: rate is nan"),
        ("current", math.nan, "host cellar, protocol storj: current is nan"),
        ("current", -0.1, "host cellar, protocol storj: current is -0.1; it must be at least 0"),
        ("move_cost", math.inf, "host cellar, protocol storj: move_cost is inf"),
        ("protocol", "relay", "host cellar, protocol relay stands in more than one row"),
        ("min_share", 1.2, "host cellar, protocol storj: min_share 1.2 is above max_share 1"),
    ],
)
def test_what_is_wrong_in_a_table_is_named_by_host_and_protocol(column: str, value: object, said: str) -> None:
    frame = FRAME.assign(move_cost=0.0, min_share=0.0, max_share=1.0)
    frame.loc[2, column] = value
    with pytest.raises(InvalidInput, match=said):
        Fleet.from_frame(frame)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Fleet.from_frame(FRAME.assign(raet=1.0)), "unknown column 'raet'; did you mean 'rate'"),
        (lambda: Fleet.from_frame(FRAME, {"attik": 2.0}), "did you mean 'attic'"),
        (lambda: Fleet.from_frame(FRAME.drop(columns="rate")), "no column 'rate'"),
        (lambda: Fleet.from_frame(FRAME.iloc[:0]), "no rows"),
        (lambda: Fleet([]), "no hosts"),
        (lambda: Fleet.from_frame(FRAME, limits=Limits(held=["stroj"])), "did you mean 'storj'"),
        (lambda: FleetLimits(protocol_caps={"storj": math.nan}), "protocol_caps storj is nan"),
        (lambda: FleetLimits(exclusive={"storj": "rack"}), "give 'site'"),
        (lambda: FleetLimits(moving_hosts=1.5), "whole number"),
        (lambda: Fleet.from_arrays([[math.nan]], [[1.0]]), "rates"),
    ],
)
def test_a_wrong_fleet_is_refused_in_words(make, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        make()


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (FleetLimits(protocol_caps={"stroj": 1.0}), "did you mean 'storj'"),
        (FleetLimits(resources={"power": 1.0}), "no host uses"),
        (FleetLimits(exclusive={"stroj": "site"}), "did you mean 'storj'"),
        (FleetLimits(protocol_caps={"storj": 1.0}, protocol_floors={"storj": 2.0}), "above protocol_caps"),
    ],
)
def test_a_limit_on_what_is_not_there_is_refused(limits: FleetLimits, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        allocate_fleet(Fleet.from_frame(FRAME), limits)


def test_caps_below_what_may_not_shrink_are_named_with_the_amount_and_the_way_out_works() -> None:
    frame = FRAME.assign(current=[0.6, 0.4, 0.6, 0.4])
    fleet = Fleet.from_frame(frame, limits=Limits(max_change=0.1))
    with pytest.raises(Infeasible, match=r"cap storj: 0\.9 units are below the 1 that may not shrink") as e:
        allocate_fleet(fleet, FleetLimits(protocol_caps={"storj": 0.9}))
    conflict = e.value.conflict
    assert conflict is not None and conflict.rules == ("protocol cap storj",)
    assert conflict.amount == pytest.approx(0.1)
    assert allocate_fleet(fleet, FleetLimits(protocol_caps={"storj": 1.0 + 1e-7})).shares[:, 0].max() <= 0.5 + 1e-6


def test_limits_that_conflict_only_together_are_named_together() -> None:
    frame = FRAME.assign(current=[1.0, 0.0, 1.0, 0.0])
    with pytest.raises(Infeasible) as e:
        allocate_fleet(Fleet.from_frame(frame), FleetLimits(protocol_caps={"storj": 1.0}, turnover=0.25))
    assert e.value.conflict is not None
    ways = {each.rule: each.amount for each in e.value.conflict.relaxations}
    assert ways == pytest.approx({"protocol cap storj": 0.75, "turnover": 0.75})


def test_a_host_that_cannot_meet_its_own_rules_is_named() -> None:
    frame = FRAME.assign(min_share=[0.0, 0.0, 0.8, 0.8])
    with pytest.raises(Infeasible, match="host cellar: "):
        allocate_fleet(Fleet.from_frame(frame))


def test_an_exclusive_protocol_that_two_hosts_may_not_give_up_is_named() -> None:
    frame = FRAME.assign(current=[0.5, 0.5, 0.5, 0.5], min_share=[0.5, 0.0, 0.5, 0.0], site="a")
    with pytest.raises(Infeasible, match="storj is exclusive at site a, and attic and cellar may not give it up"):
        allocate_fleet(Fleet.from_frame(frame), FleetLimits(exclusive={"storj": "site"}))


def bent_fleet() -> Fleet:
    """Two hosts with what arrays do not hold: a curve, a fee, whole units, a resource of their own."""
    curve = EarningsCurve.through([(0.0, 0.0), (0.4, 2.0), (1.0, 2.6)])
    first = AllocationProblem(
        [ProtocolSpec("storj", curve, move_cost=0.1), ProtocolSpec("relay", 1.0)], {"storj": 0.0, "relay": 1.0}
    )
    second = AllocationProblem(
        [ProtocolSpec("storj", 3.0, step=0.25, move_fee=0.2), ProtocolSpec("relay", 1.0, uses={"disk": 1.0})],
        {"storj": 0.0, "relay": 1.0},
        resources={"disk": 5.0},
    )
    third = AllocationProblem({"storj": 2.0, "relay": 1.0}, {"storj": 0.0, "relay": 1.0})
    return Fleet({"bent": first, "units": second, "plain": third}, sizes={"plain": 2.0})


def test_every_rule_of_a_single_host_works_inside_a_fleet() -> None:
    fleet = bent_fleet()
    free = allocate_fleet(fleet)
    for name, shares in zip(fleet.hosts, free.shares, strict=True):
        assert shares.tolist() == pytest.approx(allocate(fleet.problem(name)).schedule[0].tolist())
    # a unit of storj brings 3.8 up to 0.4 to the first host, 2 less a fee to the second, half a USD to the third
    plan = allocate_fleet(fleet, FleetLimits(protocol_caps={"storj": 1.0}))
    assert plan.shares[:, 0].tolist() == pytest.approx([0.4, 0.5, 0.05])
    assert plan.gap <= 1e-6 and plan.certificate.worst_residual <= 1e-9


def test_a_move_budget_pays_fees() -> None:
    fleet = bent_fleet()
    plan = allocate_fleet(fleet, FleetLimits(move_budget=0.199))
    assert plan.shares[1].tolist() == [0.0, 1.0]
    assert plan.shares[0, 0] == pytest.approx(0.4)
    paid = dict(zip([limit.name for limit in plan.shared_limits], plan.shared_limits, strict=True))["budget"]
    assert paid.used <= 0.199


def test_few_hosts_may_move() -> None:
    plan = allocate_fleet(Fleet.from_frame(FRAME), FleetLimits(moving_hosts=1))
    assert plan.shares.tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert plan.moving_hosts == 1


def test_one_host_of_a_site_holds_an_exclusive_protocol() -> None:
    fleet = Fleet.from_frame(FRAME.assign(site="a"))
    plan = allocate_fleet(fleet, FleetLimits(exclusive={"storj": "site"}))
    assert plan.shares.tolist() == [[0.0, 1.0], [1.0, 0.0]]
    apart = Fleet.from_frame(FRAME.assign(site=["a", "a", "b", "b"]))
    assert allocate_fleet(apart, FleetLimits(exclusive={"storj": "site"})).shares[:, 0].tolist() == [1.0, 1.0]


def test_a_host_is_explained_at_the_prices_of_the_fleet() -> None:
    plan = allocate_fleet(Fleet.from_frame(FRAME, horizon_hours=24), FleetLimits(protocol_caps={"storj": 1.5}))
    for place, name in enumerate(("attic", "cellar")):
        own = plan.host(name)
        assert own.schedule[0].tolist() == plan.shares[place].tolist()
        assert own.certificate.is_optimal
        assert "storj is 1.5 of 1.5 units: each unit more is worth 24.00 USD" in "\n".join(own.notes)
        assert "storj" in str(reallot.explain(own))
    assert plan.host("cellar").problem["storj"].curve.last_slope == pytest.approx(2.0)
    with pytest.raises(InvalidInput, match="did you mean 'attic'"):
        plan.host("atic")


@budget(0.3)
@given(st.integers(0, 10_000))
def test_every_host_agrees_with_the_fleet_at_its_prices(seed: int) -> None:
    given = world(seed, hosts=4)
    plan = allocate_fleet(given.fleet(), given.limits)
    for name in plan.fleet.hosts:
        assert plan.host(name).certificate.is_optimal


def test_a_plan_is_plain_values_text_and_safe_html() -> None:
    markup = "<img src=x onerror=alert(1)>"
    frame = FRAME.replace({"attic": markup, "storj": f"{markup}2"})
    plan = allocate_fleet(Fleet.from_frame(frame), FleetLimits(protocol_caps={f"{markup}2": 1.5}))
    told = json.loads(plan.to_json())
    assert told["net_benefit"] == plan.net_benefit and told["prices"] == plan.prices
    assert told["shared_limits"][0]["binds"] is True
    assert markup not in plan._repr_html_()
    assert len(repr(plan)) < 200 and "net benefit" in str(plan)


def test_plans_and_fleets_are_values() -> None:
    import pickle

    one, other = (allocate_fleet(bent_fleet(), FleetLimits(turnover=0.5)) for _ in range(2))
    assert one == other and hash(one) == hash(other)
    assert pickle.loads(pickle.dumps(one)) == one
    with pytest.raises(ValueError, match="read-only"):
        one.shares[0, 0] = 1.0


def test_fleets_of_frames_of_problems_and_of_arrays_are_planned_alike() -> None:
    problems = {
        name: AllocationProblem(
            dict(zip(rows["protocol"], rows["rate"], strict=True)),
            dict(zip(rows["protocol"], rows["current"], strict=True)),
            horizon_hours=24,
        )
        for name, rows in FRAME.groupby("host")
    }
    arrays = Fleet.from_arrays(
        [[2.0, 1.0], [3.0, 1.0]], [0.0, 1.0], hosts=["attic", "cellar"], protocols=["storj", "relay"], horizon_hours=24
    )
    plans = [
        allocate_fleet(fleet, FleetLimits(turnover=1.5))
        for fleet in (Fleet.from_frame(FRAME, horizon_hours=24), Fleet(problems), arrays)
    ]
    assert all(plan.shares.tolist() == plans[0].shares.tolist() for plan in plans)
    assert all(plan.net_benefit == plans[0].net_benefit for plan in plans)


def test_units_and_curves_in_a_table_make_a_program_of_that_host() -> None:
    frame = FRAME.assign(step=[0.0, 0.0, 0.25, 0.0], move_fee=[0.0, 0.0, 0.1, 0.0])
    fleet = Fleet.from_frame(frame)
    assert list(fleet.alone) == [1]
    plan = allocate_fleet(fleet, FleetLimits(protocol_caps={"storj": 1.1}))
    assert plan.shares[1, 0] % 0.25 == 0.0
    assert plan.shares[:, 0].tolist() == pytest.approx([0.1, 1.0])


def test_where_the_time_ends_first_the_plan_is_to_stay_and_says_so() -> None:
    given = world(1, hosts=30)
    plan = allocate_fleet(given.fleet(), given.limits, time_limit_seconds=0.0)
    assert plan.status == "stopped" and "all stay" in plan.solver_reason
    assert plan.net_benefit == 0.0 and plan.moves() == ()
    json.loads(plan.to_json())
