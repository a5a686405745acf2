"""Rates so large, or so far below nothing, that beside them the others' drown: set nearer to decide, and proved far.

A rate of 1e12 USD/h beside others of 0.02 leaves no digits for what the others gain. Whoever holds as much as can be
held of what pays beyond all, and as little of what costs beyond all, is right at any rate still farther out. So such
rates are set to a value that is still far above all others. The plan found there is the true plan where the protocol
holds the most, or the least, that it can. Who cannot move at all earns nothing in the decision, whatever its rate is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ..problem import AllocationProblem
from ..problem.arrays import FloatArray, ProblemArrays
from ..problem.effective import PRESENT
from ..problem.objective import value

LARGE = 1e4
"""Below this no rate (USD/h) is looked at: others would have to be smaller than a hundredth of a cent."""
FAR, SET_TO = 1e6, 1e3
"""A rate more than so many times any that is smaller is far, and is set to so many times that one, or more."""


def nearer(problem: AllocationProblem) -> AllocationProblem | None:
    """The problem with its far rates set nearer, those farther out still farther; None where there are none."""
    data = problem.arrays
    if problem.risk is not None:
        return None
    least, most = _reachable(problem, data)
    rate = np.where((least >= most) & (np.abs(data.rate) >= LARGE), 0.0, data.rate)
    rate = _set_nearer(problem, replace(data, rate=rate))
    if (rate == data.rate).all():
        return None
    near = replace(problem)
    vars(near)["arrays"] = replace(data, rate=rate)
    return near


def _set_nearer(problem: AllocationProblem, data: ProblemArrays) -> FloatArray:
    """The rates (periods, protocols) of `data`, with those that are far from all others set nearer."""
    sizes = np.unique(np.concatenate([np.ravel(part) for part in _sizes(problem, data)]))
    sizes = sizes[sizes > 0.0]
    wide = np.flatnonzero(sizes[1:] > FAR * sizes[:-1])
    if not wide.size:
        return data.rate
    largest, far = float(sizes[wide[0]]), sizes[wide[0] + 1 :]
    size = np.abs(data.rate)
    is_far = (size > largest) & ((data.warm_up == 0.0) | (data.rate < 0.0))
    steps = SET_TO * largest * (1.0 + np.searchsorted(far, size))
    return np.where(is_far, np.sign(data.rate) * np.minimum(size, steps), data.rate)


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


def is_hidden_gain(problem: AllocationProblem, schedule: FloatArray, gain: float, least: float) -> bool:
    """True where what does not move in `schedule` (periods, protocols) hides what the others gain.

    `gain` of it over staying, USD over the horizon, is no more than the part `least` of what all earn. It counts where
    it is more than that part of what those earn, or pay, that move.
    """
    data = problem.arrays
    moved = (schedule != data.current).any(axis=0)
    if moved.all() or not moved.any() or problem.goal is not None:
        return False
    plan, stay = (value(problem, each) for each in (schedule, data.staying))
    earned, before = plan.earnings[:, moved] * plan.hours, stay.earnings[:, moved] * stay.hours
    if problem.risk is None:
        gain = float((earned - before).sum()) - plan.cost
    slopes = [data.rate[:, moved], *(curve.slopes for curve in data.curved if moved[curve.index])]
    costs = [np.atleast_2d(cost)[:, moved] for cost in (data.cost_in, data.cost_out)]
    most = max(float(np.abs(size).max()) for size in (*(data.hours * slope for slope in slopes), *costs))
    return gain > least * max(most, abs(float(before.sum())))


def _reachable(problem: AllocationProblem, data: ProblemArrays) -> tuple[FloatArray, FloatArray]:
    """The least and the most that each protocol can hold in each period, whatever the others do or leave it."""
    least, most = np.empty(data.lower.shape), np.empty(data.lower.shape)
    low = high = data.current
    for t in range(data.periods):
        turnover = np.inf if data.max_turnover is None else data.max_turnover[t]
        fall, rise = np.minimum(data.down[t], turnover), np.minimum(data.up[t], turnover)
        low, high = np.maximum(data.lower[t], low - fall), np.minimum(data.upper[t], high + rise)
        total = data.total if data.totals is None else float(data.totals[t])
        if total is not None:
            others_least, others_most = float(low.sum()) - low, float(high.sum()) - high
            high = np.minimum(high, total - others_least)
            if not problem.allow_idle:
                low = np.maximum(low, total - others_most)
        least[t], most[t] = low, high
    return least, most
