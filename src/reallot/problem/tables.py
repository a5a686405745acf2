"""Problems from plain tables, as they stand in files: every key is a field of a record, and none is overlooked.

The tables are pydantic models made of the records' own fields. They see to kinds and keys, and collect all that is
wrong; the records then check the numbers themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainValidator, WithJsonSchema, WrapValidator, create_model

from ..errors import InvalidInput
from . import AllocationProblem, CVaR, EarningsCurve, Group, Limits, LockIn, ProtocolSpec, RateUncertainty, Scenarios
from .file_errors import FileError, broken, read, record_fault
from .validation import number_rule

Schema = dict[str, Any]
UNBOUNDED = "none"
"""How a file says `capacity=None`: TOML has no null."""


class FileTable(BaseModel):
    """A table with known keys and no others."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    def given(self) -> dict[str, Any]:
        """The keys that stand in the file, with their values."""
        return {key: getattr(self, key) for key in type(self).model_fields if key in self.model_fields_set}


def keys_of(kind: type) -> tuple[str, ...]:
    """The field names of a record."""
    return tuple(field.name for field in fields(kind))


def _table_of(kind: type, without: tuple[str, ...] = (), **kinds: Any) -> type[FileTable]:
    """The table of a record: its fields, each as a file says it; `kinds` are those that are no plain values."""
    found: dict[str, Any] = {}
    for field in fields(kind):
        if field.name not in without:
            inner = kinds.pop(field.name, None) or _PLAIN[str(field.type).removesuffix(" | None")]
            is_needed = field.default is MISSING and field.default_factory is MISSING
            found[field.name] = (inner if field.default is not None else inner | None, ... if is_needed else None)
    others: dict[str, Any] = {key: (each, None) for key, each in kinds.items()}
    return create_model(kind.__name__, __base__=FileTable, **found, **others)


def _record(kind: type, **kinds: Any) -> Any:
    """A table that becomes a record; what is one already stays."""

    def made(value: Any, handler: Callable[[Any], FileTable]) -> Any:
        return value if isinstance(value, kind) else kind(**handler(value).given())

    return Annotated[_table_of(kind, **kinds), WrapValidator(made)]


# Values


def _number(value: Any, part: str = "") -> Any:
    if rule := number_rule(value):
        raise broken(rule, value, part)
    return value


def _truth(value: Any) -> Any:
    if not isinstance(value, bool):
        raise broken("give True or False", value)
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise broken("it must be a name", value)
    return value


def _periods(value: Any) -> Any:
    """A number, or one per period."""
    if isinstance(value, (list, tuple)):
        return [_number(each, f" in period {t}") for t, each in enumerate(value)]
    return _number(value)


def _numbers(value: Any) -> Any:
    """A number, or one per period, or one by name."""
    if isinstance(value, Mapping):
        return {name: _number(each, f".{name}") for name, each in value.items()}
    return _periods(value)


def _capacity(value: Any) -> Any:
    return None if value is None or value == UNBOUNDED else _number(value)


def _rate(value: Any) -> Any:
    """A flat curve, or one per period from a list of rates."""
    rates = _periods(value)
    return tuple(map(EarningsCurve.flat, rates)) if isinstance(rates, list) else EarningsCurve.flat(rates)


def _curve(value: Any) -> Any:
    """One curve from points, or one per period from a list of such (a bare number among them is a rate)."""
    if isinstance(value, (list, tuple)) and any(_is_nested(entry) for entry in value):
        return tuple(_one_curve(entry, f" of period {t}") for t, entry in enumerate(value))
    return _one_curve(value)


def _one_curve(value: Any, part: str = "") -> EarningsCurve:
    if isinstance(value, EarningsCurve):
        return value
    if isinstance(value, Mapping):
        given: dict[str, Any] = {"last_slope": 0.0, **read(CurveTable, value).given()}
        return _sound(lambda: EarningsCurve(**given), part)
    if isinstance(value, (list, tuple)):
        if not value or not all(isinstance(point, (list, tuple)) for point in value):
            raise broken("give points, such as [[0, 0], [0.3, 0.9]] (share, USD per hour)", value, part)
        for i, point in enumerate(value):
            for each in point:
                _number(each, f"{part}[{i}]")
        return _sound(lambda: EarningsCurve.through(value), part)
    return EarningsCurve.flat(_number(value, part))


def _sound(make: Callable[[], EarningsCurve], part: str) -> EarningsCurve:
    try:
        return make()
    except InvalidInput as error:
        raise broken(str(error), None, part, whole=True) from None


