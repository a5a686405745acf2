"""The interior point of a long horizon: worth the optimum, within the rules, with prices that prove it."""

from __future__ import annotations

from dataclasses import replace
from time import process_time

import numpy as np
import pytest
from hypothesis import given

from reallot import AllocationProblem, Infeasible, allocate, hindsight
from reallot.formulation.evaluate_arrays import worst_residual
from reallot.solvers.multi_period import coarse_to_fine, column_generation, interior_point
from reallot.solvers.multi_period.arrays import bound, horizon_arrays, objective
from reallot.solvers.multi_period.column_generation import solve_arrays
from reallot.solvers.multi_period.interior_point import solve_interior
from reallot.solvers.multi_period.restricted_program import HighsRestricted
from reallot.solvers.numba import dispatch
from tests.backtest.test_hindsight import EQUAL, size_of, small, trace
from tests.machine import slower
from tests.strategies import budget, problems


@budget(0.5)
@given(small())
@pytest.mark.slow
def test_an_interior_point_is_worth_the_optimum_or_none_is_given(problem: AllocationProblem) -> None:
    known = horizon_arrays(problem)
    found = solve_interior(known)
    if found is None:
        return
    best = allocate(problem, solver="highs").value.net
    assert found.prices is not None
    assert abs(objective(known, found.schedule) - best) <= 10.0 * EQUAL * size_of(problem, best)
    assert bound(known, found.prices) >= best - EQUAL * size_of(problem, best)
    assert worst_residual(problem, found.schedule)[0] <= EQUAL


@pytest.mark.slow
@budget(0.3)
@given(problem=problems("several periods", sizes=(2, 4)))
def test_it_is_never_called_an_optimum_where_it_is_none(problem: AllocationProblem) -> None:
    if column_generation.why_ineligible(problem) is not None:
        return
    found = solve_interior(horizon_arrays(problem))
    if found is None:
        return
    try:
        best = allocate(problem, solver="highs").value.net
    except Infeasible:
        pytest.fail("a schedule was found where there is none")
    assert abs(objective(horizon_arrays(problem), found.schedule) - best) <= 10.0 * EQUAL * size_of(problem, best)


@pytest.mark.parametrize("idle", [True, False])
@pytest.mark.parametrize("turnover", [None, 0.2])
def test_a_trace_with_and_without_its_rules(idle: bool, turnover: float | None) -> None:
    asked = trace(60, 4, 0.5)
    asked = replace(asked, allow_idle=idle, limits=replace(asked.limits, max_turnover=turnover))
    known = horizon_arrays(asked)
    found = solve_interior(known)
    whole = HighsRestricted(known, np.arange(4)).answer()
    assert found is not None and found.prices is not None and whole is not None
    assert objective(known, found.schedule) == pytest.approx(objective(known, whole[0]), rel=1e-10)
    assert bound(known, found.prices) == pytest.approx(objective(known, whole[0]), rel=1e-10)


def test_it_takes_over_where_most_cells_could_hold_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WHOLE", "MANY_CELLS"):
        where = coarse_to_fine if name == "WHOLE" else column_generation
        monkeypatch.setattr(where, name, 20)
    monkeypatch.setattr(column_generation, "MOST_USED", 0.0)
    found = solve_arrays(horizon_arrays(trace(40, 4, 1.0)), compiled=False)
    assert "interior point" in found.detail  # type: ignore[union-attr]


def test_wide_horizons_and_floors_above_ceilings_are_left_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    known = horizon_arrays(trace(10, 4, 1.0))
    assert solve_interior(replace(known, lower=known.upper + 1.0)) is None
    monkeypatch.setattr(interior_point, "WIDEST", 3)
    assert solve_interior(known) is None


def test_what_cannot_be_met_has_no_interior_point() -> None:
    known = horizon_arrays(trace(10, 4, 1.0))
    assert solve_interior(replace(known, available=9.0)) is None


@pytest.mark.slow
def test_noise_is_planned_exactly_without_compiled_kernels() -> None:
    random = np.random.default_rng(5)
    noise = trace(4_000, 10, 24.0)
    rates = 1.0 + 0.3 * random.normal(size=(4_000, 10))
    noise = replace(noise, rates=dict(zip(noise.names, rates.T.tolist(), strict=True)))
    began = process_time()
    with dispatch.switched_off():
        found = hindsight(noise)
    assert process_time() - began < 15.0 * slower()
    assert found.windows == 1 and 0.0 <= found.gap < 1e-9
