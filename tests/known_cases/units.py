"""None-or-at-least, indivisible units, one unit past max change."""

from reallot import AllocationProblem, EarningsCurve, Limits, ProtocolSpec
from tests.known_cases import Known


def gpus(**limits: object) -> AllocationProblem:
    """A GPU of four is 0.25. Of the two that can give to it, one more GPU takes 0.2 from b and 0.05 from c."""
    specs = [ProtocolSpec("gpu", 2.0, step=0.25), ProtocolSpec("b", 1.0), ProtocolSpec("c", 1.5)]
    return AllocationProblem(specs, {"gpu": 0.25, "b": 0.4, "c": 0.35}, limits=Limits(**limits))


def entering(**limits: object) -> AllocationProblem:
    """a pays 3 from a share of 0.3 on; b and c can give."""
    specs = [ProtocolSpec("a", 3.0, entry_share=0.3), ProtocolSpec("b", 1.0), ProtocolSpec("c", 2.0)]
    return AllocationProblem(specs, {"a": 0.0, "b": 0.5, "c": 0.5}, limits=Limits(**limits))


CASES = (
    # Without the entry share a takes 0.1 (slope 3), gain 0.2. At 0.3 it earns 0.3 + 0.2 * 0.5 = 0.4 against 0.3: 0.1.
    # Given that a is in, it stands at its least: one more unit of capacity goes to b, and the last one is b's.
    Known(
        "none or at least the entry share",
        AllocationProblem(
            [ProtocolSpec("a", EarningsCurve.pieces([(3, 0.1), (0.5, 0.9)]), entry_share=0.3), ProtocolSpec("b", 1.0)],
            {"a": 0.0, "b": 1.0},
        ),
        net_benefit=0.1,
        shares={"a": 0.3, "b": 0.7},
        earnings_per_hour=1.1,
        prices={"capacity": (1.0, 1.0)},
    ),
    # At 0.6 it earns 0.3 + 0.5 * 0.1 = 0.35, less than the 0.6 that b earns there: stay out.
    Known(
        "an entry share that does not pay is not taken",
        AllocationProblem(
            [ProtocolSpec("a", EarningsCurve.pieces([(3, 0.1), (0.1, 0.9)]), entry_share=0.6), ProtocolSpec("b", 1.0)],
            {"a": 0.0, "b": 1.0},
        ),
        net_benefit=0.0,
        shares={"a": 0.0, "b": 1.0},
        earnings_per_hour=1.0,
    ),
    # a falls behind: out altogether or at least 0.3. Out gains 0.5 * (2 - 1) = 0.5.
    Known(
        "what does not pay leaves altogether",
        AllocationProblem([ProtocolSpec("a", 1.0, entry_share=0.3), ProtocolSpec("b", 2.0)], {"a": 0.5, "b": 0.5}),
        net_benefit=0.5,
        shares={"a": 0.0, "b": 1.0},
        earnings_per_hour=2.0,
    ),
    # Max change 0.3 allows down to 0.2, which is below the entry share, or 0.3: 0.2 * (2 - 1) = 0.2.
    Known(
        "within max change a share stops at its entry share",
        AllocationProblem(
            [ProtocolSpec("a", 1.0, entry_share=0.3), ProtocolSpec("b", 2.0)],
            {"a": 0.5, "b": 0.5},
            limits=Limits(max_change=0.3),
        ),
        net_benefit=0.2,
        shares={"a": 0.3, "b": 0.7},
        earnings_per_hour=1.7,
    ),
    # A ceiling of 0.6 leaves 0.5, two units: 0.25 * (2 - 1).
    Known(
        "indivisible units come whole",
        AllocationProblem(
            [ProtocolSpec("gpu", 2.0, step=0.25, max_share=0.6), ProtocolSpec("b", 1.0)], {"gpu": 0.25, "b": 0.75}
        ),
        net_benefit=0.25,
        shares={"gpu": 0.5, "b": 0.5},
        earnings_per_hour=1.5,
        prices={"capacity": (1.0, 1.0)},
    ),
    # 0.3 is no whole number of units; 0.25 earns less, 0.5 is above the ceiling. It may stay as it is.
    Known(
        "a share off the grid may stay",
        AllocationProblem(
            [ProtocolSpec("gpu", 2.0, step=0.25, max_share=0.45), ProtocolSpec("b", 1.0)], {"gpu": 0.3, "b": 0.7}
        ),
        net_benefit=0.0,
        shares={"gpu": 0.3, "b": 0.7},
        earnings_per_hour=1.3,
    ),
    # 0.15 stands below the entry share 0.3; growing to 0.3 gains 0.15 * (2 - 1).
    Known(
        "a share below its entry share grows to it where that pays",
        AllocationProblem(
            [ProtocolSpec("a", 2.0, entry_share=0.3, max_share=0.3), ProtocolSpec("b", 1.0)], {"a": 0.15, "b": 0.85}
        ),
        net_benefit=0.15,
        shares={"a": 0.3, "b": 0.7},
        earnings_per_hour=1.3,
    ),
    # One unit is 0.25, more than 0.2: the GPU stays. c takes 0.2 from b: 0.2 * 0.5 = 0.1.
    Known(
        "a unit larger than max change is out of reach",
        gpus(max_change=0.2),
        net_benefit=0.1,
        shares={"gpu": 0.25, "b": 0.2, "c": 0.55},
        earnings_per_hour=1.525,
    ),
    # Exactly one unit: 0.25 * 2 - 0.2 * 1 - 0.05 * 1.5 = 0.225, although two units would gain more.
    Known(
        "one unit may pass max change where that is allowed",
        gpus(max_change=0.2, allow_one_unit=True),
        net_benefit=0.225,
        shares={"gpu": 0.5, "b": 0.2, "c": 0.3},
        earnings_per_hour=1.65,
    ),
    # 0.3 is more than 0.2: a stays out. c takes 0.2 from b.
    Known(
        "an entry share larger than max change is out of reach",
        entering(max_change=0.2),
        net_benefit=0.2,
        shares={"a": 0.0, "b": 0.3, "c": 0.7},
        earnings_per_hour=1.7,
    ),
    # Exactly 0.3: b gives 0.2, c 0.1: 0.9 - 0.2 - 0.2 = 0.5.
    Known(
        "an entry may pass max change where that is allowed",
        entering(max_change=0.2, allow_one_unit=True),
        net_benefit=0.5,
        shares={"a": 0.3, "b": 0.3, "c": 0.4},
        earnings_per_hour=2.0,
    ),
    # a at its entry share 0.3 loses against b and c: out at once, 0.3 * 2 to b (0.2 at most) and c: 0.2 * 3 + 0.1 * 2
    # - 0.3 * 1 = 0.5.
    Known(
        "an exit from the entry share may pass max change where that is allowed",
        AllocationProblem(
            [ProtocolSpec("a", 1.0, entry_share=0.3), ProtocolSpec("b", 3.0), ProtocolSpec("c", 2.0)],
            {"a": 0.3, "b": 0.3, "c": 0.4},
            limits=Limits(max_change=0.2, allow_one_unit=True),
        ),
        net_benefit=0.5,
        shares={"a": 0.0, "b": 0.5, "c": 0.5},
        earnings_per_hour=2.5,
    ),
    # Units of 0.25 and at least 0.3 make 0.5 the least that is held: 0.5 * (5 - 1) = 2, in one jump past 0.2.
    Known(
        "an entry share is rounded up to whole units",
        AllocationProblem(
            [ProtocolSpec("gpu", 5.0, step=0.25, entry_share=0.3), ProtocolSpec("b", 1.0)],
            {"gpu": 0.0, "b": 1.0},
            limits=Limits(max_change={"gpu": 0.2}, allow_one_unit=True),
        ),
        net_benefit=2.0,
        shares={"gpu": 0.5, "b": 0.5},
        earnings_per_hour=3.0,
    ),
    # The unit of 0.25 is above the entry share 0.2, so one unit is the entry: 0.25 * (5 - 1) = 1, past 0.1.
    Known(
        "an entry by one unit may pass max change where that is allowed",
        AllocationProblem(
            [ProtocolSpec("gpu", 5.0, step=0.25, entry_share=0.2), ProtocolSpec("b", 1.0)],
            {"gpu": 0.0, "b": 1.0},
            limits=Limits(max_change={"gpu": 0.1}, allow_one_unit=True),
        ),
        net_benefit=1.0,
        shares={"gpu": 0.25, "b": 0.75},
        earnings_per_hour=2.0,
    ),
)
