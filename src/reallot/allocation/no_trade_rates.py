"""For each protocol that stayed, the rate at which it would move."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..errors import Infeasible, SolverFailed
from ..problem import AllocationProblem, EarningsCurve, ProtocolSpec, Scenarios
from ..solvers.single_period import concave_curves
from ..solvers.single_period.sensitivity import ExactSlopes, marginals, slopes
from ..text.numbers import amount, usd
from .limit_costs import objective
from .result import Allocation
from .time_budget import OutOfTime, TimeBudget

NEAR = 1e-9
"""Rates closer than this, relatively, are one."""
MOST_SEARCHED = 1500
"""Each rate off the exact path is a search that solves the problem some ten times. Where protocols that stayed, times
the shares in the problem, are more than this, `explain` leaves the rates out and says so."""


@dataclass(frozen=True)
class Threshold:
    """Why one protocol stayed at `share`. Rates are marginal, USD/h per unit of share.

    rate        what its next unit earns now
    takes_at    rate above which it would take more; None where no rate would make it
    gives_at    rate of its last unit below which it would give some; None where no rate would make it
    because     what keeps it: "held", "at max_share", ..., or "" where only the rates do
    """

    protocol: str
    share: float
    rate: float
    takes_at: float | None
    gives_at: float | None
    because: str

    def __str__(self) -> str:
        if self.because and self.takes_at is None and self.gives_at is None:
            return f"{self.protocol} stays at {amount(self.share)}: {self.because}"
        parts = []
        if self.takes_at is not None:
            parts.append(f"takes more above {usd(self.takes_at)} USD/h")
        if self.gives_at is not None:
            parts.append(f"gives below {usd(self.gives_at)} USD/h")
        extra = f" ({self.because})" if self.because else ""
        how = ", ".join(parts) or "no rate would move it within the limits"
        return f"{self.protocol} stays at {amount(self.share)}: earns {usd(self.rate)} USD/h, {how}{extra}"


def thresholds(
    plan: Allocation, *, search: bool | None = None, budget: TimeBudget | None = None
) -> tuple[Threshold, ...]:
    """A Threshold for every protocol whose share does not change now, in the protocols' order.

    On the exact path from the slopes of the optimum; elsewhere by raising (or lowering) the protocol's rate until the
    plan moves it, with Newton's method on the two plans' worth, which is exact for linear worth. `search` says
    whether to do so; None is yes for problems of moderate size. What does not end within `budget` is said to be
    unknown.
    """
    budget = TimeBudget(None) if budget is None else budget
    problem = plan.problem
    stayed = np.flatnonzero(plan.schedule[0] == problem.arrays.current)
    right, left = marginals(problem.arrays, plan.schedule[0])
    found = slopes(problem) if concave_curves.why_ineligible(problem) is None else None
    if search is None:
        search = stayed.size * plan.schedule.size <= MOST_SEARCHED
    result = []
    for i in stayed:
        because = _because(plan, int(i))
        takes = gives = None
        if because != "held":
            if isinstance(found, ExactSlopes) and problem.limits.min_gain == 0.0:
                takes, gives = _by_slopes(plan, found, int(i), float(right[i]), float(left[i]))
            elif search:
                try:
                    takes = _searched(plan, int(i), 1.0, float(right[i]), budget)
                    gives = _searched(plan, int(i), -1.0, float(left[i]), budget) if plan.schedule[0, i] > 0.0 else None
                except OutOfTime:
                    because = because or f"not all of its rates are known: {budget}"
            else:
                because = because or "its rates take long to search: thresholds(plan, search=True)"
        name, share = problem.names[i], float(plan.schedule[0, i])
        result.append(Threshold(name, share, float(right[i]), takes, gives, because))
    return tuple(result)


def _because(plan: Allocation, i: int) -> str:
    data, share = plan.problem.arrays, plan.schedule[0, i]
    if data.held[0, i]:
        return "held"
    if share >= data.upper[0, i] - 1e-12:
        return f"at max_share {amount(float(data.upper[0, i]))}"
    if share <= data.lower[0, i] + 1e-12 and share > 0.0:
        return f"at its floor {amount(float(data.lower[0, i]))}"
    return ""


def _by_slopes(
    plan: Allocation, found: ExactSlopes, i: int, right: float, left: float
) -> tuple[float | None, float | None]:
    """From what one more, or one less, unit of protocol i would change (never a gain at an optimum)."""
    data, share = plan.problem.arrays, plan.schedule[0, i]
    takes = gives = None
    can_rise = share < data.upper[0, i] - 1e-12 and data.max_change[0, i] > 0.0
    if can_rise and math.isfinite(found.up[i]):
        # a unit taken earns rate * hours less the warm-up of a positive rate; it lacks -up
        warm = data.hours - float(data.warm_up[i])
        needed = right * (warm if right > 0.0 else data.hours) - float(found.up[i])
        if needed < 0.0 or warm > 0.0:
            takes = needed / (warm if needed > 0.0 else data.hours)
    can_fall = share > data.lower[0, i] + 1e-12 and data.max_change[0, i] > 0.0
    if can_fall and math.isfinite(found.down[i]):
        gives = left + float(found.down[i]) / data.hours
    return takes, gives


def _searched(plan: Allocation, i: int, sign: float, marginal: float, budget: TimeBudget) -> float | None:
    """The rate at which the plan starts to move protocol i up (sign 1) or down (-1); None where none does.

    Newton's method from above on worth of moving less worth of the plan: with the plan found at one shift, the next is
    where that one breaks even. Where the break-even does not move and is no proof either (another plan lies between),
    the bracket is halved.
    """
    problem, here = plan.problem, objective(plan)
    low, high = 0.0, _out_of_reach(problem)
    moved = _moved(plan, i, sign, high, budget)
    if moved is None:
        return None
    for _ in range(80):
        worth = _objective_of(moved, problem)
        rise = (_objective_of(moved, with_rate_shift(problem, problem.names[i], sign * high)) - worth) / high
        base = (_objective_of(plan, with_rate_shift(problem, problem.names[i], sign * high)) - here) / high
        crossing = (here - worth) / (rise - base) if rise > base else low
        trial = crossing if low < crossing < high * (1.0 - NEAR) else 0.5 * (low + high)
        if high - low <= NEAR * high or trial <= 0.0:
            break
        step = _moved(plan, i, sign, trial, budget)
        if step is not None:
            moved, high = step, trial
        else:
            low = trial
            if trial == crossing and problem.periods == 1 and problem.limits.min_gain == 0.0:
                return marginal + sign * crossing
    return marginal + sign * high


def _out_of_reach(problem: AllocationProblem) -> float:
    """A shift (USD/h) beyond every difference of rates and every cost."""
    data = problem.arrays
    largest = float(np.abs(data.rate).max(initial=0.0)) + sum(float(np.abs(c.slopes).max()) for c in data.curved)
    once = float(data.fee.max() + data.cost_in.max() + data.cost_out.max()) + problem.limits.min_gain
    return 8.0 * (largest + 100.0 * once / data.hours) or 1.0


def _moved(plan: Allocation, i: int, sign: float, shift: float, budget: TimeBudget) -> Allocation | None:
    """The plan with protocol i's rate shifted, where it moves i in the direction of `sign`; else None."""
    problem = plan.problem
    try:
        shifted = budget.allocate(with_rate_shift(problem, problem.names[i], sign * shift))
    except (Infeasible, SolverFailed):
        return None
    return shifted if sign * (shifted.schedule[0, i] - problem.arrays.current[i]) > 1e-9 else None


