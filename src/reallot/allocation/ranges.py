"""The ranges in which a plan stays as it is: of each rate, until another plan is worth more, and of each limit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..formulation import Rule, complete, rules
from ..problem import AllocationProblem
from ..problem.arrays import FloatArray
from ..problem.objective import value
from ..program import LinearProgram
from .rate_shift import with_rate_shift
from .shadow_prices import NOT_PRICED, Price

if TYPE_CHECKING:
    import pandas as pd

SAME = 1e-9
"""Another plan takes over where it is worth more by more than this part of the money at stake."""
STEPS = 60
"""Plans that are looked at, at most, until the one is found that takes over at another rate."""
WIDEST = 1e3
"""Rates are looked at up to so many times what is at stake."""
LOWERED = ("min_share", "lock_in", "decrease_floor", "group_floor", "active_floor", "rule_floor")
"""Kinds of limits that are looser where they are lower."""
WITHOUT_RANGE = ("held", "only_increase", "only_decrease", "hold_after_change")
"""Kinds of limits without a number that could be another."""
Decide = Callable[[AllocationProblem], Any]
"""Makes the plan of a problem."""


def ranges(
    problem: AllocationProblem,
    schedule: FloatArray,
    program: LinearProgram,
    prices: Mapping[str, Price],
    *,
    decide: Decide,
) -> pd.DataFrame:
    """The ranges of `Allocation.sensitivity`: one row per rate, then one per limit."""
    import pandas as pd

    rows = []
    marginal = problem.arrays.rate[0]
    for i, name in enumerate(problem.names):
        now = float(marginal[i]) if i not in problem.table.curves else math.nan
        low, high = (_rate_shift(problem, schedule, name, sign, decide) for sign in (-1.0, 1.0))
        rows.append({"of": f"rate {name}", "unit": "USD/h", "now": now, "low": now - low, "high": now + high})
    point = complete(problem, program, schedule)
    for rule in rules(problem, program):
        if rule.kind not in WITHOUT_RANGE:
            low, high = _limit_range(program, point, rule, prices.get(rule.name))
            if rule.kind == "capacity" and not problem.allow_idle:
                low = high = rule.limit  # shares sum to it
            rows.append({"of": rule.name, "unit": _unit(rule), "now": rule.limit, "low": low, "high": high})
    return pd.DataFrame(rows, columns=["of", "unit", "now", "low", "high"]).set_index("of")


def _unit(rule: Rule) -> str:
    counts = ("max_moves", "active", "active_floor")
    return "number" if rule.kind in counts else rule.subject if rule.kind == "resource" else "share"


def _rate_shift(problem: AllocationProblem, schedule: FloatArray, name: str, sign: float, decide: Decide) -> float:
    """How far a rate may rise (`sign` 1) or fall until another plan is worth more, USD/h; infinite where none ever is.

    From a rate far off back to where the plan there breaks even with this one, until no plan is worth more there.
    """
    data, worth = problem.arrays, value(problem, schedule).net
    at_stake = float(np.abs(data.rate).max()) + max(float(data.cost_in.max()), float(data.cost_out.max())) / data.hours
    if data.pieces is not None:
        at_stake += float(np.abs(data.pieces.slopes).max())
    shift = farthest = WIDEST * max(at_stake, 1.0)
    for _ in range(STEPS):
        shifted = with_rate_shift(problem, name, sign * shift)
        other = decide(shifted).schedule
        here, there = value(shifted, schedule).net, value(shifted, other).net
        if there - here <= SAME * at_stake * data.hours:
            return math.inf if shift == farthest else shift
        lacks = worth - value(problem, other).net
        step = shift * lacks / (there - here + lacks) if there - here + lacks > 0.0 else 0.0
        if not 0.0 < step < shift:
            return max(step, 0.0)
        shift = step
    return shift


def _limit_range(program: LinearProgram, point: FloatArray, rule: Rule, price: Price | None) -> tuple[float, float]:
    """From the least of a limit that the plan fits in, to where more of it makes a better plan."""
    slack, loosening = math.inf, rule.loosening
    activity = program.activity(point)
    for (places, steps), room in (
        (loosening.column_upper, program.upper - point),
        (loosening.row_upper, program.row_upper - activity),
        (loosening.column_lower, point - program.lower),
        (loosening.row_lower, activity - program.row_lower),
    ):
        if places.size:
            slack = min(slack, float((room[places] / np.abs(steps)).min()))
    slack = slack if slack > SAME else 0.0
    slack = rule.limit if abs(slack - rule.limit) <= SAME else slack
    counted = rule.kind in NOT_PRICED or rule.kind == "active_floor"
    pays = price is not None and price.low > 1e-9
    more = 0.0 if pays else math.nan if counted and slack == 0.0 else math.inf
    if rule.kind in LOWERED:
        return max(0.0, rule.limit - more), rule.limit + slack
    return rule.limit - slack, rule.limit + more
