"""The work function rule of metrical task systems on the uniform metric: no forecast and no constant to choose."""

from __future__ import annotations

import numpy as np

from ..problem.check import number
from .base import Decision, FloatArray, Observation
from .seen import LastSeen, all_in

ALIKE = 1e-12


class WorkFunction:
    """Everything in one alternative, left when its work function reaches the best one's plus the cost of moving.

    The work function w is the least loss with which one could be in an alternative by now, wherever one was before:
    w <- w - rate * hours; w <- min(w, min w + d), where d is `multiplier` times the cost of moving everything (fees
    count as what they add to a full step). In hindsight it loses at most 2 n - 1 times the best way's loss and one
    constant (Borodin, Linial, Saks 1992). A larger multiplier moves less.
    """

    def __init__(self, multiplier: float = 1.0, name: str = "work-function") -> None:
        self._multiplier, self.name = number(multiplier, "multiplier", 0.0), name
        self._seen = LastSeen()
        self._work: FloatArray | None = None
        self._held: int | None = None

    def decide(self, observation: Observation) -> Decision:
        """Everything in the one held."""
        terms, values = observation.terms, self._seen.take(observation)
        if self._work is None:
            self._work = np.zeros(terms.size)
        fees = 2.0 * terms.move_fee / terms.most_turnover if terms.move_fee else 0.0
        distance = self._multiplier * (terms.move_cost + fees)
        work = self._work - np.nan_to_num(values) * terms.step_hours
        most = float(work.min()) + distance
        self._work = np.minimum(work, most)
        if self._held is None or self._work[self._held] >= most - ALIKE * max(1.0, abs(most)):
            self._held = int(np.argmin(self._work))
        return all_in(self._held, terms.size)
