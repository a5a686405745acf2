"""Present shares and rates as arrays in the order of the protocols, from mappings, or arrays that say their order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from ..errors import InvalidInput
from .column_checks import aligned, checked
from .protocol import ProtocolColumns
from .segments import FloatArray
from .validation import LARGEST, brief, by_name, in_order, known_names, number, numbers


@dataclass(frozen=True, eq=False)
class InOrder:
    """Numbers in the order of `names`: shares (protocols,), or rates (protocols,) or (periods, protocols)."""

    values: Any
    names: tuple[str, ...]


def arrays_in(changes: Mapping[str, Any], order: Iterable[str], table: ProtocolColumns) -> dict[str, InOrder]:
    """Rates and present shares among the changes that are arrays, of any library, in this order of names."""
    names = order if type(order) is tuple else tuple(in_order(order, "order", "names"))
    found = {name: changes[name] for name in ("rates", "current") if _is_array(changes.get(name))}
    return {name: ordered(values, names, name, table) for name, values in found.items()}


def _is_array(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or (hasattr(value, "__array__") and not hasattr(value, "items"))


def ordered(values: Any, names: tuple[str, ...], what: str, table: ProtocolColumns) -> InOrder:
    """`values` whose last axis is in this order, with the order checked: the problem's, or a permutation of it."""
    if hasattr(values, "reindex"):
        values = aligned(names, values, what)
    listed = isinstance(values, (list, tuple)) or not hasattr(values, "__array__")
    array = values if isinstance(values, np.ndarray) else np.array(values, dtype=object if listed else None)
    if array.ndim == 0 or array.shape[-1] != len(names):
        raise InvalidInput(f"{what} is {brief(values)}; give one number for each of the {len(names)} names in order")
    if names is table.names or names == table.names:
        return InOrder(array, table.names)
    known_names(names, table.place, "order")
    missing = next((name for name in table.names if name not in set(names)), None)
    if missing is not None or len(names) != len(table.names):
        raise InvalidInput(
            f"order has {len(names)} names, the problem {len(table.names)} protocols; name each of them once"
        )
    place = {name: i for i, name in enumerate(names)}
    return InOrder(array[..., [place[name] for name in table.names]], table.names)


def shares_in(given: InOrder) -> FloatArray:
    """The present shares, (protocols,), from an array in order."""
    return checked(given.names, given.values, lambda i: f"current {given.names[i]}", "current")


def shares_changed(given: Any, table: ProtocolColumns, before: FloatArray) -> FloatArray:
    """The present shares, (protocols,); names that are left out keep what they had."""
    if type(given) is InOrder:
        return shares_in(given)
    shares = by_name(given, "current")
    known_names(shares, table.place, "current")
    result = before.copy()
    result[[table.place[name] for name in shares]] = numbers(list(shares.values()), list(shares), "current ", 0.0)
    return result


def rates_of(given: Any, table: ProtocolColumns, periods: int) -> FloatArray:
    """Rates (USD/h per unit of share) in place of the protocols' own, (periods, protocols); NaN where none is given."""
    if type(given) is InOrder:
        result = _in_order(given, periods, list(table.curves))
    else:
        rates = by_name(given, "rates")
        known_names(rates, table.place, "rates")
        result = np.full((periods, len(table.names)), np.nan)
        if rates:
            result[:, [table.place[name] for name in rates]] = _series(rates, periods)
    for i, curves in table.each_curve():
        if result[0, i] == result[0, i] and not (len(curves) == 1 and curves[0].is_flat):
            raise InvalidInput(
                f"rates names {table.names[i]!r}, which has a curve; give that protocol one curve per period instead"
            )
    return result


def _in_order(given: InOrder, periods: int, curved: list[int]) -> FloatArray:
    """The rates of an array; for protocols with a curve, at the places `curved`, NaN is none."""
    names, values = given.names, given.values
    without = curved if curved and values.dtype.kind == "f" and np.isnan(values[..., curved]).all() else []
    if without:
        values = values.copy()
        values[..., without] = 0.0
    rows = values if values.ndim == 2 else [values] * periods
    if values.ndim > 2 or len(rows) != periods:
        raise InvalidInput(f"rates is {brief(values)}; give one number for each protocol, or (periods, protocols)")
    if values.ndim == 1:
        row = checked(names, values, lambda i: f"rates {names[i]} (USD/h)", "rate")
        result = np.tile(row, (periods, 1)) if periods > 1 else row[None, :]
    else:
        result = np.array([_in_period(names, row, t) for t, row in enumerate(rows)])
    result[:, without] = np.nan
    return result


def _in_period(names: tuple[str, ...], row: FloatArray, t: int) -> FloatArray:
    return checked(names, row, lambda i: f"rates {names[i]} (USD/h) in period {t}", "rate")


def _series(rates: Mapping[str, Any], periods: int) -> FloatArray:
    """Checked rates, (periods, names)."""
    values: list[Any] = list(rates.values())
    if all(type(row) in (tuple, list) and len(row) == periods for row in values) and (
        set(map(type, chain.from_iterable(values))) <= {float, np.float64}
    ):
        array = np.array(values, dtype=float)
        if (np.abs(array) <= LARGEST).all():
            return array.T
    return np.array([_one_series(name, each, periods) for name, each in rates.items()]).T


def _one_series(name: str, values: Any, periods: int) -> Sequence[float]:
    given = in_order(values, f"rates {name}", "one rate (USD/h) per period")
    series = [number(value, f"rates {name} (USD/h) in period {t}") for t, value in enumerate(given)]
    if len(series) != periods:
        raise InvalidInput(f"rates {name} has {len(series)} entries for {periods} periods; give one per period")
    return series


def series_by_name(names: Sequence[str], rates: FloatArray) -> dict[str, tuple[float, ...]]:
    """The rates that are given, one a period, by name."""
    rows = rates.T.tolist()
    return {name: tuple(row) for name, row in zip(names, rows, strict=True) if row[0] == row[0]}
