"""What a plan would be with other limits: one limit varied at a time, decided again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from ..errors import Infeasible, InvalidInput, near_miss
from ..problem import AllocationProblem, Limits
from ..problem.validation import of_kind, several
from .allocate import allocate
from .result import Allocation

if TYPE_CHECKING:
    import pandas as pd

FIELDS = ("capacity", "reserve", "allow_idle", "horizon_hours")
"""Fields of the problem that may be varied."""


def what_if(plan: Allocation, limits: Mapping[str, Iterable[Any]]) -> pd.DataFrame:
    """Decide a plan's problem again with other limits, one limit at a time.

    Parameters
    ----------
    plan
        A plan from `allocate` or a session.
    limits
        Values by limit: {"max_change": [0.1, 0.2, 0.3]}. A limit is a field of Limits, or `capacity`, `reserve`,
        `allow_idle` or `horizon_hours` of the problem.

    Returns
    -------
    pandas.DataFrame
        One row per limit and value: `limit`, `value`, `status` ("optimal", "stopped" or "infeasible"), `net_benefit`
        and `cost` (USD over the horizon), `earnings_per_hour` (USD/h), `turnover` (share), `moves` (number), and the
        share of each protocol under its name. Numbers are NaN where there is no plan.

    Raises
    ------
    InvalidInput
        Where a limit is unknown (the message names the near miss) or a value cannot be.

    Examples
    --------
    >>> from reallot import AllocationProblem, allocate, what_if
    >>> plan = allocate(AllocationProblem({"a": 2.0, "b": 1.0}, {"a": 0.3, "b": 0.7}))
    >>> what_if(plan, {"max_change": [0.1, 0.2]})["net_benefit"].round(9).tolist()
    [0.1, 0.2]
    """
    import pandas as pd

    of_kind(plan, Allocation, "the plan", "allocate(problem) makes the plan: what_if(allocate(problem), {...})")
    of_kind(limits, Mapping, "the limits", 'give values by limit, such as {"max_change": [0.1, 0.2]}')
    rows = [
        {"limit": name, "value": each, **_row(_varied(plan.problem, name, each))}
        for name, values in limits.items()
        for each in several(values, name, "values to try")
    ]
    columns = ["limit", "value", "status", "net_benefit", "cost", "earnings_per_hour", "turnover", "moves"]
    return pd.DataFrame(rows, columns=[*columns, *plan.problem.names])


def _varied(problem: AllocationProblem, name: str, each: Any) -> AllocationProblem:
    known = [field.name for field in fields(Limits)]
    if name in known:
        return replace(problem, limits=replace(problem.limits, **{name: each}))
    if name not in FIELDS:
        raise InvalidInput(f"there is no limit {name!r} to vary; {near_miss(name, [*known, *FIELDS])}")
    return replace(problem, **{name: each})


def _row(problem: AllocationProblem) -> dict[str, Any]:
    try:
        plan = allocate(problem)
    except Infeasible:
        return {"status": "infeasible"}
    return {
        "status": plan.status,
        "net_benefit": plan.net_benefit,
        "cost": plan.cost,
        "earnings_per_hour": plan.earnings_per_hour,
        "turnover": plan.turnover,
        "moves": float(len(plan.moves)),
        **dict(zip(problem.names, plan.schedule[0].tolist(), strict=True)),
    }
