"""Several periods at once: our own path against HiGHS on the whole program, its objective scaled."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from time import perf_counter
from typing import Any

import numpy as np

from reallot import AllocationProblem, Limits, LinearProgram, ProtocolSpec, certify, formulate
from reallot.formulation import complete
from reallot.solvers import multi_period
from reallot.solvers.numba import dispatch
from reallot.solvers.programs.highs import HighsModel

from .race import Contender, Row, Unequal, race

SHAPES = ((168, 100), (168, 1000))
SMALLEST = (24, 10)
EQUAL = 1e-9
SEED = 3
HOLDING = 10
"""Of the protocols hold something at the start that suits the path; at the one that does not, all of them do."""


def forecast(periods: int, size: int, holding: int = HOLDING) -> AllocationProblem:
    """Rates that wander about their mean and come back to it, hour by hour; a move costs 2 to 20 % of a day's rate.

    `holding` of the protocols hold a share at the start, drawn evenly from all that sum to 1.
    """
    random = np.random.default_rng([SEED, periods, size])
    mean = random.lognormal(0.7, 0.5, size)
    away, stay = random.normal(0.0, 0.2, size), 0.95
    rates = np.empty((periods, size))
    for hour in range(periods):
        away = stay * away + 0.2 * (1.0 - stay**2) ** 0.5 * random.normal(size=size)
        rates[hour] = np.maximum(mean * (1.0 + away), 0.0)
    names = [f"p{i:04d}" for i in range(size)]
    costs = (24.0 * mean * random.uniform(0.02, 0.2, size)).tolist()
    shares = np.zeros(size)
    held = random.choice(size, min(holding, size), replace=False)
    shares[held] = random.dirichlet(np.ones(held.size))
    return AllocationProblem(
        [ProtocolSpec(name, 1.0, move_cost=cost) for name, cost in zip(names, costs, strict=True)],
        dict(zip(names, shares.tolist(), strict=True)),
        horizon_hours=float(periods),
        periods=periods,
        rates=dict(zip(names, rates.T.tolist(), strict=True)),
        limits=Limits(max_change=0.2),
    )


def measure(smoke: bool, repeats: int) -> list[Row]:
    """Each shape from both starts: solver time alone on both sides; the program's own time is in the note."""
    rows = []
    ways = {"HiGHS inside": False, "Numba": True} if dispatch.available() else {"HiGHS inside": False}
    shapes = (SMALLEST,) if smoke else SHAPES
    for (periods, size), holding in product(shapes, ("10 hold", "all hold")):
        problem = forecast(periods, size, HOLDING if holding == "10 hold" else size)
        _ = problem.arrays
        started = perf_counter()
        program = formulate(problem)
        formulated = perf_counter() - started
        note = f"one cold run, the program is there already (that took {1e3 * formulated:.0f} ms)"
        worth = proved(problem, program)
        contenders = [
            Contender(name, "the record's arrays to a schedule and its prices", ours(problem, with_numba), worth, EQUAL)
            for name, with_numba in ways.items()
        ]
        whole = Contender("HiGHS, whole program", note, whole_by_highs(program), certified(program), EQUAL)
        rows += race("horizon", f"{periods} x {size}, {holding}", contenders, [whole], variants=1, repeats=repeats)
    return rows


def ours(problem: AllocationProblem, with_numba: bool) -> Callable[[int], Any]:
    """Our path's answer, compiled or not."""
    return lambda k: multi_period.solve(problem, compiled=with_numba)


def whole_by_highs(program: LinearProgram) -> Callable[[int], Any]:
    """The whole program in HiGHS, as it is."""
    return lambda k: HighsModel(program).solve()


def proved(problem: AllocationProblem, program: LinearProgram) -> Callable[[int, Any], float]:
    """The worth of a schedule that meets every row of the whole program."""

    def worth(k: int, answer: Any) -> float:
        certificate = certify(program, complete(problem, program, answer.schedule))
        if not certificate.is_feasible:
            raise Unequal(f"several periods: {certificate} at {certificate.worst_place}")
        return certificate.objective

    return worth


def certified(program: LinearProgram) -> Callable[[int, Any], float]:
    """The worth of HiGHS's point, which its own prices prove."""

    def worth(k: int, solution: Any) -> float:
        certificate = certify(program, solution.values, solution.row_prices)
        if not certificate.is_optimal:
            raise Unequal(f"HiGHS: {certificate} at {certificate.worst_place}")
        return certificate.objective

    return worth
