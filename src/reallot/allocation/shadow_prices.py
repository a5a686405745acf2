"""Prices of limits by name, as intervals: from the exact path's slopes, or from the tangent program elsewhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..formulation import complete, given_choices, rules
from ..formulation.rules import Rule, floor_kind
from ..problem.arrays import FloatArray
from ..program import LinearProgram
from ..solvers.single_period.sensitivity import ExactSlopes, slopes
from .result import Allocation, Price

SAME = 1e-11
"""Shares closer than this are one: two ways to sum them round differently."""
NOT_PRICED = ("max_moves", "active")
"""Limits on whole numbers: given the choices made, one more of them has no slope."""


def prices(plan: Allocation) -> dict[str, Price]:
    """Price of every shared limit, and of each protocol's own limit that binds (USD/h per unit).

    Where min_gain keeps the plan from moving, the prices are those of the plan that it sets aside.
    """
    problem = plan.problem
    if problem.limits.min_gain > 0.0 and not plan.moves:
        from .allocate import allocate

        solver = plan.solver if plan.solver != "pulp" else "highs"
        freed = replace(problem, limits=replace(problem.limits, min_gain=0.0))
        return allocate(freed, solver=solver).prices
    if plan.solver == "exact":
        found = slopes(problem, plan.matching)
        if isinstance(found, ExactSlopes) and float(np.abs(found.shares - plan.schedule[0]).max()) <= SAME:
            return _from_matching(plan, found)
    program = plan.program
    point = complete(problem, program, plan.schedule)
    if program.is_mixed_integer:
        program = given_choices(program, point)
    return _from_tangent(plan, program, point)


def _from_matching(plan: Allocation, found: ExactSlopes) -> dict[str, Price]:
    hours, names = plan.problem.horizon_hours, plan.problem.names
    result = {"capacity": _per_hour(*found.capacity, hours)}
    if found.turnover is not None:
        result["turnover"] = _per_hour(*found.turnover, hours)
    for (limit, index), interval in found.limits.items():
        kind = floor_kind(plan.problem, index) if limit == "min_share" else limit
        result[f"{kind} {names[index]}"] = _per_hour(*interval, hours)
    return result


def _from_tangent(plan: Allocation, program: LinearProgram, point: FloatArray) -> dict[str, Price]:
    from ..solvers.programs.tangent_program import ACTIVE, Tangent

    # a backend that hands over few digits stands near its limits only within its own tolerance
    tangent = Tangent(program, point, active=max(ACTIVE, plan.certificate.tolerance))
    hours = plan.problem.horizon_hours
    result = {}
    for rule in rules(plan.problem, program):
        if rule.kind in NOT_PRICED:
            continue
        shared = rule.kind in ("capacity", "turnover", "resource", "group")
        if not shared and not _binds(rule, tangent):
            continue
        more = tangent.slope(rule.loosening)
        last = more if rule.kind == "held" else -tangent.slope(rule.loosening, -1.0)
        result[rule.name] = _per_hour(more, last, hours)
    return result


def _binds(rule: Rule, tangent: object) -> bool:
    from ..solvers.programs.tangent_program import Tangent

    assert isinstance(tangent, Tangent)
    limits = rule.loosening
    if rule.kind == "held":
        return True
    return bool(tangent.at_lower[limits.column_lower[0]].any() or tangent.at_upper[limits.column_upper[0]].any())


def _per_hour(low: float, high: float, hours: float) -> Price:
    return Price(low / hours + 0.0, high / hours + 0.0)
