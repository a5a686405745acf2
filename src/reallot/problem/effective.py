"""What is decided on in place of what was given: limits that stand at the present shares, costs that never pay.

Both are settled here, once, so that every path to an answer reads the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .arrays import FloatArray, IntArray, ProblemArrays, Statement
from .segments import greatest

PRESENT = 1e-9
"""The present shares meet a limit that they miss by no more than this, in shares, or as a part of a share above 1.

Such a limit is widened to where they stand, as is one that they can come to but for so little, and a ceiling that is
below a floor by so little. A move no larger than this is none where it counts whether one is made.
"""
TOGETHER = PRESENT / 2.0
"""Bounds and limits that together miss a sum by no more than this, in shares or as a part of larger ones, meet it.

It is half of what a certificate allows, so that a solver's own rounding has room beside it.
"""
NEVER_PAYS, CUT_TO = 64.0, 16.0
"""A cost above so many times the most that a move can earn is cut to so many times that; it still never pays."""

COSTS = ("cost_in", "cost_out", "fee", "tiers", "turnover_tiers")
"""Arrays of costs that may be cut."""


def effective(data: ProblemArrays, *, cut_costs: bool = True) -> ProblemArrays:
    """The arrays with limits within rounding of the present shares at them, and with costs that never pay cut.

    Without a cut of costs where `cut_costs` is False: for a plan that has to make such a move after all.
    """
    current, changes, upper, lower = data.current, dict[str, Any](), data.upper, data.lower
    if np.count_nonzero(lower > current):
        farthest = current + np.cumsum(data.up, axis=0)
        lower = changes["lower"] = widened(widened(lower, current, is_floor=True), farthest, is_floor=True)
    if np.count_nonzero(current > upper):
        nearest = current - np.cumsum(data.down, axis=0)
        upper = changes["upper"] = widened(widened(upper, current), nearest)
    if np.count_nonzero(lower > upper):
        changes["upper"] = widened(upper, lower)
    if np.count_nonzero(data.entry > current):
        changes["entry"] = widened(data.entry, current, is_floor=True)
    if data.totals is not None:
        changes["totals"] = _at_present(data.totals, current)
    present, total = float(current.sum()), data.total
    if total is not None and present != total and abs(present - total) <= PRESENT * max(1.0, greatest(current)):
        changes["total"] = present
        if present > total:
            by_capacity = (data.reach >= total) & (data.upper > total)
            changes["reach"] = np.where(by_capacity, present, data.reach)
    if cut_costs:
        changes |= _costs(data)
    return data.changed(**changes, given=data) if changes else data


def _at_present(totals: FloatArray, current: FloatArray) -> FloatArray:
    """Sums of shares by period, each at the present one where it is as near as rounding."""
    present = float(current.sum())
    near = np.abs(totals - present) <= PRESENT * max(1.0, float(current.max()))
    return np.where(near, present, totals)


def widened(limit: FloatArray | float, present: FloatArray | float, *, is_floor: bool = False) -> FloatArray:
    """`limit`, a ceiling or a floor, where `present` meets it or misses it by more than rounding; else `present`.

    Any shapes that broadcast.
    """
    beyond = np.subtract(limit, present) if is_floor else np.subtract(present, limit)
    near = PRESENT * np.maximum(1.0, np.abs(present))
    result: FloatArray = np.where((beyond > 0.0) & (beyond <= near), present, limit)
    return result


@dataclass(frozen=True)
class GroupBounds:
    """A group's name, the positions of its members, and bounds on the sum of their shares, infinite where none is."""

    name: str
    members: IntArray
    lower: float
    upper: float


def group_bounds(problem: Statement) -> list[GroupBounds]:
    """The bounds of each group, next to the sum of its present shares at that."""
    place, current, result = problem.table.place, problem.current_shares, []
    for group in problem.limits.groups:
        members = np.array([place[name] for name in group.members])
        present = float(current[members].sum())
        low = -np.inf if group.min_share is None else float(widened(group.min_share, present, is_floor=True))
        high = np.inf if group.max_share is None else float(widened(group.max_share, present))
        result.append(GroupBounds(group.name, members, low, high))
    return result


