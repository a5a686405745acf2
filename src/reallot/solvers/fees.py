"""One period, one capacity, a fixed fee per move or at most so many moves: which protocols move, exactly.

Given who moves, flat rates are split as ever (split.py). Who moves is a search: the relaxation (fees_sides) settles
almost all protocols, since their gain or loss at its price is larger than what there is to win over a set of movers
already known (fees_core); sets that differ in the few others are seen in the order of their bounds (fees_search).
Where there are too many of these, HiGHS finishes with the best one as its start (fees_rest).
"""

from __future__ import annotations

import sys
from heapq import heappop, heappush
from time import perf_counter

import numpy as np

from ..errors import InvalidInput
from ..problem import AllocationProblem, CVaR, RateUncertainty
from ..problem.arrays import BoolArray
from ..problem.value import value
from ..program import Status
from . import fees_search
from .answer import PathAnswer, Unmet
from .compiled import require
from .fees_core import MARGIN, Known, core, question
from .fees_sides import Line, Lowest, Sides, relaxed, sides, split_on, worth_of
from .split import split

SETS = 20_000
"""Sets of movers seen before HiGHS takes over; asking a question counts as seeing QUESTION of them."""
QUESTION = 200
"""Sets of movers seen before a question is split in two, if that leaves little room; else PATIENCE times as many."""
PATIENCE = 20
ROOM = 0.6
"""Splitting pays where it leaves no more than this part of the room above the best set."""


def declines(problem: AllocationProblem) -> str | None:
    """Why this path cannot answer `problem`, in words; None where it can."""
    data, limits = problem.arrays, problem.limits
    if not data.fee.any() and limits.max_moves is None:
        return "no fee per move and no max_moves: there is no choice of who moves"
    if problem.periods > 1:
        return f"{problem.periods} periods are planned together; the fee path takes one"
    if problem.capacity is None:
        return "there is no capacity that the shares sum to; the fee path needs one"
    if problem.resources:
        return f"resources ({', '.join(problem.resources)}) couple protocols; the fee path takes one capacity only"
    if limits.groups:
        return f"group {limits.groups[0].name} couples protocols; the fee path takes one capacity only"
    if isinstance(problem.risk, CVaR) and problem.risk.weight > 0.0:
        return "CVaR couples protocols through the scenarios"
    if isinstance(problem.risk, RateUncertainty):
        return "the budget of uncertainty couples protocols"
    if limits.max_turnover is not None:
        return "the turnover limit is a second limit that protocols share; the fee path takes one capacity only"
    if limits.min_move > 0.0:
        return f"min_move {limits.min_move:g} makes each move all or nothing"
    if data.entry.any() or data.step.any():
        return "entry shares or indivisible units make shares all or nothing"
    if data.curved:
        return f"the earnings of {problem.names[data.curved[0].index]} bend; the fee path takes flat rates"
    return None


def solve(
    problem: AllocationProblem,
    *,
    time_limit_seconds: float | None = None,
    compiled: bool | None = None,
    most_sets: int = SETS,
) -> PathAnswer | Unmet:
    """The best split of a problem that this path does not decline; raises InvalidInput for one it does.

    time_limit_seconds  HiGHS, where it takes over, stops here; the search before it takes a fraction of a second
    compiled            the search with Numba (extra `fast`), or without; None for with it where it is loaded already
    most_sets           sets of movers to see before HiGHS takes over

    Source: fixed-charge knapsack by Lagrangian bounds, sets ranked by them (Lawler, 1972, ranks solutions this way).
    """
    why_not = declines(problem)
    if why_not is not None:
        raise InvalidInput(f"the fee path declines: {why_not}; use solver='highs' or 'auto'")
    started = perf_counter()
    found = sides(problem)
    if isinstance(found, Unmet):
        return found
    root = relaxed(found)
    search = Search(found, compiled)
    search.run(root, most_sets)
    if search.bound is None:
        return _answer(problem, found, search.best.movers, f"search finished: {search.effort}")
    remaining = None if time_limit_seconds is None else time_limit_seconds - (perf_counter() - started)
    return _handed_over(problem, found, root, search, remaining)


