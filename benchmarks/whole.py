"""The whole way, record to reasons, and many problems at once, against linprog called alone on the same program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from scipy.optimize import linprog

from reallot import AllocationProblem, Limits, ProtocolSpec, allocate, allocate_many, formulate

MOVE_COST = 0.01
"""USD per unit of |change|."""


@dataclass(frozen=True)
class WholeTiming:
    """Median seconds per problem of `ours` and of one linprog call; `worst` difference of objectives, in USD."""

    what: str
    ours: float
    linprog: float
    worst: float


def measure(smoke: bool, repeats: int) -> list[WholeTiming]:
    """allocate() for one problem of flat rates, then allocate_many for batches of ten protocols each."""
    random = np.random.default_rng(11)
    one = [_one(size, random, repeats) for size in ((20,) if smoke else (20, 1000))]
    return [*one, _many(100 if smoke else 100_000, random, repeats)]


def _one(size: int, random: np.random.Generator, repeats: int) -> WholeTiming:
    shares, rates, change = random.dirichlet(np.ones(size)), random.random(size), min(0.2, 4.0 / size)
    specs = [ProtocolSpec(f"p{i:04d}", float(rate), move_cost=MOVE_COST) for i, rate in enumerate(rates)]
    current = {spec.name: float(share) for spec, share in zip(specs, shares, strict=True)}

    def problem() -> AllocationProblem:
        return AllocationProblem(specs, current, limits=Limits(max_change=change))

    def ours() -> float:
        plan = allocate(problem())
        assert plan.reasons
        return plan.certificate.objective

    alone = _linprog(problem())
    ours_seconds, objective = _timed(ours, repeats)
    alone_seconds, expected = _timed(alone, repeats)
    return WholeTiming(
        f"allocate, record to reasons, n = {size}", ours_seconds, alone_seconds, abs(objective - expected)
    )


def _many(count: int, random: np.random.Generator, repeats: int) -> WholeTiming:
    """A batch of `count` problems of ten protocols; linprog is timed, and compared, on the first twenty of them."""
    size = 10
    shares, rates = random.dirichlet(np.ones(size), count), random.random((count, size))
    seconds, many = _timed(lambda: allocate_many(rates, shares, max_change=0.2, move_cost=MOVE_COST), repeats)
    times, worst = [], 0.0
    for k in range(20):
        specs = [ProtocolSpec(f"p{i}", float(rates[k, i]), move_cost=MOVE_COST) for i in range(size)]
        current = {spec.name: float(share) for spec, share in zip(specs, shares[k], strict=True)}
        problem = AllocationProblem(specs, current, limits=Limits(max_change=0.2))
        alone_seconds, expected = _timed(_linprog(problem), 1)
        times.append(alone_seconds)
        worst = max(worst, abs(many.net_benefit[k] + float(rates[k] @ shares[k]) - expected))
    return WholeTiming(f"allocate_many, {count} x {size}", seconds / count, median(times), worst)


def _linprog(problem: AllocationProblem) -> Callable[[], float]:
    """One linprog call on the program of `problem`, which is made before the clock starts; gives the optimum."""
    program = formulate(problem)
    bounds = np.column_stack([program.lower, program.upper])

    def call() -> float:
        result: Any = linprog(-program.gain, A_eq=program.matrix, b_eq=program.row_upper, bounds=bounds, method="highs")
        return program.offset - float(result.fun)

    return call


def _timed(call: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Median seconds of several calls after a warm-up, and what the last one gave."""
    call()
    times = []
    for _ in range(repeats):
        started = perf_counter()
        result = call()
        times.append(perf_counter() - started)
    return median(times), result
