"""The exact answer of several periods and one shared capacity: active protocols, with a proof for all others.

Why it is here: with ten of 1,000 protocols holding a share it is 60 times as fast as the whole program in HiGHS. Where
all of them hold one, those that only sell are planned by their times to sell (`seller_generation`).

A protocol that starts empty and has no floor may stay out of the program until the program's own prices say that
buying some of it would pay. At given prices that is one recursion per protocol (`arrays.holding_values`): what
a unit is worth as a period begins, held as long as that pays and then sold. Where no unit is worth its purchase, the
same numbers are prices of the protocol's own rows, the prices of the small program become prices of the whole one,
and they prove the answer; where one is, the protocol joins and the small program is solved again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np

from ...errors import InvalidInput, SolverFailed
from ...problem import AllocationProblem
from ...problem.arrays import BoolArray, FloatArray, IntArray
from ..interface.eligibility import all_or_nothing, chosen, coupled, one_sided, tiered
from ..interface.result import NoFeasibleSplit, RowPrices, SolverResult
from ..numba.dispatch import available, is_loaded, require
from .arrays import DUST, HorizonArrays, best_purchase, holding_values, horizon_arrays, proves
from .coarse_to_fine import solve_coarse_to_fine
from .interior_point import WIDEST, solve_interior
from .restricted_program import HighsRestricted
from .seller_generation import solve_sellers

NO_SCHEDULE = NoFeasibleSplit("no schedule meets the bounds, the limits of change and the capacity in every period")
FEW = 10
"""So many protocols are not worth choosing from."""
WORTH_LOADING, TOO_MANY = 30_000, 100_000
"""From so many active protocols times periods on, the seconds saved pay for loading Numba once; beyond so many HiGHS is
the faster one."""
WORTH_SELLERS, AHEAD_OF_NETWORK = 2_000, 12_000
"""Protocols times periods from which it pays to plan those that only sell apart; and from which that is as fast as the
network simplex."""
MOST_USED = 0.25
"""Where more of the cells than this could hold a share, leaving cells out gains nothing, and an interior point is
quicker."""
MANY_CELLS = 6_000
"""Active protocols times periods from which HiGHS is not given all of them at once."""


def why_ineligible(problem: AllocationProblem) -> str | None:
    """Why this path cannot answer `problem`, in words; None where it can."""
    data = problem.arrays
    if problem.periods == 1:
        return "there is one period; the horizon path plans several together"
    why_not = coupled(problem, "horizon") or chosen(problem) or all_or_nothing(problem)
    why_not = why_not or tiered(problem, "horizon") or one_sided(problem, "horizon")
    if why_not is not None:
        return why_not
    if data.curved:
        return f"{problem.names[data.curved[0].index]} has a curve; the horizon path takes flat rates"
    return None


def solve(problem: AllocationProblem, *, compiled: bool | None = None) -> SolverResult | NoFeasibleSplit:
    """The optimal schedule of a problem that this path does not decline, with prices that prove it.

    compiled  True for the network simplex, which needs Numba (extra `fast`), False for HiGHS inside; None for the
              first where it is loaded already or worth loading. Large problems in which most only sell need neither
    Raises InvalidInput for a problem it declines, and for compiled code without Numba.
    Source: pricing out of columns (Ford & Fulkerson, 1958; Gilmore & Gomory, 1961), one path a column.
    """
    why_not = why_ineligible(problem)
    if why_not is not None:
        raise InvalidInput(f"the horizon path declines: {why_not}; use solver='highs' or 'auto'")
    return solve_arrays(horizon_arrays(problem), compiled)


def solve_arrays(whole: HorizonArrays, compiled: bool | None = None) -> SolverResult | NoFeasibleSplit:
    """What `solve` gives, for the arrays themselves."""
    if (whole.lower > whole.upper).any():
        return NoFeasibleSplit("a protocol's floor is above its ceiling")
    active, note = first_active(whole), ""
    by_network = _pays(whole, active) if compiled is None else compiled
    if whole.gain.size >= (AHEAD_OF_NETWORK if by_network else WORTH_SELLERS):
        sold = solve_sellers(whole)
        if sold is not None:
            return sold
    if by_network:
        answer, reason = _compiled(whole, active)
        if answer is not None:
            return answer
        note = f" as {reason}"
    if len(whole.gain) * int(active.sum()) > MANY_CELLS:
        narrow = whole.shape[1] <= WIDEST
        refined = solve_coarse_to_fine(whole, MOST_USED if narrow else 1.0)
        if refined is None and narrow:
            refined = solve_interior(whole)
        if refined is not None:
            return refined
    found, proven = _generate_columns(whole, active, HighsRestricted, note)
    if not proven:
        # a program solved warm may stray; nothing is warm where everybody takes part from the start
        found, _ = _generate_columns(whole, np.ones_like(active), HighsRestricted, note)
    return found


def _pays(whole: HorizonArrays, active: BoolArray) -> bool:
    """True where compiled code is there, loaded already or worth loading, and the faster way."""
    size = len(whole.gain) * int(active.sum())
    least = 0 if is_loaded("network_simplex") else WORTH_LOADING
    return least <= size <= TOO_MANY and available()


def _compiled(whole: HorizonArrays, active: BoolArray) -> tuple[SolverResult | NoFeasibleSplit | None, str]:
    """What the network simplex says; None, and why, where it cannot start or does not prove its answer."""
    require()
    from . import network

    reason = network.why_ineligible(whole)
    if reason is not None:
        return None, reason
    try:
        answer, proven = _generate_columns(whole, active, network.NetworkRestricted)
    except SolverFailed as failed:
        return None, str(failed)
    return (answer, "") if proven else (None, "the network simplex did not prove its answer")


class RestrictedSolver(Protocol):
    """What answers for the active protocols: made with (whole, places), kept while others join.

    `answer` gives the schedule of `places`, (periods, places), and its prices; None where there is none.
    """

    name: str
    places: IntArray

    def join(self, places: IntArray) -> None:
        """Let further protocols join the active ones."""

    def answer(self) -> tuple[FloatArray, RowPrices] | None:
        """The schedule of `places`, (periods, places), with its prices; None where there is none."""


def _generate_columns(
    whole: HorizonArrays,
    active: BoolArray,
    inside: Callable[[HorizonArrays, IntArray], RestrictedSolver],
    note: str = "",
) -> tuple[SolverResult | NoFeasibleSplit, bool]:
    """The answer on the active protocols, others joining until the proof holds for all that are left out.

    Also whether the prices prove the schedule of the active ones themselves.
    """
    active = active.copy()
    engine, rounds, filling = inside(whole, np.flatnonzero(active)), 0, ""
    while True:
        rounds += 1
        found = engine.answer()
        if found is None and active.all():
            return NO_SCHEDULE, True
        if found is None:
            active, filling = np.ones_like(active), ", as fewer cannot take the capacity"
            engine = inside(whole, np.flatnonzero(active))
            continue
        schedule, inner = found
        movement = holding_values(whole, inner)
        gain = np.where(active, 0.0, best_purchase(whole, movement, inner))
        if not gain.any():
            break
        # where many would gain, the best of them: what those take, the others will not want
        joins = np.argsort(-gain)[: min(np.count_nonzero(gain), max(FEW, int(active.sum()) // 2))]
        active[joins] = True
        engine.join(joins)
    full = np.zeros(whole.shape)
    full[:, engine.places], movement[:, engine.places] = schedule, inner.movement
    done = "1 round" if rounds == 1 else f"{rounds} rounds"
    detail = f"{int(active.sum())} of {active.size} protocols active{filling}, {engine.name}{note}, {done}"
    prices = RowPrices(inner.capacity, inner.bought, inner.sold, movement)
    return SolverResult(full, prices, detail=detail), proves(whole.of(engine.places), schedule, inner)


def first_active(whole: HorizonArrays) -> BoolArray:
    """(protocols,) True for what must be in the program, and for what will probably earn its place there.

    What starts with a share or has a floor must be. The other protocols are a guess that the proof makes good. They are
    the best on average until the capacity is full, and those that would pay at the rates of the last ones needed if
    twice as many were needed.
    """
    count, size = whole.shape
    active: BoolArray = (whole.current > 0.0) | (whole.lower > 0.0).any(axis=0)
    if size <= FEW:
        return np.ones_like(active)
    needed = max(1, math.ceil(whole.available / max(float(np.median(whole.upper[0])), DUST)))
    place = max(size - 1 - 2 * needed, 0)
    last = np.partition(whole.gain, place, axis=1)[:, place]
    active[np.argsort(whole.gain.sum(axis=0))[-needed:]] = True
    nothing = np.zeros(count)
    guess = RowPrices(last, nothing, nothing, whole.gain)
    return active | (best_purchase(whole, holding_values(whole, guess), guess) > 0.0)
