"""allocate(problem): the cheapest exact way to the answer, compared with staying and certified."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, Generic, NamedTuple

import numpy as np

from ..errors import Infeasible, InvalidInput, SolverFailed
from ..formulation import formulate
from ..formulation.evaluate import ByProgram, Judge, P
from ..formulation.evaluate_arrays import ROW_PRICES, ByArrays
from ..formulation.evaluate_arrays import gain_scale as money_at_stake
from ..formulation.frozen import with_frozen_prices, without_frozen_gains
from ..formulation.goals import counts_costs
from ..problem import AllocationProblem
from ..problem.arrays import FloatArray
from ..problem.effective import PRESENT, moves_at_cut_costs
from ..problem.objective import value
from ..problem.segments import greatest
from ..problem.update import reaching
from ..problem.validation import seconds
from ..program import Certificate, LinearProgram, Status, certify
from ..solvers.backends import Backend, Solve, choose, runner, search_seconds
from ..solvers.interface.result import NoFeasibleSplit, SolverResult
from ..solvers.single_period import concave_curves
from ..text.numbers import usd
from .far_rates import LARGE, is_hidden_gain, is_the_plan, nearer
from .program_answer import EQUAL, NO_SPLIT, answer_of
from .result import Allocation

PROVED = "branch and bound"
"""Where a bound over whole numbers comes from that weak duality proves in every branch."""
TRY_SECONDS = 2.0
"""For one try of a way out of a conflict."""
CLAIMED = 10.0
"""A bound that is a search's claim may be off by so many tolerances: it used up those of several rows at once."""


def allocate(
    problem: AllocationProblem, *, solver: str = "auto", time_limit_seconds: float | None = None
) -> Allocation:
    """Find the best split of capacity within all limits, certified and with its reasons.

    Ties go to the present share, then to name order. Where no plan is worth more than staying, the plan is to stay.

    Parameters
    ----------
    problem
        The decision to make.
    solver
        "auto" (the cheapest exact way), "exact", "fees", "horizon", "highs", "scipy", "pulp" or "pulp:NAME".
    time_limit_seconds
        Seconds after which a search over whole numbers stops with the best plan found (status "stopped"); its gap is in
        the certificate, and the reasons say it. None is 5 s for such searches and no limit for linear programs;
        math.inf is no limit.

    Returns
    -------
    Allocation
        Shares, money, shadow prices, certificate and reasons.

    Raises
    ------
    InvalidInput
        Where the solver is unknown or declines the problem.
    Infeasible
        Where no split meets all rules; the error names those in conflict, the amount and the ways out.
    SolverFailed
        Where no certified answer came back.

    Examples
    --------
    >>> from reallot import AllocationProblem, Limits, allocate
    >>> problem = AllocationProblem(
    ...     {"relay": 2.0, "compute": 1.0}, {"relay": 0.3, "compute": 0.7}, limits=Limits(max_change=0.2))
    >>> plan = allocate(problem)
    >>> plan.shares.round(9).to_dict(), round(plan.improvement_per_hour, 9), plan.solver
    ({'relay': 0.5, 'compute': 0.5}, 0.2, 'exact')
    """
    if time_limit_seconds is not None:
        seconds(time_limit_seconds)  # a limit that cannot be is refused, whichever path answers
    try:
        return plan_of(problem, solver, time_limit_seconds)
    except Infeasible as error:
        raise why_infeasible(problem) from error


def plan_of(
    problem: AllocationProblem,
    solver: str,
    time_limit_seconds: float | None,
    choice: tuple[Backend, str] | None = None,
) -> Allocation:
    """The same, without a word on why there is no plan where there is none; `choice` is that of `choose`, if known."""
    backend, reason = choose(problem, solver) if choice is None else choice
    if isinstance(problem.goal, tuple) and problem.kept is None:
        return in_order(problem, solver, time_limit_seconds)
    is_large = problem.goal is None and greatest(np.abs(problem.arrays.rate)) >= LARGE
    if is_large and (near := nearer(problem)) is not None:
        plan = plan_of(near, solver, time_limit_seconds)
        if is_the_plan(problem, near, plan.schedule):
            return _at_given_rates(plan, problem)
    if backend.name == "exact" and not problem.limits.groups:
        return by_matching(problem, backend, reason)
    if backend.path is not None:
        return by_path(problem, backend, reason, search_seconds(time_limit_seconds))
    solve, name = runner(solver, time_limit_seconds), solver if solver.startswith("pulp:") else backend.name
    return by_program(problem, backend, reason, solve, solver=name)


