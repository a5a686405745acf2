"""A limit that may be broken at a price."""

from __future__ import annotations

from dataclasses import dataclass

from .tiers import Tiers
from .validation import number


@dataclass(frozen=True)
class Soft:
    """A limit that may be broken, at a price for each unit beyond it.

    `Limits(max_turnover=Soft(0.2, price=3.0))` is `Limits(turnover_cost=Tiers([(0.2, 0.0), (None, 3.0)]))`. The
    limits of turnover and of each protocol's change can be soft.

    Parameters
    ----------
    limit
        What is free, in the unit of the limit.
    price
        USD for each unit beyond it, in each period.

    Raises
    ------
    InvalidInput
        Where a number is negative or none.

    Examples
    --------
    >>> from reallot import AllocationProblem, Limits, Soft, allocate
    >>> limits = Limits(max_turnover=Soft(0.2, price=3.0))
    >>> problem = AllocationProblem({"a": 3.0, "b": 1.0}, {"a": 0.2, "b": 0.8}, limits=limits)
    >>> allocate(problem).turnover
    0.2
    """

    limit: float
    price: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "limit", number(self.limit, "soft: limit", 0.0))
        object.__setattr__(self, "price", number(self.price, "soft: price (USD per unit)", 0.0))

    @property
    def tiers(self) -> Tiers:
        """The same as a cost: nothing up to the limit, the price beyond it."""
        return Tiers([(self.limit, 0.0), (None, self.price)]) if self.limit > 0.0 else Tiers([(None, self.price)])
