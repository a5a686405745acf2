"""Proportional costs, fees, warm-up; staying is always possible and priced on the same footing."""

from reallot import AllocationProblem, EarningsCurve, Limits, ProtocolSpec, Tiers
from tests.known_cases import Known


def two(move_cost: float) -> AllocationProblem:
    """a 2 and b 1 USD/h over two hours: a unit moved earns 2 USD more and pays move_cost twice."""
    specs = [ProtocolSpec("a", 2.0, move_cost=move_cost), ProtocolSpec("b", 1.0, move_cost=move_cost)]
    return AllocationProblem(specs, {"a": 0.3, "b": 0.7}, horizon_hours=2)


def warming(rate: float, **warm_up: float) -> AllocationProblem:
    """a earns 2 USD/h after a warm-up, b earns `rate` at once; ten hours."""
    specs = [ProtocolSpec("a", 2.0, **warm_up), ProtocolSpec("b", rate)]
    return AllocationProblem(specs, {"a": 0.5, "b": 0.5}, horizon_hours=10)


def delegation(gas: float) -> AllocationProblem:
    """Two equal targets: x of stake 5 next to a stake of 1 earns 0.5 * x / (x + 1); each touched target costs `gas`.

    With x = 5 s: at s = 0.5 it is 0.5 * 2.5 / 3.5 = 0.357142857, at s = 1 it is 0.5 * 5 / 6 = 0.416666667. The curve is
    exact at its breakpoints, tenths of the stake, and the best split of a concave curve over equals is halves.
    """
    curve = EarningsCurve.through([(k / 10, 0.5 * (k / 2) / (k / 2 + 1)) for k in range(11)])
    specs = [ProtocolSpec(name, curve, move_fee=gas) for name in ("first", "second")]
    return AllocationProblem(specs, {"first": 0.0, "second": 0.0}, allow_idle=True)


def graded(*costs: float | Tiers, **limits: object) -> AllocationProblem:
    """a 2 and b 1 USD/h over two hours, each with its cost: a unit moved earns 2 USD more."""
    specs = [ProtocolSpec(name, rate, move_cost=cost) for name, rate, cost in zip("ab", (2.0, 1.0), costs, strict=True)]
    return AllocationProblem(specs, {"a": 0.3, "b": 0.7}, horizon_hours=2, limits=Limits(**limits))


