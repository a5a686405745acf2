"""The least loosening of rules that leaves a split: how much of each, and which rules prove that there is none now."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..formulation import Rule, formulate
from ..problem import AllocationProblem
from ..program import LinearProgram, Status
from ..program.blocks import FloatArray
from ..program.elastic import Loosening, elastic
from ..solvers.programs.highs import HighsModel

SECONDS = 5.0
"""For one search over whole numbers; what it found by then is enough, if not the least."""

DOWN_TO_NOTHING = ("min_share", "lock_in", "decrease_floor", "capacity lower", "group_floor", "active_floor")
"""Kinds of rules that are loosened downwards, to 0 at the least."""


@dataclass(frozen=True)
class Least:
    """How rules are loosened least.

    total    in shares (a resource counts by its own capacity); inf where no loosening of these rules is enough
    amounts  (rules,) of each, in its own unit
    counted  (rules,) how much each counts in the proof that no split exists; zeros with whole numbers
    """

    total: float
    amounts: FloatArray
    counted: FloatArray


def least_loosening(program: LinearProgram, table: Sequence[Rule], *, relaxed: bool = False) -> Least:
    """The least total loosening over `table` that makes `program` feasible; `relaxed` with fractions of choices."""
    stretched = elastic(program, [_scaled(rule) for rule in table], _most(program, table))
    solution = HighsModel(stretched, relaxed=relaxed, time_limit_seconds=SECONDS).solve()
    nothing = np.zeros(len(table))
    if solution.status not in (Status.OPTIMAL, Status.STOPPED) or solution.values is None:
        return Least(math.inf, nothing, nothing)
    span = stretched.column_slices["loosened"]
    loosened = np.maximum(solution.values[span], 0.0)
    counted = nothing
    if solution.row_prices is not None:
        counted = 1.0 + stretched.reduced_gain(solution.row_prices)[span]
    return Least(float(loosened.sum()), loosened * np.array([_unit(rule) for rule in table]), counted)


def is_feasible(problem: AllocationProblem) -> bool:
    """True where some split meets all rules of `problem`."""
    program = formulate(problem)
    if (program.lower > program.upper).any():
        return False
    return HighsModel(program, gain=np.zeros(program.column_count)).solve().status is Status.OPTIMAL


def _most(program: LinearProgram, table: Sequence[Rule]) -> FloatArray:
    """More than any loosening could need, (rules,); of a floor, and of capacity downwards, what there is."""
    finite = [values[np.isfinite(values)] for values in (program.upper, program.row_lower, program.row_upper)]
    most = 2.0 + 2.0 * float(np.abs(np.concatenate(finite)).max(initial=1.0))
    return np.array([rule.limit if rule.kind in DOWN_TO_NOTHING else most for rule in table])


def _unit(rule: Rule) -> float:
    """What counts as one: a resource by its capacity, everything else by itself."""
    return rule.limit if rule.kind == "resource" and rule.limit > 0.0 else 1.0


def _scaled(rule: Rule) -> Loosening:
    unit = _unit(rule)
    if unit == 1.0:
        return rule.loosening
    where, step = rule.loosening.row_upper
    return replace(rule.loosening, row_upper=(where, step * unit))
