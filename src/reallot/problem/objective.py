"""The problem's own arithmetic: what a schedule of shares earns and costs, with no program and no solver."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from .arrays import FloatArray

if TYPE_CHECKING:
    from .problem import AllocationProblem


@dataclass(frozen=True)
class Value:
    """Per period and protocol, shape (periods, protocols): earnings in USD/h, the rest in USD (>= 0).

    move_cost   proportional cost of the change
    move_fee    fee, where the share changed at all
    warm_up     earnings lost while what was added warms up

    Of the whole plan, USD over the horizon:

    turnover_cost  price of the turnover
    plan_fee       what is paid because anything moves at all
    end_value      what the last shares are worth after the horizon
    """

    earnings: FloatArray
    move_cost: FloatArray
    move_fee: FloatArray
    warm_up: FloatArray
    hours: float
    turnover_cost: float = 0.0
    plan_fee: float = 0.0
    end_value: float = 0.0

    @property
    def earnings_per_hour(self) -> float:
        """Mean over the horizon, USD/h."""
        return float(self.earnings.sum() / len(self.earnings))

    @cached_property
    def cost(self) -> float:
        """All costs over the horizon, USD."""
        return float(self.costs.sum()) + self.turnover_cost + self.plan_fee

    @cached_property
    def costs(self) -> FloatArray:
        """Cost of each change, (periods, protocols), USD."""
        return self.move_cost + self.move_fee + self.warm_up

    @cached_property
    def net(self) -> float:
        """Expected earnings less costs over the horizon, with what the last shares are worth after it, USD."""
        return float(self.earnings.sum() * self.hours) - self.cost + self.end_value


def value(problem: AllocationProblem, schedule: FloatArray) -> Value:
    """What `schedule`, shape (periods, protocols), earns and costs from the current shares on."""
    data = problem.arrays
    charged = data.given or data
    before = data.current[None, :] if len(schedule) == 1 else np.vstack([data.current, schedule[:-1]])
    change = schedule - before
    earnings, nothing = data.rate * schedule, np.zeros(schedule.shape)
    bent = data.pieces
    if bent is not None:
        fill = bent.fill(schedule)
        earnings[:, bent.index] = bent.base + bent.sums(bent.slopes * fill)
    left_over = 0.0 if data.end_value is None else float(data.end_value @ schedule[-1])
    if not np.count_nonzero(change):
        return Value(earnings, nothing, nothing, nothing, data.hours, end_value=left_over)
    taken = np.maximum(change, 0.0)
    given = taken - change
    lost = nothing
    if data.has_warm_up:
        lost = data.warm_up * np.maximum(data.rate, 0.0) * taken
        if bent is not None and data.warm_up[bent.index].any():
            added = np.maximum(fill - bent.fill(before), 0.0)
            worth = bent.sums(np.maximum(bent.slopes, 0.0) * added)
            lost[:, bent.index] = data.warm_up[bent.index] * worth
    move_cost = charged.cost_in * taken + charged.cost_out * given
    if charged.tiers is not None:
        move_cost += charged.tiers.cost(change)
    together = 0.0
    if charged.turnover_tiers is not None:
        together = float(charged.turnover_tiers.cost(np.maximum(taken.sum(axis=1), given.sum(axis=1))).sum())
    return Value(
        earnings=earnings,
        move_cost=move_cost,
        move_fee=np.where(change != 0.0, charged.fee, 0.0) if data.has_fee else nothing,
        warm_up=lost,
        hours=data.hours,
        turnover_cost=together,
        plan_fee=problem.limits.plan_fee,
        end_value=left_over,
    )


def turnover(problem: AllocationProblem, schedule: FloatArray) -> FloatArray:
    """Half of the sum of absolute changes per period, idle capacity counted as one more place: shape (periods,)."""
    change = np.diff(np.vstack([problem.arrays.current, schedule]), axis=0)
    result: FloatArray = np.maximum(np.maximum(change, 0.0).sum(axis=1), np.maximum(-change, 0.0).sum(axis=1))
    return result
