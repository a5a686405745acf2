"""Capacity rows: shared resources, and caps on the sum of a group's shares."""

from __future__ import annotations

import numpy as np

from ..problem import AllocationProblem
from ..problem.effective import widened
from ..program import Rows, cells
from .moves import periods

MOST_USE = 1e11
"""A use of so many times a resource leaves room for less of a share than rounding."""


def resource_rows(problem: AllocationProblem) -> list[Rows]:
    """sum of use * share <= capacity, one row per resource and period."""
    uses: dict[str, dict[int, float]] = {key: {} for key in problem.resources}
    for i, used in problem.table.uses.items():
        for key, use in used.items():
            if use > 0.0:
                # what lets nobody hold more than dust lets nobody hold any; more digits a solver refuses
                uses[key][i] = min(use, MOST_USE * max(1.0, problem.resources[key]))
    return [_total(problem, f"resource {key}", use, problem.resources[key]) for key, use in uses.items()]


def group_rows(problem: AllocationProblem) -> list[Rows]:
    """sum of the members' shares <= max_share, one row per group and period."""
    place = {name: i for i, name in enumerate(problem.names)}
    return [
        _total(problem, f"group {group.name}", {place[name]: 1.0 for name in group.members}, group.max_share)
        for group in problem.limits.groups
        if group.max_share is not None
    ]


def _total(problem: AllocationProblem, name: str, use: dict[int, float], capacity: float) -> Rows:
    count, size = problem.periods, len(problem.names)
    when = np.repeat(np.arange(count), len(use))
    who = np.tile(np.array(list(use), dtype=np.intp), count)
    parts = {"share": cells(when, when * size + who, np.tile(list(use.values()), count))} if use else {}
    present = float(np.dot(list(use.values()), problem.arrays.current[list(use)])) if use else 0.0
    most = float(widened(capacity, present))
    return Rows(name, periods(problem), parts, np.full(count, -np.inf), np.full(count, most))
