"""Enough at the least turnover, cost or number of moves; a wanted split; goals in order; shares near to a split."""

from reallot import AllocationProblem, Closest, Goal, Limits, Near, ProtocolSpec
from tests.known_cases import Impossible, Known

SPLIT = {"a": 0.2, "b": 0.8, "c": 0.0}
RATES = {"a": 3.0, "b": 1.0, "c": 2.0}
COSTS = [ProtocolSpec("a", 3.0, move_cost=0.5), ProtocolSpec("b", 1.0), ProtocolSpec("c", 2.0, move_cost=0.1)]

CASES = (
    # Today 0.6 + 0.8 = 1.4. A unit from b to a brings 2 and is one of turnover: 0.3 of it is enough for 2. One USD/h
    # less is half a unit less.
    Known(
        "enough at the least turnover",
        AllocationProblem(RATES, SPLIT, goal=Goal(at_least=2.0)),
        net_benefit=0.6,
        shares={"a": 0.5, "b": 0.5, "c": 0.0},
        earnings_per_hour=2.0,
        worth=-0.3,
        prices={"goal": (0.5, 0.5)},
    ),
    # For each USD/h more, a costs 0.5 / 2 = 0.25 USD, c 0.1 / 1 = 0.1: 0.6 to c, which costs 0.06.
    Known(
        "enough at the least cost",
        AllocationProblem(COSTS, SPLIT, goal=Goal(at_least=2.0, minimise="cost")),
        net_benefit=0.54,
        shares={"a": 0.2, "b": 0.2, "c": 0.6},
        earnings_per_hour=2.0,
        cost=0.06,
        worth=-0.06,
        prices={"goal": (0.1, 0.1)},
    ),
    # Two must move; of all pairs b to a is worth the most, and all of it: 3 against 1.4.
    Known(
        "enough with the fewest moves",
        AllocationProblem(RATES, SPLIT, goal=Goal(at_least=2.0, minimise="moves")),
        net_benefit=1.6,
        shares={"a": 1.0, "b": 0.0, "c": 0.0},
        earnings_per_hour=3.0,
        worth=-2.0,
    ),
    # b may give 0.1: 0.2 and 0.2 are missing of what is wanted.
    Known(
        "as close to a split as max change allows",
        AllocationProblem(RATES, SPLIT, limits=Limits(max_change=0.1), goal=Closest({"a": 0.5, "b": 0.5})),
        net_benefit=0.2,
        shares={"a": 0.3, "b": 0.7, "c": 0.0},
        earnings_per_hour=1.6,
        worth=-0.4,
    ),
    # a at 0.5 first; then 2.2 USD/h at the least cost: 1.5 + b + 2 c with b + c = 0.5, so c = 0.2: 0.15 + 0.02.
    Known(
        "a wanted share first, then enough at the least cost",
        AllocationProblem(COSTS, SPLIT, goal=[Closest({"a": 0.5}), Goal(2.2, "cost")]),
        net_benefit=0.63,
        shares={"a": 0.5, "b": 0.3, "c": 0.2},
        earnings_per_hour=2.2,
        cost=0.17,
        worth=-0.17,
    ),
    # a + b = 1 and |a - 0.5| + |b - 0.5| <= 0.1: a = 0.55. Half a unit of one more goes to a (3) from b (1).
    Known(
        "shares near to a split",
        AllocationProblem(
            {"a": 3.0, "b": 1.0}, {"a": 0.2, "b": 0.8}, limits=Limits(near=Near({"a": 0.5, "b": 0.5}, within=0.1))
        ),
        net_benefit=0.7,
        shares={"a": 0.55, "b": 0.45},
        earnings_per_hour=2.1,
        prices={"near": (1.0, 1.0)},
    ),
)
IMPOSSIBLE = (
    # With 0.1 more of a and less of b 1.6 USD/h are earned, 0.9 too little.
    Impossible(
        "a goal is out of reach",
        AllocationProblem(
            {"a": 3.0, "b": 1.0}, {"a": 0.2, "b": 0.8}, limits=Limits(max_change={"a": 0.1}), goal=Goal(at_least=2.5)
        ),
        rules=frozenset({"capacity", "goal", "max_change a"}),
        amount=0.45,
        words=("the goal of at least 2.50 USD/h", "lower at_least of the goal by 0.90 USD/h"),
    ),
)
