"""Shadow portfolios: what each rule of a bank would hold by now, had it decided alone under the same limits."""

from __future__ import annotations

import numpy as np

from .base import FloatArray, Terms

SAME = 1e-12


class Shadows:
    """One portfolio for each rule, from the present shares on.

    They keep to bounds, max change, turnover and hold, pay costs, and take a step whose fees it does not earn back
    not at all; other limits are left to the step that is really taken.
    """

    def __init__(self, terms: Terms, rules: int, shares: FloatArray) -> None:
        size = terms.size
        self.shares = np.tile(shares, (rules, 1))
        self.paid = np.zeros(rules)
        self._terms = terms
        self._low = np.array(terms.low) if terms.low else np.zeros(size)
        self._high = np.array(terms.high) if terms.high else np.ones(size)
        limits = terms.limits
        change = limits.max_change
        if isinstance(change, dict):
            self._change = np.array([change.get(name, 1.0) for name in terms.names])
        else:
            self._change = np.full(size, change if isinstance(change, float) else 1.0)
        self._change[[name in limits.held for name in terms.names]] = 0.0
        self._turnover = limits.max_turnover if isinstance(limits.max_turnover, float) else 1.0
        self._hold = round(terms.hold_hours / terms.step_hours - 1e-9 + 0.499999) if terms.hold_hours else 0
        self._changed = np.full((rules, size), -(10**9))
        self._step = 0

    def earn(self, rates: FloatArray) -> FloatArray:
        """(rules,) USD that the present shares earn in a step at these rates, less what the last step cost."""
        result: FloatArray = self._terms.step_hours * (self.shares @ rates) - self.paid
        return result

    def step(self, values: FloatArray) -> FloatArray:
        """Every rule takes its best step for its (rules, n) values: (rules, n) what it changes."""
        changes, self.paid = self.best(values)
        self.change(changes)
        return changes

    def change(self, changes: FloatArray) -> None:
        """A step in which shares change by (rules, n)."""
        self._step += 1
        self.shares = self.shares + changes
        self._changed[changes != 0.0] = self._step

    def best(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(rules, n) the best changes of shares now for (rules, n) values, and what each costs, (rules,) USD."""
        changes, paid, now = np.zeros_like(self.shares), np.zeros(len(values)), self.shares
        low, high = np.maximum(self._low, now - self._change), np.minimum(self._high, now + self._change)
        if self._hold:
            held = self._step + 1 - self._changed < self._hold
            low, high = np.where(held, now, low), np.where(held, now, high)
        best = np.where(high > now + SAME, values, -np.inf).max(axis=1)
        least = np.where(low < now - SAME, values, np.inf).min(axis=1)
        cost, fee = self._terms.move_cost, self._terms.move_fee
        for rule in np.flatnonzero(best - least > cost).tolist():
            own = now[rule]
            change = exchange(values[rule], own - low[rule], high[rule] - own, cost, self._turnover)
            moved = float(np.abs(change).sum()) / 2.0
            fees = fee * np.count_nonzero(change)
            if fee and float(values[rule] @ change) - cost * moved <= fees:
                continue
            changes[rule], paid[rule] = change, cost * moved + fees
        return changes, paid


def exchange(values: FloatArray, gives: FloatArray, takes: FloatArray, cost: float, turnover: float) -> FloatArray:
    """(n,) the change of shares that brings most: sum of values * change, less `cost` for a unit moved.

    Share goes from the lowest value to the highest while the difference is worth more than its cost: at most `gives`
    from and `takes` to each alternative, and `turnover` in all: exact, as each unit's gain only falls on the way.
    """
    change = np.zeros(len(values))
    order = np.argsort(values, kind="stable").tolist()
    worth, gives_, takes_ = values.tolist(), gives.tolist(), takes.tolist()
    low, high, left = 0, len(order) - 1, turnover
    while left > SAME and low < high:
        giver, taker = order[low], order[high]
        if worth[taker] - worth[giver] <= cost:
            break
        part = min(gives_[giver], takes_[taker], left)
        if part > SAME:
            change[giver] -= part
            change[taker] += part
            gives_[giver] -= part
            takes_[taker] -= part
            left -= part
        if gives_[giver] <= SAME:
            low += 1
        if takes_[taker] <= SAME:
            high -= 1
    return change
