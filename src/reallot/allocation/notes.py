"""What a plan's reader should be told beside the numbers: unreachable protocols, and jumps past max change."""

from __future__ import annotations

import numpy as np

from ..problem import AllocationProblem
from ..problem.arrays import FloatArray
from ..text.numbers import percent


def notes(problem: AllocationProblem, schedule: FloatArray) -> tuple[str, ...]:
    """Sentences about units and entry shares that max change or turnover keep out, and about moves past max change."""
    data, limits = problem.arrays, problem.limits
    if not (data.has_units or limits.min_move > 0.0):
        return ()
    result = []
    turnover = np.inf if data.max_turnover is None else float(data.max_turnover[0])
    for i, name in enumerate(problem.names):
        if data.held[0, i]:
            continue
        change, now = float(data.max_change[0, i]), float(data.current[i])
        for what, size in (("unit", float(data.step[i])), ("entry", _entry_gap(_entry(problem, i), now))):
            if size <= 0.0:
                continue
            moved = abs(float(schedule[0, i]) - now)
            if data.one_unit[i] and moved > change + 1e-12:
                allowed = f"one {what} past the limit {percent(change)} is allowed"
                result.append(f"{name} moves by {percent(moved)}: {allowed}, confirm it")
                break
            for rule, limit in (("limit", change), ("turnover", turnover)):
                if size > limit + 1e-12 and not (rule == "limit" and data.one_unit[i]):
                    result.append(f"{name} unreachable: {what} {percent(size)} > {rule} {percent(limit)}")
        if limits.min_move > change + 1e-12:
            result.append(f"{name} unreachable: smallest move {percent(limits.min_move)} > limit {percent(change)}")
    return tuple(result)


def _entry(problem: AllocationProblem, i: int) -> float:
    """The least share protocol i can enter with: entry_share, in whole units where it comes in units."""
    entry, step = float(problem.arrays.entry[i]), float(problem.arrays.step[i])
    return entry if step == 0.0 else float(np.ceil(entry / step - 1e-9)) * step


def _entry_gap(entry: float, now: float) -> float:
    """How far a jump across the entry share is: into it from 0, or out of it from at most the entry share."""
    if entry <= 0.0 or now > entry:
        return 0.0
    return float(entry) if now == 0.0 else now
