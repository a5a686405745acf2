"""session(problem): one problem decided again and again, its programs kept hot in HiGHS from one time to the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import count
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import Infeasible, SolverFailed
from ..formulation import formulate
from ..formulation.update_program import formulate_again
from ..problem import AllocationProblem
from ..problem.arrays import FloatArray
from ..problem.doors import require_problem
from ..problem.validation import one_of, seconds
from ..program import LinearProgram, Solution
from ..solvers.backends import BACKENDS, Backend, Solve, choose, search_seconds
from .allocate import allocate, by_program, plan_of, why_infeasible
from .far_rates import LARGE, nearer
from .result import Allocation

if TYPE_CHECKING:
    from ..solvers.programs.highs import HighsModel
    from ..solvers.programs.search_again import KeptSearch

SOLVERS = ("highs", "auto")


class Session:
    """A problem that is decided again and again, with the HiGHS model of its last decision.

    `session` makes one.

    Parameters
    ----------
    problem
        The problem at the start.
    solver
        "highs" or "auto", as for `session`.
    time_limit_seconds
        Seconds for each search, as in `allocate`.

    Attributes
    ----------
    problem
        The problem as it stands after all changes.

    Examples
    --------
    >>> from reallot import AllocationProblem, session
    >>> live = session(AllocationProblem({"relay": 2.0, "compute": 1.0}, {"relay": 0.3, "compute": 0.7}))
    >>> live.change(rates={"compute": 3.0}).solve().shares.round(9).to_dict()
    {'relay': 0.0, 'compute': 1.0}
    """

    def __repr__(self) -> str:
        return f"<Session: {len(self.problem.names)} protocols, {self.problem.periods} periods, solver {self._solver}>"

    def __init__(self, problem: AllocationProblem, solver: str, time_limit_seconds: float | None) -> None:
        self.problem = problem
        self._solver = solver
        self._time_limit_seconds, self._search_seconds = time_limit_seconds, search_seconds(time_limit_seconds)
        self._models: list[HighsModel] = []
        self._search: KeptSearch | None = None
        self._solved: LinearProgram | None = None
        self._formulated: tuple[AllocationProblem, LinearProgram] | None = None
        self._last: FloatArray | None = None
        self._kept = ""

    def __getstate__(self) -> dict[str, Any]:
        """A copy, and what is pickled, is the problem as it stands; its HiGHS models are built when it decides."""
        return {
            **vars(self),
            "_models": [],
            "_search": None,
            "_solved": None,
            "_formulated": None,
            "_last": None,
            "_kept": "",
        }

    def change(self, *, order: Iterable[str] | None = None, **changes: Any) -> Session:
        """Change fields of the problem from here on.

        Parameters
        ----------
        order
            Names of the protocols in the order of `rates` and `current`, where these are arrays.
        **changes
            Fields of AllocationProblem. `rates` (USD/h per unit of share, one number or one per period), `current` and
            `resources` are by name, and names left out keep their values. Every other field is replaced as a whole.

        Returns
        -------
        Session
            This session.

        Raises
        ------
        InvalidInput
            Where a change is wrong; the message names the near miss, and nothing has changed.
        """
        self.problem = self.problem.update(order=order, **changes)
        return self

    def solve(self) -> Allocation:
        """Decide the problem as it stands.

        Returns
        -------
        Allocation
            The plan that `allocate` gives; `solver_reason` says what was kept of the last model.

        Raises
        ------
        ReallotError
            As `allocate` does. The session can go on all the same.
        """
        backend, reason = choose(self.problem, self._solver)
        if backend.name == "exact" and self.problem.limits.groups:
            backend, reason = BACKENDS["highs"], "groups couple protocols: the last model is kept"
        if isinstance(self.problem.goal, tuple):
            return allocate(self.problem, solver="highs", time_limit_seconds=self._time_limit_seconds)
        try:
            if backend.name != "highs" or self._has_far_rates():
                return plan_of(self.problem, self._solver, self._time_limit_seconds, (backend, reason))
            return self._decided(backend, reason)
        except Infeasible as error:
            raise why_infeasible(self.problem) from error

    def _has_far_rates(self) -> bool:
        """True where rates are so far from the others that a plan is found at nearer ones."""
        is_large = self.problem.goal is None and np.abs(self.problem.arrays.rate).max() >= LARGE
        return is_large and nearer(self.problem) is not None

    def _decided(self, backend: Backend, reason: str) -> Allocation:
        """A basis that is kept for long is no reason to fail: then once more, from scratch."""
        warm = bool(self._models) or self._search is not None
        try:
            return self._decide(backend, reason)
        except (Infeasible, SolverFailed):
            if not warm:
                raise
        self._models.clear()
        self._search = self._solved = self._formulated = self._last = None
        return self._decide(backend, reason)

    def _decide(self, backend: Backend, reason: str) -> Allocation:
        started = perf_counter()
        program = self._program()
        formulated = perf_counter() - started
        plan = by_program(self.problem, backend, reason, self._keeping(), program=program, last=self._last)
        self._last = plan.schedule
        total = formulated + plan.timings["total"]
        timings = {**plan.timings, "formulate": formulated, "total": total}
        told = replace(plan, solver_reason=f"{reason}; {self._kept}", timings=timings)
        vars(told)["program"] = plan.program
        return told

    def _program(self) -> LinearProgram:
        program = None if self._formulated is None else formulate_again(self.problem, *self._formulated)
        program = formulate(self.problem) if program is None else program
        self._formulated = self.problem, program
        return program

    def _keeping(self) -> Solve:
        """What solves the programs of one decision: the linear ones, each in a model of its own, come in order again.

        The first is the problem's program; those after it polish an answer in whole numbers and settle ties.
        """
        from ..solvers.programs import mixed_integer
        from ..solvers.programs.highs import HighsModel

        limit = self._search_seconds
        models, places, is_first = self._models, count(), True

        def solve(program: LinearProgram) -> Solution:
            nonlocal is_first
            first, is_first = is_first, False
            if program.is_mixed_integer:
                # what settles ties among optima in whole numbers has other rows each time
                return self._searched(program) if first else mixed_integer.solve(program, time_limit_seconds=limit)
            place = next(places)
            held = models[place].program if place < len(models) else None
            new = None if held is None else models[place].change_program(program)
            if new is None:
                del models[place:]
                models.append(HighsModel(program, time_limit_seconds=seconds(self._time_limit_seconds)))
            if first:
                self._kept, self._solved = _in_words(self._solved, program, new), program
            shapes = {
                (each.program.column_count, each.program.row_count) for each in models[max(place - 1, 0) : place + 1]
            }
            if (
                place > 0 and len(shapes) == 1
            ):  # at full costs a decision is made once more, on a program that may differ
                # ties are settled among the optima: the one just found is a good place to start
                models[place].start_at_basis_of(models[place - 1])
            return models[place].solve()

        return solve

    def _searched(self, program: LinearProgram) -> Solution:
        """The search over whole numbers, from the last one's choices and bounds where there are any."""
        from ..solvers.programs import mixed_integer
        from ..solvers.programs.search_again import KeptSearch

        self._search = KeptSearch() if self._search is None else self._search
        solution = mixed_integer.solve(program, time_limit_seconds=self._search_seconds, first=self._search)
        self._kept, self._solved = _in_words(self._solved, program, self._search.changed), program
        return solution


