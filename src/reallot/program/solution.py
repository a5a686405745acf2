"""What every backend returns: why it stopped, what is known, and what the solver itself said."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .blocks import FloatArray


class Status(Enum):
    """Why a solver stopped, in our words."""

    OPTIMAL = "optimal"
    INFEASIBLE = "infeasible"
    UNBOUNDED = "unbounded"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class Solution:
    """The answer of a backend to a linear program, not yet certified.

    Parameters
    ----------
    status
        Why the solver stopped.
    values
        (columns,) the point. None without one.
    row_prices
        (rows,) dual values: gain in the objective for one more unit of each row's limit. None for mixed-integer
        programs.
    bound
        Upper bound on the objective, as the solver claims it (mixed-integer only). None without one.
    detail
        The solver's own words.
    proved
        True where `bound` is proved branch by branch, and not only claimed.

    Examples
    --------
    >>> from reallot import AllocationProblem, formulate, solve
    >>> solution = solve(formulate(AllocationProblem({"relay": 2.0}, {"relay": 1.0})))
    >>> solution.status.value, float(solution.values[0])
    ('optimal', 1.0)
    """

    status: Status
    values: FloatArray | None = None
    row_prices: FloatArray | None = None
    bound: float | None = None
    detail: str = ""
    proved: bool = False
