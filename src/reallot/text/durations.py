"""Lengths of time as people write them: 90s, 5m, 1h30m, 24h, 7d."""

from __future__ import annotations

import math
import re
from datetime import timedelta

from ..errors import InvalidInput

RULE = "give a number with its unit, such as 90s, 5m, 1h30m, 24h or 7d"
LONGEST = timedelta(days=36_525)
_UNITS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0, "ms": 1e-3}
_PART = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*(d|h|min|ms|m|s)", re.ASCII)


def length(value: object, what: str = "the length of time") -> timedelta:
    """A text such as "1h30m", or a number of seconds, 0 or more; raises InvalidInput.

    >>> length("1h30m")
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


def said(seconds: float) -> str:
    """The way back, as short as it stays true: 1h30m.

    >>> said(5400.0), said(45.0), said(86_400.0)
    ('1h30m', '45s', '1d')
    """
    parts, left = [], round(seconds)
    for unit in ("d", "h", "m"):
        count, left = divmod(left, round(_UNITS[unit]))
        parts += [f"{count}{unit}"] if count else []
    if left or not parts:
        parts.append(f"{left}s")
    return "".join(parts[:2])
