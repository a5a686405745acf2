"""Drawdown, the worst case, the chance of a shortfall, the largest shares: by hand, at the edge, in files, in words."""

from __future__ import annotations

import numpy as np
import pytest

from reallot import (
    AllocationProblem,
    CDaR,
    Fleet,
    Infeasible,
    InvalidInput,
    Largest,
    Limits,
    ProtocolSpec,
    Scenarios,
    ShortfallChance,
    WorstCase,
    allocate,
    explain,
    problem_from_dict,
    problem_to_dict,
    session,
)

RISKY = Scenarios({"a": [3.0, -1.0], "b": [1.0, 1.2]})
"""a earns 3 or loses 1, b earns 1 or 1.2 USD/h, with equal odds."""


def two(risk: object = None, **given: object) -> AllocationProblem:
    return AllocationProblem({"a": 2.0, "b": 1.0}, {"a": 0.2, "b": 0.8}, scenarios=RISKY, risk=risk, **given)  # type: ignore[arg-type]


def falling(risk: object, cost: float = 0.0) -> AllocationProblem:
    """a earns 5, loses 2 and earns 5 in three hours, b 1 in each; all stands in b and changes by 0.5 at most."""
    return AllocationProblem(
        [ProtocolSpec("a", (5.0, -2.0, 5.0), move_cost=cost), ProtocolSpec("b", 1.0)],
        {"a": 0.0, "b": 1.0},
        periods=3,
        horizon_hours=3.0,
        limits=Limits(max_change=[1.0, 0.0, 1.0]),
        risk=risk,  # type: ignore[arg-type]
    )


LOSING = falling(CDaR(0.0, max_drawdown=0.0)).update(limits=Limits(max_change=0.0), rates={"b": [1.0, -1.0, 1.0]})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: CDaR(1.0, max_drawdown=0.1), "CDaR level is 1"),
        (lambda: CDaR(0.5), "limits nothing and weighs nothing; give max_drawdown or drawdown_weight"),
        (lambda: CDaR(0.5, max_drawdown=-1.0), "CDaR max_drawdown"),
        (lambda: WorstCase({}), "sets is empty"),
        (lambda: WorstCase({"x": []}), "set x must name at least one"),
        (lambda: WorstCase({"x": [0, 0]}), "set x must name at least one scenario, and each once"),
        (lambda: two(WorstCase({"x": [2]})), "set x names scenario 2; there are 2, counted from 0"),
        (lambda: ShortfallChance(1.0, 1.5), "shortfall: chance is 1.5"),
        (lambda: Largest(0, 0.5), "largest: count"),
        (lambda: Limits(largest=0.5), "largest is 0.5; give Largest"),  # type: ignore[arg-type]
        (lambda: AllocationProblem({"a": 1.0}, {"a": 1.0}, risk=WorstCase({"x": [0]})), "WorstCase needs scenarios"),
        (lambda: AllocationProblem({"a": 1.0}, {"a": 1.0}, risk=ShortfallChance(1, 0)), "ShortfallChance needs scenar"),
        (lambda: problem_from_dict({"protocols": {"a": {"rate": 1, "current": 1}}, "risk": {"sets": {}, "floor": 1}}),
         "the keys of one of them"),
    ],
)  # fmt: skip
def test_a_measure_of_risk_that_cannot_be_meant_is_refused(make, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidInput, match=words):
        make()


@pytest.mark.parametrize(
    "risk",
    [CDaR(0.5, 0.25, 2.0), CDaR(drawdown_weight=1.0), WorstCase({"x": [0], "y": [1, 0]}, 0.5), ShortfallChance(1, 0.5)],
)
def test_a_file_says_the_same_risk(risk: object) -> None:
    one = two(risk, limits=Limits(largest=Largest(1, 0.75)))
    assert problem_from_dict(problem_to_dict(one)) == one


