"""The optimum in hindsight: all of a recorded trace as one program, with a bound that no plan can pass."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from time import perf_counter

import numpy as np

from ..allocation.allocate import allocate, why_infeasible
from ..allocation.program_answer import EQUAL
from ..errors import Infeasible, InvalidInput, SolverFailed
from ..formulation.evaluate_arrays import ByArrays, worst_residual
from ..problem import AllocationProblem
from ..problem.arrays import FloatArray
from ..problem.by_value import ByValue
from ..problem.doors import require_problem
from ..problem.objective import turnover, value
from ..problem.validation import seconds
from ..problem.validation import whole as whole_number
from ..solvers.interface.result import NoFeasibleSplit
from ..solvers.multi_period import why_ineligible
from ..solvers.multi_period.arrays import HorizonArrays, bound, horizon_arrays
from ..solvers.multi_period.windows import Joined, is_compiled, plan
from ..text.numbers import count, usd

AT_ONCE, AT_ONCE_IN_HIGHS = 50_000, 200_000
"""Periods times protocols that are planned as one, with Numba and without."""
WINDOW, LONGEST = 10_000, 400_000
"""The same of one window at first, and of the longest: windows grow where they do not fit."""
SHORTEST = 250
"""Periods of a window at first, at least."""
SMALL = 2_000
"""The same up to which a problem that is more than flat rates on one capacity is left to `allocate`."""
DEARER = 3.0
"""With fees, a second plan is made at fees spread so many times as much: fewer and larger moves."""
FEASIBLE = 1e-9
"""What a plan may miss a rule by, as part of what stands in it."""


@dataclass(frozen=True, eq=False, repr=False)
class Hindsight(ByValue):
    """The best plan found for a whole trace, with a bound on what any plan can earn; money is USD over the trace.

    Parameters
    ----------
    shares
        (periods, protocols) shares in force in each period; read only.
    net
        Gross earnings less cost, recomputed from the shares.
    bound
        No plan within the limits earns more: weak duality at given prices, whoever made them.
    gross
        Gross earnings.
    cost
        Transaction costs, fees and warm-up included.
    moved
        Shares of capacity moved in all: 1 is everything once.
    windows
        Number of parts in which the trace was planned; 1 is all at once.
    how
        How it was solved and what the bound is, in words.
    seconds
        Seconds spent; not compared.
    """

    shares: FloatArray
    net: float
    bound: float
    gross: float
    cost: float
    moved: float
    windows: int
    how: str
    seconds: float = field(compare=False)

    @property
    def gap(self) -> float:
        """How much of the bound may be missing: (bound - net) / |bound|, 0 where both are 0."""
        size = max(abs(self.bound), abs(self.net))
        return (self.bound - self.net) / size if size > 0.0 else 0.0

    @property
    def _size(self) -> str:
        periods, protocols = self.shares.shape
        return f"{count(periods, 'period')} of {count(protocols, 'protocol')}"

    def __repr__(self) -> str:
        worth = f"net {usd(self.net)} USD of at most {usd(self.bound)} (gap {self.gap:.1e})"
        return f"<Hindsight: {self._size}, {worth}>"

    def _repr_html_(self) -> str:
        from ..text.html_tables import result_as_html

        figures = ("net", "bound", "gap", "gross", "cost", "moved", "windows")
        title = f"the optimum in hindsight: {self._size} (USD over the trace)"
        row = ["optimum", *(getattr(self, name) for name in figures)]
        return result_as_html(title, ["plan", *figures], [row], about=self.how)


def hindsight(
    problem: AllocationProblem, *, window: int | None = None, time_limit_seconds: float | None = None
) -> Hindsight:
    """Find the best plan with all rates known, and a bound that proves it (the oracle).

    Parameters
    ----------
    problem
        One period for each step of the trace: `rates` (USD/h per unit of share) by period, `current` the shares at its
        start.
    window
        Number of periods planned at once, of which half are kept. None is everything at once where it fits, else
        windows that grow until their plans and prices agree, which proves the joined plan optimal.
    time_limit_seconds
        Seconds, looked at between windows. Afterwards the shares stay, and the bound allows any change from there on.

    Returns
    -------
    Hindsight
        The plan within every limit, its net earnings (USD) and the bound (USD).

    Raises
    ------
    InvalidInput
        Where a long problem has more than a linear program can say.
    Infeasible
        Where no plan meets the limits.
    SolverFailed
        Where no certified answer came back.

    Notes
    -----
    Flat rates on one capacity, with any limits of change, holds, floors, costs and warm-up, are a linear program. A fee
    per move is not. The bound then charges the fee in proportion, spread over the largest change that limits allow, and
    the plan pays it whole. Problems with curves, units, groups, resources, risk, `max_moves` or `min_move` are left to
    `allocate`, and decline when they are long. The bound is weak duality's; the windows are rolling horizons with
    look-ahead (Sethi and Sorger, 1991).

    Examples
    --------
    >>> from reallot import AllocationProblem, hindsight
    >>> problem = AllocationProblem(
    ...     {"relay": 0.0, "compute": 0.0}, {"relay": 1.0, "compute": 0.0}, periods=4, horizon_hours=4.0,
    ...     rates={"relay": [2.0, 1.0, 1.0, 2.0], "compute": [1.0, 4.0, 4.0, 1.0]})
    >>> best = hindsight(problem)
    >>> best.net, best.bound, best.moved, best.windows
    (12.0, 12.0, 2.0, 1)
    """
    begun = perf_counter()
    require_problem(problem)
    length = None if window is None else whole_number(window, "window (periods)", 2)
    limit = seconds(time_limit_seconds)
    why_not = why_ineligible(_without_fees(problem))
    if why_not is not None or (problem.arrays.has_fee and _cells(problem) <= SMALL // 10):
        return _by_allocate(problem, why_not, limit, begun)
    known = horizon_arrays(problem)
    if not problem.arrays.has_fee:
        found = _planned(problem, known, length, limit, begun)
        return _result(
            problem, found.answer.schedule, _bound(known, found), found.windows, _said(problem, found), begun
        )
    spread = _fees_spread(problem, known, 1.0)
    found = _planned(problem, spread, length, limit, begun)
    dear = _planned(problem, _fees_spread(problem, known, DEARER), length, limit, begun)
    best = max((found, dear), key=lambda each: value(problem, each.answer.schedule).net)
    said = f"{_said(problem, found)}; the bound spreads each fee over the largest change, the plan pays it whole"
    return _result(problem, best.answer.schedule, _bound(spread, found), found.windows, said, begun)


def _cells(problem: AllocationProblem) -> int:
    return problem.periods * len(problem.names)


def _without_fees(problem: AllocationProblem) -> AllocationProblem:
    """The problem with the one thing left out that is bounded here though it is no linear program."""
    if not problem.arrays.has_fee:
        return problem
    return replace(problem, protocols=[replace(spec, move_fee=0.0) for spec in problem.specs])


def _fees_spread(problem: AllocationProblem, known: HorizonArrays, times: float) -> HorizonArrays:
    """Costs with each fee as a cost per unit, spread over the largest change that the protocol could make.

    A change of at most `most` pays fee / most for each unit, never more than the fee.
    """
    data = problem.arrays
    most = np.minimum(known.most, data.reach)
    if known.turnover is not None:
        most = np.minimum(most, known.turnover[:, None])
    largest = most.max(axis=0)
    each = times * np.divide(data.fee, largest, out=np.zeros_like(largest), where=largest > 0.0)
    return replace(known, take=known.take + each, give=known.give + each)


def _planned(
    problem: AllocationProblem, known: HorizonArrays, length: int | None, limit: float | None, begun: float
) -> Joined:
    """The plan in as many windows as it takes; raises Infeasible where there is none."""
    (periods, size), compiled = known.shape, is_compiled(known)
    if length is not None:
        length = longest = min(length, periods)
    elif known.gain.size <= (AT_ONCE if compiled else AT_ONCE_IN_HIGHS):
        length = longest = periods
    else:
        length = min(periods, max(SHORTEST, WINDOW // size))
        longest = min(periods, max(length, LONGEST // size))

    def late() -> bool:
        return limit is not None and perf_counter() - begun >= limit

    found = plan(known, length, longest, compiled=compiled, late=late)
    if not isinstance(found, NoFeasibleSplit):
        return found
    if _cells(problem) <= SMALL:
        raise why_infeasible(problem)
    raise Infeasible(f"{found.reason}; ask allocate() for the first periods alone, it names the rules in conflict")


def _bound(known: HorizonArrays, found: Joined) -> float:
    assert found.answer.prices is not None
    return bound(known, found.answer.prices)


def _said(problem: AllocationProblem, found: Joined) -> str:
    if found.windows == 1:
        parts = ["all periods at once", found.answer.detail]
    else:
        fit = "every seam fits"
        if found.open:
            fit = (
                f"{found.open} of {found.windows - 1} seams open: prices of neighbours differ, and no longer window was"
            )
            fit += " allowed or in time"
        parts = [f"{found.windows} windows, {fit}", found.answer.detail]
    if found.until < problem.periods:
        parts.append(f"out of time at period {found.until} of {problem.periods}: from there on shares stay")
    return "; ".join(part for part in parts if part)


def _by_allocate(problem: AllocationProblem, why_not: str | None, limit: float | None, begun: float) -> Hindsight:
    """Small problems of every kind, whole."""
    if _cells(problem) > SMALL and problem.periods > 1:
        raise InvalidInput(
            f"hindsight over {problem.periods} periods and {len(problem.names)} protocols declines: {why_not}; leave "
            f"that rule out (what bounds the optimum without it bounds it with it as well), or shorten the trace to "
            f"{SMALL // len(problem.names)} periods"
        )
    best = allocate(problem, time_limit_seconds=limit)
    proved = best.certificate.bound
    if proved is None:
        raise SolverFailed(f"{best.solver} gave no bound for the optimum; allow more than {limit} seconds")
    said = f"all periods at once; {best.solver}: {best.solver_reason}; bound from {best.certificate.bound_from}"
    return _result(problem, best.schedule, proved, 1, said, begun)


def _result(
    problem: AllocationProblem, schedule: FloatArray, proved: float, windows: int, how: str, begun: float
) -> Hindsight:
    """The plan, or to stay where that is worth as much; raises SolverFailed where it breaks a rule."""
    judge = ByArrays(problem)
    if judge.can_stay():
        stay, gain = judge.stay.schedule, value(problem, schedule).net - judge.stay.value.net
        if gain <= EQUAL * max(abs(judge.stay.value.net), judge.scale) or gain < problem.limits.min_gain:
            schedule = stay
    residual, place = worst_residual(problem, schedule)
    if residual > FEASIBLE:
        raise SolverFailed(f"the plan in hindsight breaks a rule: {place} by {residual:.2g}, allowed {FEASIBLE:g}")
    worth = value(problem, schedule)
    shares = np.array(schedule)
    shares.flags.writeable = False
    return Hindsight(
        shares=shares,
        net=worth.net,
        # a plan that exists proves that the optimum is no less
        bound=max(proved, worth.net),
        gross=worth.net + worth.cost,
        cost=worth.cost,
        moved=float(turnover(problem, schedule).sum()),
        windows=windows,
        how=how,
        seconds=perf_counter() - begun,
    )
