"""What shares earned: one arithmetic for every policy, for never and for hindsight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..policy.base import Terms
from ..problem.by_value import ByValue
from ..problem.tiers import TotalTiers
from .table import FloatArray


@dataclass(frozen=True, eq=False)
class Account(ByValue):
    """Per step, (steps,), USD except `moved`.

    gross    earned
    cost     paid for moves
    moved    share of capacity moved: the sum of increases
    changed  how many shares changed
    """

    gross: FloatArray
    cost: FloatArray
    moved: FloatArray
    changed: FloatArray

    @property
    def net(self) -> FloatArray:
        """Earned less paid, by step."""
        return self.gross - self.cost


def account(shares: FloatArray, start: FloatArray, rates: FloatArray, terms: Terms) -> Account:
    """The account of `shares` (steps, n) from `start` (n,) at `rates` (steps, n), USD/h per unit of share.

    A step earns step_hours * (rates . shares) with the shares it moved to, and pays move_cost for each unit of share
    moved, move_fee for each alternative changed, and what its limits say of turnover_cost, change_cost and
    plan_fee.

    >>> terms = Terms(("relay", "compute"), step_hours=2.0, move_cost=1.0)
    >>> shares, rates = np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([[3.0, 1.0], [1.0, 5.0]])
    >>> account(shares, np.array([1.0, 0.0]), rates, terms).net.tolist()
    [6.0, 5.5]
    """
    change = np.diff(np.vstack([start, shares]), axis=0)
    moved = np.maximum(change, 0.0).sum(axis=1)
    changed = np.asarray((change != 0.0).sum(axis=1), dtype=float)
    gross = terms.step_hours * np.einsum("ij,ij->i", rates, shares)
    cost = terms.move_cost * moved + terms.move_fee * changed
    if terms.limits.turnover_cost is not None:
        cost += TotalTiers.of(terms.limits.turnover_cost).cost(moved)
    if terms.limits.change_cost is not None:
        each = TotalTiers.of(terms.limits.change_cost).cost(np.abs(change).ravel())
        cost += each.reshape(change.shape).sum(axis=1)
    if terms.limits.plan_fee > 0.0:
        cost += terms.limits.plan_fee * (changed > 0.0)
    return Account(gross, cost, moved, changed)
