"""The optimal face of a program, and programs with other bounds."""

from __future__ import annotations

import numpy as np
import pytest

from reallot import LinearProgram, solve
from reallot.program import Columns, Rows, cells
from reallot.program.tie_breaking import optimal_face, with_bounds
from tests.program.tiny import blocks, corner, knapsack, pair


def even() -> LinearProgram:
    """Three columns worth 2, 2 and 1 that sum to 1: any mix of the first two is best."""
    x = Columns("x", ("a", "b", "c"), np.array([2.0, 2.0, 1.0]), np.zeros(3), np.ones(3))
    return LinearProgram((x,), (Rows("sum", ("",), {"x": cells(0, [0, 1, 2], 1.0)}, np.ones(1), np.ones(1)),), 3.0)


@pytest.mark.parametrize(("preference", "chosen"), [([1, 0, 9], [1, 0, 0]), ([0, 1, 9], [0, 1, 0])])
def test_among_optima_the_preferred_is_found(preference, chosen):
    program = even()
    solution = solve(program)
    face = optimal_face(program, solution.row_prices, {"x": np.array(preference, float)})
    settled = solve(face).values
    assert settled == pytest.approx(np.array(chosen, float), abs=1e-9)
    assert program.objective(settled) == pytest.approx(5.0)


def test_every_point_of_the_face_is_optimal_whatever_is_preferred():
    program, rng = even(), np.random.default_rng(3)
    solution = solve(program)
    for preference in rng.normal(size=(20, 3)):
        face = optimal_face(program, solution.row_prices, {"x": preference})
        assert program.objective(solve(face).values) == pytest.approx(5.0, abs=1e-9)


def test_a_single_optimum_has_no_face_to_choose_from():
    solution = solve(corner())
    assert optimal_face(corner(), solution.row_prices, {}) is None


def test_a_slack_row_stays_as_it_is_on_the_face():
    # x worth 1 is at its bound; y is worth nothing and free within the row
    program = pair(0.5, 1.75)
    solution = solve(program)
    for sign, other in ((1.0, 0.75), (-1.0, 0.0)):
        face = optimal_face(program, solution.row_prices, {"x": np.array([0.0, sign])})
        assert solve(face).values == pytest.approx(np.array([1.0, other]), abs=1e-9)


def test_with_bounds_replaces_bounds_and_nothing_else():
    program = blocks()
    lower, upper = np.array([0.5, 0.0, -1.0, -1.0]), np.array([0.5, 1.0, 1.0, 1.0])
    other = with_bounds(program, lower, upper, integer=True)
    assert other.lower.tolist() == lower.tolist() and other.upper.tolist() == upper.tolist()
    assert other.gain.tolist() == program.gain.tolist() and other.offset == program.offset
    assert other.rows == program.rows
    assert program.lower.tolist() == [0.0, 0.0, -1.0, -1.0]


def test_with_bounds_drops_whole_numbers_unless_they_are_kept():
    program = knapsack()
    assert with_bounds(program, program.lower, program.upper, integer=True).is_mixed_integer
    relaxed = with_bounds(program, program.lower, program.upper, integer=False)
    assert not relaxed.is_mixed_integer
    # per weight z is worth 3, x 2.5, y 4 / 3: z, x and a third of y
    assert relaxed.objective(solve(relaxed).values) == pytest.approx(3 + 5 + 4 / 3)