@pytest.mark.parametrize("solver", ["auto", "scipy", "pulp"])
@pytest.mark.parametrize(
    ("problem", "worth", "shares"),
    [
        # 3 a + b = -a + 1.2 b where a = 0.2 / 4.2: the one that falls is the worst on either side.
        (two(WorstCase({"up": [0], "down": [1]})), 1.0 + 2.0 * 0.2 / 4.2, 0.2 / 4.2),
        # Half on the mean, a + 1.1 b = 1.1 - 0.1 a, which falls with a more than the worst gains beyond that point.
        (two(WorstCase({"up": [0], "down": [1]}, 0.5)), 0.5 * (1.1 - 0.02 / 4.2) + 0.5 * (1.0 + 0.4 / 4.2), 0.2 / 4.2),
        # A set of both is the mean: all in b, 1.1.
        (two(WorstCase({"all": [0, 1]})), 1.1, 0.0),
        # b alone earns 1 in the first: below 1.1 with a chance of a half. 3 a + b >= 1.1 asks for a = 0.05.
        (two(ShortfallChance(1.1, 0.5)), 1.1, 0.0),
        (two(ShortfallChance(1.05, 0.0)), 1.1 - 0.1 * 0.025, 0.025),
        # The two largest hold 0.8 of 1: a 0.6, b and c 0.2.
        (
            AllocationProblem(
                {"a": 3.0, "b": 2.0, "c": 1.0},
                {"a": 0.2, "b": 0.3, "c": 0.5},
                limits=Limits(largest=Largest(2, at_most=0.8)),
            ),
            2.4,
            0.6,
        ),
    ],
)
def test_hand_solved_cases_of_one_period(problem: AllocationProblem, worth: float, shares: float, solver: str) -> None:
    plan = allocate(problem, solver=solver)
    assert plan.certificate.objective == pytest.approx(worth, abs=1e-6)
    assert plan.shares["a"] == pytest.approx(shares, abs=1e-6)


# With x in a for the first two hours, the sum falls by 2 x - (1 - x) in the second: one drawdown, 3 x - 1.
# Moving x gains 4 x - 3 x, and then 4. Of three drawdowns the worst third is the one; their mean is a third of it.
@pytest.mark.parametrize(
    ("risk", "cost", "worth", "first"),
    [
        (CDaR(0.0, drawdown_weight=0.0001), 0.0, 8.0 - 2e-4 / 3.0, 1.0),
        (CDaR(2.0 / 3.0, max_drawdown=0.5), 0.0, 7.5, 0.5),
        (CDaR(0.0, max_drawdown=0.5 / 3.0), 0.0, 7.5, 0.5),
        (CDaR(2.0 / 3.0, drawdown_weight=0.5), 0.0, 7.0 + 1.0 / 3.0, 1.0 / 3.0),
        (CDaR(0.0, drawdown_weight=0.5), 0.0, 8.0 - 0.5 * 2.0 / 3.0, 1.0),
        # A cost of 0.5 a unit: each period's costs count, and none makes a drawdown but in the second hour.
        (CDaR(2.0 / 3.0, max_drawdown=0.5), 0.5, 7.5 - 0.5, 0.5),
    ],
)
@pytest.mark.parametrize("solver", ["auto", "scipy", "pulp"])
def test_hand_solved_cases_of_drawdown(risk: CDaR, cost: float, worth: float, first: float, solver: str) -> None:
    plan = allocate(falling(risk, cost), solver=solver)
    assert plan.certificate.objective == pytest.approx(worth, abs=1e-6)
    assert plan.schedule[:, 0] == pytest.approx(np.array([first, first, 1.0]), abs=1e-6)


def test_a_weight_of_nothing_changes_nothing() -> None:
    plain = allocate(two(), solver="highs")
    for risk in (WorstCase({"x": [0]}, 0.0), ShortfallChance(-5.0, 0.0), ShortfallChance(9.0, 1.0)):
        plan = allocate(two(risk), solver="highs")
        assert plan.schedule.tobytes() == plain.schedule.tobytes()
    loose = allocate(two(limits=Limits(largest=Largest(2, 5.0))), solver="highs")
    assert loose.schedule.tobytes() == plain.schedule.tobytes()


