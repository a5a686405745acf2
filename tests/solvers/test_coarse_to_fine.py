"""Long horizons without compiled code: the plan of few cells is the plan of all, and its prices prove it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import AllocationProblem, Limits, ProtocolSpec, allocate
from reallot.formulation.evaluate_arrays import worst_residual
from reallot.solvers.multi_period import coarse_to_fine, column_generation
from reallot.solvers.multi_period.arrays import bound, horizon_arrays, objective, proves
from reallot.solvers.multi_period.coarse_to_fine import solve_coarse_to_fine
from reallot.solvers.multi_period.restricted_program import HighsRestricted
from tests.backtest.test_hindsight import EQUAL, size_of, small, trace
from tests.strategies import budget


@pytest.mark.slow
@budget(0.5)
@given(small(), st.integers(1, 20))
def test_a_plan_from_coarse_to_fine_is_the_optimum_or_none_is_given(problem: AllocationProblem, most: int) -> None:
    known = horizon_arrays(problem)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coarse_to_fine, "WHOLE", most)
        found = solve_coarse_to_fine(known)
    if found is None:
        return
    best = allocate(problem, solver="highs").value.net
    assert found.prices is not None
    assert abs(objective(known, found.schedule) - best) <= EQUAL * size_of(problem, best)
    assert proves(known, found.schedule, found.prices)
    assert worst_residual(problem, found.schedule)[0] <= EQUAL


@pytest.mark.parametrize("cost", [0.3, 20.0])
@pytest.mark.parametrize(
    "limit", [Limits(max_turnover=0.2), Limits(max_change=0.05), Limits()], ids=["max_turnover", "max_change", "free"]
)
def test_a_trace_needs_few_of_its_cells(cost: float, limit: Limits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coarse_to_fine, "WHOLE", 100)
    known = horizon_arrays(trace(160, 6, cost, limit=limit))
    found = solve_coarse_to_fine(known)
    assert found is not None and found.prices is not None and "HiGHS from coarse to fine" in found.detail
    whole = HighsRestricted(known, np.arange(6)).answer()
    assert whole is not None
    best = objective(known, whole[0])
    assert objective(known, found.schedule) == pytest.approx(best, rel=1e-11)
    assert bound(known, found.prices) == pytest.approx(best, rel=1e-11)


def test_what_the_first_steps_may_not_sell_is_in_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coarse_to_fine, "WHOLE", 10)
    rates = {"a": [1.0] * 16, "b": [3.0] * 16, "c": [2.0] * 16}
    problem = AllocationProblem(
        [ProtocolSpec(name, 0.0) for name in rates],
        {"a": 1.0, "b": 0.0, "c": 0.0},
        periods=16,
        horizon_hours=16.0,
        rates=rates,
        limits=Limits(max_turnover=0.25),
    )
    found = solve_coarse_to_fine(horizon_arrays(problem))
    assert found is not None
    assert found.schedule[:4, 0] == pytest.approx([0.75, 0.5, 0.25, 0.0])
    assert objective(horizon_arrays(problem), found.schedule) == pytest.approx(1.5 + 2.0 + 2.5 + 13 * 3.0)


def test_long_horizons_without_compiled_code_go_from_coarse_to_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coarse_to_fine, "WHOLE", 100)
    monkeypatch.setattr(column_generation, "MANY_CELLS", 100)
    monkeypatch.setattr(column_generation, "MOST_USED", 1.0)
    found = column_generation.solve_arrays(horizon_arrays(trace(100, 4, 1.0)), compiled=False)
    assert "HiGHS from coarse to fine" in found.detail
