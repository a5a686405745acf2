"""Columns of numbers checked at once; what is wrong is named by protocol and field, as a record names it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice
from operator import lt
from typing import Any

import numpy as np

from ..errors import InvalidInput, near_miss
from .curve import EarningsCurve
from .protocol import DEFAULTS, TIERED, LockIn, ProtocolColumns, ProtocolSpec, costs_of
from .segments import FloatArray, greatest, smallest
from .tiers import Tiers, first_price
from .validation import LARGEST, MOST, SMALLEST_STEP, brief, different, in_order, known_names, number

OPTIONAL = {"uses", *(key for key, default in DEFAULTS.items() if default is None)}
"""Columns in which NaN and None say that nothing is given."""


def checked(names: tuple[str, ...], values: Any, what: Callable[[int], str], key: str) -> FloatArray:
    """One number a protocol, or one for all, as the column of field `key`; NaN says None where the field may be that.

    Raises InvalidInput for the first number that cannot be, named by what(row).
    """
    optional = key in OPTIONAL
    low, high = -LARGEST if key == "rate" else 0.0, MOST.get(key, LARGEST)
    column = as_column(names, values, what, key)
    if smallest(column) >= low and greatest(column) <= high:  # a NaN makes both comparisons false
        return column
    wrong = ~((column >= low) & (column <= high))
    if optional:
        wrong &= column == column
    for i in wrong.nonzero()[0][:1].tolist():
        number(float(column[i]), what(i), low, MOST.get(key, math.inf))
    return column


def as_column(names: tuple[str, ...], values: Any, what: Callable[[int], str], key: str) -> FloatArray:
    """The values as an array of floats of their own, (protocols,), None as NaN; what is no number raises."""
    size = len(names)
    if hasattr(values, "reindex"):
        values = aligned(names, values, key)
    elif isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype(float), math.nan)
    if not hasattr(values, "__len__") or isinstance(values, (str, bytes)):
        return np.full(size, number(values, key))
    if len(values) != size or getattr(values, "ndim", 1) != 1 or hasattr(values, "items"):
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
    optional = key in OPTIONAL
    return np.array(
        [math.nan if optional and each is None else number_or_nan(each, what(i)) for i, each in enumerate(entries)]
    )


def aligned(names: tuple[str, ...], values: Any, key: str) -> Any:
    """A pandas Series as an array in the order of `names`: by its index, or as it comes where that counts rows only."""
    labels = values.index.tolist()
    if labels == list(names) or labels == list(range(len(names))):
        return values.to_numpy()
    if len(labels) != len(names) or set(labels) != set(names) or hasattr(values, "columns"):
        raise InvalidInput(
            f"{key} is {brief(values)} whose index is not the names of the protocols; give one number for each of "
            f"{len(names)} protocols, by name or in their order"
        )
    return values.loc[list(names)].to_numpy()


def number_or_nan(value: Any, what: str) -> float:
    """A float as it is, NaN included; else a number."""
    return value if isinstance(value, float) else number(value, what)


def require_rows(columns: ProtocolColumns) -> None:
    """Raises InvalidInput for the first row whose numbers contradict one another, as ProtocolSpec does."""
    steps, least, most = (columns.given.get(key) for key in ("step", "min_share", "max_share"))
    wrong = np.zeros(len(columns.names), dtype=bool)
    if steps is not None:
        wrong |= (steps > 0.0) & (steps < SMALLEST_STEP)
    if least is not None and most is not None:
        wrong |= most < least
    for i in wrong.nonzero()[0][:1].tolist():
        columns.row(i)


def require_bounds(columns: ProtocolColumns, resources: Collection[str], reserve: float) -> None:
    """Raises InvalidInput where, without a capacity, a share is bounded by nothing, or something is held in reserve."""
    if reserve:
        raise InvalidInput(f"reserve is {reserve:g} of no capacity; give a capacity, or no reserve")
    most = columns["max_share"]
    for i in np.flatnonzero(most != most).tolist():
        if not any(use > 0.0 and key in resources for key, use in columns.uses.get(i, {}).items()):
            raise InvalidInput(
                f"{columns.names[i]}: nothing bounds its share; give capacity, max_share or a resource use"
            )


def from_arrays(
    names: Sequence[str],
    rates: Any,
    numbers: Mapping[str, Any],
    curves: Mapping[str, Any],
    lock_ins: Mapping[str, LockIn],
    uses: Mapping[str, Any],
    others: Sequence[str],
) -> ProtocolColumns:
    """The table of arrays in the order of `names`; `others` are further keywords for a hint."""
    order = names_of(names)
    if hasattr(rates, "columns"):
        raise InvalidInput("rates is a DataFrame; give rates=frame[names].to_numpy(), one row for each period")

    def what(field: str) -> Callable[[int], str]:
        return lambda i: f"{order[i]}: {field}"

    for key in numbers:
        if key not in DEFAULTS:
            known = [*DEFAULTS, "curves", "lock_in", "uses", *others]
            raise InvalidInput(f"there is no field {key!r}; {near_miss(key, known)}")
    place = dict(zip(order, range(len(order)), strict=True)) if curves or lock_ins else {}
    for given, field in ((curves, "curves"), (lock_ins, "lock_in")):
        known_names(given, place, field)
    records = {place[name]: ProtocolSpec(name, curve) for name, curve in curves.items()}
    for name, lock_in in lock_ins.items():
        ProtocolSpec(name, 0.0, lock_in=lock_in)
    rate = rates[0] if getattr(rates, "ndim", 1) == 2 and len(rates) else rates
    rate = as_column(order, rate, what("rate (USD/h)"), "rate")
    for i, record in records.items():
        if rate[i] == rate[i]:
            raise InvalidInput(f"{order[i]}: both rate and curve are given; give one of them, and NaN as the rate")
        rate[i] = record.curve.rate if isinstance(record.curve, EarningsCurve) else math.nan
    bent = {i: record.curve for i, record in records.items() if rate[i] != rate[i]}
    rate[list(bent)] = 0.0
    rate = checked(order, rate, what("rate (USD/h)"), "rate")
    rate[list(bent)] = math.nan
    numbers, tiers = _first_prices(numbers, len(order))
    columns = {key: checked(order, values, what(key), key) for key, values in numbers.items()}
    table = ProtocolColumns(
        order,
        rate,
        columns,
        bent,  # type: ignore[arg-type]
        {place[name]: lock_in for name, lock_in in lock_ins.items()},
        _uses(order, uses),
        {i: costs_of(_costs_beside(columns, i) | own) for i, own in tiers.items()},
    )
    require_rows(table)
    return table


def _first_prices(numbers: Mapping[str, Any], size: int) -> tuple[dict[str, Any], dict[int, dict[str, Tiers]]]:
    """The numbers with the price of the first unit for Tiers, one or one a protocol; and the Tiers by row and field."""
    result, tiers = dict(numbers), dict[int, dict[str, Tiers]]()
    for key in TIERED:
        values = numbers.get(key)
        if isinstance(values, np.ndarray) and values.dtype != object:
            continue
        listed: Any = [values] * size if isinstance(values, Tiers) else values
        if not hasattr(listed, "__len__") or Tiers not in set(map(type, listed)):
            continue
        result[key] = list(map(first_price, listed))
        for i, cost in enumerate(listed):
            if isinstance(cost, Tiers):
                tiers.setdefault(i, {})[key] = cost
    return result, tiers


def _costs_beside(columns: Mapping[str, FloatArray], i: int) -> dict[str, float]:
    """The costs of changes that are given for row i, by field."""
    return {key: cost for key in TIERED if key in columns and (cost := float(columns[key][i])) == cost}


def names_of(given: Any) -> tuple[str, ...]:
    """Names in order, each of them once."""
    listed = given.tolist() if hasattr(given, "tolist") else given
    names = tuple(listed if isinstance(listed, (list, tuple)) else in_order(listed, "names", "names"))
    if _is_sorted(names):
        return names
    if set(map(type, names)) != {str} or "" in names:
        for name in names:
            if not isinstance(name, str) or not name:
                raise InvalidInput(f"a protocol's name is {brief(name)}; give a non-empty string")
    different(names)
    return names


def _is_sorted(names: tuple[Any, ...]) -> bool:
    """True for texts by name, as most long lists are: none is empty and none stands twice."""
    try:
        return type(names[0]) is str and names[0] > "" and all(map(lt, names, islice(names, 1, None)))
    except (IndexError, TypeError):  # no names, or a text beside something else
        return False


def _uses(names: tuple[str, ...], given: Mapping[str, Any]) -> dict[int, dict[str, float]]:
    """Uses by row, of those for which any is given."""
    result: dict[int, dict[str, float]] = {}
    for resource, values in given.items():
        column = checked(names, values, lambda i, r=resource: f"{names[i]}: uses {r}", "uses")  # type: ignore[misc]
        for i in (column == column).nonzero()[0].tolist():
            result.setdefault(i, {})[resource] = float(column[i])
    return result
