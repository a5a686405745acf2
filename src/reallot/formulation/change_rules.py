"""Limits of change as rules: which of them binds an increase, or a decrease, and what one more of it gives."""

from __future__ import annotations

import numpy as np

from ..problem import AllocationProblem
from ..problem.arrays import BoolArray, limit_table
from ..problem.change_limits import DOWN, UP, own_limits

RELEASED = ("held", "only_increase", "only_decrease", "hold_after_change")
"""Kinds of rules without an amount: a way out takes the protocol, or the rule, out."""


def binding(problem: AllocationProblem, sign: float) -> dict[str, BoolArray]:
    """Where each rule is the tightest limit of increases (`sign` UP) or decreases (DOWN): (periods, protocols) each.

    max_change comes first among equals. Protocols that are held, and those without any limit, are nobody's.
    """
    data = problem.arrays
    tables = {"max_change": np.where(data.one_unit, np.inf, data.max_change)}
    tables |= own_limits(problem.limits, sign, data.current, data.periods, problem.table.place)
    stacked = np.stack(list(tables.values()))
    first, limited = stacked.argmin(axis=0), np.isfinite(stacked.min(axis=0)) & ~data.held
    return {kind: (first == k) & limited for k, kind in enumerate(tables)}


def both_ways(problem: AllocationProblem) -> dict[str, tuple[BoolArray, BoolArray]]:
    """By rule: where it binds increases, and where decreases."""
    up, down = binding(problem, UP), binding(problem, DOWN)
    nowhere = np.zeros(problem.arrays.held.shape, dtype=bool)
    return {kind: (up.get(kind, nowhere), down.get(kind, nowhere)) for kind in {**up, **down}}


def limit_of(problem: AllocationProblem, kind: str, i: int) -> tuple[float, float]:
    """A limit of protocol i as it was given, and how much further its share may go for one unit more of it."""
    data, limits = problem.arrays, problem.limits
    if kind == "max_change_relative":
        value = limits.max_change_relative
        part = value[problem.names[i]] if isinstance(value, dict) else value
        return float(part), float(data.current[i])  # type: ignore[arg-type]
    if kind in RELEASED:
        return float(data.current[i]), 1.0
    table = limit_table(getattr(limits, kind), data.periods, problem.table.place)
    return float(table[:, i].max()), 1.0