class Search:
    """One run: the best set of movers so far, how much was seen, and the bound on what was not (None: all was)."""

    def __init__(self, sides: Sides, compiled: bool | None) -> None:
        self.sides, self.by = sides, ""
        self.look, self.most_compiled = fees_search.search, 0
        if compiled or (compiled is None and f"{__package__}.fees_compiled" in sys.modules):
            require()
            from . import fees_compiled

            self.look, self.most_compiled = fees_compiled.search, fees_compiled.MOST
        self.best = Known(-np.inf, sides.taken, 0.0)
        self.bound: float | None = None
        self.seen = self.questions = self.left_open = 0

    @property
    def effort(self) -> str:
        """What was seen, in words."""
        asked = "1 question" if self.questions == 1 else f"{self.questions} questions"
        left = f"{self.left_open:,} protocols left open by relaxations"
        return f"{asked} with {left}, {self.seen:,} sets of movers seen{self.by}"

    def run(self, root: Lowest, most_sets: int) -> None:
        """Asks and splits questions, the most promising first, until none is open or too much was seen."""
        heap = [(-root.value, 0, self.sides, root)]
        while heap:
            bound, _, asked, lowest = heappop(heap)
            if -bound <= self.best.worth + MARGIN * asked.near:
                return
            spent = self.seen + QUESTION * self.questions
            if self.questions and spent >= most_sets:
                self.bound = -bound
                return
            left = self.ask(asked, lowest, min(most_sets - spent, QUESTION))
            if left is None:
                continue
            halves = [(half, relaxed(half)) for half in split_on(asked, _partly_moved(asked, lowest))]
            if not self._is_worth_it(lowest, halves):
                left = self.ask(asked, lowest, min(most_sets - spent, PATIENCE * QUESTION))
                if left is None:
                    continue
            for number, (half, root) in enumerate(halves):
                if half.most >= 0:
                    heappush(heap, (-min(root.value, left), 2 * self.questions + number, half, root))

    def _is_worth_it(self, whole: Lowest, halves: list[tuple[Sides, Lowest]]) -> bool:
        """True where splitting leaves much less room above the best set: sets to see grow with its exponential."""
        room = max(root.value for _, root in halves) - self.best.worth
        return room <= ROOM * (whole.value - self.best.worth)

    def ask(self, sides: Sides, root: Lowest, most_sets: int) -> float | None:
        """Sees sets of movers by rising loss; None where none of them can be better, else a bound on those not seen."""
        self.questions += 1
        if _partly_moved(sides, root) < 0:
            self.keep(Known(root.value, _movers(sides, root.left), root.price))
            return None
        ends = [_known(sides, _movers(sides, line), root.price) for line in (root.left, root.right)]
        for known in ends:
            self.keep(known)
        left = core(sides, root, self.best.worth)
        self.left_open += left.places.size
        prices = [known.price for known in ends]
        asked = question(sides, root, self.best.worth, prices, left, most_sets)
        worth, found, seen, bound = self.look(*asked)
        self.seen += seen
        if 0 < left.places.size <= self.most_compiled:
            self.by = ", compiled"
        if found >= 0:
            movers = left.always | sides.taken
            movers[left.places] = [bool(found >> i & 1) for i in range(left.places.size)]
            self.keep(Known(worth, movers, root.price))
        return bound if bound > worth else None

    def keep(self, known: Known) -> None:
        """The better one of `known` and the best so far."""
        self.best = max(self.best, known, key=lambda each: each.worth)


def _movers(sides: Sides, line: Line) -> BoolArray:
    """Who moves in a set, but for the free."""
    return (line.movers & sides.open) | sides.taken


def _partly_moved(sides: Sides, root: Lowest) -> int:
    """The protocol that the relaxation moves in part, the one with the largest fee of several; -1 where none is."""
    places = np.flatnonzero((root.left.movers ^ root.right.movers) & sides.open)
    return int(places[np.argmax(sides.fee[places])]) if places.size else -1


def _known(sides: Sides, movers: BoolArray, otherwise: float) -> Known:
    """A set of movers with its worth, and the price that proves it; `otherwise` where it has no split, and no price."""
    worth, price = worth_of(sides, movers)
    return Known(worth, movers, otherwise if price is None else price)


def _handed_over(
    problem: AllocationProblem, sides: Sides, root: Lowest, search: Search, remaining: float | None
) -> PathAnswer | Unmet:
    """HiGHS's answer, from the best set known; that set where HiGHS finds no better one."""
    from .fees_rest import finish

    best, bound = search.best, float(search.bound or 0.0)
    base = value(problem, problem.steps.middle[None, :]).net
    detail, status = f"search given up after {search.effort}; ", Status.STOPPED
    if remaining is not None and remaining <= 0.0:
        return _answer(problem, sides, best.movers, detail + "no time left for HiGHS", base + bound, status)
    solution, movers = finish(sides, core(sides, root, best.worth), best.movers, remaining)
    if solution.bound is not None:
        bound = min(bound, solution.bound)
    if movers is not None:
        other = _known(sides, movers, best.price)
        best = other if other.worth > best.worth else best
    if solution.status is Status.OPTIMAL:
        detail, status = detail + "HiGHS finished from the best of them", Status.OPTIMAL
    else:
        detail += f"HiGHS went on from the best of them and stopped ({solution.detail})"
    return _answer(problem, sides, best.movers, detail, base + bound, status)


def _answer(
    problem: AllocationProblem,
    sides: Sides,
    movers: BoolArray,
    detail: str,
    bound: float | None = None,
    status: Status = Status.OPTIMAL,
) -> PathAnswer | Unmet:
    """The best split in which only `movers` and the free move."""
    data, step = problem.arrays, problem.steps
    moves = movers | ~sides.open
    shares = split(
        step.buy,
        step.sell,
        data.current,
        np.where(moves, step.low, step.middle),
        np.where(moves, step.high, step.middle),
        float(problem.available or 0.0),
        rank=lambda: data.rank,
        idle=problem.allow_idle,
    )
    if isinstance(shares, Unmet):
        return shares
    schedule = shares.shares[None, :]
    worth = value(problem, schedule).net
    return PathAnswer(schedule, bound=worth if bound is None else max(bound, worth), status=status, detail=detail)
