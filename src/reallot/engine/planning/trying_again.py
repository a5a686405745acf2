"""What was given up and not read since is tried again with a small share, where capacity stands idle."""

from __future__ import annotations

import math

from ...problem import EarningsCurve, ProtocolSpec
from ...text.durations import format_duration
from .one_answer import with_one_answer
from .problem_builder import DUST, PlanningProblem

TRIED = 0.01
"""A share that is enough to read a rate by."""
AFTER_SECONDS = 12.0 * 3600.0


def trying_again(problem: PlanningProblem) -> PlanningProblem | None:
    """The problem whose only answer is a small share for what was not read for longest; None where nothing is.

    It is of those that answer, hold nothing, and lost when they were read last, half a day ago; or were read last
    before the window. All others keep what they have.
    """
    idle = problem.capacity - math.fsum(problem.shares.values())
    found = [
        (problem.known[name].age_seconds, name, least)
        for name in problem.names
        if _is_forgotten(problem, name) and (least := _least(problem, name)) <= idle + DUST
    ]
    if not found:
        return None
    age, name, least = max(found)
    told = f"{name} is tried again with a small share: it was read last {format_duration(age)} ago"
    spec = ProtocolSpec(name, EarningsCurve.flat(0.0), min_share=least, max_share=least)
    return with_one_answer(problem, {name: spec}, told)


def _is_forgotten(problem: PlanningProblem, name: str) -> bool:
    known, spec = problem.known[name], problem.specs.get(name)
    told = spec is not None and not (spec.curves[0].is_flat and spec.curves[0].last_slope == 0.0)
    there = name not in problem.full and not known.stale and not problem.limits.held_until(name, 1)
    lost = known.rate is not None and known.rate < 0.0 and known.age_seconds >= AFTER_SECONDS
    unknown = known.rate is None and known.readings > 0 and not told
    return there and problem.shares[name] <= DUST and (lost or unknown)


def _least(problem: PlanningProblem, name: str) -> float:
    """The smallest share that may be asked for and read; more than all where one plan may not change so much."""
    spec = problem.specs.get(name)
    own = (0.0, 0.0, 0.0) if spec is None else (spec.min_share, spec.entry_share, spec.step or 0.0)
    least = max(TRIED, *own, problem.steps.get(name, 0.0), problem.floors.get(name, 0.0))
    return least if least <= problem.config.max_allocation_change else math.inf
