"""Expected earnings over scenarios, CVaR, a budget of uncertainty, worst cases, shortfalls, the largest shares."""

from reallot import (
    AllocationProblem,
    CVaR,
    EarningsCurve,
    Largest,
    Limits,
    RateUncertainty,
    Scenarios,
    ShortfallChance,
    WorstCase,
)
from tests.known_cases import Known

HALVES = {"a": 0.5, "b": 0.5}


def tail(level: float, weight: float) -> AllocationProblem:
    """Two equal scenarios: a 4 or 0, b 0 or 2. With a = x the earnings are 4 x or 2 - 2 x, on average 1 + x."""
    scenarios = Scenarios(rates={"a": [4.0, 0.0], "b": [0.0, 2.0]})
    return AllocationProblem({"a": 0.0, "b": 0.0}, HALVES, scenarios=scenarios, risk=CVaR(level, weight))


def partial_tail(level: float) -> AllocationProblem:
    """a earns 0 (with 0.3) or 3 (0.7), b 1 for certain. With a = x: 1 - x or 1 + 2 x."""
    scenarios = Scenarios(rates={"a": [0.0, 3.0]}, probabilities=[0.3, 0.7])
    return AllocationProblem({"a": 0.0, "b": 1.0}, HALVES, scenarios=scenarios, risk=CVaR(level))


def robust(budget: float, radius: float = 1.0) -> AllocationProblem:
    """a earns 3, or 2 less; b earns 2, or 0.5 less (all times `radius`). With a = x they lose 2 x and 0.5 (1 - x)."""
    uncertainty = RateUncertainty({"a": 2.0 * radius, "b": 0.5 * radius}, budget)
    return AllocationProblem({"a": 3.0, "b": 2.0}, HALVES, risk=uncertainty)


