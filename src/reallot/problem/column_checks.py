"""Columns of numbers checked at once; what is wrong is named by protocol and field, as a record names it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import InvalidInput
from .protocol import DEFAULTS, Columns
from .segments import FloatArray
from .validation import LARGEST, SMALLEST_STEP, brief, number

MOST = {"warm_up_earns": 1.0}
"""Largest values of the fields that have one."""


def checked(names: tuple[str, ...], values: Any, what: Callable[[int], str], key: str) -> FloatArray:
    """One number a protocol, or one for all, as the column of field `key`; NaN says None where the field may be that.

    Raises InvalidInput for the first number that cannot be, named by what(row).
    """
    optional = DEFAULTS.get(key, 0.0) is None
    low, high = -math.inf if key == "rate" else 0.0, MOST.get(key, math.inf)
    column = as_column(names, values, what, key)
    if (column.min() >= low and column.max() <= min(high, LARGEST)) and (low == 0.0 or column.min() >= -LARGEST):
        return column  # a NaN makes both comparisons false
    wrong = ~((column >= max(low, -LARGEST)) & (column <= min(high, LARGEST)))
    if optional:
        wrong &= column == column
    for i in wrong.nonzero()[0][:1].tolist():
        number(float(column[i]), what(i), low, high)
    return column


def as_column(names: tuple[str, ...], values: Any, what: Callable[[int], str], key: str) -> FloatArray:
    """The values as an array of floats of their own, (protocols,), None as NaN; what is no number raises."""
    size = len(names)
    if not hasattr(values, "__len__") or isinstance(values, (str, bytes)):
        return np.full(size, number(values, key))
    if len(values) != size or getattr(values, "ndim", 1) != 1:
        raise InvalidInput(f"{key} is {brief(values)}; give one number for each of {size} protocols, in their order")
    kind = getattr(getattr(values, "dtype", None), "kind", "O")
    if kind in "iuf" and isinstance(values, np.ndarray):
        return values.astype(float)
    entries = values.tolist() if isinstance(values, np.ndarray) else list(values)
    if set(map(type, entries)) <= {float, int}:
        try:
            return np.array(entries, dtype=float)
        except OverflowError:
            pass
    optional = DEFAULTS.get(key, 0.0) is None
    return np.array(
        [math.nan if optional and each is None else number_or_nan(each, what(i)) for i, each in enumerate(entries)]
    )


def number_or_nan(value: Any, what: str) -> float:
    """A float as it is, NaN included; else a number."""
    return value if isinstance(value, float) else number(value, what)


def require_rows(columns: Columns, what: Callable[[int], str]) -> None:
    """Raises InvalidInput for the first row whose numbers contradict one another, as ProtocolSpec does."""
    steps, least, most = (columns.given.get(key) for key in ("step", "min_share", "max_share"))
    wrong = np.zeros(len(columns.names), dtype=bool)
    if steps is not None:
        wrong |= (steps > 0.0) & (steps < SMALLEST_STEP)
    if least is not None and most is not None:
        wrong |= most < least
    for i in wrong.nonzero()[0][:1].tolist():
        columns.row(i)
