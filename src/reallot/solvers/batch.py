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
from .exact import DUST, SLACK, TIE

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

CHUNK_NUMBERS = 20_000
"""Rows times protocols worked on at once: a few arrays of this size fit into a second-level cache."""
EQUAL = 1e-10
"""A plan must beat staying by more than this part of the money at stake."""


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

    def chunk(self, rows: slice) -> dict[str, Any]:
        """Every argument of some rows, broadcast to (rows, protocols) or (rows,)."""
        count, size = rows.stop - rows.start, self.shape[1]
        result = {}
        for name in ("rates", "current", "lower", "upper", "max_change", "held", "move_cost", "mask"):
            array = getattr(self, name)
            if array is not None:
                array = array[rows] if len(array) > 1 else array
                array = np.broadcast_to(array, (count, size))
            result[name] = array
        for name in ("max_turnover", "horizon_hours"):
            array = getattr(self, name)
            if array is not None:
                array = np.broadcast_to(array[rows] if len(array) > 1 else array, (count,))
            result[name] = array
        return result


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
    hours = given["horizon_hours"][:, None]
    box = _Box.of(given)
    gain = given["rates"] * hours
    buy, sell = gain - given["move_cost"], gain + given["move_cost"]
    tie = TIE * np.maximum(np.abs(buy), np.abs(sell)).max(axis=1)
    answer = _by_one_sort(box, buy, sell, tie)
    if given["max_turnover"] is not None:
        answer = _within_turnover(given, box, buy, sell, tie, answer)
    shares, prices, price, feasible = answer
    feasible = feasible & box.feasible
    _stay_where_equal(given, box, gain, shares, feasible)
    change = shares - given["current"]
    cost = (given["move_cost"] * np.abs(change)).sum(axis=1)
    earned, stay = (gain * shares).sum(axis=1), (gain * given["current"]).sum(axis=1)
    bound = _bound(given, box, gain, price)
    objective = earned - cost
    scale = np.maximum(np.maximum(np.abs(gain).max(axis=1), np.abs(objective)), np.finfo(float).tiny)
    unknown = ~feasible
    result.shares[rows] = np.where(unknown[:, None], given["current"], shares)
    for target, values in (
        (result.net_benefit, objective - stay),
        (result.earnings_per_hour, earned / hours[:, 0]),
        (result.cost, cost),
        (result.gap, np.maximum(bound - objective, 0.0) / scale),
    ):
        target[rows] = np.where(unknown, np.nan, values)
    result.capacity_price[rows] = np.where(unknown[:, None], np.nan, prices / hours)
    result.status[rows] = np.where(unknown, BatchStatus.INFEASIBLE, BatchStatus.OPTIMAL)
    result.residual[rows] = np.where(unknown, np.nan, _residual(given, box, shares))


@dataclass(frozen=True)
class _Box:
    """What bounds, holds and max change leave: low <= share <= high, and `middle`, the share without any trade."""

    low: FloatArray
    high: FloatArray
    middle: FloatArray
    feasible: BoolArray

    @classmethod
    def of(cls, given: dict[str, Any]) -> _Box:
        current, low, high = given["current"], given["lower"], given["upper"]
        if given["max_change"] is not None:
            low = np.maximum(low, current - given["max_change"])
            high = np.minimum(high, current + given["max_change"])
        if given["held"] is not None:
            low = np.where(given["held"], np.maximum(low, current), low)
            high = np.where(given["held"], np.minimum(high, current), high)
        if given["mask"] is not None:
            low, high = np.where(given["mask"], low, 0.0), np.where(given["mask"], high, 0.0)
        feasible = (low <= high + SLACK).all(axis=1)
        high = np.maximum(low, np.minimum(high, 2.0))
        return cls(low, high, np.minimum(np.maximum(current, low), high), feasible)


Answer = tuple[FloatArray, FloatArray, tuple[FloatArray, FloatArray, FloatArray], BoolArray]
"""Shares, capacity price interval, supporting prices (capacity, bought, sold), feasible."""


