"""Many independent steps in one call, against a loop that calls linprog for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from reallot import allocate_many
from reallot.solvers.numba import dispatch

from .peers import TOLERANCE, arrays
from .race import Contender, Row, race
from .step import Step

COUNT, SIZE, SAMPLE = 100_000, 10, 50
SEED, SAMPLE_SEED = 2, 1


def measure(smoke: bool, repeats: int) -> list[Row]:
    """Times are for one problem; linprog is timed, and compared, on the first of them."""
    count = 1_000 if smoke else COUNT
    step = Step.of(SIZE, variants=SAMPLE, seed=SAMPLE_SEED)
    random = np.random.default_rng(SEED)
    rates, current = random.random((count, SIZE)), random.dirichlet(np.ones(SIZE), count)
    rates[:SAMPLE], current[:SAMPLE] = step.rates, step.current

    def many(solver: str) -> Callable[[int], Any]:
        return lambda k: allocate_many(rates, current, max_change=step.max_change, move_cost=step.cost, solver=solver)

    note = f"allocate_many on {count:,} problems: arrays checked, answers, prices, gaps and residuals"
    ways = {"NumPy": many("numpy")} | ({"Numba": many("numba")} if dispatch.available() else {})
    ours = [
        Contender(name, note, run, lambda k, found: _worth(step, found.shares), answers=count)
        for name, run in ways.items()
    ]
    linprog = arrays.linprog_natural(step)
    loop = Contender(
        "loop of linprog",
        f"one call each, arrays ready, shares, ups and downs as columns; {SAMPLE} of the problems",
        lambda k: [linprog(i) for i in range(SAMPLE)],
        lambda k, found: [step.worth(i, shares, TOLERANCE) for i, shares in enumerate(found)],
        TOLERANCE,
        answers=SAMPLE,
    )
    return race("batch", f"{count:,} x {SIZE}", ours, [loop], variants=1, repeats=repeats)


def _worth(step: Step, shares: Any) -> list[float]:
    return [step.worth(i, shares[i]) for i in range(SAMPLE)]