CASES = (
    # a takes 0.1 at 0.5 and 0.2 at 1.5, b gives at 0: 0.1 * (2 - 0.5) + 0.2 * (2 - 1.5) = 0.25; beyond, 3 is more than
    # 2. Cost 0.05 + 0.3. One more unit of capacity goes to b, 2 USD over 2 h; the last one too.
    Known(
        "a change goes as far as its dearer tiers pay",
        graded(Tiers([(0.1, 0.5), (0.2, 1.5), (None, 3.0)]), 0.0),
        net_benefit=0.25,
        cost=0.35,
        shares={"a": 0.6, "b": 0.4},
        earnings_per_hour=1.6,
        prices={"capacity": (1.0, 1.0)},
    ),
    # Both directions in tiers: a unit costs 0.5 + 0.5 up to 0.1, then 0.5 + 1.2 up to 0.2, then 1.5 + 1.2 = 2.7 > 2.
    # 0.1 * 1 + 0.1 * 0.3 = 0.13; cost 0.1 * 1 + 0.1 * 1.7 = 0.27. One more unit: b keeps what it gave last,
    # 2 + 1.2 = 3.2, against a, 4 - 1.5 = 2.5; the last one: a gives back what it took last, 4 - 0.5 = 3.5, or b gives
    # one more, 2 + 1.2 = 3.2: the cheaper.
    Known(
        "tiers of taking and of giving begin at different changes",
        graded(Tiers([(0.2, 0.5), (None, 1.5)]), Tiers([(0.1, 0.5), (None, 1.2)])),
        net_benefit=0.13,
        cost=0.27,
        shares={"a": 0.5, "b": 0.5},
        earnings_per_hour=1.5,
        prices={"capacity": (1.6, 1.6)},
    ),
    # The first 0.2 cost 2.4 a unit and lose 0.4 each, what comes after is free: 0.7 * 2 - 0.2 * 2.4 = 0.92.
    Known(
        "tiers that fall are paid for by a large change",
        graded(Tiers([(0.2, 2.4), (None, 0.0)]), 0.0),
        net_benefit=0.92,
        cost=0.48,
        shares={"a": 1.0, "b": 0.0},
        earnings_per_hour=2.0,
    ),
    # With at most 0.2 the same tiers cost 2.4 for each unit, more than the 2 it earns.
    Known(
        "tiers that fall are not paid for by a small change",
        graded(Tiers([(0.2, 2.4), (None, 0.0)]), 0.0, max_change=0.2),
        net_benefit=0.0,
        shares={"a": 0.3, "b": 0.7},
        earnings_per_hour=1.3,
    ),
    # All changes together: 0.1 at 0.5, 0.2 at 1.5, then 3. As the first case, but paid once for both.
    Known(
        "turnover goes as far as its dearer tiers pay",
        graded(0.0, 0.0, turnover_cost=Tiers([(0.1, 0.5), (0.2, 1.5), (None, 3.0)])),
        net_benefit=0.25,
        cost=0.35,
        shares={"a": 0.6, "b": 0.4},
        earnings_per_hour=1.6,
    ),
    # 0.7 * 2 = 1.4 less the fee of 1; capacity is worth 2 USD/h at a either way.
    Known(
        "the fee of a plan is paid once, however many move",
        graded(0.0, 0.0, plan_fee=1.0),
        net_benefit=0.4,
        cost=1.0,
        shares={"a": 1.0, "b": 0.0},
        earnings_per_hour=2.0,
        prices={"capacity": (2.0, 2.0)},
    ),
    # 1.4 is less than 1.5: nothing moves.
    Known(
        "the fee of a plan above its gain is not paid",
        graded(0.0, 0.0, plan_fee=1.5),
        net_benefit=0.0,
        shares={"a": 0.3, "b": 0.7},
        earnings_per_hour=1.3,
    ),
    # Each unit gains 2 and costs 0.5 twice: 0.7 * (2 - 1) = 0.7, of which cost 0.7. One more unit of capacity: a takes
    # it, 2 * 2 - 0.5 = 3.5 USD over 2 h; the last one would save as much.
    Known(
        "a move pays its proportional cost at both ends",
        two(0.5),
        net_benefit=0.7,
        cost=0.7,
        shares={"a": 1.0, "b": 0.0},
        earnings_per_hour=2.0,
        prices={"capacity": (1.75, 1.75)},
    ),
    # 1.2 twice is more than 2. One more unit of capacity: a, 4 - 1.2 = 2.8 USD over 2 h. One less: b gives it and pays,
    # 2 + 1.2 = 3.2.
    Known(
        "a move that costs more than it earns is not made",
        two(1.2),
        net_benefit=0.0,
        shares={"a": 0.3, "b": 0.7},
        earnings_per_hour=1.3,
        prices={"capacity": (1.4, 1.6)},
    ),
    # Into a, per unit: from c 2 - 0.5 - 0.3 - 0.1 = 1.1; from b 2 - 1 - 0.3 = 0.7; from c to b 1 - 0.5 - 0.8 - 0.1 < 0.
    # c gives 0.5: 0.55, cost 0.5 * 0.4 = 0.2. One more or less of capacity: c gives one less or more, 0.5 + 0.1.
    # a's ceiling: 2 - 0.3 - 0.6.
    Known(
        "taking and giving may cost differently",
        AllocationProblem(
            [
                ProtocolSpec("a", 2.0, max_share=0.5, move_cost_in=0.3),
                ProtocolSpec("b", 1.0, move_cost_in=0.8, move_cost_out=0.0),
                ProtocolSpec("c", 0.5, move_cost_out=0.1),
            ],
            {"a": 0.0, "b": 0.2, "c": 0.8},
        ),
        net_benefit=0.55,
        cost=0.2,
        shares={"a": 0.5, "b": 0.2, "c": 0.3},
        earnings_per_hour=1.35,
        prices={"capacity": (0.6, 0.6), "max_share a": (1.1, 1.1)},
    ),
    # From c: a alone 0.1 * 2 - 0.15 = 0.05; b alone 0.5 * 1 - 0.15 = 0.35; both 0.1 * 2 + 0.4 * 1 - 0.3 = 0.3.
    Known(
        "a fee is paid once per moved protocol",
        AllocationProblem(
            [
                ProtocolSpec("a", 3, max_share=0.4, move_fee=0.15),
                ProtocolSpec("b", 2, move_fee=0.15),
                ProtocolSpec("c", 1),
            ],
            {"a": 0.3, "b": 0.2, "c": 0.5},
        ),
        net_benefit=0.35,
        cost=0.15,
        shares={"a": 0.3, "b": 0.7, "c": 0.0},
        earnings_per_hour=2.3,
        prices={"capacity": (2.0, 2.0)},
    ),
    # 0.7 gained against two fees of 0.4: stay.
    Known(
        "a fee above the gain is not paid",
        AllocationProblem(
            [ProtocolSpec("a", 2.0, move_fee=0.4), ProtocolSpec("b", 1.0, move_fee=0.4)], {"a": 0.3, "b": 0.7}
        ),
        net_benefit=0.0,
        shares={"a": 0.3, "b": 0.7},
        earnings_per_hour=1.3,
    ),
    # A unit of a earns 2 * 10 less 2 * 3 while it warms up: 14 against 13. 0.5 * 1 = 0.5; cost 0.5 * 6 = 3.
    Known(
        "a move must earn back its warm-up",
        warming(1.3, warm_up_hours=3.0),
        net_benefit=0.5,
        cost=3.0,
        shares={"a": 1.0, "b": 0.0},
        earnings_per_hour=2.0,
        prices={"capacity": (1.4, 1.4)},
    ),
    # 14 against 15: stay. One more unit goes to b; the last one is b's too.
    Known(
        "a move that does not earn back its warm-up is not made",
        warming(1.5, warm_up_hours=3.0),
        net_benefit=0.0,
        shares={"a": 0.5, "b": 0.5},
        earnings_per_hour=1.75,
        prices={"capacity": (1.5, 1.5)},
    ),
    # Half is earned while warming up: 20 - 3 = 17 against 15, 0.5 * 2 = 1.0; cost 0.5 * 3 = 1.5.
    Known(
        "what warms up may earn a part",
        warming(1.5, warm_up_hours=3.0, warm_up_earns=0.5),
        net_benefit=1.0,
        cost=1.5,
        shares={"a": 1.0, "b": 0.0},
        earnings_per_hour=2.0,
    ),
    # Slope 4 up to 0.5; a unit earns 40 less 8 while it warms up, against 30. From 0.1 on, 0.4 * 2 = 0.8; cost 0.4 * 8.
    Known(
        "only what is added to a curve warms up",
        AllocationProblem(
            [ProtocolSpec("a", EarningsCurve.through([(0, 0), (0.5, 2.0)]), warm_up_hours=2.0), ProtocolSpec("b", 3.0)],
            {"a": 0.1, "b": 0.9},
            horizon_hours=10,
        ),
        net_benefit=0.8,
        cost=3.2,
        shares={"a": 0.5, "b": 0.5},
        earnings_per_hour=3.5,
        prices={"capacity": (3.0, 3.0)},
    ),
    # Two targets, 2 * (0.357142857 - 0.01) = 0.694285714; one, 0.416666667 - 0.01.
    Known(
        "cheap fees open two targets of diminishing returns",
        delegation(0.01),
        net_benefit=2 * (0.5 * 2.5 / 3.5 - 0.01),
        cost=0.02,
        shares={"first": 0.5, "second": 0.5},
        earnings_per_hour=2.5 / 3.5,
    ),
    # One target, 0.416666667 - 0.3 = 0.116666667; two, 2 * (0.357142857 - 0.3) = 0.114285714. Which one is a tie.
    Known(
        "dear fees open one target",
        delegation(0.3),
        net_benefit=0.5 * 5 / 6 - 0.3,
        cost=0.3,
        earnings_per_hour=0.5 * 5 / 6,
    ),
)
