"""The right door for a value that is no problem: which function makes a problem of it, or takes it as it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import InvalidInput
from .problem import AllocationProblem
from .validation import brief


def require_problem(value: Any) -> None:
    """Raises InvalidInput where `value` is no AllocationProblem, naming the function that takes what it is."""
    if not isinstance(value, AllocationProblem):
        raise InvalidInput(f"the problem is {brief(value)}; {door(value)}")


def door(value: Any) -> str:
    """What to do with a value that is handed over in place of a problem, in words."""
    if isinstance(getattr(value, "problem", None), AllocationProblem):
        return f"a {type(value).__name__} holds its problem: give its attribute `problem`"
    if hasattr(value, "columns"):
        return (
            "problem_from_frame(frame) makes a problem of a DataFrame with one row per protocol; "
            "backtest(table) takes recorded rates with one row per time"
        )
    if isinstance(value, Mapping):
        return "problem_from_dict(table) makes a problem of a plain table"
    if isinstance(value, (str, Path)):
        return "read_problem(path) makes a problem of a .toml or .json file"
    if getattr(value, "ndim", 0) or isinstance(value, (list, tuple)):
        return "allocate_many(rates, current) takes arrays; AllocationProblem(protocols, current) takes tables by name"
    return "give AllocationProblem(protocols, current)"
