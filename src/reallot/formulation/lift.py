"""From shares back to a full point of the program, and from a point to shares: each block's value at a schedule."""

from __future__ import annotations

import numpy as np

from ..problem import AllocationProblem, CDaR, CVaR, RateUncertainty, ShortfallChance, WorstCase
from ..problem.arrays import BoolArray, FloatArray, ProblemArrays
from ..problem.effective import PRESENT
from ..problem.segments import Curved
from ..program import LinearProgram, unit_of
from .concentration import largest_blocks
from .cost_tiers import tier_blocks
from .drawdown import drawdown_blocks
from .earnings import fill_starts, needs_order
from .goals import goal_blocks
from .integer_rules import counted, entering, grid_places, has_choices, odd, rounding, stepped
from .moves import counts_moves, moved_places
from .risk import deviations, fills, scenario_earnings, scenario_unit, tail_mean
from .scenario_sets import chance_blocks, worst_case_blocks

SMALL = 1e-11
"""A change below this is none when prices are laid out: wider than what the exact path leaves of rounding."""


def complete(problem: AllocationProblem, program: LinearProgram, schedule: FloatArray) -> FloatArray:
    """The best full point of `program` (columns,) whose shares are `schedule`, shape (periods, protocols).

    Every other column follows from the shares: pieces are filled in order, choices are what the change makes them.
    """
    blocks = _blocks(problem, schedule)
    if isinstance(problem.risk, CDaR):
        blocks |= drawdown_blocks(problem, program, blocks)
    return np.concatenate([blocks[block.name] for block in program.columns])


def schedule_of(
    problem: AllocationProblem, program: LinearProgram, values: FloatArray, near: float = 1e-10
) -> FloatArray:
    """The shares (periods, protocols) of a point of the program, snapped to bounds, units and the present share.

    A share within `near` of where it stood, or of a bound, is that, and units are whole: solvers leave dust there.
    """
    data = problem.arrays
    schedule = values[program.column_slices["share"]].reshape(data.periods, data.size).copy()
    still = _still(problem, program, values)
    unused, unmoved = _ruled_out(problem, program, values, still)
    units = np.where(stepped(data), data.step, 1.0)
    before = data.current
    for t in range(data.periods):
        row = schedule[t]
        row = np.where(stepped(data), np.round(row / units) * units, row)
        row = np.where(stepped(data) & (np.abs(row - before) <= rounding(data)), before, row)
        row = np.where(still[t], data.current, row)
        for target in (data.upper[t], data.lower[t], before):
            row = np.where(np.abs(row - target) < near, target, row)
        row = np.where(unmoved[t], before, np.where(unused[t], 0.0, row))
        schedule[t] = before = row + 0.0
    return schedule


def _still(problem: AllocationProblem, program: LinearProgram, values: FloatArray) -> BoolArray:
    """(periods, protocols) True where the choices say that the share is the odd one it started with."""
    result = np.zeros((problem.periods, problem.arrays.size), dtype=bool)
    if "still" in program.column_slices:
        places = grid_places(problem.arrays, odd(problem.arrays))
        result.flat[places] = values[program.column_slices["still"]] > 0.5
    return result


def _ruled_out(
    problem: AllocationProblem, program: LinearProgram, values: FloatArray, still: BoolArray
) -> tuple[BoolArray, BoolArray]:
    """(periods, protocols) True where the choices say unused, and not moved: what share is left there is dust."""
    data = problem.arrays
    result = []
    unable = np.tile(counts_moves(problem), data.periods)  # but for the places that may move
    for block, places in (("used", grid_places(data, counted(problem))), ("moved", moved_places(problem))):
        off = unable if block == "moved" else np.zeros(data.periods * data.size, dtype=bool)
        if block in program.column_slices:
            off[places] = values[program.column_slices[block]] < 0.5
        if block == "used":
            off &= ~still.ravel()
        result.append(off.reshape(data.periods, data.size))
    return result[0], result[1]


