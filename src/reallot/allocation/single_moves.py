"""Plans that a single move improves: some share from one protocol to another, or into and out of idle capacity."""

from __future__ import annotations

import numpy as np

from ..formulation import complete
from ..problem import AllocationProblem
from ..problem.arrays import FloatArray
from ..problem.objective import value
from ..program import LinearProgram
from ..program.certificate import worst_residual

PARTS = (1.0, 0.5, 0.25, 0.1)
"""Parts of the present amounts that are tried, beside the sizes that the rules name."""
TRIED, ROUNDS = 12, 8
"""Promising moves looked at in each round, and rounds."""


def improved(
    problem: AllocationProblem, program: LinearProgram, schedule: FloatArray, tolerance: float, enough: float
) -> FloatArray | None:
    """A feasible schedule better than `schedule` by more than `enough` USD, made by single moves; None without one.

    A move takes one amount from one protocol and gives it to another from one period on.
    """
    best, worth = schedule, program.objective(complete(problem, program, schedule))
    start = worth
    for _ in range(ROUNDS):
        for candidate in _promising(problem, best, enough):
            point = complete(problem, program, candidate)
            if program.objective(point) > worth + enough and worst_residual(program, point)[0] <= tolerance:
                best, worth = candidate, program.objective(point)
                break
        else:
            break
    return best if worth > start + enough else None


def _promising(problem: AllocationProblem, schedule: FloatArray, enough: float) -> list[FloatArray]:
    """The moves that would gain most, protocol by protocol, whatever the rules say: schedules, the best first."""
    found = []
    size = schedule.shape[1]
    before = _worth(problem, schedule)
    for period in range(len(schedule)):
        for amount in _amounts(problem, schedule[period]):
            more, less = schedule.copy(), schedule.copy()
            more[period:] += amount
            less[period:] -= amount
            gain, loss = _worth(problem, more) - before, _worth(problem, less) - before
            loss[(less < 0.0).any(axis=0)] = -np.inf
            # the last row and column stand for capacity that is idle, where some may be: it gives and takes at no gain
            idle = 0.0 if problem.allow_idle or problem.capacity is None else -np.inf
            pairs = np.append(gain, idle)[:, None] + np.append(loss, idle)[None, :]
            np.fill_diagonal(pairs, -np.inf)
            best = [int(k) for k in np.argsort(-pairs, axis=None)[:TRIED] if pairs.flat[k] > enough]
            found += [(float(pairs.flat[k]), period, k // (size + 1), k % (size + 1), amount) for k in best]
    found.sort(key=lambda entry: -entry[0])
    result = []
    for _, period, taker, giver, amount in found[:TRIED]:
        moved = schedule.copy()
        moved[period:, taker : taker + 1] += amount
        moved[period:, giver : giver + 1] -= amount
        result.append(moved)
    return result


def _worth(problem: AllocationProblem, schedule: FloatArray) -> FloatArray:
    """What each protocol's schedule is worth by itself, USD over the horizon, (protocols,)."""
    valued = value(problem, schedule)
    result: FloatArray = (valued.earnings * valued.hours - valued.costs).sum(axis=0)
    return result


def _amounts(problem: AllocationProblem, shares: FloatArray) -> list[float]:
    """Sizes of a move that rules or shares suggest."""
    data = problem.arrays
    sizes = [*data.step.tolist(), *data.entry.tolist(), problem.limits.min_move, *data.max_change[0].tolist()]
    sizes += [part * share for share in shares.tolist() for part in PARTS]
    sizes += np.abs(data.upper[0] - shares).tolist()
    return sorted({round(size, 12) for size in sizes if 0.0 < size < np.inf})[:40]
