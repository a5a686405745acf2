"""A price on each protocol's change, on top of its own costs: the tiers of both together."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from itertools import pairwise

from .arrays import ProblemArrays, Statement
from .tiers import Tiers, tier_rows


def with_change_cost(data: ProblemArrays, problem: Statement, price: Tiers) -> ProblemArrays:
    """The arrays with `price` added to what every protocol pays for taking and for giving.

    Where costs differ by period, tiers rise by the same in each: what they add to the first price is what counts.
    """
    given: dict[int, dict[str, float | Tiers]] = {}
    for i in range(data.size):
        own = problem.table.tiers.get(i, {})
        given[i] = {}
        for field, cost in (("move_cost_in", data.cost_in), ("move_cost_out", data.cost_out)):
            now = own.get(field, own.get("move_cost"))
            given[i][field] = added(now if isinstance(now, Tiers) else float(cost[..., i].flat[0]), price)
    first = price.prices[0]
    cost_in, cost_out, rows = data.cost_in + first, data.cost_out + first, tier_rows(given)
    tiers = None if rows is None else rows.priced(rows.price, cost_in, cost_out)
    return replace(data, cost_in=cost_in, cost_out=cost_out, tiers=tiers)


def added(cost: float | Tiers, price: Tiers) -> Tiers:
    """Two costs of one change together."""
    both = (cost if isinstance(cost, Tiers) else Tiers([(None, cost)]), price)
    starts = sorted({start for each in both for start in each.starts})
    prices = [sum(each.prices[bisect_right(each.starts, start) - 1] for each in both) for start in starts]
    widths = [end - start for start, end in pairwise(starts)]
    return Tiers(list(zip([*widths, None], prices, strict=True)))
