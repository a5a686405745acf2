"""Problems that no split meets, with the amount by which they fail."""

from reallot import AllocationProblem, Group, Limits, ProtocolSpec
from tests.known_cases import Impossible

CASES = (
    # 0.4 + 0.4 are held, 0.6 is there: 0.2 too little.
    Impossible(
        "held protocols take more than capacity",
        AllocationProblem(
            {"storage": 1.0, "relay": 2.0, "compute": 3.0},
            {"storage": 0.4, "relay": 0.4, "compute": 0.0},
            capacity=0.6,
            limits=Limits(held={"storage", "relay"}),
        ),
        rules=frozenset({"capacity", "held storage", "held relay"}),
        amount=0.2,
        words=("0.80", "storage 0.40", "relay 0.40", "capacity 0.60", "raise capacity by 0.20"),
    ),
    # Floors 0.7 + 0.5 against 1.
    Impossible(
        "floors take more than capacity",
        AllocationProblem(
            [ProtocolSpec("a", 1.0, min_share=0.7), ProtocolSpec("b", 2.0, min_share=0.5)], {"a": 0.5, "b": 0.5}
        ),
        rules=frozenset({"capacity", "min_share a", "min_share b"}),
        amount=0.2,
        words=("1.20", "a 0.70", "b 0.50", "0.20"),
    ),
    # Ceilings 0.3 + 0.5 against 1, and idle is not allowed.
    Impossible(
        "ceilings leave capacity that nobody may take",
        AllocationProblem(
            [ProtocolSpec("a", 1.0, max_share=0.3), ProtocolSpec("b", 2.0, max_share=0.5)], {"a": 0.3, "b": 0.5}
        ),
        rules=frozenset({"capacity lower", "max_share a", "max_share b"}),
        amount=0.2,
        words=("0.80", "a 0.30", "b 0.50", "allow idle"),
    ),
    # a must fall by 0.4 to its ceiling, max change is 0.1: 0.3 too little.
    Impossible(
        "a ceiling cannot be reached within max change",
        AllocationProblem(
            [ProtocolSpec("a", 1.0, max_share=0.5), ProtocolSpec("b", 2.0)],
            {"a": 0.9, "b": 0.1},
            limits=Limits(max_change={"a": 0.1}),
        ),
        rules=frozenset({"max_share a", "max_change a"}),
        amount=0.3,
        words=("a (now 0.90)", "max_share 0.50", "max_change 0.10", "0.30"),
    ),
    # a must give 0.4 and turnover allows 0.1.
    Impossible(
        "forced moves are more than the turnover",
        AllocationProblem(
            [ProtocolSpec("a", 1.0, max_share=0.5), ProtocolSpec("b", 2.0)],
            {"a": 0.9, "b": 0.1},
            limits=Limits(max_turnover=0.1),
        ),
        rules=frozenset({"max_share a", "turnover"}),
        amount=0.3,
        words=("max_turnover", "0.40", "0.10", "0.30"),
    ),
    # The floor of a alone needs 5 GB of 4: 0.25 of what there is.
    Impossible(
        "a floor needs more of a resource than there is",
        AllocationProblem(
            [ProtocolSpec("a", 1.0, min_share=0.5, uses={"memory": 10.0}), ProtocolSpec("b", 2.0)],
            {"a": 0.5, "b": 0.5},
            resources={"memory": 4.0},
        ),
        rules=frozenset({"min_share a", "resource memory"}),
        amount=0.1,
        words=("memory", "raise resource memory by 1", "lower min_share of a by 0.10"),
    ),
    # Both floors are above zero, one of the two may be used.
    Impossible(
        "two floors in a group of at most one",
        AllocationProblem(
            [ProtocolSpec("a", 1.0, min_share=0.2), ProtocolSpec("b", 2.0, min_share=0.2), ProtocolSpec("c", 3.0)],
            {"a": 0.2, "b": 0.2, "c": 0.6},
            limits=Limits(groups=(Group("address", ("a", "b"), max_active=1),)),
        ),
        rules=frozenset({"active address", "min_share a", "min_share b"}),
        amount=0.2,
        words=("address", "raise max_active of group address by 1"),
    ),
    # The same as without the fee: 0.4 to give, 0.1 allowed.
    Impossible(
        "a ceiling cannot be reached within max change although moving has a fee",
        AllocationProblem(
            [ProtocolSpec("a", 1.0, max_share=0.5, move_fee=0.1), ProtocolSpec("b", 2.0)],
            {"a": 0.9, "b": 0.1},
            limits=Limits(max_change={"a": 0.1}),
        ),
        rules=frozenset({"max_share a", "max_change a"}),
        amount=0.3,
        words=("a (now 0.90)", "max_share 0.50", "max_change 0.10", "raise max_change of a by 0.30"),
    ),
    # Ceilings 0.3 + 0.5 against 1, one of them of a share that is none or at least 0.1.
    Impossible(
        "ceilings leave capacity that nobody may take although one has an entry share",
        AllocationProblem(
            [ProtocolSpec("a", 1.0, max_share=0.3, entry_share=0.1), ProtocolSpec("b", 2.0, max_share=0.5)],
            {"a": 0.3, "b": 0.5},
        ),
        rules=frozenset({"capacity lower", "max_share a", "max_share b"}),
        amount=0.2,
        words=("0.80", "a 0.30", "b 0.50", "raise max_share of a by 0.20"),
    ),
    # The same in whole units of 0.1.
    Impossible(
        "ceilings leave capacity that nobody may take although one has units",
        AllocationProblem(
            [ProtocolSpec("a", 1.0, max_share=0.3, step=0.1), ProtocolSpec("b", 2.0, max_share=0.5)],
            {"a": 0.3, "b": 0.5},
        ),
        rules=frozenset({"capacity lower", "max_share a", "max_share b"}),
        amount=0.2,
        words=("0.80", "a 0.30", "b 0.50", "raise max_share of a by 0.20"),
    ),
)
