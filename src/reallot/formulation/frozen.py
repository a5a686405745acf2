"""Protocols that cannot move at all: what they earn is a constant, however much, and no solver has to weigh it."""

from __future__ import annotations

import numpy as np

from ..problem import AllocationProblem
from ..problem.arrays import FloatArray
from ..program import LinearProgram
from .earnings import own_columns
from .lift import complete
from .moves import change_cap

DROWNS = 8.0
"""Frozen earnings of more than so many times all other gains are taken out of the program that is solved."""


def without_frozen_gains(problem: AllocationProblem, program: LinearProgram) -> LinearProgram:
    """`program` of `problem` with what frozen protocols earn in its offset; every point is worth the same in both.

    The program itself where nobody is frozen who earns, or loses, far more than all others.
    """
    data, own = problem.arrays, np.zeros(program.column_count, dtype=np.bool_)
    frozen = np.maximum(*change_cap(data)).max(axis=0) == 0.0  # neither direction, in no period
    own[program.column_slices["share"]] = np.tile(frozen, data.periods)
    if data.pieces is not None:
        own[program.column_slices["fill"]] = np.tile(frozen[data.pieces.owner], data.periods)
    span = np.abs(program.gain) * np.minimum(program.upper - program.lower, 1.0)
    if span[own].max(initial=0.0) <= DROWNS * span[~own].max(initial=0.0):
        return program
    staying = complete(problem, program, data.staying)
    offset = program.offset + float(program.gain[own] @ staying[own])
    return program.with_numbers(gain=np.where(own, 0.0, program.gain), offset=offset)


def with_frozen_prices(problem: AllocationProblem, program: LinearProgram, row_prices: FloatArray) -> FloatArray:
    """Prices (rows,) of a linear `program` from those of the one without frozen gains.

    Changes of a frozen share are fixed at 0, so that movement may have any price. It gets the price at which its share
    gains nothing; its curve gets the price at which the piece where it ends gains nothing.
    """
    data, rows = problem.arrays, program.row_slices
    frozen = np.flatnonzero(np.maximum(*change_cap(data)).max(axis=0) == 0.0)
    prices, places = row_prices.copy(), np.arange(data.periods)[:, None] * data.size + frozen
    reduced = program.reduced_gain(prices)
    for k, curve in enumerate(data.curved):
        if curve.index in frozen:
            own = own_columns(problem, program, curve.index).earns.reshape(data.periods, -1)
            piece = min(int(curve.ends.searchsorted(data.current[curve.index])), curve.widths.size - 1)
            prices[rows["curve"].start + np.arange(data.periods) * len(data.curved) + k] -= reduced[own[:, piece]]
    reduced = program.reduced_gain(prices)[program.column_slices["share"].start + places]
    # share[t] is in movement[t] and, with a minus, in movement[t + 1]
    prices[rows["movement"].start + places] += np.cumsum(reduced[::-1], axis=0)[::-1]
    return prices
