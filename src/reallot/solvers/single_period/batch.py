"""Many independent problems at once, one period and one capacity each: arrays in, arrays out.

The same matching as in `split`, for a problem in each row: one sort of all segments, and with a turnover limit one each
of what may be bought and sold. Rows are worked through in chunks that stay in the processor's cache; a row's answer
does not depend on its chunk. Where Numba is installed, a large batch is compiled instead.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidInput
from ...problem.by_value import ByValue
from ...problem.effective import NEVER_PAYS, cut_to_what_counts
from ...problem.validation import LARGEST, flag_array, is_single, number_array, one_of, to_sum
from ..kernels.batch_arrays import (
    BatchSegments,
    Box,
    ChunkInputs,
    at_stake,
    bound_of,
    by_one_sort,
    residual_of,
    stay_where_equal,
    within_turnover,
)
from ..numba import dispatch

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

LOADED_PAYS = 10_000
"""Problems times protocols from which compiled code is taken if it is loaded already."""
LOADING_PAYS = 15_000_000
"""Problems times protocols from which it is worth the half second that loading it takes."""
CERTIFIED = 1e-9
"""What gap and residual of an answer stay below."""
WIDE = 1_000
"""Protocols from which every problem is worked on alone."""
CHUNK_NUMBERS = 30_000
"""Rows times protocols worked on at once: a few arrays of this size fit into a second-level cache."""


class BatchStatus(IntEnum):
    """What became of one problem of a batch; FAILED where an answer does not pass its certificate."""

    OPTIMAL = 0
    INFEASIBLE = 1
    FAILED = 2


@dataclass(frozen=True, eq=False)
class Answers(ByValue):
    """The arrays of a batch's answers; `BatchResult` says what is in them."""

    shares: FloatArray
    net_benefit: FloatArray
    earnings_per_hour: FloatArray
    cost: FloatArray
    capacity_price: FloatArray
    status: NDArray[np.int8]
    gap: FloatArray
    residual: FloatArray
    solver: str
    solver_reason: str


def solve(inputs: Inputs, solver: str) -> Answers:
    """The answers to all problems; what fails its certificate is marked.

    A move whose cost was cut (see `problem/effective.py`) and that is made all the same is weighed again in full.
    """
    name, reason = _choose(solver, inputs)
    reduced = inputs.with_costs_cut()
    answers = _solve(reduced, name, reason)
    if reduced is not inputs:
        again = reduced.moving_at_cut_costs(inputs, answers.shares)
        if again.size:
            in_full = _solve(inputs.rows(again), name, reason)
            for field in fields(Answers):
                if isinstance(values := getattr(answers, field.name), np.ndarray):
                    values[again] = getattr(in_full, field.name)
    return answers


