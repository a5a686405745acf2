"""Prices of limits by name, as intervals: from the exact path's slopes, or from the tangent program elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..formulation import complete, given_choices, rules
from ..formulation.moves import counts_moves
from ..formulation.rules import Rule, floor_kind
from ..problem import AllocationProblem
from ..problem.arrays import FloatArray
from ..program import LinearProgram
from ..solvers.single_period.sensitivity import ExactSlopes, slopes

if TYPE_CHECKING:
    from ..solvers.interface.result import NoFeasibleSplit
    from ..solvers.programs.tangent_program import Tangent
    from ..solvers.single_period.concave_curves import Matching

SAME = 1e-11
"""Shares closer than this are one: two ways to sum them round differently."""
NOT_PRICED = ("max_moves", "total_moves", "chance", "hold_after_change", "active", "active_floor")
"""Limits on whole numbers: given the choices made, one more of them has no slope."""
SHARED = (
    *("capacity", "turnover", "resource", "group", "group_floor", "rule", "rule_floor", "near", "goal", "total_cost"),
    *("largest", "max_drawdown", "earnings_floor"),
)
"""Limits that are priced whether they bind or not."""


class Price(NamedTuple):
    """Shadow price of a limit: earnings per hour for one unit more or less of it.

    The two ends differ at a kink. They are infinite where the limit cannot move that way.

    Parameters
    ----------
    low
        Earnings (USD/h) that one more unit adds; -inf where there can be no more.
    high
        Earnings (USD/h) that the last unit adds; inf where there can be no less.

    Examples
    --------
    >>> from reallot import AllocationProblem, allocate
    >>> allocate(AllocationProblem({"relay": 2.0, "compute": 1.0}, {"relay": 0.5, "compute": 0.5})).prices["capacity"]
    Price(low=2.0, high=2.0)
    """

    low: float
    high: float


def prices(
    problem: AllocationProblem,
    schedule: FloatArray,
    *,
    program: Callable[[], LinearProgram],
    matching: Callable[[], Matching | NoFeasibleSplit] | None,
    tolerance: float,
) -> dict[str, Price]:
    """Price of every shared limit, and of each protocol's own limit that binds (USD/h per unit), at an optimum.

    schedule   shares (periods, protocols) of the optimum
    program    makes the problem's program; asked where the slopes of the exact path do not serve
    matching   what the exact path bought and sold; None where another path answered
    tolerance  a backend that hands over few digits stands near its limits only within it
    """
    limits = problem.limits
    if matching is not None and limits.turnover_cost is None and not limits.has_directions:
        found = slopes(problem, matching())
        if isinstance(found, ExactSlopes) and float(np.abs(found.shares - schedule[0]).max()) <= SAME:
            return _from_matching(problem, found)
    made = program()
    point = complete(problem, made, schedule)
    if made.is_mixed_integer or counts_moves(problem).any():
        made = given_choices(problem, made, point)
    return _from_tangent(problem, made, point, tolerance)


def _from_matching(problem: AllocationProblem, found: ExactSlopes) -> dict[str, Price]:
    hours, names = problem.horizon_hours, problem.names
    result = {"capacity": _per_hour(*found.capacity, hours)}
    if found.turnover is not None:
        result["turnover"] = _per_hour(*found.turnover, hours)
    for (limit, index), interval in found.limits.items():
        kind = floor_kind(problem, index) if limit == "min_share" else limit
        result[f"{kind} {names[index]}"] = _per_hour(*interval, hours)
    return result


def _from_tangent(
    problem: AllocationProblem, program: LinearProgram, point: FloatArray, tolerance: float
) -> dict[str, Price]:
    from ..solvers.programs.tangent_program import ACTIVE, Tangent

    tangent = Tangent(program, point, active=max(ACTIVE, tolerance))
    result = {}
    for rule in rules(problem, program):
        if rule.kind in NOT_PRICED:
            continue
        shared = rule.kind in SHARED
        if not shared and not _binds(rule, tangent):
            continue
        # slopes are those of any amount: of one that a solver sees, where a unit of money is next to nothing in a row
        size = 1.0 / min(rule.loosening.largest_step, 1.0)
        more = tangent.slope(rule.loosening, size) / size
        last = more if rule.kind == "held" else -tangent.slope(rule.loosening, -size) / size
        # a goal counts in a unit of its own, and once
        result[rule.name] = _per_hour(more, last, problem.horizon_hours if problem.goal is None else 1.0)
    return result


def _binds(rule: Rule, tangent: Tangent) -> bool:
    limits = rule.loosening
    if rule.kind == "held":
        return True
    return bool(tangent.at_lower[limits.column_lower[0]].any() or tangent.at_upper[limits.column_upper[0]].any())


def _per_hour(low: float, high: float, hours: float) -> Price:
    return Price(low / hours + 0.0, high / hours + 0.0)
