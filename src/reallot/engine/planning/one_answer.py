"""Problems that have one answer: some shares are what is asked for, and all others stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ...problem import Limits, ProtocolSpec
from .problem_builder import PlanningProblem


def with_one_answer(problem: PlanningProblem, specs: Mapping[str, ProtocolSpec], urgent: str) -> PlanningProblem:
    """`problem` where only these specs, by name, say what shares are; `urgent` says why.

    All others are held, what is given up stands idle, and of limits and adapters only what is in the specs counts.
    """
    return replace(
        problem,
        specs=specs,
        limits=Limits(),
        held=frozenset(problem.names) - specs.keys(),
        allow_idle=True,
        kept={},
        steps={},
        floors={},
        unread=frozenset(),
        least={},
        raised=frozenset(),
        shapes={},
        urgent=urgent,
        shared=type(problem.shared)(),
    )
