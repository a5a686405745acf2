"""The linear program that is left once the choices are made: integer columns fixed, so that there are prices again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..problem.arrays import BoolArray
from ..program import LinearProgram
from ..program.blocks import FloatArray
from ..program.tie_breaking import with_bounds


def given_choices(program: LinearProgram, values: FloatArray) -> LinearProgram:
    """`program` with every integer column fixed at its (rounded) value in `values`.

    Rows that only switch a column on are dropped where it is on: what limits it then is its own bound, and the price
    belongs there.
    """
    whole = np.round(values)
    lower = np.where(program.integer, whole, program.lower)
    upper = np.where(program.integer, whole, program.upper)
    fixed = with_bounds(program, lower, upper, integer=False)

    def is_on(block: str) -> BoolArray:
        return whole[program.column_slices[block]].astype(float) > 0.5

    switched = {"moved_link": "moved", "rise_cap": "raised", "used_cap": "used"}
    rows = []
    for block in fixed.rows:
        if block.name in switched:
            block = replace(block, upper=np.where(is_on(switched[block.name]), np.inf, block.upper))
        elif block.name == "fall_cap":
            block = replace(block, upper=np.where(is_on("moved") & ~is_on("raised"), np.inf, block.upper))
        rows.append(block)
    return LinearProgram(fixed.columns, tuple(rows), fixed.offset)
