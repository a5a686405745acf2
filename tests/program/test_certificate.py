"""Certificates of programs solved on paper."""

from __future__ import annotations

import numpy as np
import pytest

from reallot import LinearProgram, certify, solve
from reallot.program import Columns, Rows, cells
from reallot.program.certificate import dual_bound, gain_scale
from tests.program.tiny import corner, knapsack, pair

BEST, PRICES = np.array([0.2, 0.6]), np.array([1.0, 1.0])


def test_the_optimum_with_its_prices_has_no_gap():
    certificate = certify(corner(), BEST, PRICES)
    assert certificate.objective == pytest.approx(1.8)
    assert certificate.bound == pytest.approx(1.8)
    assert certificate.gap == pytest.approx(0.0, abs=1e-15)
    assert certificate.bound_from == "row prices"
    assert certificate.is_feasible and certificate.is_optimal


def test_a_worse_point_has_its_distance_as_gap():
    # 3 * 0.5 = 1.5 of at most 1.8; what counts as one is the larger of 1.5 and the largest gain, 3
    certificate = certify(corner(), np.array([0.5, 0.0]), PRICES)
    assert certificate.gap == pytest.approx(0.3 / 3.0)
    assert certificate.is_feasible and not certificate.is_optimal


def test_any_prices_give_a_true_bound():
    # p = 2, q = 0: 2 + (3 - 4) * 0 + (2 - 2) * y = 2; no prices at all: 3 + 2
    assert dual_bound(corner(), np.array([2.0, 0.0])) == pytest.approx(2.0)
    assert dual_bound(corner(), np.zeros(2)) == pytest.approx(5.0)
    rng = np.random.default_rng(7)
    for prices in rng.normal(0.0, 3.0, (200, 2)):
        assert dual_bound(corner(), prices) >= 1.8 - 1e-12


def test_a_price_that_points_at_no_limit_counts_as_zero():
    # the rows have no lower limit, so negative prices say nothing
    assert dual_bound(corner(), np.array([-5.0, -5.0])) == pytest.approx(5.0)


def test_a_lower_limit_has_a_negative_price():
    # x + y >= 1.5 with x worth 1: x = 1; y costs nothing. Prices zero: the bound is 1
    assert dual_bound(pair(1.5, np.inf), np.array([0.0])) == pytest.approx(1.0)
    # worth -1 each, at least 1.5: best is -1.5, shown by the price -1
    program = LinearProgram(
        (Columns("x", ("a", "b"), np.full(2, -1.0), np.zeros(2), np.ones(2)),),
        (Rows("sum", ("",), {"x": cells(0, [0, 1], 1.0)}, np.array([1.5]), np.array([np.inf])),),
    )
    assert dual_bound(program, np.array([-1.0])) == pytest.approx(-1.5)


def test_a_violated_row_is_named_with_its_relative_size():
    # 2 * 0.6 + 0.6 = 1.8 of 1.0; the largest term in that row is 1.2
    certificate = certify(corner(), np.array([0.6, 0.6]), PRICES)
    assert certificate.worst_residual == pytest.approx(0.8 / 1.2)
    assert certificate.worst_place == "limit cpu"
    assert not certificate.is_feasible and not certificate.is_optimal


def test_a_violated_bound_is_named():
    certificate = certify(corner(), np.array([-0.25, 0.5]), PRICES)
    assert certificate.worst_residual == pytest.approx(0.25)
    assert certificate.worst_place == "bound of amount x"


def test_a_row_below_its_lower_limit_is_violated():
    certificate = certify(pair(1.0, 1.0), np.array([0.5, 0.25]))
    assert certificate.worst_residual == pytest.approx(0.25)
    assert certificate.worst_place == "sum"


def test_a_part_of_a_whole_column_is_not_feasible():
    certificate = certify(knapsack(), np.array([1.0, 0.25, 1.0]), claimed_bound=8.0, claimed_by="highs")
    assert certificate.integrality == pytest.approx(0.25)
    assert not certificate.is_feasible


def test_with_whole_columns_the_bound_is_the_claim_of_a_solver_and_says_so():
    certificate = certify(knapsack(), np.array([1.0, 0.0, 1.0]), claimed_bound=8.0, claimed_by="highs")
    assert (certificate.bound, certificate.bound_from) == (8.0, "highs")
    assert certificate.is_optimal


def test_row_prices_prove_nothing_where_columns_are_whole():
    certificate = certify(knapsack(), np.array([1.0, 0.0, 1.0]), np.array([1.0]))
    assert certificate.bound is None and certificate.bound_from == "nothing" and certificate.gap is None
    assert certificate.is_feasible and not certificate.is_optimal
    assert "gap unknown" in str(certificate)


def test_a_bound_below_the_objective_is_no_gap():
    assert certify(knapsack(), np.array([1.0, 0.0, 1.0]), claimed_bound=7.0).gap == 0.0


def test_the_tolerance_decides():
    point = BEST + 1e-7
    assert not certify(corner(), point, PRICES).is_feasible
    assert certify(corner(), point, PRICES, tolerance=1e-6).is_feasible


def test_the_scale_is_the_gain_at_stake():
    assert gain_scale(corner()) == 3.0
    wide = Columns("x", ("a",), np.array([3.0]), np.zeros(1), np.array([100.0]))
    narrow = Columns("y", ("a",), np.array([30.0]), np.zeros(1), np.array([0.01]))
    assert gain_scale(LinearProgram((wide, narrow), ())) == 3.0


def test_a_program_with_nothing_to_gain_has_a_certificate():
    nothing = LinearProgram((Columns("x", ("a",), np.zeros(1), np.zeros(1), np.ones(1)),), ())
    assert certify(nothing, np.zeros(1), np.empty(0)).is_optimal


@pytest.mark.parametrize("solver", ["highs", "scipy", "pulp"])
def test_every_solver_finds_what_was_found_on_paper(solver):
    tolerance = 1e-6 if solver == "pulp" else 1e-9
    solution = solve(corner(), solver)
    assert solution.values == pytest.approx(BEST, abs=tolerance)
    assert solution.row_prices == pytest.approx(PRICES, abs=tolerance)
    assert certify(corner(), solution.values, solution.row_prices, tolerance=tolerance).is_optimal
    solution = solve(knapsack(), solver)
    assert solution.values == pytest.approx(np.array([1.0, 0.0, 1.0]), abs=tolerance)
    assert solution.bound == pytest.approx(8.0, abs=1e-6)


@pytest.mark.parametrize("solver", ["highs", "scipy", "pulp"])
def test_every_solver_says_what_cannot_be_met(solver):
    assert solve(pair(3.0, 3.0), solver).status.value == "infeasible"
