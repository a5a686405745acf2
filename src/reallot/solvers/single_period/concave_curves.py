"""The exact answer of one period and one shared capacity, by matching marginal gains. No solver, NumPy only.

Why it is here: ten protocols take 0.1 ms, HiGHS takes 1.5 ms; and slopes of the optimum come without another program.

Around the share without any trade there are pieces to buy and pieces to sell (see problem/trade_segments.py). Flat
rates are split by one price (see split.py). With curves, and wherever all slopes around the answer are asked for,
buys are sorted by falling slope and sells by rising slope; for a total B bought, S = B - D are sold, where D is the
capacity still to fill, and

    h(B) = (best B of the buys) - (cheapest B - D of the sells)

is concave and piecewise linear in B, so its maximum is where the slopes cross. Turnover bounds B and S. All prices are
one-sided slopes of the same function.
"""

from __future__ import annotations

import numpy as np

from ...errors import InvalidInput
from ...problem import AllocationProblem
from ...problem.arrays import FloatArray, IntArray
from ..interface.eligibility import all_or_nothing, chosen, coupled, falling
from ..interface.result import NoFeasibleSplit
from ..kernels.split import DUST, SLACK, TIE, Split, split
from ..numba import dispatch

LARGE, LOADED = 100_000, 1_000
"""From so many protocols on compiled code (extra `fast`) is worth half a second of loading; or using, once loaded."""


def why_ineligible(problem: AllocationProblem) -> str | None:
    """Why this path cannot answer `problem`, in words; None where it can."""
    if is_plain(problem):
        return None
    data = problem.arrays
    if problem.periods > 1:
        return f"{problem.periods} periods are planned together; the exact path takes one"
    why_not = coupled(problem, "exact") or chosen(problem) or all_or_nothing(problem) or falling(problem)
    if why_not is not None:
        return why_not
    if data.turnover_tiers is not None and problem.allow_idle:
        return "with idle capacity, turnover_cost weighs what is taken and what is given apart from one another"
    bent = data.pieces
    if bent is not None and not bent.ordered.all():
        return f"the curve of {problem.names[bent.index[~bent.ordered][0]]} is not concave"
    return None


def is_plain(problem: AllocationProblem) -> bool:
    """True where nothing was asked for that this path might not take: flags only, no words are made."""
    limits, data = problem.limits, problem.arrays
    asked = (
        problem.periods > 1,
        problem.capacity is None,
        problem.resources,
        problem.risk,
        limits.groups,
        limits.rules,
        limits.near is not None,
        limits.has_budgets,
        limits.largest is not None,
        problem.goal is not None,
        limits.max_moves is not None,
        limits.min_move,
        data.has_fee,
        data.has_units,
        data.end_value is not None,
        data.tiers is not None and data.tiers.falls.any(),
        data.turnover_tiers is not None and problem.allow_idle,
    )
    return not any(asked) and (data.pieces is None or bool(data.pieces.ordered.all()))


def solve(problem: AllocationProblem) -> Split | NoFeasibleSplit:
    """The optimal shares of a problem that this path does not decline, and prices that support them.

    Prices are USD over the horizon per unit. Flat rates are split by one price, curves are matched piece by piece.
    """
    step, data = problem.trade_segments, problem.arrays
    if step.bent:
        found = match(problem)
        return found if isinstance(found, NoFeasibleSplit) else found.split()
    limit = np.inf if data.max_turnover is None else float(data.max_turnover[0])
    way = dispatch.split if is_compiled(problem) else split
    return way(
        step.buy,
        step.sell,
        data.current,
        step.low,
        step.high,
        float(data.total or 0.0),
        rank=lambda: data.rank,
        idle=problem.allow_idle,
        max_bought=limit,
        max_sold=limit,
    )


def is_compiled(problem: AllocationProblem) -> bool:
    """True where compiled code answers: flat rates of so many protocols that it is worth it."""
    if len(problem.names) < LOADED or problem.arrays.pieces is not None or not dispatch.available():
        return False
    return len(problem.names) >= (LOADED if dispatch.is_loaded("split") else LARGE)


def match(problem: AllocationProblem) -> Matching | NoFeasibleSplit:
    """The finished matching behind `solve`: what is bought and sold, and the slopes around it."""
    why_not = why_ineligible(problem)
    if why_not is not None:
        raise InvalidInput(f"the exact path declines: {why_not}; use solver='highs' or 'auto'")
    return matched(problem)


def matched(problem: AllocationProblem) -> Matching | NoFeasibleSplit:
    """The same, where it is known that this path does not decline."""
    matching = Matching(problem)
    unmet = matching.run()
    return matching if unmet is None else unmet


