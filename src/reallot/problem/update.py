"""Problems made from another one with other numbers; what does not change is shared and not checked again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

import numpy as np

from ..errors import InvalidInput, near_miss
from .arrays import Statement
from .effective import effective
from .named_arrays import InOrder, arrays_in, rates_of, shares_changed
from .per_period import values_of
from .segments import FloatArray, greatest
from .validation import by_name, known_names, require_fractions, summing_up

BY_NAME = ("rates", "current", "resources")
"""Fields of which `updated` merges what is given by name."""
NUMBERS = {"rates", "current"}
"""Fields on which only arrays of numbers depend."""

Problem = TypeVar("Problem", bound=Statement)


def reaching(problem: Problem, kept: tuple[float, ...]) -> Problem:
    """The problem on the turn of a later goal: `kept` is what each goal before it came to, negative."""
    return problem._with(kept=kept, arrays=problem.arrays)


def updated(problem: Problem, order: Iterable[str] | None, changes: dict[str, Any]) -> Problem:
    """The problem with the changes by field; arrays among them are in this order."""
    if not changes.keys() <= NUMBERS:
        known = [field.name for field in fields(problem)]  # type: ignore[arg-type]
        for name in changes:
            if name not in known:
                raise InvalidInput(f"a problem has no {name!r}; {near_miss(name, known)}")
    if order is not None:
        changes |= arrays_in(changes, order, problem.table)
    merged = [name for name in BY_NAME if changes.get(name) is not None]
    if "rates" in merged and type(changes["rates"]) is not InOrder:
        changes["rates"] = _each_a_series(by_name(changes["rates"], "rates"), problem.periods)
    if changes.keys() <= NUMBERS and len(merged) == len(changes):
        return _with_numbers(problem, **changes)
    if "resources" in merged:
        known_names(by_name(changes["resources"], "resources"), problem.resources, "resources")
    for name in merged:
        if type(changes[name]) is not InOrder:
            changes[name] = {**(getattr(problem, name) or {}), **by_name(changes[name], name)}
    return replace(problem, **changes)  # type: ignore[type-var]


def _with_numbers(problem: Problem, rates: Any = None, current: Any = None) -> Problem:
    """The same with other rates, present shares or both; the arrays are shared where no more depends on them."""
    table, shares, values = problem.table, problem.current_shares, dict[str, Any]()
    if rates is not None:
        found = rates_of(rates, table, problem.periods)
        before = problem.rate_table
        is_given = found == found
        merges = np.count_nonzero(is_given) < is_given.size
        values["rate_table"] = np.where(is_given, found, before) if merges and before is not None else found
    if current is not None:
        shares = shares_changed(current, table, shares)
        require_fractions(problem.capacity if isinstance(problem.capacity, float) else None, shares)
        values["current_shares"] = summing_up(
            current.values if type(current) is InOrder else current, shares, problem.capacity, problem.reserve
        )
    result = problem._with(**values)
    for name in ("rates", "current"):
        if name in vars(result) and (rates if name == "rates" else current) is not None:
            del vars(result)[name]
    if "arrays" in vars(problem) and problem.scenarios is None and (current is None or _is_free_of(problem, shares)):
        data = problem.arrays.given or problem.arrays
        rate = data.rate if rates is None else np.where(is_given, found, data.rate) if merges else found
        data = data.changed(rate=rate, current=result.current_shares)
        vars(result).update(arrays=data if data.is_plain else effective(data))
    return result


def _is_free_of(problem: Statement, shares: FloatArray) -> bool:
    """True where neither these present shares nor those there are reach into curves and bounds."""
    most = min(values_of(problem.capacity or 0.0))
    bound = problem.arrays.pieces is not None or "decrease_floor" in problem.table.given
    bound = bound or problem.limits.max_change_relative is not None
    return not bound and max(greatest(shares), greatest(problem.current_shares)) <= most


def _each_a_series(rates: Mapping[str, Any], periods: int) -> dict[str, Any]:
    """Rates with a bare number as that in every period."""
    return {name: rate if hasattr(rate, "__iter__") else (rate,) * periods for name, rate in rates.items()}