def session(problem: AllocationProblem, *, solver: str = "highs", time_limit_seconds: float | None = None) -> Session:
    """Open a session: one problem, decided again and again as rates, shares and limits change.

    Each answer is the certified plan that `allocate(problem, solver="highs")` gives, sooner. Only the difference is
    formulated, and a linear program starts from its last optimum (a warm start). A search over whole numbers starts
    from the last choices; at other rates it opens only branches whose bounds are no proof any more. Where the shape of
    the program changes (a fee appears) it is built again, and `solver_reason` says so.

    Parameters
    ----------
    problem
        The problem at the start.
    solver
        "highs"; or "auto", which sorts afresh where sorting is exact (faster than any warm start).
    time_limit_seconds
        Seconds for each search, as in `allocate`.

    Returns
    -------
    Session
        The session, on which `change` and `solve` are called.

    Raises
    ------
    InvalidInput
        Where another solver is asked for: only the model of HiGHS is kept.

    Examples
    --------
    >>> from reallot import AllocationProblem, Limits, session
    >>> problem = AllocationProblem(
    ...     {"relay": 2.0, "compute": 1.0}, {"relay": 0.3, "compute": 0.7}, limits=Limits(max_change=0.2))
    >>> live = session(problem)
    >>> live.solve().shares.round(9).to_dict()
    {'relay': 0.5, 'compute': 0.5}
    >>> plan = live.change(rates={"relay": 0.5}).solve()
    >>> plan.shares.round(9).to_dict(), plan.solver_reason
    ({'relay': 0.1, 'compute': 0.9}, 'asked for; HiGHS model kept: 1 gains changed')
    """
    require_problem(problem)
    one_of(solver, SOLVERS, "a session keeps HiGHS; solver")
    return Session(problem, solver, time_limit_seconds)


def _in_words(held: LinearProgram | None, program: LinearProgram, changed: Mapping[str, int] | None) -> str:
    """What was kept of the model that held another program: `changed` counts numbers, None is another shape."""
    if held is None:
        return "HiGHS model built"
    if changed is None:
        new, old = ({*each.column_slices, *each.row_slices} for each in (program, held))
        differs = [f"{name} is new" for name in sorted(new - old)] + [f"{name} is gone" for name in sorted(old - new)]
        return f"HiGHS model built again: {', '.join(differs) or 'rows or columns are others'}"
    counts = [f"{number} {what}" for what, number in changed.items() if number]
    return f"HiGHS model kept: {', '.join(counts)} changed" if counts else "HiGHS model kept as it is"
