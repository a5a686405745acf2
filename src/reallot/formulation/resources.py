"""Rows on weighted sums of shares: shared resources, groups, and relations between protocols."""

from __future__ import annotations

import numpy as np

from ..problem import AllocationProblem
from ..problem.effective import widened
from ..problem.per_period import PerPeriod
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
                uses[key][i] = min(use, MOST_USE * max(1.0, float(np.max(problem.resources[key]))))
    return [_total(problem, f"resource {key}", use, problem.resources[key]) for key, use in uses.items()]


def group_rows(problem: AllocationProblem) -> list[Rows]:
    """min_share <= sum of the members' shares <= max_share, a row for each side, group and period."""
    place, result = problem.table.place, []
    for group in problem.limits.groups:
        ones = {place[name]: 1.0 for name in group.members}
        if group.max_share is not None:
            result.append(_total(problem, f"group {group.name}", ones, group.max_share))
        if group.min_share is not None:
            result.append(_total(problem, f"group_floor {group.name}", ones, group.min_share, is_floor=True))
    return result


def rule_rows(problem: AllocationProblem) -> list[Rows]:
    """at_least <= sum of weight * share <= at_most, a row for each side, rule and period."""
    limits, result = problem.limits, []
    for rule in limits.rules:
        weights = rule.weights(problem.table.place, limits.groups)
        low, high = rule.bounds
        if high is not None:
            result.append(_total(problem, f"rule {rule.name}", weights, high))
        if low is not None:
            result.append(_total(problem, f"rule_floor {rule.name}", weights, low, is_floor=True))
    return result


def _total(
    problem: AllocationProblem, name: str, use: dict[int, float], limit: PerPeriod, *, is_floor: bool = False
) -> Rows:
    count, size = problem.periods, len(problem.names)
    when = np.repeat(np.arange(count), len(use))
    who = np.tile(np.array(list(use), dtype=np.intp), count)
    parts = {"share": cells(when, when * size + who, np.tile(list(use.values()), count))} if use else {}
    present = float(np.dot(list(use.values()), problem.arrays.current[list(use)])) if use else 0.0
    each = np.broadcast_to(np.asarray(limit, dtype=float), (count,))
    limits, free = widened(each, present, is_floor=is_floor), np.full(count, np.inf)
    low, high = (limits, free) if is_floor else (-free, limits)
    return Rows(name, periods(problem), parts, low, high)
