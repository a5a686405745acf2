"""A linear program as data: blocks assembled once into arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidInput
from .blocks import Columns, FloatArray, IntArray, Rows
from .show import show

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True)
class LinearProgram:
    """A linear program as data: named blocks of columns and rows, joined into arrays when asked for.

    It maximises offset + gain @ x over lower <= x <= upper and row_lower <= matrix @ x <= row_upper. Columns marked
    integer take whole values. A program is never changed: a change is a new program.

    Parameters
    ----------
    columns
        Blocks of columns, each with gains and bounds.
    rows
        Blocks of rows, each with limits and its entries by column block.
    offset
        Constant in the objective (USD).
    known
        (columns,) a feasible point from which a search over whole numbers may begin. None where none is known.

    Raises
    ------
    InvalidInput
        Where two blocks share a name, or a row refers to columns that are not there.

    Examples
    --------
    >>> from reallot import AllocationProblem, formulate
    >>> program = formulate(AllocationProblem({"relay": 2.0, "compute": 1.0}, {"relay": 0.5, "compute": 0.5}))
    >>> program.column_count, program.row_count, program.is_mixed_integer
    (6, 3, False)
    """

    columns: tuple[Columns, ...]
    rows: tuple[Rows, ...]
    offset: float = 0.0
    known: FloatArray | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "rows", tuple(self.rows))
        for what, blocks in (("column", self.columns), ("row", self.rows)):
            names = [block.name for block in blocks]
            if len(set(names)) != len(names):
                raise InvalidInput(f"two {what} blocks share a name: {', '.join(names)}")
        sizes = {block.name: len(block.labels) for block in self.columns}
        for block in self.rows:
            for name, part in block.cells.items():
                if name not in sizes:
                    raise InvalidInput(
                        f"row block {block.name!r} refers to columns {name!r}; this program has {', '.join(sizes)}"
                    )
                if part.column.size and part.column.max() >= sizes[name]:
                    raise InvalidInput(f"row block {block.name!r} names a column beyond the {sizes[name]} of {name!r}")

    @cached_property
    def column_slices(self) -> dict[str, slice]:
        """Slice of each column block in x, by name."""
        return _slices([(block.name, len(block.labels)) for block in self.columns])

    @cached_property
    def row_slices(self) -> dict[str, slice]:
        """Slice of each row block among the rows, by name."""
        return _slices([(block.name, len(block.labels)) for block in self.rows])

    @cached_property
    def gain(self) -> FloatArray:
        """Gain of each column, (columns,)."""
        return _joined([block.gain for block in self.columns])

    @cached_property
    def lower(self) -> FloatArray:
        """Lower bound of each column, (columns,)."""
        return _joined([block.lower for block in self.columns])

    @cached_property
    def upper(self) -> FloatArray:
        """Upper bound of each column, (columns,)."""
        return _joined([block.upper for block in self.columns])

    @cached_property
    def integer(self) -> NDArray[np.bool_]:
        """True for columns that take whole values, (columns,)."""
        return np.concatenate([np.full(len(block.labels), block.integer) for block in self.columns])

    @cached_property
    def row_lower(self) -> FloatArray:
        """Lower limit of each row, (rows,)."""
        return _joined([block.lower for block in self.rows])

    @cached_property
    def row_upper(self) -> FloatArray:
        """Upper limit of each row, (rows,)."""
        return _joined([block.upper for block in self.rows])

    @cached_property
    def entries(self) -> tuple[IntArray, IntArray, FloatArray]:
        """Row, column and value of every entry of the matrix; a place may come more than once and then adds up."""
        rows, columns, values = [np.empty(0, np.intp)], [np.empty(0, np.intp)], [np.empty(0)]
        for block in self.rows:
            row_start = self.row_slices[block.name].start
            for name, part in block.cells.items():
                rows.append(part.row + row_start)
                columns.append(part.column + self.column_slices[name].start)
                values.append(part.value)
        return np.concatenate(rows), np.concatenate(columns), np.concatenate(values)

    @cached_property
    def matrix(self) -> csr_array:
        """The matrix as scipy's CSR array, (rows, columns), entries of one place added."""
        from scipy.sparse import coo_array

        rows, columns, values = self.entries
        return coo_array((values, (rows, columns)), shape=(self.row_count, self.column_count)).tocsr()

    @property
    def column_count(self) -> int:
        """Number of columns."""
        return self.gain.size

    @property
    def row_count(self) -> int:
        """Number of rows."""
        return self.row_lower.size

    @property
    def is_mixed_integer(self) -> bool:
        """True where any column takes whole values."""
        return any(block.integer and len(block.labels) > 0 for block in self.columns)

    def with_numbers(
        self,
        *,
        gain: FloatArray | None = None,
        lower: FloatArray | None = None,
        upper: FloatArray | None = None,
        row_lower: FloatArray | None = None,
        row_upper: FloatArray | None = None,
        offset: float | None = None,
    ) -> LinearProgram:
        """Return a program with the same blocks and matrix and other numbers.

        Nothing is checked and the matrix is not assembled again: this is for many programs of one shape.

        Parameters
        ----------
        gain, lower, upper
            (columns,) gains and bounds. None keeps them.
        row_lower, row_upper
            (rows,) limits. None keeps them.
        offset
            Constant in the objective. None keeps it.

        Returns
        -------
        LinearProgram
            The new program.
        """
        whole = {"gain": gain, "lower": lower, "upper": upper}
        sides = {"lower": row_lower, "upper": row_upper}
        kept = ("column_slices", "row_slices", "integer", "entries", "matrix")
        result: LinearProgram = _like(self, {name: vars(self)[name] for name in kept if name in vars(self)})
        vars(result).update(
            columns=_cut(self.columns, self.column_slices, whole),
            rows=_cut(self.rows, self.row_slices, sides),
            offset=self.offset if offset is None else offset,
        )
        given = whole | {f"row_{side}": values for side, values in sides.items()}
        for name, values in given.items():
            if values is not None or name in vars(self):
                vars(result)[name] = vars(self)[name] if values is None else values
        return result

    def beginning_at(self, known: FloatArray | None) -> LinearProgram:
        """Return the same program with another point to begin at.

        Parameters
        ----------
        known
            (columns,) a feasible point. None where none is known.

        Returns
        -------
        LinearProgram
            The new program.
        """
        result = self.with_numbers()
        vars(result)["known"] = known
        return result

    def objective(self, x: FloatArray) -> float:
        """Return the objective at a point: offset + gain @ x.

        Parameters
        ----------
        x
            (columns,) the point.

        Returns
        -------
        float
            USD over the horizon.
        """
        return self.offset + float(self.gain @ x)

    def activity(self, x: FloatArray) -> FloatArray:
        """Return the activity of every row at a point: matrix @ x.

        Parameters
        ----------
        x
            (columns,) the point.

        Returns
        -------
        numpy.ndarray
            (rows,) activities.
        """
        rows, columns, values = self.entries
        return sums(rows, values * x[columns], self.row_count)

    def reduced_gain(self, row_prices: FloatArray) -> FloatArray:
        """Return the reduced gain of every column: gain - matrix.T @ row_prices.

        Parameters
        ----------
        row_prices
            (rows,) dual values.

        Returns
        -------
        numpy.ndarray
            (columns,) what one unit of each column adds at these prices.
        """
        rows, columns, values = self.entries
        return self.gain - sums(columns, values * row_prices[rows], self.column_count)

    def row_label(self, index: int) -> str:
        """Return the name of one row for people.

        Parameters
        ----------
        index
            Number of the row.

        Returns
        -------
        str
            Block and label.
        """
        return _label(self.rows, self.row_slices, index)

    def column_label(self, index: int) -> str:
        """Return the name of one column for people.

        Parameters
        ----------
        index
            Number of the column.

        Returns
        -------
        str
            Block and label.
        """
        return _label(self.columns, self.column_slices, index)

    def show(self) -> str:
        """Return the program as a table of blocks, for people.

        Returns
        -------
        str
            Lines of text.
        """
        return show(self.columns, self.rows, self.offset)