class SortedSegments:
    """Buys (falling slope) or sells (rising slope) in the order they are taken."""

    def __init__(self, owner: IntArray, slope: FloatArray, width: FloatArray, order: IntArray) -> None:
        self.owner, self.slope, self.width = owner[order], slope[order], width[order]
        self.ends = self.width.cumsum()
        self.total = float(self.ends[-1]) if order.size else 0.0

    def after(self, amount: FloatArray | float, dust: float, nothing: float) -> FloatArray:
        """Slope of the next piece once `amount` is taken; `nothing` beyond the last."""
        slopes = np.concatenate((self.slope, [nothing]))
        return slopes[self.ends.searchsorted(amount + dust, side="right")]

    def next(self, amount: float, dust: float, nothing: float) -> float:
        """The same for one amount."""
        place = int(self.ends.searchsorted(amount + dust, side="right"))
        return float(self.slope[place]) if place < self.slope.size else nothing

    def after_but(self, amount: float, owner: int, dust: float, nothing: float) -> float:
        """Slope of the next piece that is not `owner`'s once `amount` is taken; `nothing` where there is none."""
        first = int(self.ends.searchsorted(amount + dust, side="right"))
        others = (self.owner[first:] != owner).nonzero()[0]
        return float(self.slope[first + others[0]]) if others.size else nothing

    def next_owner(self, amount: float, dust: float) -> int:
        """Whose piece is next once `amount` is taken; -1 beyond the last."""
        first = int(self.ends.searchsorted(amount + dust, side="right"))
        return int(self.owner[first]) if first < self.owner.size else -1

    def before(self, amount: float, dust: float, nothing: float) -> float:
        """Slope of the last piece taken at `amount`; `nothing` at zero."""
        if amount <= dust:
            return nothing
        place = int(self.ends.searchsorted(amount - dust, side="left"))
        return float(self.slope[min(place, self.slope.size - 1)])

    def taken(self, amount: float, size: int) -> FloatArray:
        """How much of each of `size` protocols is in the first `amount`."""
        part = np.minimum(np.maximum(amount - (self.ends - self.width), 0.0), self.width)
        return np.bincount(self.owner, weights=part, minlength=size).astype(float, copy=False)


