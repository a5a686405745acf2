"""What every backend returns: why it stopped, what is known, and what the solver itself said."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .blocks import FloatArray


class Status(Enum):
    """Why a solver stopped, in our words."""

    OPTIMAL = "optimal"
    INFEASIBLE = "infeasible"
    UNBOUNDED = "unbounded"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class Solution:
    """A backend's answer to a LinearProgram.

    status      why it stopped
    values      (columns,) or None
    row_prices  (rows,) gain in the objective for one more unit of each row's limit, or None (integers have none)
    bound       what no solution can exceed, as the solver claims it (mixed-integer only), or None
    detail      the solver's own words
    proved      True where `bound` is proved branch by branch, and not only claimed
    """

    status: Status
    values: FloatArray | None = None
    row_prices: FloatArray | None = None
    bound: float | None = None
    detail: str = ""
    proved: bool = False
