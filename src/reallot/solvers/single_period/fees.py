"""One period, one capacity, a fixed fee per move or at most so many moves: which protocols move, exactly.

Why it is here: 50 to 200 protocols take 0.4 to 1.0 ms, as a mixed-integer program in HiGHS 31 to 51 ms.

Given who moves, flat rates are split as ever (split.py). A search finds who moves. The relaxation (fees_bounds,
fees_relaxation) settles almost all protocols: their gain or loss at its price is larger than what is left to win over a
set of movers already known. The few others are searched branch by branch (fees_branch_and_bound). Where there are too
many branches, HiGHS finishes with the best set known as its start (fees_milp). With the extra `fast` all of it is
compiled (`numba/fees.py`).
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np

from ...errors import InvalidInput
from ...problem import AllocationProblem
from ...problem.arrays import BoolArray, FloatArray
from ...problem.objective import value
from ...program import Status
from ..interface.eligibility import all_or_nothing, coupled, tiered
from ..interface.result import NoFeasibleSplit, SolverResult
from ..kernels import fees_branch_and_bound, fees_relaxation
from ..kernels.fees_bounds import sides
from ..kernels.fees_relaxation import Task
from ..kernels.split import split
from ..numba.dispatch import available, is_loaded, require

BRANCHES = 20_000
"""Branches looked into before HiGHS takes over."""
PLAIN_BRANCHES = 2_000
"""The same without Numba: they take many times longer."""
DEEP = 1_000
"""Branches that may wait to be looked into; HiGHS takes over where there are more."""
FEW, FIRST = 24, 60
"""A larger core waits until that many of it have been searched, for at most so many branches: a better set is known."""
LOADING = 0.5
"""Seconds that loading Numba takes: a search that has taken as long goes on compiled, where Numba is installed."""
SLICE, COMPILED_SLICE = 10_000, 2_000_000
"""Branches times protocols between two looks at the clock: some ten milliseconds."""


def why_ineligible(problem: AllocationProblem) -> str | None:
    """Why this path cannot answer `problem`, in words; None where it can."""
    data, limits = problem.arrays, problem.limits
    if not data.has_fee and limits.max_moves is None:
        return "no fee per move and no max_moves: there is no choice of who moves"
    if problem.periods > 1:
        return f"{problem.periods} periods are planned together; the fee path takes one"
    why_not = coupled(problem, "fee")
    if why_not is not None:
        return why_not
    why_not = tiered(problem, "fee")
    if why_not is not None:
        return why_not
    if limits.max_turnover is not None:
        return "the turnover limit is a second limit that protocols share; the fee path takes one capacity only"
    why_not = all_or_nothing(problem)
    if why_not is not None:
        return why_not
    if data.curved:
        return f"the earnings of {problem.names[data.curved[0].index]} bend; the fee path takes flat rates"
    return None


def solve(
    problem: AllocationProblem,
    *,
    time_limit_seconds: float | None = None,
    compiled: bool | None = None,
    most_branches: int | None = None,
) -> SolverResult | NoFeasibleSplit:
    """The best split of a problem that this path does not decline; raises InvalidInput for one it does.

    time_limit_seconds  the search, and HiGHS where it takes over, stop here with the best set known and its bound
    compiled            with Numba (extra `fast`), or without; None for with it where it is loaded already, or once the
                        search has taken as long as loading it does
    most_branches       of the search, before HiGHS takes over

    Of protocols alike in every number, those first by name move.
    """
    why_not = why_ineligible(problem)
    if why_not is not None:
        raise InvalidInput(f"the fee path declines: {why_not}; use solver='highs' or 'auto'")
    started = perf_counter()
    may_load = compiled is None and available()
    if compiled is None:
        compiled = is_loaded("fees")
    if most_branches is None:
        most_branches = BRANCHES if compiled or may_load else PLAIN_BRANCHES
    ends = np.inf if time_limit_seconds is None else started + time_limit_seconds
    task, seen = _compiled().task(problem) if compiled else None, 0
    if task is None:
        found = sides(problem)
        if isinstance(found, NoFeasibleSplit):
            return found
        root = fees_relaxation.root(found)
        task = root.task()
        if len(task.best) > FEW and task.is_open:  # a better set first: it leaves a smaller core
            first = Search(root.task(FEW))
            first.run(min(FIRST, most_branches), ends, np.inf)
            task, seen = root.with_known(first.task).task(), first.seen
    search = Search(task, seen)
    if compiled:
        search.compile()
    search.run(most_branches, ends, started + LOADING if may_load else np.inf)
    task.put_in_order(problem)
    if not search.depth:
        return _answer(problem, _schedule(problem, task.moves()), f"search finished: {search.effort}")
    return _handed_over(problem, search, ends)


def _compiled() -> Any:
    """The compiled functions; loads Numba."""
    require()
    from ..numba import fees

    return fees


class Search:
    """The search of a task: how many branches wait, how many were looked into; the best set is put into the task."""

    def __init__(self, task: Task, seen: int = 0) -> None:
        self.task, self.depth, self.seen = task, int(task.is_open), seen
        self.compiled = not isinstance(task.best, bytearray)
        if self.depth:
            size = len(task.best)
            make = _compiled().tables if self.compiled else fees_branch_and_bound.tables
            self.stack, self.scratch = make(size, min(size, DEEP) + 3)
            self.stack[0][0][:] = fees_branch_and_bound.all_open(size)
            for table, first in zip(self.stack[1:], (task.price, task.bound, task.most), strict=True):
                table[0] = first

    def compile(self) -> None:
        """Goes on with arrays and compiled code, if it does not yet; loads Numba."""
        if self.depth and not self.compiled:
            task, as_arrays = self.task, _compiled().as_arrays
            self.stack, self.scratch = as_arrays(self.stack), as_arrays(self.scratch)
            task.core, task.free, task.best = as_arrays(task.core), as_arrays(task.free), as_arrays(task.best)
        self.compiled = True

    @property
    def effort(self) -> str:
        """What was left open and looked into, in words."""
        branches = "1 branch" if self.seen == 1 else f"{self.seen:,} branches"
        by = ", compiled" if self.compiled else ""
        return f"{len(self.task.best):,} protocols left open by the relaxation, {branches} searched{by}"

    @property
    def bound(self) -> float:
        """On every set of movers."""
        return max([self.task.known, *self.stack[2][: self.depth]]) if self.depth else self.task.known

    def run(self, most_branches: int, ends: float, loads: float) -> None:
        """Looks into branches until none waits, too many were seen or it is `ends`; compiled from `loads` on."""
        task = self.task
        while self.depth and self.seen < most_branches:
            now = perf_counter()
            if now >= ends:
                return
            if now >= loads:
                self.compile()
            look = _compiled().search if self.compiled else fees_branch_and_bound.search
            part = (COMPILED_SLICE if self.compiled else SLICE) // (len(task.best) + 8) + 1
            self.depth, task.known, seen = look(
                self.depth,
                task.known,
                min(part, most_branches - self.seen),
                task.margin,
                task.close,
                task.core,
                task.free,
                task.best,
                self.stack,
                *self.scratch,
            )
            self.seen += seen
            if not seen:
                return


def _handed_over(problem: AllocationProblem, search: Search, ends: float) -> SolverResult:
    """HiGHS's answer, from the best set known; that set where HiGHS finds no better one."""
    from .fees_milp import finish

    task, bound = search.task, search.bound
    detail, base = f"search given up after {search.effort}; ", _worth(problem, problem.trade_segments.middle[None, :])
    remaining = ends - perf_counter()
    if remaining <= 0.0:
        best, detail = _schedule(problem, task.moves()), detail + "no time left for HiGHS"
        return _answer(problem, best, detail, base + bound, Status.STOPPED)
    found = sides(problem)
    assert not isinstance(found, NoFeasibleSplit)
    solution, moves = finish(found, task, remaining if np.isfinite(remaining) else None)
    if solution.bound is not None:
        bound = min(bound, solution.bound)
    best, other = _schedule(problem, task.moves()), None if moves is None else _schedule(problem, moves)
    if other is not None and _worth(problem, other) > _worth(problem, best):
        best = other
    if solution.status is Status.OPTIMAL:
        return _answer(problem, best, detail + "HiGHS finished from the best of them", base + bound, claimed_by="highs")
    detail += f"HiGHS went on from the best of them and stopped ({solution.detail})"
    return _answer(problem, best, detail, base + bound, Status.STOPPED, "highs")


