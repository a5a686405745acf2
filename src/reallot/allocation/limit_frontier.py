"""What every value of one limit would earn: its corners, exactly, from one program with the limit as a column.

The worth of the best plan is concave and piecewise linear in the limit. Between two corners that are known, the plan
that is worth most less the slope between them is a corner too, or the line between them is straight.

Source: Eisner and Severance, Mathematical techniques for efficient record segmentation (1976).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InvalidInput, near_miss
from ..formulation import Rule, complete, formulate, rules
from ..problem import AllocationProblem
from ..problem.arrays import FloatArray
from ..problem.per_period import values_of
from ..program import LinearProgram, Status
from ..program.certificate import gain_scale
from ..program.elastic import Loosening, elastic
from ..solvers.programs.highs import HighsModel
from .allocate import why_infeasible

if TYPE_CHECKING:
    import pandas as pd

OF_ALL = ("max_change", "max_increase", "max_decrease", "max_turnover")
NAMED = ("resource", "group", "max_share")
STRAIGHT = 1e-9
"""A corner that is above the line by less than this part of the money at stake is none."""


def limit_frontier(problem: AllocationProblem, limit: str) -> pd.DataFrame:
    """The corners of one limit: columns `limit`'s name, `net_benefit` (USD) and `price` (USD/h for a little more)."""
    import pandas as pd

    at_zero, kind, subject = _at_zero(problem, limit)
    program = formulate(at_zero, wide=True)
    if program.is_mixed_integer or problem.limits.plan_fee > 0.0:
        raise InvalidInput(
            f"the frontier of {limit} needs a linear program, and this problem has whole numbers or plan_fee: "
            f"what_if(plan, {{{limit!r}: [...]}}) decides single values"
        )
    unlimited = formulate(_without(problem, kind, subject), wide=True)
    corners = _Corners(problem, program, unlimited, _loosening(at_zero, program, kind, subject)).found()
    where, worth = (np.array(column) + 0.0 for column in zip(*corners, strict=True))
    stays = formulate(problem).objective(complete(problem, formulate(problem), problem.arrays.staying))
    price = np.append(np.diff(worth) / np.diff(where), 0.0) / problem.horizon_hours
    return pd.DataFrame({limit: where, "net_benefit": worth - stays, "price": np.maximum(price, 0.0)})


def _at_zero(problem: AllocationProblem, limit: str) -> tuple[AllocationProblem, str, str]:
    """The problem with the limit at 0, the kind of its rule and whose it is."""
    kind, _, subject = limit.partition(" ")
    if limit in OF_ALL:
        limits = replace(problem.limits, **{limit: 0.0})  # type: ignore[arg-type]
        return replace(problem, limits=limits), limit.replace("max_turn", "turn"), ""
    known = {
        "resource": list(problem.resources),
        "group": [group.name for group in problem.limits.groups if group.max_share is not None],
        "max_share": list(problem.names),
    }
    if kind not in NAMED or subject not in known[kind]:
        names = [*OF_ALL, *(f"{key} {name}" for key in NAMED for name in known[key])]
        raise InvalidInput(f"there is no limit {limit!r} to trace; {near_miss(limit, names)}")
    if kind == "resource":
        return replace(problem, resources={**problem.resources, subject: 0.0}), kind, subject
    if kind == "group":
        groups = [replace(group, max_share=0.0) if group.name == subject else group for group in problem.limits.groups]
        return replace(problem, limits=replace(problem.limits, groups=tuple(groups))), kind, subject
    if problem.table.varying.get(problem.table.place[subject], {}).keys() & {"max_share", "min_share"}:
        raise InvalidInput(f"the bounds of {subject} differ by period; give one max_share to trace it")
    specs = [replace(spec, max_share=spec.min_share) if spec.name == subject else spec for spec in problem.specs]
    return replace(problem, protocols=specs), kind, subject


