"""The table itself: problem to linear program."""

from __future__ import annotations

from ..problem import AllocationProblem
from ..problem.doors import require_problem
from ..program import LinearProgram
from .earnings import curve_columns
from .integer_rules import choice_columns
from .moves import budget, move_choices, movement, share_columns, turnover
from .resources import group_rows, resource_rows
from .risk import expected_weight, risk_columns


def formulate(problem: AllocationProblem, *, wide: bool = False) -> LinearProgram:
    """The linear program (mixed-integer where a rule asks for it) of `problem`, objective in USD over the horizon.

    Rows that only switch a column on are as tight as the limits allow. With `wide` they leave room for limits that
    will be loosened in the program itself (see `rules`): the same points, a weaker relaxation.

    >>> from reallot import AllocationProblem
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
    data = problem.arrays
    offset = weight * data.hours * sum(float(curve.base.sum()) for curve in data.curved)
    return LinearProgram(tuple(columns), tuple(rows), offset)
