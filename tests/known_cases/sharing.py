"""Several shared resources, caps on a group, at most one of a group."""

from reallot import AllocationProblem, Group, Limits, ProtocolSpec
from tests.known_cases import Known

CASES = (
    # Maximise 3 a + 2 b with cpu 2 a + b <= 1 and memory a + b <= 0.8: the corner a = 0.2, b = 0.6 earns 1.8; a = 0.5
    # earns 1.5, b = 0.8 earns 1.6. Prices: 2 p + q = 3 and p + q = 2, so p = q = 1.
    Known(
        "several resources bound the shares",
        AllocationProblem(
            [
                ProtocolSpec("a", 3.0, uses={"cpu": 2.0, "memory": 1.0}),
                ProtocolSpec("b", 2.0, uses={"cpu": 1.0, "memory": 1.0}),
            ],
            {"a": 0.0, "b": 0.0},
            capacity=None,
            resources={"cpu": 1.0, "memory": 0.8},
        ),
        net_benefit=1.8,
        shares={"a": 0.2, "b": 0.6},
        earnings_per_hour=1.8,
        prices={"resource cpu": (1.0, 1.0), "resource memory": (1.0, 1.0)},
    ),
    # Shares of one machine, and 8 GB of which a takes 10 at full share, b 5: 10 a + 5 b <= 8 with a + b = 1 gives
    # a = 0.6. 1.8 + 0.8 = 2.6 against 2.5. One more GB: a + 0.2, b - 0.2, so 0.2 * (3 - 2). One more unit of capacity
    # within the same memory: a - 1, b + 2, so 2 * 2 - 3.
    Known(
        "a resource counts beside capacity",
        AllocationProblem(
            [ProtocolSpec("a", 3.0, uses={"memory": 10.0}), ProtocolSpec("b", 2.0, uses={"memory": 5.0})],
            {"a": 0.5, "b": 0.5},
            resources={"memory": 8.0},
        ),
        net_benefit=0.1,
        shares={"a": 0.6, "b": 0.4},
        earnings_per_hour=2.6,
        prices={"resource memory": (0.2, 0.2), "capacity": (1.0, 1.0)},
    ),
    # A resource with room to spare is worth nothing: b alone uses bandwidth, 4 * 0.5 = 2 of 5.
    Known(
        "a resource with room to spare is worth nothing",
        AllocationProblem(
            [ProtocolSpec("a", 3.0, max_share=0.5), ProtocolSpec("b", 2.0, uses={"bandwidth": 4.0})],
            {"a": 0.2, "b": 0.8},
            resources={"bandwidth": 5.0},
        ),
        net_benefit=0.3,
        shares={"a": 0.5, "b": 0.5},
        earnings_per_hour=2.5,
        prices={"resource bandwidth": (0.0, 0.0), "capacity": (2.0, 2.0), "max_share a": (1.0, 1.0)},
    ),
    # a and b together at most 0.5, all of it a's: 1.5 + 0.5 = 2.0 against 0.6 + 0.5 + 0.6 = 1.7.
    Known(
        "a group has a cap",
        AllocationProblem(
            {"a": 3.0, "b": 2.5, "c": 1.0},
            {"a": 0.2, "b": 0.2, "c": 0.6},
            limits=Limits(groups=(Group("pool", ("a", "b"), max_share=0.5),)),
        ),
        net_benefit=0.3,
        shares={"a": 0.5, "b": 0.0, "c": 0.5},
        earnings_per_hour=2.0,
        prices={"capacity": (1.0, 1.0), "group pool": (2.0, 2.0)},
    ),
    # Two apps on one public address, one at a time: the better one gains 0.3 * (1.0 - 0.9). Both would earn 0.77.
    Known(
        "at most one of a group",
        AllocationProblem(
            [
                ProtocolSpec("honey", 1.0, max_share=0.3),
                ProtocolSpec("pawn", 0.9, max_share=0.3),
                ProtocolSpec("miner", 0.5),
            ],
            {"honey": 0.0, "pawn": 0.3, "miner": 0.7},
            limits=Limits(groups=(Group("address", ("honey", "pawn"), max_active=1),)),
        ),
        net_benefit=0.03,
        shares={"honey": 0.3, "pawn": 0.0, "miner": 0.7},
        earnings_per_hour=0.65,
        prices={"capacity": (0.5, 0.5)},
    ),
    # None of the group at all: pawn must leave, 0.3 * (0.5 - 0.9).
    Known(
        "none of a group",
        AllocationProblem(
            {"pawn": 0.9, "miner": 0.5},
            {"pawn": 0.3, "miner": 0.7},
            limits=Limits(groups=(Group("address", ("pawn",), max_active=0),)),
        ),
        net_benefit=-0.12,
        shares={"pawn": 0.0, "miner": 1.0},
        earnings_per_hour=0.5,
    ),
)
