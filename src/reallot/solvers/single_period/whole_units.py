"""One period in which all that moves comes in whole units: every sum of shares that can be worth having, exactly.

Each protocol has a few options: its present share, and so many units. A partial sum is kept where no other is worth as
much for no more capacity and no more moves. It is dropped where prices of capacity show that it cannot end well.

Source: multiple-choice knapsack by dynamic programming with dominance and bounds (Kellerer, Pferschy and Pisinger,
2004, chapter 11).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ...problem import AllocationProblem
from ...problem.arrays import FloatArray, IntArray
from ...problem.effective import PRESENT
from ...problem.objective import value
from ..interface.eligibility import coupled, one_sided

ON_GRID = 1e-9
"""A share that is off a whole number of units by no more than this part of one is on it."""
SAME = 1e-10
"""Sums of shares that differ by less are one sum."""
MOST_SUMS = 30_000
"""More sums than these are not looked into."""
FIRST = 300
"""So many of the most promising sums are kept to find a first plan."""
HALVINGS = 50


def why_ineligible(problem: AllocationProblem) -> str | None:
    """Why not all that moves comes in whole units of one capacity, in words; None where it does."""
    data = problem.arrays
    if data.periods > 1:
        return f"{data.periods} periods couple what moves when; whole units are summed in one period only"
    if (why := coupled(problem, "whole units") or one_sided(problem, "whole units")) is not None:
        return why
    if data.turnover_tiers is not None:
        return "turnover_cost couples protocols; sums of whole units take one capacity only"
    if data.max_turnover is not None:
        return "a turnover limit couples protocols; sums of whole units take one capacity only"
    if data.one_unit.any():
        return "allow_one_unit lets a unit pass max_change"
    moves = (data.max_change[0] > PRESENT) & (data.upper[0] > data.lower[0])
    if (moves & (data.step == 0.0)).any():
        return "not all shares that can move come in whole units"
    return None


@dataclass(frozen=True)
class Sums:
    """Sums of shares of some protocols, by total: (sums,) each.

    total, worth, moves  shares, USD over the horizon, protocols that moved
    parent, option       the sum that each was made from, and which option was added
    """

    total: FloatArray
    worth: FloatArray
    moves: IntArray
    parent: IntArray
    option: IntArray


NOTHING = Sums(np.zeros(1), np.zeros(1), *(np.zeros(1, np.intp) for _ in range(3)))


class BestPair(NamedTuple):
    """Two sums, by their places, and what they are worth together."""

    worth: float
    one: int
    other: int


@dataclass(frozen=True)
class Options:
    """What each protocol may hold, (protocols, options) each; the present share is the first option.

    share, worth  of share, USD over the horizon; worth is -inf where there is no such option
    moved         1 where the move counts
    low, high     what the shares sum to, at least and at most
    most          moves that may be made; None where they do not count
    """

    share: FloatArray
    worth: FloatArray
    moved: IntArray
    low: float
    high: float
    most: int | None

    def best(self, known: FloatArray | None = None) -> tuple[FloatArray, float] | None:
        """The shares (protocols,) that are worth most, and their worth; None where there are too many sums.

        The worth is -inf where no shares meet the rules. `known` are shares that may be nearly as good, if there are.
        """
        price, half = self._price(), len(self.share) // 2
        cutoff = -np.inf if known is None else self._worth_of(known)
        if np.isneginf(cutoff):
            first = self._through(price, -np.inf, len(self.share), FIRST)
            assert first is not None
            cutoff = self._best_pair(first[-1], NOTHING).worth
        left = self._worth_having(price, cutoff)
        before = left._through(price, cutoff, half)
        after = None if before is None else left._reversed()._through(price, cutoff, len(self.share) - half)
        if before is None or after is None:
            return None
        pair = self._best_pair(before[-1], after[-1])
        if np.isneginf(pair.worth):
            return self.share[:, 0], -np.inf
        picked = np.append(_picked(before, pair.one), _picked(after, pair.other)[::-1])
        return self.share[np.arange(picked.size), picked], pair.worth

    def best_with_each(self, cutoff: float) -> FloatArray | None:
        """What the best plan is worth in which a protocol takes an option, (protocols, options).

        -inf where it is worth less than the `cutoff`, or where there is none. None where there are too many sums.
        """
        price, last = self._price(), len(self.share) - 1
        before = self._through(price, cutoff, last)
        after = None if before is None else self._reversed()._through(price, cutoff, last)
        if before is None or after is None:
            return None
        result = np.full(self.worth.shape, -np.inf)
        for i, k in np.argwhere(np.isfinite(self.worth)):
            rest = self._best_pair(before[i], after[last - i], float(self.share[i, k]), int(self.moved[i, k]))
            result[i, k] = self.worth[i, k] + rest.worth
        return result

    def _worth_of(self, shares: FloatArray) -> float:
        """What `shares` (protocols,) are worth; -inf where they break a rule."""
        there = (np.abs(self.share - shares[:, None]) <= SAME) & np.isfinite(self.worth)
        picked = np.arange(len(there)), there.argmax(axis=1)
        total, moves = float(self.share[picked].sum()), int(self.moved[picked].sum())
        fits = there.any(axis=1).all() and self.low - SAME <= total <= self.high + SAME
        return float(self.worth[picked].sum()) if fits and (self.most is None or moves <= self.most) else -np.inf

    def _worth_having(self, price: float, cutoff: float) -> Options:
        """The options without those that no plan above the cutoff takes, as the price of capacity shows."""
        net = self.worth - price * self.share
        most = net.max(axis=1, keepdims=True)
        if np.isneginf(cutoff) or np.isneginf(most).any():
            return self
        spare = float(most.sum()) + price * self.high - cutoff + self._rounding(price)
        return replace(self, worth=np.where(most - net <= spare, self.worth, -np.inf))

    def _rounding(self, price: float) -> float:
        """What bounds at this price may be off by, USD over the horizon."""
        near = 1e-12 * float(np.abs(np.where(np.isfinite(self.worth), self.worth, 0.0)).sum())
        return near + (abs(price) * (self.high - self.low + SAME) if np.isfinite(self.low) else 0.0)

    def _reversed(self) -> Options:
        return Options(self.share[::-1], self.worth[::-1], self.moved[::-1], self.low, self.high, self.most)

    def _price(self) -> float:
        """A price of capacity at which the best options take about all of it (USD over the horizon per share)."""
        there = np.isfinite(self.worth)
        width, spread = (
            float(np.ptp(self.share, axis=1).max()),
            float(np.ptp(self.worth[there])) if there.any() else 0.0,
        )
        steepest = 8.0 * spread / width if width > 0.0 else 0.0
        low, high = (0.0 if np.isneginf(self.low) else -steepest), steepest
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            chosen = (self.worth - middle * self.share).argmax(axis=1)
            takes = float(self.share[np.arange(len(chosen)), chosen].sum())
            low, high = (middle, high) if takes > self.high else (low, middle)
        return high

    def _through(self, price: float, cutoff: float, count: int, keep: int | None = None) -> list[Sums] | None:
        """The sums of the first 0, 1, ... `count` protocols that may end above the cutoff; None where too many.

        The `keep` most promising of them only, where that is given.
        """
        net = (self.worth - price * self.share).max(axis=1)
        left = np.append(np.cumsum(net[::-1])[::-1], 0.0) + price * self.high
        least, result = cutoff - self._rounding(price), [NOTHING]
        for i in range(count):
            sums = self._with_one_more(result[-1], i, price, float(left[i + 1]), least, keep)
            if sums is None:
                return None
            result.append(sums)
        return result

    def _with_one_more(
        self, sums: Sums, i: int, price: float, left: float, cutoff: float, keep: int | None
    ) -> Sums | None:
        there = np.flatnonzero(np.isfinite(self.worth[i]))
        if there.size == 1:  # all sums alike: none is dominated that was not before
            k, same = int(there[0]), np.arange(sums.total.size)
            added = sums.total + self.share[i, k], sums.worth + self.worth[i, k], sums.moves + self.moved[i, k]
            return Sums(*added, same, np.full(same.size, k))
        total = np.add.outer(sums.total, self.share[i, there]).ravel()
        worth = np.add.outer(sums.worth, self.worth[i, there]).ravel()
        moves = np.add.outer(sums.moves, self.moved[i, there]).ravel()
        promises = worth - price * total + left
        good = (total <= self.high + SAME) & (promises >= cutoff)
        if self.most is not None:
            good &= moves <= self.most
        places = np.flatnonzero(good)
        if keep is not None and places.size > keep:
            places = places[np.argpartition(-promises[places], keep)[:keep]]
        places = places[np.lexsort((-worth[places], moves[places], np.round(total[places] / SAME)))]
        places = places[self._not_dominated(total[places], worth[places], moves[places])]
        if places.size > MOST_SUMS:
            return None
        parent, option = np.divmod(places, there.size)
        return Sums(total[places], worth[places], moves[places], parent, there[option])

    def _not_dominated(self, total: FloatArray, worth: FloatArray, moves: IntArray) -> FloatArray:
        """True for sums, by total, than which none of no more capacity and moves is worth as much.

        Where capacity may not be idle only a sum of the same total can take another's place.
        """
        kept = np.ones(total.size, bool)
        if not total.size:
            return kept
        if not np.isneginf(self.low):
            # the first of each total and number of moves is worth most
            kept[1:] = (np.diff(np.round(total / SAME)) > 0.0) | (np.diff(moves) > 0)
            return kept
        for count in np.unique(moves):
            before = np.maximum.accumulate(np.where(moves <= count, worth, -np.inf))
            mine = np.flatnonzero(moves == count)
            later = mine[mine > 0]
            kept[later] = worth[later] > before[later - 1]
        return kept

    def _best_pair(self, one: Sums, other: Sums, share: float = 0.0, moved: int = 0) -> BestPair:
        """The sum of each that together, beside `share`, are worth most; of worth -inf where no two fit."""
        best = BestPair(-np.inf, 0, 0)
        for used in np.unique(one.moves):
            fits = np.flatnonzero(other.moves <= (np.inf if self.most is None else self.most - moved - used))
            mine = np.flatnonzero(one.moves == used)
            if not fits.size:
                continue
            total, worth, used_up = other.total[fits], other.worth[fits], share + one.total[mine]
            last = np.searchsorted(total, self.high - used_up + SAME, side="right") - 1
            if np.isneginf(self.low):
                upto = np.append(np.maximum.accumulate(worth), -np.inf)
                pair = one.worth[mine] + upto[last]
                at = int(pair.argmax())
                if pair[at] > best.worth:
                    best = BestPair(float(pair[at]), int(mine[at]), int(fits[worth[: last[at] + 1].argmax()]))
                continue
            first = np.searchsorted(total, self.low - used_up - SAME)
            for more in range(int((last - first).max(initial=-1)) + 1):
                partner = first + more
                pair = np.where(partner <= last, one.worth[mine] + worth[np.minimum(partner, total.size - 1)], -np.inf)
                at = int(pair.argmax())
                if pair[at] > best.worth:
                    best = BestPair(float(pair[at]), int(mine[at]), int(fits[partner[at]]))
        return best


def _picked(sums: list[Sums], place: int) -> IntArray:
    """The option of each protocol that the last of `sums` at `place` was made of."""
    result = np.empty(len(sums) - 1, np.intp)
    for i in range(result.size - 1, -1, -1):
        result[i] = sums[i + 1].option[place]
        place = int(sums[i + 1].parent[place])
    return result


def options(problem: AllocationProblem) -> Options:
    """What each protocol of an eligible problem may hold, by whole units, and what that is worth."""
    data, limits = problem.arrays, problem.limits
    assert data.total is not None and data.as_given.total is not None
    each = [_of_one(problem, i) for i in range(data.size)]
    shares = np.tile(data.current[:, None], (1, max(map(len, each))))
    there = np.zeros(shares.shape, bool)
    for i, own in enumerate(each):
        shares[i, : len(own)], there[i, : len(own)] = own, True
    # the present share comes first; it is none where it breaks a bound
    there[:, 0] = (data.lower[0] <= data.current) & (data.current <= data.upper[0])
    worth = np.full(shares.shape, -np.inf)
    for k in range(shares.shape[1]):
        found = value(problem, shares[None, :, k])
        net = found.earnings[0] * found.hours - found.costs[0]
        worth[there[:, k], k] = net[there[:, k]]
    moved = (shares != data.current[:, None]).astype(np.intp) * (limits.max_moves is not None)
    low, high = min(data.total, data.as_given.total), max(data.total, data.as_given.total)
    return Options(shares, worth, moved, -np.inf if problem.allow_idle else low, high, limits.max_moves)


def _of_one(problem: AllocationProblem, i: int) -> list[float]:
    """The present share of protocol i, then every number of units that bounds, changes and least moves allow."""
    data, least = problem.arrays, max(PRESENT, problem.limits.min_move - PRESENT)
    now, step, change = float(data.current[i]), float(data.step[i]), float(data.max_change[0, i])
    if step == 0.0 or change <= PRESENT:
        return [now]
    low = max(float(data.lower[0, i]), now - change)
    high = min(float(data.upper[0, i]), now + change, float(data.reach[0, i]) if now <= data.reach[0, i] else np.inf)
    within = max(ON_GRID, PRESENT / step)
    first, last = np.ceil(low / step - within), np.floor(high / step + within)
    units = np.arange(max(0.0, first), last + 1.0)
    shares = units * step
    counts = problem.limits.min_move > 0.0 or problem.limits.max_moves is not None or data.fee[i] > 0.0
    far = np.abs(shares - now) >= (least if counts else PRESENT)
    good = far & ((shares == 0.0) | (shares >= data.entry[i] - ON_GRID * step))
    return [now, *shares[good].tolist()]
