"""Protocols and limits from plain tables, as they stand in files and frames: every key is a field of a record.

The tables are pydantic models made of the records' own fields. They see to kinds and keys, and collect all that is
wrong; the records then check the numbers themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, PlainValidator, WithJsonSchema, WrapValidator, create_model

from ..errors import InvalidInput
from .curve import EarningsCurve
from .file_errors import FileError, broken, read, record_fault
from .goal import Near
from .largest import Largest
from .limits import Group, Limits
from .linear_rule import LinearRule
from .protocol import LockIn, ProtocolSpec
from .tiers import REST, Tiers
from .validation import number_rule

Schema = dict[str, Any]
Made = TypeVar("Made")


class FileTable(BaseModel):
    """A table with known keys and no others."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    def given(self) -> dict[str, Any]:
        """The keys that stand in the file, with their values."""
        return {key: getattr(self, key) for key in type(self).model_fields if key in self.model_fields_set}


def keys_of(kind: type) -> tuple[str, ...]:
    """The field names of a record."""
    return tuple(field.name for field in fields(kind))


def table_of(kind: type, without: tuple[str, ...] = (), **kinds: Any) -> type[FileTable]:
    """The table of a record: its fields, each as a file says it; `kinds` are those that are no plain values."""
    found: dict[str, Any] = {}
    for field in fields(kind):
        if field.name not in without:
            inner = kinds.pop(field.name, None) or _PLAIN[str(field.type).removesuffix(" | None")]
            is_needed = field.default is MISSING and field.default_factory is MISSING
            found[field.name] = (inner if field.default is not None else inner | None, ... if is_needed else None)
    others: dict[str, Any] = {key: (each, None) for key, each in kinds.items()}
    return create_model(kind.__name__, __base__=FileTable, **found, **others)


def record(kind: type, **kinds: Any) -> Any:
    """A table that becomes a record; what is one already stays."""

    def made(value: Any, handler: Callable[[Any], FileTable]) -> Any:
        return value if isinstance(value, kind) else kind(**handler(value).given())

    return Annotated[table_of(kind, **kinds), WrapValidator(made)]


# Values


def number_of(value: Any, part: str = "") -> Any:
    """The number as it stands; raises what pydantic collects where it is none."""
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
        return [number_of(each, f" in period {t}") for t, each in enumerate(value)]
    return number_of(value)


def _numbers(value: Any) -> Any:
    """A number, or one per period, or one by name."""
    if isinstance(value, Mapping):
        return {name: number_of(each, f".{name}") for name, each in value.items()}
    return _periods(value)


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
                number_of(each, f"{part}[{i}]")
        return _sound(lambda: EarningsCurve.through(value), part)
    return EarningsCurve.flat(number_of(value, part))


def _sound(make: Callable[[], Made], part: str = "") -> Made:
    try:
        return make()
    except InvalidInput as error:
        raise broken(str(error), None, part, whole=True) from None


def _rule_of(text: str) -> LinearRule:
    try:
        return LinearRule.of_text(text)
    except InvalidInput as error:
        raise broken(str(error).removeprefix(f"rule {text!r}: "), None) from None


def _is_nested(entry: Any) -> bool:
    """True for what can only be a whole curve in a list, where a point would be two numbers."""
    if isinstance(entry, (EarningsCurve, Mapping)):
        return True
    return isinstance(entry, (list, tuple)) and any(isinstance(inner, (list, tuple)) for inner in entry)


def _tiers(value: Any) -> Any:
    """Tiers from (width, price) pairs, the last one's width "rest"."""
    if isinstance(value, Tiers):
        return value
    if not isinstance(value, (list, tuple)):
        raise broken(f'give tiers, such as [[0.1, 0.02], ["{REST}", 0.2]] (width, USD per unit)', value)
    return _sound(lambda: Tiers(value))


def _cost(value: Any) -> Any:
    """A number, a number per period, or tiers."""
    is_tiers = isinstance(value, Tiers) or (
        isinstance(value, (list, tuple)) and any(isinstance(each, (list, tuple)) for each in value)
    )
    return _tiers(value) if is_tiers else _periods(value)


NUMBER: Schema = {"type": "number"}
NUMBERS: Schema = {"type": "array", "items": NUMBER}
POINTS: Schema = {"type": "array", "items": {**NUMBERS, "minItems": 2, "maxItems": 2}}
BY_NAME: Schema = {"type": "object", "additionalProperties": NUMBER}
TIERS: Schema = {
    "type": "array",
    "items": {"type": "array", "prefixItems": [{"anyOf": [NUMBER, {"const": REST}]}, NUMBER], "minItems": 2},
}
Number = Annotated[Any, PlainValidator(number_of), WithJsonSchema(NUMBER)]
TiersTable = Annotated[Any, PlainValidator(_tiers), WithJsonSchema(TIERS)]
Name = Annotated[Any, PlainValidator(_name), WithJsonSchema({"type": "string", "minLength": 1})]
Numbers = Annotated[Any, PlainValidator(_numbers), WithJsonSchema({"anyOf": [NUMBER, NUMBERS, BY_NAME]})]
Held = Annotated[
    list[Name], WrapValidator(lambda value, handler: value if isinstance(value, Mapping) else handler(value))
]
Periods = Annotated[Any, PlainValidator(_periods), WithJsonSchema({"anyOf": [NUMBER, NUMBERS]})]
_PLAIN: Mapping[str, Any] = {
    "float": Number,
    "EachPeriod": Periods,
    "PerPeriod": Periods,
    "EachPeriod | Tiers": Annotated[Any, PlainValidator(_cost), WithJsonSchema({"anyOf": [NUMBER, NUMBERS, TIERS]})],
    "Tiers": TiersTable,
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

CurveTable = table_of(EarningsCurve, without=("last_slope",), last_slope=Number)
_RuleRecord = record(LinearRule, coefficients=dict[str, Number])
RuleOrText = Annotated[
    _RuleRecord,  # type: ignore[valid-type]
    WrapValidator(lambda value, handler: _rule_of(value) if isinstance(value, str) else handler(value)),
]
LimitsTable = record(
    Limits,
    **dict.fromkeys(("max_change", "max_turnover", "max_increase", "max_decrease", "max_change_relative"), Numbers),
    **dict.fromkeys(("only_increase", "only_decrease"), list[Name]),
    held=Held,
    groups=list[record(Group)],  # type: ignore[misc]
    rules=list[RuleOrText],
    near=record(Near),
    largest=record(Largest),
)
ProtocolTable = table_of(
    ProtocolSpec,
    without=("name", "curve"),
    lock_in=record(LockIn),
    rate=Annotated[Any, PlainValidator(_rate), WithJsonSchema({"anyOf": [NUMBER, NUMBERS], "description": RATE})],
    curve=Annotated[Any, PlainValidator(_curve), WithJsonSchema({"anyOf": [NUMBER, POINTS, {"type": "object"}]})],
    current=Number,
)
PlacesTable = create_model(
    "PlacesTable",
    __base__=FileTable,
    limits=(LimitsTable, None),
    protocols=(dict[str, ProtocolTable], None),  # type: ignore[valid-type]
)
"""Where else a key of a protocol may belong."""


def protocol_from_table(name: str, table: Mapping[str, Any]) -> ProtocolSpec:
    """One protocol of a file or a frame; raises FileError, with its place under `protocols`."""
    return spec_of(name, read(ProtocolTable, table, ("protocols", name), PlacesTable))


def spec_of(name: str, table: FileTable) -> ProtocolSpec:
    """The record of a protocol's table; raises FileError in its words."""
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
