"""Floors of a group, at least so many of a group, relations between shares."""

from reallot import AllocationProblem, Group, Limits, LinearRule, ProtocolSpec
from tests.known_cases import Impossible, Known

CASES = (
    # b and c together at least 0.5, all of it b's: 1.5 + 1.25 = 2.75 against 0.6 + 0.5 + 0.6 = 1.7. Less of the floor
    # would go from b (2.5) to a (3).
    Known(
        "a group has a floor",
        AllocationProblem(
            {"a": 3.0, "b": 2.5, "c": 1.0},
            {"a": 0.2, "b": 0.2, "c": 0.6},
            limits=Limits(groups=(Group("pool", ("b", "c"), min_share=0.5),)),
        ),
        net_benefit=1.05,
        shares={"a": 0.5, "b": 0.5, "c": 0.0},
        earnings_per_hour=2.75,
        prices={"capacity": (3.0, 3.0), "group_floor pool": (0.5, 0.5)},
    ),
    # A cap and a floor of one group, the floor of a part of it: x + y <= 0.6, y >= 0.2, and z takes the rest.
    # 0.4 * 4 + 0.2 * 1 + 0.4 * 2 = 2.6 against 0.3 * (4 + 1 + 2) + 0.1 * 2 = 2.3. One more of the cap: x (4) for z (2).
    Known(
        "a group in a group",
        AllocationProblem(
            {"x": 4.0, "y": 1.0, "z": 2.0},
            {"x": 0.3, "y": 0.3, "z": 0.4},
            limits=Limits(
                groups=(Group("all", ("x", "y"), max_share=0.6), Group("part", ("y",), min_share=0.2)),
            ),
        ),
        net_benefit=0.3,
        shares={"x": 0.4, "y": 0.2, "z": 0.4},
        earnings_per_hour=2.6,
        prices={"capacity": (2.0, 2.0), "group all": (2.0, 2.0), "group_floor part": (3.0, 3.0)},
    ),
    # relay = 2 compute and their sum 1: 2/3 and 1/3 earn 2 + 1/3, today 2. Room for d more of relay moves d / 3 from
    # compute (1) to relay (3).
    Known(
        "one protocol has at most twice as much as another",
        AllocationProblem(
            {"relay": 3.0, "compute": 1.0},
            {"relay": 0.5, "compute": 0.5},
            limits=Limits(rules=["relay <= 2 * compute"]),  # type: ignore[arg-type]
        ),
        net_benefit=1.0 / 3.0,
        shares={"relay": 2.0 / 3.0, "compute": 1.0 / 3.0},
        shares_to=1e-9,
        earnings_per_hour=7.0 / 3.0,
        prices={"capacity": (7.0 / 3.0, 7.0 / 3.0), "rule relay <= 2 * compute": (2.0 / 3.0, 2.0 / 3.0)},
    ),
    # a = b + c with sum 1: a has 0.5, the rest is b's: 0.5 + 1 = 1.5, today 0.5 + 0.5 + 0.75 = 1.75. One more of
    # a - (b + c): half a unit from b (2) to a (1).
    Known(
        "a protocol has as much as a group",
        AllocationProblem(
            {"a": 1.0, "b": 2.0, "c": 3.0},
            {"a": 0.5, "b": 0.25, "c": 0.25},
            limits=Limits(
                held={"c"},
                groups=(Group("pair", ("b", "c"), max_share=1.0),),
                rules=(LinearRule({"a": 1.0, "pair": -1.0}, equals=0.0, name="even"),),
            ),
        ),
        net_benefit=0.0,
        shares={"a": 0.5, "b": 0.25, "c": 0.25},
        prices={"capacity": (1.5, 1.5), "rule even": (-0.5, -0.5)},
    ),
    # Both must be held, b from 0.2 on: 0.8 * 3 + 0.2 against 3.
    Known(
        "at least two of a group",
        AllocationProblem(
            [ProtocolSpec("a", 3.0), ProtocolSpec("b", 1.0, entry_share=0.2)],
            {"a": 1.0, "b": 0.0},
            limits=Limits(groups=(Group("both", ("a", "b"), min_active=2),)),
        ),
        net_benefit=-0.4,
        shares={"a": 0.8, "b": 0.2},
        earnings_per_hour=2.6,
    ),
    # Without an entry share a millionth of the capacity is enough: 1e-6 * (1 - 3).
    Known(
        "at least two of a group, of which one may be tiny",
        AllocationProblem(
            {"a": 3.0, "b": 1.0},
            {"a": 1.0, "b": 0.0},
            limits=Limits(groups=(Group("both", ("a", "b"), min_active=2),)),
        ),
        net_benefit=-2e-6,
        shares={"a": 1.0 - 1e-6, "b": 1e-6},
        shares_to=1e-9,
    ),
    # "Solving an LP Problem", developers.google.com/optimization/lp/glop: 3 x + 4 y is 34 at x = 6, y = 4. Their prices
    # solve p + r = 3 and 2 p - r = 4.
    Known(
        "the example of OR-Tools has its documented optimum",
        AllocationProblem(
            {"x": 3.0, "y": 4.0},
            {"x": 0.0, "y": 0.0},
            capacity=100.0,
            allow_idle=True,
            limits=Limits(rules=["x + 2 * y <= 14", "3 * x - y >= 0", "x - y <= 2"]),  # type: ignore[arg-type]
        ),
        net_benefit=34.0,
        shares={"x": 6.0, "y": 4.0},
        shares_to=1e-9,
        earnings_per_hour=34.0,
        prices={
            "rule x + 2 * y <= 14": (7.0 / 3.0, 7.0 / 3.0),
            "rule_floor 3 * x - y >= 0": (0.0, 0.0),
            "rule x - y <= 2": (2.0 / 3.0, 2.0 / 3.0),
        },
    ),
)
IMPOSSIBLE = (
    # c keeps 0.2, so that 0.8 are left for a and b.
    Impossible(
        "a group's floor is above what is left",
        AllocationProblem(
            {"a": 1.0, "b": 2.0, "c": 3.0},
            {"a": 0.4, "b": 0.4, "c": 0.2},
            limits=Limits(held={"c"}, groups=(Group("pool", ("a", "b"), min_share=0.9),)),
        ),
        rules=frozenset({"capacity", "held c", "group_floor pool"}),
        amount=0.1,
        words=("min_share 0.90 of group pool", "lower min_share of group pool by 0.10"),
    ),
    # relay can grow to 0.3 only.
    Impossible(
        "a relation is out of reach",
        AllocationProblem(
            {"relay": 1.0, "compute": 2.0},
            {"relay": 0.2, "compute": 0.8},
            limits=Limits(max_change=0.1, rules=["relay >= 0.4"]),  # type: ignore[arg-type]
        ),
        rules=frozenset({"rule_floor relay >= 0.4", "max_change relay"}),
        amount=0.1,
        words=("rule relay >= 0.4", "loosen rule relay >= 0.4 by 0.10, to relay >= 0.3"),
    ),
    # b may have nothing, so that one of two is active.
    Impossible(
        "too few of a group may be active",
        AllocationProblem(
            [ProtocolSpec("a", 1.0), ProtocolSpec("b", 2.0, max_share=0.0)],
            {"a": 1.0, "b": 0.0},
            limits=Limits(groups=(Group("pool", ("a", "b"), min_active=2),)),
        ),
        rules=frozenset({"active_floor pool", "max_share b"}),
        amount=1e-6,
        words=("min_active 2 of group pool", "lower min_active of group pool by 1"),
    ),
)