def _is_nested(entry: Any) -> bool:
    """True for what can only be a whole curve in a list, where a point would be two numbers."""
    if isinstance(entry, (EarningsCurve, Mapping)):
        return True
    return isinstance(entry, (list, tuple)) and any(isinstance(inner, (list, tuple)) for inner in entry)


def _risk(table: FileTable) -> CVaR | RateUncertainty:
    """CVaR or RateUncertainty: the keys decide."""
    given = table.given()
    is_tail, is_robust = (bool(set(given) & set(keys_of(kind))) for kind in (CVaR, RateUncertainty))
    if is_tail == is_robust:
        raise InvalidInput("give level and weight (CVaR), or radius and budget (RateUncertainty), not both")
    return CVaR(**given) if is_tail else RateUncertainty(**read(RobustTable, given).given())


NUMBER: Schema = {"type": "number"}
NUMBERS: Schema = {"type": "array", "items": NUMBER}
POINTS: Schema = {"type": "array", "items": {**NUMBERS, "minItems": 2, "maxItems": 2}}
BY_NAME: Schema = {"type": "object", "additionalProperties": NUMBER}
Number = Annotated[Any, PlainValidator(_number), WithJsonSchema(NUMBER)]
Name = Annotated[Any, PlainValidator(_name), WithJsonSchema({"type": "string", "minLength": 1})]
Numbers = Annotated[Any, PlainValidator(_numbers), WithJsonSchema({"anyOf": [NUMBER, NUMBERS, BY_NAME]})]
Held = Annotated[
    list[Name], WrapValidator(lambda value, handler: value if isinstance(value, Mapping) else handler(value))
]
Periods = Annotated[Any, PlainValidator(_periods), WithJsonSchema({"anyOf": [NUMBER, NUMBERS]})]
_PLAIN: Mapping[str, Any] = {
    "float": Number,
    "int": Number,
    "bool": Annotated[Any, PlainValidator(_truth), WithJsonSchema({"type": "boolean"})],
    "str": Name,
    "tuple[float, ...]": list[Number],
    "tuple[str, ...]": list[Name],
    "Mapping[str, float]": dict[str, Number],
}
"""How a file says a field, by what the field is annotated with."""
RATE = "USD/h per unit of share, or a list with one per period, in place of a curve."

# Tables

CurveTable = _table_of(EarningsCurve, without=("last_slope",), last_slope=Number)
RobustTable = _table_of(RateUncertainty, radius=Numbers)
LimitsTable = _record(Limits, max_change=Numbers, max_turnover=Numbers, held=Held, groups=list[_record(Group)])  # type: ignore[misc]
ProtocolTable = _table_of(
    ProtocolSpec,
    without=("name", "curve"),
    lock_in=_record(LockIn),
    rate=Annotated[Any, PlainValidator(_rate), WithJsonSchema({"anyOf": [NUMBER, NUMBERS], "description": RATE})],
    curve=Annotated[Any, PlainValidator(_curve), WithJsonSchema({"anyOf": [NUMBER, POINTS, {"type": "object"}]})],
    current=Number,
)
ProblemTable = _table_of(
    AllocationProblem,
    without=("protocols", "current"),
    protocols=dict[str, ProtocolTable],  # type: ignore[valid-type]
    current=dict[str, Number],
    capacity=Annotated[Any, PlainValidator(_capacity)],
    limits=LimitsTable,
    rates=dict[str, list[Number]],
    scenarios=_record(
        Scenarios, rates=dict[str, list[Periods]], factors=dict[str, list[Periods]], probabilities=list[Number]
    ),
    risk=Annotated[_table_of(CVaR, radius=Numbers, budget=Number), AfterValidator(_risk)],
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
    return AllocationProblem([_spec(name, table) for name, table in tables.items()], current | shares, **given)


def protocol_from_table(name: str, table: Mapping[str, Any]) -> ProtocolSpec:
    """One protocol of a file or a frame; raises FileError, with its place under `protocols`."""
    return _spec(name, read(ProtocolTable, table, ("protocols", name), ProblemTable))


def _spec(name: str, table: FileTable) -> ProtocolSpec:
    given = table.given()
    given.pop("current", None)
    curves = [given.pop(key) for key in ("rate", "curve") if key in given]
    try:
        if len(curves) != 1:
            both = "both rate and curve are given" if curves else "neither rate nor curve is given"
            raise InvalidInput(f"{both}; give one of them")
        return ProtocolSpec(name, curves[0], **given)
    except InvalidInput as error:
        fault = record_fault(("protocols", name), str(error).removeprefix(f"{name}: "), ProtocolTable)
    raise FileError.of([fault])
