"""Slopes of the exact optimum: the price of every limit as an interval, and what one unit more or less would change.

Why it is here: all prices of a plan from the one matching, where a tangent program is solved anew for each of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...problem import AllocationProblem
from ...problem.arrays import FloatArray, ProblemArrays
from ...problem.trade_segments import buy_slope
from ..interface.result import NoFeasibleSplit
from ..kernels.split import DUST
from .concave_curves import Matching, match

Interval = tuple[float, float]
FARTHEST = 3
"""How far the best corner of a program in two whole changes can be."""


@dataclass(frozen=True)
class ExactSlopes:
    """One-sided slopes of the optimum, USD over the horizon per unit.

    shares       (protocols,) of the optimum
    capacity     interval of the price of capacity: one more unit, the last unit
    turnover     the same for the turnover limit; None where there is none
    up, down     (protocols,) change of the optimum if a protocol had to hold one unit more, or less
    limits       {(rule, protocol index): interval} for the protocols' own limits that bind
    """

    shares: FloatArray
    capacity: Interval
    turnover: Interval | None
    up: FloatArray
    down: FloatArray
    limits: dict[tuple[str, int], Interval]


def slopes(
    problem: AllocationProblem, matching: Matching | NoFeasibleSplit | None = None
) -> ExactSlopes | NoFeasibleSplit:
    """The slopes at the optimum of a problem that the exact path does not decline; `matching` is its, if known."""
    matching = match(problem) if matching is None else matching
    if isinstance(matching, NoFeasibleSplit):
        return matching
    around = _Around(matching)
    up, down = around.one_more(), around.one_less()
    bounded = matching.data.max_turnover is not None
    return ExactSlopes(
        shares=matching.shares,
        capacity=(around.more, -around.less),
        turnover=(around.slope(0, 1, 1), -around.slope(0, -1, -1)) if bounded else None,
        up=up,
        down=down,
        limits=around.limit_prices(up, down),
    )


class _Around:
    """A finished matching, asked what would change."""

    def __init__(self, matching: Matching) -> None:
        self.matching, self.data, self.shares = matching, matching.data, matching.shares
        self.right, self.left = marginals(self.data, self.shares)
        self.free = not (matching.buy_limited or matching.sell_limited)
        self.more, self.less = self.slope(1, 0, 0), self.slope(-1, 0, 0)

    def slope(
        self, capacity: int, bought: int, sold: int, gain_next: float | None = None, loss_next: float | None = None
    ) -> float:
        """One-sided slope of the optimum as capacity and the limits on buying and selling change by -1, 0 or 1.

        A linear program in two variables, the changes of B and S. Its constraints have entries -1, 0, 1 and whole
        right-hand sides, so a best corner is whole and within 3: the few candidates are tried. -inf where infeasible.
        `gain_next` and `loss_next` replace the slopes of the next pieces to buy and to sell.
        """
        at, best = self.matching, -np.inf
        gain_next = at.gain_next if gain_next is None else gain_next
        loss_next = at.loss_next if loss_next is None else loss_next
        most_bought = 0 if gain_next == -np.inf else FARTHEST
        most_sold = 0 if loss_next == np.inf else FARTHEST
        most_bought = min(most_bought, bought) if at.buy_limited else most_bought
        most_sold = min(most_sold, sold) if at.sell_limited else most_sold
        least_sold = 0 if at.sold <= at.dust else -FARTHEST
        for b in range(0 if at.bought <= at.dust else -FARTHEST, most_bought + 1):
            low, high = least_sold, most_sold
            if at.tight:  # what is bought less what is sold is the change of capacity, or less where some may be idle
                low = max(low, b - capacity)
                high = high if at.problem.allow_idle else min(high, b - capacity)
            gain = b * (gain_next if b > 0 else at.gain_last) if b else 0.0
            for s in range(low, high + 1):
                loss = s * (loss_next if s > 0 else at.loss_last) if s else 0.0
                if gain - loss > best:
                    best = gain - loss
        return best

    def either(
        self,
        capacity: int,
        one: tuple[int, int],
        other: tuple[int, int],
        gain_next: float | None = None,
        loss_next: float | None = None,
    ) -> tuple[float, float]:
        """`slope` for two changes of the limits on buying and selling; the same where neither limit is reached."""
        if not self.free:
            return self.slope(capacity, *one, gain_next, loss_next), self.slope(capacity, *other, gain_next, loss_next)
        as_it_is = gain_next is None and loss_next is None
        slope = (
            (self.more if capacity > 0 else self.less) if as_it_is else self.slope(capacity, 0, 0, gain_next, loss_next)
        )
        return slope, slope

    def one_more(self) -> FloatArray:
        """Change of the optimum if each protocol had to take one unit more than its share, (protocols,).

        The unit comes from the others: whoever's piece is next to be sold does not sell to itself.
        """
        at, data, right = self.matching, self.data, self.right
        buys = self.shares >= at.current - at.dust
        room, unsold = (np.full(data.size, slope) for slope in self.either(-1, (-1, 0), (0, 1)))
        seller = at.sells.next_owner(at.sold, at.dust)
        if seller >= 0:
            others = at.sells.after_but(at.sold, seller, at.dust, np.inf)
            room[seller], unsold[seller] = self.either(-1, (-1, 0), (0, 1), None, others)
        taken = buy_slope(data, np.arange(data.size), right) + room
        kept = right * data.hours + data.cost_out + unsold
        if data.tiers is not None:
            taken -= data.tiers.marginals(self.shares - at.current, 1.0, at.dust)[0]
            kept += data.tiers.marginals(self.shares - at.current, -1.0, at.dust)[1]
        result: FloatArray = np.where(buys, taken, kept)
        return result

    def one_less(self) -> FloatArray:
        """Change of the optimum if each protocol had to hold one unit less than its share, (protocols,).

        The unit goes to the others: whoever's piece is next to be bought does not buy it back.
        """
        at, data, left = self.matching, self.data, self.left
        has_bought = self.shares > at.current + at.dust
        given, unbought = (np.full(data.size, slope) for slope in self.either(1, (0, -1), (1, 0)))
        buyer = at.buys.next_owner(at.bought, at.dust)
        if buyer >= 0:
            others = at.buys.after_but(at.bought, buyer, at.dust, -np.inf)
            given[buyer], unbought[buyer] = self.either(1, (0, -1), (1, 0), others)
        sells = -(left * data.hours + data.cost_out) + given
        bought_less = -buy_slope(data, np.arange(data.size), left) + unbought
        if data.tiers is not None:
            sells -= data.tiers.marginals(self.shares - at.current, -1.0, at.dust)[0]
            bought_less += data.tiers.marginals(self.shares - at.current, 1.0, at.dust)[1]
        result: FloatArray = np.where(has_bought, bought_less, sells)
        return result

    def limit_prices(self, up: FloatArray, down: FloatArray) -> dict[tuple[str, int], Interval]:
        """Prices of the protocols' own limits at which a share stands: held, max_change, max_share, min_share.

        One unit more of a limit lets the share go one further; one less pushes it back, which a limit from the other
        side may forbid. Where two limits end at the same share, one unit more of either alone is worth nothing.
        """
        at, data, shares = self.matching, self.data, self.shares
        dust = at.dust
        limit, held = data.max_change[0], data.held[0]
        result: dict[tuple[str, int], Interval] = {}
        top, bottom = at.current + limit, at.current - limit
        still = (limit <= 0.0).nonzero()[0]
        if still.size:
            rises = np.where(at.upper > shares + dust, up, 0.0)[still]
            falls = np.where(at.lower < shares - dust, down, 0.0)[still]
            best = np.maximum(np.maximum(rises, falls), 0.0)
            for i, price, is_held in zip(still.tolist(), best.tolist(), held[still].tolist(), strict=True):
                result["held" if is_held else "max_change", i] = (price, price if is_held else np.inf)
        at_top, at_bottom = shares >= at.b - dust, shares <= at.a + dust
        moves, floored = np.abs(shares - at.current) > dust, data.lower[0] > 0.0
        always = np.ones(data.size, dtype=bool)
        for reached, pinned, change, bound, named, name, more, less in (
            (at_top, at_bottom, top <= at.upper + dust, at.upper <= top + dust, always, "max_share", up, down),
            (at_bottom, at_top, bottom >= at.lower - dust, at.lower >= bottom - dust, floored, "min_share", down, up),
        ):
            said = reached & ((change & moves) | (bound & named))
            for i in said.nonzero()[0].tolist():
                last = np.inf if pinned[i] else max(-float(less[i]), 0.0)
                price = (0.0 if change[i] and bound[i] else max(float(more[i]), 0.0), last)
                if change[i] and moves[i]:
                    result["max_change", i] = price
                if bound[i] and named[i]:
                    result[name, i] = price
        return result


def marginals(data: ProblemArrays, shares: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Marginal earnings (USD/h per share) right and left of each share in the first period, (protocols,) each."""
    right, left = data.rate[0].copy(), data.rate[0].copy()
    if data.pieces is not None:
        right[data.pieces.index], left[data.pieces.index] = data.pieces.marginals(shares, DUST)
    return right, left
