"""The certificate of a schedule straight from the problem's arrays: what `certify` says of the whole program.

For problems without risk, resources and rules between shares, and without other choices than which protocols move.
Everything but the shares follows from the shares, so only bounds, changes, sums, turnover and the number of moves can
be broken; and weak duality needs no more than the prices of the shared rules.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..problem import AllocationProblem
from ..problem.arrays import FloatArray, ProblemArrays
from ..problem.effective import GroupBounds, group_bounds
from ..problem.objective import Value, value
from ..problem.segments import greatest
from ..program import Certificate
from .moves import change_cap

ROW_PRICES = "row prices"
TINIEST = float(np.finfo(float).tiny)


@dataclass(frozen=True)
class Point:
    """A schedule (periods, protocols) and what it is worth."""

    schedule: FloatArray
    value: Value


class ByArrays:
    """Judges schedules of one problem: worth, residual, bound, certificate."""

    def __init__(self, problem: AllocationProblem) -> None:
        self.problem = problem
        self.scale = gain_scale(problem.arrays)
        self.stay = self.at(problem.arrays.staying)

    def at(self, schedule: FloatArray) -> Point:
        """The point of a schedule."""
        return Point(schedule, value(self.problem, schedule))

    def worth(self, point: Point) -> float:
        """Objective, USD over the horizon."""
        return point.value.net

    def can_stay(self) -> bool:
        """True where the present shares meet every rule: without a change, bounds and sums only."""
        problem, data = self.problem, self.problem.arrays
        if np.count_nonzero(data.lower > data.current) or np.count_nonzero(data.current > data.upper):
            return False
        if problem.limits.groups and any(_off(group, data.current) > 0.0 for group in group_bounds(problem)):
            return False
        excess = float(data.current.sum()) - float(data.total or 0.0)
        return excess <= 0.0 if problem.allow_idle else excess == 0.0

    def certify(
        self,
        point: Point,
        bound: float | None,
        tolerance: float,
        bound_from: str = ROW_PRICES,
        gap_tolerance: float | None = None,
    ) -> Certificate:
        """The certificate of a point: with a bound from `bound_of_split` or `bound_of_schedule`, or a claimed one."""
        objective = point.value.net
        residual, place = worst_residual(self.problem, point.schedule)
        scale = max(abs(objective), self.scale, TINIEST)
        fee = self.problem.limits.plan_fee
        if bound is not None and fee > 0.0:
            bound = max(self.stay.value.net, bound - fee) if self.can_stay() else bound - fee
        gap = None if bound is None else max(0.0, bound - objective) / scale
        allowed = tolerance if gap_tolerance is None else gap_tolerance
        return Certificate(objective, residual, place, 0.0, bound, bound_from, gap, scale, tolerance, allowed)

    def bound_of_split(self, capacity: float, bought: float, sold: float) -> float:
        """What no split is worth more than, USD over the horizon, by weak duality, for a problem of one period.

        Any `capacity` price (>= 0 with idle capacity) and any `bought`, `sold` >= 0 give a true bound: at these prices
        every protocol on its own would stand where its slopes cross them. O(protocols), and no solver in it.
        """
        problem, data, step = self.problem, self.problem.arrays, self.problem.trade_segments
        capacity = max(capacity, 0.0) if problem.allow_idle else capacity
        tiers = data.turnover_tiers
        shared = data.max_turnover is not None or tiers is not None
        bought, sold = (max(bought, 0.0), max(sold, 0.0)) if shared else (0.0, 0.0)
        best = 0.0
        for gain, width in ((step.buy - (capacity + bought), step.more), ((capacity - sold) - step.sell, step.keep)):
            gain *= np.maximum(width, 0.0)
            best += float(np.maximum(gain, 0.0, out=gain).sum())
        middle = step.middle
        standing = (self.stay if (middle == data.current).all() else self.at(middle[None, :])).value
        best += standing.net + standing.turnover_cost + standing.plan_fee
        best += capacity * (float(data.total or 0.0) - float(middle.sum()))
        if bought > 0.0 or sold > 0.0:
            limit = self._most_turnover() if data.max_turnover is None else float(data.max_turnover[0])
            forced = middle - data.current
            if tiers is not None:
                best += tiers.most(bought + sold, limit)
                limit = 0.0
            best += bought * (limit - float(np.maximum(forced, 0.0).sum()))
            best += sold * (limit - float(np.maximum(-forced, 0.0).sum()))
        return best

    def bound_of_groups(self, capacity: float, groups: FloatArray) -> float:
        """The same as `bound_of_split` with prices of groups (groups,), negative where a floor has a price."""
        problem, data, step = self.problem, self.problem.arrays, self.problem.trade_segments
        capacity = max(capacity, 0.0) if problem.allow_idle else capacity
        price, best = np.full(data.size, capacity), capacity * float(data.total or 0.0)
        for group, each in zip(group_bounds(problem), groups.tolist(), strict=True):
            limit = group.upper if each > 0.0 else group.lower
            if each != 0.0 and np.isfinite(limit):
                price[group.members] += each
                best += each * limit
        at = price[step.owner]
        best += float((np.maximum(step.buy - at, 0.0) * np.maximum(step.more, 0.0)).sum())
        best += float((np.maximum(at - step.sell, 0.0) * np.maximum(step.keep, 0.0)).sum())
        standing = self.at(step.middle[None, :]).value
        return best + standing.net + standing.plan_fee - float(price @ step.middle)

    def _most_turnover(self) -> float:
        """More than all protocols can take, or give, in one period."""
        data = self.problem.arrays
        return max(float(np.maximum(data.reach[0] - data.current, 0.0).sum()), float(data.current.sum()))

    def bound_of_schedule(
        self, capacity: FloatArray, bought: FloatArray, sold: FloatArray, movement: FloatArray
    ) -> float:
        """The same over several periods and flat rates: prices (periods,), and of movement (periods, protocols).

        movement[t] is the price of share[t] - share[t-1] = increase[t] - decrease[t]; any values give a true bound.
        """
        problem, data = self.problem, self.problem.arrays
        free = np.zeros_like(capacity)
        turnover = data.max_turnover
        capacity = np.maximum(capacity, 0.0) if problem.allow_idle else capacity
        bought, sold = (free, free) if turnover is None else (np.maximum(bought, 0.0), np.maximum(sold, 0.0))
        hold = data.hours * data.rate - capacity[:, None] - movement
        hold[:-1] += movement[1:]
        up = movement - (data.cost_in + data.warm_up * np.maximum(data.rate, 0.0)) - bought[:, None]
        down = -movement - data.cost_out - sold[:, None]
        most_up, most_down = change_cap(data)
        best = float(np.maximum(hold * data.lower, hold * data.upper).sum())
        best += float((np.maximum(up, 0.0) * most_up).sum()) + float((np.maximum(down, 0.0) * most_down).sum())
        best += float(movement[0] @ data.current) + float(capacity.sum()) * float(data.total or 0.0)
        return best if turnover is None else best + float(((bought + sold) * turnover).sum())


def gain_scale(data: ProblemArrays) -> float:
    """The largest gain that one share, change or piece can bring within a unit of its range, USD over the horizon."""
    gain = data.upper - data.lower  # a million protocols: in place, since new memory takes longer than arithmetic
    np.clip(gain, 0.0, 1.0, out=gain)  # bounds may contradict one another
    gain *= data.rate
    most = greatest(np.abs(gain, out=gain)) * data.hours
    take = data.cost_in + data.warm_up * np.maximum(data.rate, 0.0) if data.has_warm_up else data.cost_in
    most = max(most, greatest(take * np.minimum(data.up, 1.0)), greatest(data.fee))
    if data.cost_out is not take or data.down is not data.up:
        most = max(most, greatest(data.cost_out * np.minimum(data.down, 1.0)))
    if data.tiers is not None:
        most = max(most, float(np.abs(data.tiers.extra).max()))
    if data.turnover_tiers is not None:
        most = max(most, float(data.turnover_tiers.extra.max()))
    if data.pieces is not None:
        fill = np.abs(data.pieces.slopes) * np.minimum(data.pieces.widths, 1.0)
        most = max(most, float(fill.max()) * data.hours)
    return most


def worst_residual(problem: AllocationProblem, schedule: FloatArray) -> tuple[float, str]:
    """The largest violation of a bound, change or sum relative to the sizes in it, and its name; as in `certify`."""
    data = problem.arrays
    before = data.current[None, :] if len(schedule) == 1 else np.vstack([data.current, schedule[:-1]])
    change = schedule - before
    checks = [("bound of share", np.maximum(data.lower - schedule, schedule - data.upper), schedule)]
    if problem.limits.max_change is not None or problem.limits.held:
        moved = np.abs(change)
        checks.append(("bound of increase", moved - data.max_change, moved))
    if data.up is not data.max_change:
        checks.append(("bound of increase", change - data.up, change))
        checks.append(("bound of decrease", -change - data.down, change))
    available = data.total
    if available is not None:
        excess = schedule.sum(axis=1) - available
        checks.append(("budget", excess if problem.allow_idle else np.abs(excess), schedule.max(axis=1)))
    if data.max_turnover is not None:
        for name, part in (("bought", np.maximum(change, 0.0)), ("sold", np.maximum(-change, 0.0))):
            checks.append((name, part.sum(axis=1) - data.max_turnover, part.max(axis=1)))
    if problem.limits.max_moves is not None:
        moves = (change != 0.0).sum(axis=1).astype(float)
        checks.append(("max_moves", moves - problem.limits.max_moves, moves))
    for group in group_bounds(problem) if problem.limits.groups else ():
        excess = np.array([_off(group, shares) for shares in schedule])
        checks.append((f"group {group.name}", excess, schedule[:, group.members].max(axis=1)))
    worst, place = 0.0, "none"
    for name, violation, size in checks:
        if greatest(violation) > worst:
            violation = violation / np.maximum(1.0, np.abs(size))
            index = int(violation.argmax())
            if violation.flat[index] > worst:
                worst, place = float(violation.flat[index]), _place(problem, name, index, violation.ndim > 1)
    return worst, place


def _off(group: GroupBounds, shares: FloatArray) -> float:
    """By how much the sum of a group's shares misses its bounds; at most 0 where it meets them."""
    total = float(shares[group.members].sum())
    return max(total - group.upper, group.lower - total)


def _place(problem: AllocationProblem, name: str, index: int, of_protocols: bool) -> str:
    """The name of a check with the protocol and period it is about, as the program labels them."""
    if not of_protocols:
        return name if problem.periods == 1 else f"{name} period {index}"
    period, protocol = divmod(index, problem.arrays.size)
    return f"{name} {problem.names[protocol]}" + ("" if problem.periods == 1 else f" {period}")
