"""Labels of Series and DataFrames in a batch: aligned by name with one another, or refused; never taken by position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InvalidInput, near_miss
from ..problem.validation import brief

PER_PROBLEM = ("max_turnover", "horizon_hours")


def aligned(given: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[Any, ...] | None]:
    """The arguments with pandas objects in one order of problems and protocols; and the protocols' labels, if any.

    The order is that of the first argument with labels. A DataFrame's rows are problems and its columns protocols. A
    Series is by protocol; for max_turnover and horizon_hours, by problem. Arguments without labels stay as they are.
    Raises InvalidInput where labels are others, or stand twice.
    """
    result, known = dict(given), dict[str, tuple[str, Any]]()
    for name, value in given.items():
        if not hasattr(value, "reindex"):
            if isinstance(value, Mapping):
                raise InvalidInput(f"{name} is {brief(value)}; give an array, or a pandas Series by protocol")
            continue
        for axis, labels in enumerate(value.axes):
            what = "problem" if (len(value.axes) == 2 and axis == 0) or name in PER_PROBLEM else "protocol"
            if not labels.is_unique:
                raise InvalidInput(f"{name} names {what} {brief(labels[labels.duplicated()][0])} more than once")
            if what not in known:
                known[what] = name, labels
                continue
            first, order = known[what]
            if not labels.equals(order):
                _require_same(name, list(labels), first, list(order), what)
                value = value.reindex(order, axis=axis)
        result[name] = value
    return result, tuple(known["protocol"][1]) if "protocol" in known else None


def _require_same(name: str, labels: Sequence[Any], first: str, order: Sequence[Any], what: str) -> None:
    """Raises InvalidInput where two arguments label other problems or protocols."""
    for label in labels:
        if label not in order:
            hint = near_miss(label, [each for each in order if isinstance(each, str)])
            raise InvalidInput(f"{name} names {what} {brief(label)}, which {first} does not; {hint}")
    for label in order:
        if label not in labels:
            raise InvalidInput(f"{name} does not name {what} {brief(label)}, which {first} does; give all of them")
