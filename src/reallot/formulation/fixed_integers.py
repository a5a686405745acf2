"""Integer columns fixed: all of them, so that there are prices again, or those of one move."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..problem import AllocationProblem
from ..problem.arrays import BoolArray, IntArray
from ..program import LinearProgram, Rows, cells
from ..program.blocks import FloatArray
from ..program.tie_breaking import with_bounds
from .integer_rules import ON_GRID, grid_places, odd, stepped
from .moves import counts_moves, labels, moved_places


def given_choices(problem: AllocationProblem, program: LinearProgram, values: FloatArray) -> LinearProgram:
    """`program`, that of `problem`, with every integer column fixed at its (rounded) value in `values`.

    Rows that only switch a column on are dropped where it is on: what limits it then is its own bound, and the price
    belongs there. Where it counts whether a share moved and it did not, it may not move: in neither direction, however
    far the limits are loosened.
    """
    whole = np.round(values)
    lower = np.where(program.integer, whole, program.lower)
    upper = np.where(program.integer, whole, program.upper)
    fixed = with_bounds(program, lower, upper, integer=False)

    def is_on(block: str) -> BoolArray:
        return whole[program.column_slices[block]].astype(float) > 0.5

    switched = {"moved_link": "moved", "rise_cap": "raised", "used_cap": "used", "tier_cap": "deep"}
    rows = []
    for block in fixed.rows:
        if block.name in switched:
            block = replace(block, upper=np.where(is_on(switched[block.name]), np.inf, block.upper))
        elif block.name == "fall_cap":
            block = replace(block, upper=np.where(is_on("moved") & ~is_on("raised"), np.inf, block.upper))
        rows.append(block)
    return LinearProgram(fixed.columns, (*rows, *_unmoved(problem, fixed, whole)), fixed.offset)


def _unmoved(problem: AllocationProblem, program: LinearProgram, whole: FloatArray) -> list[Rows]:
    """increase + decrease <= 0 at the places where moves count and none is made."""
    still = np.tile(counts_moves(problem), problem.periods)
    if "moved" in program.column_slices:
        still[moved_places(problem)[whole[program.column_slices["moved"]] > 0.5]] = False
    places = np.flatnonzero(still)
    if not places.size:
        return []
    one = cells(np.arange(places.size), places, 1.0)
    free, zero = np.full(places.size, -np.inf), np.zeros(places.size)
    return [Rows("unmoved", labels(problem, places), {"increase": one, "decrease": one}, free, zero)]


def moving_box(
    problem: AllocationProblem, program: LinearProgram, i: int, sign: float
) -> tuple[FloatArray, FloatArray]:
    """Bounds (columns,) of all points that move protocol i in the first period, up (`sign` 1) or down (-1).

    `program` is that of `problem`. Points at the present share are within them as well, as moves of size 0.
    """
    data, rises = problem.arrays, sign > 0.0
    now, step = float(data.current[i]), float(data.step[i])
    lower, upper = program.lower.copy(), program.upper.copy()
    blocks = program.column_slices

    def column(block: str, places: IntArray) -> IntArray:
        """The column of protocol i in a block over `places`; empty where there is none."""
        return blocks[block].start + np.flatnonzero(places == i) if block in blocks else np.empty(0, np.intp)

    share = blocks["share"].start + i
    if rises:
        lower[share] = max(lower[share], now)
    else:
        upper[share] = min(upper[share], now)
    upper[blocks["decrease" if rises else "increase"].start + i] = 0.0
    moved = moved_places(problem)
    lower[column("moved", moved)] = 1.0
    raised = column("raised", moved)
    lower[raised] = upper[raised] = float(rises)
    upper[column("still", grid_places(data, odd(data)))] = 0.0
    units = column("units", grid_places(data, stepped(data)))
    if rises and units.size:
        lower[units] = np.maximum(lower[units], np.floor(now / step + ON_GRID) + 1.0)
    elif units.size:
        upper[units] = np.minimum(upper[units], np.ceil(now / step - ON_GRID) - 1.0)
    return lower, upper
