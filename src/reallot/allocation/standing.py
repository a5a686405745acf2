"""Which rules the present shares break, in the rules' own words, and the likely slip of units."""

from __future__ import annotations

import numpy as np

from ..formulation.evaluate import STAYS
from ..problem import AllocationProblem
from ..problem.goal import least_earnings
from ..problem.objective import value
from ..text.numbers import amount, listed, usd

MOST_NAMED = 4


def broken_by_staying(problem: AllocationProblem) -> str:
    """The rules that the present shares break, with their numbers, as far as sums and bounds tell."""
    data, found = problem.arrays, []
    available, total = problem.available, float(data.current.sum())
    is_off = available is not None and abs(total - available) > STAYS * max(1.0, total)
    if is_off and (total > available or not problem.allow_idle):  # type: ignore[operator]
        of = "capacity less reserve" if problem.reserve else "capacity"
        found.append(f"they sum to {total:.9g}, {of} is {available:g}")
    slack = STAYS * np.maximum(1.0, data.current)
    for i in np.flatnonzero((data.current < data.lower[0] - slack) | (data.current > data.upper[0] + slack)).tolist():
        share, low = float(data.current[i]), float(data.lower[0, i])
        rule = f"below its floor {amount(low)}" if share < low else f"above max_share {amount(float(data.upper[0, i]))}"
        found.append(f"{problem.names[i]} holds {amount(share)}, {rule}")
    for group in problem.limits.groups:
        held = [problem.current[name] for name in group.members]
        if group.max_share is not None and sum(held) > group.max_share + STAYS:
            found.append(f"group {group.name} holds {amount(sum(held))}, max_share {amount(group.max_share)}")
        if group.max_active is not None and sum(share > 0.0 for share in held) > group.max_active:
            found.append(f"group {group.name} has {sum(s > 0.0 for s in held)} active, max_active {group.max_active}")
        if group.min_share is not None and sum(held) < group.min_share - STAYS:
            found.append(f"group {group.name} holds {amount(sum(held))}, min_share {amount(group.min_share)}")
        if group.min_active is not None and sum(share > 0.0 for share in held) < group.min_active:
            found.append(f"group {group.name} has {sum(s > 0.0 for s in held)} active, min_active {group.min_active}")
    found += _relations(problem)
    for key, limit in problem.resources.items():
        used = sum(uses.get(key, 0.0) * float(data.current[i]) for i, uses in problem.table.uses.items())
        if used > limit + STAYS * max(1.0, used):
            found.append(f"they use {amount(used)} of {key}, there is {amount(limit)}")
    more = [f"{len(found) - MOST_NAMED} more"] if len(found) > MOST_NAMED else []
    return listed([*found[:MOST_NAMED], *more], "and") if found else "of choices, such as a unit"


def _relations(problem: AllocationProblem) -> list[str]:
    """The goal, the split to be near to and the rules between shares that the present shares miss."""
    data, found = problem.arrays, []
    enough, near = least_earnings(problem.goals), problem.limits.near
    if enough is not None and (earned := value(problem, data.staying).earnings_per_hour) < enough - STAYS:
        found.append(f"they earn {usd(earned)} USD/h, the goal is at least {usd(enough)}")
    if near is not None:
        off = sum(abs(problem.current[name] - share) for name, share in near.shares.items())
        if off > near.within + STAYS:
            found.append(f"they are {amount(off)} off the split to be near to, within {amount(near.within)}")
    for each in problem.limits.rules:
        weights = each.weights(problem.table.place, problem.limits.groups)
        now = sum(weight * float(data.current[i]) for i, weight in weights.items())
        low, high = each.bounds
        if (high is not None and now > high + STAYS) or (low is not None and now < low - STAYS):
            found.append(f"rule {each.name} does not hold: its sum is {amount(now)}")
    return found
