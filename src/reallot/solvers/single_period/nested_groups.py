"""The exact answer of one period, one capacity and nested groups, by merging marginal gains group by group. No solver.

Each protocol is a list of pieces by falling worth, filled in order from its floor. What a group earns from a sum of
shares is concave too: its pieces are those of its members, sorted. A floor takes the first of them for certain, a cap
drops the last ones, and the group is then one more list for the group around it. The capacity takes from the last list.

Prices prove the answer. The price within a group is the price around it, unless a bound of the group stands between;
then it is the worth of the piece next to the bound.

Source: resource allocation over a laminar family by a greedy algorithm (Federgruen and Groenevelt, 1986).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...problem import AllocationProblem
from ...problem.arrays import FloatArray, IntArray
from ...problem.effective import group_bounds
from ..interface.eligibility import all_or_nothing, chosen, coupled, tiered
from ..interface.result import NoFeasibleSplit, RowPrices, SolverResult
from ..kernels.split import DUST, SLACK


def why_ineligible(problem: AllocationProblem) -> str | None:
    """Why this path cannot answer `problem`, in words; None where it can."""
    if problem.periods > 1:
        return f"{problem.periods} periods are planned together; the exact path takes one"
    why_not = coupled(problem, "exact", groups=True) or chosen(problem) or all_or_nothing(problem)
    why_not = why_not or tiered(problem, "exact")
    if why_not is not None:
        return why_not
    if problem.arrays.max_turnover is not None:
        return "a turnover limit couples protocols across groups"
    bent = problem.arrays.pieces
    if bent is not None and not bent.ordered.all():
        return f"the curve of {problem.names[bent.index[~bent.ordered][0]]} is not concave"
    if (counting := next((group for group in problem.limits.groups if group.counts), None)) is not None:
        return f"group {counting.name} counts its active members"
    return _overlap(problem)


def _overlap(problem: AllocationProblem) -> str | None:
    """Two groups of which neither holds the other, and that share a member, in words; None where there are none."""
    groups = sorted(problem.limits.groups, key=lambda group: len(group.members))
    inner: dict[str, int] = {}  # the largest group so far that a protocol is in
    for k, group in enumerate(groups):
        members = set(group.members)
        for j in {inner[name] for name in group.members if name in inner}:
            if not members.issuperset(groups[j].members):
                return f"groups {groups[j].name} and {group.name} overlap; the exact path takes nested ones"
        inner |= dict.fromkeys(group.members, k)
    return None


@dataclass
class _List:
    """The pieces of a group before its own bounds: their places, widths to choose from, and what its floors take."""

    places: IntArray
    free: FloatArray
    taken: float

    def slopes_at(self, slope: FloatArray, filled: float, dust: float) -> tuple[float, float]:
        """Worth of the next piece, and of the last one, once `filled` is chosen; infinite where there is none."""
        ends = self.free.cumsum()
        wide = self.free > dust
        after, before = wide & (ends > filled + dust), wide & (ends - self.free < filled - dust)
        right = float(slope[self.places[after.argmax()]]) if after.any() else -np.inf
        last = before.size - 1 - int(before[::-1].argmax())
        return right, float(slope[self.places[last]]) if before.any() else np.inf


def solve(problem: AllocationProblem) -> SolverResult | NoFeasibleSplit:
    """The optimal shares of a problem that this path does not decline, with prices that support them."""
    step, data = problem.trade_segments, problem.arrays
    total, current = float(data.total or 0.0), data.current
    dust, slack = DUST * max(1.0, total), SLACK * max(1.0, float(current.max()))
    if (step.low > step.high + slack).any():
        return NoFeasibleSplit("the bounds of a protocol leave nothing")
    count = step.owner.size
    owner = np.concatenate([step.owner, step.owner])
    slope = np.concatenate([step.sell, step.buy])
    width = np.maximum(np.concatenate([step.keep, step.more]), 0.0)
    bought = np.arange(2 * count) >= count
    # among equals what is there stays, then earlier names
    order = np.lexsort((data.rank[owner], bought, -slope))
    owner, slope, free, bought = owner[order], slope[order], width[order], bought[order]
    forced, low = np.zeros(free.size), np.minimum(step.low, step.high)

    bounds = group_bounds(problem)
    nested = sorted(range(len(bounds)), key=lambda k: bounds[k].members.size)
    lists: list[_List | None] = [None] * len(bounds)
    for k in nested:
        group = bounds[k]
        inside = np.zeros(data.size, dtype=bool)
        inside[group.members] = True
        places = np.flatnonzero(inside[owner])
        taken = float(forced[places].sum())
        floors = float(low[group.members].sum())
        lists[k] = _List(places, free[places].copy(), taken)
        now = floors + taken
        if not _within(now, group.lower, now + float(free[places].sum()), group.upper, slack):
            return NoFeasibleSplit(f"the members of group {group.name} cannot meet its bounds")
        first = _first(free[places], max(group.lower - now, 0.0))
        forced[places] += first
        rest = free[places] - first
        free[places] = _first(rest, max(group.upper - max(now, group.lower), 0.0))

    least = float(low.sum()) + float(forced.sum())
    most = least + float(free.sum())
    if least > total + slack or (most < total - slack and not problem.allow_idle):
        return NoFeasibleSplit(f"bounds leave between {least:g} and {most:g} of capacity {total:g}")
    wanted = free
    if problem.allow_idle:
        wanted = np.where((slope > 0.0) | ((slope == 0.0) & ~bought), free, 0.0)
    chosen_pieces = _first(wanted, max(total - least, 0.0))
    amount = forced + chosen_pieces
    amount = np.where(amount <= dust, 0.0, np.where(np.abs(width[order] - amount) <= dust, width[order], amount))
    change = np.where(bought, amount, amount - width[order])
    shares = step.middle + np.bincount(owner, weights=change, minlength=data.size)

    capacity = _capacity_price(slope, free, chosen_pieces, dust)
    if problem.allow_idle:
        is_full = least + float(chosen_pieces.sum()) >= total - dust
        capacity = max(capacity, 0.0) if is_full else 0.0
    prices = np.zeros(len(bounds))
    level = np.full(data.size, capacity)  # the price within the innermost group so far
    for k in reversed(nested):
        mine = lists[k]
        assert mine is not None
        around = float(level[bounds[k].members[0]])
        right, left = mine.slopes_at(slope, float(amount[mine.places].sum()) - mine.taken, dust)
        within = min(max(around, right), left)
        prices[k] = within - around
        level[bounds[k].members] = within
    zero = np.zeros(1)
    return SolverResult(shares[None, :], RowPrices(np.array([capacity]), zero, zero, np.zeros((1, data.size)), prices))


def _first(widths: FloatArray, amount: float) -> FloatArray:
    """How much of each piece is taken until `amount` is, in order."""
    return np.minimum(np.maximum(amount - (widths.cumsum() - widths), 0.0), widths)


def _within(least: float, lower: float, most: float, upper: float, slack: float) -> bool:
    return least <= upper + slack and most >= lower - slack


def _capacity_price(slope: FloatArray, free: FloatArray, taken: FloatArray, dust: float) -> float:
    """The worth of the last piece taken, or of the first one where none is."""
    last, after = np.flatnonzero(taken > dust), np.flatnonzero(free - taken > dust)
    return float(slope[last[-1]]) if last.size else float(slope[after[0]]) if after.size else 0.0
