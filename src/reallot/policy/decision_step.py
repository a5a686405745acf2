"""A policy's answer and a problem to a plan: the one step that a backtest and a running engine share."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..allocation.allocate import allocate
from ..allocation.result import Allocation
from ..problem import AllocationProblem, EarningsCurve
from .base import Decision, FloatArray, Target

SLOPE = 1.0
"""USD/h that a target's protocols earn for each unit of share up to their target, and lose for each above it."""
SAME = 1e-12
"""Shares closer than this are one."""


@dataclass(frozen=True)
class Room:
    """How far one step may go where each share has its bounds and all together a turnover limit: nothing else binds.

    low, high  (n,) least and largest share after the step
    turnover   most that may move, as a share of capacity
    """

    low: FloatArray
    high: FloatArray
    turnover: float

    def toward(self, target: FloatArray, current: FloatArray) -> FloatArray:
        """The split nearest to `target` (half of the sum of absolute differences) that this room allows.

        All shares go there in proportion, as nearness does not care which of them goes first.
        """
        goal = np.minimum(np.maximum(target, self.low), self.high)
        up, down = np.maximum(goal - current, 0.0), np.maximum(current - goal, 0.0)
        rising, falling = float(up.sum()), float(down.sum())
        part = min(rising, falling, self.turnover)
        if part <= SAME:
            return current
        if rising - part <= SAME and falling - part <= SAME:
            return goal
        result: FloatArray = current + (part / rising) * up - (part / falling) * down
        return result

    def can_pay(self, values: FloatArray, current: FloatArray, cost: float) -> bool:
        """False where nothing that may move is worth `cost` (USD per unit) more elsewhere: then staying is best."""
        takes, gives = values[current < self.high - SAME], values[current > self.low + SAME]
        return bool(takes.size and gives.size and takes.max() - gives.min() > cost)


def plan(decision: Decision, problem: AllocationProblem) -> Allocation:
    """The best plan for what the policy wants, within all limits of `problem`; its `current` are the shares now.

    For values it is the problem with these values as what a full share earns over the horizon: all costs count, and
    `net_benefit` is the policy's own estimate in USD. For a target it is the split nearest to it (half of the sum of
    absolute differences) that the limits allow, in proportion where bounds and turnover are all that limits; costs do
    not count, since the policy has made up its mind. A step moves no more than the decision's own turnover. Raises
    Infeasible where no split meets the limits.
    """
    if decision is None:
        return allocate(with_rates(problem, problem.arrays.rate[0] * 0.0))
    problem = _moving_at_most(decision.turnover, problem)
    if isinstance(decision, Target):
        room = room_of(problem)
        goal = decision.shares if room is None else room.toward(decision.shares, problem.arrays.current)
        return allocate(toward(problem, goal))
    return allocate(with_rates(problem, decision.values / problem.horizon_hours))


def _moving_at_most(turnover: float, problem: AllocationProblem) -> AllocationProblem:
    """The problem with this turnover limit, where it has none or a larger one."""
    data = problem.arrays
    if turnover >= (1.0 if data.max_turnover is None else float(data.max_turnover[0])):
        return problem
    return replace(problem, limits=replace(problem.limits, max_turnover=turnover))


def room_of(problem: AllocationProblem) -> Room | None:
    """The room of a step from the problem's present shares; None where other rules count, or where it may not stay."""
    limits, data = problem.limits, problem.arrays
    coupled = (limits.groups, limits.rules, limits.near, limits.largest, problem.resources)
    others = (limits.max_moves is not None, limits.has_budgets, limits.min_move, problem.allow_idle, *coupled)
    if any(others) or problem.available is None or data.has_units or data.one_unit.any():
        return None
    current, turnover = data.current, 1.0 if data.max_turnover is None else float(data.max_turnover[0])
    low = np.maximum(data.lower[0], current - data.down[0])
    high = np.minimum(data.upper[0], current + data.up[0])
    stays = (current >= low - SAME).all() and (current <= high + SAME).all()
    if not stays or abs(float(current.sum()) - problem.available) > 1e-9:
        return None
    return Room(low, high, turnover)


def with_rates(problem: AllocationProblem, rates: FloatArray) -> AllocationProblem:
    """The problem at these rates, USD/h per unit of share, (n,)."""
    return problem.update(rates=rates, order=problem.names)


def toward(problem: AllocationProblem, target: FloatArray) -> AllocationProblem:
    """The problem of being as near to `target` as the limits allow: concave curves with their top at the target."""
    specs = [
        replace(spec, curve=_tent(share), move_cost=0.0, move_cost_in=None, move_cost_out=None, move_fee=0.0)
        for spec, share in zip(problem.specs, target.tolist(), strict=True)
    ]
    limits = replace(problem.limits, min_gain=0.0, plan_fee=0.0, turnover_cost=None, change_cost=None)
    return replace(problem, protocols=specs, rates=None, limits=limits)


def _tent(top: float) -> EarningsCurve:
    if top <= 0.0:
        return EarningsCurve.flat(-SLOPE)
    return EarningsCurve((0.0, top), (0.0, SLOPE * top), -SLOPE)
