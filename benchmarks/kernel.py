"""The exact split on arrays, nothing around it, against the usual way, the best use of HiGHS, and sorting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast
from unittest.mock import patch

import numpy as np

from reallot.solvers.interface.result import NoFeasibleSplit
from reallot.solvers.kernels import split as numpy_kernel
from reallot.solvers.kernels.split import Split
from reallot.solvers.numba import dispatch

from . import bare_sort
from .peers import ONE_ROW, TOLERANCE, arrays, modelling
from .quiet import quiet
from .race import Contender, Row, Unequal, race
from .step import Step

SIZES = (20, 1_000, 10_000)
SAMPLED = (100_000, 1_000_000)
"""Sizes at which a sample is taken before anything is sorted: what that saves."""
SORT = "np.sort"
PROOF = 1e-12
"""What the price may leave between a kernel's answer and the bound, as a part of the scale."""

Kernel = Callable[[int], Split]
"""The answer to variant k, from arrays that are there already."""


def kernels(step: Step) -> dict[str, Kernel]:
    """Our own kernels by name, what is installed only."""
    inputs = [
        (step.rates[k] - step.cost, step.rates[k] + step.cost, step.current[k], step.low[k], step.high[k], 1.0)
        for k in range(step.variants)
    ]

    def by(split: Callable[..., Split | NoFeasibleSplit]) -> Kernel:
        return lambda k: cast("Split", split(*inputs[k]))

    return {"NumPy": by(numpy_kernel.split)} | ({"Numba": by(dispatch.split)} if dispatch.available() else {})


def measure(smoke: bool, repeats: int) -> list[Row]:
    """Kernels against PuLP and HiGHS; at sizes where no solver is asked, against sorting every slope, and np.sort."""
    rows = []
    for size in SIZES[:1] if smoke else SIZES:
        step = Step.of(size, variants=2)
        rows += _against(step, _solvers(step), f"n = {size:,}", repeats)
    for size in SAMPLED[:1] if smoke else SAMPLED:
        step = Step.of(size, variants=2)
        rows += _against(step, [_everything_sorted(step)], f"n = {size:,}", repeats)
    sorts = _against(step, [_sort(step)], f"n = {size:,}", repeats)
    plain = bare_sort.seconds_without_avx512(size, repeats)
    if plain is not None:
        without = replace(sorts[0].theirs, name=f"{SORT}, no AVX-512", seconds=plain, cpu=plain)
        sorts += [replace(row, theirs=without) for row in sorts]
    return [*rows, *sorts]


def _against(step: Step, theirs: list[Contender], size: str, repeats: int) -> list[Row]:
    notes = {
        "NumPy": "slopes and boxes as arrays to shares and price; a sort, from 100,000 protocols on of what a sample "
        "leaves open",
        "Numba": "the same compiled",
    }
    ours = [Contender(name, notes[name], run, _proved(step, name)) for name, run in kernels(step).items()]
    with quiet():
        return race("kernel", size, ours, theirs, variants=step.variants, repeats=repeats)


def _proved(step: Step, name: str) -> Callable[[int, Split], float]:
    """The worth of an answer whose own price proves it; raises Unequal where it does not."""

    def worth(k: int, answer: Split) -> float:
        found = step.worth(k, answer.shares, 1e-11)
        away = step.bound(k, answer.capacity) - found
        if not away <= PROOF * max(1.0, abs(found)):
            raise Unequal(f"{name} at n = {step.size}: its price leaves {away:.1e} USD to the bound")
        return found

    return worth


def _solvers(step: Step) -> list[Contender]:
    ways = (
        (
            "PuLP + CBC",
            modelling.pulp_cbc(step),
            TOLERANCE,
            "shares, ups and downs as columns; built, written, solved, read",
        ),
        (
            "highspy, one row",
            arrays.highspy_compact(step, ready=True),
            ONE_ROW,
            "HiGHS at its best: only what is bought and sold, one row, arrays ready, presolve off, a new object",
        ),
        (
            "highspy, one row, kept",
            arrays.highspy_kept(step, ready=True),
            ONE_ROW,
            "the same model kept: new numbers from arrays, the last basis as the start",
        ),
    )
    return [
        Contender(name, note, run, _shares_worth(step, tolerance), tolerance) for name, run, tolerance, note in ways
    ]


def _shares_worth(step: Step, tolerance: float) -> Callable[[int, Any], float]:
    return lambda k, shares: step.worth(k, shares, tolerance)


def _everything_sorted(step: Step) -> Contender:
    kernel = kernels(step)["NumPy"]

    def run(k: int) -> Split:
        with patch.object(numpy_kernel, "MANY", step.size + 1):
            return kernel(k)

    note = "the NumPy kernel without its sample: all slopes are sorted"
    return Contender("every slope sorted", note, run, _proved(step, "NumPy"))


def _sort(step: Step) -> Contender:
    note = "as many numbers: not the same answer, a yardstick; some processors sort faster with AVX-512, some without"
    return Contender(SORT, note, lambda k: np.sort(step.rates[k]), None)
