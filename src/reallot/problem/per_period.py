"""Numbers that may differ by period: one value for all of them, or a list with one per period."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import InvalidInput
from .validation import in_order, number

PerPeriod = float | Sequence[float]
"""One value for every period, or one per period."""
EachPeriod = Any
"""The same as a field keeps it: a float, or a tuple with one per period."""
BY_PERIOD = ("min_share", "max_share", "move_cost", "move_cost_in", "move_cost_out", "move_fee")
"""Fields of a protocol that may be lists with one value per period."""
LISTS = (list, tuple, np.ndarray)
"""What lists one value per period."""
ROUNDING = 1e-12
"""A reserve above the capacity by no more than this part of it is all of it."""


def per_period(value: Any, what: str, low: float = -math.inf) -> float | tuple[float, ...]:
    """One number, or a tuple with one per period; raises InvalidInput naming `what`."""
    if not isinstance(value, LISTS) or not getattr(value, "ndim", 1):
        return number(value, what, low)
    given = in_order(value, what, "numbers, one per period")
    return tuple(number(each, f"{what} in period {t}", low) for t, each in enumerate(given))


def in_first(value: PerPeriod) -> float:
    """The value of the first period."""
    return value if isinstance(value, float) else float(values_of(value)[0])


def values_of(value: PerPeriod) -> Sequence[float]:
    """The different values of all periods."""
    return value if isinstance(value, tuple) else (float(value),)  # type: ignore[arg-type]


def shifted(value: Any, by: float, least: float = 0.0) -> Any:
    """One value, or each of several, more by `by` and not below `least`."""
    if isinstance(value, tuple):
        return tuple(max(least, each + by) for each in value)
    return max(least, value + by)


def require_one_each(value: Any, periods: int, what: str) -> None:
    """Raises InvalidInput where a list has not one value per period."""
    if isinstance(value, tuple) and len(value) != periods:
        raise InvalidInput(f"{what} has {len(value)} entries for {periods} periods; give one per period")


def varying_of(own: Mapping[str, Any], keys: Iterable[str] = BY_PERIOD) -> dict[str, tuple[float, ...]]:
    """The fields of a protocol that are lists."""
    return {key: own[key] for key in keys if isinstance(own.get(key), tuple)}


def capacities_of(capacity: Any, reserve: PerPeriod, periods: int) -> PerPeriod:
    """The capacity as one number or one per period; raises InvalidInput where it is none, or below the reserve."""
    result = per_period(capacity, "capacity", 0.0)
    for what, value in (("capacity", result), ("reserve", reserve)):
        require_one_each(value, periods, what)
    for t in range(periods):
        most, kept = (each[t % len(each)] for each in map(values_of, (result, reserve)))
        if kept > most * (1.0 + ROUNDING):
            raise InvalidInput(f"reserve {kept:g} is above capacity {most:g}")
    return result
