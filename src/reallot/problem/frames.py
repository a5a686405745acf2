"""A DataFrame with one protocol a row as columns: numbers are checked a column at once, odd rows on their own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

import numpy as np

from ..errors import InvalidInput, near_miss
from .curve import EarningsCurve
from .limits import Limits
from .per_period import varying_of
from .protocol import DEFAULTS, Curves, LockIn, ProtocolColumns, ProtocolSpec, costs_of
from .segments import BoolArray, FloatArray, greatest, smallest
from .tiers import first_price
from .validation import LARGEST, MOST, SMALLEST_STEP, number, number_rule

COLUMNS = (*(each.name for each in fields(ProtocolSpec) if each.name != "name"), "rate", "current")
OBJECTS = ("curve", "lock_in", "uses")
"""Columns that hold more than numbers."""
NONE_IS_SAID = {each.name for each in fields(ProtocolSpec) if each.default is None or each.default is MISSING}
"""Fields of which a missing cell says that nothing is given."""


def from_frame(frame: Any, others: Sequence[str] = ()) -> tuple[ProtocolColumns, FloatArray]:
    """The protocols of a frame and their present shares, in the order of its rows.

    Raises InvalidInput in the words of files; `others` are the keywords that are no columns.
    """
    names, columns = _pandas(frame) if hasattr(frame, "index") else _any(frame)
    for key in columns:
        if key not in COLUMNS:
            raise InvalidInput(f"the frame: unknown key {key!r}; {_hint(str(key), others)}")
    if not names:
        raise InvalidInput("the frame has no rows; give one for each protocol")
    for name in names:
        if not isinstance(name, str) or not name:
            where = "index" if hasattr(frame, "index") else "column 'name'"
            raise InvalidInput(f"the frame's {where} holds {name!r}; it must hold the protocols' names")
    return _FrameRows(names, columns).checked()


def _pandas(frame: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Names from the index, and the columns as they are."""
    if not hasattr(frame, "columns"):
        raise InvalidInput(
            f"the frame is a {type(frame).__name__}; give a pandas DataFrame with protocols in its index"
        )
    if "name" in frame.columns:
        raise InvalidInput("the frame has a column 'name'; names are its index: use frame.set_index('name')")
    for what, labels in (("column", frame.columns), ("protocol", frame.index)):
        if not labels.is_unique:
            raise InvalidInput(f"the frame names {what} {labels[labels.duplicated()][0]!r} more than once")
    return tuple(frame.index.tolist()), {key: _values(column) for key, column in frame.items()}


def _values(column: Any) -> Any:
    """A column of pandas as an array of floats where it holds numbers, NaN where they are missing; else its cells."""
    kind = getattr(column.dtype, "kind", "O")
    if kind not in "iuf":
        return column.tolist()
    if isinstance(column.dtype, np.dtype):
        return column.to_numpy()
    # the sum of single precision is off by its rounding
    kind = np.float32 if str(column.dtype) == "Float32" else float
    return column.to_numpy(dtype=kind, na_value=math.nan)


