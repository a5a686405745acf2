"""A decision with its exact inputs, as text, and decided again: the same plan has to come out."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from ..allocation.allocate import allocate
from ..allocation.result import Allocation
from ..engine.contracts.records import AllocationPlan
from ..engine.ledger.journal import Decision
from ..engine.planning.problem_builder import PlanningProblem
from ..errors import DataError, Infeasible, InvalidInput
from ..problem.files import problem_from_dict, problem_to_dict

CLOSE = 1e-12
"""Numbers of another machine may differ in their last digits."""


def inputs_of(problem: PlanningProblem) -> str:
    """All that a plan depends on, as JSON: the problem as it was decided, and the same at the rates as they were."""
    careful, expected = problem_to_dict(problem.careful), problem_to_dict(problem.expected)
    kept = {"fingerprint": problem.fingerprint, "problem": careful, "plain": expected}
    return json.dumps(kept, allow_nan=False)


@dataclass(frozen=True)
class ReplayedDecision:
    """A decision made again.

    plan         as it was kept
    allocation   as it came out now, at the rates as they were
    differences  what is not the same; empty where all is
    """

    plan: AllocationPlan
    allocation: Allocation | None
    differences: tuple[str, ...]


def replay(decision: Decision) -> ReplayedDecision:
    """Decides again from what was kept; raises DataError where that cannot be read."""
    try:
        plan = AllocationPlan.model_validate_json(decision.plan)
        kept = json.loads(decision.inputs)
        problem, plain = problem_from_dict(kept["problem"]), problem_from_dict(kept["plain"])
    except (ValueError, KeyError, TypeError, InvalidInput) as error:
        name = type(error).__name__
        raise DataError(f"decision {decision.plan_id} was kept in a form that cannot be read ({name})") from None
    differences = []
    if kept.get("fingerprint") != plan.fingerprint:
        differences.append("the inputs that were kept have another fingerprint than the plan")
    try:
        careful = allocate(problem)
    except Infeasible as error:
        if not plan.conflict:
            differences.append(f"no split meets all rules now: {error}")
        return ReplayedDecision(plan, None, tuple(differences))
    allocation = replace(careful, problem=plain) if careful.moved.size else careful
    shares = dict(zip(problem.names, allocation.schedule[0].tolist(), strict=True))
    for name in sorted({*shares, *plan.allocation}):
        now, then = shares.get(name, 0.0), plan.allocation.get(name, 0.0)
        if abs(now - then) > CLOSE:
            differences.append(f"{name} gets {now:.6g} now, and got {then:.6g}")
    for what, now, then in (
        ("improvement", allocation.improvement_per_hour, plan.estimated_improvement),
        ("cost", allocation.cost, plan.estimated_cost),
        ("net benefit", allocation.net_benefit, plan.net_benefit),
    ):
        if abs(now - then) > CLOSE * max(1.0, abs(then)):
            differences.append(f"the {what} is {now:.6g} now, and was {then:.6g}")
    return ReplayedDecision(plan, allocation, tuple(differences))
