"""Limits of a change beside max_change: up and down apart, as a part of the present share, in one direction only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from .arrays import ProblemArrays, Statement, limit_table
from .limits import Limits
from .segments import FloatArray

UP, DOWN = 1.0, -1.0


def own_limits(
    limits: Limits, sign: float, current: FloatArray, periods: int, place: Mapping[str, int]
) -> dict[str, FloatArray]:
    """By rule, the limits of increases (`sign` UP) or decreases (DOWN) beside max_change: (periods, protocols) each."""
    key, only = ("max_increase", "only_decrease") if sign == UP else ("max_decrease", "only_increase")
    result, value = {}, getattr(limits, key)
    if value is not None:
        result[key] = limit_table(value, periods, place)
    if limits.max_change_relative is not None:
        parts = limit_table(limits.max_change_relative, periods, place)
        result["max_change_relative"] = np.where(np.isfinite(parts), parts, 0.0) * current
        result["max_change_relative"][~np.isfinite(parts)] = np.inf
    names = getattr(limits, only)
    if names:
        result[only] = limit_table(dict.fromkeys(names, 0.0), periods, place)
    return result


def with_directions(data: ProblemArrays, problem: Statement) -> ProblemArrays:
    """The arrays with the tightest of these limits for increases and for decreases, where there are any."""
    given = (problem.limits, data.current, data.periods, problem.table.place)
    up, down = (list(own_limits(given[0], sign, *given[1:]).values()) for sign in (UP, DOWN))
    return replace(
        data,
        up=np.minimum.reduce([data.max_change, *up]),
        down=np.minimum.reduce([data.max_change, *down]),
    )
