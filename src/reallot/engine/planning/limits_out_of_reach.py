"""Limits that the present shares break and one plan cannot meet: how far it can go towards them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from ...allocation.least_loosening import is_feasible, least_loosening
from ...allocation.relax import relax
from ...allocation.standing import broken_by_staying
from ...formulation import formulate, rules
from ...problem import AllocationProblem, Group, Limits, ProtocolSpec

STATES = ("max_share", "min_share", "lock_in", "group", "group_floor", "active_floor", "rule", "rule_floor", "resource")
"""Kinds of rules about shares themselves, and not about how they may change: those that are come near to."""
PROGRESS = 1e-7
"""Less of it is rounding."""


@dataclass(frozen=True)
class Easing:
    """Rules loosened as little as one plan needs.

    loosened  (rule, amount) in the rules' own units
    leaving   members of groups with too many active that are emptied
    """

    loosened: tuple[tuple[str, float], ...] = ()
    leaving: tuple[str, ...] = ()

    def applied(self, problem: AllocationProblem) -> AllocationProblem:
        """`problem` with these rules loosened."""
        problem = _emptying(problem, self.leaving) if self.leaving else problem
        for rule, amount in self.loosened:
            problem = relax(problem, rule, amount)
        return problem


@dataclass(frozen=True)
class Nearest:
    """The nearest that one plan comes to all limits, whatever protocols earn.

    easing    what has to give way; None where no loosening is enough
    breaks    which limits the present shares break
    conflict  why no plan brings them nearer; "" where one does, or will once what rests may move
    """

    easing: Easing | None
    breaks: str
    conflict: str


def nearest(problem: AllocationProblem, resting: Collection[str], conflict: str) -> Nearest:
    """How near one plan comes to the limits of an infeasible `problem`; `conflict` says why it cannot meet them.

    The sum of all breaches is made as small as it can be: shares by themselves, resources by their own capacity.
    Limits that contradict each other, whatever may change, are not come near to: all stays as it is. `resting` are
    names among the held that may move later.
    """
    breaks, leaving = broken_by_staying(problem), _leaving(problem)
    if not is_feasible(_unbound(problem)):
        return Nearest(None, breaks, conflict)
    problem = _emptying(problem, leaving) if leaving else problem
    reached, loosened = _breach(problem)
    if loosened is None:
        return Nearest(None, breaks, conflict)
    least, held = _breach(_held(problem, problem.names))[0] - PROGRESS, frozenset(problem.limits.held)
    free = held - frozenset(resting)
    gets_there = reached < least or (free != held and _breach(_held(problem, free))[0] < least)
    return Nearest(Easing(loosened, leaving), breaks, "" if gets_there else conflict)


def _breach(problem: AllocationProblem) -> tuple[float, tuple[tuple[str, float], ...] | None]:
    """The least sum by which rules about shares have to give way, and each rule's part; None where that is no help."""
    program = formulate(problem, wide=True)
    table = [rule for rule in rules(problem, program, both_ways=True) if rule.kind in STATES]
    if not table:
        return float("inf"), None
    least = least_loosening(program, table)
    if least.total == float("inf"):
        return least.total, None
    amounts = zip(table, least.amounts.tolist(), strict=True)
    return least.total, tuple((rule.name, _rounded_up(much)) for rule, much in amounts if much > 1e-9)


def _rounded_up(amount: float) -> float:
    """At nine digits, never below what is needed."""
    near = round(amount, 9)
    return near if near >= amount - 1e-12 else near + 1e-9


def _leaving(problem: AllocationProblem) -> tuple[str, ...]:
    """Members that have to go where a group has more active than it may: the smallest go, which is soonest done."""
    gone: list[str] = []
    for group in problem.limits.groups:
        active = [name for name in group.members if problem.current[name] > 0.0]
        if group.max_active is not None and len(active) > group.max_active:
            ranked = sorted(active, key=lambda name: (problem[name].min_share > 0.0, problem.current[name], name))
            kept = ranked[len(ranked) - group.max_active :]
            gone += [name for name in group.members if name not in kept]
    return tuple(dict.fromkeys(gone))


def _emptying(problem: AllocationProblem, leaving: Collection[str]) -> AllocationProblem:
    """`problem` where these may have nothing, and groups count as many as are active."""

    def emptied(spec: ProtocolSpec) -> ProtocolSpec:
        return replace(spec, max_share=0.0, min_share=0.0) if spec.name in leaving else spec

    def widened(group: Group) -> Group:
        if group.max_active is None:
            return group
        active = sum(problem.current[name] > 0.0 for name in group.members)
        return replace(group, max_active=max(group.max_active, active))

    groups = tuple(widened(group) for group in problem.limits.groups)
    limits = replace(problem.limits, groups=groups)
    return replace(problem, protocols=tuple(emptied(spec) for spec in problem.specs), limits=limits)


def _unbound(problem: AllocationProblem) -> AllocationProblem:
    """`problem` where every share may change as it likes, in any steps."""
    kept = {
        key: getattr(problem.limits, key)
        for key in (
            "groups",
            "rules",
            "largest",
            "change_cost",
            "min_gain",
            "turnover_cost",
            "plan_fee",
            "allow_one_unit",
        )
    }
    limits = Limits(**kept)
    free = {"step": 0.0, "entry_share": 0.0, "decrease_floor": 0.0}
    specs = [replace(spec, **free) for spec in problem.specs]  # type: ignore[arg-type]
    return replace(problem, limits=limits, protocols=specs)


def _held(problem: AllocationProblem, names: Collection[str]) -> AllocationProblem:
    return replace(problem, limits=replace(problem.limits, held=frozenset(names)))
