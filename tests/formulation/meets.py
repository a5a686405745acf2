"""The rules of a problem, checked on a schedule one by one: written from the problem, knows no program."""

from __future__ import annotations

import numpy as np

from reallot import AllocationProblem, ProtocolSpec

NEAR = 1e-9


def broken(problem: AllocationProblem, schedule: np.ndarray) -> str | None:
    """The first rule that a schedule (periods, protocols) breaks, or None."""
    start = np.array([problem.current[name] for name in problem.names])
    before = start
    for t, shares in enumerate(schedule):
        whole_plan = _together(problem, t, shares, before)
        if whole_plan is not None:
            return f"{whole_plan} in period {t}"
        for i, spec in enumerate(problem.specs):
            stays = bool((schedule[: t + 1, i] == start[i]).all())
            own = _bounds(spec, t, shares[i], start[i]) or _ends(spec, shares[i], stays)
            own = own or _change(problem, spec, t, shares[i], before[i])
            if own is not None:
                return f"{own} {spec.name} in period {t}"
        before = shares
    return None


def _together(problem: AllocationProblem, t: int, shares: np.ndarray, before: np.ndarray) -> str | None:
    limits, change = problem.limits, shares - before
    if problem.capacity is not None:
        idle = problem.capacity - problem.reserve - shares.sum()
        if idle < -NEAR or (idle > NEAR and not problem.allow_idle):
            return "capacity"
    if limits.max_turnover is not None:
        turnover = limits.max_turnover[t] if isinstance(limits.max_turnover, tuple) else limits.max_turnover
        if max(change[change > 0].sum(), -change[change < 0].sum()) > turnover + NEAR:
            return "turnover"
    if limits.max_moves is not None and (change != 0).sum() > limits.max_moves:
        return "max_moves"
    for key, capacity in problem.resources.items():
        if (
            sum(spec.uses.get(key, 0) * share for spec, share in zip(problem.specs, shares, strict=True))
            > capacity + NEAR
        ):
            return f"resource {key}"
    for group in limits.groups:
        members = shares[[problem.names.index(name) for name in group.members]]
        if group.max_share is not None and members.sum() > group.max_share + NEAR:
            return f"group {group.name}"
        if group.max_active is not None and (members > 0).sum() > group.max_active:
            return f"active {group.name}"
        if group.min_share is not None and members.sum() < group.min_share - NEAR:
            return f"group_floor {group.name}"
        if group.min_active is not None and (members >= 1e-6 - NEAR).sum() < group.min_active:
            return f"active_floor {group.name}"
    of = {name: (name,) for name in problem.names} | {group.name: group.members for group in limits.groups}
    share = dict(zip(problem.names, shares, strict=True))
    for rule in limits.rules:
        total = sum(weight * share[name] for key, weight in rule.coefficients.items() for name in of[key])
        least, most = (rule.equals, rule.equals) if rule.equals is not None else (rule.at_least, rule.at_most)
        if (most is not None and total > most + NEAR) or (least is not None and total < least - NEAR):
            return f"rule {rule.name}"
    return None


def _bounds(spec: ProtocolSpec, t: int, share: float, start: float) -> str | None:
    if share < spec.min_share - NEAR:
        return "min_share"
    if spec.max_share is not None and share > spec.max_share + NEAR:
        return "max_share"
    if spec.lock_in is not None and t < spec.lock_in.until and share < spec.lock_in.share - NEAR:
        return "lock_in"
    if share < min(spec.decrease_floor, start) - NEAR:
        return "decrease_floor"
    return None


def _ends(spec: ProtocolSpec, share: float, stays: bool) -> str | None:
    """Where a move may end; who has not moved at all may stay where no move may end."""
    if stays:
        return None
    if 0 < share < spec.entry_share - NEAR:
        return "entry_share"
    if spec.step and abs(share / spec.step - round(share / spec.step)) > NEAR:
        return "step"
    return None


def _change(problem: AllocationProblem, spec: ProtocolSpec, t: int, share: float, before: float) -> str | None:
    limits, change = problem.limits, abs(share - before)
    if change == 0:
        return None
    if change < limits.min_move - NEAR:
        return "min_move"
    held = limits.held.get(spec.name, 0) > t if isinstance(limits.held, dict) else spec.name in limits.held
    if held:
        return "held"
    limit = _max_change(problem, spec.name, t)
    if change <= limit + NEAR:
        return None
    if not limits.allow_one_unit:
        return "max_change"
    if spec.step > limit and change <= spec.step + NEAR:
        return None
    least = spec.entry_share
    if spec.step and least:
        least = np.ceil(least / spec.step - NEAR) * spec.step
    enters = before == 0 and abs(share - least) <= NEAR
    leaves = share == 0 and before <= least + NEAR
    return None if least > limit and (enters or leaves) else "max_change"


def _max_change(problem: AllocationProblem, name: str, t: int) -> float:
    limit = problem.limits.max_change
    if limit is None:
        return np.inf
    if isinstance(limit, dict):
        return limit.get(name, np.inf)
    return limit[t] if isinstance(limit, tuple) else limit