def in_order(problem: AllocationProblem, solver: str, time_limit_seconds: float | None) -> Allocation:
    """The plan of several goals: each is met as well as it can be without giving up any before it."""
    kept: tuple[float, ...] = ()
    can_stay = True
    while True:
        turn = reaching(problem, kept)
        plan = plan_of(turn, solver, time_limit_seconds)
        can_stay = plan.can_stay if not kept else can_stay
        # rows of the program count costs without the fee; who pays none by staying keeps that by staying
        kept = (*kept, plan.certificate.objective + (plan.value.plan_fee if counts_costs(turn) else 0.0))
        stays = counts_costs(turn) and problem.limits.plan_fee > plan.value.plan_fee
        if len(kept) == len(problem.goals) or stays:
            told = replace(plan, problem=problem, can_stay=can_stay)
            vars(told).update(program=plan.program, _decide=allocate)
            return told


def _at_given_rates(plan: Allocation, problem: AllocationProblem) -> Allocation:
    """The plan of `problem`, found at rates set nearer: it is as close to the best as it was there."""
    found, worth = plan.certificate, value(problem, plan.schedule).net
    bound = None if found.bound is None else worth + (found.bound - found.objective)
    told = replace(plan, problem=problem, certificate=replace(found, objective=worth, bound=bound))
    vars(told)["_decide"] = allocate
    return told


def why_infeasible(problem: AllocationProblem) -> Infeasible:
    """The error of a problem that no split meets: the rules in conflict, the amount, and ways out that were tried."""
    from .infeasibility import find_conflict

    try:
        conflict = find_conflict(problem, has_plan=_has_plan)
    except InvalidInput:
        return Infeasible(f"{NO_SPLIT}, though by no more than rounding; loosen the tightest of them by 1e-8")
    return Infeasible(conflict.message, conflict)


def _has_plan(problem: AllocationProblem) -> bool:
    """True where `allocate` finds a plan, the best one or another, within a time that tries of ways out may take."""
    try:
        plan_of(problem, "auto", TRY_SECONDS)
    except (Infeasible, SolverFailed):
        return False
    return True


def by_matching(problem: AllocationProblem, backend: Backend, reason: str) -> Allocation:
    """By marginal gains, proved from the arrays: no program is made. Raises Infeasible or SolverFailed."""
    started = perf_counter()
    found = concave_curves.matched(problem) if problem.trade_segments.bent else concave_curves.solve(problem)
    if isinstance(found, NoFeasibleSplit):
        raise Infeasible(NO_SPLIT)
    split = found.split() if isinstance(found, concave_curves.Matching) else found
    if problem.arrays.given is not None and moves_at_cut_costs(problem.arrays, split.shares[None, :]):
        return by_matching(problem.at_full_costs(), backend, reason)
    solved = perf_counter()
    judge = ByArrays(problem)
    chosen = _stay_unless_better(problem, judge, split.shares[None, :])
    point = chosen.point
    certificate = judge.certify(point, judge.bound_of_split(*split[1:]), backend.tolerance)
    worked_out: dict[str, Any] = {"value": point.value, "stay_value": judge.stay.value}
    if found is not split:
        worked_out["matching"] = found
    answered = CertifiedChoice(point.schedule, Status.OPTIMAL, certificate, chosen)
    return _allocation(problem, backend, reason, answered, (started, started, solved), worked_out)


