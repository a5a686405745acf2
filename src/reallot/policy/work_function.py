"""Work function rules of metrical task systems on the uniform metric: no forecast and no constant to choose."""

from __future__ import annotations

import numpy as np

from ..problem.validation import number
from .base import Decision, FloatArray, Observation, Terms, Values
from .last_reading import LastReading, all_in

ALIKE = 1e-9


class Work:
    """The work function w, USD: the least loss with which one could be in each alternative by now.

    w <- w - rate * hours, then w <- min(w, min w + d): one may come from anywhere for the cost d of moving. Here d is
    `multiplier` times the cost of moving everything; fees count as what they add to a full step.
    """

    def __init__(self, multiplier: float) -> None:
        self._multiplier = number(multiplier, "multiplier", 1e-9)
        self._seen = LastReading()
        self._work: FloatArray | None = None

    def take(self, observation: Observation) -> tuple[FloatArray, float]:
        """(n,) w after this step's numbers, above the least one and not yet cut; and where it is cut, d."""
        terms, values = observation.terms, self._seen.take(observation)
        before = np.zeros(terms.size) if self._work is None else self._work
        work = before - np.nan_to_num(values) * terms.step_hours
        work -= work.min()
        most = self._multiplier * full_cost(terms)
        self._work = np.minimum(work, most)
        return work, most


class WorkFunction:
    """Everything in one alternative, left when its work function reaches the best one's plus the cost of moving.

    Its loss is at most 2 n - 1 times that of the best way in hindsight, and a constant (Borodin, Linial, Saks 1992).
    """

    name = "work-function"

    def __init__(self) -> None:
        self._work = Work(1.0)
        self._held: int | None = None

    def decide(self, observation: Observation) -> Decision:
        """Everything in the one held."""
        work, most = self._work.take(observation)
        if self._held is None or work[self._held] >= most * (1.0 - ALIKE):
            self._held = int(np.argmin(work))
        return all_in(self._held, observation.terms.size)


class WorkFunctionSplit:
    """The same rule for every unit of share on its own: values -w / multiplier, so that a unit moves where it is cut.

    With multiplier 2 it moves less: better where costs are low and rates noisy, worse where costs are high.
    """

    def __init__(self, multiplier: float = 1.0, name: str = "work-function-split") -> None:
        self.name, self._multiplier, self._work = name, number(multiplier, "multiplier", 1e-9), Work(multiplier)

    def decide(self, observation: Observation) -> Decision:
        """What a unit of share is worth in each alternative: what has been saved by being there."""
        work, _ = self._work.take(observation)
        return Values(-work / self._multiplier)


def full_cost(terms: Terms) -> float:
    """USD for moving everything, fees of two alternatives a step with it."""
    fees = 2.0 * terms.move_fee / terms.most_turnover if terms.move_fee and terms.most_turnover else 0.0
    return terms.move_cost + fees
