"""Tiny instances of every kind against brute force written from the problem's own words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import AllocationProblem, Infeasible, allocate
from tests import brute
from tests.strategies import CHOICES, COUPLED, LINEAR, budget, problems

GRID = 8
ON_GRID = {*LINEAR, "several periods", *CHOICES}
"""Kinds whose constraints form a network once choices are made: with data on the grid an optimum lies on it too."""


def sizes(kind: str) -> tuple[int, int]:
    return (1, 2) if "periods" in kind else (1, 3)


def tiny(kind: str, data: st.DataObject) -> AllocationProblem:
    return data.draw(problems(kind, grid=GRID, sizes=sizes(kind), periods=(2, 2)))


@pytest.mark.parametrize("kind", LINEAR | COUPLED | CHOICES)
@pytest.mark.slow
@budget(0.25)
@given(data=st.data())
def test_brute_force_finds_nothing_better_and_no_broken_rule(kind: str, data: st.DataObject) -> None:
    problem = tiny(kind, data)
    best = brute.best(problem, GRID)
    try:
        plan = allocate(problem)
    except Infeasible:
        assert best is None
        return
    near = 1e-9 * max(plan.certificate.scale, 1.0)
    schedule = [tuple(row) for row in plan.schedule]
    assert not brute.broken_rules(problem, schedule)
    assert brute.worth(problem, schedule) == pytest.approx(plan.certificate.objective, abs=near)
    if best is None:
        assert kind not in ON_GRID
        return
    assert plan.certificate.objective >= best - near
    if kind in ON_GRID:
        assert plan.certificate.objective == pytest.approx(best, abs=near)
