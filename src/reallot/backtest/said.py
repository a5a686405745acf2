"""What a policy said of its plans while it was walked, and what came of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..policy.base import Policy
from .table import FloatArray, RateTable


@dataclass
class Said:
    """Filled step by step; empty for a policy without a method `confidence(change)`.

    confidence  by step in which shares changed: P(the change pays within `hours`), NaN where the policy could not say
    hours       over which it judges a change
    """

    confidence: dict[int, float] = field(default_factory=dict)
    hours: float = math.nan

    def note(self, policy: Policy, step: int, change: FloatArray) -> None:
        """Asks the policy how sure it is of the change of shares, (n,), that was just made."""
        speaker: Any = policy
        if callable(getattr(speaker, "confidence", None)):
            sure = speaker.confidence(change)
            self.confidence[step] = math.nan if sure is None else float(sure)
            self.hours = float(getattr(speaker, "hours", math.nan))

    def of(self, step: int) -> float:
        """What was said in a step; NaN where nothing was."""
        return self.confidence.get(step, math.nan)


def gains(changes: FloatArray, steps: NDArray[np.intp], hours: float, table: RateTable) -> FloatArray:
    """(plans,) USD that changes of shares, (plans, n), made in `steps` brought within `hours`, costs not taken off.

    Earnings of what was taken less earnings of what was given, at the rates that were paid; NaN where the table ends
    before, or `hours` is NaN.
    """
    result = np.full(len(changes), np.nan)
    if math.isnan(hours):
        return result
    ahead = round(hours / table.step_hours)
    sums = table.step_hours * np.cumsum(np.vstack([np.zeros(len(table.names)), table.rates]), axis=0)
    there = steps + ahead <= table.steps
    first = steps[there]
    result[there] = (changes[there] * (sums[first + ahead] - sums[first])).sum(axis=1)
    return result
