"""What a solver of linear programs answers to a problem: read back as shares, whole numbers polished, ties settled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import Infeasible, SolverFailed
from ..formulation import complete, formulate, given_choices, schedule_of
from ..problem import AllocationProblem
from ..problem.arrays import FloatArray
from ..problem.effective import TOGETHER
from ..program import LinearProgram, Solution, Status, certify
from ..program.certificate import gain_scale, worst_residual
from ..program.tie_breaking import as_good_as, optimal_face
from ..solvers.backends import Backend, Solve
from ..solvers.programs.branch_and_bound import search
from .checked_choices import CheckedChoices, check_choices

NO_SPLIT = "no split meets all rules"
"""What is known when a solver has found that there is no plan; `allocate` says why."""
EQUAL = 1e-10
"""Plans whose worth differs by less than this part of the money at stake are worth the same."""

SUMS = ("budget", "bought", "sold")
"""Blocks of rows that sum up all shares or all changes."""
MANY_ODD = 20
"""From so many shares off their grids on, a search begins from a plan that leaves none of them there."""


@dataclass(frozen=True)
class ProgramAnswer:
    """A backend's answer read back as a schedule, with what is needed to certify it.

    schedule    (periods, protocols)
    row_prices  (rows,) of a linear program; None with choices
    bound       what a search over whole numbers says nothing is worth more than
    proved      True where that bound is proved branch by branch, and not only the backend's word
    """

    schedule: FloatArray
    row_prices: FloatArray | None
    bound: float | None
    status: Status
    proved: bool = False


def answer_of(
    problem: AllocationProblem,
    program: LinearProgram,
    backend: Backend,
    solve: Solve,
    last: FloatArray | None = None,
    *,
    strictly: bool = False,
) -> ProgramAnswer:
    """`program` solved, polished where it has choices, ties settled; raises Infeasible or SolverFailed.

    Limits that together miss a sum by rounding meet it, as they do on the exact path, but `strictly`. `last` is the
    schedule that was best at other numbers, from which a search over whole units may begin.
    """
    if (program.lower > program.upper).any():
        raise Infeasible(NO_SPLIT)
    if program.is_mixed_integer:
        try:
            return _with_choices(problem, program, backend, solve, last)
        except Infeasible:
            if strictly:
                raise
            return _within_rounding(problem, program, backend, solve)
    solution = solve(program)
    if solution.status is Status.INFEASIBLE:
        if strictly:
            raise Infeasible(NO_SPLIT)
        return _within_rounding(problem, program, backend, solve)
    if solution.values is None:
        raise SolverFailed(
            f"{backend.name} gave no plan ({solution.status.value}: {solution.detail}); "
            "try another solver, or a longer time limit"
        )
    schedule = schedule_of(problem, program, solution.values, 0.1 * backend.tolerance)
    if backend.keeps_ties and solution.status is Status.OPTIMAL and solution.row_prices is not None:
        schedule = _settle_ties(problem, program, solution, schedule, solve)
    return ProgramAnswer(schedule, solution.row_prices, solution.bound, solution.status)


def _within_rounding(
    problem: AllocationProblem, program: LinearProgram, backend: Backend, solve: Solve
) -> ProgramAnswer:
    """The answer where sums may be missed by rounding; raises Infeasible where that is not enough."""
    answer = answer_of(problem, _with_slack(program), backend, solve, strictly=True)
    residual, _ = worst_residual(program, complete(problem, program, answer.schedule))
    if residual > backend.tolerance:
        raise Infeasible(NO_SPLIT)
    return answer


def _with_slack(program: LinearProgram) -> LinearProgram:
    """The program with every sum of shares or changes wider by what it may be missed by."""
    low, high = program.row_lower.copy(), program.row_upper.copy()
    for name, rows in program.row_slices.items():
        if name in SUMS:
            low[rows] -= TOGETHER * np.maximum(1.0, np.abs(low[rows]))
            high[rows] += TOGETHER * np.maximum(1.0, np.abs(high[rows]))
    return program.with_numbers(row_lower=low, row_upper=high)


def _with_choices(
    problem: AllocationProblem, program: LinearProgram, backend: Backend, solve: Solve, last: FloatArray | None
) -> ProgramAnswer:
    """The same for a mixed-integer program: the backend's answer looked over, its choices polished, ties settled."""
    checked = _in_whole_units(problem, program, backend, last)
    if checked is not None and not _moves_freely(problem):
        return ProgramAnswer(checked.schedule, None, checked.bound, checked.status, checked.proved)
    if checked is None:
        solution = solve(program.beginning_at(_known(problem, program, backend.tolerance)))
        checked = check_choices(problem, program, solution, backend.tolerance)
    if checked is None:
        if solution.status is Status.INFEASIBLE:
            raise Infeasible(NO_SPLIT)
        raise SolverFailed(
            f"{backend.name} gave no plan ({solution.status.value}: {solution.detail}); "
            "try another solver, or a longer time limit"
        )
    schedule, settles = checked.schedule, backend.keeps_ties and checked.status is Status.OPTIMAL
    if settles and _moves_freely(problem):
        schedule = _settle_choices(problem, program, schedule, solve)
    # the choices are made: one more linear program takes the solver's integer tolerance out of the shares
    continuous = given_choices(problem, program, complete(problem, program, schedule))
    polished = solve(continuous)
    if polished.status is Status.OPTIMAL and polished.values is not None:
        schedule = schedule_of(problem, program, polished.values, 0.1 * backend.tolerance)
        if settles and polished.row_prices is not None:
            schedule = _settle_ties(problem, continuous, polished, schedule, solve)
    return ProgramAnswer(schedule, None, checked.bound, checked.status, checked.proved)


