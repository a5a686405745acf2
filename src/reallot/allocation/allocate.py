"""allocate(problem): the cheapest exact way to the answer."""

from __future__ import annotations

from ..problem import AllocationProblem
from ..solvers.backends import choose, runner
from .decide import by_matching, by_path, by_program
from .result import Allocation


def allocate(
    problem: AllocationProblem, *, solver: str = "auto", time_limit_seconds: float | None = None
) -> Allocation:
    """The best split of capacity for `problem`, certified: an Allocation with shares, money, prices and reasons.

    solver  "auto" (the cheapest exact one), "exact", "fees", "horizon", "highs", "scipy", "pulp" or "pulp:NAME"
    time_limit_seconds
            mixed-integer searches stop here with the best plan found; its gap is in the certificate

    Raises InvalidInput for a solver that is unknown or declines, Infeasible (with the rules in conflict, the amount
    and what would help) where no split meets all rules, SolverFailed where no certified answer came back.

    Ties go to the present share, then to name order; a plan that is worth no more than staying is to stay.

    >>> from reallot import AllocationProblem, Limits
    >>> problem = AllocationProblem(
    ...     {"relay": 2.0, "compute": 1.0}, {"relay": 0.3, "compute": 0.7}, limits=Limits(max_change=0.2))
    >>> plan = allocate(problem)
    >>> plan.shares.round(9).to_dict(), round(plan.improvement_per_hour, 9), plan.solver
    ({'relay': 0.5, 'compute': 0.5}, 0.2, 'exact')
    """
    backend, reason = choose(problem, solver)
    if backend.name == "exact":
        return by_matching(problem, backend, reason)
    if backend.path is not None:
        return by_path(problem, backend, reason, time_limit_seconds)
    solve, name = runner(solver, time_limit_seconds), solver if solver.startswith("pulp:") else backend.name
    return by_program(problem, backend, reason, solve, solver=name)
