"""Which cases of a test the quick round runs: a few that differ most, and the rest in the round of all tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def quick(*few: Any, rest: Iterable[Any]) -> list[Any]:
    """Values for `parametrize`, tuples for several names: `few` as they are, what else is in `rest` marked `slow`."""
    others = [value if isinstance(value, tuple) else (value,) for value in rest if value not in few]
    return [*few, *(pytest.param(*value, marks=pytest.mark.slow) for value in others)]
