"""Risk as rows: CVaR (Rockafellar and Uryasev, 2000) and a budget of uncertainty (Bertsimas and Sim, 2004)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..problem import AllocationProblem, CVaR, RateUncertainty, WorstCase
from ..problem.arrays import FloatArray, scenario_factors, scenario_rates
from ..program import Columns, Rows, cells, diagonal, unit_of
from .earnings import fill_starts


def expected_weight(problem: AllocationProblem) -> float:
    """Part of the objective that expected earnings have: 1 - the weight of CVaR, or of the worst case."""
    return 1.0 - problem.risk.weight if isinstance(problem.risk, (CVaR, WorstCase)) else 1.0


def risk_columns(problem: AllocationProblem) -> tuple[list[Columns], list[Rows]]:
    """The columns and rows of problem.risk; none where there is none."""
    if isinstance(problem.risk, CVaR) and problem.risk.weight > 0.0:
        return _cvar(problem, problem.risk)
    if isinstance(problem.risk, RateUncertainty) and deviations(problem).any():
        return _robust(problem, problem.risk)
    return [], []


def scenario_gains(problem: AllocationProblem) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Earnings of each scenario (USD over the horizon) per unit of the share and fill columns, and at zero.

    Shapes (scenarios, share columns), (scenarios, fill columns), (scenarios,).
    """
    table = scenario_table(problem)
    count = len(table.base)
    return table.share.reshape(count, -1), table.fill.reshape(count, -1), table.base.sum(axis=1)


class ScenarioTable(NamedTuple):
    """Earnings by scenario and period, USD: (scenarios, periods, protocols), (.., .., pieces), (scenarios, periods)."""

    share: FloatArray
    fill: FloatArray
    base: FloatArray


def scenario_table(problem: AllocationProblem) -> ScenarioTable:
    """The same by period."""
    data = problem.arrays
    count = problem.scenarios.count if problem.scenarios is not None else 1
    curved = {curve.index: curve for curve in data.curved}
    starts = fill_starts(problem)
    share = np.zeros((count, data.periods, data.size))
    fill = np.zeros((count, data.periods, starts[-1]))
    base = np.zeros((count, data.periods))
    for i in range(data.size):
        if i not in curved:
            share[:, :, i] = data.hours * scenario_rates(problem, i)
            continue
        factor = np.broadcast_to(scenario_factors(problem, i), (count, data.periods))
        pieces = slice(starts[i], starts[i] + curved[i].widths.size)
        fill[:, :, pieces] = data.hours * factor[:, :, None] * curved[i].nominal_slopes
        base += data.hours * factor * curved[i].nominal_base
    return ScenarioTable(share, fill, base)


def scenario_earnings(problem: AllocationProblem, schedule: FloatArray) -> FloatArray:
    """Earnings of each scenario under a schedule (periods, protocols): (scenarios,), USD over the horizon."""
    share, fill, base = scenario_gains(problem)
    result = base + share @ schedule.ravel()
    if fill.shape[1]:
        result = result + fill @ fills(problem, schedule)
    return result


def tail_mean(outcomes: FloatArray, chances: FloatArray, level: float) -> tuple[float, float]:
    """The outcome at which the worst part 1 - level of the probability ends, and the mean over that part."""
    order = np.argsort(outcomes, kind="stable")
    reached = np.cumsum(chances[order])
    place = min(int(np.searchsorted(reached, 1.0 - level - 1e-12)), order.size - 1)
    end = float(outcomes[order[place]])
    return end, end - float(np.maximum(end - outcomes, 0.0) @ chances) / (1.0 - level)


def fills(problem: AllocationProblem, schedule: FloatArray) -> FloatArray:
    """The fill block at a schedule: pieces filled in order, period by period."""
    bent = problem.arrays.pieces
    return np.empty(0) if bent is None else bent.fill(schedule).ravel()


