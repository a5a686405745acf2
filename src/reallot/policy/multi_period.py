"""Multi-period LP on a receding horizon: plan ahead with forecast rates, take the first step, ask again."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from ..allocation.allocate import allocate
from ..problem import AllocationProblem, Limits, ProtocolSpec
from ..problem.validation import number, whole
from .base import Decision, FloatArray, Observation, Target, Terms
from .experts import COVER
from .forecast.ridge import PooledRidge
from .last_reading import BoolArray, LastReading, known
from .work_function import full_cost

LEAST_HOURS = 16.0
MOST = 64.0
"""It plans no further than so many times the least."""


class Outlook(Protocol):
    """Forecasts rates a few blocks of time ahead from one reading after another."""

    def take(self, rates: FloatArray, step_hours: float, read: BoolArray | None = None) -> None:
        """One reading more, (n,) USD/h; NaN for an alternative that was never seen.

        False in `read` is what carries its last reading on; None where nothing does.
        """

    def ahead(self, blocks: int, block_hours: float) -> FloatArray:
        """(blocks, n) mean rates of the next blocks of time, USD/h."""


class Learned:
    """The forecasts of the default policy: one pooled ridge for each horizon, what lies between them even.

    reach_hours  how far it has to look
    """

    def __init__(self, reach_hours: float = 16.0) -> None:
        self._reach = number(reach_hours, "reach_hours", 1e-9)
        self._ridge: PooledRidge | None = None
        self._rates: FloatArray | None = None
        self._forecasts: FloatArray = np.zeros((0, 0))

    def take(self, rates: FloatArray, step_hours: float, read: BoolArray | None = None) -> None:
        """One reading more, as `Outlook` says."""
        self._rates, filled = rates, known(rates)
        if filled is None:
            return
        if self._ridge is None:
            shortest = max(step_hours, 0.5)
            self._ridge = PooledRidge(rates.size, step_hours, 1 + max(0, math.ceil(math.log2(self._reach / shortest))))
        self._forecasts = self._ridge.take(filled, None, read)

    def ahead(self, blocks: int, block_hours: float) -> FloatArray:
        """(blocks, n) mean rates of the next blocks of time, USD/h."""
        assert self._rates is not None
        if self._ridge is None:
            return np.tile(self._rates, (blocks, 1))
        hours = np.concatenate([[0.0], self._ridge.hours])
        sums = np.vstack([np.zeros(self._rates.size), self._forecasts * self._ridge.hours[:, None]])
        ends = np.arange(blocks + 1) * block_hours
        along = np.column_stack([np.interp(ends, hours, each) for each in sums.T])
        result: FloatArray = np.nanmean(self._rates) + np.diff(along, axis=0) / block_hours
        return np.where(np.isnan(self._rates), np.nan, result)


class MultiPeriod:
    """The first step of the best plan over the next `hours`, in `blocks` equal parts, at forecast rates.

    The plan knows what moves cost and how far steps reach in each block; the first block has one step.

    outlook  who forecasts; without one what the default policy's regressions say (`Learned`)
    hours    how far it plans; without them 16 hours or a step for each block, and more where moves cost more: as many
             times as the default policy covers what the mean rate needs to earn a full move
    """

    name = "multi-period"

    def __init__(self, outlook: Outlook | None = None, hours: float | None = None, blocks: int = 8) -> None:
        self._outlook, self._blocks = outlook, whole(blocks, "blocks", 1)
        self._hours = None if hours is None else number(hours, "hours", 1e-9)
        self._seen = LastReading(quotes=False)
        self._problem: AllocationProblem | None = None

    def decide(self, observation: Observation) -> Decision:
        """The split that the plan's first block has."""
        terms, seen = observation.terms, self._seen.take(observation)
        if self._hours is None:
            self._hours = _reach(terms, seen, self._blocks)
        if self._outlook is None:
            self._outlook = Learned(self._hours)
        self._outlook.take(seen, terms.step_hours, self._seen.read)
        block_hours = max(self._hours / self._blocks, terms.step_hours)
        rates = self._outlook.ahead(self._blocks, block_hours)
        rates = np.where(np.isnan(rates), rates[~np.isnan(rates)].min(initial=0.0), rates)
        if not _may_pay(rates * block_hours, observation.shares, terms.move_cost):
            return None
        if self._problem is None:
            self._problem = _problem(terms, self._blocks, block_hours)
        table = {name: tuple(rates[:, i].tolist()) for i, name in enumerate(terms.names)}
        now = dict(zip(terms.names, observation.shares.tolist(), strict=True))
        schedule = allocate(self._problem.update(rates=table, current=now)).schedule
        return Target(np.maximum(schedule[0], 0.0))


def _reach(terms: Terms, rates: FloatArray, blocks: int) -> float:
    """Hours to plan, from what is read first."""
    least = max(LEAST_HOURS, blocks * terms.step_hours)
    level = float(np.nanmean(np.abs(rates))) if np.isfinite(rates).any() else 0.0
    return least if level <= 0.0 else min(max(least, COVER * full_cost(terms) / level), MOST * least)


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
