"""Among equally good optima, one by rule: the optimal face of a program, with a second gain to decide on it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .blocks import Columns, FloatArray, Rows, cells, unit_of
from .certificate import gain_scale
from .linear_program import LinearProgram

NEAR = 1e-10
"""Reduced gains and prices below this part of the largest gain count as zero."""


def optimal_face(
    program: LinearProgram, row_prices: FloatArray, preference: Mapping[str, FloatArray]
) -> LinearProgram | None:
    """The optima of a linear program, with `preference` (gain by column block) in place of the gain.

    By complementary slackness a point is optimal exactly if it meets two conditions. Each column with a reduced gain
    stands at the bound that the prices of an optimum point at, and each row with a price at that limit. None where the
    optimum is the only one: as many zero reduced gains and zero prices as there are rows.
    """
    near = NEAR * max(gain_scale(program), np.finfo(float).tiny)
    reduced = program.reduced_gain(row_prices)
    open_columns, open_rows = np.abs(reduced) <= near, np.abs(row_prices) <= near
    if int(open_columns.sum()) + int(open_rows.sum()) <= program.row_count:
        return None
    pinned = np.where(reduced > 0.0, program.upper, program.lower)
    lower = np.where(open_columns, program.lower, pinned)
    upper = np.where(open_columns, program.upper, pinned)
    limit = np.where(row_prices > 0.0, program.row_upper, program.row_lower)
    row_lower = np.where(open_rows | ~np.isfinite(limit), program.row_lower, limit)
    row_upper = np.where(open_rows | ~np.isfinite(limit), program.row_upper, limit)
    return program.with_numbers(
        gain=preferred(program, preference),
        lower=lower,
        upper=upper,
        row_lower=row_lower,
        row_upper=row_upper,
        offset=0.0,
    )


def preferred(program: LinearProgram, preference: Mapping[str, FloatArray]) -> FloatArray:
    """A preference (gain by column block) as gains of all columns, (columns,); 0 where it says nothing."""
    gain = [preference.get(block.name, np.zeros(len(block.labels))) for block in program.columns]
    return np.concatenate(gain)


def as_good_as(program: LinearProgram, value: float, preference: Mapping[str, FloatArray]) -> LinearProgram:
    """`program` with `preference` in place of the gain and a row that keeps the old objective at `value` or above.

    For mixed-integer programs, where there are no prices to find the optimal face by.
    """
    columns, parts, unit = [], {}, unit_of(program.gain)
    for block in program.columns:
        gain = preference.get(block.name, np.zeros(len(block.labels)))
        columns.append(Columns(block.name, block.labels, gain, block.lower, block.upper, block.integer))
        counts = np.flatnonzero(block.gain)
        if counts.size:
            parts[block.name] = cells(np.zeros(counts.size), counts, block.gain[counts] / unit)
    floor = np.array([value - program.offset]) / unit
    kept = Rows("as good", ("",), parts, floor, np.array([np.inf]))
    return LinearProgram(tuple(columns), (*program.rows, kept))


def with_bounds(program: LinearProgram, lower: FloatArray, upper: FloatArray, *, integer: bool) -> LinearProgram:
    """`program` with other column bounds; integrality is dropped unless `integer`."""
    columns = []
    for block in program.columns:
        span = program.column_slices[block.name]
        columns.append(
            Columns(block.name, block.labels, block.gain, lower[span], upper[span], block.integer and integer)
        )
    return LinearProgram(tuple(columns), program.rows, program.offset)
