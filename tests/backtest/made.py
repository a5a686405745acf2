"""Tables of rates made with a seed, for tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from reallot.backtest.table import RateTable, read_table
from reallot.policy.base import FloatArray, Observation


def times(steps: int, minutes: int = 60) -> pd.DatetimeIndex:
    """An even clock."""
    return pd.date_range("2026-01-01", periods=steps, freq=f"{minutes}min", tz="UTC")


def rates(seed: int, steps: int = 60, count: int = 4) -> FloatArray:
    """(steps, count) levels that wander, with noise and a rare spike."""
    draw = np.random.default_rng(seed)
    levels = 3.0 + np.cumsum(0.3 * draw.standard_normal((steps, count)), axis=0)
    spikes = np.where(draw.random((steps, count)) < 0.03, 10.0, 1.0)
    made: FloatArray = levels * (1.0 + 0.2 * draw.standard_normal((steps, count))) * spikes
    return made


def table(values: FloatArray, quotes: FloatArray | None = None, minutes: int = 60) -> RateTable:
    """A table of these rates, alternatives named a, b, c ..."""
    names, index = [chr(ord("a") + i) for i in range(values.shape[1])], times(len(values), minutes)
    signal = None if quotes is None else pd.DataFrame(quotes, index=index, columns=names)
    return read_table(pd.DataFrame(values, index=index, columns=names), signal=signal)


class Spy:
    """Follows the newest number, and keeps all that it was shown in a list outside of itself."""

    name = "spy"

    def __init__(self, seen: list[Observation]) -> None:
        self.seen = seen

    def __deepcopy__(self, memo: Any) -> Spy:
        return Spy(self.seen)

    def decide(self, observation: Observation) -> Any:
        self.seen.append(observation)
        target = np.zeros(observation.terms.size)
        target[int(np.nanargmax(observation.rates))] = 1.0
        return target
