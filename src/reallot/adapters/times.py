"""Times that sources report: a moment, a whole day, or never; what cannot be read is an error, never the present."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from email.utils import parsedate_to_datetime
from typing import Any
from zoneinfo import ZoneInfo

from ..engine.contracts.secrets import redact
from ..engine.contracts.validation import EARLIEST_YEAR
from ..errors import ConfigurationError, ErrorKind, ProtocolError

DAY = timedelta(days=1)
MOST_AHEAD = timedelta(days=2)
"""A time further ahead is no time of a reading: it is in another unit, or of something else."""
_LONGEST = 64
"""Characters of the longest text that is a time."""
_UNITS = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9))
"""Numbers below the first are counted in so many parts of a second: seconds, milli-, micro- and nanoseconds."""


def zone_of(name: str | None, where: str) -> tzinfo | None:
    """The time zone of that name; None for None. Raises ConfigurationError."""
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError, TypeError):
        raise ConfigurationError(
            f'{where}: time_zone {name!r} is not known; write it like "Europe/Berlin" or "UTC"'
        ) from None


def time_of(value: Any, zone: tzinfo | None = None) -> datetime | date | None:
    """A reported time: a moment in UTC, a day, or None for never (null, an empty text, 0, a year before 2000).

    It may be ISO 8601, RFC 2822, or a Unix time in seconds, milli-, micro- or nanoseconds. `zone` is that of times
    without one. Raises ProtocolError(SHAPE) for what cannot be read, and for a time without a zone where none is given.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    found: datetime | date | None = None
    if isinstance(value, str):
        text = value.strip()[: _LONGEST + 1]
        found = _written(text) if len(text) <= _LONGEST else None
    elif not isinstance(value, bool):
        found = _counted(value)
    if found is None:
        shown = repr(redact(value, 40)) if isinstance(value, str) else f"a {type(value).__name__}"
        raise ProtocolError(f"its time is {shown}, which cannot be read; ISO 8601 always can", ErrorKind.SHAPE)
    if found.year < EARLIEST_YEAR:
        return None
    if not isinstance(found, datetime):
        return found
    if found.tzinfo is None:
        if zone is None:
            raise ProtocolError(
                f'its time {found.isoformat()} has no zone; set time_zone = "UTC", or the zone it is in',
                ErrorKind.SHAPE,
            )
        found = found.replace(tzinfo=zone)
    return found.astimezone(UTC)


def moment_of(value: Any, zone: tzinfo | None = None) -> datetime | None:
    """As `time_of`; of a day, its end."""
    found = time_of(value, zone)
    return found if found is None or isinstance(found, datetime) else end_of(found, zone)


def end_of(day: date, zone: tzinfo | None = None) -> datetime:
    """The moment in UTC at which a day of `zone` (UTC without one) is over."""
    return datetime.combine(day + DAY, time(), zone or UTC).astimezone(UTC)


def _written(text: str) -> datetime | date | None:
    with suppress(ValueError):
        return date.fromisoformat(text)
    with suppress(ValueError):
        return datetime.fromisoformat(text)
    with suppress(ValueError):
        return _counted(float(text))
    with suppress(ValueError, TypeError, IndexError, OverflowError):
        found = parsedate_to_datetime(text)
        return found.replace(tzinfo=UTC) if text.endswith("-0000") else found
    return None


def _counted(value: Any) -> datetime | None:
    with suppress(ValueError, OverflowError, OSError, TypeError, ArithmeticError):
        number = float(value)
        parts = next((parts for most, parts in _UNITS if number < most), None)
        return None if parts is None else datetime.fromtimestamp(number / parts, UTC)
    return None
