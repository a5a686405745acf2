"""Risk by the scenario: the worst of several sets of scenarios, and the chance that earnings fall below a floor."""

from __future__ import annotations

import numpy as np

from ..problem import AllocationProblem, ShortfallChance, WorstCase
from ..problem.arrays import FloatArray
from ..program import Columns, Rows, cells, diagonal
from ..program.blocks import Cells
from .moves import widest
from .risk import scenario_earnings, scenario_gains, scenario_unit

REACHED = 1e-9
"""Earnings below a floor by no more than this part of the larger of both reach it."""


def worst_case_columns(problem: AllocationProblem, risk: WorstCase) -> tuple[list[Columns], list[Rows]]:
    """worst <= sum over the scenarios of a set of odds * earnings, a row a set; gain = the weight of the worst.

    Both are in USD, or in a larger `unit_of` money.
    """
    share, fill, base = scenario_gains(problem)
    odds = set_odds(problem, risk)
    least, most = earnings_range(problem)
    room = float((most - least).max()) + 1.0
    one, unit = np.array([1.0]), scenario_unit(problem)
    low, high = (least.min() - room) / unit * one, (most.max() + room) / unit * one
    column = Columns("worst", ("",), risk.weight * unit * one, low, high)
    parts = _earned(odds @ share / unit, odds @ fill / unit) | {"worst": cells(np.arange(len(odds)), 0, -1.0)}
    return [column], [Rows("worst_case", tuple(risk.sets), parts, -(odds @ base) / unit, np.full(len(odds), np.inf))]


def chance_columns(
    problem: AllocationProblem, risk: ShortfallChance, *, wide: bool = False
) -> tuple[list[Columns], list[Rows]]:
    """earnings[s] + (floor - least earnings[s]) * below[s] >= floor, and sum of chance[s] * below[s] <= chance.

    below[s] in {0,1}; the least earnings are those that bounds leave possible, with `wide` whatever could become so.
    """
    share, fill, base = scenario_gains(problem)
    least, _ = earnings_range(problem, wide=wide)
    count, floor = base.size, risk.floor * problem.horizon_hours
    names = [f"scenario {s}" for s in range(count)]
    zero = np.zeros(count)
    columns = [Columns("below", names, zero, zero, zero + 1.0, integer=True)]
    unit = scenario_unit(problem)
    missing = np.maximum(floor - least, 0.0) / unit
    reach = _earned(share / unit, fill / unit) | {"below": diagonal(missing, count)}
    odds = np.asarray(problem.scenarios.probabilities)  # type: ignore[union-attr]
    total = {"below": cells(np.zeros(count), np.arange(count), odds)}
    return columns, [
        Rows("earnings_floor", names, reach, (floor - base) / unit, np.full(count, np.inf)),
        Rows("chance", ("",), total, np.array([-np.inf]), np.array([risk.chance])),
    ]


def set_odds(problem: AllocationProblem, risk: WorstCase) -> FloatArray:
    """Odds of each scenario within each set, (sets, scenarios); equal ones where a set has no probability."""
    chances = np.asarray(problem.scenarios.probabilities)  # type: ignore[union-attr]
    result = np.zeros((len(risk.sets), chances.size))
    for k, members in enumerate(risk.sets.values()):
        inside = list(members)
        total = float(chances[inside].sum())
        result[k, inside] = chances[inside] / total if total > 0.0 else 1.0 / len(inside)
    return result


def earnings_range(problem: AllocationProblem, *, wide: bool = False) -> tuple[FloatArray, FloatArray]:
    """The least and the most that each scenario could earn within the bounds of shares, (scenarios,), USD."""
    data = problem.arrays
    share, fill, base = scenario_gains(problem)
    upper = widest(data) if wide else np.minimum(data.upper, np.maximum(data.reach, data.current))
    lower = np.zeros_like(upper) if wide else data.lower
    ends = share * lower.ravel(), share * upper.ravel()
    least, most = base + np.minimum(*ends).sum(axis=1), base + np.maximum(*ends).sum(axis=1)
    if fill.shape[1]:
        widths = np.tile(np.concatenate([curve.widths for curve in data.curved]), data.periods)
        least = least + np.minimum(fill * widths, 0.0).sum(axis=1)
        most = most + np.maximum(fill * widths, 0.0).sum(axis=1)
    return least, most


def worst_case_blocks(problem: AllocationProblem, schedule: FloatArray, risk: WorstCase) -> dict[str, FloatArray]:
    """The worst set's earnings."""
    worst = (set_odds(problem, risk) @ scenario_earnings(problem, schedule)).min()
    return {"worst": np.array([worst]) / scenario_unit(problem)}


def chance_blocks(problem: AllocationProblem, schedule: FloatArray, risk: ShortfallChance) -> dict[str, FloatArray]:
    """Which scenarios earn less than the floor."""
    return {"below": is_below(problem, schedule, risk).astype(float)}


def is_below(problem: AllocationProblem, schedule: FloatArray, risk: ShortfallChance) -> FloatArray:
    """1 where a scenario (scenarios,) earns less than the floor, 0 elsewhere."""
    earned, floor = scenario_earnings(problem, schedule), risk.floor * problem.horizon_hours
    return np.asarray(earned < floor - REACHED * np.maximum(np.abs(earned), abs(floor)), dtype=float)


def _earned(share: FloatArray, fill: FloatArray) -> dict[str, Cells]:
    """Cells of earnings, a row for each row of the tables."""
    where, who = np.nonzero(share)
    parts = {"share": cells(where, who, share[where, who])}
    if fill.shape[1]:
        where, who = np.nonzero(fill)
        parts["fill"] = cells(where, who, fill[where, who])
    return parts
