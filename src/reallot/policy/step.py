"""A policy's answer and a problem to a plan: the one step that a backtest and a running engine share."""

from __future__ import annotations

from dataclasses import replace

from ..allocate import allocate
from ..allocation import Allocation
from ..problem import AllocationProblem, EarningsCurve
from ..problem.changed import changed
from .base import Decision, FloatArray, Target

SLOPE = 1.0
"""USD/h that a target's protocols earn for each unit of share up to their target, and lose for each above it."""


def plan(decision: Decision, problem: AllocationProblem) -> Allocation:
    """The best plan for what the policy wants, within all limits of `problem`; its `current` are the shares now.

    For values it is the problem with these values as what a full share earns over the horizon: all costs count, and
    `net_benefit` is the policy's own estimate in USD. For a target it is the split nearest to it (half of the sum of
    absolute differences) that the limits allow; costs do not count, since the policy has made up its mind.
    Raises Infeasible where no split meets the limits.
    """
    if decision is None:
        return allocate(with_rates(problem, problem.arrays.rate[0] * 0.0))
    if isinstance(decision, Target):
        return allocate(toward(problem, decision.shares))
    return allocate(with_rates(problem, decision.values / problem.horizon_hours))


def with_rates(problem: AllocationProblem, rates: FloatArray) -> AllocationProblem:
    """The problem at these rates, USD/h for a full share, (n,)."""
    return changed(problem, rates={name: (rate,) for name, rate in zip(problem.names, rates.tolist(), strict=True)})


def toward(problem: AllocationProblem, target: FloatArray) -> AllocationProblem:
    """The problem of being as near to `target` as the limits allow: concave curves with their top at the target."""
    specs = [
        replace(spec, curve=_tent(share), move_cost=0.0, move_cost_in=None, move_cost_out=None, move_fee=0.0)
        for spec, share in zip(problem.specs, target.tolist(), strict=True)
    ]
    return replace(problem, protocols=specs, rates=None)


def _tent(top: float) -> EarningsCurve:
    if top <= 0.0:
        return EarningsCurve.flat(-SLOPE)
    return EarningsCurve((0.0, top), (0.0, SLOPE * top), -SLOPE)
