"""Several periods from the equal split, where every protocol holds something: our path against the whole program.

Three kinds of rates: walks; levels that rates leave and come back to; a day's shape, at an hour of its own for each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reallot import AllocationProblem, Limits, ProtocolSpec, formulate
from reallot.solvers.numba import dispatch

from .horizon import EQUAL, certified, ours, proved, whole_by_highs
from .race import QUESTION, Contender, Row, race

SHAPES = ((168, 100), (168, 1000))
SMALLEST = (24, 20)
SEED = 11
QUESTIONS = 10
"""Seeds of each kind."""
AT_MOST = 3
"""Repeats of one question: there are many questions."""


def _walk(random: np.random.Generator, periods: int, size: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    rates = np.abs(random.normal(0.0, 0.05, (periods, size)).cumsum(axis=0) + random.uniform(1.0, 2.0, size))
    return rates, random.uniform(0.5, 5.0, size), np.zeros(size)


def _level(random: np.random.Generator, periods: int, size: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    away, levels, rates = np.zeros(size), random.lognormal(0.0, 0.5, size), np.empty((periods, size))
    for period in range(periods):
        away = 0.97 * away + random.normal(0.0, 0.08, size)
        rates[period] = levels * np.exp(away)
    day = 12.0 * levels.mean()
    return rates, day * random.uniform(0.02, 0.2, size), day * random.uniform(0.02, 0.2, size)


def _day(random: np.random.Generator, periods: int, size: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    turns = np.arange(periods)[:, None] / 24.0 + random.random(size)
    rates = random.lognormal(0.0, 0.3, size) * (1.0 + 0.4 * np.sin(2.0 * np.pi * turns))
    noisy = rates + random.normal(0.0, 0.03, (periods, size))
    return noisy, random.uniform(0.2, 2.0, size), random.uniform(0.2, 1.0, size)


KINDS = {"walk": _walk, "level": _level, "day": _day}


def question(kind: str, periods: int, size: int, number: int) -> AllocationProblem:
    """Rates of this kind; a unit costs something to buy and, but for walks, to sell; a step moves 0.2 of it at most."""
    make = KINDS[kind]
    rates, buying, selling = make(
        np.random.default_rng([SEED, list(KINDS).index(kind), periods, size, number]), periods, size
    )
    names = [f"p{i:04d}" for i in range(size)]
    return AllocationProblem(
        [
            ProtocolSpec(name, 1.0, move_cost_in=cost, move_cost_out=back)
            for name, cost, back in zip(names, buying.tolist(), selling.tolist(), strict=True)
        ],
        dict.fromkeys(names, 1.0 / size),
        horizon_hours=float(periods),
        periods=periods,
        rates=dict(zip(names, rates.T.tolist(), strict=True)),
        limits=Limits(max_change=0.2),
    )


def measure(smoke: bool, repeats: int) -> list[Row]:
    """A row for each question and way: solver time alone on both sides."""
    ways: dict[str, bool] = {"HiGHS inside": False, "Numba": True} if dispatch.available() else {"HiGHS inside": False}
    rows = []
    for periods, size in (SMALLEST,) if smoke else SHAPES:
        for kind in KINDS:
            for number in range(1 if smoke else QUESTIONS):
                problem = question(kind, periods, size, number)
                _ = problem.arrays
                program = formulate(problem)
                worth = proved(problem, program)
                note = "the record's arrays to a schedule and its prices"
                contenders = [Contender(name, note, ours(problem, way), worth, EQUAL) for name, way in ways.items()]
                run = whole_by_highs(program)
                whole = Contender("HiGHS, whole program", "one cold run", run, certified(program), EQUAL)
                label = f"{periods} x {size}{QUESTION}{kind} {number + 1}"
                rows += race("equal_split", label, contenders, [whole], variants=1, repeats=min(repeats, AT_MOST))
    return rows
