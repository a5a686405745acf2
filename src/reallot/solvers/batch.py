"""Many independent problems at once, one period and one capacity each: arrays in, arrays out, NumPy only.

The same matching as in `exact`, with a problem in each row: without a turnover limit one sort of all pieces, with one
two sorts and a merge. Rows are worked through in chunks that stay in the processor's cache; a row's answer does not
depend on its chunk.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InvalidInput
from .batch_kernels import Box, Given, Pieces, bound_of, by_one_sort, residual_of, stay_where_equal, within_turnover

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

CHUNK_NUMBERS = 30_000
"""Rows times protocols worked on at once: a few arrays of this size fit into a second-level cache."""


class BatchStatus(IntEnum):
    """What became of one problem of a batch."""

    OPTIMAL = 0
    INFEASIBLE = 1


@dataclass(frozen=True)
class BatchResult:
    """Answers to many problems; money is USD over each problem's horizon.

    shares          (problems, protocols); the present shares where a problem is infeasible
    net_benefit     (problems,) worth of the plan less the worth of staying; NaN where infeasible
    earnings_per_hour
                    (problems,) of the plan, USD/h; NaN where infeasible
    cost            (problems,) of the moves, USD; NaN where infeasible
    capacity_price  (problems, 2) USD/h for one more unit of capacity, and for the last one; infinite where it cannot
                    move that way, NaN where infeasible
    status          (problems,) of BatchStatus
    gap             (problems,) (bound from prices - objective) / money at stake; NaN where infeasible
    residual        (problems,) worst violation of a bound, of capacity, max change or turnover, in shares
    """

    shares: FloatArray
    net_benefit: FloatArray
    earnings_per_hour: FloatArray
    cost: FloatArray
    capacity_price: FloatArray
    status: NDArray[np.int8]
    gap: FloatArray
    residual: FloatArray

    def __len__(self) -> int:
        return len(self.status)


def allocate_many(
    rates: ArrayLike,
    current: ArrayLike,
    *,
    lower: ArrayLike = 0.0,
    upper: ArrayLike = 1.0,
    max_change: ArrayLike | None = None,
    held: ArrayLike | None = None,
    move_cost: ArrayLike = 0.0,
    max_turnover: ArrayLike | None = None,
    horizon_hours: ArrayLike = 1.0,
    mask: ArrayLike | None = None,
) -> BatchResult:
    """The optimal split of many independent problems: a BatchResult of arrays.

    Every argument broadcasts to (problems, protocols), or to (problems,) for max_turnover and horizon_hours (one
    number does for all). Shares of each problem sum to 1.

    rates           USD/h for the whole capacity
    current         shares now
    lower, upper    bounds of the shares
    max_change      largest |change|; held: True where the share may not change
    move_cost       USD per unit of |change|
    max_turnover    half of the sum of absolute changes (increases and decreases each stay below it)
    mask            False where a problem has fewer protocols: that place holds nothing and counts for nothing

    Ties go to the present share, then to the earlier column. A problem without any split is marked INFEASIBLE and
    disturbs no other. Raises InvalidInput for shapes that do not broadcast, NaN, negative costs or shares.

    >>> many = allocate_many([[2.0, 1.0], [1.0, 1.0]], [[0.3, 0.7]], max_change=0.2)
    >>> many.shares.round(9).tolist(), many.net_benefit.round(9).tolist()
    ([[0.5, 0.5], [0.3, 0.7]], [0.2, 0.0])
    """
    data = _Inputs.of(rates, current, lower, upper, max_change, held, move_cost, max_turnover, horizon_hours, mask)
    count, size = data.shape
    result = BatchResult(
        shares=np.empty((count, size)),
        net_benefit=np.empty(count),
        earnings_per_hour=np.empty(count),
        cost=np.empty(count),
        capacity_price=np.empty((count, 2)),
        status=np.empty(count, dtype=np.int8),
        gap=np.empty(count),
        residual=np.empty(count),
    )
    rows = max(1, CHUNK_NUMBERS // max(size, 1))
    for start in range(0, count, rows):
        _solve_chunk(data, slice(start, min(start + rows, count)), result)
    return result


@dataclass(frozen=True)
class _Inputs:
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
    def of(cls, *values: Any) -> _Inputs:
        names = [field.name for field in fields(cls) if field.name != "shape"]
        given = {name: _checked(name, value) for name, value in zip(names, values, strict=True)}
        shape = _shape(given)
        for name, array in given.items():
            if array is not None:
                given[name] = _broadcastable(name, array, shape)
        return cls(shape, **given)  # type: ignore[arg-type]

    def chunk(self, rows: slice) -> Given:
        """The arguments of some problems, turned: (protocols or 1, problems or 1)."""
        cut: dict[str, Any] = {}
        for field in fields(Given):
            array = getattr(self, field.name)
            if array is not None:
                array = array[rows] if len(array) > 1 else array
                array = array[None, :] if field.name in PER_PROBLEM else array.T
            cut[field.name] = array
        whole = (self.shape[1], rows.stop - rows.start)
        for name in ("rates", "current"):
            cut[name] = np.ascontiguousarray(np.broadcast_to(cut[name], whole))
        return Given(**cut)


PER_PROBLEM = ("max_turnover", "horizon_hours")
LEAST = {"current": 0.0, "lower": 0.0, "upper": 0.0, "max_change": 0.0, "move_cost": 0.0, "max_turnover": 0.0}


def _checked(name: str, value: Any) -> NDArray[Any] | None:
    if value is None:
        return None
    if name in ("held", "mask"):
        array = np.asarray(value)
        if array.dtype != bool:
            raise InvalidInput(f"{name} has entries of type {array.dtype}; give True or False")
        return array
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise InvalidInput(f"{name} is not an array of numbers") from None
    open_ended = name in ("upper", "max_change", "max_turnover")
    wrong = np.isnan(array) if open_ended else ~np.isfinite(array)
    if wrong.any():
        place = tuple(int(k) for k in np.argwhere(wrong)[0])
        raise InvalidInput(f"{name}{list(place)} is {array[place]}; it must be a finite number")
    if name in LEAST and (array < LEAST[name]).any():
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
    if len(shape) > 2 or not shape:
        raise InvalidInput(f"the arguments broadcast to {shape}; give (problems, protocols)")
    return (1, shape[0]) if len(shape) == 1 else (shape[0], shape[1])


def _broadcastable(name: str, array: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """With as many dimensions as it is cut in: (problems or 1,) or (problems or 1, protocols or 1)."""
    if name in PER_PROBLEM:
        return array.reshape(-1)
    return array.reshape((1,) * (2 - array.ndim) + array.shape)


def _solve_chunk(data: _Inputs, rows: slice, result: BatchResult) -> None:
    given = data.chunk(rows)
    hours, current = given.horizon_hours, given.current
    gain = given.rates * hours
    box = Box.of(given)
    pieces = Pieces.of(given, box, gain)
    answer = by_one_sort(box, pieces)
    if given.max_turnover is not None:
        answer = within_turnover(given, box, pieces, answer)
    shares, feasible = answer.shares, answer.feasible & box.feasible
    stay_where_equal(given, box, gain, shares, feasible)
    change = shares - current
    cost = (given.move_cost * np.abs(change)).sum(axis=0)
    earned, stay = (gain * shares).sum(axis=0), (gain * current).sum(axis=0)
    objective = earned - cost
    bound = bound_of(given, box, gain, answer)
    scale = np.maximum(np.maximum(gain.max(axis=0), -gain.min(axis=0)), np.abs(objective))
    result.shares[rows] = shares.T
    result.net_benefit[rows] = objective - stay
    result.earnings_per_hour[rows] = earned / hours[0]
    result.cost[rows] = cost
    result.capacity_price[rows, 0] = answer.more / hours[0]
    result.capacity_price[rows, 1] = answer.less / hours[0]
    result.gap[rows] = np.maximum(bound - objective, 0.0) / np.maximum(scale, np.finfo(float).tiny)
    result.residual[rows] = residual_of(given, box, shares)
    result.status[rows] = np.where(feasible, BatchStatus.OPTIMAL, BatchStatus.INFEASIBLE)
    if not feasible.all():
        _without_answer(result, rows.start + np.flatnonzero(~feasible), current.T[~feasible])


def _without_answer(result: BatchResult, places: NDArray[np.intp], current: FloatArray) -> None:
    result.shares[places] = current
    for values in (result.net_benefit, result.earnings_per_hour, result.cost, result.gap, result.residual):
        values[places] = np.nan
    result.capacity_price[places] = np.nan
