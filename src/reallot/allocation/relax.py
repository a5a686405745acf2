"""One rule of a problem loosened by an amount: the problem a conflict's way out leads to."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..errors import InvalidInput
from ..problem import AllocationProblem, Goal, ProtocolSpec
from ..problem.goal import least_earnings
from ..problem.per_period import shifted


def relax(problem: AllocationProblem, rule: str, amount: float) -> AllocationProblem:
    """`problem` with the rule of that name (see Conflict.relaxations) loosened by `amount`; a held one is released."""
    kind, _, subject = rule.partition(" ")
    if kind not in _RELAX:
        raise InvalidInput(f"no rule {rule!r} to relax; rules are {', '.join(_RELAX)}")
    return _RELAX[kind](problem, subject, amount)


def _limits(problem: AllocationProblem, **changes: object) -> AllocationProblem:
    return replace(problem, limits=replace(problem.limits, **changes))  # type: ignore[arg-type]


def _relax_capacity(problem: AllocationProblem, subject: str, amount: float) -> AllocationProblem:
    return replace(problem, capacity=shifted(problem.capacity or 0.0, -amount if subject == "lower" else amount))


def _relax_turnover(problem: AllocationProblem, _subject: str, amount: float) -> AllocationProblem:
    limit = problem.limits.max_turnover
    more = tuple(value + amount for value in limit) if isinstance(limit, tuple) else limit + amount  # type: ignore[operator]
    return _limits(problem, max_turnover=more)


def _relax_change(key: str) -> Callable[[AllocationProblem, str, float], AllocationProblem]:
    """A limit of change that is one number, by name, or per period."""

    def relaxed(problem: AllocationProblem, subject: str, amount: float) -> AllocationProblem:
        limit = getattr(problem.limits, key)
        if isinstance(limit, dict):
            return _limits(problem, **{key: limit | {subject: limit[subject] + amount}})
        if isinstance(limit, tuple):
            if subject:
                raise InvalidInput(f"{key} is per period, for all protocols: it cannot be raised for {subject} alone")
            return _limits(problem, **{key: tuple(value + amount for value in limit)})
        if not subject:
            return _limits(problem, **{key: limit + amount})
        return _limits(problem, **{key: {name: limit + amount * (name == subject) for name in problem.names}})

    return relaxed


def _relax_direction(key: str) -> Callable[[AllocationProblem, str, float], AllocationProblem]:
    return lambda problem, subject, _amount: _limits(problem, **{key: getattr(problem.limits, key) - {subject}})


def _relax_held(problem: AllocationProblem, subject: str, _amount: float) -> AllocationProblem:
    held = problem.limits.held
    if isinstance(held, dict):
        return _limits(problem, held={name: until for name, until in held.items() if name != subject})
    return _limits(problem, held=frozenset(held) - {subject})


def _relax_group(key: str, sign: int = 1) -> Callable[[AllocationProblem, str, float], AllocationProblem]:
    def change(problem: AllocationProblem, subject: str, amount: float) -> AllocationProblem:
        groups = tuple(
            replace(group, **{key: max(0, now + sign * (math.ceil(amount - 1e-6) if isinstance(now, int) else amount))})
            if group.name == subject and (now := getattr(group, key)) is not None
            else group
            for group in problem.limits.groups
        )
        return _limits(problem, groups=groups)

    return change


def _relax_spec(key: str, sign: float) -> Callable[[AllocationProblem, str, float], AllocationProblem]:
    def relaxed(problem: AllocationProblem, subject: str, amount: float) -> AllocationProblem:
        def eased(value: Any) -> Any:
            return shifted(value, sign * amount)

        specs: list[ProtocolSpec] = []
        for spec in problem.specs:
            if spec.name == subject and key == "lock_in":
                assert spec.lock_in is not None
                spec = replace(spec, lock_in=replace(spec.lock_in, share=eased(spec.lock_in.share)))
            elif spec.name == subject and key == "decrease_floor":
                in_force = min(problem.current[subject], spec.decrease_floor)
                spec = replace(spec, decrease_floor=round(eased(in_force), 12))
            elif spec.name == subject:
                change: dict[str, Any] = {key: eased(getattr(spec, key))}
                spec = replace(spec, **change)
            specs.append(spec)
        return replace(problem, protocols=tuple(specs))

    return relaxed


def _relax_end(key: str, sign: float) -> Callable[[AllocationProblem, str, float], AllocationProblem]:
    def change(problem: AllocationProblem, subject: str, amount: float) -> AllocationProblem:
        assert problem.end is not None
        table = getattr(problem.end, key)
        moved = {**table, subject: shifted(table[subject], sign * amount)}
        return replace(problem, end=replace(problem.end, **{key: moved}))

    return change


def _relax_rule(side: str) -> Callable[[AllocationProblem, str, float], AllocationProblem]:
    def change(problem: AllocationProblem, subject: str, amount: float) -> AllocationProblem:
        rules = tuple(
            rule.loosened(**{side: amount}) if rule.name == subject else rule for rule in problem.limits.rules
        )
        return _limits(problem, rules=rules)

    return change


def _relax_goal(problem: AllocationProblem, _subject: str, amount: float) -> AllocationProblem:
    least = (least_earnings(problem.goals) or 0.0) - amount
    goals = tuple(
        replace(goal, at_least=min(goal.at_least, least))
        if isinstance(goal, Goal) and goal.at_least is not None
        else goal
        for goal in problem.goals
    )
    return replace(problem, goal=goals if isinstance(problem.goal, tuple) else goals[0])


_RELAX: dict[str, Callable[[AllocationProblem, str, float], AllocationProblem]] = {
    "capacity": _relax_capacity,
    "turnover": _relax_turnover,
    "max_moves": lambda p, s, a: _limits(p, max_moves=(p.limits.max_moves or 0) + math.ceil(a)),
    "total_moves": lambda p, s, a: _limits(p, max_total_moves=(p.limits.max_total_moves or 0) + math.ceil(a)),
    "total_cost": lambda p, s, a: _limits(p, max_total_cost=(p.limits.max_total_cost or 0.0) + a),
    "largest": lambda p, s, a: _limits(p, largest=replace(p.limits.largest, at_most=p.limits.largest.at_most + a)),  # type: ignore[type-var, union-attr]
    "max_drawdown": lambda p, s, a: replace(p, risk=replace(p.risk, max_drawdown=p.risk.max_drawdown + a)),  # type: ignore[union-attr, operator, type-var]
    "chance": lambda p, s, a: replace(p, risk=replace(p.risk, chance=min(1.0, p.risk.chance + a))),  # type: ignore[union-attr, type-var]
    "earnings_floor": lambda p, s, a: replace(p, risk=replace(p.risk, floor=p.risk.floor - a)),  # type: ignore[union-attr, type-var]
    "resource": lambda p, s, a: replace(p, resources={**p.resources, s: shifted(p.resources[s], a)}),
    "group": _relax_group("max_share"),
    "active": _relax_group("max_active"),
    "group_floor": _relax_group("min_share", -1),
    "active_floor": _relax_group("min_active", -1),
    "rule": _relax_rule("upper"),
    "rule_floor": _relax_rule("lower"),
    "held": _relax_held,
    "end_at_least": _relax_end("at_least", -1.0),
    "end_at_most": _relax_end("at_most", 1.0),
    "near": lambda p, s, a: _limits(p, near=replace(p.limits.near, within=p.limits.near.within + a)),  # type: ignore[type-var, union-attr]
    "goal": _relax_goal,
    "max_change": _relax_change("max_change"),
    "max_increase": _relax_change("max_increase"),
    "max_decrease": _relax_change("max_decrease"),
    "max_change_relative": _relax_change("max_change_relative"),
    "only_increase": _relax_direction("only_increase"),
    "only_decrease": _relax_direction("only_decrease"),
    "hold_after_change": lambda p, s, a: _limits(p, hold_after_change=0),
    "max_share": _relax_spec("max_share", 1.0),
    "min_share": _relax_spec("min_share", -1.0),
    "lock_in": _relax_spec("lock_in", -1.0),
    "decrease_floor": _relax_spec("decrease_floor", -1.0),
}