def _by_one_sort(box: _Box, buy: FloatArray, sell: FloatArray, tie: FloatArray) -> Answer:
    """Pieces to keep (below the middle) and to buy (above it) filled from the steepest down to the capacity."""
    keep_width, buy_width = box.middle - box.low, box.high - box.middle
    width = np.concatenate([keep_width, buy_width], axis=1)
    slope = np.concatenate([sell, buy], axis=1)
    slope[width <= DUST] = -np.inf
    order = np.argsort(-slope, axis=1)
    falling = np.take_along_axis(slope, order, axis=1)
    ends = np.cumsum(np.take_along_axis(width, order, axis=1), axis=1)
    need = 1.0 - box.low.sum(axis=1)
    feasible = (need >= -SLACK) & (need <= ends[:, -1] + SLACK)
    last = np.minimum((ends < need[:, None] - DUST).sum(axis=1), width.shape[1] - 1)
    row = np.arange(len(need))
    price = falling[row, last]
    steep = price + tie
    # what is steeper than the price is full; what ties with it is filled in order, kept shares before bought ones
    kept = np.where(slope[:, : sell.shape[1]] > steep[:, None], keep_width, 0.0)
    bought = np.where(slope[:, sell.shape[1] :] > steep[:, None], buy_width, 0.0)
    left = need - kept.sum(axis=1) - bought.sum(axis=1)
    even = np.abs(slope - price[:, None]) <= tie[:, None]
    for part, widths, tied in (
        (kept, keep_width, even[:, : sell.shape[1]]),
        (bought, buy_width, even[:, sell.shape[1] :]),
    ):
        wanted = np.where(tied, widths, 0.0)
        before = np.cumsum(wanted, axis=1) - wanted
        filled = np.minimum(np.maximum(left[:, None] - before, 0.0), wanted)
        left = left - filled.sum(axis=1)
        part += filled
    full = ends[row, last] <= need + DUST
    following = falling[row, np.minimum(last + 1, width.shape[1] - 1)]
    following = np.where(last + 1 < width.shape[1], following, -np.inf)
    empty = need <= DUST
    more = np.where(empty, falling[:, 0], np.where(full, following, price))
    prices = np.stack([more, np.where(empty, np.inf, price)], axis=1)
    support = np.where(np.isfinite(price), price, 0.0)
    zero = np.zeros_like(need)
    return _tidy(box, box.low + kept + bought), prices, (support, zero, zero), feasible


def _within_turnover(
    given: dict[str, Any], box: _Box, buy: FloatArray, sell: FloatArray, tie: FloatArray, answer: Answer
) -> Answer:
    """The answer without a turnover limit, drawn back to it where it moves more.

    The worth of a total bought is concave, so with a limit the best total is the free one or the limit itself; for a
    given total the steepest buys and the cheapest sells are best.
    """
    free, _, _, feasible = answer
    buy_width, sell_width = box.high - box.middle, box.middle - box.low
    forced = box.middle - given["current"]
    buy_cap = given["max_turnover"] - np.maximum(forced, 0.0).sum(axis=1)
    sell_cap = given["max_turnover"] - np.maximum(-forced, 0.0).sum(axis=1)
    feasible = feasible & (buy_cap >= -SLACK) & (sell_cap >= -SLACK)
    buy_cap, sell_cap = np.maximum(buy_cap, 0.0), np.maximum(sell_cap, 0.0)
    to_fill = 1.0 - box.middle.sum(axis=1)
    least, most = np.maximum(to_fill, 0.0), np.minimum(buy_cap, sell_cap + to_fill)
    feasible = feasible & (least <= most + SLACK)
    wanted = np.maximum(free - box.middle, 0.0).sum(axis=1)
    bought = np.minimum(np.maximum(wanted, least), np.maximum(most, least))
    sold = np.maximum(bought - to_fill, 0.0)
    limited = wanted > most + DUST
    take, gain_next, gain_last = _steepest(buy, buy_width, bought, tie)
    give, loss_next, loss_last = _steepest(-sell[:, ::-1], sell_width[:, ::-1], sold, tie)
    shares = np.where(limited[:, None], _tidy(box, box.middle + take - give[:, ::-1]), free)
    loss_next, loss_last = -loss_next, -loss_last
    buy_limited, sell_limited = bought >= buy_cap - DUST, sold >= sell_cap - DUST
    more = np.maximum(np.where(buy_limited, -np.inf, gain_next), loss_last)
    less = np.minimum(gain_last, np.where(sell_limited, np.inf, loss_next))
    low = np.where(buy_limited, loss_last, np.maximum(gain_next, loss_last))
    high = np.where(sell_limited, gain_last, np.minimum(gain_last, loss_next))
    price = np.where(
        np.isfinite(low), np.where(low > high, 0.5 * (low + high), low), np.where(np.isfinite(high), high, 0.0)
    )
    on_buying = np.where(buy_limited & np.isfinite(gain_next), np.maximum(gain_next - price, 0.0), 0.0)
    on_selling = np.where(sell_limited & np.isfinite(loss_next), np.maximum(price - loss_next, 0.0), 0.0)
    return shares, np.stack([more, less], axis=1), (price, on_buying, on_selling), feasible


