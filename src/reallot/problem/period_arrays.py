"""The arrays of a problem whose numbers differ by period, or which has conditions at its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from .arrays import ProblemArrays, Statement, ceiling
from .end import End
from .per_period import PerPeriod, require_one_each
from .protocol import ProtocolColumns
from .validation import of_kind


def require_periods(table: ProtocolColumns, resources: Mapping[str, PerPeriod], end: End | None, periods: int) -> None:
    """Raises InvalidInput where a list has not one value per period, or the end names nobody."""
    if end is not None:
        of_kind(end, End, "end", "give End(at_least=..., at_most=..., values=...)")
        end.fit(table.place)
    for key, limit in resources.items():
        require_one_each(limit, periods, f"resource {key}")
    for i, own in table.varying.items():
        for key, each in own.items():
            require_one_each(each, periods, f"{table.names[i]}: {key}")


def with_periods(data: ProblemArrays, problem: Statement, end: End | None) -> ProblemArrays:
    """`data`, in which the value of the first period stands for all, with that of each period.

    Costs and fees are (periods, protocols) where any differs by period and there are several, else (protocols,).
    """
    table, changes = problem.table, dict[str, Any]()
    if table.varying:
        changes = _bounds(data, problem) | _costs(data, problem)
    totals = problem.totals
    if totals is not None:
        changes["totals"] = totals
    lower, upper = changes.get("lower", data.lower), changes.get("upper", data.upper)
    if end is not None:
        lower, upper = lower.copy(), upper.copy()
        for name, least in end.at_least.items():
            lower[-1, table.place[name]] = max(lower[-1, table.place[name]], least)
        for name, most in end.at_most.items():
            upper[-1, table.place[name]] = min(upper[-1, table.place[name]], most)
        changes |= {"lower": lower, "upper": upper}
        if end.values:
            changes["end_value"] = np.array([end.values.get(name, 0.0) for name in table.names])
    if changes.keys() & {"upper", "totals"}:
        most = np.minimum(upper, ceiling(problem))
        available = data.total if totals is None else totals[:, None]
        changes["reach"] = most if available is None else np.minimum(most, available)
    return replace(data, **changes)


def _bounds(data: ProblemArrays, problem: Statement) -> dict[str, Any]:
    """Floors and ceilings by period."""
    table = problem.table
    lower, upper = data.lower.copy(), data.upper.copy()
    for i, own in table.varying.items():
        if "min_share" in own:
            least = table.row(i)
            floor = np.array(own["min_share"])
            floor = np.maximum(floor, min(float(data.current[i]), least.decrease_floor))
            if least.lock_in is not None:
                floor[: least.lock_in.until] = np.maximum(floor[: least.lock_in.until], least.lock_in.share)
            lower[:, i] = floor
            if table["max_share"][i] != table["max_share"][i]:
                upper[:, i] = max(float(upper[0, i]), float(floor.max()) + 1.0)
        if "max_share" in own:
            upper[:, i] = own["max_share"]
    return {"lower": lower, "upper": upper}


def _costs(data: ProblemArrays, problem: Statement) -> dict[str, Any]:
    """Costs and fees by period, where any varies: (periods, protocols), of one period (protocols,)."""
    varying, periods = problem.table.varying, data.periods
    if not any(own.keys() - {"min_share", "max_share"} for own in varying.values()):
        return {}
    tables = {key: np.repeat(getattr(data, key)[None, :], periods, axis=0) for key in ("cost_in", "cost_out", "fee")}
    for i, own in varying.items():
        mine = problem.table.row(i)
        for field in ("cost_in", "cost_out"):
            given = getattr(mine, f"move_{field}")
            given = mine.move_cost if given is None else given
            if isinstance(given, tuple):
                tables[field][:, i] = given
        if "move_fee" in own:
            tables["fee"][:, i] = own["move_fee"]
    return {key: table[0] if periods == 1 else table for key, table in tables.items()}
