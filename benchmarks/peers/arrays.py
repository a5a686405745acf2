"""The step handed to a solver as arrays: linprog and highspy, in natural form and as one row over the moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from reallot.problem.arrays import FloatArray

from ..step import Step

Answer = Callable[[int], FloatArray]
"""Shares (protocols,) that answer variant k of a step."""


def linprog_natural(step: Step) -> Answer:
    """Columns share, up and down; a row for each protocol's movement and one for the sum. The matrix is kept."""
    from scipy import sparse
    from scipy.optimize import linprog

    size = step.size
    one = sparse.eye_array(size)
    total = sparse.csr_array(np.concatenate([np.ones(size), np.zeros(2 * size)])[None])
    matrix = sparse.vstack([sparse.hstack([one, -one, one]), total]).tocsc()
    upper = np.concatenate([np.ones(size), np.full(2 * size, step.max_change)])
    bounds = np.column_stack([np.zeros(3 * size), upper])

    def answer(k: int) -> FloatArray:
        gain = np.concatenate([step.rates[k], -step.cost, -step.cost])
        sides = np.append(step.current[k], 1.0)
        result: Any = linprog(-gain, A_eq=matrix, b_eq=sides, bounds=bounds, method="highs")
        return np.asarray(result.x[:size])

    return answer


def moves(step: Step, k: int) -> tuple[FloatArray, FloatArray, float]:
    """(costs, upper bounds, right-hand side) of one row over what is bought and what is sold."""
    costs = np.concatenate([step.cost - step.rates[k], step.cost + step.rates[k]])
    room = np.concatenate([step.high[k] - step.current[k], step.current[k] - step.low[k]])
    return costs, room, 1.0 - float(step.current[k].sum())


def moved(step: Step, k: int, values: Any) -> FloatArray:
    """Shares after the moves `values`, bought and then sold."""
    values = np.asarray(values)
    return step.current[k] + values[: step.size] - values[step.size :]


def linprog_compact(step: Step) -> Answer:
    """One row, presolve off: linprog at its best."""
    from scipy.optimize import linprog

    row = np.concatenate([np.ones(step.size), -np.ones(step.size)])[None]

    def answer(k: int) -> FloatArray:
        costs, room, side = moves(step, k)
        bounds = np.column_stack([np.zeros(room.size), room])
        options = {"presolve": False}
        result: Any = linprog(costs, A_eq=row, b_eq=[side], bounds=bounds, method="highs", options=options)
        return moved(step, k, result.x)

    return answer


def highspy_compact(step: Step, ready: bool = False) -> Answer:
    """One row, presolve off, a new object each time: HiGHS at its best for one step.

    With `ready` its costs and bounds are made before the clock starts.
    """
    row, numbers = _Row(step.size), _numbers(step, ready)
    return lambda k: moved(step, k, row.solve(row.model(*numbers(k))))


def highspy_kept(step: Step, ready: bool = False) -> Answer:
    """The same model kept: costs, bounds and right-hand side are changed, and the last basis is the start."""
    row, numbers = _Row(step.size), _numbers(step, ready)
    model = row.model(*numbers(0))

    def answer(k: int) -> FloatArray:
        row.change(model, *numbers(k))
        return moved(step, k, row.solve(model))

    return answer


def _numbers(step: Step, ready: bool) -> Callable[[int], tuple[FloatArray, FloatArray, float]]:
    if not ready:
        return lambda k: moves(step, k)
    return [moves(step, k) for k in range(step.variants)].__getitem__


class _Row:
    """HiGHS for one row over bought and sold."""

    def __init__(self, size: int) -> None:
        import highspy

        self.api = highspy
        self.places = np.arange(2 * size, dtype=np.int32)
        self.start = np.array([0, 2 * size], dtype=np.int32)
        self.entries = np.concatenate([np.ones(size), -np.ones(size)])
        self.zeros = np.zeros(2 * size)

    def model(self, costs: FloatArray, room: FloatArray, side: float) -> Any:
        api = self.api
        lp = api.HighsLp()
        lp.num_col_, lp.num_row_ = self.places.size, 1
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = costs, self.zeros, room
        lp.row_lower_ = lp.row_upper_ = np.array([side])
        lp.a_matrix_.format_ = api.MatrixFormat.kRowwise
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = self.start, self.places, self.entries
        model = api.Highs()
        for option, value in (("output_flag", False), ("presolve", "off")):
            assert model.setOptionValue(option, value) == api.HighsStatus.kOk, option
        model.passModel(lp)
        return model

    def change(self, model: Any, costs: FloatArray, room: FloatArray, side: float) -> None:
        count = self.places.size
        model.changeColsCost(count, self.places, costs)
        model.changeColsBounds(count, self.places, self.zeros, room)
        model.changeRowBounds(0, side, side)

    def solve(self, model: Any) -> Any:
        model.run()
        assert model.getModelStatus() == self.api.HighsModelStatus.kOptimal
        return model.getSolution().col_value