def test_prices_are_what_a_little_more_earns() -> None:
    by = 1e-3
    for name, before, after in (
        ("max_drawdown", falling(CDaR(2 / 3, max_drawdown=0.5)), falling(CDaR(2 / 3, max_drawdown=0.5 + by))),
        ("earnings_floor", two(ShortfallChance(1.05, 0.0)), two(ShortfallChance(1.05 - by, 0.0))),
        ("largest", *(two(limits=Limits(largest=Largest(1, most))) for most in (0.6, 0.6 + by))),
    ):
        one, other = allocate(before), allocate(after)
        slope = (other.certificate.objective - one.certificate.objective) / by / before.horizon_hours
        assert one.prices[name].low == pytest.approx(slope, abs=1e-6), name


@pytest.mark.parametrize(
    ("problem", "rule", "text"),
    [
        (two(ShortfallChance(2.0, 0.25), limits=Limits(max_change=0.1)), "earnings_floor", "lower the floor of earni"),
        (two(limits=Limits(max_change=0.1, largest=Largest(1, 0.6))), "largest", "raise at_most of the largest"),
        (LOSING, "max_drawdown", "raise max_drawdown by 0.333"),
    ],
)
def test_a_conflict_names_the_limit_and_a_way_out_that_works(problem: AllocationProblem, rule: str, text: str) -> None:
    with pytest.raises(Infeasible) as caught:
        allocate(problem)
    conflict = caught.value.conflict
    assert conflict is not None and rule in conflict.rules, conflict
    assert any(way.text.startswith(text) for way in conflict.relaxations), conflict.message


def test_what_a_measure_of_risk_comes_to_is_said() -> None:
    for problem, words in (
        (two(WorstCase({"up": [0], "down": [1]})), "worst case"),
        (two(ShortfallChance(1.1, 0.5)), "earnings fall below 1.1 USD/h with a chance of 50 %, of at most 50 %"),
        (
            falling(CDaR(2 / 3, max_drawdown=0.5)),
            "the mean of the worst 33.33 % of drawdowns is 0.5 of at most 0.5 USD",
        ),
    ):
        assert words in str(allocate(problem)), str(allocate(problem))
    plan = allocate(two(limits=Limits(largest=Largest(1, 0.6))))
    why = explain(plan, budget_seconds=None)
    assert {limit.name: limit.usd_per_hour for limit in why.limits}["largest"] > 0.0
    assert "the largest 1 hold 0.80, at most 0.60 together" in str(plan)
    costs = explain(allocate(falling(CDaR(2 / 3, max_drawdown=0.5))), budget_seconds=None).limits
    assert {limit.name: limit.usd_per_hour for limit in costs}["max_drawdown"] == pytest.approx(0.5 / 3)


def test_a_session_follows_scenarios_and_risk() -> None:
    live = session(two(WorstCase({"up": [0], "down": [1]})))
    assert live.solve().shares["a"] == pytest.approx(0.2 / 4.2)
    assert live.change(risk=ShortfallChance(1.05, 0.0)).solve().shares["a"] == pytest.approx(0.025)
    assert live.change(scenarios=Scenarios({"a": [3.0, 1.25]})).solve().shares["a"] == pytest.approx(1.0)


def test_paths_and_fleets_that_take_one_capacity_decline() -> None:
    for problem, words in (
        (two(WorstCase({"x": [0]})), "WorstCase couples protocols"),
        (two(limits=Limits(largest=Largest(1, 0.6))), "a bound on the largest shares couples"),
    ):
        with pytest.raises(InvalidInput, match=words):
            allocate(problem, solver="exact")
    with pytest.raises(InvalidInput, match="risk measured by ShortfallChance"):
        Fleet({"h": two(ShortfallChance(1.0, 0.5))})
