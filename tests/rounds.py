"""Which cases of a test the quick round runs: a few that differ most, and the rest in the round of all tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def quick(*few: Any, rest: Iterable[Any]) -> list[Any]:
    """Values for `parametrize`: `few` as they are, and what else there is in `rest` marked `slow`."""
    return [*few, *(pytest.param(value, marks=pytest.mark.slow) for value in rest if value not in few)]
