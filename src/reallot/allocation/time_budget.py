"""A budget of processor time for many searches: each gets a part of what is left; one that was cut short counts not."""

from __future__ import annotations

import math
from time import perf_counter, thread_time

from ..errors import SolverFailed
from ..problem import AllocationProblem
from .allocate import allocate
from .result import Allocation

PART, EQUAL_PARTS = 0.5, 4.0
"""The part of the time left that one search may take at most; and of many so many times as much as is each one's."""
LEAST = 0.01
"""Seconds below which no search is begun."""
EACH, EACH_OF_SEVERAL = 0.025, 0.05
"""Seconds by default for each share of one period, and for each of several periods, which are searched together."""
SHORTEST, LONGEST = 0.25, 2.0
"""Seconds by default, at least and at most."""
PATIENT = 20.0
"""Seconds at most where a person has asked for the whole answer: in a terminal and on the page."""


class OutOfTime(Exception):
    """The budget is used up: what was asked for stays unknown."""


class TimeBudget:
    """Seconds of processor time of this thread from now on, for all searches together; None is no limit.

    waiting  how many searches are still to come, this one included: one that takes long leaves the others theirs
    """

    clock = staticmethod(thread_time)

    def __init__(self, seconds: float | None) -> None:
        self.seconds, self.waiting = seconds, 1
        self._end = math.inf if seconds is None else self.clock() + seconds

    def part_ends(self) -> float:
        """When one search of several has to end, on the `clock`; raises OutOfTime where no time is left."""
        now = self.clock()
        if self._end - now < LEAST:
            raise OutOfTime
        return now + min(PART, EQUAL_PARTS / max(self.waiting, 1)) * (self._end - now)

    def allocate(self, problem: AllocationProblem) -> Allocation:
        """The optimal plan; raises OutOfTime where its part of the time is too short for a proof.

        Raises whatever `allocate` raises.
        """
        part, began = self.part_ends() - self.clock(), perf_counter()
        try:
            plan = allocate(problem, time_limit_seconds=part)
        except SolverFailed:
            if perf_counter() - began >= part:
                raise OutOfTime from None
            raise
        if plan.status != "optimal":
            raise OutOfTime
        return plan

    def __str__(self) -> str:
        if self.seconds is None:
            return "a search did not end in a proof"
        if self._end - self.clock() >= LEAST:
            return f"a search did not end within its part of the budget of {self.seconds:g} s"
        return f"the budget of {self.seconds:g} s was used up"


def default_seconds(problem: AllocationProblem) -> float:
    """Seconds of processor time for all searches where nothing is said: 0.25 s of ten protocols in one period."""
    each = EACH if problem.periods == 1 else EACH_OF_SEVERAL
    return min(max(each * len(problem.names) * problem.periods, SHORTEST), LONGEST)
