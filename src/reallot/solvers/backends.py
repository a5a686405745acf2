"""The backends by name: what each can do, how exact it is, and the automatic choice with its reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import InvalidInput, near_miss
from ..problem import AllocationProblem
from ..problem.doors import require_problem
from ..problem.validation import brief, of_kind, seconds
from ..program import LinearProgram, Solution
from .interface.result import NoFeasibleSplit, SolverResult
from .single_period import concave_curves

WhyIneligible = Callable[[AllocationProblem], str | None]
Solve = Callable[[LinearProgram], Solution]
Path = Callable[[AllocationProblem, float | None], SolverResult | NoFeasibleSplit]


@dataclass(frozen=True)
class Backend:
    """One way to an answer.

    tolerance   what its residuals, and its gap as part of the money at stake, stay below
    keeps_ties  True where it can promise the tie-break: stay, then name order
    why         why it is chosen where it is eligible
    why_ineligible
                why it cannot answer a problem, in words; None where it takes every problem
    path        for an exact path of our own that answers problems: from a problem and a time limit to its answer
    """

    name: str
    tolerance: float
    keeps_ties: bool
    about: str
    why: str = ""
    why_ineligible: WhyIneligible | None = None
    path: Path | None = None


def _why_no_fees(problem: AllocationProblem) -> str | None:
    from .single_period import fees

    return fees.why_ineligible(problem)


def _fees(problem: AllocationProblem, time_limit_seconds: float | None) -> SolverResult | NoFeasibleSplit:
    from .single_period import fees

    return fees.solve(problem, time_limit_seconds=time_limit_seconds)


def _why_no_horizon(problem: AllocationProblem) -> str | None:
    from . import multi_period

    return multi_period.why_ineligible(problem)


def _horizon(problem: AllocationProblem, _time_limit_seconds: float | None) -> SolverResult | NoFeasibleSplit:
    from . import multi_period

    return multi_period.solve(problem)


def _why_not_exact(problem: AllocationProblem) -> str | None:
    """One period and one capacity, with groups or without."""
    if not problem.limits.groups:
        return concave_curves.why_ineligible(problem)
    from .single_period import nested_groups

    return nested_groups.why_ineligible(problem)


def _nested(problem: AllocationProblem, _time_limit_seconds: float | None) -> SolverResult | NoFeasibleSplit:
    from .single_period import nested_groups

    return nested_groups.solve(problem)


BACKENDS = {
    "exact": Backend(
        "exact",
        1e-9,
        True,
        "one period, one capacity: marginal gains matched by sorting; NumPy only",
        why="one period, one shared capacity, concave earnings: sorting marginal gains is exact",
        why_ineligible=_why_not_exact,
        path=_nested,
    ),
    "fees": Backend(
        "fees",
        1e-9,
        False,
        "one period, one capacity, flat rates, a fee per move or at most so many: a search over who moves",
        why="one period, one shared capacity, flat rates: a search over who moves, most settled by its relaxation",
        why_ineligible=_why_no_fees,
        path=_fees,
    ),
    "horizon": Backend(
        "horizon",
        1e-9,
        False,
        "several periods, one capacity, flat rates: few protocols planned, the others proved idle",
        why="several periods, one shared capacity, flat rates: a few active protocols, with a proof for the others",
        why_ineligible=_why_no_horizon,
        path=_horizon,
    ),
    "highs": Backend("highs", 1e-9, True, "everything: HiGHS through highspy arrays"),
    "scipy": Backend("scipy", 1e-9, True, "everything: scipy.optimize linprog and milp"),
    "pulp": Backend("pulp", 1e-6, False, "everything: PuLP with CBC, or pulp:NAME for any solver PuLP knows"),
}
"""By name; `auto` takes the first of those with a `why` that does not decline, else HiGHS."""
SEARCH_SECONDS = 5.0
"""A search over whole numbers stops here where no time limit is given, with the best plan known and its gap."""
NESTED = "one period, one shared capacity, nested groups: marginal gains merged group by group are exact"
COMPILED = "; compiled by Numba"
WORTH_A_PATH = 2_000
"""Periods times protocols below which the whole program is as quick, and settles ties by least movement."""


def choose(problem: AllocationProblem, solver: str) -> tuple[Backend, str]:
    """The backend for `solver` ("auto" is the cheapest exact one) and the reason in words; InvalidInput if unknown."""
    if not isinstance(problem, AllocationProblem):
        require_problem(problem)
    if isinstance(solver, str) and solver == "auto":
        return _cheapest(problem)
    name = _name_of(solver)
    if name not in BACKENDS:
        raise InvalidInput(f"solver is {solver!r}; {near_miss(solver, ['auto', *BACKENDS, 'pulp:NAME'])}")
    backend = BACKENDS[name]
    why_not = backend.why_ineligible(problem) if backend.why_ineligible is not None else None
    if why_not is not None:
        raise InvalidInput(f"the {name} path declines: {why_not}; use solver='highs' or 'auto'")
    compiled = name == "exact" and concave_curves.is_compiled(problem)
    return backend, f"asked for{COMPILED if compiled else ''}"


def _name_of(solver: str) -> str:
    """The backend's name in "pulp:NAME" and the like; raises InvalidInput for what is no text."""
    if not isinstance(solver, str):
        raise InvalidInput(f"solver is {brief(solver)}; give a name: auto, {', '.join(BACKENDS)} or pulp:NAME")
    return solver.partition(":")[0]


