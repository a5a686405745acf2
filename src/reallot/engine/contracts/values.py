"""The base of all records, and what their fields hold: aware times, durations, shares, whole numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)

from ...errors import InvalidInput, ReallotError
from ...problem.tiers import REST, Tiers, plain
from ...text.durations import RULE, parse_duration


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time without a zone; give an aware datetime, such as datetime.now(UTC)")
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


IN_FILE = "in_file"
"""Key of the context in which a file is read that people write: there, a length of time says its unit."""


def _duration(value: Any, info: ValidationInfo) -> Any:
    """A duration as people write it, read; one in the form of ISO 8601, as records are stored, is left to pydantic."""
    if value and type(value) in (int, float) and info.context and info.context.get(IN_FILE):
        raise ValueError(RULE)
    if isinstance(value, str) and value.startswith(("P", "-P")):
        return value
    try:
        return parse_duration(value)
    except InvalidInput:
        raise ValueError(RULE) from None


def _in_tiers(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    if isinstance(value, Tiers):
        return value
    if not isinstance(value, (list, tuple)):
        return handler(value)
    try:
        return Tiers(value)
    except InvalidInput as error:
        raise ValueError(str(error)) from None


Whole = Annotated[int, BeforeValidator(_whole)]
"""24, and 24.0 as 24."""
Moment = Annotated[datetime, AfterValidator(_utc)]
"""An aware time, kept as UTC."""
Share = Annotated[float, Field(ge=0.0, le=1.0 + 1e-9)]
"""A fraction of capacity."""
Part = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(ge=0.0)]
if TYPE_CHECKING:
    MoveCost = float | Tiers
else:
    MoveCost = Annotated[
        float,
        Field(ge=0.0),
        WrapValidator(_in_tiers),
        PlainSerializer(lambda value: plain(value) if isinstance(value, Tiers) else value),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "number", "minimum": 0.0},
                    {"type": "array", "items": {"prefixItems": [{"anyOf": [{"type": "number"}, {"const": REST}]}]}},
                ]
            }
        ),
    ]
"""A price per unit of share, or tiers as (width, price) pairs."""
Window = Annotated[timedelta, Field(ge=timedelta(0)), BeforeValidator(_duration)]
"""A duration of 0 or more: as people write it (`1h30m`), in seconds, or as a timedelta."""
Step = Annotated[timedelta, Field(gt=timedelta(0)), BeforeValidator(_duration)]
"""A duration above 0."""


class Record(BaseModel):
    """Frozen, without unknown fields, without NaN; what cannot be raises `wrong`, in our own words."""

    wrong: ClassVar[type[ReallotError]] = InvalidInput
    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True, ser_json_timedelta="iso8601"
    )

    def __init__(self, /, **given: Any) -> None:
        try:
            self.__pydantic_validator__.validate_python(given, self_instance=self)
        except ValidationError as error:
            from ...problem.file_errors import in_words

            raise self.wrong(f"{type(self).__name__}: {in_words(error, type(self))}") from None

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]  # pydantic itself makes records without it

    def like(self, before: Record | None, **changes: Any) -> Self:
        """An equal record, but for `changes`, in less memory: what is as in `before`, the record before, is held once.

        Records of one kind then share the set of the fields that were given. Changes are not checked, and nothing of
        the record may be changed in place.

        >>> from reallot.engine.contracts.records import ResourceUtilization
        >>> used = ResourceUtilization(cpu=0.5)
        >>> used.like(None) == used and used.like(None).model_fields_set == {"cpu"}
        True
        >>> used.like(None, disk=1.0).model_dump(exclude_unset=True)
        {'cpu': 0.5, 'disk': 1.0}
        """
        kept = type(self).__new__(type(self))
        put = object.__setattr__
        known: dict[str, Any] = {} if before is None else before.__dict__
        for name, value in (self.__dict__ | changes).items():
            other: Any = known.get(name)
            equal = other is not value and type(other) is type(value) and other == value
            if equal and type(value) is dict:  # 1 is not True, nor 1.0
                equal = all(type(each) is type(other[key]) for key, each in value.items())
            put(kept, name, other if equal else value)
        given = self.model_fields_set | changes.keys()
        put(kept, "__pydantic_fields_set__", _given.setdefault(frozenset(given), given))
        put(kept, "__pydantic_extra__", None)
        put(kept, "__pydantic_private__", None)
        return kept


_given: dict[frozenset[str], set[str]] = {}
"""Sets of fields that were given, each held once."""
