"""Named blocks of columns and rows: the table one draws on paper, as arrays."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InvalidInput

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True)
class Cells:
    """Entries of one block of the matrix: value[k] stands in row[k], column[k] of the block."""

    row: IntArray
    column: IntArray
    value: FloatArray


def cells(row: ArrayLike, column: ArrayLike, value: ArrayLike) -> Cells:
    """Cells from anything that broadcasts together."""
    rows, columns, values = np.broadcast_arrays(
        np.asarray(row, dtype=np.intp), np.asarray(column, dtype=np.intp), np.asarray(value, dtype=float)
    )
    return Cells(rows.ravel(), columns.ravel(), values.ravel())


LARGEST = 2.0**20
"""Coefficients of rows of money are at most so large: solvers take none from 1e15, and lose digits well before."""


def unit_of(*money: FloatArray) -> float:
    """The unit in which rows of such coefficients (USD) are written: 1, or a power of two where they are large."""
    largest = max((float(np.abs(each).max(initial=0.0)) for each in money), default=0.0)
    return 1.0 if largest <= LARGEST else 2.0 ** math.ceil(math.log2(largest / LARGEST))


def diagonal(values: ArrayLike, size: int) -> Cells:
    """`values` (a number or one per row) on the diagonal of a square block of `size`."""
    places = np.arange(size)
    return Cells(places, places, np.full(size, values, dtype=float))


@dataclass(frozen=True)
class Columns:
    """A block of variables, one per label: `gain` per unit, finite `lower` and `upper`, shapes (labels,)."""

    name: str
    labels: Sequence[Hashable]
    gain: FloatArray
    lower: FloatArray
    upper: FloatArray
    integer: bool = False

    def __post_init__(self) -> None:
        for what in ("gain", "lower", "upper"):
            array = np.full(len(self.labels), getattr(self, what), dtype=float)
            if not np.isfinite(array).all():
                raise InvalidInput(f"column block {self.name!r}: {what} has entries that are not finite")
            object.__setattr__(self, what, array)


@dataclass(frozen=True)
class Rows:
    """A block of constraints, lower <= sum over blocks of cells[block] @ x[block] <= upper, one per label."""

    name: str
    labels: Sequence[Hashable]
    cells: Mapping[str, Cells]
    lower: FloatArray
    upper: FloatArray

    def __post_init__(self) -> None:
        for what in ("lower", "upper"):
            array = np.full(len(self.labels), getattr(self, what), dtype=float)
            if np.isnan(array).any():
                raise InvalidInput(f"row block {self.name!r}: {what} has NaN")
            object.__setattr__(self, what, array)
        for block, part in self.cells.items():
            if part.row.size and part.row.max() >= len(self.labels):
                raise InvalidInput(
                    f"row block {self.name!r} has {len(self.labels)} rows; its cells in {block!r} name more"
                )