def _solve(inputs: Inputs, name: str, reason: str) -> Answers:
    count, size = inputs.shape
    answers = Answers(
        shares=np.empty((count, size)),
        net_benefit=np.empty(count),
        earnings_per_hour=np.empty(count),
        cost=np.empty(count),
        capacity_price=np.empty((count, 2)),
        status=np.empty(count, dtype=np.int8),
        gap=np.empty(count),
        residual=np.empty(count),
        solver=name,
        solver_reason=reason,
    )
    if name == "numba":
        dispatch.fill_batch(inputs.whole(), answers)
    else:
        rows = 1 if size >= WIDE else max(1, CHUNK_NUMBERS // size)
        for start in range(0, count, rows):
            _solve_chunk(inputs, slice(start, min(start + rows, count)), answers)
    proven = (answers.gap <= CERTIFIED) & (answers.residual <= CERTIFIED)
    answers.status[~proven & (answers.status == BatchStatus.OPTIMAL)] = BatchStatus.FAILED
    return answers


def _choose(solver: str, data: Inputs) -> tuple[str, str]:
    """Return "numpy" or "numba", and why."""
    one_of(solver, ("auto", "numpy", "numba"), "solver")
    if solver == "numba":
        dispatch.require()
    if solver != "auto":
        return solver, "asked for"
    numbers = data.shape[0] * data.shape[1]
    if not dispatch.available():
        return "numpy", "Numba is not installed (extra fast)"
    if numbers >= LOADING_PAYS:
        return "numba", f"{numbers} numbers are worth loading compiled code"
    if numbers >= LOADED_PAYS and dispatch.is_loaded("batch"):
        return "numba", "compiled code is loaded already"
    return "numpy", f"{numbers} numbers are too few to load compiled code for"


@dataclass(frozen=True, eq=False)
class Inputs(ByValue):
    """Validated arguments, not yet broadcast: each is cut to a chunk and broadcast there."""

    shape: tuple[int, int]
    rates: FloatArray
    current: FloatArray
    lower: FloatArray
    upper: FloatArray
    max_change: FloatArray | None
    held: BoolArray | None
    move_cost: FloatArray
    max_turnover: FloatArray | None
    horizon_hours: FloatArray
    mask: BoolArray | None

    @classmethod
    def of(cls, **values: Any) -> Inputs:
        """The checked arrays, broadcast to one shape."""
        given = {name: _checked(name, value) for name, value in values.items()}
        shape, current, mask = _shape(given), given["current"], given["mask"]
        if is_single(values["current"]) and current is not None and mask is None:
            given["current"] = to_sum(current, 1.0)
        for name, array in given.items():
            if array is not None:
                given[name] = _broadcastable(name, array)
        return cls(shape, **given)  # type: ignore[arg-type]

    def whole(self) -> dict[str, NDArray[Any]]:
        """Every argument by name, in the order above, broadcast; what is not given limits nothing."""
        nothing = {"max_change": np.inf, "held": False, "max_turnover": np.inf, "mask": True}
        arrays = {}
        for field in fields(ChunkInputs):
            array = getattr(self, field.name)
            shape = self.shape[:1] if field.name in PER_PROBLEM else self.shape
            arrays[field.name] = np.broadcast_to(np.asarray(nothing[field.name]) if array is None else array, shape)
        return arrays

    def with_costs_cut(self) -> Inputs:
        """The same with costs cut that never pay, as in a single problem; itself where there are none."""
        rates = self.rates if self.mask is None else np.where(self.mask, self.rates, 0.0)
        best = np.maximum(rates.max(axis=1), 0.0) - np.minimum(rates.min(axis=1), 0.0)
        unit = (best * self.horizon_hours)[:, None]
        if self.move_cost.max() <= NEVER_PAYS * unit.min():
            return self
        return replace(self, move_cost=cut_to_what_counts(self.move_cost, unit))

    def moving_at_cut_costs(self, full: Inputs, shares: FloatArray) -> NDArray[np.intp]:
        """Which problems make a move whose cost is another here than in `full`, (some of the problems,)."""
        moved = (shares != self.current) & (self.move_cost != full.move_cost)
        places: NDArray[np.intp] = moved.any(axis=1).nonzero()[0]
        return places

    def rows(self, places: NDArray[np.intp]) -> Inputs:
        """The problems at `places` alone."""
        return Inputs((places.size, self.shape[1]), **{name: array[places] for name, array in self.whole().items()})

    def row(self, k: int) -> dict[str, Any]:
        """Every argument of problem `k` by name."""
        return {name: array[k] for name, array in self.whole().items()}

    def chunk(self, rows: slice) -> ChunkInputs:
        """The arguments of some problems, turned: (protocols or 1, problems or 1).

        One problem that is not wide comes twice: NumPy sums a single column in another order, and so rounds otherwise.
        """
        cut: dict[str, Any] = {}
        for field in fields(ChunkInputs):
            array = getattr(self, field.name)
            if array is not None:
                array = array[rows] if len(array) > 1 else array
                array = array[None, :] if field.name in PER_PROBLEM else array.T
            cut[field.name] = array
        whole = (self.shape[1], max(rows.stop - rows.start, 1 if self.shape[1] >= WIDE else 2))
        for name in ("rates", "current"):
            cut[name] = np.ascontiguousarray(np.broadcast_to(cut[name], whole))
            if cut["mask"] is not None:
                cut[name] = np.where(cut["mask"], cut[name], 0.0)
        return ChunkInputs(**cut)


PER_PROBLEM = ("max_turnover", "horizon_hours")
OPTIONAL = ("max_change", "held", "max_turnover", "mask")
LEAST = {"current": 0.0, "lower": 0.0, "upper": 0.0, "max_change": 0.0, "move_cost": 0.0, "max_turnover": 0.0}


def _checked(name: str, value: Any) -> NDArray[Any] | None:
    if value is None and name in OPTIONAL:
        return None
    if name in ("held", "mask"):
        return flag_array(value, name)
    array = number_array(value, name)
    if array.size and not (array.min() >= -LARGEST and array.max() <= LARGEST):  # a NaN makes both false
        open_ended = name in ("upper", "max_change", "max_turnover")
        right = (np.abs(array) <= LARGEST) | (np.isposinf(array) if open_ended else False)
        if not right.all():
            place = tuple(int(k) for k in np.argwhere(~right)[0])
            here = f"{name}{list(place)}" if place else name
            raise InvalidInput(f"{here} is {array[place]:g}; it must be a finite number, {LARGEST:g} at most")
    if name in LEAST and array.size and array.min() < LEAST[name]:
        raise InvalidInput(f"{name} has the entry {array.min():g}; it must be at least {LEAST[name]:g}")
    if name == "horizon_hours" and (array <= 0.0).any():
        raise InvalidInput(f"horizon_hours has the entry {array.min():g}; it must be above 0")
    return array


def _shape(given: dict[str, NDArray[Any] | None]) -> tuple[int, int]:
    """(problems, protocols) that all arguments broadcast to."""
    shapes = []
    for name, array in given.items():
        if array is None:
            continue
        if name in PER_PROBLEM:
            if array.ndim > 1:
                raise InvalidInput(f"{name} has shape {array.shape}; give one number, or one per problem")
            shapes.append((*array.shape, 1))
        else:
            shapes.append(array.shape)
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        listed = ", ".join(f"{name} {array.shape}" for name, array in given.items() if array is not None)
        raise InvalidInput(f"shapes do not broadcast to (problems, protocols): {listed}") from None
    empty = [name for name, array in given.items() if array is not None and not array.size]
    if empty and len(empty) < len(shapes) and given["rates"] is not None and given["rates"].size:
        raise InvalidInput(f"{empty[0]} is empty; give numbers, or leave it out")
    if len(shape) > 2 or not shape:
        raise InvalidInput(f"the arguments broadcast to {shape}; give (problems, protocols)")
    if shape[-1] == 0:
        raise InvalidInput("there are no protocols; give at least one column")
    return (1, shape[0]) if len(shape) == 1 else (shape[0], shape[1])


def _broadcastable(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """With as many dimensions as it is cut in: (problems or 1,) or (problems or 1, protocols or 1)."""
    if name in PER_PROBLEM:
        return array.reshape(-1)
    return array.reshape((1,) * (2 - array.ndim) + array.shape)


def _solve_chunk(data: Inputs, rows: slice, result: Answers) -> None:
    given = data.chunk(rows)
    hours, current = given.horizon_hours, given.current
    gain = given.rates * hours
    box = Box.of(given)
    segments = BatchSegments.of(given, box, gain)
    answer = by_one_sort(box, segments)
    if given.max_turnover is not None:
        answer = within_turnover(given, box, segments, answer)
    shares, feasible = answer.shares, answer.feasible & box.feasible
    stay_where_equal(given, box, gain, shares, feasible)
    change = shares - current
    cost = (given.move_cost * np.abs(change)).sum(axis=0)
    earned, stay = (gain * shares).sum(axis=0), (gain * current).sum(axis=0)
    objective = earned - cost
    bound = bound_of(given, box, gain, answer)
    scale = np.maximum(at_stake(given, gain), np.abs(objective))
    for target, values in (
        (result.shares, shares.T),
        (result.net_benefit, objective - stay),
        (result.earnings_per_hour, earned / hours[0]),
        (result.cost, cost),
        (result.capacity_price[:, 0], answer.more / hours[0]),
        (result.capacity_price[:, 1], answer.less / hours[0]),
        (result.gap, np.maximum(bound - objective, 0.0) / np.maximum(scale, np.finfo(float).tiny)),
        (result.residual, residual_of(given, box, shares)),
        (result.status, np.where(feasible, BatchStatus.OPTIMAL, BatchStatus.INFEASIBLE)),
    ):
        target[rows] = values[: rows.stop - rows.start]
    if not feasible.all():
        unknown = np.flatnonzero(~feasible[: rows.stop - rows.start])
        _without_answer(result, rows.start + unknown, current.T[unknown])


def _without_answer(result: Answers, places: NDArray[np.intp], current: FloatArray) -> None:
    result.shares[places] = current
    for values in (result.net_benefit, result.earnings_per_hour, result.cost, result.gap, result.residual):
        values[places] = np.nan
    result.capacity_price[places] = np.nan
