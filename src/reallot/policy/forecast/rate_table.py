"""A table of past rates, checked at the edge, as an array on a scale that bears zeros, negatives and spikes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InvalidInput
from ...problem.arrays import FloatArray
from ...problem.validation import LARGEST

if TYPE_CHECKING:
    import pandas as pd

DAY_HOURS = 24.0
UNEVEN = 1e-3
"""A step may differ from the usual one by this part."""


@dataclass(frozen=True, eq=False)
class RateHistory:
    """Past rates as given, and where the clock goes on.

    names   the columns
    rates   (times, protocols) USD/h
    ahead   index of the next steps, as pandas continues it
    season  steps in a season: a day where the index has times and a day is a whole number of steps, else 1
    """

    names: tuple[str, ...]
    rates: FloatArray
    ahead: Any
    season: int


def history(rates: pd.DataFrame, steps: int, season: int | None = None) -> RateHistory:
    """The checked table; raises InvalidInput naming the column, the row and the way out."""
    steps = whole(steps, "steps")
    if not hasattr(rates, "columns") or not hasattr(rates, "index"):
        raise InvalidInput(f"rates is a {type(rates).__name__}; give a DataFrame: times in rows, protocols in columns")
    names = tuple(map(str, rates.columns))
    if not names:
        raise InvalidInput("rates has no columns; give one for each protocol")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidInput(f"rates has two columns {twice!r}; give each protocol one")
    hours, ahead = _clock(rates.index, steps)
    return RateHistory(names, _numbers(rates, names), ahead, _season(season, hours))


def whole(value: Any, what: str, low: int = 1) -> int:
    """`value` as an int of at least `low`; raises InvalidInput naming `what` otherwise."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise InvalidInput(f"{what} is {value!r}; it must be a whole number")
    if value < low:
        raise InvalidInput(f"{what} is {value}; it must be at least {low}")
    return int(value)


def typical_sizes(rates: FloatArray) -> FloatArray:
    """Typical size of each column, (protocols,) USD/h, always above 0: the median of what is not zero, without sign.

    A column of zeros takes the median of the others' sizes; where all are zeros it is 1.
    """
    sizes = np.abs(rates)
    found = np.array([np.median(column[column > 0.0]) if column.any() else 0.0 for column in sizes.T])
    others = float(np.median(found[found > 0.0])) if found.any() else 1.0
    return np.where(found > 0.0, found, others)


def _numbers(rates: pd.DataFrame, names: tuple[str, ...]) -> FloatArray:
    try:
        values = rates.to_numpy(dtype=float, copy=True)
    except (TypeError, ValueError):
        raise InvalidInput(f"rates {_wordy(rates, names)!r} holds what is not a number; give USD/h") from None
    bad = ~(np.abs(values) <= LARGEST)
    if bad.any():
        row, column = (int(place[0]) for place in bad.nonzero())
        raise InvalidInput(
            f"rates {names[column]!r} is {values[row, column]} at {rates.index[row]} ({int(bad.sum())} such cells in "
            "all); fill gaps first, for instance with rates.ffill(), or leave the column out"
        )
    return values


def _wordy(rates: pd.DataFrame, names: tuple[str, ...]) -> str:
    """The first column that holds no plain numbers."""
    import pandas as pd

    kinds = zip(names, rates.dtypes, strict=True)
    return next((name for name, kind in kinds if not pd.api.types.is_numeric_dtype(kind)), names[0])


def _clock(index: pd.Index, steps: int) -> tuple[float | None, Any]:
    """Hours in a step (None where the index has no times), and the index of the next `steps`."""
    import pandas as pd

    if len(index) < 2:
        raise InvalidInput(f"rates has {len(index)} rows; a forecast learns from a few hundred")
    timed = isinstance(index, pd.DatetimeIndex)
    if not timed and not pd.api.types.is_numeric_dtype(index.dtype):
        raise InvalidInput(f"the index of rates holds {index.dtype}; give times (pandas.to_datetime) or numbers")
    gaps = np.diff(index.to_numpy(dtype=np.int64 if timed else float))
    usual = np.median(gaps)
    wrong = (~(np.abs(gaps - usual) <= UNEVEN * abs(usual)) | ~(gaps > 0)).nonzero()[0]
    if len(wrong):
        before, after = index[wrong[0]], index[wrong[0] + 1]
        raise InvalidInput(
            f"the clock of rates is not even: {after} follows {before}, {len(wrong)} such places in all; sort the rows "
            "and put them on an even clock, for instance with rates.resample('1h').mean().ffill()"
        )
    step = (index[-1] - index[0]) / (len(index) - 1)
    if not timed:
        exact = int(step) if float(step).is_integer() and pd.api.types.is_integer_dtype(index.dtype) else step
        return None, pd.Index([index[-1] + exact * k for k in range(1, steps + 1)], name=index.name)
    step = pd.Timedelta(step).round("s") if pd.Timedelta(step) >= pd.Timedelta("1s") else pd.Timedelta(step)
    ahead = pd.DatetimeIndex([index[-1] + step * k for k in range(1, steps + 1)], name=index.name)
    return step / pd.Timedelta(hours=1), ahead


def _season(given: int | None, hours: float | None) -> int:
    if given is not None:
        return whole(given, "season (steps)")
    if hours is None:
        return 1
    day = DAY_HOURS / hours
    return round(day) if abs(day - round(day)) < 1e-6 and round(day) >= 2 else 1
