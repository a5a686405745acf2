"""Fixed fees, where the search gives up: what it left open as a program around no trade, which HiGHS finishes.

The program's worth is a gain: the income of shares that stay is not in it, so that a gap of 0 is one on the gain.
"""

from __future__ import annotations

import numpy as np

from ...problem.arrays import BoolArray, FloatArray, IntArray
from ...program import Columns, LinearProgram, Rows, Solution, cells, diagonal
from ..interface.result import NoFeasibleSplit
from ..kernels.fees_bounds import Sides
from ..kernels.fees_relaxation import Task
from ..kernels.split import split


def program(sides: Sides, task: Task) -> LinearProgram:
    """Amounts bought and sold by the core and the free, and who of the core moves.

    sum bought - sum sold = to_fill (at most, where idle is allowed)
    bought / u + sold / v <= moved, moved in {0, 1}; sum moved <= most
    """
    places = active(task)
    size, count = places.size, task.places.size
    names, own = [f"{i}" for i in places], [f"{i}" for i in task.places]
    u, v = sides.u[places], sides.v[places]
    all_of, mine = np.arange(size), np.arange(count)
    columns = [
        Columns("bought", names, sides.p[places], np.zeros(size), u),
        Columns("sold", names, -sides.q[places], np.zeros(size), v),
        Columns("moved", own, -sides.fee[task.places], np.zeros(count), np.ones(count), integer=True),
    ]
    low = -np.inf if sides.idle else sides.to_fill
    total = {"bought": cells(np.zeros(size), all_of, 1.0), "sold": cells(np.zeros(size), all_of, -1.0)}
    rows = [Rows("budget", ("",), total, np.array([low]), np.array([sides.to_fill]))]
    width = np.maximum(u, v)[:count]
    buys, sells = np.flatnonzero(u[:count] > 0.0), np.flatnonzero(v[:count] > 0.0)
    link = {
        "bought": cells(buys, buys, width[buys] / u[buys]),
        "sold": cells(sells, sells, width[sells] / v[sells]),
        "moved": diagonal(-width, count),
    }
    rows.append(Rows("moved_link", own, link, np.full(count, -np.inf), np.zeros(count)))
    if task.most < count:
        all_moved = {"moved": cells(np.zeros(count), mine, 1.0)}
        rows.append(Rows("max_moves", ("",), all_moved, np.array([-np.inf]), np.array([float(task.most)])))
    return LinearProgram(tuple(columns), tuple(rows), -float(sides.fee[task.fixed].sum()))


def active(task: Task) -> IntArray:
    """Positions of the core, then of those that move in any case."""
    return np.concatenate([task.places, np.flatnonzero(task.fixed)])


def point(sides: Sides, task: Task) -> FloatArray:
    """The best full point of the program (columns,) in which the best set known moves."""
    places, moves = active(task), task.moves()
    low, high = -sides.v * moves, sides.u * moves
    found = split(sides.p, sides.q, np.zeros(moves.size), low, high, sides.to_fill, idle=sides.idle)
    assert not isinstance(found, NoFeasibleSplit)
    amounts = found.shares[places]
    moved = moves[task.places].astype(float)
    return np.concatenate([np.maximum(amounts, 0.0), np.maximum(-amounts, 0.0), moved])


def finish(sides: Sides, task: Task, time_limit_seconds: float | None) -> tuple[Solution, BoolArray | None]:
    """HiGHS's answer, with the best set known from the start, and who moves in it, if it has any."""
    from ..programs.highs import HighsModel

    table = program(sides, task)
    model = HighsModel(table, time_limit_seconds=time_limit_seconds)
    model.start_from(point(sides, task))
    solution = model.solve()
    if solution.values is None:
        return solution, None
    moves = task.fixed.copy()
    moves[task.places] = solution.values[table.column_slices["moved"]] > 0.5
    return solution, moves
