"""Goals from plain tables, as they stand in files: one table, or a list in order; the keys tell which kind it is."""

from __future__ import annotations

from typing import Any

from ..errors import InvalidInput
from .file_errors import broken, read
from .goal import AnyGoal, Closest, Goal
from .protocol_tables import keys_of, table_of

GoalTable, ClosestTable = table_of(Goal), table_of(Closest)


def goals(value: Any) -> AnyGoal | tuple[AnyGoal, ...]:
    """The goal of a table, or the goals of a list; raises what pydantic collects where one is none."""
    if isinstance(value, (list, tuple)) and value:
        return tuple(_goal(each, f"[{k}]") for k, each in enumerate(value))
    return _goal(value)


def _goal(value: Any, part: str = "") -> AnyGoal:
    if isinstance(value, (Goal, Closest)):
        return value
    if not isinstance(value, dict):
        raise broken("give a table with at_least and minimise, or with shares", value, part)
    kind: type[Goal | Closest] = Closest if set(value) & set(keys_of(Closest)) else Goal
    try:
        given = read(ClosestTable if kind is Closest else GoalTable, value).given()
        return kind(**given)
    except InvalidInput as error:
        raise broken(str(error), None, part, whole=True) from None
