"""Problems from plain tables, as they stand in files: every key is a field of a record, and none is overlooked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, PlainValidator, WithJsonSchema

from ..errors import InvalidInput
from . import AllocationProblem, CDaR, CVaR, RateUncertainty, Scenarios, ShortfallChance, WorstCase
from .end import End
from .file_errors import read
from .goal_tables import goals as _goals
from .protocol_tables import (
    FileTable,
    LimitsTable,
    Number,
    Numbers,
    Periods,
    ProtocolTable,
    keys_of,
    number_of,
    record,
    spec_of,
    table_of,
)
from .risk import AnyRisk

UNBOUNDED = "none"
"""How a file says `capacity=None`: TOML has no null."""


def _capacity(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [number_of(each, f" in period {t}") for t, each in enumerate(value)]
    return None if value is None or value == UNBOUNDED else number_of(value)


def _risk(table: FileTable) -> AnyRisk:
    """The measure of risk that the keys are of: one has a key of its own, or all that are given are CVaR's."""
    given = table.given()
    fitting = [kind for kind in RISKS if set(given) <= set(keys_of(kind))]
    if not given or not fitting:
        of = ", or ".join(f"{' and '.join(keys_of(kind))} ({kind.__name__})" for kind in RISKS)
        raise InvalidInput(f"give {of}: the keys of one of them")
    kind = fitting[0]
    return RateUncertainty(**read(RobustTable, given).given()) if kind is RateUncertainty else kind(**given)


RISKS: tuple[type[AnyRisk], ...] = (CVaR, RateUncertainty, CDaR, WorstCase, ShortfallChance)
RobustTable = table_of(RateUncertainty, radius=Numbers)
ProblemTable = table_of(
    AllocationProblem,
    without=("protocols", "current"),
    protocols=dict[str, ProtocolTable],  # type: ignore[valid-type]
    current=dict[str, Number],
    capacity=Annotated[Any, PlainValidator(_capacity)],
    limits=LimitsTable,
    rates=dict[str, list[Number]],
    resources=dict[str, Periods],
    end=record(End),
    scenarios=record(
        Scenarios, rates=dict[str, list[Periods]], factors=dict[str, list[Periods]], probabilities=list[Number]
    ),
    goal=Annotated[Any, PlainValidator(_goals), WithJsonSchema({"type": ["object", "array"]})],
    risk=Annotated[
        table_of(
            CVaR,
            **dict.fromkeys(("budget", "max_drawdown", "drawdown_weight", "floor", "chance"), Number),
            radius=Numbers,
            sets=dict[str, list[Number]],
        ),
        AfterValidator(_risk),
    ],
)


def problem_from_dict(data: Mapping[str, Any]) -> AllocationProblem:
    """Make a problem of a plain table, as a TOML or JSON file holds it.

    Parameters
    ----------
    data
        Keys are the fields of AllocationProblem, Limits, ProtocolSpec and so on. The table of a protocol also takes
        `current` (share now, 0 where left out) and, where it has no `curve`, `rate` (USD/h per unit of share, or one
        per period).

    Returns
    -------
    AllocationProblem
        The problem; `problem_to_dict` gives an equal table back.

    Raises
    ------
    InvalidInput
        Where a key or value is wrong; the message names the key, the place and the near miss.

    Examples
    --------
    >>> from reallot import problem_from_dict
    >>> problem = problem_from_dict({"protocols": {"relay": {"rate": 2.1, "current": 1}, "compute": {"rate": 1.7}}})
    >>> problem.current
    {'relay': 1.0, 'compute': 0.0}
    """
    given = read(ProblemTable, data).given()
    if "protocols" not in given:
        raise InvalidInput("protocols is missing; give at least one, as [protocols.NAME] with a rate or a curve")
    tables, shares = given.pop("protocols"), given.pop("current", {})
    for name in shares:
        if name in tables and "current" in tables[name].given():
            raise InvalidInput(f"current.{name} is given and so is protocols.{name}.current; give one of them")
    current = {name: table.given().get("current", 0.0) for name, table in tables.items()}
    return AllocationProblem([spec_of(name, table) for name, table in tables.items()], current | shares, **given)
