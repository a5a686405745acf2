"""Goals as rows and gains: enough earnings, the least movement, a wanted split; and shares near to a split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..problem import AllocationProblem, Closest, Goal
from ..problem.arrays import FloatArray, IntArray
from ..problem.effective import widened
from ..problem.goal import least_earnings
from ..problem.objective import value
from ..program import Columns, LinearProgram, Rows, cells, diagonal, unit_of
from .moves import labels, per_period, periods, widest

NO_COSTS = (
    *("share", "fill", "floor", "shortfall", "common", "own", "worst"),
    *("drawdown", "drawdown_level", "drawdown_beyond"),
)
"""Column blocks whose gains are earnings or risk; those of all others are costs."""


def near_rows(problem: AllocationProblem) -> tuple[list[Columns], list[Rows]]:
    """away[t,i] >= |share[t,i] - wanted[i]| and sum over i of away <= within; none where no split is to be near."""
    near = problem.limits.near
    if near is None:
        return [], []
    columns, rows = _differences(problem, "away", near.shares)
    places = _places(problem, near.shares)
    present = float(np.abs(problem.arrays.current[places] - list(near.shares.values())).sum())
    count = problem.periods
    total = cells(np.repeat(np.arange(count), places.size), np.arange(count * places.size), 1.0)
    most = np.full(count, float(widened(near.within, present)))
    return [columns], [*rows, Rows("near", periods(problem), {"away": total}, np.full(count, -np.inf), most)]


def goal_rows(problem: AllocationProblem) -> tuple[list[Columns], list[Rows]]:
    """What goals count, as columns, and sum of earnings >= at_least.

    turnover[t] >= sum of increases and >= sum of decreases; off[t,i] >= |share[t,i] - wanted[i]|.
    """
    columns: list[Columns] = []
    rows = _enough(problem)
    if any(isinstance(goal, Goal) and goal.minimise == "turnover" for goal in problem.goals):
        data, count = problem.arrays, problem.periods
        zero, most = np.zeros(count), np.full(count, float(widest(data).sum()))
        columns.append(Columns("turnover", range(count), zero, zero, most))
        for name in ("increase", "decrease"):
            parts = {name: cells(*per_period(data)), "turnover": diagonal(-1.0, count)}
            rows.append(Rows(f"turnover_{name}", periods(problem), parts, np.full(count, -np.inf), zero))
    for k, goal in enumerate(problem.goals):
        if isinstance(goal, Closest):
            block, both = _differences(problem, f"off {k}", goal.shares)
            columns.append(block)
            rows += both
    return columns, rows


def towards_goal(problem: AllocationProblem, program: LinearProgram) -> LinearProgram:
    """`program` with the gains of the goal whose turn it is, and a row for each goal before it that is kept."""
    kept = []
    for k, least in enumerate(problem.kept or ()):
        gains = _gains(problem, program, k)
        unit = unit_of(*gains.values())
        parts = {
            name: cells(np.zeros(places.size), places, gain[places] / unit)
            for name, gain in gains.items()
            if (places := np.flatnonzero(gain)).size
        }
        kept.append(Rows(f"kept {k}", ("",), parts, np.array([least]) / unit, np.array([np.inf])))
    gains = _gains(problem, program, len(problem.kept or ()))
    columns = [replace(block, gain=gains.get(block.name, np.zeros(len(block.labels)))) for block in program.columns]
    return LinearProgram(tuple(columns), (*program.rows, *kept), 0.0)


def goal_blocks(problem: AllocationProblem, schedule: FloatArray) -> dict[str, FloatArray]:
    """The columns of goals and of nearness at a schedule (periods, protocols)."""
    result = {}
    if problem.goal is not None:
        change = np.diff(schedule, axis=0, prepend=problem.arrays.current[None, :])
        up, down = np.maximum(change, 0.0).sum(axis=1), np.maximum(-change, 0.0).sum(axis=1)
        result["turnover"] = np.maximum(up, down)
        for k, goal in enumerate(problem.goals):
            if isinstance(goal, Closest):
                result[f"off {k}"] = _away(problem, schedule, goal.shares)
    if problem.limits.near is not None:
        result["away"] = _away(problem, schedule, problem.limits.near.shares)
    return result


def counts_costs(problem: AllocationProblem) -> bool:
    """True where costs count in what is decided now: always, but for a goal that counts something else."""
    return problem.goal is None or are_costs(problem.goals[len(problem.kept or ())])


def are_costs(goal: Goal | Closest) -> bool:
    """True where a goal counts costs."""
    return isinstance(goal, Goal) and goal.minimise == "cost"


def _gains(problem: AllocationProblem, program: LinearProgram, k: int) -> dict[str, FloatArray]:
    """Gain by column block of the goal number k, in the unit of what it minimises."""
    goal = problem.goals[k]
    sizes = {block.name: block for block in program.columns}
    if isinstance(goal, Closest):
        return {f"off {k}": -np.ones(len(sizes[f"off {k}"].labels))}
    if goal.minimise == "turnover":
        return {"turnover": -np.ones(problem.periods)}
    if goal.minimise == "moves":
        return {"moved": -np.ones(len(sizes["moved"].labels))} if "moved" in sizes else {}
    return {name: block.gain for name, block in sizes.items() if name not in NO_COSTS}


def _enough(problem: AllocationProblem) -> list[Rows]:
    """sum over t of (sum of rate * share + base + sum of slope * fill) / periods >= at_least, USD/h."""
    least = least_earnings(problem.goals)
    if least is None:
        return []
    data, count = problem.arrays, problem.periods
    earned = value(problem, data.staying).earnings_per_hour
    least = float(widened(least, earned, is_floor=True))
    unit = goal_unit(problem)
    rate = data.rate.ravel() / count / unit
    parts = {"share": cells(np.zeros(rate.size), np.arange(rate.size), rate)}
    if data.pieces is not None:
        slope = data.pieces.slopes.ravel() / count / unit
        parts["fill"] = cells(np.zeros(slope.size), np.arange(slope.size), slope)
        least = least - sum(float(curve.base.sum()) for curve in data.curved) / count
    return [Rows("goal", ("",), parts, np.array([least]) / unit, np.array([np.inf]))]


def goal_unit(problem: AllocationProblem) -> float:
    """The unit (USD/h) of the row of least earnings."""
    data = problem.arrays
    return unit_of(data.rate, *([] if data.pieces is None else [data.pieces.slopes]))


def _places(problem: AllocationProblem, shares: Mapping[str, float]) -> IntArray:
    return np.array([problem.table.place[name] for name in shares], dtype=np.intp)


def _away(problem: AllocationProblem, schedule: FloatArray, shares: Mapping[str, float]) -> FloatArray:
    result: FloatArray = np.abs(schedule[:, _places(problem, shares)] - list(shares.values())).ravel()
    return result


def _differences(problem: AllocationProblem, name: str, shares: Mapping[str, float]) -> tuple[Columns, list[Rows]]:
    """A column for each wanted share and period, at least as large as the difference either way."""
    places, data = _places(problem, shares), problem.arrays
    grid = (np.arange(problem.periods)[:, None] * data.size + places).ravel()
    target = np.tile(np.array(list(shares.values())), problem.periods)
    count, names = grid.size, labels(problem, grid)
    most = widest(data).ravel()[grid] + target
    zero, free = np.zeros(count), np.full(count, np.inf)
    share, own = cells(np.arange(count), grid, 1.0), diagonal(1.0, count)
    less = {"share": share, name: own}
    more = {"share": share, name: diagonal(-1.0, count)}
    return Columns(name, names, zero, zero, most), [
        Rows(f"{name} below", names, less, target, free),
        Rows(f"{name} above", names, more, -free, target),
    ]
