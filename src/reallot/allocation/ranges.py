"""The ranges in which a plan stays as it is: of each rate, until another plan is worth more, and of each limit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..formulation import Rule, complete, formulate, rules
from ..problem import AllocationProblem
from ..problem.arrays import FloatArray
from ..problem.goal import least_earnings
from ..problem.objective import value
from ..problem.validation import LARGEST
from ..program import LinearProgram
from .rate_shift import with_rate_shift
from .shadow_prices import Price

if TYPE_CHECKING:
    import pandas as pd

SAME = 1e-9
"""Another plan takes over where it is worth more by more than this part of the money at stake."""
STEPS = 60
"""Plans that are looked at, at most, until the one is found that takes over at another rate."""
WIDEST = 1e3
"""Rates are looked at up to so many times what is at stake."""
FLOORS = ("min_share", "lock_in", "decrease_floor", "group_floor", "active_floor")
LOWERED = (*FLOORS, "rule_floor", "goal")
"""Kinds of limits that are looser where they are lower; floors of shares and counts go down to 0."""
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
    set_aside: bool,
) -> pd.DataFrame:
    """The ranges of `Allocation.sensitivity`: one row per rate, then one per limit.

    Of whole numbers, goals before the last and a plan that is set aside, prices do not say that no more would help.
    """
    import pandas as pd

    chosen = program.is_mixed_integer or isinstance(problem.goal, tuple)

    rows = []
    marginal = problem.arrays.rate[0]
    for i, name in enumerate(problem.names):
        now = float(marginal[i]) if i not in problem.table.curves else math.nan
        low, high = (_rate_shift(problem, schedule, name, sign, decide) for sign in (-1.0, 1.0))
        rows.append({"of": f"rate {name}", "unit": "USD/h", "now": now, "low": now - low, "high": now + high})
    point = complete(problem, program, schedule)
    for rule in rules(problem, program):
        if rule.kind not in WITHOUT_RANGE:
            price = prices.get(rule.name)
            pays = price is not None and price.low > 1e-9
            more = (math.nan if set_aside else 0.0) if pays else math.nan if chosen else math.inf
            low, high = _limit_range(program, point, rule, more)
            rows.append({"of": rule.name, "unit": _unit(rule), "now": rule.limit, "low": low, "high": high})
    return pd.DataFrame(rows, columns=["of", "unit", "now", "low", "high"]).set_index("of")


def _unit(rule: Rule) -> str:
    counts = ("max_moves", "active", "active_floor")
    if rule.kind == "goal":
        return "USD/h"
    return "number" if rule.kind in counts else rule.subject if rule.kind == "resource" else "share"


def _worth(problem: AllocationProblem, schedule: FloatArray) -> float:
    """What decides between plans without a goal, USD: a plan that moves has to be worth min_gain more."""
    worth = value(problem, schedule).net
    if problem.risk is not None:
        program = formulate(problem)
        worth = program.objective(complete(problem, program, schedule)) - value(problem, schedule).plan_fee
    least = problem.limits.min_gain
    return worth - least if least > 0.0 and (schedule != problem.arrays.current).any() else worth


def _rate_shift(problem: AllocationProblem, schedule: FloatArray, name: str, sign: float, decide: Decide) -> float:
    """How far a rate may rise (`sign` 1) or fall until another plan is worth more, USD/h; infinite where none ever is.

    From a rate far off back to where the plan there breaks even with this one, until no plan is worth more there. What
    a goal counts is no line in a rate: NaN where earnings, or what warms up, have a part in it.
    """
    if problem.goal is not None:
        return math.nan if least_earnings(problem.goals) is not None or problem.arrays.has_warm_up else math.inf
    data, worth = problem.arrays, _worth(problem, schedule)
    at_stake = float(np.abs(data.rate).max()) + max(float(data.cost_in.max()), float(data.cost_out.max())) / data.hours
    if data.pieces is not None:
        at_stake += float(np.abs(data.pieces.slopes).max())
    shift = farthest = max(min(WIDEST * max(at_stake, 1.0), 0.5 * LARGEST - at_stake), 0.0)
    for _ in range(STEPS):
        shifted = with_rate_shift(problem, name, sign * shift)
        other = decide(shifted).schedule
        here, there = _worth(shifted, schedule), _worth(shifted, other)
        if there - here <= SAME * at_stake * data.hours:
            return math.inf if shift == farthest else shift
        lacks = worth - _worth(problem, other)
        step = shift * lacks / (there - here + lacks) if there - here + lacks > 0.0 else 0.0
        if not 0.0 < step < shift:
            return max(step, 0.0)
        shift = step
    return shift


def _limit_range(program: LinearProgram, point: FloatArray, rule: Rule, more: float) -> tuple[float, float]:
    """From the least of a limit that the plan fits in, to `more` of it, where that makes a better plan."""
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
    if loosening.row_upper[0].size and loosening.row_lower[0].size:
        return rule.limit, rule.limit  # an equality: no other number fits
    slack = slack if slack > SAME else 0.0
    slack = rule.limit if abs(slack - rule.limit) <= SAME else slack
    if rule.kind in LOWERED:
        low = rule.limit - more
        return (max(0.0, low) if rule.kind in FLOORS else low), rule.limit + slack
    return rule.limit - slack, rule.limit + more
