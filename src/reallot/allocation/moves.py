"""One protocol's change in the first period of a plan: shares, gain and cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..problem import AllocationProblem
from ..problem.arrays import FloatArray, IntArray
from ..problem.objective import Value


@dataclass(frozen=True)
class Move:
    """The change of one protocol's share in the first period.

    Parameters
    ----------
    protocol
        Name of the protocol.
    before, after
        Shares in the unit of capacity.
    gain
        Change of its earnings over the horizon (USD).
    cost
        Transaction cost of the change itself (USD).

    Examples
    --------
    >>> from reallot import Move
    >>> Move("relay", before=0.25, after=0.5, gain=1.0, cost=0.25).change
    0.25
    """

    protocol: str
    before: float
    after: float
    gain: float
    cost: float

    @property
    def change(self) -> float:
        """The share after the move less the share before, in the unit of capacity."""
        return self.after - self.before


def moved(problem: AllocationProblem, schedule: FloatArray) -> IntArray:
    """Positions of the protocols whose share changes in the first period of `schedule` (periods, protocols)."""
    places: IntArray = np.nonzero(schedule[0] != problem.arrays.current)[0]
    return places


def changes(
    problem: AllocationProblem, schedule: FloatArray, plan: Value, stay: Value, places: IntArray
) -> Iterator[tuple[int, float, float, float, float]]:
    """Position, share before and after, gain and cost (USD over the horizon) of the protocols at `places`."""
    gain = (plan.earnings[:, places] - stay.earnings[:, places]).sum(axis=0) * plan.hours
    cost = plan.costs[:, places].sum(axis=0)
    columns = (places, problem.arrays.current[places], schedule[0, places], gain, cost)
    return zip(*(column.tolist() for column in columns), strict=True)
