"""A bound on the sum of the largest shares, as linear rows (Ogryczak and Tamir, 2003)."""

from __future__ import annotations

import numpy as np

from ..problem import AllocationProblem
from ..problem.arrays import FloatArray
from ..problem.effective import widened
from ..program import Columns, Rows, cells, diagonal
from .moves import labels, per_period, periods, widest


def largest_rows(problem: AllocationProblem) -> tuple[list[Columns], list[Rows]]:
    """over[t,i] >= share[t,i] - level[t] and k * level[t] + sum over i of over[t,i] <= at_most; level, over >= 0."""
    largest, data = problem.limits.largest, problem.arrays
    if largest is None:
        return [], []
    count, size, names = data.periods * data.size, data.periods, labels(problem)
    zero, most = np.zeros(count), widest(data)
    columns = [
        Columns("largest_level", periods(problem), np.zeros(size), np.zeros(size), most.max(axis=1)),
        Columns("largest_over", names, zero, zero, most.ravel()),
    ]
    over = {
        "share": diagonal(-1.0, count),
        "largest_level": cells(np.arange(count), np.arange(count) // data.size, 1.0),
        "largest_over": diagonal(1.0, count),
    }
    total = {"largest_level": diagonal(float(largest.count), size), "largest_over": cells(*per_period(data))}
    present = np.sort(data.current)[::-1][: largest.count].sum()
    limit = np.full(size, float(widened(largest.at_most, float(present))))
    return columns, [
        Rows("largest_over", names, over, zero, np.full(count, np.inf)),
        Rows("largest", periods(problem), total, np.full(size, -np.inf), limit),
    ]


def largest_blocks(problem: AllocationProblem, schedule: FloatArray) -> dict[str, FloatArray]:
    """The level is the k-th largest share, or 0 where there are fewer; what is above it is over."""
    largest = problem.limits.largest
    assert largest is not None
    ordered = np.sort(schedule, axis=1)[:, ::-1]
    level = ordered[:, largest.count - 1] if largest.count <= ordered.shape[1] else np.zeros(len(schedule))
    return {"largest_level": level, "largest_over": np.maximum(schedule - level[:, None], 0.0).ravel()}
