"""Budgets over the whole horizon: so many moves, and so much of costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..problem import AllocationProblem
from ..program import Columns, Rows, cells
from ..program.blocks import Cells
from .goals import NO_COSTS


def total_rows(problem: AllocationProblem, columns: Sequence[Columns]) -> list[Rows]:
    """sum over t, i of moved[t,i] <= max_total_moves, and sum over t of costs <= max_total_cost.

    Costs are what all columns lose but those of earnings and risk.
    """
    limits, result = problem.limits, []
    if limits.max_total_moves is not None:
        moved = next((block for block in columns if block.name == "moved"), None)
        count = 0 if moved is None else len(moved.labels)
        parts = {"moved": cells(np.zeros(count), np.arange(count), 1.0)} if count else {}
        result.append(_total("total_moves", parts, float(limits.max_total_moves)))
    if limits.max_total_cost is not None:
        parts = {
            block.name: cells(np.zeros(places.size), places, -block.gain[places])
            for block in columns
            if block.name not in NO_COSTS and (places := np.flatnonzero(block.gain)).size
        }
        result.append(_total("total_cost", parts, limits.max_total_cost))
    return result


def _total(name: str, parts: dict[str, Cells], most: float) -> Rows:
    return Rows(name, ("",), parts, np.array([-np.inf]), np.array([most]))
