"""A bound on how much the largest shares hold together."""

from __future__ import annotations

from dataclasses import dataclass

from .validation import number, whole


@dataclass(frozen=True)
class Largest:
    """The largest shares together hold no more than so much, whichever they are.

    Parameters
    ----------
    count
        How many of the largest shares are summed up.
    at_most
        Largest sum, in the unit of capacity.

    Raises
    ------
    InvalidInput
        Where a number is none, or there are none of the largest.

    Examples
    --------
    >>> from reallot import AllocationProblem, Largest, Limits, allocate
    >>> rates, shares = {"a": 3.0, "b": 2.0, "c": 1.0}, {"a": 0.2, "b": 0.3, "c": 0.5}
    >>> problem = AllocationProblem(rates, shares, limits=Limits(largest=Largest(2, at_most=0.8)))
    >>> allocate(problem).shares.round(9).to_dict()
    {'a': 0.6, 'b': 0.2, 'c': 0.2}
    """

    count: int
    at_most: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", whole(self.count, "largest: count", 1))
        object.__setattr__(self, "at_most", number(self.at_most, "largest: at_most", 0.0))
