"""The rate at which one protocol would move, off the exact path: a walk along the optimum as its rate changes.

With a rate shifted by u, a plan is worth a straight line in u, and the best plan the maximum of these lines. From one
line to the next each step is a search over whole numbers of its own (see `BreakEven`): Newton's method inside the
branches, as Dinkelbach (1967) maximises a ratio. So one search proves a break-even, and no bisection is needed.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..formulation import complete
from ..formulation.earnings import own_columns
from ..formulation.fixed_integers import moving_box
from ..formulation.moves import change_cap
from ..problem import AllocationProblem
from ..problem.arrays import FloatArray
from ..problem.effective import moves_at_cut_costs
from ..program.certificate import gain_scale
from ..solvers.programs.branch_and_bound import CLOSE, Best, Branches, SearchGoal
from .result import Allocation
from .time_budget import TimeBudget

SAME = 1e-9
"""A share that changes by no more than this has not moved; rates closer than this, relatively, are one."""
BEYOND = 1e-6
"""How far beyond a break-even, as a part of the rates at stake, the plan there is looked at."""
FAR = 4.0
"""How far beyond the rates and costs at stake a search begins where no plan is known that moves the protocol."""
ENDLESS = 10**12
"""More branches than any search looks into: it is the time that ends it."""


class Found(NamedTuple):
    """The shift of a rate (USD/h, >= 0) at which its protocol moves: between `low` and `high`.

    Both are the same where the search ended; both infinite where no rate moves it. `high` is infinite where it is not
    known.
    """

    low: float
    high: float


NEVER = Found(math.inf, math.inf)


class RateSearch:
    """The program of one plan, kept in HiGHS, and the points (columns,) that were found in it."""

    def __init__(self, plan: Allocation, budget: TimeBudget, problem: AllocationProblem | None = None) -> None:
        from ..formulation import formulate

        self.plan, self.budget = plan, budget
        self.problem = plan.problem if problem is None else problem
        self.program = plan.program if problem is None else formulate(problem)
        self.branches = Branches(self.program, plan.certificate.tolerance, budget.clock)
        best = plan.schedule if plan.set_aside is None else plan.set_aside
        self.start = complete(self.problem, self.program, best)
        self.stay = complete(self.problem, self.program, self.problem.arrays.staying)
        self.points = [self.start]

    def shift(self, i: int, sign: float) -> Found:
        """How far the rate of protocol i has to rise (`sign` 1) or fall (-1) until the plan moves it that way now."""
        found, moved = _Walk(self, i, sign).until_it_moves()
        if moved is None or self.problem is not self.plan.problem:
            return found
        share = moved[self.program.column_slices["share"]].reshape(self.plan.schedule.shape)
        if not moves_at_cut_costs(self.problem.arrays, share):
            return found
        # a cost that never pays at the present rates is weighed in full where the rates are others
        return self.at_full_costs.shift(i, sign)

    @cached_property
    def at_full_costs(self) -> RateSearch:
        """The same where no cost is cut."""
        return RateSearch(self.plan, self.budget, self.problem.at_full_costs())


class _Walk:
    """Along the best plans as the rate of protocol i changes by `sign` times u, from u = 0 on."""

    def __init__(self, search: RateSearch, i: int, sign: float) -> None:
        self.search, self.problem, self.program, self.i, self.sign = search, search.problem, search.program, i, sign
        self.low = 0.0
        data, limits = self.problem.arrays, self.problem.limits
        self.place = self.program.column_slices["share"].start + i
        self.now = float(data.current[i])
        self.own = own_columns(self.problem, self.program, i)
        # where a rate passes 0, what warms up begins to lose, or loses no more
        turns = -sign * self.own.rates if self.own.warms_up.size else np.empty(0)
        self.turns = sorted(set(turns[turns > 0.0].tolist()))
        # of one period only plans that move it now are worth more at other rates than the plan is
        self.box = moving_box(self.problem, self.program, i, sign) if self.problem.periods == 1 else (None, None)
        room = float(data.upper[0, i]) - self.now if sign > 0.0 else self.now - float(data.lower[0, i])
        self.can_move = min(room, float(change_cap(data)[0 if sign > 0.0 else 1][0, i])) > SAME
        self.least = limits.min_gain + limits.plan_fee if search.plan.can_stay else 0.0

    def gain(self, u: float) -> FloatArray:
        """The program's gains (columns,) with the rate shifted."""
        own, data, shift = self.own, self.problem.arrays, self.sign * u
        result = self.program.gain.copy()
        result[own.earns] += data.hours * shift
        lost = np.maximum(own.rates + shift, 0.0) - np.maximum(own.rates, 0.0)
        result[own.warms_up] -= float(data.warm_up[self.i]) * lost[: own.warms_up.size]
        return result

    def until_it_moves(self) -> tuple[Found, FloatArray | None]:
        """The first shift that moves it, and the plan (columns,) there; None where there is none."""
        if not self.can_move:
            return NEVER, None
        best = self.search.start
        for begins, ends in zip([0.0, *self.turns], [*self.turns, math.inf], strict=True):
            piece = _Piece(self, begins, ends)
            while True:
                if self.least == 0.0 and self._moves(best):
                    return Found(self.low, self.low), best
                step, ended = piece.next_after(best, self.low)
                if self._moves(best) and (pays := self._pays(piece, best)) <= step.shift:
                    return (Found(pays, pays) if ended else Found(self.low, math.inf)), best
                if not ended:
                    return Found(self.low, self._most(step)), step.point
                if step.point is None:
                    break
                self.low, best = step.shift, step.point
                if self._moves(best):
                    best, ended = piece.unless_as_good_without(best, self.low)
                    if not ended:
                        return Found(self.low, math.inf), best
            self.low = ends
        return NEVER, None

    def _most(self, step: _NextPlan) -> float:
        """The largest that the shift can be where a search did not end."""
        told = self.problem.periods == 1 and self.least == 0.0
        return step.shift if told and step.point is not None else math.inf

    def _moves(self, point: FloatArray) -> bool:
        return self.sign * (float(point[self.place]) - self.now) > SAME

    def _pays(self, piece: _Piece, best: FloatArray) -> float:
        """The least shift, not before `low`, at which a moving plan beats staying by min_gain and plan_fee."""
        worth, slope = piece.line(best)
        stays, stays_slope = piece.line(self.search.stay)
        lacks = self.least - (worth - stays) - (self.low - piece.begins) * (slope - stays_slope)
        if lacks <= 0.0:
            return self.low
        return self.low + lacks / (slope - stays_slope) if slope > stays_slope else math.inf


