"""Mixed-integer programs: our own search first, which proves its bound, and HiGHS's where that does not end soon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import perf_counter

import numpy as np

from ...program import LinearProgram, Solution, Status
from . import branch_and_bound
from .branch_and_bound import Searched, search
from .highs import FEASIBILITY, HighsModel

FIRST_PART, FIRST_SECONDS = 0.25, 0.25
"""The part of a time limit that our own search may take before HiGHS takes over, and seconds that it may always."""


def solve(
    program: LinearProgram, *, time_limit_seconds: float | None = None, first: Callable[..., Searched] = search
) -> Solution:
    """The best point of a mixed-integer `program`, with a bound that is proved where our own search ends.

    A stopped search gives the program's known point where it found none that is better. `first` is our own search, or
    one like it that goes on from the last program.
    """
    started, part = perf_counter(), None
    if time_limit_seconds is not None:
        part = max(FIRST_PART * time_limit_seconds, min(FIRST_SECONDS, time_limit_seconds))
    found = first(program, program.known, FEASIBILITY, part, branch_and_bound.WORK // 2)
    if found.finished:
        if found.values is None:
            return Solution(Status.INFEASIBLE, detail="every branch is empty", proved=True)
        return Solution(Status.OPTIMAL, found.values, None, found.bound, f"{found.branches} branches", proved=True)
    if time_limit_seconds is not None:
        time_limit_seconds = max(0.0, time_limit_seconds - (perf_counter() - started))
    model = HighsModel(program, time_limit_seconds=time_limit_seconds)
    if found.values is not None:
        model.start_from(found.values)
    solution = model.solve()
    return solution if solution.status in (Status.OPTIMAL, Status.INFEASIBLE) else _stopped(program, solution, found)


def _stopped(program: LinearProgram, solution: Solution, found: Searched) -> Solution:
    """The better of two points, with the bound that is proved, where there is one; `solution` where nobody has one."""
    values = found.values if solution.values is None else solution.values
    if values is None:
        return solution
    if found.values is not None and program.objective(found.values) > program.objective(values):
        values = found.values
    proved = bool(np.isfinite(found.bound))
    bound = found.bound if proved else solution.bound
    return replace(solution, status=Status.STOPPED, values=values, bound=bound, proved=proved)
