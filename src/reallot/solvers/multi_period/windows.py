"""A long horizon in overlapping windows: each is planned beyond what is kept of it, and their prices are joined.

Why it is here: the time of one program grows faster than its periods; windows take as long as there are periods.

The far future hardly matters for the next step, so that a plan which looks far enough ahead begins like the plan of
everything, with the same prices. Where two windows agree in shares and prices somewhere in their overlap, the joined
plan is optimal and the joined prices prove it. Where they do not, longer windows are planned; and where those would be
too long, the joined prices still give a true bound, and the gap says what may be missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...errors import SolverFailed
from ...problem.arrays import FloatArray
from ..interface.result import NoFeasibleSplit, RowPrices, SolverResult
from ..numba.dispatch import available, is_loaded
from .arrays import HorizonArrays, largest
from .column_generation import WORTH_LOADING, solve_arrays
from .window_joins import Window, WindowJoin, seam, unlimited_prices

FITS = 1e-9
"""A seam fits if it loses no more than this part of the largest gain or cost of one step."""

GROWTH, GROWTH_IN_HIGHS = 2, 4
"""How many times as long windows become that do not fit. From coarse to fine, time hardly grows faster than periods."""


@dataclass(frozen=True)
class Joined:
    """A plan put together.

    answer   schedule and prices of all periods; `detail` says how
    windows  how many were joined
    open     seams that do not fit
    until    period from which shares stay, as time was over; the number of periods where it was not
    """

    answer: SolverResult
    windows: int
    open: int
    until: int


def never() -> bool:
    """False: there is no limit of time."""
    return False


def is_compiled(whole: HorizonArrays) -> bool:
    """True where Numba is there, and loaded already or worth loading."""
    return available() and (is_loaded("network_simplex") or whole.gain.size >= WORTH_LOADING)


def plan(
    whole: HorizonArrays,
    length: int,
    longest: int,
    *,
    compiled: bool | None = None,
    late: Callable[[], bool] = never,
) -> Joined | NoFeasibleSplit:
    """The plan of all periods in windows, with prices that bound every plan.

    length    periods of a window; half of them are kept. One window of everything is exact
    longest   windows that do not fit are doubled up to so many periods; `length` for never
    compiled  as in `solve`; None for Numba where it is there and worth loading
    late      asked between windows; once True no more are planned, and shares stay as they are
    """
    count = len(whole.gain)
    if compiled is None:
        compiled = is_compiled(whole)
    near = FITS * largest(whole)
    windows: list[Window] = []
    seams: list[WindowJoin] = []
    start, current = 0, whole.current
    while True:
        end = start + length
        end = count if end + length // 4 >= count else end
        found = solve_arrays(whole.between(start, end, current), compiled)
        if isinstance(found, NoFeasibleSplit):
            if start == 0:
                return found
            raise SolverFailed(f"no schedule was found from period {start} on, where staying is one: {found.reason}")
        assert found.prices is not None
        window = Window(start, found.schedule, found.prices)
        if windows:
            joint = seam(whole, windows[-1], window)
            if joint.loss > near and end - windows[-1].start <= longest and not late():
                # the window before did not look far enough ahead: both are planned as one, and further still
                start = windows.pop().start
                seams = seams[: max(len(windows) - 1, 0)]
                length = min(max((GROWTH if compiled else GROWTH_IN_HIGHS) * length, end - start), longest)
                current = _shares_before(whole, windows, start)
                continue
            seams.append(joint)
        windows.append(window)
        if end == count:
            return _joined(whole, windows, seams, near, found.detail, count)
        if late():
            rest = whole.between(end, count, found.schedule[-1])
            stays = np.repeat(rest.current[None, :], count - end, axis=0)
            windows.append(Window(end, stays, unlimited_prices(rest)))
            seams.append(seam(whole, windows[-2], windows[-1]))
            return _joined(whole, windows, seams, near, found.detail, end)
        start += (end - start + 1) // 2
        current = _shares_before(whole, windows, start)


def _shares_before(whole: HorizonArrays, windows: list[Window], start: int) -> FloatArray:
    """The shares with which period `start` begins, (protocols,)."""
    if not windows:
        return whole.current
    last = windows[-1]
    result: FloatArray = last.schedule[start - 1 - last.start]
    return result


def _joined(
    whole: HorizonArrays, windows: list[Window], seams: list[WindowJoin], near: float, detail: str, until: int
) -> Joined:
    """Schedules and prices of all windows, each from its seam on."""
    count, size = whole.shape
    schedule, movement = np.empty((count, size)), np.empty((count, size))
    capacity, bought, sold = np.empty((3, count))
    for k, window in enumerate(windows):
        schedule[window.start : window.end] = window.schedule
        start = seams[k - 1].period if k else 0
        there, here = slice(start, window.end), slice(start - window.start, None)
        prices = window.prices
        capacity[there], bought[there], sold[there] = prices.capacity[here], prices.bought[here], prices.sold[here]
        movement[there] = prices.movement[here]
        if k:
            capacity[start - 1] = seams[k - 1].capacity
    answer = SolverResult(schedule, RowPrices(capacity, bought, sold, movement), detail=detail)
    return Joined(answer, len(windows), sum(each.loss > near for each in seams), until)