def by_path(
    problem: AllocationProblem, backend: Backend, reason: str, time_limit_seconds: float | None = None
) -> Allocation:
    """By another exact path of our own, proved from the arrays. Raises Infeasible or SolverFailed."""
    assert backend.path is not None
    started = perf_counter()
    found = backend.path(problem, time_limit_seconds)
    if isinstance(found, NoFeasibleSplit):
        raise Infeasible(NO_SPLIT)
    if problem.arrays.given is not None and moves_at_cut_costs(problem.arrays, found.schedule):
        return by_path(problem.at_full_costs(), backend, reason, time_limit_seconds)
    solved = perf_counter()
    judge = ByArrays(problem)
    chosen = _stay_unless_better(problem, judge, found.schedule)
    point = chosen.point
    bound, bound_from, gap_tolerance = found.bound, _source(found, backend), CLAIMED * backend.tolerance
    if (prices := found.prices) is not None:
        if prices.groups is not None:
            bound = judge.bound_of_groups(float(prices.capacity[0]), prices.groups)
        else:
            bound = judge.bound_of_schedule(prices.capacity, prices.bought, prices.sold, prices.movement)
        bound_from, gap_tolerance = ROW_PRICES, backend.tolerance
    certificate = judge.certify(point, bound, backend.tolerance, bound_from, gap_tolerance)
    reason = f"{reason}; {found.detail}" if found.detail else reason
    worked_out = {"value": point.value, "stay_value": judge.stay.value}
    answered = CertifiedChoice(point.schedule, found.status, certificate, chosen)
    return _allocation(problem, backend, reason, answered, (started, started, solved), worked_out)


def by_program(
    problem: AllocationProblem,
    backend: Backend,
    reason: str,
    solve: Solve,
    *,
    program: LinearProgram | None = None,
    solver: str = "",
    last: FloatArray | None = None,
) -> Allocation:
    """By a solver of linear programs, proved on the program. Raises Infeasible or SolverFailed.

    `program` is the problem's where there is one already; `solver` names the backend more closely than it does itself;
    `last` is the schedule that was best at other numbers.
    """
    started = perf_counter()
    program = formulate(problem) if program is None else program
    formulated = perf_counter()
    decided = program
    if not problem.arrays.max_change.all() or problem.limits.held:
        decided = without_frozen_gains(problem, program)
    answer = answer_of(problem, decided, backend, solve, last)
    if problem.arrays.given is not None and moves_at_cut_costs(problem.arrays, answer.schedule):
        return by_program(problem.at_full_costs(), backend, reason, solve, solver=solver)
    solved = perf_counter()
    row_prices = answer.row_prices
    if row_prices is not None and decided is not program:
        row_prices = with_frozen_prices(problem, program, row_prices)
    judge = ByProgram(problem, program)
    chosen = _stay_unless_better(problem, judge, answer.schedule)
    point = chosen.point
    certificate = certify(
        program,
        point.values,
        row_prices,
        claimed_bound=answer.bound,
        claimed_by=PROVED if answer.proved else f"claimed by {backend.name}",
        tolerance=backend.tolerance,
        gap_tolerance=backend.tolerance * (CLAIMED if program.is_mixed_integer else 1.0),
    )
    if judge.fee > 0.0:
        certificate = judge.with_plan_fee(certificate, point)
    answered = CertifiedChoice(point.schedule, answer.status, certificate, chosen)
    moments = (started, formulated, solved)
    return _allocation(problem, backend, reason, answered, moments, {"program": program}, solver)


def _source(found: SolverResult, backend: Backend) -> str:
    """Where the bound of a path's own search comes from."""
    return f"claimed by {found.claimed_by}" if found.claimed_by else backend.name


@dataclass(frozen=True)
class _Chosen(Generic[P]):
    """The plan or staying, whichever is to be done.

    note       why a better plan is set aside, "" where none is
    can_stay   True where the present shares meet every rule
    set_aside  the better plan's shares (periods, protocols)
    given_up   what it is worth more, by what is decided on, where min_gain keeps it from being made
    """

    point: P
    can_stay: bool
    note: str = ""
    set_aside: FloatArray | None = None
    given_up: float = 0.0


class CertifiedChoice(NamedTuple):
    """What was chosen, with its certificate."""

    schedule: FloatArray
    status: Status
    certificate: Certificate
    chosen: _Chosen[Any]


