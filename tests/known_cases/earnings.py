"""Flat rates, concave curves, demand that is met, curves that are not concave."""

from reallot import AllocationProblem, EarningsCurve, Limits, ProtocolSpec
from tests.known_cases import Known

STORAGE = EarningsCurve.through([(0, 0), (0.3, 0.9), (0.6, 1.2)])
STAKING = EarningsCurve.through([(0, 0), (0.4, 0.2), (0.6, 1.6)])
# Rewards 10 x / (x + 1) and 5 y / (y + 7) for x and y of a stake of 5, x = 5 s. Slopes are equal, and x + y = 5, where
# 10 / (x + 1)^2 = 35 / (y + 7)^2, so y + 7 = sqrt(3.5) (x + 1) and x = 13 / (1 + sqrt(3.5)) - 1 = 3.5283, y = 1.4717.
# Both curves have a breakpoint there, so that the pieces lose nothing.
BEST = (13 / (1 + 3.5**0.5) - 1) / 5
TENTHS = [k / 10 for k in range(11)]
FIRST = EarningsCurve.through([(s, 10 * 5 * s / (5 * s + 1)) for s in sorted([*TENTHS, BEST])])
SECOND = EarningsCurve.through([(s, 5 * 5 * s / (5 * s + 7)) for s in sorted([*TENTHS, 1 - BEST])])

