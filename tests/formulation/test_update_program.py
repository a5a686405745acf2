"""A program made from an earlier one is the program that formulating gives, whatever changed between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from reallot import (
    AllocationProblem,
    End,
    Goal,
    Group,
    Largest,
    Limits,
    LinearProgram,
    LinearRule,
    Near,
    ProtocolSpec,
    Soft,
    Tiers,
    allocate,
    formulate,
    session,
)
from reallot.formulation.update_program import formulate_again

NAMES = ("a", "b", "c")
SHARES = dict(zip(NAMES, (0.5, 0.3, 0.2), strict=True))
Change = Callable[[AllocationProblem], AllocationProblem]


def limits(**given: object) -> Change:
    return lambda problem: replace(problem, limits=replace(problem.limits, **given))  # type: ignore[arg-type]


def others(**given: object) -> Change:
    return lambda problem: replace(problem, **given)  # type: ignore[arg-type]


TIERS = Tiers([(0.1, 0.1), (None, 0.5)])
CHANGES: dict[str, Change] = {
    "nothing": lambda problem: problem,
    "max_moves": limits(max_moves=2),
    "min_move": limits(min_move=0.05),
    "min_move beyond reach": limits(min_move=0.4),
    "held": limits(held={"a"}),
    "all held": limits(held=set(NAMES)),
    "group": limits(groups=[Group("g", ["a", "b"], 0.7)]),
    "group floor": limits(groups=[Group("g", ["a", "b"], 0.7, min_share=0.2)]),
    "active members": limits(groups=[Group("g", ["a", "b"], 0.7, max_active=1)]),
    "rule": limits(rules=[LinearRule({"a": 1.0, "b": -2.0}, at_most=0.0)]),
    "near": limits(near=Near({"a": 0.3, "b": 0.3, "c": 0.4}, within=0.1)),
    "soft": limits(max_turnover=Soft(0.2, price=3.0)),
    "turnover_cost": limits(turnover_cost=TIERS),
    "change_cost": limits(change_cost=TIERS),
    "plan_fee": limits(plan_fee=0.1),
    "max_increase": limits(max_increase=0.1),
    "max_decrease": limits(max_decrease=0.1),
    "max_change_relative": limits(max_change_relative=0.2),
    "only_increase": limits(only_increase={"a"}),
    "only_decrease": limits(only_decrease={"b"}),
    "hold_after_change": limits(hold_after_change=1),
    "largest": limits(largest=Largest(1, at_most=0.6)),
    "max_total_moves": limits(max_total_moves=2),
    "max_total_cost": limits(max_total_cost=0.005),
    "end": others(end=End(at_least={"a": 0.1})),
    "value at the end": others(end=End(values={"a": 2.0})),
    "reserve": others(reserve=0.05),
    "capacity": others(capacity=1.2),
    "no idle": others(allow_idle=False),
    "hours": others(horizon_hours=5.0),
    "goal": others(goal=Goal(at_least=1.0, minimise="turnover")),
    "min_gain": limits(min_gain=0.1),
    "shares": others(current={"a": 0.2, "b": 0.3, "c": 0.5}),
}


def changed(name: str, periods: int) -> AllocationProblem:
    specs = [ProtocolSpec(each, rate, move_cost=0.01) for each, rate in zip(NAMES, (1.0, 2.0, 3.0), strict=True)]
    whole = AllocationProblem(
        specs,
        SHARES,
        periods=periods,
        horizon_hours=2.0,
        allow_idle=True,
        limits=Limits(max_change=0.3, max_turnover=0.4),
    )
    return CHANGES[name](whole)


def assert_equal(one: LinearProgram, other: LinearProgram, what: str) -> None:
    assert [block.name for block in one.rows] == [block.name for block in other.rows], what
    assert one.column_slices == other.column_slices, what
    for key in ("gain", "lower", "upper", "row_lower", "row_upper", "integer"):
        assert np.array_equal(getattr(one, key), getattr(other, key)), (what, key)
    assert abs(one.matrix - other.matrix).nnz == 0, what


@pytest.mark.slow
@pytest.mark.parametrize("periods", [1, 2])
def test_a_program_made_from_another_is_the_one_that_formulating_gives(periods: int) -> None:
    found = {name: changed(name, periods) for name in CHANGES}
    made = {name: formulate(problem) for name, problem in found.items()}
    kept = 0
    for before, after in product(CHANGES, CHANGES):
        again = formulate_again(found[after], found[before], made[before])
        if again is not None:
            kept += 1
            assert_equal(again, made[after], f"{before} -> {after}")
    assert kept > len(CHANGES) * 5


@pytest.mark.parametrize("name", ["near", "largest", "min_move beyond reach"])
def test_a_session_keeps_to_a_limit_that_comes_later(name: str) -> None:
    live, problem = session(changed("all held", 1)), changed(name, 1)
    live.solve()
    plan = live.change(limits=problem.limits).solve()
    assert plan.net_benefit == pytest.approx(allocate(problem, solver="highs").net_benefit, abs=1e-9)
