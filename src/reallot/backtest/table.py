"""A table of rates as everything in a backtest reads it: by name, on an even clock, without gaps."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidInput, near_miss
from ..problem.by_value import ByValue
from ..problem.validation import LARGEST, number

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RateTable(ByValue):
    """What each alternative earned, step by step; made by `read_table`.

    name        how results call it
    names       of the alternatives, in the order of all arrays
    times       (steps,) begin of each step: datetime64 in UTC, or numbers
    rates       (steps, n) USD/h per unit of share, as paid
    step_hours  length of a step
    quotes      (steps, n) what was announced for each step; None where nothing else than the rates was visible
    """

    name: str
    names: tuple[str, ...]
    times: NDArray[Any]
    rates: FloatArray
    step_hours: float
    quotes: FloatArray | None = None

    @property
    def index(self) -> pd.Index[Any]:
        """The times as a pandas index, in UTC."""
        import pandas as pd

        index: pd.Index[Any] = pd.Index(self.times, name="time")
        if self.times.dtype.kind == "M":
            index = pd.DatetimeIndex(self.times, tz="UTC", name="time")
        return index

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(self.rates)


def read_table(source: Any, *, signal: Any = None, step_hours: float | None = None, name: str = "") -> RateTable:
    """The table in `source`: a RateTable, a DataFrame (times by alternatives), a .csv, .csv.gz or .parquet file.

    In a file the first column holds the times (in Parquet the index may). `signal` is a second table of the same times
    and alternatives, in any order of columns: what was visible then, where that is not what was paid. `step_hours` is
    needed where the index holds numbers. Raises InvalidInput for gaps, unsorted or doubled times, an uneven clock, or a
    signal that does not fit; nothing is aligned by position.

    >>> import pandas as pd
    >>> times = pd.date_range("2026-01-01", periods=3, freq="h", tz="UTC")
    >>> table = read_table(pd.DataFrame({"relay": [2.0, 2.1, 2.0], "compute": [1.0, 1.2, 3.0]}, index=times))
    >>> table.names, table.step_hours, table.rates.shape
    (('relay', 'compute'), 1.0, (3, 2))
    """
    if isinstance(source, RateTable):
        if signal is not None:
            raise InvalidInput("the table was read already; give its signal where it is read: read_table(..., signal=)")
        return source
    frame, said = _frame(source)
    names, times, rates = _checked(frame, said)
    hours = _even(times, step_hours, said)
    quotes = None
    if signal is not None:
        quotes = _fitting(*_frame(signal), said, names, times)
    stem = Path(said).name.split(".")[0] if isinstance(source, (str, Path)) else "table"
    return RateTable(name or stem, names, times, rates, hours, quotes)


def _frame(source: Any) -> tuple[pd.DataFrame, str]:
    """The table as pandas has it, and how errors call it."""
    import pandas as pd

    if isinstance(source, pd.DataFrame):
        return source, "the table"
    if not isinstance(source, (str, Path)):
        raise InvalidInput(f"a table is a DataFrame or a .csv, .csv.gz or .parquet file, not a {type(source).__name__}")
    path = Path(source)
    _check_place(path)
    try:
        if path.name.endswith((".parquet", ".pq")):
            return _parquet(path), str(path)
        return _csv(path), str(path)
    except ImportError:
        raise InvalidInput(
            f"{path}: reading Parquet needs the package pyarrow; install it, or give a CSV file"
        ) from None
    except InvalidInput:
        raise
    except pd.errors.EmptyDataError:
        raise InvalidInput(
            f"{path}: cannot be read: it has no rows; give a line of names and one line for each step"
        ) from None
    except (OSError, ValueError, EOFError, zlib.error) as error:
        first = str(error).strip().splitlines()
        raise InvalidInput(f"{path}: cannot be read: {first[0] if first else type(error).__name__}") from None


def _check_place(path: Path) -> None:
    """Raises InvalidInput where there is no file of a kind that can be read."""
    if path.is_dir():
        raise InvalidInput(f"{path} is a folder; name a .csv, .csv.gz or .parquet file in it")
    if not path.is_file():
        beside = [each.name for each in path.parent.glob("*.*")] if path.parent.is_dir() else []
        hint = near_miss(path.name, beside)  # what else lies there is nobody's business
        raise InvalidInput(f"{path}: there is no such file{f'; {hint}' if hint.startswith('did you mean') else ''}")
    if not path.name.endswith((".parquet", ".pq", ".csv", ".csv.gz")):
        raise InvalidInput(f"{path}: a table is a .csv, .csv.gz or .parquet file")


def _parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    frame = pd.read_parquet(path)
    numbered = isinstance(frame.index, pd.RangeIndex) and len(frame.columns)
    if numbered and not pd.api.types.is_numeric_dtype(frame.dtypes.iloc[0]):
        frame = frame.set_index(frame.columns[0])
    return frame


def _csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    head = pd.read_csv(path, header=None, nrows=1, dtype=str)
    _check_head(head.iloc[0].tolist(), path)
    frame = pd.read_csv(path, index_col=0, header=None, skiprows=1, low_memory=False)
    if len(head.columns) - 1 != len(frame.columns):
        raise InvalidInput(f"{path}: its first line has {len(head.columns)} names, the next {len(frame.columns) + 1}")
    frame.columns = pd.Index(head.iloc[0, 1:].tolist())
    return frame


def _check_head(head: list[Any], path: Path) -> None:
    """Raises InvalidInput where the first line of a CSV file cannot be its names."""
    for sign, what in ((";", "';'"), ("\t", "tabs")):
        if len(head) == 1 and sign in str(head[0]):
            cure = f"pandas.read_csv({path.name!r}, sep={sign!r}, index_col=0)"
            raise InvalidInput(f"{path}: its columns are separated by {what}; use commas, or hand over {cure}")
    if len(head) > 1 and all(map(_is_number, head[1:])) and (_is_number(head[0]) or _holds_times(head[:1])):
        raise InvalidInput(
            f"{path}: its first line is {', '.join(map(str, head[:3]))} ...: numbers, not names; add a line of names "
            "above it, such as time,relay,compute"
        )


def _is_number(cell: Any) -> bool:
    try:
        return isinstance(cell, str) and float(cell) is not None
    except ValueError:
        return False


def _checked(frame: pd.DataFrame, said: str) -> tuple[tuple[str, ...], NDArray[Any], FloatArray]:
    import pandas as pd

    names = tuple(str(each).strip() for each in frame.columns)
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise InvalidInput(f"{said}: two columns are named {twice!r}")
    for name, column in zip(names, (frame.iloc[:, place] for place in range(len(names))), strict=True):
        if pd.api.types.is_numeric_dtype(column.dtype) or column.empty:
            continue
        is_time = isinstance(column.dtype, pd.PeriodDtype | pd.DatetimeTZDtype) or column.dtype.kind in "mM"
        if is_time or (pd.to_numeric(column, errors="coerce").isna().all() and _holds_times(column)):
            cure = f"make it the index: .set_index({name!r}), or the first column of a file"
            raise InvalidInput(f"{said}: the column {name!r} holds times; {cure}")
    if not names or len(frame) < 1:
        raise InvalidInput(f"{said}: {len(frame)} rows of {len(names)} alternatives; give at least one of each")
    times = _times(frame.index, said)
    return names, times, _numbers(frame, names, times, said)


def _times(index: pd.Index[Any], said: str) -> NDArray[Any]:
    """Begin of each step, strictly rising: datetime64 in UTC, or floats."""
    import pandas as pd

    times: NDArray[Any]
    if isinstance(index, pd.PeriodIndex):
        raise InvalidInput(f"{said}: its index holds periods; take the begin of each: .to_timestamp()")
    if pd.api.types.is_numeric_dtype(index.dtype) and not pd.api.types.is_bool_dtype(index.dtype):
        times = index.to_numpy(dtype=float)
        if not np.isfinite(times).all():
            raise InvalidInput(f"{said}: row {int(np.argmin(np.isfinite(times)))} has no time")
    else:
        try:
            texts = not pd.api.types.is_datetime64_any_dtype(index.dtype)  # 04/05/2026 is two days: only ISO is read
            moments = pd.DatetimeIndex(pd.to_datetime(index, utc=True, format="ISO8601" if texts else None))
        except (ValueError, TypeError, OverflowError) as error:
            wrong = next((repr(str(each)) for each in index if not _holds_times([each])), type(error).__name__)
            rule = "its index holds neither numbers nor times such as 2026-01-31T00:00Z"
            cure = "write times like that, or hand over a DataFrame whose index pandas.to_datetime has read"
            raise InvalidInput(f"{said}: {rule}, but {wrong}; {cure}") from None
        if moments.hasnans:
            raise InvalidInput(f"{said}: row {int(np.argmax(moments.isna()))} has no time")
        times = moments.tz_convert(None).as_unit("ns").to_numpy()
    back = np.flatnonzero(np.diff(times) <= np.zeros(1, dtype=np.diff(times[:1]).dtype))
    if back.size:
        first, then = times[back[0]], times[back[0] + 1]
        what = "stands twice" if first == then else f"is followed by {_shown(then)}"
        raise InvalidInput(f"{said}: {_shown(first)} {what}; times must rise from row to row")
    return times


def _numbers(frame: pd.DataFrame, names: tuple[str, ...], times: NDArray[Any], said: str) -> FloatArray:
    columns = []
    for place, name in enumerate(names):
        column = frame.iloc[:, place]
        try:
            values = column.to_numpy(dtype=float, na_value=np.nan)
        except (ValueError, TypeError) as error:
            raise InvalidInput(f"{said}: {name} holds what is no number: {str(error).splitlines()[0]}") from None
        wrong = ~(np.abs(values) <= LARGEST)
        if wrong.any():
            row = int(np.argmax(wrong))
            what = "has no rate" if np.isnan(values[row]) else f"is {values[row]:g}, beyond {LARGEST:g},"
            raise InvalidInput(
                f"{said}: {name} {what} at {_shown(times[row])} ({int(wrong.sum())} such in {name}); "
                "fill or drop gaps first"
            )
        columns.append(values)
    rates = np.ascontiguousarray(np.column_stack(columns))
    rates.setflags(write=False)
    return rates


def _holds_times(column: Any) -> bool:
    import pandas as pd

    return bool(
        pd.to_datetime(pd.Series(column).astype(str), utc=True, format="ISO8601", errors="coerce").notna().all()
    )


def _even(times: NDArray[Any], step_hours: float | None, said: str) -> float:
    """Hours of a step; raises where the clock is uneven."""
    given = None if step_hours is None else number(step_hours, "step_hours")
    if given is not None and given <= 0.0:
        raise InvalidInput(f"step_hours is {given:g}; it must be above 0")
    gaps = np.diff(times) / (np.timedelta64(3600, "s") if times.dtype.kind == "M" else 1.0)
    if gaps.size:
        usual = float(np.median(gaps))
        odd = np.flatnonzero(np.abs(gaps - usual) > 1e-6 * usual)
        if odd.size:
            at, unit = int(odd[0]), " h" if times.dtype.kind == "M" else ""
            raise InvalidInput(
                f"{said}: the clock is uneven: {gaps[at]:g}{unit} after {_shown(times[at])} where "
                f"{usual:g}{unit} are usual ({odd.size} such); bring it onto an even clock first"
            )
        if times.dtype.kind == "M":
            if given is not None and abs(given - usual) > 1e-6 * usual:
                raise InvalidInput(f"{said}: its times are {usual:g} h apart, step_hours says {given:g}; leave it out")
            return usual
    if given is None:
        what = "its index holds numbers" if times.dtype.kind != "M" else "it has one row"
        raise InvalidInput(f"{said}: {what}; say with step_hours how many hours a step has")
    return given


def _fitting(frame: pd.DataFrame, said: str, table: str, names: tuple[str, ...], times: NDArray[Any]) -> FloatArray:
    """The signal's numbers in the table's order; raises where its alternatives or times are others."""
    said = "the signal" if said == "the table" else said
    seen, moments, values = _checked(frame, said)
    for name in seen:
        if name not in names:
            raise InvalidInput(f"{said}: {name!r} is not in {table}; {near_miss(name, names)}")
    for name in names:
        if name not in seen:
            raise InvalidInput(f"{said}: {name!r} of {table} is missing; {near_miss(name, seen)}")
    if moments.dtype.kind != times.dtype.kind:
        raise InvalidInput(
            f"{said}: its index holds {'times' if moments.dtype.kind == 'M' else 'numbers'}, that of {table} not"
        )
    if len(moments) != len(times) or (moments != times).any():
        same = min(len(moments), len(times))
        other = np.flatnonzero(moments[:same] != times[:same])
        where = (
            f"row {int(other[0])} is {_shown(moments[other[0]])} there and {_shown(times[other[0]])} in {table}"
            if other.size
            else f"it has {len(moments)} rows, {table} {len(times)}"
        )
        raise InvalidInput(f"{said}: its times are others: {where}; give the same times in both")
    result = np.ascontiguousarray(values[:, [seen.index(name) for name in names]])
    result.setflags(write=False)
    return result


def _shown(time: Any) -> str:
    """A time as text."""
    return str(np.datetime_as_string(time, unit="s")) + "Z" if isinstance(time, np.datetime64) else f"{time:g}"