def _blocks(problem: AllocationProblem, schedule: FloatArray) -> dict[str, FloatArray]:
    data = problem.arrays
    before = np.vstack([data.current, schedule[:-1]])
    change = schedule - before
    result = {
        "share": schedule.ravel(),
        "increase": np.maximum(change, 0.0).ravel(),
        "decrease": np.maximum(-change, 0.0).ravel(),
    }
    places = moved_places(problem)
    if places.size:
        result["moved"] = (change != 0.0).ravel()[places].astype(float)
        result["raised"] = (change > 0.0).ravel()[places].astype(float)
    if data.curved:
        result |= _curve_blocks(problem, schedule)
    if has_choices(problem):
        used, units, still = counted(problem), stepped(data), odd(data)
        stays = np.logical_and.accumulate(schedule == data.current, axis=0) & still
        active = schedule > PRESENT  # what is no more is none
        result["still"] = stays.ravel()[grid_places(data, still)].astype(float)
        result["used"] = (active & ~stays).ravel()[grid_places(data, used)].astype(float)
        whole = np.round(schedule / np.where(units, data.step, 1.0)) * ~stays
        result["units"] = whole.ravel()[grid_places(data, units)]
        turned = np.diff(np.vstack([data.current > PRESENT, active | stays]).astype(float), axis=0).ravel()
        places = grid_places(data, entering(data))
        result["enter"], result["leave"] = np.maximum(turned, 0.0)[places], np.maximum(-turned, 0.0)[places]
    if data.tiers is not None or data.turnover_tiers is not None:
        result |= tier_blocks(problem, change)
    if problem.goal is not None or problem.limits.near is not None:
        result |= goal_blocks(problem, schedule)
    if isinstance(problem.risk, CVaR) and problem.risk.weight > 0.0:
        result |= _cvar_blocks(problem, schedule, problem.risk)
    if isinstance(problem.risk, WorstCase) and problem.risk.weight > 0.0:
        result |= worst_case_blocks(problem, schedule, problem.risk)
    if isinstance(problem.risk, ShortfallChance):
        result |= chance_blocks(problem, schedule, problem.risk)
    if problem.limits.largest is not None:
        result |= largest_blocks(problem, schedule)
    if isinstance(problem.risk, RateUncertainty):
        result |= _robust_blocks(problem, schedule, problem.risk)
    return result


def _curve_blocks(problem: AllocationProblem, schedule: FloatArray) -> dict[str, FloatArray]:
    data, starts = problem.arrays, fill_starts(problem)
    fill = fills(problem, schedule)
    grid = fill.reshape(data.periods, starts[-1])
    full, rise = [], []
    for curve in data.curved:
        pieces = grid[:, starts[curve.index] : starts[curve.index] + curve.widths.size]
        if needs_order(problem, curve):
            full.append((pieces >= curve.widths)[:, :-1].astype(float))
        if data.warm_up[curve.index] > 0.0:
            before = np.vstack([curve.fill(data.current[[curve.index]]), pieces[:-1]])
            rise.append(np.maximum(pieces - before, 0.0))
    result = {"fill": fill}
    if full:
        result["full"] = np.concatenate(full, axis=1).ravel()
    if rise:
        result["rise"] = np.concatenate(rise, axis=1).ravel()
    return result


def _cvar_blocks(problem: AllocationProblem, schedule: FloatArray, risk: CVaR) -> dict[str, FloatArray]:
    """floor is the value at risk: the earnings below which 1 - level of the probability lies."""
    earnings = scenario_earnings(problem, schedule)
    floor, _ = tail_mean(earnings, np.asarray(problem.scenarios.probabilities), risk.level)  # type: ignore[union-attr]
    unit = scenario_unit(problem)
    return {"floor": np.array([floor]) / unit, "shortfall": np.maximum(floor - earnings, 0.0) / unit}


def _robust_blocks(problem: AllocationProblem, schedule: FloatArray, risk: RateUncertainty) -> dict[str, FloatArray]:
    """common is the deviation of the first protocol that the budget does not reach in full."""
    radius = deviations(problem)
    deviation = radius / unit_of(radius) * schedule.sum(axis=0)
    falling = np.sort(deviation)[::-1]
    whole = int(risk.budget)
    common = falling[whole] if whole < falling.size else 0.0
    return {"common": np.array([common]), "own": np.maximum(deviation - common, 0.0)}


