"""What every exact path of our own hands over: a schedule, and either prices that prove it or the bound of a search."""

from __future__ import annotations

from dataclasses import dataclass

from ...problem.arrays import FloatArray
from ...program import Status


@dataclass(frozen=True)
class RowPrices:
    """Prices that support a schedule together, USD over the horizon per unit: the duals of the shared rules.

    capacity    (periods,) of the sum of shares
    bought, sold
                (periods,) of the sums of increases and of decreases, >= 0; 0 without a turnover limit
    movement    (periods, protocols) of share[t] - share[t-1] = increase[t] - decrease[t]
    groups      (groups,) of the sums of their members' shares, negative for floors; None where there are none
    """

    capacity: FloatArray
    bought: FloatArray
    sold: FloatArray
    movement: FloatArray
    groups: FloatArray | None = None


@dataclass(frozen=True)
class SolverResult:
    """An answer to be certified.

    schedule  (periods, protocols)
    prices    the proof of a linear answer; None where a search over choices made it
    bound     what that search claims nothing is worth more than, USD over the horizon
    status    OPTIMAL, or STOPPED where a limit ended the search
    claimed_by
              the solver whose word `bound` is; "" where it is the path's own
    detail    which part of the path finished it, in words; "" where there is only one
    """

    schedule: FloatArray
    prices: RowPrices | None = None
    bound: float | None = None
    status: Status = Status.OPTIMAL
    detail: str = ""
    claimed_by: str = ""


@dataclass(frozen=True)
class NoFeasibleSplit:
    """No split exists: `reason` says what misses what."""

    reason: str