def _cheapest(problem: AllocationProblem) -> tuple[Backend, str]:
    why_not = concave_curves.why_ineligible(problem)
    if why_not is not None and problem.limits.groups:
        of_groups = _why_not_exact(problem)
        if of_groups is None:
            return BACKENDS["exact"], NESTED
        why_not += "" if of_groups == why_not else f", or nested groups: {of_groups}"
    if why_not is None:
        exact, speed = BACKENDS["exact"], COMPILED if concave_curves.is_compiled(problem) else ""
        return exact, exact.why + speed
    if _why_no_fees(problem) is None:
        return BACKENDS["fees"], BACKENDS["fees"].why
    multi_period = BACKENDS["horizon"]
    if problem.periods * len(problem.names) >= WORTH_A_PATH and _why_no_horizon(problem) is None:
        return multi_period, multi_period.why
    return BACKENDS["highs"], f"the exact path declines: {why_not}"


def search_seconds(time_limit_seconds: float | None) -> float | None:
    """How long a search over whole numbers may take: SEARCH_SECONDS where nothing is said, None where infinity is."""
    return SEARCH_SECONDS if time_limit_seconds is None else seconds(time_limit_seconds)


def runner(solver: str, time_limit_seconds: float | None) -> Solve:
    """A function that solves any LinearProgram with the backend `solver` ("highs", "scipy", "pulp", "pulp:NAME").

    The time limit is for each program. None is `search_seconds` where there are whole numbers, else no limit.
    """
    name, detail = _name_of(solver), solver.partition(":")[2]
    linear = seconds(time_limit_seconds)
    limit = {False: linear, True: SEARCH_SECONDS if time_limit_seconds is None else linear}
    if name == "scipy":
        from .programs import scipy_highs

        return lambda program: scipy_highs.solve(program, time_limit_seconds=limit[program.is_mixed_integer])
    if name == "pulp":
        from .programs import pulp_cbc

        chosen = detail or "PULP_CBC_CMD"
        return lambda program: pulp_cbc.solve(
            program, solver=chosen, time_limit_seconds=limit[program.is_mixed_integer]
        )
    if name not in ("highs", "auto"):
        raise InvalidInput(f"solver is {solver!r}; {near_miss(solver, ['highs', 'scipy', 'pulp', 'pulp:NAME'])}")
    from .programs import highs, mixed_integer

    return lambda program: (
        mixed_integer.solve(program, time_limit_seconds=limit[True])
        if program.is_mixed_integer
        else highs.solve(program, time_limit_seconds=linear)
    )


def solve(program: LinearProgram, solver: str = "highs", *, time_limit_seconds: float | None = None) -> Solution:
    """Solve any linear program by a backend; `certify` checks the answer.

    Parameters
    ----------
    program
        The program, mixed-integer or not.
    solver
        "highs", "scipy", "pulp" or "pulp:NAME".
    time_limit_seconds
        Seconds after which the solver stops. None is 5 s where there are whole numbers, and no limit elsewhere.

    Returns
    -------
    Solution
        Status, point and dual values.

    Raises
    ------
    InvalidInput
        Where the solver is unknown or not installed.

    Examples
    --------
    >>> from reallot import AllocationProblem, formulate, solve
    >>> program = formulate(AllocationProblem({"relay": 2.0, "compute": 1.0}, {"relay": 0.5, "compute": 0.5}))
    >>> solution = solve(program)
    >>> solution.status.value, round(program.objective(solution.values), 9)
    ('optimal', 2.0)
    """
    of_kind(program, LinearProgram, "the program", "formulate(problem) makes one, and allocate(problem) solves it")
    return runner(solver, time_limit_seconds)(program)
