"""The one edge at which an adapter's answer becomes a checked status, or an error with a kind."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from ...errors import ErrorKind, ProtocolError
from .records import ProtocolStatus, ResourceUtilization, SeriesKind
from .secrets import redact

MOST_EARNINGS = 1e9
"""USD/h that no protocol earns, or loses: beyond it a unit is wrong."""
MOST_JUMP = 100.0
"""A value that grows by more than this factor between two readings, at the same share, is not believed at once ..."""
STRIKES = 3
"""... but when it has come so many times."""
MOST_SKEW = timedelta(minutes=5)
"""A source's clock may be ahead of ours by so much."""
EARLIEST_YEAR = 2000
_NOTHING_SAID = ResourceUtilization()
_KINDS = (
    (OSError, ErrorKind.UNREACHABLE),
    ((ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError), ErrorKind.SHAPE),
)

UNREAD_QUOTE = "its quote cannot be read"
"""In the message of a status that has earnings, and not what is offered beside them."""


def failure(error: BaseException) -> tuple[ErrorKind, str, float | None]:
    """An exception of any type as (kind, words without secrets, seconds it asks to be left alone)."""
    if isinstance(error, ProtocolError):
        kind = error.kind if isinstance(error.kind, ErrorKind) else ErrorKind.TRANSIENT
        return kind, redact(_words(error)) or kind.value, _pause(error.retry_after_seconds)
    if isinstance(error, ValidationError):
        places = ", ".join(".".join(map(str, each["loc"])) or "it" for each in error.errors(include_input=False)[:3])
        return ErrorKind.SHAPE, f"a status that cannot be: {places}", None
    kind = next((kind for types, kind in _KINDS if isinstance(error, types)), ErrorKind.TRANSIENT)
    return kind, redact(f"{type(error).__name__}: {_words(error)}"), None


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "an error that cannot be put into words"


def _pause(seconds: Any) -> float | None:
    try:
        value = float(seconds)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) and value >= 0.0 else None


def amount(value: Any, what: str, most: float = MOST_EARNINGS, least: float = 0.0) -> float:
    """`value` as a float in [least, most]; Decimals and numpy scalars are taken, texts, None and NaN raise (SHAPE)."""
    if type(value) is float and least <= value <= most:
        return value + 0.0
    if value is None or isinstance(value, (bool, str, bytes, complex)):
        raise ProtocolError(f"{what} is {_shown(value)}, not a number", ErrorKind.SHAPE)
    try:
        result = float(value)
    except Exception:
        raise ProtocolError(f"{what} is {_shown(value)}, not a number", ErrorKind.SHAPE) from None
    if not math.isfinite(result):
        raise ProtocolError(f"{what} is {result}, not a finite number", ErrorKind.SHAPE)
    if result < 0.0 <= least:
        raise ProtocolError(f"{what} is {result:g}; it cannot be negative", ErrorKind.SHAPE)
    if not least <= result <= most:
        bound = f"at most {most:g}" if result > most else f"at least {least:g}"
        raise ProtocolError(f"{what} is {result:g}; {bound} is possible: is its unit right?", ErrorKind.SHAPE)
    return result + 0.0


def _shown(value: Any) -> str:
    return redact(repr(value), 40) if isinstance(value, (str, bytes, bool, type(None))) else type(value).__name__


