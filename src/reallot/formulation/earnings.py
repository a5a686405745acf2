"""Earnings curves as rows: pieces filled in order, by slopes alone where concave, with order binaries where not."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..problem import AllocationProblem, CDaR, CVaR, WorstCase
from ..problem.arrays import FloatArray, IntArray
from ..problem.segments import Curved
from ..program import Columns, LinearProgram, Rows, cells, diagonal
from .moves import labels


def curve_columns(problem: AllocationProblem, weight: float) -> tuple[list[Columns], list[Rows]]:
    """fill[t,i,k] in [0, width k] with share = sum of fills, and gain = slope; order and warm-up where needed."""
    data = problem.arrays
    if not data.curved:
        return [], []
    columns = [_fill(problem, weight)]
    rows = [_share_is_filled(problem)]
    disordered = [curve for curve in data.curved if needs_order(problem, curve)]
    if disordered:
        ordered_columns, ordered_rows = _order(problem, disordered)
        columns += ordered_columns
        rows += ordered_rows
    warming = [curve for curve in data.curved if data.warm_up[curve.index] > 0.0]
    if warming:
        rise_columns, rise_rows = _rise(problem, warming)
        columns += rise_columns
        rows += rise_rows
    return columns, rows


class OwnColumns(NamedTuple):
    """What the rate of one protocol stands in, one entry for each of its (periods, pieces).

    earns     columns whose gain it is
    rates     the expected rate there, USD/h per unit of share
    warms_up  columns of what is added and has to warm up; none where nothing has to
    """

    earns: IntArray
    rates: FloatArray
    warms_up: IntArray


def own_columns(problem: AllocationProblem, program: LinearProgram, i: int) -> OwnColumns:
    """The columns of `program`, that of `problem`, whose gains follow from the rate of protocol i."""
    data, once = problem.arrays, np.arange(problem.periods)[:, None]
    warms = data.warm_up[i] > 0.0
    curve = next((curve for curve in data.curved if curve.index == i), None)
    if curve is None:
        places, earns, lost, rates = once * data.size + i, "share", "increase", data.rate[:, [i]]
        added = places
    else:
        starts, pieces = fill_starts(problem), np.arange(curve.widths.size)
        places, earns, lost, rates = once * starts[-1] + starts[i] + pieces, "fill", "rise", curve.slopes
        warming = [other for other in data.curved if data.warm_up[other.index] > 0.0]
        before = sum(other.widths.size for other in warming if other.index < i)
        added = once * sum(other.widths.size for other in warming) + before + pieces
    slices, none = program.column_slices, np.empty(0, dtype=np.intp)
    warms_up = slices[lost].start + added.ravel() if warms else none
    return OwnColumns(slices[earns].start + places.ravel(), rates.ravel(), warms_up)


def needs_order(problem: AllocationProblem, curve: Curved) -> bool:
    """True where slopes alone do not fill pieces in order: they rise, or warm-up may cost more than it brings.

    The latter happens under a measure of risk, where earnings count less in good scenarios and the expected warm-up
    counts in full. It also happens under a goal or a budget of cost, where earnings count for less than the warm-up
    takes. The answer does not depend on the level of the slopes: one program serves a rate however it is shifted.
    """
    risk, limits = problem.risk, problem.limits
    averse = problem.goal is not None or limits.max_total_cost is not None or isinstance(risk, CDaR)
    averse = averse or (isinstance(risk, (CVaR, WorstCase)) and risk.weight > 0.0)
    if not averse or problem.arrays.warm_up[curve.index] == 0.0:
        return not curve.ordered
    return not curve.ordered or bool(np.ptp(curve.slopes, axis=1).any())


def fill_starts(problem: AllocationProblem) -> dict[int, int]:
    """Where each curved protocol's pieces begin in one period's run of the fill block; the run's length at -1."""
    starts, start = {}, 0
    for curve in problem.arrays.curved:
        starts[curve.index] = start
        start += curve.widths.size
    return starts | {-1: start}


