"""The same program with some limits loosened at a price: which limits conflict, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .blocks import Cells, Columns, FloatArray, IntArray, Rows, cells
from .linear_program import LinearProgram

Side = tuple[IntArray, FloatArray]
"""Places (columns or rows) and by how much one unit of loosening moves the limit there."""


def side(places: object = (), step: float = 1.0) -> Side:
    """A Side with the same step at every place."""
    where = np.asarray(places, dtype=np.intp).ravel()
    return where, np.full(where.size, step)


@dataclass(frozen=True)
class Loosening:
    """What one unit more of a limit changes: column bounds and row limits, up or down."""

    name: str
    column_lower: Side = field(default_factory=side)
    column_upper: Side = field(default_factory=side)
    row_lower: Side = field(default_factory=side)
    row_upper: Side = field(default_factory=side)

    @property
    def largest_step(self) -> float:
        """The most that one unit moves any limit, absolute; 1 where it moves none."""
        sides = (self.column_lower, self.column_upper, self.row_lower, self.row_upper)
        return max((float(np.abs(step).max()) for _, step in sides if step.size), default=1.0) or 1.0


def elastic(program: LinearProgram, loosenings: Sequence[Loosening], most: float | FloatArray) -> LinearProgram:
    """`program` with gains set to zero and a column for each loosening, at a unit price, up to `most` units of each.

    Its optimum is minus the least total loosening that makes the program feasible; block "loosened" says of which.
    """
    column_lower, column_upper = program.lower.copy(), program.upper.copy()
    units = np.broadcast_to(np.asarray(most, dtype=float), (len(loosenings),))
    bound_rows: list[Rows] = []
    row_cells: list[Cells] = [cells([], [], [])]
    for k, loosening in enumerate(loosenings):
        places, steps = loosening.row_upper
        if not places.size:
            places, steps = loosening.row_lower
        row_cells.append(cells(places, k, -steps))
        for name, (where, step), original, infinite in (
            ("upper_of", loosening.column_upper, program.upper, -np.inf),
            ("lower_of", loosening.column_lower, program.lower, np.inf),
        ):
            if not where.size:
                continue
            wide = column_upper if name == "upper_of" else column_lower
            wide[where] = original[where] + step * units[k]
            parts = _split(program, where) | {"loosened": cells(np.arange(where.size), k, -step)}
            free, limit = np.full(where.size, infinite), original[where]
            low, high = (free, limit) if name == "upper_of" else (limit, free)
            bound_rows.append(Rows(f"{name} {loosening.name}", tuple(range(where.size)), parts, low, high))
    columns = []
    for block in program.columns:
        span = program.column_slices[block.name]
        zero = np.zeros(len(block.labels))
        columns.append(Columns(block.name, block.labels, zero, column_lower[span], column_upper[span], block.integer))
    count = len(loosenings)
    names = tuple(loosening.name for loosening in loosenings)
    columns.append(Columns("loosened", names, np.full(count, -1.0), np.zeros(count), units))
    joined = Cells(
        np.concatenate([part.row for part in row_cells]),
        np.concatenate([part.column for part in row_cells]),
        np.concatenate([part.value for part in row_cells]),
    )
    rows = []
    for row_block in program.rows:
        span = program.row_slices[row_block.name]
        mine = (joined.row >= span.start) & (joined.row < span.stop)
        extra = Cells(joined.row[mine] - span.start, joined.column[mine], joined.value[mine])
        rows.append(
            Rows(
                row_block.name,
                row_block.labels,
                {**row_block.cells, "loosened": extra},
                row_block.lower,
                row_block.upper,
            )
        )
    return LinearProgram(tuple(columns), (*rows, *bound_rows))


def _split(program: LinearProgram, where: IntArray) -> dict[str, Cells]:
    """A unit entry for each of the columns `where`, by the block it stands in."""
    result = {}
    for block in program.columns:
        span = program.column_slices[block.name]
        mine = np.flatnonzero((where >= span.start) & (where < span.stop))
        if mine.size:
            result[block.name] = cells(mine, where[mine] - span.start, 1.0)
    return result
