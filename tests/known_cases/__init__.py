"""Small instances solved by hand. The arithmetic stands beside each answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reallot import AllocationProblem


@dataclass(frozen=True)
class Known:
    """A problem and its answer.

    name         what it shows, as a sentence
    net_benefit  USD over the horizon, over staying
    shares       of the first period; None where there are several optima
    shares_to    how many digits of the shares are written down, as an absolute error
    later        shares of the later periods, where they are unique
    worth        the objective: USD over the horizon, costs and risk taken off; None is expected earnings - cost
    prices       {limit: (what one more adds, what the last one adds)} in USD/h, where they can be read off
    """

    name: str
    problem: AllocationProblem
    net_benefit: float
    shares: Mapping[str, float] | None = None
    shares_to: float = 0.0
    later: tuple[Mapping[str, float], ...] = ()
    earnings_per_hour: float | None = None
    cost: float = 0.0
    worth: float | None = None
    prices: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


@dataclass(frozen=True)
class Impossible:
    """A problem that no split meets: the rules in conflict by name, the amount, and what the message says."""

    name: str
    problem: AllocationProblem
    rules: frozenset[str]
    amount: float
    words: tuple[str, ...]

    def __str__(self) -> str:
        return self.name.replace(" ", "-")
