"""Gain against turnover: what every turnover limit would earn, from one solve."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InvalidInput
from ..problem import AllocationProblem, ProtocolSpec
from ..problem.arrays import FloatArray
from ..problem.doors import require_problem
from ..problem.objective import value
from ..solvers.interface.result import NoFeasibleSplit
from ..solvers.single_period.concave_curves import Matching, match
from .allocate import why_infeasible
from .limit_frontier import limit_frontier

if TYPE_CHECKING:
    import pandas as pd


def frontier(problem: AllocationProblem, limit: str | None = None) -> pd.DataFrame:
    """Trace the net benefit of the best plan against the turnover limit, or another one, corner by corner.

    The problem's own value of that limit, and its `goal`, are ignored: each row is the least that is worth so much.

    Parameters
    ----------
    problem
        A problem of one period that the exact path takes; for another `limit`, any that is a linear program.
    limit
        None for turnover. Else "max_turnover", "max_change", "max_increase", "max_decrease", or "resource NAME",
        "group NAME" or "max_share NAME".

    Returns
    -------
    pandas.DataFrame
        One row per corner: `turnover`, or the name of the limit (its value), `net_benefit` (USD over the horizon, of
        the best plan within it) and `price` (USD/h for a little more of it; 0 at the end).

    Raises
    ------
    InvalidInput
        Where the limit is unknown or has no end, the exact path declines the problem, or it has `turnover_cost` or
        `plan_fee`.
    Infeasible
        Where no turnover is enough to meet the other rules.

    Notes
    -----
    Between rows the net benefit is a straight line (parametric linear programming). Below the first row no plan meets
    the other rules; beyond the last one more turnover is worth nothing.

    Examples
    --------
    >>> from reallot import AllocationProblem, frontier
    >>> frontier(AllocationProblem({"a": 1.0, "b": 3.0, "c": 2.0}, {"a": 0.5, "b": 0.0, "c": 0.5})).values.tolist()
    [[0.0, 0.0, 2.0], [0.5, 1.0, 1.0], [1.0, 1.5, 0.0]]
    """
    import pandas as pd

    require_problem(problem)
    if limit is not None:
        return limit_frontier(problem, limit)
    costs = {"turnover_cost": problem.limits.turnover_cost is not None, "plan_fee": problem.limits.plan_fee > 0.0}
    for name, is_given in costs.items():
        if is_given:
            raise InvalidInput(f"the frontier of turnover takes no {name}; leave it out of the limits")
    free = _with_idle(replace(problem, goal=None, limits=replace(problem.limits, max_turnover=None)))
    matching = match(free)
    if isinstance(matching, NoFeasibleSplit):
        raise why_infeasible(free)
    bought = _corners(matching)
    sold = np.maximum(bought - matching.to_fill, 0.0)
    gain = _area(matching.buys.ends, matching.buys.slope, bought)
    loss = _area(matching.sells.ends, matching.sells.slope, sold)
    forced = matching.m - matching.current
    taken, given = float(np.maximum(forced, 0.0).sum()), float(np.maximum(-forced, 0.0).sum())
    start = value(free, matching.m[None, :]).net - value(free, matching.current[None, :]).net
    next_gain = matching.buys.after(bought, matching.dust, -np.inf)
    next_loss = matching.sells.after(sold, matching.dust, np.inf)
    price = np.where(bought < matching.bought - matching.dust, next_gain - next_loss, 0.0)
    return pd.DataFrame(
        {
            "turnover": np.maximum(taken + bought, given + sold),
            "net_benefit": start + gain - loss,
            "price": np.maximum(price, 0.0) / problem.horizon_hours,
        }
    )


def _with_idle(problem: AllocationProblem) -> AllocationProblem:
    """Idle capacity as one more protocol that earns nothing, so that shares sum to the capacity."""
    if not problem.allow_idle or problem.available is None:
        return problem
    name = "idle"
    while name in problem.names:
        name += " "
    unused = max(0.0, problem.available - sum(problem.current.values()))
    idle = ProtocolSpec(name, 0.0)
    own_limits = dict(zip(problem.names, problem.arrays.max_change[0].tolist(), strict=True))
    limits = replace(problem.limits, max_change={key: limit for key, limit in own_limits.items() if limit < np.inf})
    current = {**problem.current, name: unused}
    return replace(problem, protocols=(*problem.specs, idle), current=current, limits=limits, allow_idle=False)


def _corners(matching: Matching) -> FloatArray:
    """Totals bought at which a slope changes, from the least that must be bought to the best."""
    least = max(0.0, matching.to_fill)
    ends = np.concatenate([matching.buys.ends, matching.sells.ends + matching.to_fill])
    inner = np.sort(ends[(ends > least + matching.dust) & (ends < matching.bought - matching.dust)])
    corners = np.concatenate([[least], inner, [max(matching.bought, least)]])
    keep = np.concatenate([[True], np.diff(corners) > matching.dust])
    return np.asarray(corners[keep])


def _area(
    ends: FloatArray,
    slope: FloatArray,
    amount: FloatArray,
) -> FloatArray:
    """Sum of slope * width over the first `amount` of the pieces."""
    at, whole = np.concatenate([[0.0], ends]), np.concatenate([[0.0], np.cumsum(slope * np.diff(ends, prepend=0.0))])
    return np.asarray(np.interp(amount, at, whole))