def _steepest(
    slope: FloatArray, width: FloatArray, total: FloatArray, tie: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """`total` of each row taken from its steepest pieces, ties by column; slopes of the next and the last piece.

    -inf as the next slope where nothing is left, inf as the last where nothing is taken.
    """
    slope = np.where(width > DUST, slope, -np.inf)
    order = np.argsort(-slope, axis=1)
    falling = np.take_along_axis(slope, order, axis=1)
    ends = np.cumsum(np.take_along_axis(np.where(width > DUST, width, 0.0), order, axis=1), axis=1)
    row, count = np.arange(len(total)), width.shape[1]
    place = np.minimum((ends < total[:, None] - DUST).sum(axis=1), count - 1)
    following = (ends <= total[:, None] + DUST).sum(axis=1)
    last = np.where(total > DUST, falling[row, place], np.inf)
    after = np.where(following < count, falling[row, np.minimum(following, count - 1)], -np.inf)
    taken = np.where(slope > (last + tie)[:, None], width, 0.0)
    with np.errstate(invalid="ignore"):
        even = np.where(np.abs(slope - last[:, None]) <= tie[:, None], width, 0.0)
    left = total - taken.sum(axis=1)
    before = np.cumsum(even, axis=1) - even
    taken += np.minimum(np.maximum(left[:, None] - before, 0.0), even)
    return taken, after, last


def _tidy(box: _Box, shares: FloatArray) -> FloatArray:
    """Shares within rounding of a bound or of the present share are exactly that."""
    for target in (box.high, box.low, box.middle):
        shares = np.where(np.abs(shares - target) <= DUST, target, shares)
    return shares


def _stay_where_equal(
    given: dict[str, Any], box: _Box, gain: FloatArray, shares: FloatArray, feasible: BoolArray
) -> None:
    """The present shares, in place, where they meet every rule and the plan is worth no more than rounding."""
    current, change = given["current"], shares - given["current"]
    worth = (gain * change - given["move_cost"] * np.abs(change)).sum(axis=1)
    stays = feasible & (np.abs(current.sum(axis=1) - 1.0) <= SLACK) & (box.middle == current).all(axis=1)
    stays &= worth <= EQUAL * np.abs(gain).max(axis=1)
    np.copyto(shares, current, where=stays[:, None])


def _bound(
    given: dict[str, Any], box: _Box, gain: FloatArray, price: tuple[FloatArray, FloatArray, FloatArray]
) -> FloatArray:
    """What no split is worth more than, by weak duality: any prices >= 0 on buying and selling give a true bound."""
    capacity, buying, selling = price
    best = np.full(gain.shape, -np.inf)
    for share in (box.low, box.middle, box.high):
        change = share - given["current"]
        worth = gain * share - given["move_cost"] * np.abs(change) - capacity[:, None] * share
        worth = worth - buying[:, None] * np.maximum(change, 0.0) - selling[:, None] * np.maximum(-change, 0.0)
        best = np.maximum(best, worth)
    bound = capacity + best.sum(axis=1)
    if given["max_turnover"] is not None:
        limit = np.where(np.isfinite(given["max_turnover"]), given["max_turnover"], 0.0)
        bound = bound + (buying + selling) * limit
    return np.asarray(bound)


def _residual(given: dict[str, Any], box: _Box, shares: FloatArray) -> FloatArray:
    """The worst violation of any rule, in shares, (problems,)."""
    worst = np.maximum((box.low - shares).max(axis=1), (shares - box.high).max(axis=1))
    worst = np.maximum(worst, np.abs(shares.sum(axis=1) - 1.0))
    if given["max_turnover"] is not None:
        change = shares - given["current"]
        moved = np.maximum(np.maximum(change, 0.0).sum(axis=1), np.maximum(-change, 0.0).sum(axis=1))
        worst = np.maximum(worst, moved - given["max_turnover"])
    return np.asarray(np.maximum(worst, 0.0))
