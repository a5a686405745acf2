"""Several ways to the same answers: answers are checked equal first, then everybody is timed in turns."""

from __future__ import annotations

import gc
import resource
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np

LEAST = 0.005
"""Seconds that one measurement lasts at least: shorter calls are repeated within it."""
QUESTION = ", question "
"""In the size of a row: one of several questions of that size, measured one by one."""
MOST = 10.0
"""Seconds that one contender is given: a slow one is measured in fewer rounds, but at least once."""


class Unequal(AssertionError):
    """Two ways to the same answer differ by more than their tolerances: no time is worth printing."""


@dataclass(frozen=True)
class Contender:
    """One way to answer.

    name       what the table calls it
    note       what is timed, and what differs from the others, if anything does
    run        answers variant k (0, 1, ...) of the question; this is what is timed
    worth      objective of that answer, or of several as an array; not timed; None where there is nothing to compare
    tolerance  how far its objective may be from the first contender's, as a part of the scale
    answers    number of problems that one call answers: times are for one of them
    """

    name: str
    note: str
    run: Callable[[int], Any]
    worth: Callable[[int, Any], Any] | None
    tolerance: float = 1e-12
    answers: int = 1


@dataclass(frozen=True)
class Timing:
    """How long one contender takes for one problem.

    seconds     median wall-clock time
    cpu         median processor time of this process and of those it starts
    first       wall-clock time of the very first call: imports and compilation are in it
    rounds      number of measurements behind the medians
    difference  largest difference of its objectives from the first contender's, as a part of the scale; None where
                there is nothing to compare
    tolerance   what that difference may be
    """

    name: str
    note: str
    seconds: float
    cpu: float
    first: float
    rounds: int
    difference: float | None
    tolerance: float


@dataclass(frozen=True)
class Row:
    """One comparison: what is asked, how long we take, how long they take."""

    group: str
    size: str
    ours: Timing
    theirs: Timing

    @property
    def ratio(self) -> float:
        """How many times longer they take."""
        return self.theirs.seconds / self.ours.seconds


def race(
    group: str,
    size: str,
    ours: Sequence[Contender],
    theirs: Sequence[Contender],
    *,
    variants: int,
    repeats: int,
    scale: float = 0.0,
) -> list[Row]:
    """Every one of ours against every one of theirs, on `variants` of the same question; raises Unequal.

    A difference of objectives is a part of `scale`, or of the objective itself where that is larger.
    """
    contenders = [*ours, *theirs]
    firsts, differences = _checked(group, size, contenders, variants, scale)
    seconds: list[list[float]] = [[] for _ in contenders]
    cpu: list[list[float]] = [[] for _ in contenders]
    plans = [_plan(contender, variants, repeats) for contender in contenders]
    for turn in range(repeats):
        for place, contender in enumerate(contenders):
            calls, rounds = plans[place]
            if turn < rounds:
                wall, processor = _measure(contender, turn * calls, calls, variants)
                seconds[place].append(wall / contender.answers)
                cpu[place].append(processor / contender.answers)
    timings = [
        Timing(
            contender.name,
            contender.note,
            median(seconds[place]),
            median(cpu[place]),
            firsts[place],
            len(seconds[place]),
            differences[place],
            contender.tolerance,
        )
        for place, contender in enumerate(contenders)
    ]
    return [Row(group, size, our, their) for our in timings[: len(ours)] for their in timings[len(ours) :]]


def _checked(
    group: str, size: str, contenders: Sequence[Contender], variants: int, scale: float
) -> tuple[list[float], list[float | None]]:
    """Seconds of each first call, and each largest difference from the first contender."""
    firsts: list[float] = []
    differences: list[float | None] = []
    expected: list[Any] = []
    for place, contender in enumerate(contenders):
        difference = 0.0
        for k in range(variants):
            started = perf_counter()
            answer = contender.run(k)
            if k == 0:
                firsts.append(perf_counter() - started)
            if contender.worth is None:
                continue
            worth = np.asarray(contender.worth(k, answer), dtype=float)
            if place == 0:
                expected.append(worth)
                continue
            unit = np.maximum(np.abs(expected[k]), max(scale, np.finfo(float).tiny))
            difference = max(difference, float(np.max(np.abs(worth - expected[k]) / unit)))
        if not difference <= contender.tolerance:
            raise Unequal(
                f"{group}, {size}: {contender.name} differs from {contenders[0].name} by "
                f"{difference:.1e} of the scale, allowed {contender.tolerance:.0e}"
            )
        differences.append(None if contender.worth is None else difference)
    return firsts, differences


def _plan(contender: Contender, variants: int, repeats: int) -> tuple[int, int]:
    """(calls in one measurement, number of measurements), from calls that are warm already."""
    once = max(_measure(contender, 0, variants, variants)[0], 1e-7)
    calls = max(1, ceil(LEAST / once))
    return calls, max(1, min(repeats, int(MOST / (calls * once))))


def _measure(contender: Contender, start: int, calls: int, variants: int) -> tuple[float, float]:
    """(wall-clock, processor) seconds of one call, the garbage collector off meanwhile.

    Variants take turns, so that what is kept from one call to the next meets other numbers there.
    """
    ks = [(start + k) % variants for k in range(calls)]
    run = contender.run
    gc.collect()
    gc.disable()
    try:
        processor, started = _processor(), perf_counter()
        for k in ks:
            run(k)
        wall = perf_counter() - started
        processor = _processor() - processor
    finally:
        gc.enable()
    return wall / calls, processor / calls


def _processor() -> float:
    """Processor seconds of this process and of finished children (CBC is one)."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return process_time() + children.ru_utime + children.ru_stime


def seconds_of(run: Callable[[int], Any], repeats: int) -> float:
    """Median wall-clock seconds of one call after a warm-up, where there is nobody to compare with."""
    contender = Contender("", "", run, None)
    run(0)
    calls, rounds = _plan(contender, 1, repeats)
    return median(_measure(contender, 0, calls, 1)[0] for _ in range(rounds))
