"""What a policy said of its plans while it was walked, and what came of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..policy.base import Confident, Policy
from ..problem.by_value import ByValue
from .table import FloatArray, RateTable

NOTHING = (math.nan, math.nan)


@dataclass(eq=False)
class PlanConfidence(ByValue):
    """Filled step by step; empty for a policy without a method `confidence(change)`.

    plans  by step in which shares changed: P(the change earns back its cost within so many hours), and the hours; NaN
           where the policy could not say
    """

    plans: dict[int, tuple[float, float]] = field(default_factory=dict)

    def note(self, policy: Policy, step: int, change: FloatArray) -> None:
        """Asks the policy how sure it is of the change of shares, (n,), that was just made, and for how long."""
        if isinstance(policy, Confident):
            sure, hours = policy.confidence(change), policy.judged_over(change)
            self.plans[step] = math.nan if sure is None else float(sure), math.nan if hours is None else float(hours)

    def of(self, steps: NDArray[np.intp]) -> tuple[FloatArray, FloatArray]:
        """(plans,) probabilities and hours of the changes in these steps; NaN where nothing was said."""
        said = np.array([self.plans.get(int(step), NOTHING) for step in steps]).reshape(-1, 2)
        return said[:, 0], said[:, 1]


def gains(changes: FloatArray, steps: NDArray[np.intp], hours: FloatArray, table: RateTable) -> FloatArray:
    """(plans,) USD that changes of shares, (plans, n), made in `steps` brought within `hours`, costs not taken off.

    Earnings of what was taken less earnings of what was given, at the rates that were paid; NaN where the table ends
    before, or the hours are NaN.
    """
    result = np.full(len(changes), np.nan)
    ends = steps + np.round(np.where(np.isnan(hours), np.inf, hours) / table.step_hours)
    there = ends <= table.steps
    sums = table.step_hours * np.cumsum(np.vstack([np.zeros(len(table.names)), table.rates]), axis=0)
    result[there] = (changes[there] * (sums[ends[there].astype(int)] - sums[steps[there]])).sum(axis=1)
    return result