def _worth(problem: AllocationProblem, schedule: FloatArray) -> float:
    """What a schedule is worth before `plan_fee`, which is weighed after the search, as on every path."""
    found = value(problem, schedule)
    return found.net + found.plan_fee


def _schedule(problem: AllocationProblem, moves: BoolArray) -> FloatArray:
    """The best shares in which only these move, (1, protocols)."""
    step = problem.trade_segments
    shares = split(
        step.buy,
        step.sell,
        problem.arrays.current,
        np.where(moves, step.low, step.middle),
        np.where(moves, step.high, step.middle),
        float(problem.arrays.total or 0.0),
        rank=lambda: problem.arrays.rank,
        idle=problem.allow_idle,
    )
    assert not isinstance(shares, NoFeasibleSplit)  # a set is known only if there is a split for it
    return shares.shares[None, :]


def _answer(
    problem: AllocationProblem,
    schedule: FloatArray,
    detail: str,
    bound: float | None = None,
    status: Status = Status.OPTIMAL,
    claimed_by: str = "",
) -> SolverResult:
    """A schedule with a bound on all of them; its own worth where None."""
    worth = _worth(problem, schedule)
    bound = worth if bound is None else max(bound, worth)
    return SolverResult(schedule, bound=bound, status=status, detail=detail, claimed_by=claimed_by)
