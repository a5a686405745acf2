"""Results that hold arrays compared and hashed by what they hold: the same numbers are the same result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


class ByValue:
    """For frozen dataclasses made with `eq=False`: equal where all fields that are compared are, arrays by entry.

    NaN equals NaN, since nothing is known in both places. Fields with `compare=False`, such as seconds spent, do not
    count.
    """

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(other) is not type(self):
            return NotImplemented
        return all(_same(getattr(self, name), getattr(other, name)) for name in _compared(self))

    def __hash__(self) -> int:
        return hash((type(self).__name__, *(_hashable(getattr(self, name)) for name in _compared(self))))


def _compared(record: Any) -> list[str]:
    return [field.name for field in fields(record) if field.compare]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(one, other, equal_nan=getattr(one, "dtype", np.dtype(object)).kind == "f")
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (one != one and other != other)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)) and type(one) is type(other):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _hashable(value: Any) -> Any:
    """Something to hash that is equal for equal values."""
    if isinstance(value, np.ndarray):
        return value.shape, (value + 0.0).tobytes() if value.dtype.kind in "f" else value.tobytes()
    if isinstance(value, float) and value != value:
        return "NaN"
    if isinstance(value, Mapping):
        return frozenset((key, _hashable(entry)) for key, entry in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(map(_hashable, value))
    if is_dataclass(value) and not isinstance(value, (type, ByValue)):
        return (type(value).__name__, *(_hashable(getattr(value, name)) for name in _compared(value)))
    return value
