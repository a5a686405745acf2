"""Groups with floors and caps inside each other: merging marginal gains against the linear program in HiGHS."""

from __future__ import annotations

import numpy as np

from reallot import AllocationProblem, Group, Limits, ProtocolSpec, formulate
from reallot.solvers.single_period import nested_groups

from .horizon import EQUAL, certified, proved, whole_by_highs
from .race import Contender, Row, race

SIZES = (20, 1_000)
SMALLEST = 20
SEED = 17
LEVELS = 4


def question(size: int) -> AllocationProblem:
    """Halves of halves of all protocols, each with a floor and a cap beside its present sum; moves cost something."""
    random = np.random.default_rng([SEED, size])
    names, current = [f"p{i:04d}" for i in range(size)], random.dirichlet(np.ones(size))
    specs = [
        ProtocolSpec(name, float(rate), move_cost=float(cost))
        for name, rate, cost in zip(names, random.lognormal(0.7, 0.5, size), random.uniform(0, 2, size), strict=True)
    ]
    groups = []
    for level in range(1, LEVELS + 1):
        edges = np.linspace(0, size, 2**level + 1).astype(int)
        for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            now = float(current[low:high].sum())
            groups.append(Group(f"{low}-{high}", tuple(names[low:high]), 1.1 * now, min_share=0.9 * now))
    limits = Limits(max_change=0.05, groups=tuple(groups))
    return AllocationProblem(
        specs, dict(zip(names, current.tolist(), strict=True)), horizon_hours=24.0, limits=limits
    )  # fmt: skip


def measure(smoke: bool, repeats: int) -> list[Row]:
    """Each size: solver time alone on both sides, the program is there already."""
    rows = []
    for size in (SMALLEST,) if smoke else SIZES:
        problem = question(size)
        program = formulate(problem)
        note = "the record's arrays to a schedule and its prices"
        ours = Contender("NumPy", note, lambda k, it=problem: nested_groups.solve(it), proved(problem, program), EQUAL)
        whole = Contender(
            "HiGHS", "the program is there already", whole_by_highs(program), certified(program), EQUAL
        )  # fmt: skip
        rows += race("nested", f"n = {size:,}", [ours], [whole], variants=1, repeats=repeats)
    return rows