def complete_prices(
    problem: AllocationProblem,
    program: LinearProgram,
    schedule: FloatArray,
    capacity: float,
    bought: float,
    sold: float,
) -> FloatArray:
    """All row prices (rows,) of a one-period program without integers, from the prices of its shared rows.

    The price of a movement row lies where increase and decrease allow it; a curve row's is its marginal earnings.
    """
    data = problem.arrays
    shares, current = schedule[0], data.current
    lost = data.warm_up * np.maximum(data.rate[0], 0.0)
    take, give = data.cost_in + lost + bought, -data.cost_out - sold
    up, down = (np.where(data.held[0], 0.0, cap[0]) for cap in (data.up, data.down))
    change = shares - current
    take_last = take_next = take
    give_last = give_next = give
    if data.tiers is not None:
        into, out = data.tiers.marginals(change, 1.0, SMALL), data.tiers.marginals(change, -1.0, SMALL)
        take_next, take_last, give_next, give_last = take + into[0], take + into[1], give - out[0], give - out[1]
    low = np.where(change > SMALL, take_last, np.where(change < -SMALL, give_next, give))
    high = np.where(change < -SMALL, give_last, np.where(change > SMALL, take_next, take))
    low = np.where(((down <= SMALL) & (change <= SMALL)) | ((change < 0.0) & (change <= -down + SMALL)), -np.inf, low)
    high = np.where(((up <= SMALL) & (change >= -SMALL)) | ((change > 0.0) & (change >= up - SMALL)), np.inf, high)
    right, left = data.hours * data.rate[0], data.hours * data.rate[0]
    right, left = right.copy(), left.copy()
    for curve in data.curved:
        right[curve.index], left[curve.index] = _curve_marginals(problem, curve, shares[curve.index])
    movement = np.minimum(np.maximum(low, right - capacity), high)
    marginal = np.clip(capacity + movement, right, left)
    prices = {"movement": movement, "budget": np.array([capacity])}
    if data.tiers is not None:
        prices["tier"] = _tier_prices(data, change, movement - take, give - movement)
    if data.turnover_tiers is not None:
        turnover = max(float(np.maximum(change, 0.0).sum()), float(np.maximum(-change, 0.0).sum()))
        reached = np.where(data.turnover_tiers.start <= turnover + SMALL, data.turnover_tiers.extra, 0.0)
        prices["bought_tier"], bought = _filled(reached, bought)
        prices["sold_tier"], sold = _filled(reached - prices["bought_tier"], sold)
    prices |= {"bought": np.array([bought]), "sold": np.array([sold])}
    if data.curved:
        curved = [curve.index for curve in data.curved]
        prices["curve"] = -marginal[curved]
        prices["warm_up"] = _warm_up_prices(problem, schedule, marginal)
    return np.concatenate([prices[block.name] for block in program.rows])


def _tier_prices(data: ProblemArrays, change: FloatArray, up: FloatArray, down: FloatArray) -> FloatArray:
    """Prices of the tiers' rows: of `up` and `down` (protocols,), each tier's part up to its extra price."""
    tiers = data.tiers
    assert tiers is not None
    rises = tiers.sign > 0.0
    first = np.where(rises, data.cost_in[tiers.owner], data.cost_out[tiers.owner])
    left = np.where(rises, up[tiers.owner], down[tiers.owner]) - (tiers.before - first)
    reached = tiers.sign * change[tiers.owner] >= tiers.start - SMALL
    result: FloatArray = np.where(reached, np.clip(left, 0.0, tiers.extra), 0.0)
    return result


def _filled(most: FloatArray, amount: float) -> tuple[FloatArray, float]:
    """`amount` in parts of at most `most` each, the first ones first, and what remains of it."""
    part = np.clip(amount - (np.cumsum(most) - most), 0.0, most)
    return part, max(0.0, amount - float(part.sum()))


def _curve_marginals(problem: AllocationProblem, curve: Curved, share: float) -> tuple[float, float]:
    """Earnings over the horizon of one more and of the last unit, warm-up of what was added taken off."""
    data = problem.arrays
    right, left = curve.marginal(share, SMALL)
    current, loss = data.current[curve.index], data.warm_up[curve.index]
    right_loss = loss if share >= current - SMALL else 0.0
    left_loss = loss if share > current + SMALL else 0.0
    more = right * data.hours - max(right, 0.0) * right_loss
    return more, max(more, left * data.hours - max(left, 0.0) * left_loss)


def _warm_up_prices(problem: AllocationProblem, schedule: FloatArray, marginal: FloatArray) -> FloatArray:
    """Prices of the rows rise >= fill - fill before: the whole loss where filled, none where emptied."""
    data = problem.arrays
    result = []
    for curve in data.curved:
        loss = data.warm_up[curve.index]
        if loss <= 0.0:
            continue
        fill = curve.fill(schedule[:, curve.index])[0]
        before = curve.fill(data.current[[curve.index]])[0]
        slope = curve.slopes[0]
        most = loss * np.maximum(slope, 0.0)
        same = np.clip(slope * data.hours - marginal[curve.index], 0.0, most)
        result.append(np.where(fill > before + SMALL, most, np.where(fill < before - SMALL, 0.0, same)))
    return np.concatenate(result) if result else np.empty(0)
