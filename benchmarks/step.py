"""One step of one period, the question that most of the comparisons ask: flat rates, max change, a cost per unit moved.

max  rates @ x - cost @ |x - current|
with sum x = 1, 0 <= x <= 1, |x - current| <= max_change
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reallot import Allocation, AllocationProblem, Limits, ProtocolSpec, allocate, session
from reallot.problem.arrays import FloatArray

from .race import Contender, Unequal

SEED = 0


@dataclass(frozen=True)
class Step:
    """Several variants of the same step: rates and current shares change by up to 2 %, costs and limits do not.

    rates, current  (variants, protocols), USD/h and shares
    cost            (protocols,) USD per unit of |change|; the horizon is one hour
    """

    rates: FloatArray
    current: FloatArray
    cost: FloatArray
    max_change: float

    @classmethod
    def of(cls, size: int, variants: int, seed: int = SEED) -> Step:
        """Random rates and shares; max change is 0.2, or four times the mean share where that is less."""
        random = np.random.default_rng([seed, size])
        rates, current = random.random(size), random.dirichlet(np.ones(size))
        about = random.uniform(0.98, 1.02, (2, variants, size))
        shares = about[1] * current
        return cls(
            about[0] * rates,
            shares / shares.sum(axis=1, keepdims=True),
            random.uniform(0.005, 0.05, size),
            min(0.2, 4.0 / size),
        )

    @property
    def size(self) -> int:
        """Number of protocols."""
        return int(self.cost.size)

    @property
    def variants(self) -> int:
        """Number of variants."""
        return len(self.rates)

    @cached_property
    def low(self) -> FloatArray:
        """(variants, protocols) least share: bounds and max change together."""
        return np.maximum(0.0, self.current - self.max_change)

    @cached_property
    def high(self) -> FloatArray:
        """(variants, protocols) largest share."""
        return np.minimum(1.0, self.current + self.max_change)

    @cached_property
    def names(self) -> list[str]:
        """p0000, p0001, ..."""
        return [f"p{i:04d}" for i in range(self.size)]

    def worth(self, k: int, shares: FloatArray, tolerance: float = 1e-12) -> float:
        """Objective of `shares`, USD; raises Unequal where they break a rule by more than `tolerance`."""
        broken = max(
            abs(float(shares.sum()) - 1.0),
            float((self.low[k] - shares).max()),
            float((shares - self.high[k]).max()),
        )
        if not broken <= tolerance:
            raise Unequal(f"an answer at n = {self.size} breaks a rule by {broken:.1e}, allowed {tolerance:.0e}")
        return float(self.rates[k] @ shares - self.cost @ np.abs(shares - self.current[k]))

    def bound(self, k: int, price: float) -> float:
        """What no shares are worth more than, by any price of capacity (weak duality): a proof for any size."""
        rates, current = self.rates[k] - price, self.current[k]
        ends = [rates * x - self.cost * np.abs(x - current) for x in (self.low[k], current, self.high[k])]
        return float(price + np.maximum.reduce(ends).sum())


def allocations(step: Step) -> list[Contender]:
    """The whole way to a plan and its reasons: from a record, from bare numbers, and from a problem that is kept."""
    rates, costs = step.rates.tolist(), step.cost.tolist()
    current = [dict(zip(step.names, shares, strict=True)) for shares in step.current.tolist()]
    limits = Limits(max_change=step.max_change)

    def specs(k: int) -> list[ProtocolSpec]:
        rows = zip(step.names, rates[k], costs, strict=True)
        return [ProtocolSpec(name, rate, move_cost=cost) for name, rate, cost in rows]

    def decide(protocols: list[ProtocolSpec], k: int) -> Allocation:
        plan = allocate(AllocationProblem(protocols, current[k], limits=limits))
        assert plan.reasons
        return plan

    ready = [specs(k) for k in range(step.variants)]

    kept = session(AllocationProblem(ready[0], current[0], limits=limits), solver="auto")
    tables = [{name: (rate,) for name, rate in zip(step.names, row, strict=True)} for row in rates]

    def again(k: int) -> Allocation:
        plan = kept.change(rates=tables[k], current=current[k]).solve()
        assert plan.reasons
        return plan

    def contender(name: str, note: str, run: Callable[[int], Allocation]) -> Contender:
        return Contender(name, note, run, lambda k, plan: step.worth(k, plan.schedule[0]))

    return [
        contender(
            "allocate()",
            "problem record checked, answer, certificate, reasons; the protocols' records are there already",
            lambda k: decide(ready[k], k),
        ),
        contender(
            "allocate() from numbers",
            "the same, and a record made and checked for every protocol",
            lambda k: decide(specs(k), k),
        ),
        contender("session", "a kept problem, new rates and shares checked, answer, certificate, reasons", again),
    ]
