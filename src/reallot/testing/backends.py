"""The checks that every backend must pass, ours or a stranger's: hand-solved problems, a certificate of each answer.

from reallot.testing.backends import check_backend
check_backend(my_solve, tolerance=1e-9)      # my_solve(program) -> Solution
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import Infeasible, SolverFailed
from ..formulation import formulate
from ..problem import (
    AllocationProblem,
    CVaR,
    EarningsCurve,
    Group,
    Limits,
    LockIn,
    ProtocolSpec,
    RateUncertainty,
    Scenarios,
)
from ..program import LinearProgram, Solution, Status, certify

Solve = Callable[[LinearProgram], Solution]
Plan = Callable[[AllocationProblem], float]
"""From a problem to the objective (USD over the horizon) of its plan; raises Infeasible where there is none."""


@dataclass(frozen=True)
class Case:
    """A problem with its optimum, found by hand: USD over the horizon, or None where no split meets all rules."""

    name: str
    problem: AllocationProblem
    optimum: float | None


def check_backend(solve: Solve, tolerance: float = 1e-9) -> None:
    """Every case formulated and solved by `solve`, at `tolerance`; raises SolverFailed listing all complaints.

    Statuses must be right, points must meet every row, bound and whole number, and objectives must be the optimum.
    Row prices of a linear program must prove it; the bound claimed for a mixed-integer one must not be undercut.
    """
    complaints = []
    for case in cases():
        program = formulate(case.problem)
        try:
            solution = solve(program)
        except Exception as error:
            complaints.append(f"{case.name}: raised {type(error).__name__}: {error}")
            continue
        if case.optimum is None:
            if solution.status is not Status.INFEASIBLE:
                complaints.append(f"{case.name}: status {solution.status.value}; no point meets this program")
            continue
        complaints += [f"{case.name}: {complaint}" for complaint in check_answer(program, solution, tolerance)]
        if solution.values is not None:
            complaints += _compare(case, program.objective(solution.values), tolerance)
    _raise(complaints)


def check_planner(plan: Plan, tolerance: float = 1e-9, *, accepts: Callable[[AllocationProblem], bool]) -> None:
    """Every case that `plan` accepts, for backends that answer problems rather than programs; raises SolverFailed."""
    complaints, taken = [], 0
    for case in cases():
        if not accepts(case.problem):
            continue
        taken += 1
        try:
            objective = plan(case.problem)
        except Infeasible:
            if case.optimum is not None:
                complaints.append(f"{case.name}: called infeasible; it is worth {case.optimum:g} USD")
            continue
        except Exception as error:
            complaints.append(f"{case.name}: raised {type(error).__name__}: {error}")
            continue
        if case.optimum is None:
            complaints.append(f"{case.name}: planned, worth {objective:g} USD; no split meets its rules")
        else:
            complaints += _compare(case, objective, tolerance)
    if not taken:
        complaints.append("it accepts none of the cases")
    _raise(complaints)


def check_answer(program: LinearProgram, solution: Solution, tolerance: float = 1e-9) -> list[str]:
    """What is wrong with an answer that should be optimal, in words; empty where nothing is."""
    if solution.status is not Status.OPTIMAL:
        return [f"status {solution.status.value} ({solution.detail}); this program has an optimum"]
    if solution.values is None or solution.values.shape != (program.column_count,):
        return [f"an optimal answer has values of shape ({program.column_count},)"]
    if not program.is_mixed_integer and solution.row_prices is None:
        return ["a linear program's answer has row prices; none came"]
    if program.is_mixed_integer and solution.bound is None:
        return ["a mixed-integer program's answer has a bound; none came"]
    certificate = certify(
        program, solution.values, solution.row_prices, claimed_bound=solution.bound, tolerance=tolerance
    )
    complaints = []
    if not certificate.is_feasible:
        complaints.append(
            f"breaks {certificate.worst_place} by {certificate.worst_residual:.1e}, whole numbers by "
            f"{certificate.integrality:.1e}; {tolerance:.0e} is allowed"
        )
    if certificate.gap is None or certificate.gap > tolerance:
        complaints.append(f"its bound leaves a gap of {certificate.gap}; {tolerance:.0e} is allowed")
    if certificate.bound is not None and certificate.bound < certificate.objective - tolerance * certificate.scale:
        complaints.append(f"its bound {certificate.bound:.9g} is below its own objective {certificate.objective:.9g}")
    return complaints


def _compare(case: Case, objective: float, tolerance: float) -> list[str]:
    assert case.optimum is not None
    if abs(objective - case.optimum) <= tolerance * max(1.0, abs(case.optimum)):
        return []
    return [f"{case.name}: worth {objective:.12g} USD, the optimum is {case.optimum:.12g}"]


def _raise(complaints: list[str]) -> None:
    if complaints:
        raise SolverFailed("the backend does not conform:\n" + "\n".join(f"- {complaint}" for complaint in complaints))


def cases() -> tuple[Case, ...]:
    """The fixed list: one problem of every kind, solved by hand (the arithmetic stands beside each)."""
    return (*_linear(), *_coupled(), *_choices(), *_impossible())


TWO = {"relay": 2.0, "compute": 1.0}
HALVES = {"relay": 0.5, "compute": 0.5}


def _linear() -> tuple[Case, ...]:
    curve = EarningsCurve.through([(0, 0), (0.3, 0.9), (0.6, 1.2)])
    wide = {"relay": 2e-3, "compute": 2e3}
    moved = [ProtocolSpec("relay", 2.0, move_cost_in=0.25), ProtocolSpec("compute", 1.0, move_cost_out=0.5)]
    warm = [ProtocolSpec("relay", 2.0, warm_up_hours=0.5), ProtocolSpec("compute", 1.0)]
    floor = [ProtocolSpec("relay", 2.0), ProtocolSpec("compute", 1.0, decrease_floor=0.4)]
    locked = [ProtocolSpec("relay", 2.0, max_share=0.6), ProtocolSpec("compute", -1.0, lock_in=LockIn(0.25))]
    return (
        # everything to relay: 2 * 1
        Case("flat rates", AllocationProblem(TWO, HALVES), 2.0),
        # equal rates: 2 * 1, however it is split
        Case("ties", AllocationProblem({"relay": 2.0, "compute": 2.0}, HALVES), 2.0),
        Case("zero rates", AllocationProblem({"relay": 0.0, "compute": 0.0}, HALVES), 0.0),
        # 0.002 * 0.3 + 2000 * 0.7
        Case("six orders of magnitude", AllocationProblem(wide, HALVES, limits=Limits(max_change=0.2)), 1400.0006),
        # 2 * 0.6 + 1 * 0.4
        Case("max turnover", AllocationProblem(TWO, HALVES, limits=Limits(max_turnover=0.1)), 1.6),
        # nothing may change: 2 * 0.5 + 1 * 0.5
        Case("everything held", AllocationProblem(TWO, HALVES, limits=Limits(held={"relay", "compute"})), 1.5),
        # compute (2) before storage's second piece (1) and after its first (3): 0.9 + 2 * 0.7
        Case(
            "concave curve",
            AllocationProblem({"storage": curve, "compute": 2.0}, {"storage": 1, "compute": 0}),
            2.3,
        ),
        # compute loses, so none of it; relay takes all that the reserve leaves: 2 * 0.5
        Case("idle", AllocationProblem({"relay": 2.0, "compute": -1.0}, HALVES, allow_idle=True, reserve=0.5), 1.0),
        # each unit moved gains 2 - 1 and costs 0.25 + 0.5: 2 * 1 - 0.75 * 0.5
        Case("costs", AllocationProblem(moved, HALVES), 1.625),
        # what is added earns half an hour only: 2 * 1 - 0.5 * 2 * 0.5, as good as staying
        Case("warm-up", AllocationProblem(warm, HALVES), 1.5),
        # compute keeps 0.4: 2 * 0.6 + 1 * 0.4
        Case("decrease floor", AllocationProblem(floor, HALVES), 1.6),
        # relay is full at 0.6, compute takes the rest at a loss: 2 * 0.6 - 0.4
        Case("negative rate and lock-in", AllocationProblem(locked, HALVES), 0.8),
        # relay stands at 0.9 and must come down to 0.6: 2 * 0.6 + 1 * 0.4
        Case(
            "start outside the bounds",
            AllocationProblem([ProtocolSpec("relay", 2.0, max_share=0.6), floor[1]], {"relay": 0.9, "compute": 0.1}),
            1.6,
        ),
    )


def _coupled() -> tuple[Case, ...]:
    rates = {"relay": [2.0, 0.0], "compute": [1.0, 1.0]}
    hungry = [ProtocolSpec("relay", 2.0, uses={"cpu": 2.0}), ProtocolSpec("compute", 1.0, uses={"cpu": 1.0})]
    capped = Limits(groups=(Group("network", ("relay",), max_share=0.75),))
    risky = Scenarios(rates={"relay": [4.0, 0.0]})
    return (
        # two periods of half an hour, changes of 0.25: relay 0.75 then 0.5: 0.5 * (1.75) + 0.5 * (0.5)
        Case(
            "two periods",
            AllocationProblem(TWO, HALVES, periods=2, rates=rates, limits=Limits(max_change=0.25)),
            1.125,
        ),
        # cpu 2 r + (1 - r) <= 1.5, so r = 0.5: 2 * 0.5 + 0.5
        Case("resource", AllocationProblem(hungry, {"relay": 0, "compute": 1}, resources={"cpu": 1.5}), 1.5),
        # relay up to 0.75: 2 * 0.75 + 0.25
        Case("group cap", AllocationProblem(TWO, HALVES, limits=capped), 1.75),
        # the worse half: relay earns 0, compute 1, so all to compute
        Case("CVaR", AllocationProblem(TWO, HALVES, scenarios=risky, risk=CVaR(level=0.5, weight=1.0)), 1.0),
        # relay may fall short by 2: it is worth 0 then, compute 1
        Case("robust", AllocationProblem(TWO, HALVES, risk=RateUncertainty({"relay": 2.0}, budget=1.0)), 1.0),
    )


def _choices() -> tuple[Case, ...]:
    def one(relay: ProtocolSpec) -> list[ProtocolSpec]:
        return [relay, ProtocolSpec("compute", 1.0)]

    bent = EarningsCurve.through([(0, 0), (0.5, 0.1), (1.0, 3.1)])
    one_of = Limits(groups=(Group("one address", ("relay", "compute"), max_active=1),))
    return (
        # the move gains 0.5 and the fee is 0.2: 2 - 0.2
        Case("fee worth paying", AllocationProblem(one(ProtocolSpec("relay", 2.0, move_fee=0.2)), HALVES), 1.8),
        # the fee 0.6 is more than the gain 0.5: stay
        Case("fee not worth paying", AllocationProblem(one(ProtocolSpec("relay", 2.0, move_fee=0.6)), HALVES), 1.5),
        # a move of one protocol alone keeps no sum: stay
        Case("one move at most", AllocationProblem(TWO, HALVES, limits=Limits(max_moves=1)), 1.5),
        # no change of 0.4 fits into max change 0.3: stay
        Case("smallest move", AllocationProblem(TWO, HALVES, limits=Limits(min_move=0.4, max_change=0.3)), 1.5),
        # relay in whole thirds up to max change 0.4: 1/3 of it, 2 / 3 + 2 / 3
        Case(
            "units",
            AllocationProblem(
                one(ProtocolSpec("relay", 2.0, step=1 / 3)), {"relay": 0, "compute": 1}, limits=Limits(max_change=0.4)
            ),
            4 / 3,
        ),
        # relay enters at 0.3 only, past max change 0.2 because one entry is allowed: 2 * 0.3 + 0.7
        Case(
            "entry past max change",
            AllocationProblem(
                one(ProtocolSpec("relay", 2.0, entry_share=0.3)),
                {"relay": 0, "compute": 1},
                limits=Limits(max_change={"relay": 0.2}, allow_one_unit=True),
            ),
            1.3,
        ),
        # the curve pays at the far end only: 3.1 at share 1, against 2 for relay throughout
        Case("bent curve", AllocationProblem({"relay": 2.0, "render": bent}, {"relay": 1, "render": 0}), 3.1),
        # one of the two: relay alone
        Case("one of a group", AllocationProblem(TWO, HALVES, limits=one_of), 2.0),
    )


def _impossible() -> tuple[Case, ...]:
    held = Limits(held={"relay", "compute"})
    capped = [ProtocolSpec("relay", 2.0, max_share=0.3), ProtocolSpec("compute", 1.0, max_share=0.3)]
    units = [ProtocolSpec("relay", 2.0, step=0.4), ProtocolSpec("compute", 1.0, step=0.4)]
    return (
        Case("held above capacity", AllocationProblem(TWO, HALVES, capacity=0.6, limits=held), None),
        Case("bounds below capacity", AllocationProblem(capped, HALVES), None),
        Case("units that never sum to capacity", AllocationProblem(units, {"relay": 0.4, "compute": 0.4}), None),
    )
