"""The checks at the edge: a number, a name, a table of numbers by name. Below this file, arrays are believed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidInput, near_miss

LARGEST = 1e15
"""Beyond this a double has no cents left, and solvers take numbers for infinite."""


def number(value: Any, what: str, low: float = -math.inf, high: float = math.inf) -> float:
    """`value` as a float in [low, high]; raises InvalidInput naming `what` otherwise."""
    if type(value) is float and low <= value <= high and -LARGEST <= value <= LARGEST:
        return value
    if rule := number_rule(value):
        raise InvalidInput(f"{what} is {as_given(value)}; {rule}")
    result = float(value)
    if result < low or result > high:
        span = f"at least {low:g}" if high == math.inf else f"between {low:g} and {high:g}"
        raise InvalidInput(f"{what} is {result:g}; it must be {span}")
    return result


def as_given(value: Any) -> str:
    """A value as a message shows it: NumPy's numbers as plain ones, and of a very long one the begin."""
    try:
        text = repr(value.item() if isinstance(value, np.generic) else value)
    except ValueError:  # an integer with more digits than Python writes
        text = "a number too long to be shown"
    return text if len(text) <= 500 else f"{text[:497]}..."


def number_rule(value: Any) -> str:
    """The rule that `value` breaks as a finite number of a moderate size; "" where it breaks none."""
    try:
        result = math.nan if isinstance(value, (bool, str, bytes)) or value is None else float(value)
    except (TypeError, ValueError, OverflowError):
        return "it must be a number"
    if not math.isfinite(result):
        return "it must be a finite number" if isinstance(value, (float, np.floating)) else "it must be a number"
    return "" if abs(result) <= LARGEST else f"numbers go up to {LARGEST:g}: use a larger unit"


def numbers(values: list[Any], names: Sequence[str], what: str, low: float) -> NDArray[np.float64]:
    """`values` as an array of at least `low`; raises InvalidInput for the first that is not, as `what` and its name."""
    if set(map(type, values)) == {float}:
        array = np.array(values)
        # a NaN makes both comparisons false
        if array.min() >= low and array.max() <= LARGEST:
            return array
    return np.array([number(value, what + name, low) for value, name in zip(values, names, strict=True)])


def whole(value: Any, what: str, low: int) -> int:
    """`value` as an int of at least `low`."""
    result = number(value, what, low)
    if result != int(result):
        raise InvalidInput(f"{what} is {result:g}; it must be a whole number")
    return int(result)


def several(values: Any, what: str, each: str) -> list[Any]:
    """`values` as a list; raises InvalidInput, asking for a list of `each`, for one number or one text."""
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        raise InvalidInput(f"{what} is {values!r}; give a list of {each}")
    return list(values)


def by_name(table: Any, what: str) -> dict[str, Any]:
    """A mapping, or a pandas Series, as a dict; a list raises, since nothing is aligned by position."""
    if type(table) is dict:
        return table
    if isinstance(table, Mapping) or hasattr(table, "items"):
        pairs = [(key, value) for key, value in table.items()]
        result = dict(pairs)
        if len(result) != len(pairs):
            twice = next(key for key in result if sum(1 for other, _ in pairs if other == key) > 1)
            raise InvalidInput(f"{what} names {twice!r} more than once")
        return result
    raise InvalidInput(
        f"{what} is a {type(table).__name__}; give a mapping or a pandas Series by protocol name, "
        "since nothing is aligned by position"
    )


def known_names(names: Iterable[Any], known: Iterable[str], what: str) -> None:
    """Raises InvalidInput for the first of `names` that is not in `known`, with the near miss."""
    lookup = known if isinstance(known, Mapping) else set(known)
    for name in names:
        if name not in lookup:
            raise InvalidInput(f"{what} names {name!r}, which is not there; {near_miss(name, known)}")