class _NextPlan(NamedTuple):
    """The shift at which the next plan takes over, or the lowest known; the plan (columns,), None where none does."""

    shift: float
    point: FloatArray | None


class _Piece:
    """Shifts from `begins` to `ends` between which all worths are straight lines."""

    def __init__(self, walk: _Walk, begins: float, ends: float) -> None:
        self.walk, self.begins, self.ends = walk, begins, ends
        self.program, self.search = walk.program, walk.search
        self.base = walk.gain(begins)
        span = min(ends - begins, max(1.0, abs(begins)))
        self.slope = (walk.gain(begins + span) - self.base) / span
        steepest = float(np.abs(self.slope).max())
        self.least, self.size = SAME * steepest, float(np.abs(self.base).max()) / steepest

    def line(self, point: FloatArray) -> tuple[float, float]:
        """What a point is worth where the piece begins, USD over the horizon, and how much more per USD/h."""
        return self.program.offset + float(self.base @ point), float(self.slope @ point)

    def next_after(self, best: FloatArray, low: float) -> tuple[_NextPlan, bool]:
        """Where another plan takes over from `best`, the best plan at the shift `low`; and whether that is proved."""
        worth, slope = self.line(best)
        known = [(c, point) for point in self.search.points if (c := self._crossing(point, worth, slope)) < self.ends]
        at, point = min(known, key=lambda entry: entry[0]) if known else (min(self.ends, low + FAR * self.size), None)
        goal = BreakEven(self, (worth, slope), low, max(at, low), point)
        ended = self._search(goal)
        if goal.point is None and ended and at < self.ends:
            # not before a rate far beyond all others: it may take a larger one still, or none may do
            steeper, ended = self._steeper(slope)
            if steeper is None:
                return _NextPlan(self.ends, None), ended
            at = self._crossing(steeper, worth, slope)
            at, point = (at, steeper) if at < self.ends else (self.ends, None)
            goal = BreakEven(self, (worth, slope), low, at, point)
            ended = self._search(goal)
        if goal.point is None:
            return _NextPlan(self.ends, None), ended
        self.search.points.append(goal.point)
        return _NextPlan(goal.shift, goal.point), ended

    def unless_as_good_without(self, best: FloatArray, low: float) -> tuple[FloatArray, bool]:
        """`best`, which moves the protocol now, or a plan that does not and is as good a little beyond `low`.

        Of one period the plans beyond a break-even all move it; of several, a plan may wait with it.
        """
        program, walk = self.program, self.walk
        if walk.problem.periods == 1:
            return best, True
        at = low + BEYOND * max(abs(low), self.size)
        gain = self.base + (at - self.begins) * self.slope
        worth = program.offset + float(gain @ best)
        goal = Best(program.with_numbers(gain=gain), None)
        goal.cutoff = worth - 2.0 * goal.near
        lower, upper = program.lower.copy(), program.upper.copy()
        if walk.sign > 0.0:
            upper[walk.place] = min(upper[walk.place], max(walk.now, lower[walk.place]))
        else:
            lower[walk.place] = max(lower[walk.place], min(walk.now, upper[walk.place]))
        ended = self._search(goal, lower, upper)
        if goal.point is None or float(self.slope @ goal.point) < float(self.slope @ best) - self.least:
            return best, ended  # what gains less by the rate falls behind it
        return goal.point, ended

    def _crossing(self, point: FloatArray, worth: float, slope: float) -> float:
        """The shift from which on `point` is worth more than the line; infinite where there is none."""
        other, other_slope = self.line(point)
        if other_slope - slope <= self.least:
            return math.inf
        return self.begins + (worth - other) / (other_slope - slope)

    def _steeper(self, slope: float) -> tuple[FloatArray | None, bool]:
        """A point whose line is steeper than `slope`, or None where there is none; and whether that is proved."""
        goal = Any(self.program.with_numbers(gain=self.slope, offset=0.0), None)
        goal.cutoff = slope + self.least
        ended = self._search(goal)
        return goal.point, ended

    def _search(self, goal: SearchGoal, lower: FloatArray | None = None, upper: FloatArray | None = None) -> bool:
        box = self.walk.box if lower is None else (lower, upper)
        return self.search.branches.search(goal, self.search.budget.part_ends(), ENDLESS, *box)[1]


