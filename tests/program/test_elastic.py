"""The elastic program: zero violation exactly where the program is feasible, else the least that helps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import LinearProgram, Status, solve
from reallot.program import Columns, Rows, cells
from reallot.program.elastic import Loosening, elastic, side
from tests.program.tiny import corner, knapsack, pair


def least(program, loosenings, most=10.0):
    """Least total loosening, and how much of each; None where even the most is not enough."""
    stretched = elastic(program, loosenings, most)
    solution = solve(stretched)
    if solution.status is not Status.OPTIMAL:
        return None
    return -stretched.objective(solution.values), solution.values[stretched.column_slices["loosened"]]


UPPER = Loosening("sum", row_upper=side([0]))
LOWER = Loosening("sum lower", row_lower=side([0], -1.0))


def test_a_feasible_program_needs_no_loosening():
    total, each = least(pair(0.5, 1.0), [UPPER, LOWER])
    assert total == pytest.approx(0.0) and each == pytest.approx(np.zeros(2))


def test_a_row_that_asks_for_too_much_is_lowered_by_the_difference():
    total, each = least(pair(3.0, 5.0), [UPPER, LOWER])
    assert total == pytest.approx(1.0)
    assert each == pytest.approx(np.array([0.0, 1.0]))


def test_both_sides_of_an_equality_move_together():
    both = Loosening("sum", row_lower=side([0], -1.0), row_upper=side([0], -1.0))
    total, _ = least(pair(3.0, 3.0), [both])
    assert total == pytest.approx(1.0)


def test_a_column_bound_can_be_loosened():
    # x + y = 2.5 with both at most 1: raise both bounds by one unit each, and 0.5 in all is enough
    ceilings = [Loosening(f"ceiling {k}", column_upper=side([k])) for k in range(2)]
    total, each = least(pair(2.5, 2.5), ceilings)
    assert total == pytest.approx(0.5) and each.sum() == pytest.approx(0.5)


def test_a_lower_column_bound_can_be_loosened():
    columns = Columns("x", ("a", "b"), np.zeros(2), np.array([0.6, 0.7]), np.ones(2))
    program = LinearProgram(
        (columns,), (Rows("sum", ("",), {"x": cells(0, [0, 1], 1.0)}, np.array([1.0]), np.array([1.0])),)
    )
    total, _ = least(program, [Loosening("floor a", column_lower=side([0], -1.0))])
    assert total == pytest.approx(0.3)


def test_a_step_above_one_loosens_faster():
    total, _ = least(pair(3.0, 5.0), [Loosening("sum lower", row_lower=side([0], -2.0))])
    assert total == pytest.approx(0.5)


def test_one_loosening_may_move_several_places():
    everything = Loosening("ceilings", column_upper=side([0, 1]))
    total, _ = least(pair(3.0, 3.0), [everything])
    assert total == pytest.approx(0.5)


def test_what_loosening_cannot_mend_stays_infeasible():
    assert least(pair(3.0, 3.0), [Loosening("ceiling", column_upper=side([0]))], most=0.5) is None
    assert least(pair(3.0, 3.0), [UPPER]) is None


def test_gains_play_no_part_and_the_program_stays_as_it_was():
    program = corner()
    stretched = elastic(program, [Loosening("cpu", row_upper=side([0]))], 1.0)
    assert not stretched.gain[:2].any() and stretched.gain[2] == -1.0
    assert program.gain.tolist() == [3.0, 2.0] and program.row_upper.tolist() == [1.0, 0.8]


def test_whole_columns_stay_whole():
    assert elastic(knapsack(), [Loosening("weight", row_upper=side([0]))], 1.0).is_mixed_integer


def test_no_loosening_at_all_is_the_same_question():
    assert least(pair(0.5, 1.0), [])[0] == pytest.approx(0.0)
    assert least(pair(3.0, 3.0), []) is None


@given(st.integers(0, 10_000))
def test_zero_violation_exactly_when_feasible(seed):
    rng = np.random.default_rng(seed)
    columns, rows = 3, int(rng.integers(1, 5))
    matrix = rng.integers(-2, 3, (rows, columns)).astype(float)
    limit = rng.integers(-4, 5, rows).astype(float)
    width = np.where(rng.random(rows) < 0.3, 0.0, np.where(rng.random(rows) < 0.5, np.inf, 2.0))
    where, who = np.nonzero(np.ones((rows, columns)))
    program = LinearProgram(
        (Columns("x", range(columns), rng.normal(size=columns), np.zeros(columns), np.ones(columns)),),
        (Rows("row", range(rows), {"x": cells(where, who, matrix.ravel())}, limit, limit + width),),
    )
    loosenings = [Loosening(f"row {k} up", row_upper=side([k])) for k in range(rows)]
    loosenings += [Loosening(f"row {k} down", row_lower=side([k], -1.0)) for k in range(rows)]
    total, each = least(program, loosenings, most=100.0)
    is_feasible = solve(program).status is Status.OPTIMAL
    assert (total <= 1e-7) == is_feasible
    # loosening by the stated amounts makes it feasible
    low, high = limit - each[rows:] - 1e-7, limit + width + each[:rows] + 1e-7
    loosened = LinearProgram(program.columns, (Rows("row", range(rows), program.rows[0].cells, low, high),))
    assert solve(loosened).status is Status.OPTIMAL
