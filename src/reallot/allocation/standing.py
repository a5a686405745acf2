"""Which rules the present shares break, in the rules' own words, and the likely slip of units."""

from __future__ import annotations

import numpy as np

from ..formulation.evaluate import STAYS
from ..problem import AllocationProblem
from ..problem.goal import least_earnings
from ..problem.objective import value
from ..text.numbers import amount, listed, usd

MOST_NAMED = 4


def broken_by_staying(problem: AllocationProblem) -> str:  # noqa: C901  each rule once
    """The rules that the present shares break, with their numbers, as far as sums and bounds tell."""
    data, found = problem.arrays, []
    available, total = problem.available, float(data.current.sum())
    sums = [] if available is None else [available] if problem.totals is None else problem.totals.tolist()
    of = "capacity less reserve" if problem.reserve else "capacity"
    for t, each in enumerate(sums):
        is_off = abs(total - each) > STAYS * max(1.0, total)
        if is_off and (total > each or not problem.allow_idle):
            found.append(f"they sum to {total:.9g}, {of}{_when(t)} is {each:g}")
            break
    slack = STAYS * np.maximum(1.0, data.current)
    low, high = data.lower.max(axis=0), data.upper.min(axis=0)
    for i in np.flatnonzero((data.current < low - slack) | (data.current > high + slack)).tolist():
        share = float(data.current[i])
        is_low = share < low[i]
        t = int(data.lower[:, i].argmax() if is_low else data.upper[:, i].argmin())
        rule = f"below its floor {amount(float(low[i]))}" if is_low else f"above max_share {amount(float(high[i]))}"
        found.append(f"{problem.names[i]} holds {amount(share)}, {rule}{_when(t)}")
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
    if (largest := problem.limits.largest) is not None:
        held_by_most = float(np.sort(data.current)[::-1][: largest.count].sum())
        if held_by_most > largest.at_most + STAYS:
            found.append(
                f"the largest {largest.count} hold {amount(held_by_most)}, at most {amount(largest.at_most)} together"
            )
    for key, limit in problem.resources.items():
        used = sum(uses.get(key, 0.0) * float(data.current[i]) for i, uses in problem.table.uses.items())
        t, least = int(np.argmin(limit)), float(np.min(limit))
        if used > least + STAYS * max(1.0, used):
            found.append(f"they use {amount(used)} of {key}, there is {amount(least)}{_when(t)}")
    more = [f"{len(found) - MOST_NAMED} more"] if len(found) > MOST_NAMED else []
    return listed([*found[:MOST_NAMED], *more], "and") if found else "of choices, such as a unit"


def _when(period: int) -> str:
    """In which period a rule is broken, where it is not the first."""
    return f" in period {period}" if period else ""


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