class Any(Best):
    """Whichever point is worth more than the cutoff: the first that is found ends the search."""

    def take(self, point: FloatArray) -> bool:
        """Keeps the first point."""
        found = super().take(point)
        self.cutoff = math.inf if found else self.cutoff
        return found


class BreakEven(SearchGoal):
    """The least shift at which another point is worth more than a line: (worth, slope) where the piece begins.

    Between `low`, where the line is worth most, and `shift` a branch that holds nothing better than the line at `shift`
    holds nothing better before it either: what is closed stays closed as `shift` falls.
    """

    def __init__(
        self, piece: _Piece, line: tuple[float, float], low: float, shift: float, point: FloatArray | None
    ) -> None:
        self.piece, self.line, self.low, self.point, self.cutoff = piece, line, low, point, 0.0
        self._put(shift)

    def _put(self, shift: float) -> None:
        piece, (worth, slope) = self.piece, self.line
        self.shift, beyond = shift, shift - piece.begins
        self.gain = piece.base + beyond * piece.slope
        self.offset = piece.program.offset - worth - beyond * slope
        self.near = CLOSE * gain_scale(piece.program.with_numbers(gain=self.gain))

    def take(self, point: FloatArray) -> bool:
        """Lowers the shift to where `point` breaks even with the line."""
        crossing = max(self.piece._crossing(point, *self.line), self.low)
        if crossing >= self.shift * (1.0 - SAME):
            return False
        self.point = point
        self._put(crossing)
        return True
