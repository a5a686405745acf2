"""Rates so large, or so far below nothing, that beside them the others' drown: set nearer to decide, and proved far.

A rate of 1e12 USD/h beside others of 0.02 leaves no digits for what the others gain. Whoever holds as much as can be
held of what pays beyond all, and as little of what costs beyond all, is right at any rate still farther out. So such
rates are set to what is still far more than all others, and the plan found there is the plan where it holds the most,
or the least, that can be held.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ..problem import AllocationProblem
from ..problem.arrays import FloatArray, ProblemArrays
from ..problem.effective import PRESENT

LARGE = 1e4
"""Below this no rate (USD/h) is looked at: others would have to be smaller than a hundredth of a cent."""
FAR, SET_TO = 1e6, 1e3
"""A rate more than so many times any that is smaller is far, and is set to so many times that one, or more."""


def nearer(problem: AllocationProblem) -> AllocationProblem | None:
    """The problem with its far rates set nearer, those farther out still farther; None where there are none."""
    data = problem.arrays
    sizes = np.unique(np.concatenate([np.ravel(part) for part in _sizes(problem, data)]))
    sizes = sizes[sizes > 0.0]
    wide = np.flatnonzero(sizes[1:] > FAR * sizes[:-1])
    if not wide.size or problem.risk is not None:
        return None
    largest, far = float(sizes[wide[0]]), sizes[wide[0] + 1 :]
    size = np.abs(data.rate)
    is_far = (size > largest) & ((data.warm_up == 0.0) | (data.rate < 0.0))
    if not is_far.any():
        return None
    steps = SET_TO * largest * (1.0 + np.searchsorted(far, size))
    rate = np.where(is_far, np.sign(data.rate) * np.minimum(size, steps), data.rate)
    near = replace(problem)
    vars(near)["arrays"] = replace(data, rate=rate)
    return near


def _sizes(problem: AllocationProblem, data: ProblemArrays) -> Iterable[FloatArray]:
    """All that is weighed against one another, USD/h per unit of share."""
    given = data.as_given
    yield np.abs(data.rate)
    yield np.array([given.cost_in, given.cost_out, given.fee]) / data.hours
    yield np.array([problem.limits.min_gain, problem.limits.plan_fee]) / problem.horizon_hours
    for tiers in (given.tiers, given.turnover_tiers):
        if tiers is not None:
            yield tiers.price / data.hours
    if data.pieces is not None:
        yield np.abs(data.pieces.slopes)


def is_the_plan(problem: AllocationProblem, near: AllocationProblem, schedule: FloatArray) -> bool:
    """True where a plan of `near`, (periods, protocols), holds the most and the least that can be of what is far."""
    data, rate = problem.arrays, near.arrays.rate
    least, most = _reachable(problem, data)
    close = PRESENT * np.maximum(1.0, np.abs(schedule))
    enough = np.where(data.rate > rate, schedule >= most - close, schedule <= least + close)
    return bool(enough[data.rate != rate].all())


def _reachable(problem: AllocationProblem, data: ProblemArrays) -> tuple[FloatArray, FloatArray]:
    """The least and the most that each protocol can hold in each period, whatever the others do or leave it."""
    least, most = np.empty(data.lower.shape), np.empty(data.lower.shape)
    low = high = data.current
    for t in range(data.periods):
        step = data.max_change[t] if data.max_turnover is None else np.minimum(data.max_change[t], data.max_turnover[t])
        low, high = np.maximum(data.lower[t], low - step), np.minimum(data.upper[t], high + step)
        if data.total is not None:
            others_least, others_most = float(low.sum()) - low, float(high.sum()) - high
            high = np.minimum(high, data.total - others_least)
            if not problem.allow_idle:
                low = np.maximum(low, data.total - others_most)
        least[t], most[t] = low, high
    return least, most