CASES = (
    # 0.25 * 4 + 0.75 * 0 = 1 is less than 1.5: 1.5 against 0.5 + 0.75.
    Known(
        "scenarios count by their probability",
        AllocationProblem(
            {"a": 9.0, "b": 1.5}, HALVES, scenarios=Scenarios(rates={"a": [4.0, 0.0]}, probabilities=[0.25, 0.75])
        ),
        net_benefit=0.25,
        shares={"a": 0.0, "b": 1.0},
        earnings_per_hour=1.5,
        prices={"capacity": (1.5, 1.5)},
    ),
    # Factors 0.5 and 1.5 with 0.8 and 0.2: 0.7 times the curve, slopes 4 and 1 become 2.8 and 0.7; relay 2.
    # 0.7 * 1.0 + 2 * 0.75 = 2.2 against 0.7 * 1.25 + 1.0 = 1.875.
    Known(
        "factors scale a curve",
        AllocationProblem(
            {"a": EarningsCurve.pieces([(4, 0.25), (1, 0.75)]), "b": 2.0},
            HALVES,
            scenarios=Scenarios(factors={"a": [0.5, 1.5]}, probabilities=[0.8, 0.2]),
        ),
        net_benefit=0.325,
        shares={"a": 0.25, "b": 0.75},
        earnings_per_hour=2.2,
        prices={"capacity": (2.0, 2.0)},
    ),
    # Rates per period inside scenarios: a earns 2 then 0, or 4 then 0: 3 then 0 on average; b 1.
    # 3 + 1 = 4 against 2.0 + 0.5.
    Known(
        "a scenario is a path over the periods",
        AllocationProblem(
            {"a": 0.0, "b": 1.0},
            HALVES,
            horizon_hours=2,
            periods=2,
            scenarios=Scenarios(rates={"a": [[2.0, 0.0], [4.0, 0.0]]}),
        ),
        net_benefit=1.5,
        shares={"a": 1.0, "b": 0.0},
        later=({"a": 0.0, "b": 1.0},),
        earnings_per_hour=2.0,
    ),
    # The worst half is the worse scenario: max min(4 x, 2 - 2 x) at x = 1/3, 4/3. Expected 1 + 1/3 against 1.5 today,
    # so the net benefit is below zero while the tail goes from 1 to 4/3.
    Known(
        "CVaR at a half is the worse of two scenarios",
        tail(0.5, 1.0),
        net_benefit=-1 / 6,
        worth=4 / 3,
        shares={"a": 1 / 3, "b": 2 / 3},
        earnings_per_hour=4 / 3,
        # 4 a = 2 b = t with a + b = c: t = 4 c / 3
        prices={"capacity": (4 / 3, 4 / 3)},
    ),
    # 0.5 (1 + x) + 0.5 min(4 x, 2 - 2 x): rises by 2.5 up to 1/3, then falls by 0.5. 0.5 * 4/3 + 0.5 * 4/3.
    Known(
        "a weight mixes the tail with what is expected",
        tail(0.5, 0.5),
        net_benefit=-1 / 6,
        worth=4 / 3,
        shares={"a": 1 / 3, "b": 2 / 3},
        earnings_per_hour=4 / 3,
    ),
    # 0.9 (1 + x) + 0.1 min(4 x, 2 - 2 x) rises throughout (0.9 - 0.2 after 1/3): x = 1, 0.9 * 2 + 0.
    Known(
        "a small weight on the tail changes nothing here",
        tail(0.5, 0.1),
        net_benefit=0.5,
        worth=1.8,
        shares={"a": 1.0, "b": 0.0},
        earnings_per_hour=2.0,
    ),
    # Weight 0 is the plain problem: 2.
    Known(
        "no weight on the tail is the plain problem",
        tail(0.5, 0.0),
        net_benefit=0.5,
        shares={"a": 1.0, "b": 0.0},
        earnings_per_hour=2.0,
        prices={"capacity": (2.0, 2.0)},
    ),
    # One scenario: its tail is itself.
    Known(
        "one scenario is the plain problem",
        AllocationProblem({"a": 0.0, "b": 1.0}, HALVES, scenarios=Scenarios(rates={"a": [2.0]}), risk=CVaR(0.95, 1.0)),
        net_benefit=0.5,
        worth=2.0,
        shares={"a": 1.0, "b": 0.0},
        earnings_per_hour=2.0,
        prices={"capacity": (2.0, 2.0)},
    ),
    # The worst half holds all of 0.3 and 0.2 of 0.7: 0.6 (1 - x) + 0.4 (1 + 2 x) = 1 + 0.2 x, so x = 1.
    # Expected 2.1 against 0.5 * 2.1 + 0.5.
    Known(
        "the tail takes a part of a scenario",
        partial_tail(0.5),
        net_benefit=0.55,
        worth=1.2,
        shares={"a": 1.0, "b": 0.0},
        earnings_per_hour=2.1,
        prices={"capacity": (1.2, 1.2)},
    ),
    # The worst 0.4 holds 0.3 and 0.1: 0.75 (1 - x) + 0.25 (1 + 2 x) = 1 - 0.25 x, so x = 0. Expected 1 against 1.55.
    Known(
        "a smaller tail is more careful",
        partial_tail(0.6),
        net_benefit=-0.55,
        worth=1.0,
        shares={"a": 0.0, "b": 1.0},
        earnings_per_hour=1.0,
        prices={"capacity": (1.0, 1.0)},
    ),
    # Either a or b falls short: 2 + x - max(2 x, 0.5 - 0.5 x) is best where both lose the same, x = 0.2: 2.2 - 0.4.
    # Expected 2.2 against 2.5.
    Known(
        "a budget of one spreads what can be lost",
        robust(1.0),
        net_benefit=-0.3,
        worth=1.8,
        shares={"a": 0.2, "b": 0.8},
        earnings_per_hour=2.2,
        prices={"capacity": (1.8, 1.8)},
    ),
    # One and a half fall short: before 0.2 the slope is 1 + 0.5 - 1, after it 1 - 2 + 0.25. 2.2 - 0.4 - 0.5 * 0.4.
    Known(
        "a fractional budget lets one more fall by that fraction",
        robust(1.5),
        net_benefit=-0.3,
        worth=1.6,
        shares={"a": 0.2, "b": 0.8},
        earnings_per_hour=2.2,
        prices={"capacity": (1.6, 1.6)},
    ),
    # Both fall short: a 1, b 1.5.
    Known(
        "a budget for all is the worst case",
        robust(2.0),
        net_benefit=-0.5,
        worth=1.5,
        shares={"a": 0.0, "b": 1.0},
        earnings_per_hour=2.0,
        prices={"capacity": (1.5, 1.5)},
    ),
    Known(
        "a budget of nothing is the plain problem",
        robust(0.0),
        net_benefit=0.5,
        worth=3.0,
        shares={"a": 1.0, "b": 0.0},
        earnings_per_hour=3.0,
    ),
    Known(
        "radius zero is the plain problem",
        robust(1.0, radius=0.0),
        net_benefit=0.5,
        worth=3.0,
        shares={"a": 1.0, "b": 0.0},
        earnings_per_hour=3.0,
        prices={"capacity": (3.0, 3.0)},
    ),
    # The two sets earn 4 x and 2 - 2 x, the same at a third: 4 / 3. The mean is 1 + 1 / 3 there, and was 1.5.
    Known(
        "the worse of two sets of scenarios counts",
        AllocationProblem(
            {"a": 0.0, "b": 0.0},
            HALVES,
            scenarios=Scenarios(rates={"a": [4.0, 0.0], "b": [0.0, 2.0]}),
            risk=WorstCase({"up": [0], "down": [1]}),
        ),
        net_benefit=-1.0 / 6.0,
        worth=4.0 / 3.0,
        shares={"a": 1.0 / 3.0, "b": 2.0 / 3.0},
        shares_to=1e-9,
        earnings_per_hour=4.0 / 3.0,
    ),
    # With all in a the second scenario earns nothing: 2 - 2 x >= 0.5 leaves 0.75, and one less of the floor 0.5 more.
    Known(
        "no scenario may earn less than a floor",
        AllocationProblem(
            {"a": 0.0, "b": 0.0},
            HALVES,
            scenarios=Scenarios(rates={"a": [4.0, 0.0], "b": [0.0, 2.0]}),
            risk=ShortfallChance(0.5, chance=0.0),
        ),
        net_benefit=0.25,
        shares={"a": 0.75, "b": 0.25},
        earnings_per_hour=1.75,
        prices={"earnings_floor": (0.5, 0.5)},
    ),
    # b holds what a may not: 0.6 and 0.4.
    Known(
        "the largest share holds no more than so much",
        AllocationProblem({"a": 3.0, "b": 1.0}, HALVES, limits=Limits(largest=Largest(1, at_most=0.6))),
        net_benefit=0.2,
        shares={"a": 0.6, "b": 0.4},
        earnings_per_hour=2.2,
        prices={"largest": (2.0, 2.0)},
    ),
)
