"""What fields of records hold: aware times, durations, shares, whole numbers; each checked where it enters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from ...errors import InvalidInput
from ...text.durations import RULE, parse_duration


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time without a zone; give an aware datetime, such as datetime.now(UTC)")
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _duration(value: Any) -> Any:
    """A duration as people write it, read; one in the form of ISO 8601, as records are stored, is left to pydantic."""
    if isinstance(value, str) and value.startswith(("P", "-P")):
        return value
    try:
        return parse_duration(value)
    except InvalidInput:
        raise ValueError(RULE) from None


Whole = Annotated[int, BeforeValidator(_whole)]
"""24, and 24.0 as 24."""
Moment = Annotated[datetime, AfterValidator(_utc)]
"""An aware time, kept as UTC."""
Share = Annotated[float, Field(ge=0.0, le=1.0 + 1e-9)]
"""A fraction of capacity."""
Part = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(ge=0.0)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
"""As people write it (`1h30m`), in seconds, or as a timedelta."""
Window = Annotated[timedelta, Field(ge=timedelta(0)), BeforeValidator(_duration)]
"""A duration of 0 or more."""
Step = Annotated[timedelta, Field(gt=timedelta(0)), BeforeValidator(_duration)]
"""A duration above 0."""


class Record(BaseModel):
    """Frozen, without unknown fields, without NaN; errors do not repeat what was put in."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True, ser_json_timedelta="iso8601"
    )
