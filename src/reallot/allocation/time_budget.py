"""A budget of time for many searches: each gets what is left, and none counts that was cut short."""

from __future__ import annotations

import math
from time import monotonic

from ..errors import SolverFailed
from ..problem import AllocationProblem
from .allocate import allocate
from .result import Allocation

LEAST = 0.01
"""Seconds below which no search is begun."""


class OutOfTime(Exception):
    """The budget is used up: what was asked for stays unknown."""


class TimeBudget:
    """Seconds from now on for all searches together; None is no limit."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._end = math.inf if seconds is None else monotonic() + seconds

    def allocate(self, problem: AllocationProblem) -> Allocation:
        """The optimal plan; raises OutOfTime where the time left is too short for a proof, or what allocate raises."""
        left = self._end - monotonic()
        if left < LEAST:
            raise OutOfTime
        try:
            plan = allocate(problem, time_limit_seconds=left)
        except SolverFailed:
            if monotonic() > self._end:
                raise OutOfTime from None
            raise
        if plan.status != "optimal":
            raise OutOfTime
        return plan

    def __str__(self) -> str:
        return f"the budget of {self.seconds:g} s was used up"
