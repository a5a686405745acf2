"""Linear programs small enough to solve on paper."""

from __future__ import annotations

import numpy as np

from reallot.program import Columns, LinearProgram, Rows, cells, diagonal

NONE = np.array([-np.inf])


def corner() -> LinearProgram:
    """Maximise 3 x + 2 y with 2 x + y <= 1, x + y <= 0.8 and 0 <= x, y <= 1: x = 0.2, y = 0.6, worth 1.8.

    Prices: 2 p + q = 3 and p + q = 2, so p = q = 1.
    """
    x = Columns("amount", ("x", "y"), np.array([3.0, 2.0]), np.zeros(2), np.ones(2))
    parts = {"amount": cells([0, 0, 1, 1], [0, 1, 0, 1], [2.0, 1.0, 1.0, 1.0])}
    return LinearProgram((x,), (Rows("limit", ("cpu", "memory"), parts, np.full(2, -np.inf), np.array([1.0, 0.8])),))


def knapsack() -> LinearProgram:
    """Maximise 5 x + 4 y + 3 z, whole, with 2 x + 3 y + z <= 4 and at most one of each: x and z, worth 8."""
    chosen = Columns("chosen", ("x", "y", "z"), np.array([5.0, 4.0, 3.0]), np.zeros(3), np.ones(3), integer=True)
    rows = Rows("weight", ("",), {"chosen": cells(0, [0, 1, 2], [2.0, 3.0, 1.0])}, NONE, np.array([4.0]))
    return LinearProgram((chosen,), (rows,))


def pair(low: float, high: float) -> LinearProgram:
    """x + y between `low` and `high`, each of x and y in [0, 1], x worth 1."""
    x = Columns("x", ("a", "b"), np.array([1.0, 0.0]), np.zeros(2), np.ones(2))
    return LinearProgram((x,), (Rows("sum", ("",), {"x": cells(0, [0, 1], 1.0)}, np.array([low]), np.array([high])),))


def blocks() -> LinearProgram:
    """Two column blocks and two row blocks: share - rise = 0.25, and the shares sum to 1."""
    share = Columns("share", ("a", "b"), np.array([2.0, 1.0]), np.zeros(2), np.ones(2))
    rise = Columns("rise", ("a", "b"), np.full(2, -0.5), np.full(2, -1.0), np.ones(2))
    return LinearProgram(
        (share, rise),
        (
            Rows("moved", ("a", "b"), {"share": diagonal(1.0, 2), "rise": diagonal(-1.0, 2)}, 0.25, 0.25),
            Rows("total", ("",), {"share": cells(0, [0, 1], 1.0)}, np.ones(1), np.ones(1)),
        ),
        offset=10.0,
    )
