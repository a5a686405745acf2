"""allocate(problem): choose a backend, formulate, solve, certify, read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from .allocation import Allocation
from .errors import Infeasible, InvalidInput, SolverFailed
from .formulation import complete, complete_prices, formulate, given_choices, schedule_of
from .notes import notes as notes_on
from .problem import AllocationProblem
from .problem.arrays import FloatArray
from .program import Certificate, LinearProgram, Solution, Status, certify
from .program.certificate import gain_scale, worst_residual
from .program.ties import as_good_as, optimal_face
from .solvers import exact
from .solvers.answer import Unmet
from .solvers.backends import Backend, choose, runner

EQUAL = 1e-10
"""A plan must beat staying by more than this part of the money at stake: rounding is no reason to move."""
STAYS = 1e-9
"""The present shares meet the rules if they break none by more than this."""

CLAIMED = 10.0
"""A bound that is a search's claim may be off by so many tolerances: it used up those of several rows at once."""

Solve = Callable[[LinearProgram], Solution]


@dataclass(frozen=True)
class _Answer:
    """A backend's answer read back as a schedule, with what is needed to certify it."""

    schedule: FloatArray
    row_prices: FloatArray | None
    bound: float | None
    status: Status


def allocate(
    problem: AllocationProblem, *, solver: str = "auto", time_limit_seconds: float | None = None
) -> Allocation:
    """The best split of capacity for `problem`, certified: an Allocation with shares, money, prices and reasons.

    solver  "auto" (the cheapest exact one), "exact", "highs", "scipy", "pulp" or "pulp:NAME"
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
    started = perf_counter()
    backend, reason = choose(problem, solver)
    program = formulate(problem)
    formulated = perf_counter()
    if backend.name == "exact":
        answer = _by_matching(problem, program)
    else:
        answer = _by_solver(problem, program, backend, runner(solver, time_limit_seconds))
    solved = perf_counter()
    schedule, point, notes, can_stay = _stay_unless_better(problem, program, answer.schedule)
    certificate = certify(
        program,
        point,
        answer.row_prices,
        claimed_bound=answer.bound,
        claimed_by=backend.name,
        tolerance=backend.tolerance,
        gap_tolerance=backend.tolerance * (CLAIMED if program.is_mixed_integer else 1.0),
    )
    _require(certificate, answer.status, backend, allowance=problem.limits.min_gain if can_stay else 0.0)
    done = perf_counter()
    return Allocation(
        problem=problem,
        schedule=schedule,
        status="optimal" if answer.status is Status.OPTIMAL else "stopped",
        solver=backend.name if not solver.startswith("pulp:") else solver,
        solver_reason=reason,
        certificate=certificate,
        can_stay=can_stay,
        notes=notes + notes_on(problem, schedule),
        timings={
            "formulate": formulated - started,
            "solve": solved - formulated,
            "certify": done - solved,
            "total": done - started,
        },
        program=program,
    )


def _by_matching(problem: AllocationProblem, program: LinearProgram) -> _Answer:
    found = exact.solve(problem)
    if isinstance(found, Unmet):
        raise _infeasible(problem, program)
    schedule = found.shares[None, :]
    return _Answer(schedule, complete_prices(problem, program, schedule, *found.row_prices), None, Status.OPTIMAL)


def _by_solver(problem: AllocationProblem, program: LinearProgram, backend: Backend, solve: Solve) -> _Answer:
    if (program.lower > program.upper).any():
        raise _infeasible(problem, program)
    solution = solve(program)
    if solution.status is Status.INFEASIBLE:
        raise _infeasible(problem, program)
    if solution.values is None:
        raise SolverFailed(
            f"{backend.name} gave no plan ({solution.status.value}: {solution.detail}); "
            "try another solver, or a longer time limit"
        )
    near = 0.1 * backend.tolerance
    status, bound = solution.status, solution.bound
    schedule = schedule_of(problem, program, solution.values, near)
    if program.is_mixed_integer and backend.keeps_ties and status is Status.OPTIMAL and _moves_freely(problem):
        schedule = _settle_choices(problem, program, schedule, solve)
    continuous = program
    if program.is_mixed_integer:
        # the choices are made: one more linear program takes the solver's integer tolerance out of the shares
        continuous = given_choices(program, complete(problem, program, schedule))
        polished = solve(continuous)
        if polished.status is Status.OPTIMAL and polished.values is not None:
            solution, schedule = polished, schedule_of(problem, program, polished.values, near)
    if backend.keeps_ties and status is Status.OPTIMAL and solution.row_prices is not None:
        schedule = _settle_ties(problem, continuous, solution, schedule, solve)
    return _Answer(schedule, None if program.is_mixed_integer else solution.row_prices, bound, status)


def _moves_freely(problem: AllocationProblem) -> bool:
    """True where two protocols can move at no cost, so that a move may be worth nothing and yet be made."""
    data = problem.arrays
    free = (data.cost_in + data.cost_out + data.fee + data.warm_up == 0.0) & ~data.held.all(axis=0)
    return int(free.sum()) > 1


def _preference(problem: AllocationProblem) -> dict[str, FloatArray]:
    """What decides among equals, by column block: least movement, then earlier names first."""
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
    good = certify(program, point).is_feasible and program.objective(point) >= best - slack
    return candidate if good else schedule


def _settle_ties(
    problem: AllocationProblem, program: LinearProgram, solution: Solution, schedule: FloatArray, solve: Solve
) -> FloatArray:
    """Of all optima the one with the least movement, earlier names first; the schedule as it is where that fails."""
    assert solution.values is not None and solution.row_prices is not None
    face = optimal_face(program, solution.values, solution.row_prices, _preference(problem))
    if face is None:
        return schedule
    settled = solve(face)
    if settled.status is not Status.OPTIMAL or settled.values is None:
        return schedule
    candidate = schedule_of(problem, program, settled.values)
    before = program.objective(complete(problem, program, schedule))
    after = program.objective(complete(problem, program, candidate))
    return candidate if after >= before - EQUAL * gain_scale(program) else schedule


def _stay_unless_better(
    problem: AllocationProblem, program: LinearProgram, schedule: FloatArray
) -> tuple[FloatArray, FloatArray, tuple[str, ...], bool]:
    """The schedule, or staying where the schedule is worth no more than that (or less than min_gain more).

    Also its full point, a note where min_gain decided, and whether staying meets every rule.
    """
    stay = np.tile(problem.arrays.current, (problem.periods, 1))
    point, stay_point = complete(problem, program, schedule), complete(problem, program, stay)
    if worst_residual(program, stay_point)[0] > STAYS:
        return schedule, point, (), False
    worth = program.objective(stay_point)
    gain = program.objective(point) - worth
    if gain <= EQUAL * max(abs(worth), gain_scale(program)):
        return stay, stay_point, (), True
    if gain < problem.limits.min_gain:
        note = (
            f"the best plan is worth {gain:.4g} USD more than staying, less than min_gain {problem.limits.min_gain:g}"
        )
        return stay, stay_point, (note,), True
    return schedule, point, (), True


def _require(certificate: Certificate, status: Status, backend: Backend, allowance: float) -> None:
    """An answer that fails its certificate is an error, never a plan."""
    gap_allowed = certificate.gap_tolerance + allowance / certificate.scale
    optimal = certificate.gap is not None and certificate.gap <= gap_allowed
    if certificate.is_feasible and (optimal or status is not Status.OPTIMAL):
        return
    raise SolverFailed(
        f"{backend.name}'s answer fails its certificate: {certificate} at {certificate.worst_place}; try another solver"
    )


def _infeasible(problem: AllocationProblem, program: LinearProgram) -> Infeasible:
    from .conflict import find_conflict

    try:
        # limits get loosened in there: rows that only switch columns on must not stand in the way
        conflict = find_conflict(problem, formulate(problem, wide=True) if program.is_mixed_integer else program)
    except InvalidInput:
        return Infeasible(
            "no split meets all rules, though by no more than rounding; loosen the tightest of them by 1e-8"
        )
    return Infeasible(conflict.message, conflict)
