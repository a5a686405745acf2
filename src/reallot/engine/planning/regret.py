"""What a regret budget leaves of a plan: less turnover, or the way home once the budget is spent."""

from __future__ import annotations

import math
from dataclasses import replace

from ...problem import EarningsCurve, ProtocolSpec
from ...text.numbers import usd
from .one_answer import with_one_answer
from .plan import Plan
from .policy_values import PolicyValues
from .problem_builder import DUST, PlanningProblem


def within_regret_budget(plan: Plan, policy: PolicyValues) -> PlanningProblem | None:
    """The plan's problem with less turnover, or the way home; None where the budget allows what is planned.

    A plan that mends limits which present shares break is outside the budget.
    """
    allocation, books = plan.careful, policy.books
    if plan.breaks or plan.conflict or books is None or not (allocation is None or allocation.can_stay):
        return None
    lost = f"moves cost {usd(books.spent)} USD and brought {usd(books.gained)} USD more than never moving"
    if policy.home:
        return _going_home(plan.problem, policy, f"capacity goes back to where it was first seen: {lost}")
    if allocation is None or allocation.turnover <= policy.turnover + DUST:
        return None
    told = f"{lost}: the regret budget lets a plan move {policy.turnover:.3g} of the capacity"
    limits = replace(plan.problem.limits, max_turnover=policy.turnover)
    return replace(plan.problem, limits=limits, notes=(*plan.problem.notes, told), shared=type(plan.problem.shared)())


def _going_home(problem: PlanningProblem, policy: PolicyValues, told: str) -> PlanningProblem | None:
    """The problem whose only answer is a step towards home, as far as one plan may change each share."""
    ways = {
        name: share - problem.shares[name]
        for name, share in policy.home.items()
        if name in problem.shares and name not in problem.held and abs(share - problem.shares[name]) > DUST
    }
    longest = max(map(abs, ways.values()), default=0.0)
    if longest == 0.0:
        return None
    part = min(1.0, problem.config.max_allocation_change / longest)
    idle = problem.capacity - math.fsum(problem.shares.values())
    freed = max(idle, 0.0) - part * math.fsum(way for way in ways.values() if way < 0.0)
    wanted = part * math.fsum(way for way in ways.values() if way > 0.0)
    raised = part * min(1.0, freed / wanted) if wanted > 0.0 else 0.0
    shares = {name: problem.shares[name] + (raised if way > 0.0 else part) * way for name, way in ways.items()}
    flat = EarningsCurve.flat(0.0)
    specs = {name: ProtocolSpec(name, flat, min_share=share, max_share=share) for name, share in shares.items()}
    return with_one_answer(problem, specs, told)