def _costs(data: ProblemArrays) -> dict[str, Any]:
    """Costs and fees that are cut, by field.

    One unit moved earns no more than the best rate less the worst one, summed over the periods. What costs many times
    as much does not move unless it must; how much more it costs then only drowns all other numbers.
    """
    highest, lowest = data.rate.max(axis=1), data.rate.min(axis=1)
    if data.pieces is not None:
        slopes = data.pieces.slopes
        highest, lowest = np.maximum(highest, slopes.max(axis=1)), np.minimum(lowest, slopes.min(axis=1))
    # the most that one unit of share can earn more elsewhere, idle included
    unit = data.hours * float((np.maximum(highest, 0.0) - np.minimum(lowest, 0.0)).sum())
    if data.end_value is not None:
        unit += max(0.0, float(data.end_value.max())) - min(0.0, float(data.end_value.min()))
    if unit <= 0.0:
        return {}
    amount = float(data.reach.max(axis=0).sum()) if data.total is None else data.total
    if data.totals is not None:
        amount = float(data.totals.max())
    changes: dict[str, Any] = {}
    for name, most in (("cost_in", unit), ("cost_out", unit), ("fee", unit * max(amount, 1.0))):
        cost = getattr(data, name)
        if greatest(cost) > NEVER_PAYS * most:
            changes[name] = cut_to_what_counts(cost, most)
    # tiers are cut where all prices above are, so that prices that rise still do
    if data.tiers is not None and (changes or data.tiers.price.max() > NEVER_PAYS * unit):
        costs = (changes.get("cost_in", data.cost_in), changes.get("cost_out", data.cost_out))
        changes["tiers"] = data.tiers.priced(np.minimum(data.tiers.price, NEVER_PAYS * unit), *costs)
    if data.turnover_tiers is not None and data.turnover_tiers.price.max() > NEVER_PAYS * unit:
        price = np.minimum(data.turnover_tiers.price, NEVER_PAYS * unit)
        changes["turnover_tiers"] = replace(data.turnover_tiers, price=price)
    return changes


def cut_to_what_counts(cost: FloatArray, most: FloatArray | float) -> FloatArray:
    """`cost`, cut where it is far above `most`, what its move can earn at most; as given where that is nothing."""
    result: FloatArray = np.where((cost > NEVER_PAYS * most) & (most > 0.0), CUT_TO * most, cost)
    return result


def moves_at_cut_costs(data: ProblemArrays, schedule: FloatArray) -> bool:
    """True where `schedule` (periods, protocols) has a move whose cost was cut: it has to be weighed in full."""
    given = data.given or data
    if all(getattr(given, name) is getattr(data, name) for name in COSTS):
        return False
    change = np.diff(schedule, axis=0, prepend=data.current[None, :])
    if given.tiers is not None and given.tiers is not data.tiers:
        cut = given.tiers.price > data.tiers.price  # type: ignore[union-attr]
        if (given.tiers.over(change)[:, cut] > 0.0).any():
            return True
    if given.turnover_tiers is not None and given.turnover_tiers is not data.turnover_tiers:
        dear = given.turnover_tiers.price > data.turnover_tiers.price  # type: ignore[union-attr]
        turnover = np.maximum(np.maximum(change, 0.0).sum(axis=1), np.maximum(-change, 0.0).sum(axis=1))
        if (given.turnover_tiers.over(turnover)[:, dear] > 0.0).any():
            return True
    up, down = given.cost_in > data.cost_in, given.cost_out > data.cost_out
    moved = (change > 0.0) & up | (change < 0.0) & down | (change != 0.0) & (given.fee > data.fee)
    return bool(moved.any())
