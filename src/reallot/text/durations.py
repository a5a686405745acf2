"""Durations as people write them: 90s, 5m, 1h30m, 24h, 7d. What `format_duration` writes, `parse_duration` reads."""

from __future__ import annotations

import math
import re
from datetime import timedelta

from ..errors import InvalidInput

RULE = "give a number with its unit, such as 90s, 5m, 1h30m, 24h or 7d"
PATTERN = r"^(\s*[0-9]{1,12}(\.[0-9]{1,6})?\s*(d|h|min|ms|m|s))+\s*$"
"""What such a text looks like, as a regular expression for other programs."""
LONGEST = timedelta(days=36_525)
_UNITS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0, "ms": 1e-3}
_PART = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*(d|h|min|ms|m|s)", re.ASCII)


def parse_duration(value: object, what: str = "the duration") -> timedelta:
    """A text such as "1h30m", or a number of seconds, 0 or more; raises InvalidInput.

    >>> parse_duration("1h30m")
    datetime.timedelta(seconds=5400)
    """
    if isinstance(value, timedelta) and value >= timedelta(0):
        return value
    seconds = math.nan
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value) if abs(value) < 1e12 else math.nan
    elif isinstance(value, str):
        text = value.strip()
        parts = list(_PART.finditer(text))
        if parts and not _PART.sub("", text).strip():
            seconds = sum(float(part[1]) * _UNITS[part[2]] for part in parts)
    if not 0.0 <= seconds <= LONGEST.total_seconds():
        raise InvalidInput(f"{what}: {RULE}")
    return timedelta(seconds=seconds)


def format_duration(length: timedelta | float) -> str:
    """A duration of 0 or more (a number is seconds), to the minute from an hour on, to the second from a minute on.

    >>> format_duration(5400), format_duration(45), format_duration(86_400), format_duration(0.25)
    ('1h30m', '45s', '1d', '0.25s')
    """
    seconds = length.total_seconds() if isinstance(length, timedelta) else length
    if seconds < 59.95:
        return f"{round(seconds, 3):.3g}s"
    smallest = 1 if seconds < 3600.0 else 60
    parts, left = [], round(seconds / smallest) * smallest
    for unit in ("d", "h", "m", "s"):
        count, left = divmod(left, round(_UNITS[unit]))
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts)
