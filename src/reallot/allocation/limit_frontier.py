"""What every value of one limit would earn: its corners, exactly, from one program with the limit as a column.

The worth of the best plan is concave and piecewise linear in the limit. Between two corners that are known, the plan
that is worth most less the slope between them is a corner too, or the line between them is straight.

Source: Eisner and Severance, Mathematical techniques for efficient record segmentation (1976).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidInput, near_miss
from ..formulation import complete, formulate, rules
from ..problem import AllocationProblem
from ..problem.arrays import FloatArray
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

    problem = replace(problem, goal=None)
    kind, _, subject = limit.partition(" ")
    if limit in OF_ALL:
        traced = _change(problem, limit)
    elif kind in NAMED and subject in _known(problem)[kind]:
        traced = {"resource": _resource, "group": _group, "max_share": _max_share}[kind](problem, subject)
    else:
        names = [*OF_ALL, *(f"{key} {name}" for key in NAMED for name in _known(problem)[key])]
        raise InvalidInput(f"there is no limit {limit!r} to trace; {near_miss(limit, names)}")
    if traced.program.is_mixed_integer or problem.limits.plan_fee > 0.0:
        raise InvalidInput(
            f"the frontier of {limit} needs a linear program, and this problem has whole numbers or plan_fee: "
            f"what_if(plan, {{{limit!r}: [...]}}) decides single values"
        )
    corners = _Corners(problem, traced).found()
    where, worth = (np.array(column) + 0.0 for column in zip(*corners, strict=True))
    program = formulate(problem)
    stays = program.objective(complete(problem, program, problem.arrays.staying))
    price = np.append(np.diff(worth) / np.diff(where), 0.0) / problem.horizon_hours
    return pd.DataFrame({limit: traced.least + where, "net_benefit": worth - stays, "price": np.maximum(price, 0.0)})


@dataclass(frozen=True)
class _Traced:
    """A program with one limit at the `least` that it can be, what one unit more changes, and how many help at most.

    bounds  (columns,) that hold whatever the limit is
    """

    program: LinearProgram
    loosening: Loosening
    most: float
    bounds: FloatArray
    least: float = 0.0


def _known(problem: AllocationProblem) -> dict[str, list[str]]:
    groups = [group.name for group in problem.limits.groups if group.max_share is not None]
    return {"resource": list(problem.resources), "group": groups, "max_share": list(problem.names)}


def _change(problem: AllocationProblem, limit: str) -> _Traced:
    """A limit of changes: its columns are those that it binds at 0, and other limits bound them as it rises."""

    def limited(value: float | None) -> AllocationProblem:
        return replace(problem, limits=replace(problem.limits, **{limit: value}))  # type: ignore[arg-type]

    at_zero, kind = limited(0.0), limit.replace("max_turn", "turn")
    program, unlimited = formulate(at_zero, wide=True), formulate(limited(None), wide=True)
    most = float(unlimited.upper[unlimited.column_slices["increase"]].sum())
    most += float(unlimited.upper[unlimited.column_slices["decrease"]].sum())
    table = [rule.loosening for rule in rules(at_zero, program) if rule.kind == kind]
    if limit == "max_turnover" or not table:
        return _Traced(program, table[0] if table else Loosening(kind), most, unlimited.upper)
    sides = [each.column_upper for each in table]
    joined = (np.concatenate([places for places, _ in sides]), np.concatenate([steps for _, steps in sides]))
    return _Traced(program, Loosening(kind, column_upper=joined), most, unlimited.upper)


def _resource(problem: AllocationProblem, key: str) -> _Traced:
    data, most = problem.arrays, 0.0
    for i, uses in problem.table.uses.items():
        use, own = uses.get(key, 0.0), problem.specs[i].max_share
        others = [_most(problem.resources[name]) / each for name, each in uses.items() if name != key and each > 0.0]
        bounds = [_most(bound) for bound in (own, data.total, *others) if bound is not None]
        if use > 0.0 and not bounds:
            raise InvalidInput(
                f"resource {key} alone bounds {problem.names[i]}, so that more of it always helps and the frontier has "
                f"no end: give {problem.names[i]} a max_share, or the problem a capacity"
            )
        most += use * max(min(bounds, default=0.0), float(data.current[i]))
    wide = replace(problem, resources={**problem.resources, key: most})
    return _lowered(wide, "resource", key, most, 0.0)


def _most(limit: Any) -> float:
    """The largest value of a limit that may differ by period."""
    return float(np.max(limit))


def _group(problem: AllocationProblem, name: str) -> _Traced:
    members = next(group.members for group in problem.limits.groups if group.name == name)
    most = float(problem.arrays.upper[:, [problem.table.place[member] for member in members]].sum(axis=1).max())
    groups = [replace(each, max_share=most) if each.name == name else each for each in problem.limits.groups]
    least = next(group.min_share or 0.0 for group in groups if group.name == name)
    wide = replace(problem, limits=replace(problem.limits, groups=tuple(groups)))
    return _lowered(wide, "group", name, most, least)


def _max_share(problem: AllocationProblem, name: str) -> _Traced:
    def capped(value: float | None) -> AllocationProblem:
        specs = [replace(spec, max_share=value) if spec.name == name else spec for spec in problem.specs]
        return replace(problem, protocols=specs)

    i = problem.table.place[name]
    if problem.table.varying.get(i, {}).keys() & {"max_share", "min_share"}:
        raise InvalidInput(f"the bounds of {name} differ by period; give one max_share to trace it")
    most = float(capped(None).arrays.upper[:, i].max())
    return _lowered(capped(most), "max_share", name, most, problem.specs[i].min_share)


def _lowered(wide: AllocationProblem, kind: str, subject: str, most: float, least: float) -> _Traced:
    """The program of `wide`, whose limit is `most`, with that limit at `least`."""
    program = formulate(wide, wide=True)
    table = (rule for rule in rules(wide, program) if (rule.kind, rule.subject) == (kind, subject))
    loosening = next(table).loosening
    upper, row_upper = program.upper.copy(), program.row_upper.copy()
    upper[loosening.column_upper[0]] = least
    row_upper[loosening.row_upper[0]] = least
    at_least = program.with_numbers(upper=upper, row_upper=row_upper)
    return _Traced(at_least, loosening, max(most - least, 0.0), program.upper, least)


class _Corners:
    """The program with one column more, by how much the limit is above its least."""

    def __init__(self, problem: AllocationProblem, traced: _Traced) -> None:
        loosening, program, self.most = traced.loosening, traced.program, traced.most
        self.problem, self.program = problem, elastic(program, [loosening], self.most)
        # where the limit is loosened, others go on to bind
        bounds = self.program.upper.copy()
        where = loosening.column_upper[0]
        bounds[where] = np.minimum(bounds[where], traced.bounds[where])
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
