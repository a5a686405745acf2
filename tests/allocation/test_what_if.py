"""Other limits tried one by one, the ranges within which a plan stays, and the corners of one limit."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reallot import (
    AllocationProblem,
    Closest,
    CVaR,
    EarningsCurve,
    Goal,
    Group,
    Infeasible,
    InvalidInput,
    Limits,
    ProtocolSpec,
    Scenarios,
    allocate,
    frontier,
    what_if,
)
from reallot.allocation.ranges import LOWERED
from reallot.allocation.rate_shift import with_rate_shift
from reallot.allocation.relax import relax
from reallot.problem.objective import value
from tests.strategies import problems

THREE = AllocationProblem(
    {"a": 3.0, "b": 2.0, "c": 1.0}, {"a": 0.2, "b": 0.3, "c": 0.5}, limits=Limits(max_change=0.2, max_turnover=0.9)
)


def test_each_value_of_a_limit_is_a_plan_of_its_own() -> None:
    table = what_if(allocate(THREE), {"max_change": [0.1, 0.2, 0.3], "capacity": [1.0, 2.0]})
    assert table["limit"].tolist() == ["max_change"] * 3 + ["capacity"] * 2
    # c gives to a: 2 USD/h a unit
    assert table["net_benefit"].tolist()[:4] == pytest.approx([0.2, 0.4, 0.6, 0.4])
    assert table["a"].tolist()[:3] == pytest.approx([0.3, 0.4, 0.5])
    assert table["status"].tolist() == ["optimal"] * 4 + ["infeasible"]
    assert math.isnan(table["net_benefit"].iloc[4])


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"max_chnge": [0.1]}, "no limit 'max_chnge' to vary; did you mean 'max_change'"),
        ({"max_change": 0.1}, "max_change is 0.1; give a list"),
        ({"max_change": [-1.0]}, "max_change"),
        ([0.1], "the limits is"),
    ],
)
def test_limits_that_cannot_be_varied_are_refused(limits: object, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        what_if(allocate(THREE), limits)  # type: ignore[arg-type]


def test_ranges_are_those_found_by_hand() -> None:
    # c gives 0.2 to a. b moves in where it beats a (3) or is beaten by c (1); a is passed by b below 2; c above 2 would
    # let b give in its place. A larger limit of a, or of c, is used at once; b needs none; all of it turns 0.2.
    table = allocate(THREE).sensitivity()
    found = {name: (row["low"], row["high"]) for name, row in table.iterrows()}
    expected = {
        "rate a": (2.0, math.inf),
        "rate b": (1.0, 3.0),
        "rate c": (-math.inf, 2.0),
        "capacity": (1.0, 1.0),
        "turnover": (0.2, math.inf),
        "max_change a": (0.2, 0.2),
        "max_change b": (0.0, math.inf),
        "max_change c": (0.2, 0.2),
    }
    assert found.keys() == expected.keys()
    for name, interval in expected.items():
        assert found[name] == pytest.approx(interval, abs=1e-9), name


RANGED = (
    "flat rates",
    "turnover",
    "several periods",
    "fees",
    "directions",
    "units",
    "tiers",
    "group floors and relations",
)


@pytest.mark.slow
@settings(max_examples=12)
@given(kind=st.sampled_from(RANGED), data=st.data())
def test_within_the_range_of_a_rate_no_plan_is_worth_more_and_beyond_it_one_is(kind: str, data: st.DataObject) -> None:
    problem = data.draw(problems(kind, grid=10, sizes=(2, 3), periods=(2, 2)))
    try:
        plan = allocate(problem)
    except Infeasible:
        return
    name = data.draw(st.sampled_from(problem.names))
    row = plan.sensitivity().loc[f"rate {name}"]
    if math.isnan(row["now"]):
        return
    for sign, end in ((-1.0, row["now"] - row["low"]), (1.0, row["high"] - row["now"])):
        for part, is_best in ((0.5, True), (1.5, False)):
            shift = sign * part * end if math.isfinite(end) else sign * 100.0 * part
            shifted = with_rate_shift(problem, name, shift)
            better = allocate(shifted).certificate.objective - value(shifted, plan.schedule).net
            if is_best or not math.isfinite(end):
                assert better <= 1e-6 * max(1.0, abs(shift))
            elif end > 1e-3:
                assert better > 1e-9


PAIR = AllocationProblem({"a": 3.0, "b": 1.0}, {"a": 0.2, "b": 0.8})
HALVES = AllocationProblem([ProtocolSpec("a", 3.0, step=0.25), ProtocolSpec("b", 1.0, step=0.25)], {"a": 0.0, "b": 1.0})
UNSURE = Scenarios(rates={"a": [[6.0], [0.0]], "b": [[1.5], [1.5]]})
INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("problem", "row", "unit", "low", "high"),
    [
        # 3 a + 1 - a >= 2 holds from a = 0.5 on, which is what the goal turns over; more asks for more
        (replace(PAIR, goal=Goal(2.0)), "goal", "USD/h", 2.0, 2.0),
        (replace(PAIR, goal=Goal(1.2)), "goal", "USD/h", -INF, 1.4),
        (replace(PAIR, goal=Goal(2.0)), "rate a", "USD/h", NAN, NAN),
        (replace(PAIR, goal=Closest({"a": 0.5})), "rate a", "USD/h", -INF, INF),
        (
            replace(PAIR, goal=[Closest({"a": 0.5}), Goal()], limits=Limits(max_change=0.4)),
            "max_change a",
            "share",
            0.3,
            NAN,
        ),
        # an equality is met by one number, whatever its price
        (replace(PAIR, limits=Limits(rules=["a == 0.3"])), "rule a == 0.3", "share", 0.3, 0.3),
        # all in a: a - b = 1, and the floor may be anything up to there
        (replace(PAIR, limits=Limits(rules=["a - b >= -0.5"])), "rule_floor a - b >= -0.5", "share", -INF, 1.0),
        # two steps would turn 0.5: more of the limit helps, though the plan leaves some
        (replace(HALVES, limits=Limits(max_turnover=0.3)), "turnover", "share", 0.25, NAN),
        # 0.2 either way is worth 0.5 where rates are 2.5 apart; what more turnover would do is not known
        (replace(PAIR, limits=Limits(max_turnover=0.2, min_gain=0.5)), "rate a", "USD/h", -1.5, 3.5),
        (replace(PAIR, limits=Limits(max_turnover=0.2, plan_fee=0.5)), "rate a", "USD/h", -1.5, 3.5),
        (replace(PAIR, limits=Limits(max_turnover=0.2, min_gain=0.5)), "turnover", "share", 0.0, NAN),
        # of 1.6 more, 0.4 has to remain: 0.8 (3 - x - 1) = 0.4
        (replace(PAIR, limits=Limits(min_gain=0.4)), "rate a", "USD/h", 1.5, INF),
        # 0.4 of the mean, 3, and 0.6 of the worst, 0, are 1.2 of a, against 1.5 of b: even where a rises by 0.3
        (replace(PAIR, scenarios=UNSURE, risk=CVaR(weight=0.6, level=0.5)), "rate a", "USD/h", -INF, 3.3),
    ],
)
def test_a_range_ends_where_the_plan_is_another_one(
    problem: AllocationProblem, row: str, unit: str, low: float, high: float
) -> None:
    found = allocate(problem).sensitivity().loc[row]
    assert found["unit"] == unit
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("limits", [Limits(max_change=0.3, max_turnover=0.4), Limits(max_decrease=0.2, min_gain=0.3)])
def test_within_the_range_of_a_limit_it_makes_no_better_plan_and_beyond_it_does(limits: Limits) -> None:
    rules = ["a <= 0.9", "b - a >= -0.9", "c == 0.3"]
    problem = replace(THREE, limits=replace(limits, rules=rules, groups=[Group("g", ("a", "b"), 0.95, min_share=0.1)]))
    plan = allocate(problem)
    table = plan.sensitivity()
    for name, now, low, high in table[["now", "low", "high"]].itertuples():
        if name.startswith("rate ") or name in ("capacity", "rule c == 0.3"):
            continue
        looser, ends = (now - low, low != 0.0) if name.startswith(LOWERED) else (high - now, True)
        assert looser >= 0.0
        for by, is_best in ((min(0.5 * looser, 9.0), True), (looser + 0.05, False)):
            if is_best or (ends and math.isfinite(looser)):
                better = allocate(relax(problem, name, by)).certificate.objective - plan.certificate.objective
                assert (better < 1e-9) is is_best, (name, by)


def test_a_plan_at_a_rate_beyond_all_others_has_ranges_too() -> None:
    far = replace(PAIR, protocols={"a": 1e12, "b": 1.0}, limits=Limits(max_change=0.2))
    row = allocate(far).sensitivity().loc["rate b"]
    assert row["low"] <= row["now"] <= row["high"]


def test_a_limit_of_counts_has_no_known_end_where_it_binds() -> None:
    plan = allocate(replace(THREE, limits=Limits(max_moves=2)))
    row = plan.sensitivity().loc["max_moves"]
    assert (row["unit"], row["low"]) == ("number", 2.0) and math.isnan(row["high"])


CORNERS = [
    # up to 0.3 the two that earn less give to a, 0.3 each for c; a takes no more than it needs
    ("max_change", [(0.0, 0.0, 2.0), (0.5, 1.0, 1.0), (0.8, 1.3, 0.0)]),
    ("max_turnover", [(0.0, 0.0, 2.0), (0.2, 0.4, 0.0)]),
    ("max_increase", [(0.0, 0.0, 3.0), (0.1, 0.3, 1.0), (0.2, 0.4, 0.0)]),
    ("max_share a", [(0.0, -0.2, 2.0), (0.2, 0.2, 1.0), (0.4, 0.4, 0.0)]),
]


@pytest.mark.parametrize(("limit", "corners"), CORNERS)
def test_the_corners_of_a_limit_are_exact(limit: str, corners: list[tuple[float, float, float]]) -> None:
    found = frontier(THREE, limit)
    assert found.columns.tolist() == [limit, "net_benefit", "price"]
    np.testing.assert_allclose(found.to_numpy(), corners, atol=1e-9)


CURVE = EarningsCurve.through([(0, 0), (0.3, 0.9), (0.6, 1.2)])
MIXED = AllocationProblem(
    [ProtocolSpec("a", CURVE, move_cost=0.1), ProtocolSpec("b", 2.0, uses={"cpu": 2.0}), ProtocolSpec("c", 1.0)],
    {"a": 0.1, "b": 0.2, "c": 0.7},
    horizon_hours=3.0,
    resources={"cpu": 0.9},
    limits=Limits(groups=[Group("g", ("a", "b"), max_share=0.8, min_share=0.25)]),
)
FLOORED = replace(MIXED, protocols=[ProtocolSpec("a", CURVE, min_share=0.05), *MIXED.specs[1:]])
BY_RESOURCES = AllocationProblem(
    [ProtocolSpec("a", 3.0, uses={"cpu": 4.0}, max_share=1.5), ProtocolSpec("b", 1.0, uses={"cpu": 1.0, "gpu": 1.0})],
    {"a": 0.2, "b": 0.2},
    capacity=None,
    resources={"cpu": 1.0, "gpu": 2.0},
)


def with_limit(problem: AllocationProblem, limit: str, at: float) -> AllocationProblem:
    kind, _, name = limit.partition(" ")
    if kind == "resource":
        return replace(problem, resources={**problem.resources, name: at})
    if kind == "group":
        groups = [replace(each, max_share=at) if each.name == name else each for each in problem.limits.groups]
        return replace(problem, limits=replace(problem.limits, groups=tuple(groups)))
    if kind == "max_share":
        specs = [replace(spec, max_share=at) if spec.name == name else spec for spec in problem.specs]
        return replace(problem, protocols=specs)
    return replace(problem, limits=replace(problem.limits, **{limit: at}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("problem", "limits"),
    [
        (MIXED, ["resource cpu", "group g", "max_share a", "max_share b", "max_turnover", "max_decrease"]),
        (FLOORED, ["max_share a", "group g", "max_change"]),
        (BY_RESOURCES, ["resource cpu", "resource gpu", "max_share a", "max_increase"]),
        (replace(MIXED, limits=Limits(held={"a", "b", "c"})), ["max_change", "max_turnover"]),
        (replace(THREE, limits=Limits(max_change={"a": 0.1}, only_decrease={"b"})), ["max_increase", "max_decrease"]),
    ],
)
def test_each_value_of_a_limit_earns_what_the_line_between_its_corners_says(
    problem: AllocationProblem, limits: list[str]
) -> None:
    stays = value(problem, problem.arrays.staying).net
    for limit in limits:
        found = frontier(problem, limit)
        first, last = found[limit].iloc[0], found[limit].iloc[-1]
        for at in (first, last, *np.linspace(first, last + 1.0, 3)):
            worth = allocate(with_limit(problem, limit, float(at))).certificate.objective - stays
            assert worth == pytest.approx(np.interp(at, found[limit], found["net_benefit"]), abs=1e-7), (limit, at)


def test_a_frontier_leaves_a_goal_out_as_that_of_turnover_does() -> None:
    for limit in (None, "max_change"):
        assert frontier(replace(THREE, goal=Goal(1.5)), limit).equals(frontier(THREE, limit))


def test_a_resource_that_alone_bounds_a_share_has_no_end_to_trace() -> None:
    endless = replace(BY_RESOURCES, protocols=[ProtocolSpec("a", 3.0, uses={"cpu": 4.0}), *BY_RESOURCES.specs[1:]])
    with pytest.raises(InvalidInput, match=r"resource cpu alone bounds a.*no end: give a a max_share"):
        frontier(endless, "resource cpu")


def test_a_frontier_of_whole_numbers_names_what_to_do() -> None:
    with pytest.raises(InvalidInput, match=r"needs a linear program.*what_if"):
        frontier(replace(THREE, limits=Limits(max_moves=2)), "max_change")
    with pytest.raises(InvalidInput, match=r"no limit 'max_chang' to trace; did you mean 'max_change'"):
        frontier(THREE, "max_chang")
