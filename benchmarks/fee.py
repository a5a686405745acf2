"""A fixed fee for every protocol that moves, no limit on moves: our search against HiGHS's, both to a gap of 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from reallot import AllocationProblem, Limits, LinearProgram, ProtocolSpec, certify, formulate
from reallot.formulation import complete
from reallot.solvers.numba import dispatch
from reallot.solvers.programs.highs import HighsModel
from reallot.solvers.single_period import fees

from .race import QUESTION, Contender, Row, Unequal, race

SIZES = (50, 200)
SMALLEST = 20
QUESTIONS = 5
SEED = 4
EQUAL = 1e-8
"""HiGHS's whole numbers are whole to 1e-9 each, and a fee hangs on each of them."""


def question(size: int, number: int) -> AllocationProblem:
    """A day with a fee for every protocol that moves, a cost per unit moved and max change; any number may move."""
    random = np.random.default_rng([SEED, size, number])
    names = [f"p{i:04d}" for i in range(size)]
    columns = (random.lognormal(0.7, 0.5, size), random.uniform(0.05, 0.5, size), random.uniform(0.0, 2.0, size))
    specs = [
        ProtocolSpec(name, rate, move_fee=fee, move_cost=cost)
        for name, rate, fee, cost in zip(names, *(column.tolist() for column in columns), strict=True)
    ]
    shares = random.dirichlet(np.ones(size)).tolist()
    current = dict(zip(names, shares, strict=True))
    return AllocationProblem(specs, current, horizon_hours=24, limits=Limits(max_change=0.2))


def measure(smoke: bool, repeats: int) -> list[Row]:
    """A row for each question, as some are many times harder than others; solver time alone on both sides."""
    ways = {"Python": False, "Numba": True} if dispatch.available() else {"Python": False}
    rows = []
    for size in (SMALLEST,) if smoke else SIZES:
        for number in range(QUESTIONS):
            problem = question(size, number)
            program = formulate(problem)
            worth = _shares_worth(problem, program)
            ours = [
                Contender(name, "the record's arrays to shares", _ours(problem, with_numba), worth, EQUAL)
                for name, with_numba in ways.items()
            ]
            note = "one cold run with gap 0 on the strong form, up / most up + down / most down <= moved"
            search = Contender("HiGHS MILP", note, _highs(program), _claimed(program), EQUAL)
            label = f"n = {size}{QUESTION}{number + 1}"
            rows += race("fee", label, ours, [search], variants=1, repeats=repeats)
    return rows


def _ours(problem: AllocationProblem, with_numba: bool) -> Callable[[int], Any]:
    return lambda k: fees.solve(problem, compiled=with_numba)


def _highs(program: LinearProgram) -> Callable[[int], Any]:
    return lambda k: HighsModel(program).solve()


def _shares_worth(problem: AllocationProblem, program: LinearProgram) -> Callable[[int, Any], float]:
    def worth(k: int, answer: Any) -> float:
        certificate = certify(program, complete(problem, program, answer.schedule))
        if not certificate.is_feasible:
            raise Unequal(f"fee: {certificate} at {certificate.worst_place}")
        return certificate.objective

    return worth


def _claimed(program: LinearProgram) -> Callable[[int, Any], float]:
    """HiGHS's own objective; a point that is not feasible or a bound that it does not reach stops the run."""

    def worth(k: int, solution: Any) -> float:
        certificate = certify(program, solution.values, claimed_bound=solution.bound, gap_tolerance=EQUAL)
        if not certificate.is_optimal:
            raise Unequal(f"HiGHS: {certificate} at {certificate.worst_place}")
        return certificate.objective

    return worth
