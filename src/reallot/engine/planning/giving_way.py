"""Protocols that may hold nothing now give up what they hold, before anything else is planned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ...problem import EarningsCurve, ProtocolSpec
from .one_answer import with_one_answer
from .problem_builder import DUST, PlanningProblem


def giving_way(problem: PlanningProblem, away: Mapping[str, str]) -> PlanningProblem | None:
    """The problem whose only answer is that these give up what they hold; None where none of them holds anything.

    All others keep what they have, so what is given up stands idle until the next plan. No limit on how far a share
    may change counts, and no rest; a share that limits hold for good is kept, and an adapter's own floor.
    """
    least = {name: problem.floors.get(name, 0.0) for name in away}
    going = {
        name
        for name in problem.names
        if name in away and problem.shares[name] > least[name] + DUST and not problem.limits.held_until(name, 1)
    }
    if not going:
        return None
    specs = {name: ProtocolSpec(name, EarningsCurve.flat(0.0), max_share=least[name]) for name in going}
    told = "; ".join(f"{name} may hold nothing now, {away[name]}" for name in sorted(going))
    at_once = problem.config.model_copy(update={"max_allocation_change": 1.0})
    return replace(with_one_answer(problem, specs, told), config=at_once)
