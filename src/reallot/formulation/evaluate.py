"""Who judges schedules: what one is worth and which rules it breaks, on the program or straight from the arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np

from ..problem import AllocationProblem
from ..problem.arrays import FloatArray
from ..program import Certificate, LinearProgram
from ..program.certificate import gain_scale, worst_residual
from .goals import counts_costs
from .lift import complete

P = TypeVar("P")
STAYS = 1e-9
"""The present shares meet the rules if they break none by more than this."""


class Judge(Protocol[P]):
    """Judges the points of one problem.

    scale  the largest gain at stake, USD over the horizon
    stay   the point of the present shares, held throughout
    """

    scale: float
    stay: P

    def at(self, schedule: FloatArray) -> P:
        """The point of a schedule (periods, protocols)."""

    def worth(self, point: P) -> float:
        """Objective, USD over the horizon."""

    def can_stay(self) -> bool:
        """True where the present shares meet every rule."""


@dataclass(frozen=True)
class Vertex:
    """A schedule (periods, protocols) and the full point (columns,) of the program it belongs to."""

    schedule: FloatArray
    values: FloatArray


class ByProgram:
    """Judges on the program: every column, every row."""

    def __init__(self, problem: AllocationProblem, program: LinearProgram) -> None:
        self.problem, self.program = problem, program
        self.scale = gain_scale(program)
        self.fee = problem.limits.plan_fee if problem.goal is None or counts_costs(problem) else 0.0
        self.stay = self.at(np.repeat(problem.arrays.current[None, :], problem.periods, axis=0))

    def at(self, schedule: FloatArray) -> Vertex:
        """The best full point with these shares."""
        return Vertex(schedule, complete(self.problem, self.program, schedule))

    def worth(self, point: Vertex) -> float:
        """Objective, USD over the horizon."""
        worth = self.program.objective(point.values)
        return worth - self.fee if self.fee > 0.0 and self._moves(point) else worth

    def with_plan_fee(self, proof: Certificate, point: Vertex) -> Certificate:
        """The certificate of a point whose plan pays `plan_fee`, which is no part of the program.

        No plan that moves is worth more than the program's bound less the fee; staying is worth what it is.
        """
        objective, bound = self.worth(point), proof.bound
        if bound is not None:
            bound = max(self.worth(self.stay), bound - self.fee) if self.can_stay() else bound - self.fee
        gap = None if bound is None else max(0.0, bound - objective) / proof.scale
        return replace(proof, objective=objective, bound=bound, gap=gap)

    def _moves(self, point: Vertex) -> bool:
        return bool((point.schedule != self.problem.arrays.current).any())

    def can_stay(self) -> bool:
        """True where the present shares meet every row and bound."""
        return worst_residual(self.program, self.stay.values)[0] <= STAYS
