"""What has to hold, and what is worth something, at the end of the horizon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import InvalidInput
from .validation import by_name, known_names, number


@dataclass(frozen=True)
class End:
    """Terminal conditions: bounds of shares in the last period, and what a share is worth when it is over.

    Parameters
    ----------
    at_least, at_most
        Bounds of shares in the last period by name, in the unit of capacity. The same share in both fixes it.
    values
        What a unit of share is worth after the last period by name, in USD. It counts beside what is earned.

    Raises
    ------
    InvalidInput
        Where a number is none, a bound is negative, or the bounds of a share contradict one another.

    Examples
    --------
    >>> from reallot import AllocationProblem, End, allocate
    >>> end = End(at_least={"b": 0.5})
    >>> problem = AllocationProblem({"a": 3.0, "b": 1.0}, {"a": 0.2, "b": 0.8}, periods=2, horizon_hours=2, end=end)
    >>> allocate(problem).schedule.round(9).tolist()
    [[1.0, 0.0], [0.5, 0.5]]
    """

    at_least: Mapping[str, float] = field(default_factory=dict)
    at_most: Mapping[str, float] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key in ("at_least", "at_most"):
            table = by_name(getattr(self, key), f"end: {key}")
            checked = {name: number(share, f"end: {key} {name}", 0.0) for name, share in table.items()}
            object.__setattr__(self, key, checked)
        values = by_name(self.values, "end: values")
        object.__setattr__(
            self, "values", {name: number(value, f"end: values {name} (USD)") for name, value in values.items()}
        )
        if not (self.at_least or self.at_most or self.values):
            raise InvalidInput("end says nothing; give at_least, at_most or values by name")
        for name, low in self.at_least.items():
            if low > self.at_most.get(name, low):
                raise InvalidInput(f"end: at_least {low:g} of {name} is above at_most {self.at_most[name]:g}")

    def __hash__(self) -> int:
        return hash(tuple(frozenset(table.items()) for table in (self.at_least, self.at_most, self.values)))

    def fit(self, names: Mapping[str, int]) -> None:
        """Raise where a protocol is named that is not there.

        Parameters
        ----------
        names
            Position of each protocol by name.

        Raises
        ------
        InvalidInput
            Where a name is unknown; the message gives the near miss.
        """
        for key in ("at_least", "at_most", "values"):
            known_names(getattr(self, key), names, f"end: {key}")
