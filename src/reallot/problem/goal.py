"""Goals in place of the most earnings: enough at the least movement, cost or number of moves; a wanted split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..errors import InvalidInput
from .validation import brief, by_name, known_names, number, one_of

LEAST = ("turnover", "cost", "moves")


@dataclass(frozen=True)
class Goal:
    """Earn enough, and change as little as that needs.

    Plans that are equal in what is minimised are told apart by earnings less costs.

    Parameters
    ----------
    at_least
        Least expected earnings after the plan (USD/h, the mean over the horizon, costs not taken off). None asks for
        nothing.
    minimise
        "turnover" (share, summed over the periods), "cost" (USD over the horizon) or "moves" (number of changes).

    Raises
    ------
    InvalidInput
        Where the number is none, or nothing that is known is minimised.

    Examples
    --------
    >>> from reallot import AllocationProblem, Goal, allocate
    >>> problem = AllocationProblem({"a": 3.0, "b": 1.0}, {"a": 0.2, "b": 0.8}, goal=Goal(at_least=2.0))
    >>> allocate(problem).shares.round(9).to_dict()
    {'a': 0.5, 'b': 0.5}
    """

    at_least: float | None = None
    minimise: str = "turnover"

    def __post_init__(self) -> None:
        if self.at_least is not None:
            object.__setattr__(self, "at_least", number(self.at_least, "goal: at_least (USD/h)"))
        one_of(self.minimise, LEAST, "goal: minimise")


@dataclass(frozen=True)
class Closest:
    """Come as close to a wanted split as limits allow: the least sum of absolute differences, over all periods.

    Parameters
    ----------
    shares
        Wanted share by name, in the unit of capacity. Names left out do not count.

    Raises
    ------
    InvalidInput
        Where a share is negative or not a number.

    Examples
    --------
    >>> from reallot import AllocationProblem, Closest, Limits, allocate
    >>> goal = Closest({"a": 0.5, "b": 0.5})
    >>> problem = AllocationProblem(
    ...     {"a": 3.0, "b": 1.0}, {"a": 0.2, "b": 0.8}, limits=Limits(max_change=0.1), goal=goal)
    >>> allocate(problem).shares.round(9).to_dict()
    {'a': 0.3, 'b': 0.7}
    """

    shares: Mapping[str, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "shares", wanted(self.shares, "goal: shares"))

    def __hash__(self) -> int:
        return hash(frozenset(self.shares.items()))


@dataclass(frozen=True)
class Near:
    """Stay near to a split: a bound on the sum of absolute differences, in every period.

    Parameters
    ----------
    shares
        The split by name, in the unit of capacity. Names left out do not count.
    within
        Largest sum of absolute differences, in the unit of capacity.

    Raises
    ------
    InvalidInput
        Where a number is negative or none.

    Examples
    --------
    >>> from reallot import AllocationProblem, Limits, Near, allocate
    >>> near = Near({"a": 0.5, "b": 0.5}, within=0.1)
    >>> problem = AllocationProblem({"a": 3.0, "b": 1.0}, {"a": 0.2, "b": 0.8}, limits=Limits(near=near))
    >>> allocate(problem).shares.round(9).to_dict()
    {'a': 0.55, 'b': 0.45}
    """

    shares: Mapping[str, float]
    within: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "shares", wanted(self.shares, "near: shares"))
        object.__setattr__(self, "within", number(self.within, "near: within", 0.0))

    def __hash__(self) -> int:
        return hash((frozenset(self.shares.items()), self.within))


AnyGoal = Goal | Closest


def wanted(shares: Mapping[str, float], what: str) -> dict[str, float]:
    """Shares by name, checked; raises InvalidInput naming `what`."""
    table = by_name(shares, what)
    if not table:
        raise InvalidInput(f"{what} is empty; name at least one protocol with the share that is wanted")
    for name in table:
        if not isinstance(name, str):
            raise InvalidInput(f"{what} names {brief(name)}; names are texts")
    return {name: number(share, f"{what} {name}", 0.0) for name, share in table.items()}


def goals_of(given: AnyGoal | Sequence[AnyGoal], names: Mapping[str, int]) -> AnyGoal | tuple[AnyGoal, ...]:
    """A goal, or several in order as a tuple; raises InvalidInput where one is none, or wants a share of nobody."""
    if isinstance(given, Closest):
        known_names(given.shares, names, "goal")
    if isinstance(given, (Goal, Closest)):
        return given
    if not isinstance(given, (list, tuple)) or not given:
        raise InvalidInput(
            f"goal is {brief(given)}; give Goal(...), Closest(...) or a list of them, the first counts most"
        )
    for each in given:
        if not isinstance(each, (Goal, Closest)):
            raise InvalidInput(f"goal holds {brief(each)}; give Goal(...) or Closest(...)")
        goals_of(each, names)
    return tuple(given)


def least_earnings(goals: Iterable[Goal | Closest]) -> float | None:
    """Earnings (USD/h) that all goals together ask for at least; None where none does."""
    floors = [goal.at_least for goal in goals if isinstance(goal, Goal) and goal.at_least is not None]
    return max(floors, default=None)
