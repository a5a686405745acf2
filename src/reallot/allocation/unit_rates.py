"""The rates at which protocols would move where all that moves comes in whole units: from sums, without a search.

The best plan in which a protocol takes so many units is worth a straight line in its rate, which rises by the share.
It would move at the rate at which the first of these lines meets the plan's.
"""

from __future__ import annotations

import numpy as np

from ..solvers.single_period import whole_units
from .result import Allocation

ROUNDS, WIDER = 6, 4.0
"""How often plans worth less than before are looked into, so many times as far below the best one each time."""


def why_ineligible(plan: Allocation) -> str | None:
    """Why the rates of `plan` are not read from sums of whole units, in words; None where they are."""
    if plan.problem.limits.min_gain + plan.problem.limits.plan_fee > 0.0 or plan.set_aside is not None:
        return "min_gain or plan_fee may set the best plan aside"
    if plan.problem.arrays.has_warm_up:
        return "what warms up loses more at a higher rate"
    return whole_units.why_ineligible(plan.problem)


class UnitRates:
    """What the best plan with each number of units is worth, protocol by protocol, as far as it was looked into."""

    def __init__(self, plan: Allocation) -> None:
        self.hours, self.options = plan.problem.arrays.hours, whole_units.options(plan.problem)
        found = self.options.best()
        self.best = -np.inf if found is None else found[1]
        share, worth = self.options.share, self.options.worth
        self.beyond = np.where(np.isfinite(worth), share - share[:, :1], 0.0)
        self.worth, self.cutoff = np.full(share.shape, -np.inf), self.best
        self.rounds = ROUNDS if np.isfinite(self.best) else 0
        self.further = float(np.ptp(worth[np.isfinite(worth)])) / len(share)

    def shift(self, i: int, sign: float) -> float | None:
        """How far the rate of protocol i has to rise (`sign` 1) or fall (-1), USD/h; None where it is not known.

        Infinite where no rate moves it.
        """
        there = np.flatnonzero(sign * self.beyond[i] > 0.0)
        span = self.hours * np.abs(self.beyond[i, there])
        while there.size:
            worth = self.worth[i, there]
            known = np.isfinite(worth)
            first = float(((self.best - worth[known]) / span[known]).min(initial=np.inf))
            if np.isneginf(self.cutoff) or bool(((self.best - self.cutoff) / span[~known] >= first).all()):
                return max(first, 0.0)
            if not self._look_further():
                return None
        return float(np.inf)

    def _look_further(self) -> bool:
        """Looks into plans worth less than before, in the last round into all; False where there is nothing more."""
        if not self.rounds:
            return False
        self.rounds -= 1
        cutoff = self.best - self.further if self.rounds else -np.inf
        self.further *= WIDER
        worth = self.options.best_with_each(cutoff)
        if worth is None:
            self.rounds = 0
            return False
        self.worth, self.cutoff = worth, cutoff
        return True
