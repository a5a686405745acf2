"""What each limit costs: the same problem solved with that limit alone taken away."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..errors import Infeasible
from ..formulation import complete, rules
from ..formulation.goals import are_costs
from ..problem import AllocationProblem, CDaR, End, Limits, ShortfallChance
from .result import Allocation
from .time_budget import OutOfTime, TimeBudget


@dataclass(frozen=True)
class LimitCost:
    """`usd_per_hour` more would be earned (costs taken off) without the limit `name`, all others kept.

    Under a goal it is what the goal counts (turnover, USD, moves or shares) that would be saved.
    """

    name: str
    usd_per_hour: float


def widened(problem: AllocationProblem) -> AllocationProblem:
    """`problem` with nothing that limits change: no max change, turnover, count or size of moves, no holds.

    Costs stay: the price of turnover and the fee of a plan are paid as before.
    """
    limits = problem.limits
    kept = ("groups", "rules", "near", "largest", "change_cost", "allow_one_unit", "turnover_cost", "plan_fee")
    return replace(problem, limits=Limits(**{name: getattr(limits, name) for name in kept}))


_SINGLE: tuple[tuple[str, str, float | tuple[()] | None], ...] = (
    ("max_change", "max_change", None),
    ("turnover", "max_turnover", None),
    ("max_moves", "max_moves", None),
    ("min_move", "min_move", 0.0),
    ("min_gain", "min_gain", 0.0),
    ("turnover_cost", "turnover_cost", None),
    ("max_increase", "max_increase", None),
    ("max_decrease", "max_decrease", None),
    ("max_change_relative", "max_change_relative", None),
    ("only_increase", "only_increase", ()),
    ("only_decrease", "only_decrease", ()),
    ("hold_after_change", "hold_after_change", 0),
    ("plan_fee", "plan_fee", 0.0),
    ("largest", "largest", None),
    ("change_cost", "change_cost", None),
    ("total_moves", "max_total_moves", None),
    ("total_cost", "max_total_cost", None),
)
"""Limits that are one field each: name of the rule, the field, and its value where there is no such limit."""
_OF_KIND = {
    "capacity": "reserve",
    "active": "group",
    "group_floor": "group",
    "active_floor": "group",
    "rule_floor": "rule",
}
"""What a limit is called here of which a rule of that kind is a part; all others by the rule's own name."""
NEAR = 1e-9
"""Shares (or units of a resource) within which a plan stands at a limit."""


def without_each(problem: AllocationProblem) -> dict[str, AllocationProblem]:  # noqa: C901  each limit once
    """The problem once for every limit that is set, with that one taken away."""
    limits = problem.limits

    def changed(**change: object) -> AllocationProblem:
        return replace(problem, limits=replace(limits, **change))  # type: ignore[arg-type]

    result = {name: changed(**{field: unset}) for name, field, unset in _SINGLE if getattr(limits, field) != unset}
    held = limits.held
    for name in problem.names:
        if limits.held_until(name, problem.periods):
            free_held = {k: v for k, v in held.items() if k != name} if isinstance(held, dict) else set(held) - {name}
            result[f"held {name}"] = changed(held=free_held)
    for group in limits.groups:
        # its name may stand in a rule, so that it stays there without bounds
        free = replace(group, max_share=None, max_active=None, min_share=0.0, min_active=None)
        named = any(group.name in rule.coefficients for rule in limits.rules)
        others = tuple(each for each in limits.groups if each is not group)
        result[f"group {group.name}"] = changed(groups=(*others, free) if named else others)
    for rule in limits.rules:
        result[f"rule {rule.name}"] = changed(rules=tuple(r for r in limits.rules if r is not rule))
    if limits.near is not None:
        result["near"] = changed(near=None)
    if isinstance(problem.risk, ShortfallChance):
        result["earnings_floor"] = replace(problem, risk=None)
    if isinstance(problem.risk, CDaR) and problem.risk.max_drawdown is not None:
        weighed = replace(problem.risk, max_drawdown=None) if problem.risk.drawdown_weight > 0.0 else None
        result["max_drawdown"] = replace(problem, risk=weighed)
    if problem.end is not None:
        result |= {
            f"end_{key} {name}": replace(problem, end=_without_bound(problem.end, key, name))
            for key in ("at_least", "at_most")
            for name in getattr(problem.end, key)
        }
    if np.max(problem.reserve) > 0.0:
        result["reserve"] = replace(problem, reserve=0.0)
    if problem.capacity is not None:
        for key in problem.resources:
            specs = [replace(s, uses={k: v for k, v in s.uses.items() if k != key}) for s in problem.specs]
            rest_resources = {k: v for k, v in problem.resources.items() if k != key}
            result[f"resource {key}"] = replace(problem, protocols=specs, resources=rest_resources)
    return result