def _objective_of(plan: Allocation, problem: AllocationProblem) -> float:
    """What the schedule of `plan` is worth in `problem`."""
    return objective(replace(plan, problem=problem))


def with_rate_shift(problem: AllocationProblem, name: str, shift: float) -> AllocationProblem:
    """`problem` with `shift` (USD/h) more on every marginal rate of one protocol, in all periods and scenarios."""
    specs = tuple(_shifted_spec(spec, shift) if spec.name == name else spec for spec in problem.specs)
    rates = problem.rates
    if rates is not None and name in rates:
        rates = {**rates, name: tuple(rate + shift for rate in rates[name])}
    scenarios = problem.scenarios
    if scenarios is not None and name in scenarios.rates:
        paths = tuple(tuple(rate + shift for rate in path) for path in scenarios.rates[name])  # type: ignore[union-attr]
        scenarios = Scenarios({**scenarios.rates, name: paths}, scenarios.factors, scenarios.probabilities)
    return replace(problem, protocols=specs, rates=rates, scenarios=scenarios)


def _shifted_spec(spec: ProtocolSpec, shift: float) -> ProtocolSpec:
    moved = tuple(
        EarningsCurve(
            curve.shares,
            tuple(value + shift * share for share, value in zip(curve.shares, curve.earnings, strict=True)),
            curve.last_slope + shift,
        )
        for curve in spec.curves
    )
    return replace(spec, curve=moved if isinstance(spec.curve, tuple) else moved[0])
