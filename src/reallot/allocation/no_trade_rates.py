"""The no-trade region: for each protocol that stayed, the rate at which it would move."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..problem.arrays import FloatArray
from ..solvers.single_period import concave_curves
from ..solvers.single_period.sensitivity import ExactSlopes, marginals, slopes
from ..text.numbers import amount, usd
from .rate_search import Found, RateSearch
from .result import Allocation
from .time_budget import OutOfTime, TimeBudget
from .unit_rates import UnitRates, why_ineligible

Within = tuple[float, float | None]
"""Rates between which another one is, the nearer to the present one first; None where the farther is not known."""
NOT_ALL = "not all of its rates are known"
"""What a NoTradeRange says where a search did not end."""
MOST_SEARCHED = 1500
"""Each rate off the exact path is a search of its own. Where protocols that stayed, times the shares in the problem,
are more than this, `explain` leaves the rates out and says so."""


@dataclass(frozen=True)
class NoTradeRange:
    """Why one protocol stayed at `share` (its no-trade range); rates are marginal, USD/h per unit of share.

    Parameters
    ----------
    protocol
        Name of the protocol.
    share
        Its share.
    rate
        What its next unit earns now.
    takes_at
        Rate above which it would take more. None where no rate would make it.
    gives_at
        Rate of its last unit below which it would give some. None where no rate would make it.
    because
        What keeps it: "held", "at max_share", ..., or "" where only the rates do.
    takes_within, gives_within
        Where the search for such a rate did not end: the rates between which it is. None elsewhere.
    """

    protocol: str
    share: float
    rate: float
    takes_at: float | None
    gives_at: float | None
    because: str
    takes_within: Within | None = None
    gives_within: Within | None = None

    def __str__(self) -> str:
        found = (self.takes_at, self.gives_at, self.takes_within, self.gives_within)
        if self.because and all(each is None for each in found):
            return f"{self.protocol} stays at {amount(self.share)}: {self.because}"
        parts = []
        if self.takes_at is not None:
            parts.append(f"takes more above {usd(self.takes_at)} USD/h")
        if self.takes_within is not None:
            parts.append(f"takes more{_somewhere(self.takes_within, 'above')}")
        if self.gives_at is not None:
            parts.append(f"gives below {usd(self.gives_at)} USD/h")
        if self.gives_within is not None:
            parts.append(f"gives{_somewhere(self.gives_within, 'below')}")
        extra = f" ({self.because})" if self.because else ""
        how = ", ".join(parts) or "no rate would move it within the limits"
        return f"{self.protocol} stays at {amount(self.share)}: earns {usd(self.rate)} USD/h, {how}{extra}"


def _somewhere(within: Within, beyond: str) -> str:
    """Where a rate is that is not known, or that it may not exist."""
    near, far = within
    if far is None:
        return f" only {beyond} {usd(near)} USD/h, if at all"
    return f" {beyond} a rate between {usd(near)} and {usd(far)} USD/h"


def thresholds(
    plan: Allocation, *, search: bool | None = None, budget: TimeBudget | None = None
) -> tuple[NoTradeRange, ...]:
    """A NoTradeRange for every protocol whose share does not change now, in the protocols' order.

    On the exact path from the slopes of the optimum; elsewhere by a search for the break-even of a plan that moves the
    protocol (see `RateSearch`). A rate is shifted alike in all periods and scenarios. `search` says whether to do so;
    None is yes for problems of moderate size. Where a search does not end within its part of `budget`, the rates
    between which the answer lies are given, and where none was begun nothing is. The rates of a plan that is not
    proved the best are not known.
    """
    budget = TimeBudget(None) if budget is None else budget
    problem = plan.problem
    stayed = np.flatnonzero(plan.schedule[0] == problem.arrays.current)
    right, left = marginals(problem.arrays, plan.schedule[0])
    has_slopes = concave_curves.why_ineligible(problem) is None and problem.limits.turnover_cost is None
    slope = slopes(problem) if has_slopes else None
    by_slopes = problem.limits.min_gain == problem.limits.plan_fee == 0.0
    exact = slope if isinstance(slope, ExactSlopes) and by_slopes else None
    searches = exact is None and plan.status == "optimal"
    if search is None:
        search = stayed.size * plan.schedule.size <= MOST_SEARCHED
    free = [int(i) for i in stayed if not problem.arrays.held[0, i]]
    found = _searched(plan, free, right, left, budget) if searches and search else {}
    result = []
    for i in stayed.tolist():
        because, rates = _because(plan, i), found.get(i, _Rates())
        if because != "held":
            if exact is not None:
                rates = _Rates(*_by_slopes(plan, exact, i, float(right[i]), float(left[i])))
            elif not searches:
                because = because or "its rates are not known: the plan is not proved the best"
            elif not search:
                because = because or "its rates take long to search: thresholds(plan, search=True)"
            elif not rates.are_known:
                because = f"{because}; {NOT_ALL}: {budget}" if because else f"{NOT_ALL}: {budget}"
        all_rates = (rates.takes, rates.gives, because, rates.takes_within, rates.gives_within)
        result.append(NoTradeRange(problem.names[i], float(plan.schedule[0, i]), float(right[i]), *all_rates))
    return tuple(result)


@dataclass
class _Rates:
    """The rates of one protocol, as a NoTradeRange has them.

    are_known  False where a search for one of them did not end
    """

    takes: float | None = None
    gives: float | None = None
    takes_within: Within | None = None
    gives_within: Within | None = None
    are_known: bool = True


def _searched(
    plan: Allocation, free: list[int], right: FloatArray, left: FloatArray, budget: TimeBudget
) -> dict[int, _Rates]:
    """The rates of `free` protocols, each by a search: the largest shares come first, then the best rates."""
    share, shifts = plan.schedule[0], None
    order = sorted(free, key=lambda i: (-share[i], -right[i]))
    result = {i: _Rates() for i in free}
    searches = [(i, sign) for i in order for sign in (1.0, -1.0) if sign > 0.0 or share[i] > 0.0]
    for place, (i, sign) in enumerate(searches):
        rates, budget.waiting = result[i], len(searches) - place
        try:
            budget.part_ends()
            shifts = _Shifts(plan, budget) if shifts is None else shifts
            rate, within = _rate(float((right if sign > 0.0 else left)[i]), sign, shifts.of(i, sign))
        except OutOfTime:
            rates.are_known = False
            continue
        rates.are_known &= within is None
        if sign > 0.0:
            rates.takes, rates.takes_within = rate, within
        else:
            rates.gives, rates.gives_within = rate, within
    return result


class _Shifts:
    """How far a rate has to go until its protocol moves: from sums of whole units, else by a search."""

    def __init__(self, plan: Allocation, budget: TimeBudget) -> None:
        self.plan, self.budget = plan, budget
        self.in_units = UnitRates(plan) if why_ineligible(plan) is None else None

    @cached_property
    def searched(self) -> RateSearch:
        """The search."""
        return RateSearch(self.plan, self.budget)

    def of(self, i: int, sign: float) -> Found:
        """The shift of protocol i upwards (`sign` 1) or downwards (-1)."""
        shift = None if self.in_units is None else self.in_units.shift(i, sign)
        return self.searched.shift(i, sign) if shift is None else Found(shift, shift)


def _because(plan: Allocation, i: int) -> str:
    data, share = plan.problem.arrays, plan.schedule[0, i]
    if data.held[0, i]:
        return "held"
    if share >= data.upper[0, i] - 1e-12:
        return f"at max_share {amount(float(data.upper[0, i]))}"
    if share <= data.lower[0, i] + 1e-12 and share > 0.0:
        return f"at its floor {amount(float(data.lower[0, i]))}"
    return ""


def _by_slopes(
    plan: Allocation, found: ExactSlopes, i: int, right: float, left: float
) -> tuple[float | None, float | None]:
    """From what one more, or one less, unit of protocol i would change (never a gain at an optimum)."""
    data, share = plan.problem.arrays, plan.schedule[0, i]
    takes = gives = None
    can_rise = share < data.upper[0, i] - 1e-12 and data.up[0, i] > 0.0
    if can_rise and math.isfinite(found.up[i]):
        # a unit taken earns rate * hours less the warm-up of a positive rate; it lacks -up
        warm = data.hours - float(data.warm_up[i])
        needed = right * (warm if right > 0.0 else data.hours) - float(found.up[i])
        if needed < 0.0 or warm > 0.0:
            takes = needed / (warm if needed > 0.0 else data.hours)
    can_fall = share > data.lower[0, i] + 1e-12 and data.down[0, i] > 0.0
    if can_fall and math.isfinite(found.down[i]):
        gives = left + float(found.down[i]) / data.hours
    return takes, gives


def _rate(marginal: float, sign: float, found: Found) -> tuple[float | None, Within | None]:
    """The rate (USD/h) at a shift; or where the search did not end, the rates between which it is."""
    if found.low == found.high:
        return (marginal + sign * found.low if math.isfinite(found.low) else None), None
    ends = (marginal + sign * found.low, marginal + sign * found.high if math.isfinite(found.high) else None)
    return None, ends
