"""A body before anybody looks at it: JSON, not deep, every key once, every number one that there is."""

from __future__ import annotations

import json
import re
from typing import Any

from .problems import Problem

DEEPEST = 32
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def check(body: bytes, media: str) -> None:
    """Raises Problem where it is no JSON that a record can be made of."""
    if media.partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "media-type", "the body is read as application/json only")
    if _depth(body) > DEEPEST:
        raise Problem(400, "invalid", f"the body is nested deeper than {DEEPEST} levels")
    try:
        json.loads(body, object_pairs_hook=_once, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError):
        raise Problem(400, "invalid", "the body is no JSON: each key once, and only numbers that there are") from None


def _depth(body: bytes) -> int:
    deepest = depth = 0
    for sign in re.findall(rb"[\[{\]}]", _QUOTED.sub(b"", body)):
        depth += 1 if sign in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def _no_number(_: str) -> None:
    raise ValueError


def _finite(text: str) -> float:
    if (found := float(text)) in (float("inf"), float("-inf")):
        raise ValueError
    return found