def _allocation(
    problem: AllocationProblem,
    backend: Backend,
    reason: str,
    answered: CertifiedChoice,
    moments: tuple[float, float, float],
    worked_out: dict[str, Any],
    solver: str = "",
) -> Allocation:
    """The plan, if its certificate holds; `worked_out` is what it would otherwise work out when asked."""
    schedule, status, certificate, chosen = answered
    certificate = _required(problem, certificate, status, backend, chosen.given_up)
    (started, formulated, solved), done = moments, perf_counter()
    plan = Allocation(
        problem=problem,
        schedule=schedule,
        status="optimal" if status is Status.OPTIMAL else "stopped",
        solver=solver or backend.name,
        solver_reason=reason,
        certificate=certificate,
        can_stay=chosen.can_stay,
        note=chosen.note,
        timings={
            "formulate": formulated - started,
            "solve": solved - formulated,
            "certify": done - solved,
            "total": done - started,
        },
        set_aside=chosen.set_aside,
    )
    vars(plan).update(worked_out, _decide=allocate)
    return plan


def _stay_unless_better(problem: AllocationProblem, judge: Judge[P], schedule: FloatArray) -> _Chosen[P]:
    """The schedule, or staying where the schedule is worth no more (or less than min_gain more)."""
    stay, plan = judge.stay, judge.at(schedule)
    if not judge.can_stay():
        return _Chosen(plan, can_stay=False)
    worth = judge.worth(stay)
    gain = judge.worth(plan) - worth
    near, brings, least = EQUAL * max(abs(worth), judge.scale), gain, problem.limits.min_gain
    if problem.goal is not None:
        # those equal in a goal are told apart by money, and money is what min_gain asks for
        net, staying = (value(problem, each).net for each in (schedule, problem.arrays.staying))
        brings, equal = net - staying, EQUAL * max(abs(staying), money_at_stake(problem.arrays))
        if gain < -near or (gain <= near and brings <= equal):
            return _Chosen(stay, can_stay=True)
    elif gain <= near and not is_hidden_gain(problem, schedule, gain, EQUAL):
        fee = problem.limits.plan_fee
        if fee > 0.0 and gain + fee > near:
            note = f"the best plan gains {usd(gain + fee)} USD, no more than plan_fee {fee:g}"
            return _Chosen(stay, True, note, schedule)
        return _Chosen(stay, can_stay=True)
    if least > 0.0 and brings < least:
        note = f"the best plan is worth {usd(brings)} USD more than staying, less than min_gain {least:g}"
        return _Chosen(stay, True, note, schedule, max(gain, 0.0))
    return _Chosen(plan, can_stay=True)


def _required(
    problem: AllocationProblem, certificate: Certificate, status: Status, backend: Backend, allowance: float
) -> Certificate:
    """The certificate, if it holds; an answer that fails it is an error, never a plan.

    A gap that is worth no more than what shares may round is none, however little is at stake.
    """
    allowed, gap = certificate.gap_tolerance + allowance / certificate.scale, certificate.gap
    if gap is not None and gap > allowed:
        rounding = PRESENT * _dearest(problem) / certificate.scale
        if gap <= rounding:
            certificate, allowed = replace(certificate, gap_tolerance=rounding), rounding
    optimal = gap is not None and gap <= allowed
    if max(certificate.worst_residual, certificate.integrality) <= certificate.tolerance and (
        optimal or status is not Status.OPTIMAL
    ):
        return certificate
    raise SolverFailed(
        f"{backend.name}'s answer fails its certificate: {certificate} at {certificate.worst_place}; try another solver"
    )


def _dearest(problem: AllocationProblem) -> float:
    """The most that a unit of share can earn, or cost to move, USD over the horizon."""
    data = problem.arrays
    slopes = [data.rate] if data.pieces is None else [data.rate, data.pieces.slopes]
    earns = data.hours * max(float(np.abs(slope).max()) for slope in slopes)
    tiers = [each for each in (data.tiers, data.turnover_tiers) if each is not None]
    return max([earns, float(data.cost_in.max()), float(data.cost_out.max())] + [float(t.price.max()) for t in tiers])