def _without_bound(end: End, key: str, name: str) -> End | None:
    """The conditions at the end without the bound `key` of a protocol; None where nothing is left."""
    tables = {each: dict(getattr(end, each)) for each in ("at_least", "at_most", "values")}
    del tables[key][name]
    return End(**tables) if any(tables.values()) else None


def limit_costs(
    plan: Allocation, budget: TimeBudget | None = None, known: tuple[LimitCost, ...] = ()
) -> tuple[tuple[LimitCost, ...], tuple[str, ...]]:
    """Cost of every limit that is set, dearest first, then by name, in the plan's own objective; and those left out.

    Limits that the plan stands at are asked for first. What does not end within its part of the budget of time is left
    out, by name. Those that are `known` are not asked for again.
    """
    budget = TimeBudget(None) if budget is None else budget
    here, hours = objective(plan), plan.problem.horizon_hours if plan.problem.goal is None else 1.0
    names, costs, left_out = {cost.name for cost in known}, list(known), []
    asked = [(name, problem) for name, problem in without_each(plan.problem).items() if name not in names]
    slack = _slack(plan) if len(asked) > 1 and plan.solver != "exact" else frozenset()
    for name, problem in sorted(asked, key=lambda each: each[0] in slack):
        try:
            freed = objective(budget.allocate(problem))
        except OutOfTime:
            left_out.append(name)
            continue
        except Infeasible:
            continue  # without the reserve, capacity that may not be idle would have to be filled
        gain = (freed - here) / hours
        costs.append(LimitCost(name, gain if gain > 1e-9 * abs(here) / hours else 0.0))
    return tuple(sorted(costs, key=lambda cost: (-cost.usd_per_hour, cost.name))), tuple(left_out)


def _slack(plan: Allocation) -> frozenset[str]:
    """Names of the limits that the plan stands away from; those that are no rows or bounds are not among them."""
    program = plan.program
    point = complete(plan.problem, program, plan.schedule)
    activity = program.activity(point)
    room: dict[str, float] = {}
    for rule in rules(plan.problem, program):
        sides = (
            (program.upper - point, rule.loosening.column_upper),
            (point - program.lower, rule.loosening.column_lower),
            (program.row_upper - activity, rule.loosening.row_upper),
            (activity - program.row_lower, rule.loosening.row_lower),
        )
        least = min((float(rooms[places].min()) for rooms, (places, _) in sides if places.size), default=np.inf)
        kind = _OF_KIND.get(rule.kind, rule.kind)
        name = f"{kind} {rule.subject}" if kind in ("held", "resource", "group", "rule") else kind
        room[name] = min(room.get(name, np.inf), least)
    return frozenset(name for name, least in room.items() if least > NEAR)


def objective(plan: Allocation) -> float:
    """The plan's objective (USD over the horizon, risk terms included, or what the last goal counts)."""
    program, goals = plan.program, plan.problem.goals
    fee = plan.value.plan_fee if not goals or are_costs(goals[-1]) else 0.0
    return program.objective(complete(plan.problem, program, plan.schedule)) - fee
