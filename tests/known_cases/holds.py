"""Held now, held until a period, lock-ins with an end, decrease floors."""

from reallot import AllocationProblem, Limits, LockIn, ProtocolSpec
from tests.known_cases import Known

CASES = (
    # relay keeps 0.4; b gives all of its 0.3 to a: 0.3 * (3 - 2) = 0.3. Releasing relay gives to a: 3 - 1.
    Known(
        "a held protocol keeps its share",
        AllocationProblem(
            {"a": 3.0, "b": 2.0, "relay": 1.0}, {"a": 0.3, "b": 0.3, "relay": 0.4}, limits=Limits(held={"relay"})
        ),
        net_benefit=0.3,
        shares={"a": 0.6, "b": 0.0, "relay": 0.4},
        earnings_per_hour=2.2,
        prices={"capacity": (3.0, 3.0), "held relay": (2.0, 2.0)},
    ),
    Known(
        "with all but one held nothing moves",
        AllocationProblem({"a": 3.0, "b": 1.0}, {"a": 0.3, "b": 0.7}, limits=Limits(held={"b"})),
        net_benefit=0.0,
        shares={"a": 0.3, "b": 0.7},
        earnings_per_hour=1.6,
        prices={"capacity": (3.0, 3.0), "held b": (2.0, 2.0)},
    ),
    # Two periods of one hour; b is free from period 1 on: 0.5 * 2 = 1.0 there. Releasing b in period 0 adds 2 USD per
    # unit, which is 1 USD/h over the two hours. Capacity adds 3 in each hour.
    Known(
        "a protocol held until period 1 moves then",
        AllocationProblem(
            {"a": 3.0, "b": 1.0}, {"a": 0.5, "b": 0.5}, horizon_hours=2, periods=2, limits=Limits(held={"b": 1})
        ),
        net_benefit=1.0,
        shares={"a": 0.5, "b": 0.5},
        later=({"a": 1.0, "b": 0.0},),
        earnings_per_hour=2.5,
        prices={"held b": (1.0, 1.0), "capacity": (3.0, 3.0)},
    ),
    # b may not fall below 0.3 in period 0: 0.2 * 2 = 0.4 there, 0.5 * 2 = 1.0 in period 1. The floor costs 2 USD per
    # unit in one of two hours.
    Known(
        "a lock-in ends",
        AllocationProblem(
            [ProtocolSpec("a", 3.0), ProtocolSpec("b", 1.0, lock_in=LockIn(0.3, until=1))],
            {"a": 0.5, "b": 0.5},
            horizon_hours=2,
            periods=2,
        ),
        net_benefit=1.4,
        shares={"a": 0.7, "b": 0.3},
        later=({"a": 1.0, "b": 0.0},),
        earnings_per_hour=2.7,
        prices={"lock_in b": (1.0, 1.0), "capacity": (3.0, 3.0)},
    ),
    # One period: the floor holds throughout it. 0.2 * 2 = 0.4, and the floor costs 3 - 1.
    Known(
        "a lock-in holds in the period planned",
        AllocationProblem([ProtocolSpec("a", 3.0), ProtocolSpec("b", 1.0, lock_in=LockIn(0.3))], {"a": 0.5, "b": 0.5}),
        net_benefit=0.4,
        shares={"a": 0.7, "b": 0.3},
        earnings_per_hour=2.4,
        prices={"lock_in b": (2.0, 2.0)},
    ),
    # The disk stores 0.35: 0.15 goes to relay, gain 0.15 * (2 - 1).
    Known(
        "a disk cannot shrink below what it stores",
        AllocationProblem(
            [ProtocolSpec("storage", 1.0, decrease_floor=0.35), ProtocolSpec("relay", 2.0)],
            {"storage": 0.5, "relay": 0.5},
        ),
        net_benefit=0.15,
        shares={"storage": 0.35, "relay": 0.65},
        earnings_per_hour=1.65,
        prices={"capacity": (2.0, 2.0), "decrease_floor storage": (1.0, 1.0)},
    ),
    # Below the floor already, it may not shrink at all, but it need not grow either.
    Known(
        "a disk below its floor keeps what it has",
        AllocationProblem(
            [ProtocolSpec("storage", 1.0, decrease_floor=0.35), ProtocolSpec("relay", 2.0)],
            {"storage": 0.3, "relay": 0.7},
        ),
        net_benefit=0.0,
        shares={"storage": 0.3, "relay": 0.7},
        earnings_per_hour=1.7,
    ),
)
