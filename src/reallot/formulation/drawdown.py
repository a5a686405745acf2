"""Drawdown over the horizon as linear rows (Chekhlov, Uryasev and Zabarankin, 2005)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..problem import AllocationProblem, CDaR
from ..problem.arrays import FloatArray
from ..problem.objective import value
from ..program import Columns, LinearProgram, Rows, cells, diagonal
from ..program.blocks import Cells
from .goals import NO_COSTS
from .moves import moved_places
from .risk import scenario_gains, scenario_table, scenario_unit, tail_mean

PATH = "drawdown_path"
OWN = ("drawdown", "drawdown_level", "drawdown_beyond")


def drawdown_columns(
    problem: AllocationProblem, risk: CDaR, columns: Sequence[Columns], *, wide: bool = False
) -> tuple[list[Columns], list[Rows]]:
    """d[s,t] >= d[s,t-1] - net[s,t], and level + sum p[s] beyond[s,t] / ((1 - level of risk) P) <= max_drawdown.

    net[s,t] is what a scenario earns in a period less costs, d[s,-1] = 0, beyond[s,t] >= d[s,t] - level, all >= 0. The
    mean of the worst drawdowns is taken off the objective at its weight. Columns are in USD, or in a larger `unit_of`
    money.
    """
    periods, table = problem.periods, scenario_table(problem)
    scenarios = table.base.shape[0]
    count = scenarios * periods
    parts = _net(problem, columns, wide=wide)
    span = {block.name: np.maximum(np.abs(block.lower), np.abs(block.upper)) for block in columns}
    most = 1.0 + float(np.abs(table.base).sum())
    for name, part in parts.items():
        most += float((np.abs(part.value) * span[name][part.column]).sum())
    unit = scenario_unit(problem)
    most, weight = most / unit, risk.drawdown_weight * unit
    parts = {name: cells(part.row, part.column, part.value / unit) for name, part in parts.items()}
    own, zero = np.arange(count), np.zeros(count)
    later = own[own % periods > 0]
    parts["drawdown"] = cells(
        np.concatenate([own, later]), np.concatenate([own, later - 1]), np.repeat([1.0, -1.0], [count, later.size])
    )
    odds = np.ones(1) if problem.scenarios is None else np.asarray(problem.scenarios.probabilities)
    tail = np.repeat(odds, periods) / ((1.0 - risk.level) * periods)
    names = [f"scenario {s} {t}" for s in range(scenarios) for t in range(periods)]
    more = [
        Columns("drawdown", names, zero, zero, zero + most),
        Columns("drawdown_level", ("",), np.array([-weight]), np.zeros(1), np.array([most])),
        Columns("drawdown_beyond", names, -weight * tail, zero, zero + most),
    ]
    free = np.full(count, np.inf)
    beyond = {"drawdown": diagonal(-1.0, count), "drawdown_level": cells(own, 0, 1.0)}
    rows = [
        Rows(PATH, names, parts, -table.base.ravel() / unit, free),
        Rows("drawdown_tail", names, beyond | {"drawdown_beyond": diagonal(1.0, count)}, zero, free),
    ]
    if risk.max_drawdown is not None:
        mean = {"drawdown_level": cells(0, 0, 1.0), "drawdown_beyond": cells(own * 0, own, tail)}
        rows.append(Rows("max_drawdown", ("",), mean, np.array([-np.inf]), np.array([risk.max_drawdown]) / unit))
    return more, rows


def _net(problem: AllocationProblem, columns: Sequence[Columns], *, wide: bool) -> dict[str, Cells]:
    """What each column adds to a scenario's net of a period, in the row scenario * periods + period."""
    share, fill, _ = scenario_gains(problem)
    periods, scenarios = problem.periods, len(share)
    result = {}
    for name, gains in (("share", share), ("fill", fill)):
        where, who = np.nonzero(gains)
        if where.size:
            when = who // (gains.shape[1] // periods)
            result[name] = cells(where * periods + when, who, gains[where, who])
    for block in columns:
        places = np.flatnonzero(block.gain)
        if block.name in NO_COSTS or not places.size:
            continue
        when = places // (len(block.labels) // periods)
        if block.name == "moved":
            when = moved_places(problem, wide=wide)[places] // problem.arrays.size
        row = (np.arange(scenarios)[:, None] * periods + when).ravel()
        result[block.name] = cells(row, np.tile(places, scenarios), np.tile(block.gain[places], scenarios))
    return result


def drawdown_blocks(
    problem: AllocationProblem, program: LinearProgram, blocks: dict[str, FloatArray]
) -> dict[str, FloatArray]:
    """The drawdowns of a point whose other columns are `blocks`, and the level from which they count."""
    assert isinstance(problem.risk, CDaR)
    path = next(block for block in program.rows if block.name == PATH)
    net = -path.lower
    for name, part in path.cells.items():
        if name not in OWN:
            net = net + np.bincount(part.row, weights=part.value * blocks[name][part.column], minlength=net.size)
    drawdown = drawdowns(net.reshape(-1, problem.periods))
    level, beyond, _ = _tail(problem, problem.risk, drawdown)
    return {"drawdown": drawdown.ravel(), "drawdown_level": np.array([level]), "drawdown_beyond": beyond}


def drawdowns(net: FloatArray) -> FloatArray:
    """How far sums of (scenarios, periods) are below their largest so far: the same shape."""
    result, before = np.zeros_like(net), np.zeros(len(net))
    for t in range(net.shape[1]):
        result[:, t] = before = np.maximum(before - net[:, t], 0.0)
    return result


def mean_drawdown(problem: AllocationProblem, schedule: FloatArray) -> float:
    """The mean of the worst drawdowns of a schedule (periods, protocols), USD."""
    assert isinstance(problem.risk, CDaR)
    table, worth = scenario_table(problem), value(problem, schedule)
    earned = table.base + np.einsum("sti,ti->st", table.share, schedule)
    if table.fill.shape[2]:
        earned = earned + np.einsum("stk,tk->st", table.fill, problem.arrays.pieces.fill(schedule))  # type: ignore[union-attr]
    costs = worth.costs.sum(axis=1)
    tiers = problem.arrays.as_given.turnover_tiers
    if tiers is not None:
        change = np.diff(schedule, axis=0, prepend=problem.arrays.current[None, :])
        up, down = np.maximum(change, 0.0).sum(axis=1), np.maximum(-change, 0.0).sum(axis=1)
        costs = costs + tiers.cost(np.maximum(up, down))
    return _tail(problem, problem.risk, drawdowns(earned - costs))[2]


def _tail(problem: AllocationProblem, risk: CDaR, drawdown: FloatArray) -> tuple[float, FloatArray, float]:
    """The level from which drawdowns (scenarios, periods) count, what is beyond it, and the mean of those that do."""
    odds = np.ones(1) if problem.scenarios is None else np.asarray(problem.scenarios.probabilities)
    weights = np.repeat(odds, problem.periods) / problem.periods
    level, mean = tail_mean(-drawdown.ravel(), weights, risk.level)
    return -level, np.maximum(drawdown.ravel() + level, 0.0), -mean
