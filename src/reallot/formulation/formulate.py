"""The table itself: problem to linear program."""

from __future__ import annotations

from collections.abc import Sequence

from ..problem import AllocationProblem, CDaR, ShortfallChance, WorstCase
from ..problem.doors import require_problem
from ..program import Columns, LinearProgram, Rows
from .concentration import largest_rows
from .cost_tiers import tier_columns
from .drawdown import drawdown_columns
from .earnings import curve_columns
from .goals import goal_rows, near_rows, towards_goal
from .integer_rules import choice_columns
from .moves import budget, move_choices, movement, share_columns, turnover
from .resources import group_rows, resource_rows, rule_rows
from .risk import expected_weight, risk_columns
from .scenario_sets import chance_columns, worst_case_columns
from .totals import total_rows


def scenario_columns(
    problem: AllocationProblem, columns: Sequence[Columns], *, wide: bool
) -> tuple[list[Columns], list[Rows]]:
    """The columns and rows of drawdown, of the worst case, or of the chance of a shortfall."""
    risk = problem.risk
    if isinstance(risk, CDaR):
        return drawdown_columns(problem, risk, columns, wide=wide)
    if isinstance(risk, ShortfallChance):
        return chance_columns(problem, risk, wide=wide)
    return worst_case_columns(problem, risk) if isinstance(risk, WorstCase) and risk.weight > 0.0 else ([], [])


def formulate(problem: AllocationProblem, *, wide: bool = False, in_money: bool = False) -> LinearProgram:
    """Write a problem as a linear program, mixed-integer where a rule asks for it.

    Parameters
    ----------
    problem
        The decision to make.
    wide
        True leaves room in the rows that switch columns on, for limits that are loosened in the program itself. The
        points are the same and the relaxation is weaker.
    in_money
        True keeps USD over the horizon as the objective, whatever the goal.

    Returns
    -------
    LinearProgram
        Named blocks of columns and rows; the objective is USD over the horizon, or what the goal counts.

    Examples
    --------
    >>> from reallot import AllocationProblem, formulate
    >>> program = formulate(AllocationProblem({"relay": 2.0, "compute": 1.0}, {"relay": 0.5, "compute": 0.5}))
    >>> [block.name for block in program.columns], [block.name for block in program.rows]
    (['share', 'increase', 'decrease'], ['movement', 'budget'])
    """
    require_problem(problem)
    weight = expected_weight(problem)
    columns = share_columns(problem, weight)
    rows = [movement(problem), *budget(problem), *turnover(problem)]
    for more_columns, more_rows in (
        curve_columns(problem, weight),
        move_choices(problem, wide=wide),
        choice_columns(problem, wide=wide),
        risk_columns(problem),
    ):
        columns += more_columns
        rows += more_rows
    rows += [*resource_rows(problem), *group_rows(problem)]
    if problem.limits.rules:
        rows += rule_rows(problem)
    if problem.limits.near is not None or problem.goal is not None:
        for more_columns, more_rows in (near_rows(problem), goal_rows(problem)):
            columns += more_columns
            rows += more_rows
    data = problem.arrays
    if data.tiers is not None or data.turnover_tiers is not None:
        more_columns, more_rows = tier_columns(problem, wide=wide)
        columns += more_columns
        rows += more_rows
    if problem.limits.largest is not None:
        more_columns, more_rows = largest_rows(problem)
        columns += more_columns
        rows += more_rows
    if isinstance(problem.risk, (CDaR, WorstCase, ShortfallChance)):
        more_columns, more_rows = scenario_columns(problem, columns, wide=wide)
        columns += more_columns
        rows += more_rows
    if problem.limits.has_budgets:
        rows += total_rows(problem, columns)
    offset = weight * data.hours * sum(float(curve.base.sum()) for curve in data.curved)
    program = LinearProgram(tuple(columns), tuple(rows), offset)
    return program if problem.goal is None or in_money else towards_goal(problem, program)
