"""Several periods planned together, with rates, costs, holds and limits per period."""

from reallot import AllocationProblem, EarningsCurve, End, Limits, ProtocolSpec
from tests.known_cases import Known


def turning(move_cost: float) -> AllocationProblem:
    """a earns 1, then 3; b earns 2 twice. Half stands in each; two periods of one hour."""
    specs = [ProtocolSpec("a", (1.0, 3.0), move_cost=move_cost), ProtocolSpec("b", 2.0, move_cost=move_cost)]
    return AllocationProblem(specs, {"a": 0.5, "b": 0.5}, horizon_hours=2, periods=2)


def steady(**limits: object) -> AllocationProblem:
    """a earns 3 and b 1 in both of two hours."""
    return AllocationProblem(
        {"a": 3.0, "b": 1.0}, {"a": 0.2, "b": 0.8}, horizon_hours=2, periods=2, limits=Limits(**limits)
    )


CASES = (
    # All in b, then all in a: 2 + 3 = 5 against 1.5 + 2.5 = 4. Capacity adds 2 and 3.
    Known(
        "rates per period move shares per period",
        turning(0.0),
        net_benefit=1.0,
        shares={"a": 0.0, "b": 1.0},
        later=({"a": 1.0, "b": 0.0},),
        earnings_per_hour=2.5,
        prices={"capacity": (2.5, 2.5)},
    ),
    # The same from a table by name.
    Known(
        "a table of rates says the same",
        AllocationProblem(
            {"a": 0.0, "b": 0.0},
            {"a": 0.5, "b": 0.5},
            horizon_hours=2,
            periods=2,
            rates={"b": [2.0, 2.0], "a": [1.0, 3.0]},
        ),
        net_benefit=1.0,
        shares={"a": 0.0, "b": 1.0},
        later=({"a": 1.0, "b": 0.0},),
        earnings_per_hour=2.5,
    ),
    # A unit moved pays 0.4 (0.2 at both ends). One in a: to b and back earns 5 - 0.8 = 4.2 against 4. One in b: to a in
    # period 1, 5 - 0.4 = 4.6 against 4. 0.5 * 0.2 + 0.5 * 0.6 = 0.4; cost 0.5 * 0.8 + 0.5 * 0.4 = 0.6.
    Known(
        "a round trip pays both ways",
        turning(0.2),
        net_benefit=0.4,
        cost=0.6,
        shares={"a": 0.0, "b": 1.0},
        later=({"a": 1.0, "b": 0.0},),
        earnings_per_hour=2.5,
    ),
    # At 0.6 per unit moved a round trip earns 5 - 1.2 = 3.8 against 4: what is in a waits. b still goes: 4.4 against 4.
    Known(
        "a dear round trip waits for the second period",
        turning(0.3),
        net_benefit=0.2,
        cost=0.3,
        shares={"a": 0.5, "b": 0.5},
        later=({"a": 1.0, "b": 0.0},),
        earnings_per_hour=2.25,
    ),
    # At 1.6 per unit nothing pays: from b, 5 - 1.6 = 3.4 against 4.
    Known("costs that no period pays back are not spent", turning(0.8), net_benefit=0.0, shares={"a": 0.5, "b": 0.5}),
    # a earns 1 then 5, b 2 then 1. Moving 0.3 now loses 0.3 and allows 0.6 more in period 1: 0.5 and 0.8.
    # Period 0: 1.5 against 1.8; period 1: 4.2 against 1.8. One more of a's limit moves one more now and two more then:
    # -1 + 2 * 4 = 7 USD over 2 h.
    Known(
        "max change per period makes an early move worth its loss",
        AllocationProblem(
            [ProtocolSpec("a", (1.0, 5.0)), ProtocolSpec("b", (2.0, 1.0))],
            {"a": 0.2, "b": 0.8},
            horizon_hours=2,
            periods=2,
            limits=Limits(max_change={"a": 0.3}),
        ),
        net_benefit=2.1,
        shares={"a": 0.5, "b": 0.5},
        later=({"a": 0.8, "b": 0.2},),
        earnings_per_hour=2.85,
        prices={"max_change a": (3.5, 3.5), "capacity": (1.5, 1.5)},
    ),
    # Nothing may change now, 0.5 in period 1: 0.5 * 2 = 1.0.
    Known(
        "max change may differ by period",
        steady(max_change=[0.0, 0.5]),
        net_benefit=1.0,
        shares={"a": 0.2, "b": 0.8},
        later=({"a": 0.7, "b": 0.3},),
        earnings_per_hour=1.9,
    ),
    # 0.1 now (for two hours) and 0.3 then: 0.1 * 2 + 0.4 * 2 = 1.0. One more of turnover in both periods adds
    # 1 * 2 + 2 * 2 = 6 USD over two hours.
    Known(
        "turnover may differ by period",
        steady(max_turnover=[0.1, 0.3]),
        net_benefit=1.0,
        shares={"a": 0.3, "b": 0.7},
        later=({"a": 0.6, "b": 0.4},),
        earnings_per_hour=1.9,
        prices={"turnover": (3.0, 3.0)},
    ),
    # Moving all now gains 0.8 * 2 in both hours, 3.2, and costs two fees of 0.5; spread over both periods it would
    # cost four.
    Known(
        "a fee counts in every period with a move",
        AllocationProblem(
            [ProtocolSpec("a", 3.0, move_fee=0.5), ProtocolSpec("b", 1.0, move_fee=0.5)],
            {"a": 0.2, "b": 0.8},
            horizon_hours=2,
            periods=2,
        ),
        net_benefit=2.2,
        cost=1.0,
        shares={"a": 1.0, "b": 0.0},
        later=({"a": 1.0, "b": 0.0},),
        earnings_per_hour=3.0,
    ),
    # Demand for storage ends at 0.2, then at 0.6 (slope 5 both times); relay 2. Period 0: 1.0 + 1.6 = 2.6; period 1:
    # 3.0 + 0.8 = 3.8. Today's halves: 1.0 + 1.0 and 2.5 + 1.0.
    Known(
        "a curve may differ by period",
        AllocationProblem(
            [
                ProtocolSpec(
                    "storage",
                    (EarningsCurve.through([(0, 0), (0.2, 1.0)]), EarningsCurve.through([(0, 0), (0.6, 3.0)])),
                ),
                ProtocolSpec("relay", 2.0),
            ],
            {"storage": 0.5, "relay": 0.5},
            horizon_hours=2,
            periods=2,
        ),
        net_benefit=0.9,
        shares={"storage": 0.2, "relay": 0.8},
        later=({"storage": 0.6, "relay": 0.4},),
        earnings_per_hour=3.2,
        prices={"capacity": (2.0, 2.0)},
    ),
    # a may hold 0.3, then 0.6: 0.1 * 2 and 0.4 * 2.
    Known(
        "a ceiling may differ by period",
        AllocationProblem(
            [ProtocolSpec("a", 3.0, max_share=[0.3, 0.6]), ProtocolSpec("b", 1.0)],
            {"a": 0.2, "b": 0.8},
            horizon_hours=2,
            periods=2,
        ),
        net_benefit=1.0,
        shares={"a": 0.3, "b": 0.7},
        later=({"a": 0.6, "b": 0.4},),
        earnings_per_hour=1.9,
        prices={"max_share a": (2.0, 2.0)},
    ),
    # Moving costs 5 a unit now and 1 then: 0.8 * 2 of the second hour less 0.8 * 1. Now would gain 4 less 5.
    Known(
        "a cost that falls is waited for",
        AllocationProblem(
            [ProtocolSpec("a", 3.0, move_cost=[5.0, 1.0]), ProtocolSpec("b", 1.0)],
            {"a": 0.2, "b": 0.8},
            horizon_hours=2,
            periods=2,
        ),
        net_benefit=0.8,
        cost=0.8,
        shares={"a": 0.2, "b": 0.8},
        later=({"a": 1.0, "b": 0.0},),
        earnings_per_hour=2.2,
    ),
    # All to a, 0.8 * 2, and half back to b for the end: 0.3 * 2. One less of the floor earns 2 USD in two hours.
    Known(
        "a share has to be there at the end",
        AllocationProblem(
            {"a": 3.0, "b": 1.0},
            {"a": 0.2, "b": 0.8},
            horizon_hours=2,
            periods=2,
            end=End(at_least={"b": 0.5}),
        ),
        net_benefit=2.2,
        shares={"a": 1.0, "b": 0.0},
        later=({"a": 0.5, "b": 0.5},),
        earnings_per_hour=2.5,
        prices={"end_at_least b": (1.0, 1.0), "capacity": (3.0, 3.0)},
    ),
    # Two changes of 0.8 are allowed over the horizon, so that they are made at once: 0.8 * 2 * 2.
    Known(
        "so many moves over the horizon are made at once",
        steady(max_total_moves=2),
        net_benefit=3.2,
        shares={"a": 1.0, "b": 0.0},
        later=({"a": 1.0, "b": 0.0},),
        earnings_per_hour=3.0,
    ),
)
