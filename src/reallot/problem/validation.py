"""The checks at the edge: a number, a name, a table of numbers by name. Below this file, arrays are believed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, time
from itertools import islice
from operator import is_, lt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidInput, near_miss

LARGEST = 1e15
"""Beyond this a double has no cents left, and solvers take numbers for infinite."""
SMALLEST_STEP = 1e-7
"""Units below this are as small as what solvers of linear programs cannot tell from nothing."""
MOST = {"warm_up_earns": 1.0}
"""Largest values of the fields of a protocol that have one."""
NOT_NUMBERS = (bool, str, bytes, bytearray, type(None))
"""What `float` reads as a number, or what stands for nothing: a slip where a number is asked for."""
LONGEST = 80
"""Characters of a wrong value that a message shows."""


def brief(value: Any) -> str:
    """A wrong value as a message shows it: short values as they are, tables and large arrays by kind and shape."""
    shape = getattr(value, "shape", ())
    if isinstance(shape, tuple) and shape:
        return f"a {type(value).__name__} of shape {shape}"
    try:
        text = _written(value.item() if isinstance(value, np.generic) else value)
    except Exception:  # a number of more digits than Python writes, or somebody else's faulty repr
        return f"a {type(value).__name__}"
    return text if len(text) <= LONGEST and "\n" not in text else f"{text[: LONGEST // 2].splitlines()[0]}..."


def _written(value: Any) -> str:
    """As Python writes it; dates and times, also those in lists and tables, as a file does."""
    if isinstance(value, (date, time)):
        return value.isoformat()
    if type(value) is list:
        return f"[{', '.join(map(_written, value))}]"
    if type(value) is dict:
        return "{" + ", ".join(f"{_written(key)}: {_written(each)}" for key, each in value.items()) + "}"
    return repr(value)


def of_kind(value: Any, kinds: type | tuple[type, ...], what: str, give: str) -> None:
    """Raises InvalidInput where `value` is none of `kinds`, saying what it is and what to `give` instead."""
    if not isinstance(value, kinds):
        raise InvalidInput(f"{what} is {brief(value)}; {give}")


def yes_or_no(value: Any, what: str) -> bool:
    """`value` as a bool; raises InvalidInput for anything but True and False, since 1 and "no" are slips."""
    if not isinstance(value, (bool, np.bool_)):
        raise InvalidInput(f"{what} is {brief(value)}; give True or False")
    return bool(value)


def one_of(value: Any, known: Iterable[str], what: str) -> None:
    """Raises InvalidInput where `value` is not a text of `known`, with the near miss."""
    names = list(known)
    if not isinstance(value, str) or value not in names:
        raise InvalidInput(f"{what} is {brief(value)}; {near_miss(value if isinstance(value, str) else '', names)}")


def seconds(value: Any, what: str = "time_limit_seconds") -> float | None:
    """A limit of time in seconds, at least 0; None, or infinity, is no limit."""
    if value is None or (isinstance(value, float) and value == math.inf):
        return None
    return number(value, what, 0.0)


def number(value: Any, what: str, low: float = -math.inf, high: float = math.inf) -> float:
    """`value` as a float in [low, high]; raises InvalidInput naming `what` otherwise."""
    if type(value) is float and low <= value <= high and -LARGEST <= value <= LARGEST:
        return value
    if rule := number_rule(value):
        raise InvalidInput(f"{what} is {brief(value)}; {rule}")
    result = float(value)
    if result < low or result > high:
        span = f"at least {low:g}" if high == math.inf else f"between {low:g} and {high:g}"
        raise InvalidInput(f"{what} is {result:g}; it must be {span}")
    return result


def number_rule(value: Any) -> str:
    """The rule that `value` breaks as a finite number of a moderate size; "" where it breaks none."""
    kind = getattr(getattr(value, "dtype", None), "kind", "f")  # NumPy's letter for the kind of number
    if isinstance(value, NOT_NUMBERS) or getattr(value, "ndim", None) or kind not in "iuf":
        return "it must be a number"
    try:
        result = float(value)
    except OverflowError:
        return f"numbers go up to {LARGEST:g}: use a larger unit"
    except (TypeError, ValueError):
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


def number_array(value: Any, what: str, *, flags: bool = False) -> NDArray[np.float64]:
    """`value` as an array of floats, of any shape; NaN and infinity are left to the caller.

    Raises InvalidInput for what is no array of numbers: texts, dates, None, ragged lists, True and False (but where
    `flags` are asked for), and integers beyond a float.
    """
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise InvalidInput(f"{what} is {brief(value)}; it must be an array of numbers")
    if isinstance(value, np.ma.MaskedArray):
        value = np.ma.filled(value.astype(float), np.nan)
    try:
        # among numbers in a list, NumPy takes True for 1
        given = np.asarray(value, dtype=object if not flags and isinstance(value, (list, tuple)) else None)
    except Exception:  # ragged lists, and whatever an object's own conversion raises
        raise InvalidInput(f"{what} is {brief(value)}; it must be an array of numbers") from None
    if given.dtype.kind in ("iufb" if flags else "iuf"):
        return given.astype(float, copy=False)
    if given.dtype.kind != "O":
        raise InvalidInput(
            f"{what} is {brief(value)} with entries of type {given.dtype}; it must be an array of numbers"
        )
    if set(map(type, given.flat)) <= {float, int, np.float64}:
        with suppress(OverflowError):
            return given.astype(float)
    result = np.empty(given.shape)
    for place, entry in np.ndenumerate(given):
        here = f"{what}{list(place)}" if place else what
        result[place] = entry if isinstance(entry, float) else number(entry, here)
    return result


SINGLE = 1e-6
"""Sums of numbers in single precision are off by less than this, relatively."""


def is_single(values: Any) -> bool:
    """True for numbers in single or half precision: an array or Series of them, or a table with one."""
    small = (np.float32, np.float16)
    if getattr(values, "dtype", None) in small:
        return True
    return isinstance(values, Mapping) and any(isinstance(value, small) for value in values.values())


def to_sum(values: NDArray[np.float64], total: float) -> NDArray[np.float64]:
    """`values` (..., n) scaled so that each row sums to `total`, where it does but for the rounding of float32."""
    sums = values.sum(axis=-1, keepdims=True)
    near = (np.abs(sums - total) <= SINGLE * abs(total)) & (sums > 0.0)
    return np.where(near, values * (total / np.where(near, sums, 1.0)), values)


def summing_up(given: Any, shares: NDArray[np.float64], capacity: Any, reserve: Any) -> NDArray[np.float64]:
    """The shares; where `given` is in float32 and they sum to the available capacity but for that, exactly so."""
    if is_single(given) and type(capacity) in (int, float) and type(reserve) in (int, float):
        return to_sum(shares, float(capacity) - float(reserve))
    return shares


def flag_array(value: Any, what: str) -> NDArray[np.bool_]:
    """`value` as an array of True and False; raises InvalidInput for any other entries, 0 and 1 included."""
    try:
        array = np.asarray(value)
    except Exception:  # ragged lists, and whatever an object's own conversion raises
        raise InvalidInput(f"{what} is {brief(value)}; it must be an array of True and False") from None
    if array.dtype != bool:
        raise InvalidInput(f"{what} has entries of type {array.dtype}; give True or False")
    return array


def whole(value: Any, what: str, low: int) -> int:
    """`value` as an int of at least `low`."""
    if type(value) is int and low <= value <= LARGEST:
        return value
    result = number(value, what, low)
    if result != int(result):
        raise InvalidInput(f"{what} is {result:g}; it must be a whole number")
    return int(result)


def several(values: Any, what: str, each: str) -> list[Any]:
    """`values` as a list; raises InvalidInput, asking for a list of `each`, for one number or one text."""
    loose = isinstance(values, (str, bytes, bytearray, Mapping)) or not hasattr(values, "__iter__")
    if loose or getattr(values, "ndim", 1) == 0 or hasattr(values, "columns"):
        raise InvalidInput(f"{what} is {brief(values)}; give a list of {each}")
    return list(values)


def in_order(values: Any, what: str, each: str) -> list[Any]:
    """The same for values whose order counts: a set raises as well."""
    if isinstance(values, (set, frozenset)):
        raise InvalidInput(f"{what} is a set, which has no order; give a list of {each}")
    return several(values, what, each)


def names_in(values: Any, what: str) -> list[str]:
    """`values` as a list of names; raises InvalidInput for what is no list, or an entry that is no text."""
    names = several(values, what, "names")
    for name in names:
        if not isinstance(name, str):
            raise InvalidInput(f"{what} holds {brief(name)}; names are texts")
    return names


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
            raise InvalidInput(f"{what} names {brief(name)}, which is not there; {near_miss(name, known)}")


def different(names: tuple[str, ...]) -> None:
    """Raises InvalidInput where there is no name, or one stands twice."""
    if not names:
        raise InvalidInput("protocols is empty; give at least one")
    in_order = all(map(lt, names, islice(names, 1, None)))  # by name, as most long lists are: no set is needed
    if not in_order and len(set(names)) != len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise InvalidInput(f"protocols names {twice!r} more than once")


def shares_by_name(given: Any, names: tuple[str, ...]) -> NDArray[np.float64]:
    """The present shares of all `names`, in their order, from a table by name."""
    shares = by_name(given, "current")
    same_order = len(shares) == len(names) and all(map(is_, shares, names))
    try:
        values = list(shares.values() if same_order else map(shares.__getitem__, names))
    except KeyError:
        values = []
    if len(values) != len(shares) or not values:
        known_names(shares, names, "current")
        missing = next(name for name in names if name not in shares)
        raise InvalidInput(f"current does not say where {missing!r} stands; give 0 if it holds nothing")
    return numbers(values, names, "current ", 0.0)


def require_fractions(capacity: float | None, shares: NDArray[np.float64]) -> None:
    """Raises InvalidInput for present shares in percent, which sum to 100 where the capacity is 1."""
    total = float(shares.sum())
    if capacity == 1.0 and abs(total - 100.0) < 1.0:
        raise InvalidInput(
            f"current sums to {total:g}, capacity is 1: this looks like percent; "
            "give fractions (0.4 for 40 %), or capacity=100 and all shares and limits in percent"
        )


def per_period_or_name(
    value: float | Mapping[str, float] | Sequence[float] | None, what: str
) -> float | dict[str, float] | tuple[float, ...] | None:
    """A limit as one number, by name or per period, checked."""
    if value is None:
        return None
    if hasattr(value, "items"):
        return {name: number(limit, f"{what} {name}", 0.0) for name, limit in by_name(value, what).items()}
    if isinstance(value, (list, tuple)) or getattr(value, "ndim", 0) == 1:
        given = in_order(value, what, "numbers, one per period")
        return tuple(number(limit, f"{what} in period {t}", 0.0) for t, limit in enumerate(given))
    return number(value, what, 0.0)
