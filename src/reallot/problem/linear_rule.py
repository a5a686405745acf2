"""A relation between shares: a weighted sum of protocols and groups that is bounded above, below or both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ..errors import InvalidInput
from .rule_text import as_text, parse
from .validation import brief, by_name, known_names, number


class Named(Protocol):
    """A group, as far as a rule knows it."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def members(self) -> tuple[str, ...]:
        """Names of its protocols."""


@dataclass(frozen=True)
class LinearRule:
    """A bound on a weighted sum of shares, in every period.

    Parameters
    ----------
    coefficients
        Weight of each protocol or group by name. A group's name stands for the sum of its members' shares.
    at_most
        Largest weighted sum, in the unit of capacity. None is no bound.
    at_least
        Smallest weighted sum, in the unit of capacity. None is no bound.
    equals
        The weighted sum itself, in place of the other two.
    name
        Name in prices and messages; the rule as a text where none is given.

    Raises
    ------
    InvalidInput
        Where a number is none, no bound is given, or the bounds contradict each other.

    Examples
    --------
    >>> from reallot import LinearRule
    >>> LinearRule({"relay": 1.0, "compute": -2.0}, at_most=0.0).name
    'relay - 2 compute <= 0'
    """

    coefficients: Mapping[str, float]
    at_most: float | None = None
    at_least: float | None = None
    equals: float | None = None
    name: str = ""

    def __post_init__(self) -> None:
        put = object.__setattr__
        table = by_name(self.coefficients, "a rule's coefficients")
        for key in table:
            if not isinstance(key, str) or not key:
                raise InvalidInput(f"a rule's coefficients name {brief(key)}; give names of protocols or groups")
        weights = {key: number(value, f"rule: coefficient of {key}") for key, value in table.items()}
        if not any(weights.values()):
            raise InvalidInput(f"rule {brief(self.name or table)} has no coefficient but 0, so that it limits nothing")
        put(self, "coefficients", weights)
        for key in ("at_most", "at_least", "equals"):
            if getattr(self, key) is not None:
                put(self, key, number(getattr(self, key), f"rule: {key}"))
        low, high = self.at_least, self.at_most
        if self.equals is not None and (low is not None or high is not None):
            raise InvalidInput("a rule gives equals and another bound; give equals alone, or at_least and at_most")
        if self.equals is None and low is None and high is None:
            raise InvalidInput("a rule has no bound; give at_most, at_least or equals")
        if low is not None and high is not None and low > high:
            raise InvalidInput(f"rule: at_least {low:g} is above at_most {high:g}; no split meets both")
        if not isinstance(self.name, str):
            raise InvalidInput(f"a rule's name is {brief(self.name)}; give a string")
        if not self.name:
            put(self, "name", as_text(weights, *self.bounds))

    def __hash__(self) -> int:
        return hash((self.name, frozenset(self.coefficients), self.at_most, self.at_least, self.equals))

    @classmethod
    def of_text(cls, text: str) -> LinearRule:
        """Return the rule that a text such as "relay <= 2 * compute" says.

        Parameters
        ----------
        text
            Sums of names times numbers on both sides of <=, >= or ==, or one between two numbers: 0.1 <= relay <= 0.4.
            Names with blanks stand in quotes.

        Returns
        -------
        LinearRule
            The rule, with the text as its name.

        Raises
        ------
        InvalidInput
            Where the text is no such relation; the message shows the place.

        Examples
        --------
        >>> from reallot import LinearRule
        >>> LinearRule.of_text("relay <= 2 * compute").coefficients
        {'relay': 1.0, 'compute': -2.0}
        """
        weights, low, high = parse(text)
        if low == high:
            return cls(weights, equals=low, name=text.strip())
        return cls(weights, high, low, name=text.strip())

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """Smallest and largest weighted sum; None where there is none."""
        return (self.at_least, self.at_most) if self.equals is None else (self.equals, self.equals)

    def loosened(self, lower: float = 0.0, upper: float = 0.0) -> LinearRule:
        """Return the rule with its bounds moved apart; an equality becomes two bounds.

        Parameters
        ----------
        lower
            By how much the lower bound falls, in the unit of capacity.
        upper
            By how much the upper bound rises, in the unit of capacity.

        Returns
        -------
        LinearRule
            The looser rule under the same name.
        """
        low, high = self.bounds
        return LinearRule(
            self.coefficients, None if high is None else high + upper, None if low is None else low - lower,
            name=self.name,
        )  # fmt: skip

    def weights(self, place: Mapping[str, int], groups: Iterable[Named]) -> dict[int, float]:
        """Return the weight of each protocol, groups replaced by their members.

        Parameters
        ----------
        place
            Position of each protocol by name.
        groups
            The groups that a name may stand for.

        Returns
        -------
        dict
            {position of the protocol: weight}, without zeros.

        Raises
        ------
        InvalidInput
            Where a name is that of no protocol and no group, or of both.
        """
        members = {group.name: group.members for group in groups}
        known_names(self.coefficients, [*place, *members], f"rule {self.name!r}")
        result: dict[int, float] = {}
        for name, weight in self.coefficients.items():
            if name in place and name in members:
                raise InvalidInput(f"rule {self.name!r}: {name!r} is a protocol and a group; rename the group")
            for member in members.get(name, (name,)):
                result[place[member]] = result.get(place[member], 0.0) + weight
        return {i: weight for i, weight in result.items() if weight != 0.0}
