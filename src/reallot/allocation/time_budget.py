"""A budget of time for many searches: each gets what is left, and none counts that was cut short."""

from __future__ import annotations

import math
from time import perf_counter

from ..errors import SolverFailed
from ..problem import AllocationProblem
from .allocate import allocate
from .result import Allocation

PART, EQUAL_PARTS = 0.5, 2.0
"""The part of the time left that one search may take at most; and of many so many times as much as is each one's."""
LEAST = 0.01
"""Seconds below which no search is begun."""


class OutOfTime(Exception):
    """The budget is used up: what was asked for stays unknown."""


class TimeBudget:
    """Seconds from now on for all searches together; None is no limit.

    waiting  how many searches are still to come, this one included: one that takes long leaves the others theirs
    """

    def __init__(self, seconds: float | None) -> None:
        self.seconds, self.waiting = seconds, 1
        self._end = math.inf if seconds is None else perf_counter() + seconds

    def part_ends(self) -> float:
        """When one search of several has to end, on the clock perf_counter; raises OutOfTime where no time is left."""
        now = perf_counter()
        if self._end - now < LEAST:
            raise OutOfTime
        return now + min(PART, EQUAL_PARTS / max(self.waiting, 1)) * (self._end - now)

    def allocate(self, problem: AllocationProblem) -> Allocation:
        """The optimal plan; raises OutOfTime where the time left is too short for a proof, or what allocate raises."""
        left = self._end - perf_counter()
        if left < LEAST:
            raise OutOfTime
        try:
            plan = allocate(problem, time_limit_seconds=left)
        except SolverFailed:
            if perf_counter() > self._end:
                raise OutOfTime from None
            raise
        if plan.status != "optimal":
            raise OutOfTime
        return plan

    def __str__(self) -> str:
        if self.seconds is None:
            return "a search did not end in a proof"
        if self._end - perf_counter() >= LEAST:
            return f"a search did not end within its part of the budget of {self.seconds:g} s"
        return f"the budget of {self.seconds:g} s was used up"
