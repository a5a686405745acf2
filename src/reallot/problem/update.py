"""The same problem with other values: tables by name are merged, and where only they change, only they are checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from itertools import chain
from typing import Any

import numpy as np

from ..errors import InvalidInput, near_miss
from .arrays import RATE, FloatArray, ProblemArrays, earning_else
from .curve import EarningsCurve
from .effective import effective
from .problem import AllocationProblem, require_fractions
from .validation import LARGEST, by_name, known_names

BY_NAME = ("rates", "current", "resources")
KEPT = (*(field.name for field in fields(AllocationProblem)), "names", "current_shares")
"""What another problem with the same protocols and shares has in common with one."""


def changed(problem: AllocationProblem, **changes: Any) -> AllocationProblem:
    """`problem` with other values of its fields; raises InvalidInput, naming the near miss.

    rates (USD/h, one number or one per period), current and resources are by name, and names left out keep what they
    had; every other field is replaced as a whole.

    >>> problem = AllocationProblem({"relay": 2.1, "compute": 1.7}, {"relay": 0.4, "compute": 0.6})
    >>> later = changed(problem, rates={"relay": 2.2}, current={"relay": 0.5, "compute": 0.5})
    >>> later.rates, later.current, later.arrays.rate.tolist()
    ({'relay': (2.2,)}, {'relay': 0.5, 'compute': 0.5}, [[2.2, 1.7]])
    """
    known = [field.name for field in fields(problem)]
    for name in changes:
        if name not in known:
            raise InvalidInput(f"a problem has no {name!r}; {near_miss(name, known)}")
    tables = {name: by_name(changes[name], name) for name in BY_NAME if changes.get(name) is not None}
    if "rates" in tables:
        tables["rates"] = _series(tables["rates"], problem.periods)
    if tables.keys() == changes.keys():
        numbers = {name: _numbers(problem, name, table) for name, table in tables.items()}
        laid_out = _laid_out(problem, numbers)
        if laid_out is not None:
            return _like(problem, numbers, laid_out)
    if "resources" in tables:
        known_names(tables["resources"], problem.resources, "resources")
    merged = {name: {**(getattr(problem, name) or {}), **table} for name, table in tables.items()}
    return replace(problem, **{**changes, **merged})


def earning(problem: AllocationProblem, curves: Sequence[EarningsCurve]) -> AllocationProblem:
    """`problem` with these curves, one for each protocol in its order; nothing else is checked or laid out again.

    >>> problem = AllocationProblem({"relay": 2.1, "compute": 1.7}, {"relay": 0.4, "compute": 0.6})
    >>> earning(problem, [EarningsCurve.flat(2.5), EarningsCurve.flat(1.0)]).arrays.rate.tolist()
    [[2.5, 1.0]]
    """
    specs = tuple([spec.earning(curve) for spec, curve in zip(problem.specs, curves, strict=True)])
    varies = problem.rates is not None or problem.scenarios is not None or problem.risk is not None
    if varies or any(isinstance(spec.curve, tuple) for spec in problem.specs):
        return replace(problem, protocols=specs)
    numbers = problem.numbers.copy()
    numbers[RATE] = [curve.last_slope if curve.is_flat else math.nan for curve in curves]
    result = object.__new__(AllocationProblem)
    vars(result).update({name: getattr(problem, name) for name in KEPT}, protocols=specs, numbers=numbers)
    vars(result)["arrays"] = effective(earning_else(result, problem.arrays.as_given))
    return result


def _series(rates: Mapping[str, Any], periods: int) -> dict[str, Any]:
    """Rates with a bare number as that in every period."""
    return {name: rate if hasattr(rate, "__iter__") else (rate,) * periods for name, rate in rates.items()}


Table = tuple[dict[str, Any], list[int], FloatArray]
"""Values by name, as they are kept; positions of the names; the values as an array, (names,) or (names, periods)."""


def _numbers(problem: AllocationProblem, what: str, table: Mapping[str, Any]) -> Table | None:
    """The table, where all its names are known and all its values plain numbers that cannot be wrong; else None."""
    place = {name: i for i, name in enumerate(problem.names)}
    if not table.keys() <= place.keys():
        return None
    places = [place[name] for name in table]
    values: list[Any] = list(table.values())
    if what == "rates":
        specs, tuples = problem.specs, (tuple, list)
        if any(type(row) not in tuples or len(row) != problem.periods for row in values):
            return None
        if any(isinstance(specs[i].curve, tuple) or not specs[i].curve.is_flat for i in places):  # type: ignore[union-attr]
            return None
    elif what != "current":
        return None
    if not set(map(type, chain.from_iterable(values) if what == "rates" else values)) <= {float, np.float64}:
        return None
    array = np.array(values, dtype=float)
    if not (np.abs(array) <= LARGEST).all() or (what == "current" and (array < 0.0).any()):
        return None
    kept = map(tuple, array.tolist()) if what == "rates" else array.tolist()
    return dict(zip(table, kept, strict=True)), places, array


def _laid_out(problem: AllocationProblem, tables: Mapping[str, Table | None]) -> ProblemArrays | None:
    """The problem's arrays with these numbers in place; None where they reach further than rates and shares."""
    data = problem.arrays.as_given
    rate, current = data.rate, data.current
    for name, table in tables.items():
        if table is None:
            return None
        _, places, values = table
        if name == "rates":
            if problem.scenarios is not None:
                return None
            rate = data.rate.copy()
            rate[:, places] = values.T
        else:
            # pieces of curves reach to the present share, and so do floors for what may not shrink
            if data.curved or any(spec.decrease_floor > 0.0 for spec in problem.specs):
                return None
            current = data.current.copy()
            current[places] = values
    return effective(replace(data, rate=rate, current=current))


def _like(problem: AllocationProblem, tables: Mapping[str, Table | None], data: ProblemArrays) -> AllocationProblem:
    """The problem with these tables merged in, made without its checks: they have been passed."""
    values = {field.name: getattr(problem, field.name) for field in fields(problem)}
    for name, table in tables.items():
        assert table is not None
        values[name] = {**(values[name] or {}), **table[0]}
    require_fractions(problem.capacity, data.current)
    result = object.__new__(AllocationProblem)
    vars(result).update(values, names=problem.names, arrays=data)
    return result