def checked(answer: Any, protocol: str, now: datetime, before: ProtocolStatus | None = None) -> ProtocolStatus:
    """What an adapter answered as a status of `protocol`, observed `now`; raises ProtocolError where it cannot be.

    A status without a value and without a reason has never reported. What is as in `before`, the status of the poll
    before, is held once.
    """
    if not isinstance(answer, ProtocolStatus):
        raise ProtocolError(f"get_status gave a {type(answer).__name__}, not a ProtocolStatus", ErrorKind.SHAPE)
    kind = answer.error if isinstance(answer.error, ErrorKind) or answer.error is None else ErrorKind.SHAPE
    if kind is not None and kind is not ErrorKind.NEVER_REPORTED:
        raise ProtocolError(answer.message or kind.value, kind)
    changes: dict[str, Any] = {"protocol": protocol, "observed_at": now, "connected": True, "error": None}
    if answer.quote is not None:
        changes["quote"] = amount(answer.quote, "the quote (USD/h)", least=-MOST_EARNINGS)
    if answer.quote is not None and answer.allocation == 0.0 and answer.earnings_per_hour is None:
        changes |= {"earnings_per_hour": 0.0, "message": ""}  # it says what it would pay, and holds nothing
    elif answer.earnings_per_hour is None or kind is not None:
        changes |= {"earnings_per_hour": None, "error": ErrorKind.NEVER_REPORTED}
        changes["message"] = redact(str(answer.message)) or "it has not reported a value yet"
    else:
        changes["earnings_per_hour"] = amount(answer.earnings_per_hour, "earnings (USD/h)", least=-MOST_EARNINGS)
        if answer.series is SeriesKind.EXTRAPOLATION:
            raise ProtocolError("its earnings are an extrapolation of its own, which is no reading", ErrorKind.SHAPE)
        changes["message"] = redact(str(answer.message)) if answer.message else ""
    if answer.allocation is not None:
        changes["allocation"] = share(answer.allocation)
    changes["source_time"] = _source_time(answer.source_time, now)
    changes["details"] = {
        redact(str(key)): redact(value) if isinstance(value, str) else value
        for key, value in answer.details.items()
        if isinstance(value, (str, int, bool, type(None))) or (isinstance(value, float) and math.isfinite(value))
    }
    changes["utilization"] = _utilization(answer.utilization)
    return answer.like(before, **changes)


def share(value: Any) -> float:
    """`value` as a share in [0, 1]; raises ProtocolError(SHAPE)."""
    return min(amount(value, "the share", 1.0 + 1e-9), 1.0)


def _source_time(moment: datetime | None, now: datetime) -> datetime | None:
    if moment is None or moment.tzinfo is None or moment.year < EARLIEST_YEAR or moment > now + MOST_SKEW:
        return None
    return moment


def _utilization(found: Any) -> ResourceUtilization:
    if not isinstance(found, ResourceUtilization):
        return _NOTHING_SAID
    if type(found) is ResourceUtilization:
        said = [part for part in vars(found).values() if part is not None]
        if all(type(part) is float and 0.0 <= part <= 1.0 for part in said):
            return found
    parts = {name: getattr(found, name, None) for name in ResourceUtilization.model_fields}
    used = {name: min(amount(part, f"{name} use", 1.0 + 1e-6), 1.0) for name, part in parts.items() if part is not None}
    return ResourceUtilization(**used) if used else _NOTHING_SAID


class SpikeFilter:
    """Holds back a value many times the one before, until it has come three times in a row.

    A unit that changed under the same name looks like that; so does a first big customer, who is believed later.
    """

    def __init__(self, most_jump: float = MOST_JUMP, strikes: int = STRIKES) -> None:
        self._most_jump, self._strikes = most_jump, strikes
        self._believed: float | None = None
        self._share: float | None = None
        self._doubted: list[float] = []

    def admit(self, value: float, at_share: float | None) -> None:
        """Takes `value`, or raises ProtocolError(SHAPE)."""
        before = self._believed if at_share == self._share else None
        if before and abs(value) > self._most_jump * abs(before):
            low, high = sorted((value / 2.0, value * 2.0))
            alike = [each for each in self._doubted if low <= each <= high]
            self._doubted = [*alike, value]
            if len(self._doubted) < self._strikes:
                raise ProtocolError(
                    f"earnings went from {before:g} to {value:g} USD/h, {abs(value / before):.0f}-fold: "
                    f"believed when it comes {self._strikes} times (now {len(self._doubted)})",
                    ErrorKind.SHAPE,
                )
        self._doubted.clear()
        self._believed, self._share = value or self._believed, at_share
