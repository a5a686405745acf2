"""Max change, turnover, number and size of moves, least gain."""

from dataclasses import replace

from reallot import AllocationProblem, EarningsCurve, Limits, ProtocolSpec
from tests.known_cases import Known

THREE = AllocationProblem({"a": 3.0, "b": 2.0, "c": 1.0}, {"a": 0.3, "b": 0.3, "c": 0.4})
TWO = AllocationProblem({"a": 2.0, "b": 1.0}, {"a": 0.3, "b": 0.7})
BENT = AllocationProblem({"a": EarningsCurve.pieces([(3, 0.5), (0.5, 0.5)]), "b": 1.0}, {"a": 0.4, "b": 0.6})

CASES = (
    # c gives 0.2 to a: 0.2 * (3 - 1) = 0.4. b could take no more, c may give no more. One more unit of capacity goes
    # to b: 2, and the last one is b's. More change for a takes from b: 1; more change for c gives to b: 1.
    Known(
        "max change bounds each protocol",
        replace(THREE, limits=Limits(max_change=0.2)),
        net_benefit=0.4,
        shares={"a": 0.5, "b": 0.3, "c": 0.2},
        earnings_per_hour=2.3,
        prices={"capacity": (2.0, 2.0), "max_change a": (1.0, 1.0), "max_change c": (1.0, 1.0)},
    ),
    # c gives 0.3, a takes 0.1, b the other 0.2: 0.3 + 0.4 - 0.3 = 0.4.
    Known(
        "max change may differ by protocol",
        replace(THREE, limits=Limits(max_change={"a": 0.1, "c": 0.3})),
        net_benefit=0.4,
        shares={"a": 0.4, "b": 0.5, "c": 0.1},
        earnings_per_hour=2.3,
        prices={"capacity": (2.0, 2.0), "max_change a": (1.0, 1.0), "max_change c": (1.0, 1.0)},
    ),
    # Two protocols, both stopped at 0.2: loosening one alone adds nothing, tightening one loses 2 - 1.
    Known(
        "of two limits that stop the same move one alone is worth nothing more",
        replace(TWO, limits=Limits(max_change=0.2)),
        net_benefit=0.2,
        shares={"a": 0.5, "b": 0.5},
        earnings_per_hour=1.5,
        prices={"max_change a": (0.0, 1.0), "max_change b": (0.0, 1.0)},
    ),
    Known(
        "max change zero is to stay",
        replace(TWO, limits=Limits(max_change=0.0)),
        net_benefit=0.0,
        shares={"a": 0.3, "b": 0.7},
        earnings_per_hour=1.3,
    ),
    # Half of the sum of changes is 0.25: c gives 0.25 to a, 0.25 * 2 = 0.5. One more of turnover: 2. One more of
    # capacity: a may take no more, so c keeps one more, 1. One less: c may give no more, so a takes one less, 3.
    Known(
        "turnover bounds all moves together",
        replace(THREE, limits=Limits(max_turnover=0.25)),
        net_benefit=0.5,
        shares={"a": 0.55, "b": 0.3, "c": 0.15},
        earnings_per_hour=2.4,
        prices={"capacity": (1.0, 3.0), "turnover": (2.0, 2.0)},
    ),
    # Idle counts as one more place: 0.1 of 0.2 idle is taken up by a, turnover 0.1, gain 0.1 * 2 = 0.2. Swapping b for
    # a would gain 1 per unit only.
    Known(
        "idle capacity counts as one more place in turnover",
        AllocationProblem({"a": 2.0, "b": 1.0}, {"a": 0.3, "b": 0.5}, allow_idle=True, limits=Limits(max_turnover=0.1)),
        net_benefit=0.2,
        shares={"a": 0.4, "b": 0.5},
        earnings_per_hour=1.3,
        prices={"capacity": (0.0, 0.0), "turnover": (2.0, 2.0)},
    ),
    # Two moves: c to a, 0.3 * 3 = 0.9; c to b, 0.3 * 2 = 0.6; b to a, 0.2 * 1. All three would be 1.3 with 0.2 of c
    # left for b. Given that a and c move, one more unit of capacity is c's, and a's ceiling takes from c.
    Known(
        "at most so many protocols move",
        AllocationProblem(
            [ProtocolSpec("a", 4, max_share=0.6), ProtocolSpec("b", 3, max_share=0.5), ProtocolSpec("c", 1)],
            {"a": 0.3, "b": 0.2, "c": 0.5},
            limits=Limits(max_moves=2),
        ),
        net_benefit=0.9,
        shares={"a": 0.6, "b": 0.2, "c": 0.2},
        earnings_per_hour=3.2,
        prices={"capacity": (1.0, 1.0), "max_share a": (3.0, 3.0)},
    ),
    # One move alone cannot keep the sum, so max_moves 1 is to stay.
    Known(
        "one move alone is no move where shares sum to capacity",
        replace(TWO, limits=Limits(max_moves=1)),
        net_benefit=0.0,
        shares={"a": 0.3, "b": 0.7},
        earnings_per_hour=1.3,
    ),
    # Best without the rule is 0.1 (gain 0.1 * 2 = 0.2). A move of 0.2 gains 0.2 - 0.1 * 0.5 = 0.15, still worth it.
    # Given these moves, one more unit of capacity: b may not give less than 0.2, so a takes it at 0.5. One less: a may
    # not take less than 0.2, so b gives it, 1.
    Known(
        "a move is at least the smallest move",
        replace(BENT, limits=Limits(min_move=0.2)),
        net_benefit=0.15,
        shares={"a": 0.6, "b": 0.4},
        earnings_per_hour=1.95,
        prices={"capacity": (0.5, 1.0)},
    ),
    # At least 0.6 would lose 0.5 * 0.5 after the 0.2 of gain: stay.
    Known(
        "a smallest move that does not pay is not made",
        replace(BENT, limits=Limits(min_move=0.6)),
        net_benefit=0.0,
        shares={"a": 0.4, "b": 0.6},
        earnings_per_hour=1.8,
    ),
    # 0.1 USD in one hour is less than 0.15; in two hours it is 0.2.
    Known(
        "a plan that gains less than min gain is not made",
        replace(TWO, limits=Limits(max_change=0.1, min_gain=0.15)),
        net_benefit=0.0,
        shares={"a": 0.3, "b": 0.7},
        earnings_per_hour=1.3,
    ),
    Known(
        "the same plan is made over a horizon in which it gains enough",
        replace(TWO, limits=Limits(max_change=0.1, min_gain=0.15), horizon_hours=2),
        net_benefit=0.2,
        shares={"a": 0.4, "b": 0.6},
        earnings_per_hour=1.4,
    ),
    # c may give 0.1 only and a take 0.15: a takes 0.1 from c and 0.05 from b: 0.1 * 2 + 0.05 * 1 = 0.25. One more unit
    # of increase for a comes from b: 1; one more of decrease for c goes to b: 1.
    Known(
        "increases and decreases have limits of their own",
        replace(THREE, limits=Limits(max_increase={"a": 0.15}, max_decrease={"c": 0.1})),
        net_benefit=0.25,
        shares={"a": 0.45, "b": 0.25, "c": 0.3},
        earnings_per_hour=2.15,
        prices={"capacity": (2.0, 2.0), "max_increase a": (1.0, 1.0), "max_decrease c": (1.0, 1.0)},
    ),
    # Half of what each has: a 0.15, b 0.15, c 0.2. c gives 0.2: a takes 0.15 of it and b 0.05: 0.3 + 0.05 = 0.35.
    Known(
        "a change may be limited to a part of the present share",
        replace(THREE, limits=Limits(max_change_relative=0.5)),
        net_benefit=0.35,
        shares={"a": 0.45, "b": 0.35, "c": 0.2},
        earnings_per_hour=2.25,
    ),
    # c may not give: b gives its 0.3 to a.
    Known(
        "a protocol may be kept from giving",
        replace(THREE, limits=Limits(only_increase={"c"})),
        net_benefit=0.3,
        shares={"a": 0.6, "b": 0.0, "c": 0.4},
        earnings_per_hour=2.2,
    ),
)