CASES = (
    # All to the better rate: 2 * 1 = 2; today 2 * 0.3 + 1 * 0.7 = 1.3. One more unit of capacity goes there too.
    Known(
        "all goes to the better flat rate",
        AllocationProblem({"relay": 2.0, "compute": 1.0}, {"relay": 0.3, "compute": 0.7}),
        net_benefit=0.7,
        shares={"relay": 1.0, "compute": 0.0},
        earnings_per_hour=2.0,
        prices={"capacity": (2.0, 2.0)},
    ),
    # Slopes 3 and 1 for storage: 3 (0.3 wide), then relay 2.1 (up to 0.5), then compute 1.7 (the rest, 0.2).
    # 0.9 + 1.05 + 0.34 = 2.29; today 1.0 + 0.84 + 0.34 = 2.18. One more goes to compute, 1.7; relay instead of
    # compute adds 2.1 - 1.7.
    Known(
        "a concave curve is filled while its slope is the best",
        AllocationProblem(
            [ProtocolSpec("storage", STORAGE), ProtocolSpec("relay", 2.1, max_share=0.5), ProtocolSpec("compute", 1.7)],
            {"storage": 0.4, "relay": 0.4, "compute": 0.2},
        ),
        net_benefit=0.11,
        shares={"storage": 0.3, "relay": 0.5, "compute": 0.2},
        earnings_per_hour=2.29,
        prices={"capacity": (1.7, 1.7), "max_share relay": (0.4, 0.4)},
    ),
    # Demand for storage ends at 0.25 (slope 4, then 0): 1.0 + 0.75 = 1.75 against 1.0 + 0.5 = 1.5, for 24 h.
    Known(
        "beyond the demand that is served more share earns nothing",
        AllocationProblem(
            {"storage": EarningsCurve.through([(0, 0), (0.25, 1.0)]), "relay": 1.0},
            {"storage": 0.5, "relay": 0.5},
            horizon_hours=24,
        ),
        net_benefit=6.0,
        shares={"storage": 0.25, "relay": 0.75},
        earnings_per_hour=1.75,
        prices={"capacity": (1.0, 1.0)},
    ),
    # Slopes 4 and 2, both ending at 0.5: 2.0 + 1.0 = 3.0; today 0.8 + 1.0 = 1.8. One more unit earns nothing, the
    # last one is relay's: 2.
    Known(
        "at a kink the price of capacity is an interval",
        AllocationProblem(
            {
                "storage": EarningsCurve.through([(0, 0), (0.5, 2.0)]),
                "relay": EarningsCurve.through([(0, 0), (0.5, 1.0)]),
            },
            {"storage": 0.2, "relay": 0.8},
        ),
        net_benefit=1.2,
        shares={"storage": 0.5, "relay": 0.5},
        earnings_per_hour=3.0,
        prices={"capacity": (0.0, 2.0)},
    ),
    # 0.5 USD/h come in at share 0 already; slope 1 up to 0.5 beats relay's 0.8: 1.0 + 0.4 = 1.4 against 0.7 + 0.64.
    Known(
        "what is earned at share 0 counts but decides nothing",
        AllocationProblem(
            {"storage": EarningsCurve.through([(0, 0.5), (0.5, 1.0)]), "relay": 0.8}, {"storage": 0.2, "relay": 0.8}
        ),
        net_benefit=0.06,
        shares={"storage": 0.5, "relay": 0.5},
        earnings_per_hour=1.4,
        prices={"capacity": (0.8, 0.8)},
    ),
    # Pieces sold one at a time: slopes 3 (0.2 wide), 1 (0.2), then none; relay 2 takes the rest.
    # 0.6 + 2 * 0.8 = 2.2; today 0.6 + 0.2 + 2 * 0.6 = 2.0.
    Known(
        "pieces say the same as points",
        AllocationProblem(
            {"storage": EarningsCurve.pieces([(3, 0.2), (1, 0.2)]), "relay": 2.0}, {"storage": 0.4, "relay": 0.6}
        ),
        net_benefit=0.2,
        shares={"storage": 0.2, "relay": 0.8},
        earnings_per_hour=2.2,
        prices={"capacity": (2.0, 2.0)},
    ),
    # Slopes 0.5 then 7: at 0.4 staking earns 0.2 only, relay 2 * 0.6. Staking 0: 2. Staking 0.6: 1.6 + 0.8 = 2.4.
    # Between, the value first falls by 1.5 per unit, then rises by 5: only the ends can be best.
    Known(
        "a curve that is not concave is climbed to its top or left alone",
        AllocationProblem({"staking": STAKING, "relay": 2.0}, {"staking": 0.0, "relay": 1.0}),
        net_benefit=0.4,
        shares={"staking": 0.6, "relay": 0.4},
        earnings_per_hour=2.4,
        prices={"capacity": (2.0, 2.0)},
    ),
    # The same within max change 0.4: staking 0.4 and relay 0.6 earn 0.2 + 1.2 = 1.4, less than the 2.0 of today.
    Known(
        "a curve that is not concave is left alone where its top is out of reach",
        AllocationProblem(
            {"staking": STAKING, "relay": 2.0}, {"staking": 0.0, "relay": 1.0}, limits=Limits(max_change=0.4)
        ),
        net_benefit=0.0,
        shares={"staking": 0.0, "relay": 1.0},
        earnings_per_hour=2.0,
    ),
    # Equal rates: nothing to gain, nothing moves. One more or the last unit is worth 1 anywhere.
    Known(
        "equal rates never cause a move",
        AllocationProblem({"a": 1.0, "b": 1.0, "c": 1.0}, {"a": 0.2, "b": 0.5, "c": 0.3}),
        net_benefit=0.0,
        shares={"a": 0.2, "b": 0.5, "c": 0.3},
        earnings_per_hour=1.0,
        prices={"capacity": (1.0, 1.0)},
    ),
    # 10 * 3.5283 / 4.5283 + 5 * 1.4717 / 8.4717 = 8.6603; halves earn 10 * 2.5 / 3.5 + 5 * 2.5 / 9.5 = 8.4586.
    Known(
        "diminishing returns are split where their slopes meet",
        AllocationProblem({"first": FIRST, "second": SECOND}, {"first": 0.5, "second": 0.5}),
        net_benefit=10 * 5 * BEST / (5 * BEST + 1)
        + 5 * 5 * (1 - BEST) / (5 * (1 - BEST) + 7)
        - (25 / 3.5 + 12.5 / 9.5),
        shares={"first": 3.5283 / 5, "second": 1.4717 / 5},
        shares_to=1e-5,
        earnings_per_hour=10 * 5 * BEST / (5 * BEST + 1) + 5 * 5 * (1 - BEST) / (5 * (1 - BEST) + 7),
    ),
)
