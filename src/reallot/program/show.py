"""The program as the table one draws on paper: blocks across, blocks down."""

from __future__ import annotations

import numpy as np

from ..text.columns import table
from .blocks import Cells, Columns, FloatArray, Rows


def show(columns: tuple[Columns, ...], rows: tuple[Rows, ...], offset: float) -> str:
    """A text table: one line per row block, one column per column block, entries summarised.

    A single value that fills a diagonal is shown as `1 I`; a block of several values as its range.
    """
    header = ["", *(block.name for block in columns), "lower", "upper"]
    lines = [header]
    for block in rows:
        parts = [_cells(block.cells.get(column.name)) for column in columns]
        lines.append([f"{block.name} [{len(block.labels)}]", *parts, _span(block.lower), _span(block.upper)])
    lines.append(["gain", *(_span(block.gain) for block in columns), "", f"+ {offset:.6g}"])
    lines.append(["lower", *(_span(block.lower) for block in columns), "", ""])
    lines.append(["upper", *(_span(block.upper) for block in columns), "", ""])
    kinds = [f"{'whole' if block.integer else 'real'} [{len(block.labels)}]" for block in columns]
    lines.append(["kind", *kinds, "", ""])
    return table(lines)


def _cells(part: Cells | None) -> str:
    if part is None or not part.value.size:
        return ""
    square = np.array_equal(part.row, part.column) and np.unique(part.row).size == part.row.size
    return _span(part.value) + (" I" if square and part.value.size > 1 else "")


def _span(values: FloatArray) -> str:
    if not values.size:
        return ""
    low, high = float(values.min()) + 0.0, float(values.max()) + 0.0  # no minus before a zero
    return f"{low:.4g}" if low == high else f"{low:.4g}..{high:.4g}"