def _without(problem: AllocationProblem, kind: str, subject: str) -> AllocationProblem:
    """The problem without the limit, where it bounds columns."""
    if kind == "max_share":
        specs = [replace(spec, max_share=None) if spec.name == subject else spec for spec in problem.specs]
        return replace(problem, protocols=specs)
    if kind in OF_ALL:
        return replace(problem, limits=replace(problem.limits, **{kind: None}))  # type: ignore[arg-type]
    return problem


def _loosening(problem: AllocationProblem, program: LinearProgram, kind: str, subject: str) -> Loosening:
    table: list[Rule] = [rule for rule in rules(problem, program) if rule.kind == kind]
    if subject:
        return next(rule.loosening for rule in table if rule.subject == subject)
    if kind == "turnover":
        return table[0].loosening
    sides = [rule.loosening.column_upper for rule in table]
    joined = (np.concatenate([places for places, _ in sides]), np.concatenate([steps for _, steps in sides]))
    return Loosening(kind, column_upper=joined)


class _Corners:
    """The program with one column more, by how much the limit is above 0."""

    def __init__(
        self, problem: AllocationProblem, program: LinearProgram, unlimited: LinearProgram, loosening: Loosening
    ) -> None:
        data = problem.arrays
        largest = float(np.maximum(data.upper, data.current).max()) + float(data.current.sum())
        self.most = max(largest, *(each for limit in problem.resources.values() for each in values_of(limit)), 0.0)
        self.program, self.problem = elastic(program, [loosening], self.most), problem
        # where the limit is loosened, others go on to bind
        bounds = self.program.upper.copy()
        where = loosening.column_upper[0]
        bounds[where] = np.minimum(bounds[where], unlimited.upper[where])
        self.program = self.program.with_numbers(upper=bounds)
        self.gain, self.offset = program.gain, program.offset
        self.near = STRAIGHT * max(gain_scale(program), 1e-12)
        self.place = self.program.column_slices["loosened"].start

    def found(self) -> list[tuple[float, float]]:
        """(limit, worth) of each corner, from the least that is enough to the last that helps."""
        least = self._best(None)
        if least is None:
            raise why_infeasible(self.problem)
        start, end = self._at(least[0]), self._at(self.most)
        corners = [start, *self._between(start, end), end]
        last = next(k for k, (_, worth) in enumerate(corners) if worth >= end[1] - self.near)
        return corners[: last + 1]

    def _between(self, low: tuple[float, float], high: tuple[float, float]) -> list[tuple[float, float]]:
        """The corners between two points, in order."""
        if high[0] - low[0] <= 1e-12:
            return []
        slope = (high[1] - low[1]) / (high[0] - low[0])
        found = self._best(slope)
        assert found is not None
        where, worth = found
        if worth - slope * where <= low[1] - slope * low[0] + self.near:
            return []
        return [*self._between(low, found), found, *self._between(found, high)]

    def _at(self, where: float) -> tuple[float, float]:
        """The point of one value of the limit."""
        upper, lower = self.program.upper.copy(), self.program.lower.copy()
        upper[self.place] = lower[self.place] = where
        found = self._solved(self._with(0.0).with_numbers(lower=lower, upper=upper))
        assert found is not None
        return where, found[1]

    def _best(self, slope: float | None) -> tuple[float, float] | None:
        """The limit and worth that are best less `slope` a unit, or the least limit; None where nothing is feasible."""
        return self._solved(self.program if slope is None else self._with(slope))

    def _with(self, slope: float) -> LinearProgram:
        gain: FloatArray = np.append(self.gain, -slope)
        return self.program.with_numbers(gain=gain)

    def _solved(self, program: LinearProgram) -> tuple[float, float] | None:
        solution = HighsModel(program).solve()
        if solution.status is not Status.OPTIMAL or solution.values is None:
            return None
        values = solution.values
        return float(values[self.place]), self.offset + float(self.gain @ values[: self.gain.size])
