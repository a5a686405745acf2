"""The program as a table for people."""

from __future__ import annotations

import numpy as np

from reallot import LinearProgram
from reallot.program import Columns, Rows, cells
from tests.program.tiny import blocks, knapsack


def test_a_program_is_shown_as_a_table_of_blocks():
    assert blocks().show().splitlines() == [
        "           share     rise      lower  upper",
        "moved [2]  1 I       -1 I      0.25   0.25",
        "total [1]  1                   1      1",
        "gain       1..2      -0.5             + 10",
        "lower      0         -1",
        "upper      1         1",
        "kind       real [2]  real [2]",
    ]


def test_whole_columns_and_ranges_are_shown():
    assert knapsack().show().splitlines() == [
        "            chosen     lower  upper",
        "weight [1]  1..3       -inf   4",
        "gain        3..5              + 0",
        "lower       0",
        "upper       1",
        "kind        whole [3]",
    ]


def test_a_block_with_no_entries_is_empty_in_the_table():
    x = Columns("x", ("a",), np.ones(1), np.zeros(1), np.ones(1))
    y = Columns("y", ("a",), np.ones(1), np.zeros(1), np.ones(1))
    program = LinearProgram((x, y), (Rows("only x", ("",), {"x": cells(0, 0, 2.0)}, np.zeros(1), np.ones(1)),))
    assert program.show().splitlines()[1] == "only x [1]  2                   0      1"