def scenario_unit(problem: AllocationProblem) -> float:
    """The unit (USD) of columns and rows that hold earnings by scenario."""
    return unit_of(*scenario_gains(problem)[:2])


def deviations(problem: AllocationProblem) -> FloatArray:
    """USD over one period by which a full share of each protocol may fall short, (protocols,)."""
    assert isinstance(problem.risk, RateUncertainty)
    radius = problem.risk.radius
    per_hour = [radius.get(name, 0.0) if isinstance(radius, dict) else radius for name in problem.names]
    return problem.arrays.hours * np.array(per_hour, dtype=float)


def _cvar(problem: AllocationProblem, risk: CVaR) -> tuple[list[Columns], list[Rows]]:
    """CVaR = floor - sum of probability * shortfall / (1 - level), with shortfall[s] >= floor - earnings[s].

    Floor and shortfalls are in USD, or in a larger `unit_of` money.
    """
    data = problem.arrays
    share, fill, base = scenario_gains(problem)
    low, high = _range(share, data.lower.ravel(), data.upper.ravel())
    if fill.shape[1]:
        widths = np.tile(np.concatenate([curve.widths for curve in data.curved]), data.periods)
        fill_low, fill_high = _range(fill, np.zeros(widths.size), widths)
        low, high = low + fill_low, high + fill_high
    # wider by one unit of every share: the bounds of the floor never bind, and so never have a price
    room = float(np.abs(share).sum(axis=1).max(initial=0.0) + np.abs(fill).sum(axis=1).max(initial=0.0))
    least, most = float((base + low).min()) - room, float((base + high).max()) + room
    unit = unit_of(share, fill)
    share, fill, base, least, most = share / unit, fill / unit, base / unit, least / unit, most / unit
    count = base.size
    tail = np.asarray(problem.scenarios.probabilities) / (1.0 - risk.level)  # type: ignore[union-attr]
    names = [f"scenario {s}" for s in range(count)]
    columns = [
        Columns("floor", ("",), np.array([risk.weight * unit]), np.array([least]), np.array([most])),
        Columns("shortfall", names, -risk.weight * unit * tail, np.zeros(count), np.full(count, most - least)),
    ]
    where, who = np.nonzero(share)
    parts = {"share": cells(where, who, share[where, who])}
    if fill.shape[1]:
        where, who = np.nonzero(fill)
        parts["fill"] = cells(where, who, fill[where, who])
    parts |= {"floor": cells(np.arange(count), 0, -1.0), "shortfall": diagonal(1.0, count)}
    return columns, [Rows("tail", names, parts, -base, np.full(count, np.inf))]


def _range(gains: FloatArray, lower: FloatArray, upper: FloatArray) -> tuple[FloatArray, FloatArray]:
    return np.minimum(gains * lower, gains * upper).sum(axis=1), np.maximum(gains * lower, gains * upper).sum(axis=1)


def _robust(problem: AllocationProblem, risk: RateUncertainty) -> tuple[list[Columns], list[Rows]]:
    """The worst case's dual: lose budget * common + sum of own, with common + own[i] >= deviation of i.

    They are in USD, or in a larger `unit_of` money.
    """
    data, radius = problem.arrays, deviations(problem)
    unit = unit_of(radius)
    radius = radius / unit
    # one unit of every share more than there can be: these bounds never bind, and so never have a price
    worst = radius * (np.maximum(data.upper, data.current) + 1.0).sum(axis=0)
    count, one = data.size, np.array([1.0])
    columns = [
        Columns("common", ("",), -risk.budget * unit * one, 0.0 * one, worst.max() * one),
        Columns("own", problem.names, np.full(count, -unit), np.zeros(count), worst),
    ]
    places = np.arange(data.periods * count)
    parts = {
        "share": cells(places % count, places, -radius[places % count]),
        "common": cells(np.arange(count), 0, 1.0),
        "own": diagonal(1.0, count),
    }
    return columns, [Rows("deviation", problem.names, parts, np.zeros(count), np.full(count, np.inf))]