def _in_whole_units(
    problem: AllocationProblem, program: LinearProgram, backend: Backend, last: FloatArray | None
) -> CheckedChoices | None:
    """The best of all sums of whole units, where nothing else moves; None where something does, or sums are too many.

    Only in place of HiGHS, which is the default: other backends are asked because they are others.
    """
    if not problem.arrays.step.any() or backend.name != "highs":
        return None
    from ..solvers.single_period import whole_units

    if whole_units.why_ineligible(problem) is not None:
        return None
    is_like = last is not None and last.shape == (1, problem.arrays.size)  # a session may have got other protocols
    best = whole_units.options(problem).best(last[0] if is_like else None)  # type: ignore[index]
    if best is None or np.isneginf(best[1]):
        return None
    schedule = best[0][None, :]
    point = complete(problem, program, schedule)
    if not certify(program, point, tolerance=backend.tolerance).is_feasible:
        return None
    return CheckedChoices(schedule, max(best[1], program.objective(point)), Status.OPTIMAL, True)


def _known(problem: AllocationProblem, program: LinearProgram, tolerance: float) -> FloatArray | None:
    """A feasible point (columns,) to begin a search with: staying, or with many odd shares all of them left; or None.

    Many shares off their grids make sums that hardly ever fit: a search begins where all are on theirs.
    """
    staying = complete(problem, program, problem.arrays.staying)
    known = staying if worst_residual(program, staying)[0] <= tolerance else None
    still = program.column_slices.get("still", slice(0, 0))
    if still.stop - still.start < MANY_ODD:
        return known
    upper = program.upper.copy()
    upper[still] = 0.0
    moved = search(program.with_numbers(upper=upper), None, tolerance).values
    if moved is None or (known is not None and program.objective(moved) <= program.objective(known)):
        return known
    return moved


def _moves_freely(problem: AllocationProblem) -> bool:
    """True where two protocols can move at no cost, so that a move may be worth nothing and yet be made."""
    if problem.goal is not None:
        return True
    data = problem.arrays
    free = (data.cost_in + data.cost_out + data.fee + data.warm_up == 0.0) & ~data.held.all(axis=0)
    return int(free.sum()) > 1


def _preference(problem: AllocationProblem) -> dict[str, FloatArray]:
    """What decides among equals, by column block: least movement, then earlier names first; under a goal the money."""
    if problem.goal is not None:
        return {block.name: block.gain for block in formulate(problem, in_money=True).columns}
    data = problem.arrays
    first = 0.5 * (1.0 - np.tile(data.rank, data.periods) / max(data.size, 1))
    movement = np.full(first.size, -1.0)
    return {"share": first, "increase": movement, "decrease": movement}


def _settle_choices(
    problem: AllocationProblem, program: LinearProgram, schedule: FloatArray, solve: Solve
) -> FloatArray:
    """Of all equally good mixed-integer plans the one with the least movement; the schedule where that fails."""
    best = program.objective(complete(problem, program, schedule))
    slack = EQUAL * gain_scale(program)
    settled = solve(as_good_as(program, best - slack, _preference(problem)))
    if settled.status is not Status.OPTIMAL or settled.values is None:
        return schedule
    candidate = schedule_of(problem, program, settled.values)
    point = complete(problem, program, candidate)
    # the solver uses the slack and its own tolerance; with these choices the shares are found once more
    good = certify(program, point).is_feasible and program.objective(point) >= best - 10.0 * slack
    return candidate if good else schedule


def _settle_ties(
    problem: AllocationProblem, program: LinearProgram, solution: Solution, schedule: FloatArray, solve: Solve
) -> FloatArray:
    """Of all optima the one with the least movement, earlier names first; the schedule as it is where that fails."""
    assert solution.values is not None and solution.row_prices is not None
    face = optimal_face(program, solution.row_prices, _preference(problem))
    if face is None:
        return schedule
    settled = solve(face)
    if settled.status is not Status.OPTIMAL or settled.values is None:
        return schedule
    candidate = schedule_of(problem, program, settled.values)
    before = program.objective(complete(problem, program, schedule))
    after = program.objective(complete(problem, program, candidate))
    return candidate if after >= before - EQUAL * gain_scale(program) else schedule
