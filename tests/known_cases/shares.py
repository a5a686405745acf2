"""Bounds of shares, idle capacity, the reserve, starts outside the bounds."""

from reallot import AllocationProblem, ProtocolSpec
from tests.known_cases import Known

CASES = (
    # a (3) to its ceiling 0.4, c (1) to its floor 0.2, b (2) the rest: 1.2 + 0.8 + 0.2 = 2.2; today 0.6 + 0.6 + 0.5.
    # One more unit goes to b; a higher ceiling takes from b, 3 - 2; a lower floor gives to b, 2 - 1.
    Known(
        "shares stay within their bounds",
        AllocationProblem(
            [
                ProtocolSpec("a", 3, max_share=0.4),
                ProtocolSpec("b", 2, max_share=0.5),
                ProtocolSpec("c", 1, min_share=0.2),
            ],
            {"a": 0.2, "b": 0.3, "c": 0.5},
        ),
        net_benefit=0.5,
        shares={"a": 0.4, "b": 0.4, "c": 0.2},
        earnings_per_hour=2.2,
        prices={"capacity": (2.0, 2.0), "max_share a": (1.0, 1.0), "min_share c": (1.0, 1.0)},
    ),
    # The miner loses 0.5 USD/h at full share. Switching it off saves 0.5 * 0.4 = 0.2 USD/h for 10 h; idle is 0.4, so
    # more capacity is worth nothing. A higher ceiling of relay takes idle capacity: 1.
    Known(
        "what earns less than nothing is left idle where that is allowed",
        AllocationProblem(
            [ProtocolSpec("relay", 1.0, max_share=0.6), ProtocolSpec("miner", -0.5)],
            {"relay": 0.6, "miner": 0.4},
            allow_idle=True,
            horizon_hours=10,
        ),
        net_benefit=2.0,
        shares={"relay": 0.6, "miner": 0.0},
        earnings_per_hour=0.6,
        prices={"capacity": (0.0, 0.0), "max_share relay": (1.0, 1.0)},
    ),
    # The same without idle: relay is full and the miner must take the rest. 0.6 - 0.2 = 0.4; more capacity costs 0.5.
    Known(
        "all capacity is given away where idle is not allowed",
        AllocationProblem(
            [ProtocolSpec("relay", 1.0, max_share=0.6), ProtocolSpec("miner", -0.5)],
            {"relay": 0.6, "miner": 0.4},
            horizon_hours=10,
        ),
        net_benefit=0.0,
        shares={"relay": 0.6, "miner": 0.4},
        earnings_per_hour=0.4,
        prices={"capacity": (-0.5, -0.5), "max_share relay": (1.5, 1.5)},
    ),
    # 0.5 stands idle today; a is at its ceiling, so b takes all of it: 0.4 + 0.8 = 1.2 against 0.7. One more unit of
    # capacity goes to b; a higher ceiling takes from b.
    Known(
        "idle capacity is taken up where it earns",
        AllocationProblem(
            [ProtocolSpec("a", 2.0, max_share=0.2), ProtocolSpec("b", 1.0)], {"a": 0.2, "b": 0.3}, allow_idle=True
        ),
        net_benefit=0.5,
        shares={"a": 0.2, "b": 0.8},
        earnings_per_hour=1.2,
        prices={"capacity": (1.0, 1.0), "max_share a": (1.0, 1.0)},
    ),
    # 0.9 to give: 2 * 0.9 = 1.8 against 2 * 0.5 + 1 * 0.4 = 1.4.
    Known(
        "the reserve is never given away",
        AllocationProblem({"a": 2.0, "b": 1.0}, {"a": 0.5, "b": 0.4}, reserve=0.1),
        net_benefit=0.4,
        shares={"a": 0.9, "b": 0.0},
        earnings_per_hour=1.8,
        prices={"capacity": (2.0, 2.0)},
    ),
    # a stands above its ceiling and must go: 1.0 + 0.5 = 1.5 against 1.9. Staying is not allowed, so the best is -0.4.
    Known(
        "a start outside the bounds comes back in even at a loss",
        AllocationProblem([ProtocolSpec("a", 2.0, max_share=0.5), ProtocolSpec("b", 1.0)], {"a": 0.9, "b": 0.1}),
        net_benefit=-0.4,
        shares={"a": 0.5, "b": 0.5},
        earnings_per_hour=1.5,
        prices={"capacity": (1.0, 1.0), "max_share a": (1.0, 1.0)},
    ),
    # Shares sum to 2 GPUs: capacity in other units scales shares and money alike. 3 * 2 = 6 against 3 * 0.5 + 1.5.
    Known(
        "capacity need not be one",
        AllocationProblem({"a": 3.0, "b": 1.0}, {"a": 0.5, "b": 1.5}, capacity=2.0),
        net_benefit=3.0,
        shares={"a": 2.0, "b": 0.0},
        earnings_per_hour=6.0,
        prices={"capacity": (3.0, 3.0)},
    ),
)