def sums(places: IntArray, values: FloatArray, size: int) -> FloatArray:
    """Sum of `values` at each of `size` places, (size,)."""
    return np.bincount(places, weights=values, minlength=size).astype(float, copy=False)


def _like(record: Any, values: Mapping[str, Any]) -> Any:
    """A record of the same class with these values, made without its checks."""
    result = object.__new__(type(record))
    vars(result).update(values)
    return result


def _cut(
    blocks: tuple[Any, ...], slices: Mapping[str, slice], arrays: Mapping[str, FloatArray | None]
) -> tuple[Any, ...]:
    """The blocks with their parts of the arrays in place of their own; the same blocks where there are none."""
    given = {name: values for name, values in arrays.items() if values is not None}
    if not given:
        return blocks
    parts = [(block, slices[block.name]) for block in blocks]
    return tuple(
        _like(block, vars(block) | {name: values[span] for name, values in given.items()}) for block, span in parts
    )


def _slices(sizes: list[tuple[str, int]]) -> dict[str, slice]:
    result, start = {}, 0
    for name, size in sizes:
        result[name] = slice(start, start + size)
        start += size
    return result


def _joined(arrays: list[FloatArray]) -> FloatArray:
    return np.concatenate(arrays) if arrays else np.empty(0)


def _label(blocks: tuple[Columns, ...] | tuple[Rows, ...], slices: dict[str, slice], index: int) -> str:
    for block in blocks:
        place = slices[block.name]
        if place.start <= index < place.stop:
            label = block.labels[index - place.start]
            text = " ".join(str(part) for part in label) if isinstance(label, tuple) else str(label)
            return f"{block.name} {text}".strip()
    raise IndexError(index)
