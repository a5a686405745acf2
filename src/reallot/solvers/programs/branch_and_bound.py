"""A search over whole numbers whose bound is a proof: each branch is closed by weak duality or by Farkas' lemma.

A mixed-integer solver's bound is its word. For small programs the same bound is worked out again here: linear programs
by HiGHS, one a branch, of which nothing is believed but that their prices are numbers. A branch is closed where its
prices show that nothing in it is worth more than the best point known, or that it holds no point at all.

Source: branch and bound over linear relaxations (Land and Doig, 1960), best bound first.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count
from time import perf_counter

import numpy as np

from ...program import LinearProgram, Status
from ...program.blocks import FloatArray
from ...program.certificate import dual_bound, gain_scale, worst_residual
from .highs import HighsModel

WORK = 60_000
"""Branches times rows and columns that are looked into."""
WHOLE = 1e-6
"""A number this near to a whole one is tried as that."""
CLOSE = 1e-9
"""A branch that promises no more than this part of the money at stake above the best point is closed."""
EMPTY = 1e-12
"""A ray proves that a branch is empty where its sides miss each other by more than this part of their sizes."""


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
    program: LinearProgram, known: FloatArray | None, tolerance: float, time_limit_seconds: float | None = None
) -> Searched:
    """The best point of `program`, from the feasible point `known` if there is one, with a bound that is proved.

    A point counts as feasible where it breaks no row or bound by more than `tolerance`.
    """
    return _Search(program, known, tolerance).run(time_limit_seconds)


class _Search:
    """The branches that wait, as (minus bound, turn, lower, upper); the best point, and what is proved so far."""

    def __init__(self, program: LinearProgram, known: FloatArray | None, tolerance: float) -> None:
        self.program, self.tolerance = program, tolerance
        self.best, self.worth = known, -np.inf if known is None else program.objective(known)
        self.near = CLOSE * max(gain_scale(program), float(np.finfo(float).tiny))
        self.closed, self.unproved, self.turn = -np.inf, False, count()
        self.model = HighsModel(program, relaxed=True)
        self.model.highs.setOptionValue("presolve", "off")
        self.waiting: list[tuple[float, int, FloatArray, FloatArray]] = []
        self.seen = 0

    def run(self, time_limit_seconds: float | None) -> Searched:
        ends = np.inf if time_limit_seconds is None else perf_counter() + time_limit_seconds
        program = self.program
        most = max(1, WORK // (program.column_count + program.row_count))
        self._wait(np.inf, program.lower, program.upper)
        while self.waiting and self.seen < most and perf_counter() < ends:
            bound, _, lower, upper = heapq.heappop(self.waiting)
            if -bound <= self.worth + self.near:
                self.closed = max(self.closed, -bound)
            else:
                self._look_into(-bound, lower, upper)
        still = max((-entry[0] for entry in self.waiting), default=-np.inf)
        finished = not self.unproved and still <= self.worth + self.near
        bound = np.inf if self.unproved else max(self.worth, self.closed, still)
        return Searched(self.best, float(bound), finished, self.seen)

    def _wait(self, bound: float, lower: FloatArray, upper: FloatArray) -> None:
        heapq.heappush(self.waiting, (-bound, next(self.turn), lower, upper))

    def _look_into(self, bound: float, lower: FloatArray, upper: FloatArray) -> None:
        """Closes a branch, or cuts it in two."""
        self.seen += 1
        values, bound = self._relaxed(bound, lower, upper)
        if values is None:
            return
        whole = self.program.integer
        away = np.where(whole & (upper > lower), np.abs(values - np.round(values)), -1.0)
        if float(away.max(initial=-1.0)) <= WHOLE:
            self._try(values, lower, upper)
        if bound <= self.worth + self.near or not (away >= 0.0).any():
            self.closed = max(self.closed, bound)
            self.unproved |= not (away >= 0.0).any() and bound > self.worth + self.near
            return
        at = int(away.argmax())
        cut = float(np.floor(values[at] + WHOLE))
        cut = min(max(cut, lower[at]), upper[at] - 1.0)
        below, above = upper.copy(), lower.copy()
        below[at], above[at] = cut, cut + 1.0
        self._wait(bound, lower, below)
        self._wait(bound, above, upper)

    def _relaxed(self, bound: float, lower: FloatArray, upper: FloatArray) -> tuple[FloatArray | None, float]:
        """The best point of a branch without whole numbers, and the bound its prices prove; None where it is empty."""
        self.model.change_columns(lower, upper)
        solution = self.model.solve()
        if solution.status is Status.INFEASIBLE:
            if not self._is_empty(lower, upper):
                self.unproved = True
            return None, bound
        if solution.values is None or solution.row_prices is None:
            self.unproved = True
            return None, bound
        return solution.values, min(bound, dual_bound(self.program, solution.row_prices, lower, upper))

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

    def _try(self, values: FloatArray, lower: FloatArray, upper: FloatArray) -> None:
        """Takes the best point with these whole numbers, if it is feasible and better than the one known."""
        whole = np.round(values)
        low = np.where(self.program.integer, whole, lower)
        high = np.where(self.program.integer, whole, upper)
        self.model.change_columns(low, high)
        solution = self.model.solve()
        if solution.status is not Status.OPTIMAL or solution.values is None:
            return
        point = np.where(self.program.integer, whole, np.clip(solution.values, low, high))
        worth = self.program.objective(point)
        if worth > self.worth and worst_residual(self.program, point)[0] <= self.tolerance:
            self.best, self.worth = point, worth