class Matching:
    """One run of the algorithm: the pieces, the totals bought and sold, and the slopes around them."""

    def __init__(self, problem: AllocationProblem) -> None:
        data = problem.arrays
        self.problem, self.data = problem, data
        self.capacity = float(data.total or 0.0)
        self.current, self.lower, self.upper = data.current, data.lower[0], data.upper[0]
        self.segments = problem.trade_segments
        self.a, self.m, self.b = self.segments.low, self.segments.middle, self.segments.high
        self.dust = DUST * max(1.0, self.capacity)
        self.limit = np.inf if data.max_turnover is None else float(data.max_turnover[0])

    def run(self) -> NoFeasibleSplit | None:
        """Buys and sells until their slopes cross; says why where no split exists."""
        slack = SLACK * max(1.0, float(self.current.max()))
        if (self.a > self.b + slack).any():
            return NoFeasibleSplit("a protocol's bounds leave no share within its max change")
        self.b = np.maximum(self.a, self.b)
        self._cut()
        moved = self.m - self.current
        self.buy_cap = self.limit - float(np.maximum(moved, 0.0).sum())
        self.sell_cap = self.limit - float(np.maximum(-moved, 0.0).sum())
        self.to_fill = self.capacity - float(self.m.sum())
        if min(self.buy_cap, self.sell_cap) < -slack:
            return NoFeasibleSplit("the moves that bounds force are more than the turnover limit")
        self.buy_cap, self.sell_cap = max(self.buy_cap, 0.0), max(self.sell_cap, 0.0)
        # a total bought and sold is a turnover of so much more than what is bought beyond the share without a trade
        self.turned = max(float(np.maximum(moved, 0.0).sum()), float(np.maximum(-moved, 0.0).sum()) - self.to_fill)
        self.most_bought, self.most_sold = min(self.buys.total, self.buy_cap), min(self.sells.total, self.sell_cap)
        if not self._totals(slack):
            return NoFeasibleSplit("the shares that bounds, holds and limits leave do not sum to the capacity")
        self._settle()
        return None

    def _cut(self) -> None:
        """The pieces to buy and to sell, sorted; near-equal slopes tie, and ties go by name."""
        step, rank = self.segments, self.data.rank
        buys, sells = (step.more > self.dust).nonzero()[0], (step.keep > self.dust).nonzero()[0][::-1]
        slopes = (step.buy[buys], step.sell[sells])  # who cannot move has no part in it
        self.tie = TIE * max(float(np.abs(slope).max(initial=0.0)) for slope in slopes)
        to_buy = self._order(-step.buy[buys], rank[step.owner[buys]])
        to_sell = self._order(step.sell[sells], -rank[step.owner[sells]])
        self.buys = SortedSegments(step.owner[buys], step.buy[buys], step.more[buys], to_buy)
        self.sells = SortedSegments(step.owner[sells], step.sell[sells], step.keep[sells], to_sell)

    def _order(self, key: FloatArray, rank: IntArray) -> IntArray:
        """By `key`, values within a tie of each other as one, then by `rank`, then as they stand."""
        if not key.size:
            return np.empty(0, dtype=np.intp)
        order = key.argsort(kind="stable")
        ordered, group = key[order], np.zeros(key.size, dtype=np.intp)
        group[order[1:]] = (ordered[1:] - ordered[:-1] > self.tie).cumsum()
        return np.lexsort((rank, group))

    def _totals(self, slack: float) -> bool:
        """Sets bought and sold; False where capacity cannot be met."""
        idle = self.problem.allow_idle
        self.tight = True
        if idle:
            bought = min(float(self.buys.width[self.buys.slope > self.tie].sum()), self.most_bought)
            sold = min(float(self.sells.width[self.sells.slope < -self.tie].sum()), self.most_sold)
            if bought - sold <= self.to_fill + self.dust:
                self.bought, self.sold = bought, sold
                self.tight = bought - sold >= self.to_fill - self.dust
                return True
        low = max(0.0, self.to_fill)
        high = min(self.most_bought, self.most_sold + self.to_fill)
        if low > high + slack:
            return False
        high = max(low, high)
        tiers = self.data.turnover_tiers
        starts = np.empty(0) if tiers is None else tiers.start - self.turned
        edges = np.concatenate(([low], self.buys.ends, self.sells.ends + self.to_fill, starts))
        edges = edges[(edges >= low) & (edges <= high)]
        edges.sort()
        gain = self.buys.after(edges, self.dust, -np.inf)
        loss = self.sells.after(np.maximum(edges - self.to_fill, 0.0), self.dust, np.inf)
        if tiers is not None:
            reached = tiers.start.searchsorted(edges + self.turned + self.dust, side="right") - 1
            loss = loss + tiers.price[reached]
        crossed = (gain <= loss + self.tie).nonzero()[0]
        self.bought = float(edges[crossed[0]]) if crossed.size else high
        self.sold = max(self.bought - self.to_fill, 0.0)
        return True

    def _settle(self) -> None:
        """The shares, and the slopes just before and after the totals bought and sold."""
        size = self.data.size
        shares = self.m + self.buys.taken(self.bought, size) - self.sells.taken(self.sold, size)
        for target in (self.b, self.a, self.m):
            shares = np.where(np.abs(shares - target) <= 4.0 * self.dust, target, shares)
        self.shares = shares
        self.gain_next = self.buys.next(self.bought, self.dust, -np.inf)
        self.gain_last = self.buys.before(self.bought, self.dust, np.inf)
        self.loss_next = self.sells.next(self.sold, self.dust, np.inf)
        self.loss_last = self.sells.before(self.sold, self.dust, -np.inf)
        self.buy_limited = self.bought >= self.buy_cap - self.dust
        self.sell_limited = self.sold >= self.sell_cap - self.dust

    def split(self) -> Split:
        """The shares, with prices that support them."""
        return Split(self.shares, *self.row_prices())

    def row_prices(self) -> tuple[float, float, float]:
        """A price of capacity, of buying and of selling that support the answer together."""
        if self.data.turnover_tiers is not None:
            return self._row_prices_with_turnover_cost()
        low, high = self.loss_last, self.gain_last
        if not self.buy_limited:
            low = max(low, self.gain_next)
        if not self.sell_limited:
            high = min(high, self.loss_next)
        if self.problem.allow_idle:
            low, high = max(low, 0.0), (high if self.tight else 0.0)
        if low > high:
            low = high = (low + high) / 2.0
        price = low if np.isfinite(low) else (high if np.isfinite(high) else 0.0)
        bought = max(0.0, self.gain_next - price) if self.buy_limited and np.isfinite(self.gain_next) else 0.0
        sold = max(0.0, price - self.loss_next) if self.sell_limited and np.isfinite(self.loss_next) else 0.0
        return price, bought, sold

    def _row_prices_with_turnover_cost(self) -> tuple[float, float, float]:
        """The same where turnover has a price: it is paid on what is bought, or sold, whichever is the turnover."""
        tiers = self.data.turnover_tiers
        assert tiers is not None
        last, following = tiers.marginals(self.bought + self.turned, self.dust)
        if self.buy_limited or self.sell_limited:
            following = np.inf
        low, high = self.loss_last, self.loss_next
        gain_low, gain_high = self.gain_next, self.gain_last
        forced = self.m - self.current
        turns_on_buying = float(forced.sum()) + self.to_fill >= -self.dust
        if turns_on_buying:  # price between the slopes of selling, price + turnover's between those of buying
            price = _between(max(low, gain_low - following), min(high, gain_high - last))
            return price, max(0.0, min(max(last, gain_low - price), following, gain_high - price)), 0.0
        price = _between(max(gain_low, low + last), min(gain_high, high + following))
        return price, 0.0, max(0.0, min(max(last, price - high), following, price - low))


def _between(low: float, high: float) -> float:
    """A number from `low` to `high`, finite where either is; their middle where they cross by rounding."""
    if low > high:
        return (low + high) / 2.0
    return low if np.isfinite(low) else (high if np.isfinite(high) else 0.0)
