"""A search over whole numbers whose bound is a proof: each branch is closed by weak duality or by Farkas' lemma.

A mixed-integer solver's bound is its word. Here linear programs are solved by HiGHS, one a branch, from the basis of
the last one, and nothing of them is believed but that their prices are numbers. A branch is closed where its prices
show that nothing in it is good enough, or that it holds no point at all. The same prices narrow the whole numbers of a
branch (reduced-cost fixing). Small programs are solved sooner than HiGHS begins its own search.

Source: branch and bound over linear relaxations (Land and Doig, 1960); deeper first, then the best bound first.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from time import perf_counter
from typing import NamedTuple, Protocol

import numpy as np

from ...program import LinearProgram, Status
from ...program.blocks import FloatArray, IntArray
from ...program.certificate import gain_scale, worst_residual
from .highs import HighsModel
from .quiet import quiet

WORK = 60_000
"""Branches times rows and columns that are looked into."""
WHOLE = 1e-6
"""A number this near to a whole one is tried as that."""
CLOSE = 1e-9
"""A branch that promises no more than this part of the money at stake above the best point is closed."""
EMPTY = 1e-12
"""A ray proves that a branch is empty where its sides miss each other by more than this part of their sizes."""


class SearchGoal(Protocol):
    """What is searched for: points worth more than `cutoff` by a gain that may change as better ones are found.

    gain    (columns,) and offset, of what is maximised
    cutoff  branches that promise no more are closed; what was closed once would be closed by any later gain and cutoff
    near    a branch that promises no more than this above the cutoff is closed as well
    """

    gain: FloatArray
    offset: float
    cutoff: float
    near: float

    def take(self, point: FloatArray) -> bool:
        """Makes a feasible `point` (columns,) the one to beat; False where it is no better than what is known."""


class Best(SearchGoal):
    """The point of `program` that is worth most; `known` (columns,) is a feasible one, if there is any."""

    def __init__(self, program: LinearProgram, known: FloatArray | None) -> None:
        self.gain, self.offset, self.point = program.gain, program.offset, known
        self.cutoff = -np.inf if known is None else program.objective(known)
        self.near = CLOSE * max(gain_scale(program), float(np.finfo(float).tiny))

    def take(self, point: FloatArray) -> bool:
        """Keeps a point that is worth more than the one before."""
        worth = self.offset + float(self.gain @ point)
        if worth <= self.cutoff:
            return False
        self.point, self.cutoff = point, worth
        return True


@dataclass(frozen=True)
class Searched:
    """What a search found.

    values    the best point (columns,), or None
    bound     no point is worth more, USD over the horizon; -inf where there is none
    finished  True where every branch is closed, so that `bound` is that of the best point, but for rounding
    branches  how many were looked into
    """

    values: FloatArray | None
    bound: float
    finished: bool
    branches: int


def search(
    program: LinearProgram,
    known: FloatArray | None,
    tolerance: float,
    time_limit_seconds: float | None = None,
    work: int | None = None,
) -> Searched:
    """The best point of `program`, from the feasible point `known` if there is one, with a bound that is proved.

    A point counts as feasible where it breaks no row or bound by more than `tolerance`. `work` is how many branches,
    times rows and columns, are looked into; WORK where None.
    """
    ends = np.inf if time_limit_seconds is None else perf_counter() + time_limit_seconds
    goal, branches = Best(program, known), Branches(program, tolerance)
    bound, finished = branches.search(goal, ends, work)
    return Searched(goal.point, bound, finished, branches.seen)


@dataclass(eq=False)
class Prices:
    """Prices (rows,) of a relaxation.

    basic  what was basic in it: a column's number, or -1 less a row's; None where bases are not kept
    """

    rows: FloatArray
    basic: IntArray | None = None


class Branch(NamedTuple):
    """A box (columns,) of points, none of which is worth more than `bound`; `prices` prove that, if any do."""

    bound: float
    lower: FloatArray
    upper: FloatArray
    prices: Prices | None = None


class Closed(NamedTuple):
    """A box (columns,) in which no point is good enough, as `prices` prove.

    left  (columns,) bounds of the box within it that was looked into instead; None where nothing was left
    """

    lower: FloatArray
    upper: FloatArray
    prices: Prices
    left: tuple[FloatArray, FloatArray] | None = None


class Branches:
    """The linear relaxation of a program, kept in HiGHS for all the searches of its branches.

    seen   how many branches were looked into
    clock  the clock that says when a search has to end, in seconds
    """

    def __init__(self, program: LinearProgram, tolerance: float, clock: Callable[[], float] = perf_counter) -> None:
        self.program, self.tolerance, self.clock, self.seen = program, tolerance, clock, 0
        self.model = HighsModel(program, relaxed=True)
        self.model.without_presolve()

    def search(
        self,
        goal: SearchGoal,
        ends: float = np.inf,
        work: int | None = None,
        lower: FloatArray | None = None,
        upper: FloatArray | None = None,
    ) -> tuple[float, bool]:
        """What no point of the box is worth more than by the goal's gain, and whether every branch was closed.

        ends          when to stop, on the clock
        lower, upper  (columns,) of the box; the program's own bounds where None
        """
        program = self.program
        lower, upper = program.lower if lower is None else lower, program.upper if upper is None else upper
        with quiet():
            return BranchSearch(self, goal).through([Branch(np.inf, lower, upper)], ends, work)


class BranchSearch:
    """One search: the branches that wait, as (minus bound, turn, branch), and what is proved so far.

    closed  the boxes that were closed, in this order
    prices  of the last relaxation, with its basis where `bases`
    """

    def __init__(self, branches: Branches, goal: SearchGoal, *, bases: bool = False) -> None:
        self.branches, self.goal = branches, goal
        self.program, self.model = branches.program, branches.model
        self.integer = np.flatnonzero(self.program.integer)
        self.choices = (self.program.upper - self.program.lower)[self.integer] <= 1.0
        self.best, self.unproved, self.turn = -np.inf, False, count()
        self.waiting: list[tuple[float, int, Branch]] = []
        self.closed: list[Closed] = []
        self.prices: Prices | None = None
        self._bases = bases

    @property
    def enough(self) -> float:
        """A branch that promises no more than this is closed."""
        return self.goal.cutoff + self.goal.near

    def through(self, starts: list[Branch], ends: float = np.inf, work: int | None = None) -> tuple[float, bool]:
        """Looks into `starts` and all that comes of them; the bound, and True where it is reached."""
        size = self.program.column_count + self.program.row_count
        most = self.branches.seen + max(1, (WORK if work is None else work) // size)
        deeper: Branch | None = starts[0] if len(starts) == 1 else None
        for branch in starts if deeper is None else ():
            self._waits(branch)
        while deeper is not None or self.waiting:
            if self.branches.seen >= most or self.branches.clock() >= ends:
                break
            branch = heapq.heappop(self.waiting)[2] if deeper is None else deeper
            deeper = None
            if branch.bound <= self.enough:
                self.close(branch)
            else:
                deeper = self._look_into(branch)
        still = max((-entry[0] for entry in self.waiting), default=-np.inf)
        still = still if deeper is None else max(still, deeper.bound)
        finished = not self.unproved and still <= self.enough
        return float(np.inf if self.unproved else max(self.goal.cutoff, self.best, still)), finished

    def _waits(self, branch: Branch) -> None:
        heapq.heappush(self.waiting, (-branch.bound, next(self.turn), branch))

    def close(self, branch: Branch) -> None:
        """Nothing in it is good enough, and what its prices prove is part of the bound."""
        self.best = max(self.best, branch.bound)
        self.unproved |= branch.bound > self.enough
        if branch.prices is not None:
            self.closed.append(Closed(branch.lower, branch.upper, branch.prices))

    def _look_into(self, branch: Branch) -> Branch | None:
        """Closes a branch, or cuts it in two, of which one waits and the other is given back."""
        self.branches.seen += 1
        bound, lower, upper, _ = branch
        while True:
            values, bound, reduced = self.relaxed(bound, lower, upper)
            if values is None:
                return None
            away = np.abs(values - np.round(values))[self.integer]
            away[upper[self.integer] <= lower[self.integer]] = -1.0
            is_whole = float(away.max(initial=-1.0)) <= WHOLE
            if not (is_whole and self.try_whole(values, lower, upper)) or bound <= self.enough:
                break
        prices = self.prices
        if bound <= self.enough or not (away >= 0.0).any():
            self.close(Branch(bound, lower, upper, prices))
            return None
        lower, upper = self.narrowed(bound, reduced, lower, upper)
        # choices of two before counts of units: a choice settles more of what follows
        at = int(self.integer[np.where(self.choices & (away > WHOLE), away + 1.0, away).argmax()])
        if lower[at] == upper[at]:
            return Branch(bound, lower, upper, prices)
        cut = float(np.floor(values[at] + WHOLE))
        cut = min(max(cut, lower[at]), upper[at] - 1.0)
        below, above = upper.copy(), lower.copy()
        below[at], above[at] = cut, cut + 1.0
        sides = [Branch(bound, lower, below, prices), Branch(bound, above, upper, prices)]
        nearer = sides.pop(int(values[at] - cut > 0.5))
        self._waits(sides[0])
        return nearer

    def relaxed(
        self, bound: float, lower: FloatArray, upper: FloatArray
    ) -> tuple[FloatArray | None, float, FloatArray]:
        """The best point of a branch without whole numbers, the bound that its prices prove, and reduced gains.

        The point is None where the branch is empty, or where HiGHS gives no prices.
        """
        if self.goal.gain is not self.model.gain:
            self.model.change_gain(self.goal.gain)
        self.model.change_columns(lower, upper)
        solution = self.model.solve()
        if solution.values is None or solution.row_prices is None:
            self.unproved |= solution.status is not Status.INFEASIBLE or not self._is_empty(lower, upper)
            return None, bound, lower
        program, prices = self.program, solution.row_prices
        limit = np.where(prices > 0.0, program.row_upper, program.row_lower)
        finite = np.isfinite(limit)
        prices, limit = np.where(finite, prices, 0.0), np.where(finite, limit, 0.0)
        reduced = program.reduced_gain(prices) - program.gain + self.goal.gain
        self.prices = Prices(prices, self.model.basic() if self._bases else None)
        box = np.maximum(reduced * lower, reduced * upper)
        proved = float(self.goal.offset + prices @ limit + box.sum())
        return solution.values, min(bound, proved) if np.isfinite(proved) else bound, reduced

    def narrowed(
        self, bound: float, reduced: FloatArray, lower: FloatArray, upper: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """The box without whole numbers so far from the end they gain by that no point there is good enough.

        A whole number that stands k away from the end which its reduced gain points at lowers the bound by k times
        that gain: weak duality again.
        """
        to_lose = bound - self.enough
        if not np.isfinite(to_lose):
            return lower, upper
        price, low, high = reduced[self.integer], lower[self.integer], upper[self.integer]
        steps = np.floor(to_lose / np.maximum(np.abs(price), 1e-200) + WHOLE)
        new_low = np.where((price > 0.0) & (high - steps > low), high - steps, low)
        new_high = np.where((price < 0.0) & (low + steps < high), low + steps, high)
        if (new_low == low).all() and (new_high == high).all():
            return lower, upper
        within = lower.copy(), upper.copy()
        within[0][self.integer], within[1][self.integer] = new_low, new_high
        assert self.prices is not None
        self.closed.append(Closed(lower, upper, self.prices, within))
        return within

    def _is_empty(self, lower: FloatArray, upper: FloatArray) -> bool:
        """True where HiGHS's ray proves that no point meets all rows in this box."""
        if (lower > upper).any():
            return True
        _, there, ray = self.model.highs.getDualRay()
        if not there:
            return False
        prices = np.asarray(ray)
        return any(self._proves_empty(sign * prices, lower, upper) for sign in (1.0, -1.0))

    def _proves_empty(self, prices: FloatArray, lower: FloatArray, upper: FloatArray) -> bool:
        program = self.program
        limit = np.where(prices > 0.0, program.row_upper, program.row_lower)
        prices = np.where(np.isfinite(limit), prices, 0.0)
        limit = np.where(np.isfinite(limit), limit, 0.0)
        columns = program.reduced_gain(prices) - program.gain
        best = np.maximum(columns * lower, columns * upper)
        size = float(np.abs(prices * limit).sum() + np.abs(best).sum())
        return float(prices @ limit + best.sum()) < -EMPTY * size

    def try_whole(self, values: FloatArray, lower: FloatArray, upper: FloatArray) -> bool:
        """Takes the best point with these whole numbers, if it is feasible and better; whether it did."""
        whole = np.where(self.program.integer, np.round(values), values)
        if self.integer.size and (whole != values).any():
            low = np.where(self.program.integer, whole, lower)
            high = np.where(self.program.integer, whole, upper)
            self.model.change_columns(low, high)
            solution = self.model.solve()
            if solution.status is not Status.OPTIMAL or solution.values is None:
                return False
            whole = np.where(self.program.integer, whole, np.clip(solution.values, low, high))
        else:
            whole = np.clip(whole, lower, upper)
        return worst_residual(self.program, whole)[0] <= self.branches.tolerance and self.goal.take(whole)
