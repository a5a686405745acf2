"""A mixed-integer backend's answer looked over: its bound proved where that is quick, its plan improved if it can be.

The bound of a search over whole numbers is the backend's word. For small programs a search of our own proves it, or
refutes it with a better plan. For larger ones the linear relaxation bounds it and single moves try to improve it: a
plan that a single feasible move improves is not called optimal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..formulation import complete, schedule_of
from ..problem import AllocationProblem
from ..problem.arrays import FloatArray
from ..program import LinearProgram, Solution, Status, certify
from ..program.certificate import gain_scale
from ..solvers.programs.branch_and_bound import search
from .single_moves import improved

REFUTED = 1e-8
"""A plan better by more than this part of the money at stake refutes a claimed optimum."""


@dataclass(frozen=True)
class CheckedChoices:
    """A schedule (periods, protocols), what nothing is worth more than, how it ended, and whether that is proved."""

    schedule: FloatArray
    bound: float | None
    status: Status
    proved: bool


def check_choices(
    problem: AllocationProblem, program: LinearProgram, solution: Solution, tolerance: float
) -> CheckedChoices | None:
    """The backend's `solution` of a mixed-integer `program`, or what turned out better; None where there is no plan."""
    schedule, point = None, None
    if solution.values is None and solution.status is not Status.INFEASIBLE:
        return None
    if solution.values is not None:
        schedule = schedule_of(problem, program, solution.values, 0.1 * tolerance)
        point = complete(problem, program, schedule)
        if not certify(program, point, tolerance=tolerance).is_feasible:
            point = None
    enough = REFUTED * gain_scale(program)
    if solution.status is Status.STOPPED and schedule is not None:
        better = improved(problem, program, schedule, tolerance, enough)
        schedule = schedule if better is None else better
        return CheckedChoices(schedule, solution.bound, Status.STOPPED, solution.proved)
    if solution.proved and (point is not None or solution.status is Status.INFEASIBLE):
        return None if schedule is None else CheckedChoices(schedule, solution.bound, Status.OPTIMAL, True)
    found = search(program, point, tolerance)
    worth = -np.inf if point is None else program.objective(point)
    refuted = found.values is not None and program.objective(found.values) > worth + enough
    if refuted and found.values is not None:
        schedule = schedule_of(problem, program, found.values, 0.1 * tolerance)
    if schedule is None or (found.finished and found.values is None):
        return None
    if found.finished:
        return CheckedChoices(schedule, found.bound, Status.OPTIMAL, True)
    better = improved(problem, program, schedule, tolerance, enough)
    if refuted or better is not None:
        bound = found.bound if np.isfinite(found.bound) else None
        return CheckedChoices(schedule if better is None else better, bound, Status.STOPPED, False)
    bound = found.bound if solution.bound is None else min(solution.bound, found.bound)
    return CheckedChoices(schedule, bound, solution.status, False)
