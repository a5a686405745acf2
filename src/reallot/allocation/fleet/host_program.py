"""One host's program inside a fleet: whether it moves at all is a choice, with its fee and its least gain."""

from __future__ import annotations

import numpy as np

from ...formulation import complete, formulate, schedule_of
from ...formulation.moves import change_reach
from ...problem import AllocationProblem
from ...problem.arrays import FloatArray
from ...program import Columns, LinearProgram, Rows, cells
from ...program.certificate import worst_residual

ACTS = "acts"
"""The column that is 1 where the host moves anything, the last of its program."""
PAID = ("moved", "beyond", "beyond_cheaper", "turnover_beyond", ACTS)
"""Columns whose gains are money paid for moves, beside increases and decreases."""
STAYS = 1e-9
"""The present shares meet the host's rules if they break none by more than this."""


def host_program(problem: AllocationProblem, own: AllocationProblem | None = None) -> LinearProgram:
    """The host's program; with `plan_fee` or `min_gain`, a choice of whether it moves at all is part of it.

    acts in {0, 1}: increases + decreases <= reach * acts, and acts costs plan_fee. Where the host can stay, what it is
    worth beyond staying, in its own money, is at least min_gain * acts. `own` is the host's problem where `problem` has
    rules of others beside it: by its own it is seen whether the host can stay, and what that is worth.
    """
    program, limits = formulate(problem), problem.limits
    if limits.plan_fee == 0.0 and limits.min_gain == 0.0:
        return program
    every = np.arange(len(problem.names))
    one = cells(np.zeros_like(every), every, 1.0)
    most_up, most_down = (float(way.sum()) for way in change_reach(problem.arrays))
    held = float(problem.arrays.current.sum())
    reach = min(most_up, most_up if problem.arrays.total is None else problem.arrays.total) + min(most_down, held)
    link = {"increase": one, "decrease": one, ACTS: cells([0], [0], -max(reach, STAYS))}
    rows = [Rows("acts_link", ["acts"], link, np.array([-np.inf]), np.zeros(1))]
    own, alone = (problem, program) if own is None or own is problem else (own, formulate(own))
    stay = complete(own, alone, own.arrays.staying)
    if limits.min_gain > 0.0 and worst_residual(alone, stay)[0] <= STAYS:
        worth = {}
        for block in program.columns:
            gain = program.gain[program.column_slices[block.name]]
            used = np.flatnonzero(gain)
            worth[block.name] = cells(np.zeros_like(used), used, gain[used])
        worth[ACTS] = cells([0], [0], -limits.plan_fee - limits.min_gain)
        least = alone.objective(stay) - program.offset
        rows.append(Rows("min_gain", ["min_gain"], worth, np.array([least]), np.array([np.inf])))
    acts = Columns(ACTS, ["acts"], np.array([-limits.plan_fee]), np.zeros(1), np.ones(1), integer=True)
    return LinearProgram((*program.columns, acts), (*program.rows, *rows), program.offset)


def host_point(problem: AllocationProblem, program: LinearProgram, schedule: FloatArray) -> FloatArray:
    """The best full point (columns,) of the host's program with these shares (1, protocols)."""
    if ACTS not in program.column_slices:
        return complete(problem, program, schedule)
    moves = float((schedule != problem.arrays.current).any())
    return np.append(complete(problem, formulate(problem), schedule), moves)


def host_schedule(problem: AllocationProblem, program: LinearProgram, values: FloatArray) -> FloatArray:
    """The shares (1, protocols) of a point of the host's program: the present ones where it says that nothing moves."""
    if ACTS in program.column_slices and values[program.column_slices[ACTS]][0] < 0.5:
        return problem.arrays.staying
    return schedule_of(problem, program, values)
