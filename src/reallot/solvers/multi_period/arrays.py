"""One capacity over several periods as arrays: what a step may change, what it costs, and what holding is worth.

Shapes are (periods, protocols) unless said otherwise; money is USD over the horizon.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...problem import AllocationProblem
from ...problem.arrays import FloatArray, IntArray
from ..interface.result import RowPrices

ROUNDING = 4.0 * float(np.finfo(float).eps)
"""What one step of a recursion may round, as part of its largest number."""

DUST = 1e-12
"""A share this near to a bound, or to the share before, is that."""
MISS, GAP = 1e-10, 1e-11
"""What a finished answer may miss a shared rule by, and what its gap may be, as part of the capacity and the money."""


@dataclass(frozen=True)
class HorizonArrays:
    """A problem of several periods; only some of the protocols after `of`.

    gain        earnings of one unit held for the period
    take        cost of one unit bought, warm-up included
    give        (protocols,) cost of one unit sold
    most        largest change, wider than any where there is no limit
    current     (protocols,)
    available   what the shares sum to, or at most that where `idle`
    turnover    (periods,) most that may be bought, and most that may be sold; None without a limit
    """

    gain: FloatArray
    take: FloatArray
    give: FloatArray
    lower: FloatArray
    upper: FloatArray
    most: FloatArray
    current: FloatArray
    available: float
    idle: bool
    turnover: FloatArray | None

    @property
    def shape(self) -> tuple[int, int]:
        """(periods, protocols)."""
        return self.gain.shape[0], self.gain.shape[1]

    def of(self, places: IntArray) -> HorizonArrays:
        """The same for the protocols at `places` alone."""
        return HorizonArrays(
            self.gain[:, places],
            self.take[:, places],
            self.give[places],
            self.lower[:, places],
            self.upper[:, places],
            self.most[:, places],
            self.current[places],
            self.available,
            self.idle,
            self.turnover,
        )

    def between(self, start: int, end: int, current: FloatArray) -> HorizonArrays:
        """The periods from `start` up to `end` alone, beginning with the shares `current`."""
        return HorizonArrays(
            self.gain[start:end],
            self.take[start:end],
            self.give,
            self.lower[start:end],
            self.upper[start:end],
            self.most[start:end],
            current,
            self.available,
            self.idle,
            None if self.turnover is None else self.turnover[start:end],
        )


def horizon_arrays(problem: AllocationProblem) -> HorizonArrays:
    """The arrays of a problem of flat rates with a capacity."""
    data = problem.arrays
    lost = data.warm_up * np.maximum(data.rate, 0.0) if data.has_warm_up else np.zeros_like(data.rate)
    widest = np.maximum(data.upper, data.current) + 1.0
    return HorizonArrays(
        gain=data.hours * data.rate,
        take=data.cost_in + lost,
        give=data.cost_out,
        lower=data.lower,
        upper=data.upper,
        most=np.minimum(data.max_change, widest),
        current=data.current,
        available=float(data.total or 0.0),
        idle=problem.allow_idle,
        turnover=data.max_turnover,
    )


def largest(horizon: HorizonArrays) -> float:
    """The largest gain or cost of one unit in one step: the size against which prices round."""
    return float(max(np.abs(horizon.gain).max(), horizon.take.max(), horizon.give.max()))


def holding_values(horizon: HorizonArrays, prices: RowPrices, last: FloatArray | None = None) -> FloatArray:
    """What one unit more of each protocol is worth as a period begins, at the prices of capacity and of selling.

    It is held as long as that pays, then sold: value[t] = max(gain[t] - capacity[t] + value[t+1], - give - sold[t]),
    where the second is left out if nothing may be sold. Never below the true value, and above it by rounding only.

    last  (protocols,) what the last unit earns that is held at the start, infinite where nothing is: where it takes
          several periods to sell, a unit is worth no more than that less what it has earned before
    """
    count, size = horizon.shape
    room = ROUNDING * largest(horizon)
    floor = np.where(horizon.most > 0.0, -(horizon.give + prices.sold[:, None]), -np.inf)
    net = horizon.gain - (prices.capacity[:, None] - room)
    if last is not None:
        slow = np.isfinite(last)
        floor[:, slow] = np.minimum(floor[:, slow], last[slow] - (np.cumsum(net[:, slow], axis=0) - net[:, slow]))
    values = np.empty((count, size))
    after = np.zeros(size)
    for t in range(count - 1, -1, -1):
        after = np.maximum(net[t] + after, floor[t], out=values[t])
    return values


def best_purchase(horizon: HorizonArrays, values: FloatArray, prices: RowPrices) -> FloatArray:
    """(protocols,) what the best period's purchase of one unit gains at these holding values; 0 where none does.

    Source: a longest path per protocol, as in the maximum subarray problem (Bentley, 1984).
    """
    gain = np.where(horizon.most > 0.0, values - horizon.take - prices.bought[:, None], -np.inf).max(axis=0)
    result: FloatArray = np.where(gain > 2.0 * len(values) * ROUNDING * largest(horizon), gain, 0.0)
    return result


def tidy(horizon: HorizonArrays, schedule: FloatArray) -> FloatArray:
    """The schedule within its bounds, without the dust that solvers leave."""
    result = np.clip(schedule, horizon.lower, horizon.upper)
    before = horizon.current
    for t in range(len(result)):
        row = np.where(result[t] - horizon.lower[t] < DUST, horizon.lower[t], result[t])
        stays = (np.abs(row - before) < DUST) & (before >= horizon.lower[t]) & (before <= horizon.upper[t])
        before = result[t] = np.where(stays, before, row)
    return result


def proves(horizon: HorizonArrays, schedule: FloatArray, prices: RowPrices, gap: float = GAP) -> bool:
    """True where the schedule meets the shared rules and the prices leave no larger gap, as part of the money."""
    change = np.diff(schedule, axis=0, prepend=horizon.current[None, :])
    over = schedule.sum(axis=1) - horizon.available
    misses = [over if horizon.idle else np.abs(over), np.abs(change) - horizon.most]
    if horizon.turnover is not None:
        misses.append(np.maximum(change, 0.0).sum(axis=1) - horizon.turnover)
        misses.append(np.maximum(-change, 0.0).sum(axis=1) - horizon.turnover)
    worth = objective(horizon, schedule)
    left = bound(horizon, prices) - worth
    meets = max(float(miss.max()) for miss in misses) <= MISS * max(1.0, horizon.available)
    return meets and left <= gap * max(abs(worth), largest(horizon))


def objective(horizon: HorizonArrays, schedule: FloatArray) -> float:
    """Earnings less costs of a schedule."""
    change = np.diff(schedule, axis=0, prepend=horizon.current[None, :])
    costs = horizon.take * np.maximum(change, 0.0) + horizon.give * np.maximum(-change, 0.0)
    return float((horizon.gain * schedule - costs).sum())


def bound(horizon: HorizonArrays, prices: RowPrices) -> float:
    """No schedule is worth more: weak duality at any prices, O(periods * protocols)."""
    capacity = np.maximum(prices.capacity, 0.0) if horizon.idle else prices.capacity
    bought, sold = np.maximum(prices.bought, 0.0), np.maximum(prices.sold, 0.0)
    after = np.vstack([prices.movement[1:], np.zeros((1, horizon.shape[1]))])
    held = horizon.gain - prices.movement + after - capacity[:, None]
    total = capacity.sum() * horizon.available + prices.movement[0] @ horizon.current
    if horizon.turnover is not None:
        total += (bought + sold) @ horizon.turnover
    total += np.maximum(held * horizon.lower, held * horizon.upper).sum()
    taken = np.maximum(prices.movement - horizon.take - bought[:, None], 0.0)
    given = np.maximum(-prices.movement - horizon.give - sold[:, None], 0.0)
    return float(total + ((taken + given) * horizon.most).sum())