def _any(frame: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The same from any DataFrame that narwhals knows (polars, pyarrow); they have no index, names are a column."""
    columns = columns_of(frame)
    if "name" not in columns:
        raise InvalidInput("the frame has no column 'name'; give one with the protocols' names")
    names = tuple(columns.pop("name"))
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInput(f"the frame names protocol {twice!r} more than once")
    return names, columns


def columns_of(frame: Any) -> dict[str, Any]:
    """The columns of any DataFrame that narwhals knows: numbers as arrays, NaN where they are missing; else lists."""
    if not hasattr(frame, "columns") and not hasattr(frame, "column_names"):
        raise InvalidInput(
            f"the frame is a {type(frame).__name__}; give a pandas DataFrame with protocols in its index"
        )
    try:
        import narwhals.stable.v1 as nw
    except ImportError:
        from ..errors import how_to_install

        raise InvalidInput(
            f"the frame is a {type(frame).__name__}; frames of other libraries than pandas need narwhals: "
            f"{how_to_install('frames')}"
        ) from None
    try:
        table = nw.from_native(frame, eager_only=True)
    except TypeError:
        raise InvalidInput(f"the frame is a {type(frame).__name__}; give a DataFrame with one protocol a row") from None
    columns: dict[str, Any] = {}
    for key in table.columns:
        column = table[key]
        is_number = column.dtype.is_numeric() and not column.dtype.is_decimal()
        columns[key] = column.cast(nw.Float64).to_numpy() if is_number else column.to_list()
        if column.dtype == nw.Float32:
            columns[key] = columns[key].astype(np.float32)
    return columns


def _hint(key: str, others: Sequence[str]) -> str:
    """The near miss among the columns, else the argument that the key is, else the columns."""
    hint = near_miss(key, COLUMNS)
    if hint.startswith("did you mean"):
        return hint
    if key in others:
        return f"give it as an argument, {key}=..."
    if key in {each.name for each in fields(Limits)}:
        return f"give it as an argument, limits=Limits({key}=...)"
    return hint


class _FrameRows:
    """The rows of a frame: numbers as arrays, and which rows have to be read one by one."""

    def __init__(self, names: tuple[str, ...], columns: Mapping[str, Any]) -> None:
        self.names, self.columns = names, columns
        self.odd: BoolArray = np.zeros(len(names), dtype=bool)

    def checked(self) -> tuple[ProtocolColumns, FloatArray]:
        """The table and the present shares; raises InvalidInput for the first row that cannot be."""
        curves = self._objects("curve", _curve)
        lock_ins = self._objects("lock_in", _lock_in)
        uses = self._objects("uses", _uses)
        given = {key: self._numbers(key, values) for key, values in self.columns.items() if key not in OBJECTS}
        size = len(self.names)
        tiers, varying = dict[int, Any](), dict[int, Any]()
        rate, shares = given.pop("rate", None), given.pop("current", None)
        rate = np.full(size, math.nan) if rate is None else rate
        if curves or not (size and smallest(rate) >= -LARGEST and greatest(rate) <= LARGEST):  # false for a NaN
            # one of rate and curve, and not both
            self.odd |= np.where(self._is_in(curves), rate == rate, ~(np.abs(rate) <= LARGEST))
        self._compare(given)
        for i in self.odd.nonzero()[0].tolist():
            spec = self._record(i)
            curve: Any = spec.curve
            rate[i] = math.nan if isinstance(curve, tuple) else curve.rate
            own = costs_of(vars(spec)) if "_in_tiers" in vars(spec) else {}
            lists, records = varying_of(vars(spec)), (curve, spec.lock_in, spec.uses, own)
            for found, value in zip((curves, lock_ins, uses, tiers, varying), (*records, lists), strict=True):
                found.pop(i, None)
                if value and not (found is curves and rate[i] == rate[i]):
                    found[i] = value
            for key, column in given.items():
                value = first_price(getattr(spec, key))
                column[i] = math.nan if value is None else value
        for i in [i for i, curve in curves.items() if isinstance(curve, EarningsCurve) and curve.is_flat]:
            rate[i] = curves.pop(i).rate
        table = ProtocolColumns(self.names, rate, given, curves, lock_ins, uses, tiers, varying)
        if shares is not None and getattr(self.columns["current"], "dtype", None) == np.float32:
            shares = shares.astype(np.float32)
        return table, np.zeros(size) if shares is None else shares

    def _is_in(self, found: Mapping[int, Any]) -> BoolArray:
        result = np.zeros(len(self.names), dtype=bool)
        result[list(found)] = True
        return result

    def _objects(self, key: str, read: Callable[[Any], Any]) -> dict[int, Any]:
        """What a column of more than numbers holds, by row; rows that cannot be read so are marked as odd."""
        found: dict[int, Any] = {}
        for i, cell in enumerate(self.columns.get(key, ())):
            if is_missing(cell):
                continue
            try:
                found[i] = read(cell)
            except (InvalidInput, TypeError, ValueError):
                self.odd[i] = True
        return found

    def _numbers(self, key: str, values: Any) -> FloatArray:
        """A column as floats; rows with what is no number that the field may be are marked as odd."""
        if isinstance(values, np.ndarray):
            column: FloatArray = values.astype(float)
        else:
            column = np.full(len(self.names), math.nan)
            for i, cell in enumerate(values):
                if type(cell) is float:
                    column[i] = cell
                elif not is_missing(cell) and not number_rule(cell):
                    column[i] = float(cell)
                elif cell is not None or key not in NONE_IS_SAID:
                    self.odd[i] |= key != "rate" or not is_missing(cell)
        high = MOST.get(key, LARGEST)
        # comparisons with a NaN are false
        if key != "rate" and not (column.size and smallest(column) >= 0.0 and greatest(column) <= high):
            wrong = ~((column >= 0.0) & (column <= high))
            self.odd |= wrong & (column == column) if DEFAULTS.get(key, 0.0) is None else wrong
        return column

    def _compare(self, given: Mapping[str, FloatArray]) -> None:
        """Marks rows whose numbers contradict one another."""
        if "step" in given:
            self.odd |= (given["step"] > 0.0) & (given["step"] < SMALLEST_STEP)
        if "max_share" in given and "min_share" in given:
            self.odd |= given["max_share"] < given["min_share"]

    def _record(self, i: int) -> ProtocolSpec:
        """Row `i` as a record, read as a table of a file is; raises InvalidInput for what is wrong in it."""
        from .protocol_tables import protocol_from_table

        cells = {key: _cell(values[i]) for key, values in self.columns.items()}
        return protocol_from_table(
            self.names[i], {key: cell for key, cell in cells.items() if not _is_left_out(key, cell, cells)}
        )


def _curve(cell: Any) -> Curves:
    """A curve, curves a period, or points; what else may stand in a file is read with its row."""
    if isinstance(cell, EarningsCurve):
        return cell
    if not isinstance(cell, (list, tuple)) or not cell:
        raise TypeError
    if all(isinstance(each, EarningsCurve) for each in cell):
        return tuple(cell)
    if not all(isinstance(point, (list, tuple)) and point and type(point[0]) in (int, float) for point in cell):
        raise TypeError
    return EarningsCurve.through(cell)


def _lock_in(cell: Any) -> LockIn:
    return cell if isinstance(cell, LockIn) else LockIn(**cell)


def _uses(cell: Any) -> Mapping[str, float]:
    if not isinstance(cell, dict) or not all(isinstance(key, str) for key in cell):
        raise TypeError
    return {key: number(value, key, 0.0) for key, value in cell.items()}


def _cell(value: Any) -> Any:
    """A number of NumPy's as one of Python's."""
    return value.item() if isinstance(value, (np.floating, np.integer)) else value


def _is_left_out(key: str, cell: Any, cells: Mapping[str, Any]) -> bool:
    """True for a missing cell where that says something; a missing number elsewhere stays and is refused."""
    if not is_missing(cell):
        return False
    if key in ("rate", "curve"):
        other = "curve" if key == "rate" else "rate"
        return other in cells and not is_missing(cells[other])
    return key in NONE_IS_SAID or key == "uses"


def is_missing(cell: Any) -> bool:
    """True for None, NaN, and what other libraries say in their place."""
    if cell is None or (isinstance(cell, float) and cell != cell):
        return True
    if isinstance(cell, (str, int, float, list, tuple, dict)):
        return False
    import pandas as pd

    return bool(pd.api.types.is_scalar(cell)) and bool(pd.isna(cell))
