"""Blocks assembled once into arrays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reallot import InvalidInput, LinearProgram
from reallot.program import Columns, Rows, cells, diagonal
from tests.program.tiny import blocks, corner, knapsack


def one(name="x", size=1):
    return Columns(name, tuple(range(size)), np.ones(size), np.zeros(size), np.ones(size))


def test_blocks_stand_one_after_the_other():
    program = blocks()
    assert program.column_slices == {"share": slice(0, 2), "rise": slice(2, 4)}
    assert program.row_slices == {"moved": slice(0, 2), "total": slice(2, 3)}
    assert program.matrix.toarray().tolist() == [[1, 0, -1, 0], [0, 1, 0, -1], [1, 1, 0, 0]]
    assert program.gain.tolist() == [2, 1, -0.5, -0.5]
    assert program.lower.tolist() == [0, 0, -1, -1]
    assert program.row_lower.tolist() == program.row_upper.tolist() == [0.25, 0.25, 1]
    assert (program.column_count, program.row_count) == (4, 3)


def test_entries_of_one_place_add_up():
    rows = Rows("sum", ("",), {"x": cells([0, 0, 0], [0, 0, 1], [1.0, 2.0, 5.0])}, np.zeros(1), np.ones(1))
    program = LinearProgram((one(size=2),), (rows,))
    assert program.matrix.toarray().tolist() == [[3.0, 5.0]]
    assert program.activity(np.array([1.0, 1.0])).tolist() == [8.0]
    assert program.reduced_gain(np.array([1.0])).tolist() == [-2.0, -4.0]


def test_objective_activity_and_reduced_gain_by_hand():
    program, point = blocks(), np.array([0.75, 0.25, 0.5, 0.0])
    assert program.objective(point) == pytest.approx(10 + 1.5 + 0.25 - 0.25)
    assert program.activity(point) == pytest.approx(np.array([0.25, 0.25, 1.0]))
    # share: gain - moved - total; rise: gain + moved
    assert program.reduced_gain(np.array([0.5, 0.5, 1.0])) == pytest.approx(np.array([0.5, -0.5, 0.0, 0.0]))


def test_the_matrix_and_the_entries_say_the_same():
    program, point = corner(), np.array([0.3, 0.7])
    assert program.matrix @ point == pytest.approx(program.activity(point))
    prices = np.array([0.4, 0.6])
    assert program.gain - program.matrix.T @ prices == pytest.approx(program.reduced_gain(prices))


def test_labels_name_block_and_entry():
    program = blocks()
    assert [program.column_label(k) for k in range(4)] == ["share a", "share b", "rise a", "rise b"]
    assert [program.row_label(k) for k in range(3)] == ["moved a", "moved b", "total"]
    with pytest.raises(IndexError):
        program.row_label(3)


def test_labels_of_several_parts_are_joined():
    columns = Columns("fill", (("storage", "piece 0"),), np.ones(1), np.zeros(1), np.ones(1))
    assert LinearProgram((columns,), ()).column_label(0) == "fill storage piece 0"


def test_a_program_without_rows_has_an_empty_matrix():
    program = LinearProgram((one(size=2),), ())
    assert program.matrix.shape == (0, 2)
    assert program.activity(np.ones(2)).size == 0
    assert program.reduced_gain(np.empty(0)).tolist() == [1.0, 1.0]


def test_only_a_program_with_whole_columns_is_mixed_integer():
    assert knapsack().is_mixed_integer
    assert not corner().is_mixed_integer
    empty = Columns("none", (), np.empty(0), np.empty(0), np.empty(0), integer=True)
    assert not LinearProgram((one(), empty), ()).is_mixed_integer


def test_an_unknown_column_block_raises_with_the_list():
    rows = Rows("fee", ("",), {"moved": cells(0, 0, 1.0)}, np.zeros(1), np.ones(1))
    with pytest.raises(InvalidInput, match=r"row block 'fee' refers to columns 'moved'; this program has share, rise"):
        LinearProgram((one("share"), one("rise")), (rows,))


def test_a_column_beyond_its_block_raises():
    rows = Rows("fee", ("",), {"x": cells(0, 2, 1.0)}, np.zeros(1), np.ones(1))
    with pytest.raises(InvalidInput, match="'fee' names a column beyond the 2 of 'x'"):
        LinearProgram((one(size=2),), (rows,))


def test_a_row_beyond_its_block_raises():
    with pytest.raises(InvalidInput, match="'fee' has 1 rows; its cells in 'x' name more"):
        Rows("fee", ("",), {"x": cells(1, 0, 1.0)}, np.zeros(1), np.ones(1))


@pytest.mark.parametrize("what", ["column", "row"])
def test_two_blocks_of_one_name_raise(what):
    rows = Rows("same", ("",), {}, np.zeros(1), np.ones(1))
    columns, row_blocks = ((one("same"), one("same")), ()) if what == "column" else ((one(),), (rows, rows))
    with pytest.raises(InvalidInput, match=f"two {what} blocks share a name: same, same"):
        LinearProgram(columns, row_blocks)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("what", ["gain", "lower", "upper"])
def test_columns_are_finite(what, bad):
    numbers = {"gain": np.ones(1), "lower": np.zeros(1), "upper": np.ones(1)} | {what: np.array([bad])}
    with pytest.raises(InvalidInput, match=f"column block 'x': {what} has entries that are not finite"):
        Columns("x", ("",), **numbers)


def test_row_limits_may_be_infinite_but_not_missing():
    Rows("free", ("",), {}, np.array([-np.inf]), np.array([np.inf]))
    with pytest.raises(InvalidInput, match="row block 'free': upper has NaN"):
        Rows("free", ("",), {}, np.zeros(1), np.array([np.nan]))


def test_one_number_stands_for_all_entries_of_a_block():
    assert Columns("x", ("a", "b"), 1.0, 0.0, 2.0).upper.tolist() == [2.0, 2.0]
    assert diagonal(3.0, 2).value.tolist() == [3.0, 3.0]
    assert diagonal([3.0, 4.0], 2).value.tolist() == [3.0, 4.0]


def test_other_numbers_give_the_program_that_blocks_with_these_numbers_would():
    program = blocks()
    matrix = program.matrix
    gain, upper = np.array([5.0, 4.0, -1.0, -2.0]), np.array([0.5, 0.6, 0.7])
    changed = program.with_numbers(gain=gain, row_upper=upper, offset=2.0)
    columns = tuple(replace(block, gain=gain[program.column_slices[block.name]]) for block in program.columns)
    rows = tuple(replace(block, upper=upper[program.row_slices[block.name]]) for block in program.rows)
    fresh = LinearProgram(columns, rows, 2.0)
    for name in ("gain", "lower", "upper", "row_lower", "row_upper", "integer"):
        assert getattr(changed, name).tolist() == getattr(fresh, name).tolist()
    assert changed.objective(np.ones(4)) == fresh.objective(np.ones(4)) == 8.0
    assert changed.matrix is matrix and changed.show() == fresh.show()
    assert program.gain.tolist() == blocks().gain.tolist() and program.offset == 10.0