def _labels(problem: AllocationProblem, curves: list[Curved], short: int = 0) -> list[tuple[object, ...]]:
    """(name, [period,] piece) of every piece, leaving the last `short` pieces of each curve out."""
    result: list[tuple[object, ...]] = []
    for t in range(problem.periods):
        for curve in curves:
            name = problem.names[curve.index]
            when: tuple[object, ...] = () if problem.periods == 1 else (t,)
            result += [(name, *when, f"piece {k}") for k in range(curve.widths.size - short)]
    return result


def _fill(problem: AllocationProblem, weight: float) -> Columns:
    data = problem.arrays
    assert data.pieces is not None
    gain, widths = data.pieces.slopes.ravel(), np.tile(data.pieces.widths, data.periods)
    names = _labels(problem, list(data.curved))
    return Columns("fill", names, weight * data.hours * gain, np.zeros(widths.size), widths)


def _share_is_filled(problem: AllocationProblem) -> Rows:
    """share = sum of its fills."""
    data, bent = problem.arrays, problem.arrays.pieces
    assert bent is not None
    periods, count, each = np.arange(data.periods)[:, None], bent.index.size, bent.owner.size
    share = (periods * data.size + bent.index).ravel()
    curve = np.repeat(np.arange(count), bent.counts)
    parts = {
        "share": cells(np.arange(share.size), share, 1.0),
        "fill": cells((periods * count + curve).ravel(), np.arange(data.periods * each), -1.0),
    }
    return Rows("curve", labels(problem, share), parts, np.zeros(share.size), np.zeros(share.size))


def _order(problem: AllocationProblem, curves: list[Curved]) -> tuple[list[Columns], list[Rows]]:
    """full[t,i,k] in {0,1}: a piece is full before the next one begins.

    width k * full[k] <= fill[k] and fill[k+1] <= width k+1 * full[k], for every piece but the last.
    """
    data, starts = problem.arrays, fill_starts(problem)
    before, width, next_width = [], [], []
    for t in range(data.periods):
        for curve in curves:
            first = t * starts[-1] + starts[curve.index]
            before.append(first + np.arange(curve.widths.size - 1))
            width.append(curve.widths[:-1])
            next_width.append(curve.widths[1:])
    piece, widths, widths_after = np.concatenate(before), np.concatenate(width), np.concatenate(next_width)
    names, count = _labels(problem, curves, short=1), piece.size
    own, zero = np.arange(count), np.zeros(count)
    full = Columns("full", names, zero, zero, zero + 1.0, integer=True)
    filled = {"fill": cells(own, piece, 1.0), "full": diagonal(-widths, count)}
    begun = {"fill": cells(own, piece + 1, 1.0), "full": diagonal(-widths_after, count)}
    return [full], [
        Rows("full_first", names, filled, zero, np.full(count, np.inf)),
        Rows("then_next", names, begun, np.full(count, -np.inf), zero),
    ]


def _rise(problem: AllocationProblem, curves: list[Curved]) -> tuple[list[Columns], list[Rows]]:
    """rise[t,i,k] >= fill[t,i,k] - fill[t-1,i,k], which loses the earnings of its warm-up."""
    data, starts = problem.arrays, fill_starts(problem)
    now, gain, width, start = [], [], [], []
    for t in range(data.periods):
        for curve in curves:
            now.append(t * starts[-1] + starts[curve.index] + np.arange(curve.widths.size))
            gain.append(-data.warm_up[curve.index] * np.maximum(curve.slopes[t], 0.0))
            width.append(curve.widths)
            current = curve.fill(data.current[[curve.index]])[0]
            start.append(current if t == 0 else np.zeros(curve.widths.size))
    pieces = np.concatenate(now)
    names, count = _labels(problem, curves), pieces.size
    rise = Columns("rise", names, np.concatenate(gain), np.zeros(count), np.concatenate(width))
    later = np.flatnonzero(pieces >= starts[-1])
    fill = cells(
        np.concatenate([np.arange(count), later]),
        np.concatenate([pieces, pieces[later] - starts[-1]]),
        np.concatenate([np.ones(count), np.full(later.size, -1.0)]),
    )
    parts = {"fill": fill, "rise": diagonal(-1.0, count)}
    return [rise], [Rows("warm_up", names, parts, np.full(count, -np.inf), np.concatenate(start))]
