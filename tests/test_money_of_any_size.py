"""Rates of any size that is taken: where a row of the program holds money, it holds it in a unit that solvers take."""

from __future__ import annotations

from typing import Any

import pytest

from reallot import (
    AllocationProblem,
    CDaR,
    Closest,
    CVaR,
    EarningsCurve,
    Goal,
    Group,
    Limits,
    ProtocolSpec,
    RateUncertainty,
    Scenarios,
    ShortfallChance,
    Tiers,
    WorstCase,
    allocate,
)
from tests.rounds import quick

CURRENT = {"a": 0.3, "b": 0.3, "c": 0.4}


def of_size(kind: str, m: float) -> AllocationProblem:
    """A problem of that kind whose money is `m` times as much as at 1."""
    curve = EarningsCurve((0.0, 0.2, 0.4), (0.0, 0.2 * m, 0.3 * m), 0.1 * m)
    scenarios = Scenarios(factors={"a": [0.5, 1.0, 1.5], "b": [1.0, 0.8, 1.2]})
    flat: Any = {"a": m, "b": m / 2.0, "c": m / 64.0}
    bent: Any = [ProtocolSpec("a", curve, warm_up_hours=0.3), ProtocolSpec("b", m / 2.0), ProtocolSpec("c", m / 64.0)]
    rising = [ProtocolSpec("a", m, move_cost=Tiers([(0.1, m / 10), (None, m / 100)])), *bent[1:]]
    falling = [ProtocolSpec("a", m, move_cost=m / 8), ProtocolSpec("b", -m / 64), ProtocolSpec("c", m / 64)]
    paths = Scenarios(rates={"a": [[m / 8, -m / 8], [m / 4, m / 4], [m, -m / 16]]})
    tail: Any = {"scenarios": scenarios, "risk": CVaR(0.5, 0.5)}
    few = Limits(max_change=0.2, max_moves=2)
    protocols, given = {
        "CVaR": (flat, tail | {"limits": Limits(max_change=0.2)}),
        "CVaR and counts": (flat, tail | {"limits": few}),
        "CVaR of curves": (bent, tail),
        "robust": (flat, {"risk": RateUncertainty({"a": m / 2.0, "b": m / 9.0}, 1.0)}),
        "drawdown": (falling, {"periods": 2, "scenarios": paths, "risk": CDaR(0.5, 0.25 * m, 0.1), "limits": few}),
        "worst case": (flat, {"scenarios": scenarios, "risk": WorstCase({"low": [0, 1], "high": [2]}, 0.5)}),
        "shortfall": (flat, {"scenarios": scenarios, "risk": ShortfallChance(0.4 * m, 0.34), "limits": few}),
        "goal": (flat, {"goal": Goal(0.55 * m, "turnover")}),
        "goal of curves": (bent, {"goal": Goal(0.4 * m, "cost")}),
        "goals": (rising, {"goal": (Goal(0.5 * m, "cost"), Closest({"b": 0.5}))}),
        "tiers": (rising, {"limits": few}),
        "counts": (flat, {"limits": Limits(max_change=0.2, groups=[Group("pool", ["a", "b"], 0.7, min_active=1)])}),
    }[kind]
    return AllocationProblem(protocols, CURRENT, horizon_hours=24.0, **given)


KINDS = [
    *("CVaR", "CVaR and counts", "CVaR of curves", "robust", "drawdown", "worst case", "shortfall"),
    *("goal", "goal of curves", "goals", "tiers", "counts"),
]


@pytest.mark.parametrize(
    ("kind", "solver"),
    quick(*((kind, "auto") for kind in KINDS), rest=[(kind, other) for kind in KINDS for other in ("scipy", "pulp")]),
)
def test_a_thousand_million_million_times_the_money_is_as_much_more_worth(kind: str, solver: str) -> None:
    small = allocate(of_size(kind, 1.0)).certificate
    for size in (2.0**28, 2.0**49):  # 49: 5.6e14, times 24 hours
        large = allocate(of_size(kind, size), solver=solver).certificate
        assert large.objective / large.scale == pytest.approx(small.objective / small.scale, rel=1e-6)
        assert large.is_optimal


@pytest.mark.parametrize("kind", ["CVaR", "robust"])
def test_the_price_of_capacity_is_in_usd_whatever_the_unit_of_rows(kind: str) -> None:
    (low, high), size = allocate(of_size(kind, 1.0)).prices["capacity"], 2.0**28
    assert allocate(of_size(kind, size)).prices["capacity"] == pytest.approx((low * size, high * size))


@pytest.mark.parametrize(("kind", "limit", "each"), [("goal", "goal", -1.0), ("drawdown", "max_drawdown", 0.0)])
def test_the_price_of_one_usd_is_seen_however_little_it_is_beside_the_rest(kind: str, limit: str, each: float) -> None:
    # a goal of 1 USD/h more needs as much less turnover as money is larger; of a drawdown USD are worth USD
    price = allocate(of_size(kind, 1.0)).prices[limit]
    assert price.low > 0.0
    for size in (2.0**28, 2.0**49):
        assert allocate(of_size(kind, size)).prices[limit] == pytest.approx(
            [end * size**each for end in price], abs=0.0
        )
