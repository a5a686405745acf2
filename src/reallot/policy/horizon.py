"""Multi-period LP on a receding horizon: plan ahead with forecast rates, take the first step, ask again."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from ..allocate import allocate
from ..problem import AllocationProblem, Limits, ProtocolSpec
from ..problem.changed import changed
from ..problem.check import number, whole
from .base import Decision, FloatArray, Observation, Target, Terms
from .seen import LastSeen

LN2 = math.log(2.0)


class Outlook(Protocol):
    """Forecasts rates a few blocks of time ahead from one reading after another."""

    def take(self, rates: FloatArray, step_hours: float) -> None:
        """One reading more, (n,) USD/h; NaN for an alternative that was never seen."""

    def ahead(self, blocks: int, block_hours: float) -> FloatArray:
        """(blocks, n) mean rates of the next blocks of time, USD/h."""


class Reverting:
    """A fast exponential mean that goes back to a slow one.

    fast_hours, slow_hours  half-lives of the means; at least 6 and 96 steps
    return_hours            half-life of their distance; at least 24 steps
    """

    def __init__(self, fast_hours: float = 2.0, slow_hours: float = 24.0, return_hours: float = 8.0) -> None:
        self._fast_hours = number(fast_hours, "fast_hours", 1e-9)
        self._slow_hours = number(slow_hours, "slow_hours", 1e-9)
        self._return_hours = number(return_hours, "return_hours", 1e-9)
        self._fast: FloatArray | None = None
        self._slow: FloatArray | None = None
        self._step_hours = 1.0

    def take(self, rates: FloatArray, step_hours: float) -> None:
        """One reading more, (n,) USD/h; NaN for an alternative that was never seen."""
        self._step_hours = step_hours
        if self._fast is None or self._slow is None:
            self._fast, self._slow = rates.copy(), rates.copy()
            return
        self._fast = _mean(self._fast, rates, step_hours / max(self._fast_hours, 6.0 * step_hours))
        self._slow = _mean(self._slow, rates, step_hours / max(self._slow_hours, 96.0 * step_hours))

    def ahead(self, blocks: int, block_hours: float) -> FloatArray:
        """(blocks, n) mean rates of the next blocks of time, USD/h."""
        assert self._fast is not None and self._slow is not None
        decay = LN2 / max(self._return_hours, 24.0 * self._step_hours)
        begins = np.arange(blocks) * block_hours
        kept = np.exp(-decay * begins) * -math.expm1(-decay * block_hours) / (decay * block_hours)
        result: FloatArray = self._slow + kept[:, None] * (self._fast - self._slow)
        return result


def _mean(before: FloatArray, now: FloatArray, half_lives: float) -> FloatArray:
    """The exponential mean after a reading; what is seen for the first time begins with it."""
    mixed = before + (1.0 - 0.5**half_lives) * (now - before)
    result: FloatArray = np.where(np.isnan(before), now, mixed)
    return result


class MultiPeriod:
    """The first step of the best plan over the next `hours`, in `blocks` equal parts, at forecast rates.

    The plan knows what moves cost and how far steps reach in each block; the first block has one step.
    """

    name = "multi-period"

    def __init__(self, outlook: Outlook | None = None, hours: float = 16.0, blocks: int = 8) -> None:
        self._outlook = Reverting() if outlook is None else outlook
        self._hours, self._blocks = number(hours, "hours", 1e-9), whole(blocks, "blocks", 1)
        self._seen = LastSeen()
        self._problem: AllocationProblem | None = None

    def decide(self, observation: Observation) -> Decision:
        """The split that the plan's first block has."""
        terms = observation.terms
        self._outlook.take(self._seen.take(observation), terms.step_hours)
        block_hours = max(self._hours / self._blocks, terms.step_hours)
        rates = self._outlook.ahead(self._blocks, block_hours)
        rates = np.where(np.isnan(rates), rates[~np.isnan(rates)].min(initial=0.0), rates)
        if not _may_pay(rates * block_hours, observation.shares, terms.move_cost):
            return None
        if self._problem is None:
            self._problem = _problem(terms, self._blocks, block_hours)
        table = {name: tuple(rates[:, i].tolist()) for i, name in enumerate(terms.names)}
        now = dict(zip(terms.names, observation.shares.tolist(), strict=True))
        schedule = allocate(changed(self._problem, rates=table, current=now)).schedule
        return Target(np.maximum(schedule[0], 0.0))


def _may_pay(worth: FloatArray, shares: FloatArray, cost: float) -> bool:
    """False where no unit held could earn `cost` more over all blocks, were it in the best place in each of them."""
    more = (worth.max(axis=1)[:, None] - worth).sum(axis=0)
    return bool((more[shares > 0.0] > cost).any())


def _problem(terms: Terms, blocks: int, block_hours: float) -> AllocationProblem:
    """The plan as a problem; rates and shares are put in at each step. Other limits are left to the step itself."""
    steps, most = max(1.0, block_hours / terms.step_hours), terms.most_turnover
    turnover = [most, *[min(1.0, most * steps)] * (blocks - 1)]
    specs = [ProtocolSpec(name, 0.0, move_cost=terms.move_cost / 2.0) for name in terms.names]
    equal = dict.fromkeys(terms.names, 1.0 / terms.size)
    zeros = dict.fromkeys(terms.names, (0.0,) * blocks)
    return AllocationProblem(
        specs,
        equal,
        limits=Limits(max_turnover=turnover),
        horizon_hours=blocks * block_hours,
        periods=blocks,
        rates=zeros,
    )
