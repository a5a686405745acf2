"""Several periods where everybody holds something: who only sells is planned by when it sells, not period by period.

Why it is here: from the equal split few protocols ever buy. 168 periods of 100 protocols take a fifth of the time of
the whole program in HiGHS, 168 of 1,000 a tenth or less.

What a unit earns that a seller sells as period t begins is known at any prices:

    worth[t]   = sum of (gain - capacity) over the periods before t - give - sold[t]
    worth[end] = sum of (gain - capacity) over all periods

The small program (`seller_program`) is the optimum of the whole one under two conditions: no time without a column is
worth more than the seller's last unit, and nobody but the traders gains by buying (`arrays.holding_values`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...problem.arrays import BoolArray, FloatArray, IntArray
from ..interface.result import RowPrices, SolverResult
from .arrays import DUST, ROUNDING, HorizonArrays, best_purchase, holding_values, largest, proves
from .seller_program import SellersProgram
from .window_joins import unlimited_prices

FEW = 10
"""So many sellers are not worth planning apart."""
CEILINGS = 10
"""Where it takes so many protocols to hold the capacity, many buy: it is left to other ways."""
TIMES, TIMES_AFTER_SAMPLE = 4, 2
"""Times to sell that each seller has a column for at first, beside holding to the end."""
SAMPLE, ROUNDS_OF_SAMPLE = 40, 3
"""Where there are many more sellers, so many stand for all of them at first: that gives prices to begin with."""
BESIDE = 6
"""Periods before and after a time that joins whose times join as well, as prices will move."""
MOST_ROUNDS = 40
"""Far more than were ever needed: past it another way is tried."""
SLOWEST = 4
"""Periods that selling all of it may take: who needs more is planned in full."""


def only_sell(whole: HorizonArrays) -> BoolArray:
    """(protocols,) True for what may be a seller: it holds more than a steady floor, and can sell it soon."""
    soon = whole.current - whole.lower[0] <= SLOWEST * whole.most.mean(axis=0)
    result: BoolArray = _stays_allowed(whole) & (whole.current > whole.lower[0]) & soon
    return result


def at_rest(whole: HorizonArrays) -> BoolArray:
    """(protocols,) True for what holds a steady floor and no more: it stays there unless buying pays."""
    result: BoolArray = _stays_allowed(whole) & (whole.current == whole.lower[0])
    return result


def _stays_allowed(whole: HorizonArrays) -> BoolArray:
    steady = (whole.lower == whole.lower[0]).all(axis=0) & (whole.lower[0] <= whole.current)
    result: BoolArray = steady & (whole.upper >= whole.current).all(axis=0)
    return result


def worth_of_times(whole: HorizonArrays, places: IntArray, prices: RowPrices) -> FloatArray:
    """(periods + 1, places) what a unit earns that is sold as period t begins; in the last row, held to the end."""
    worth = np.zeros((len(whole.gain) + 1, places.size))
    np.cumsum(whole.gain[:, places] - prices.capacity[:, None], axis=0, out=worth[1:])
    worth[:-1] -= whole.give[places] + prices.sold[:, None]
    worth[:-1][whole.most[:, places] <= 0.0] = -np.inf
    return worth


def first_traders(whole: HorizonArrays, guess: RowPrices) -> BoolArray:
    """(protocols,) True for who would be bought at the prices `guess`, and for as many as take all in one step."""
    gain = np.where(whole.most > 0.0, guess.movement - whole.take, -np.inf).max(axis=0)
    one_step = np.minimum(whole.upper.mean(axis=0), whole.most.mean(axis=0))
    order = np.argsort(-gain, kind="stable")
    needed = int(np.searchsorted(np.cumsum(one_step[order]), whole.available)) + 1
    result: BoolArray = gain >= -2.0 * len(whole.gain) * ROUNDING * largest(whole)
    result[order[:needed]] = True
    return result


def solve_sellers(whole: HorizonArrays) -> SolverResult | None:
    """The optimal schedule with prices that prove it; None where too many buy, or where none was found this way.

    Source: column generation (Gilmore & Gomory, 1961), one sale a column.
    """
    sells, rests = only_sell(whole), at_rest(whole)
    if np.count_nonzero(sells) <= FEW or CEILINGS * float(whole.upper.mean()) <= whole.available:
        return None
    guess = unlimited_prices(whole)
    must = ~(sells | rests)
    trades, times = first_traders(whole, guess) | must, TIMES
    if _too_many(whole, trades & ~rests):
        return None
    if np.count_nonzero(sells & ~trades) > 3 * SAMPLE:
        look = _Generation(_thinned(whole, np.flatnonzero(sells & ~trades)), trades, guess, times)
        if look.go_on(ROUNDS_OF_SAMPLE) is not None:
            guess, trades, times = look.prices, must | look.buyers(), TIMES_AFTER_SAMPLE
    generation = _Generation(whole, trades, guess, times)
    movement = generation.go_on(MOST_ROUNDS)
    if movement is None or generation.joining:
        return None
    schedule, program, prices = generation.schedule(), generation.program, generation.prices
    full = RowPrices(prices.capacity, prices.bought, prices.sold, movement)
    if not proves(whole, schedule, full):
        return None
    counted = f"{program.places.size} of {whole.shape[1]} protocols trade, {program.sellers.size} only sell"
    rounds = "1 round" if generation.rounds == 1 else f"{generation.rounds} rounds"
    return SolverResult(schedule, full, detail=f"{counted}, {program.name}, {rounds}")


def _too_many(whole: HorizonArrays, trades: BoolArray) -> bool:
    """True where so many of those who hold something trade that little is left out."""
    return bool(2 * np.count_nonzero(trades) > np.count_nonzero(~at_rest(whole)))


class _Generation:
    """The small program, and what joins it until its prices are prices of all of `whole`.

    prices   of the last answer, movement for traders alone
    joining  True where the last prices asked for a time or a trader
    """

    def __init__(self, whole: HorizonArrays, trades: BoolArray, guess: RowPrices, times: int) -> None:
        self.whole, self.prices, self.rounds, self.joining = whole, guess, 0, True
        self.rests = at_rest(whole)
        sellers, count = np.flatnonzero(only_sell(whole) & ~trades), min(times, len(whole.gain))
        self.program = SellersProgram(whole, np.flatnonzero(trades), sellers, guess.capacity)
        worth = worth_of_times(whole, sellers, guess)[:-1]
        best = np.argpartition(-worth, count - 1, axis=0)[:count]
        self.program.add(best.ravel(), np.tile(sellers, count))

    def go_on(self, most: int) -> FloatArray | None:
        """Potentials (periods, protocols) at the last prices after at most so many rounds more; None without any."""
        whole, program = self.whole, self.program
        near = 2.0 * len(whole.gain) * ROUNDING * largest(whole)
        for _ in range(most):
            self.rounds += 1
            found = program.sales()
            if found is None:
                return None
            self._found, self.prices, sellers = found, found.prices, program.sellers
            over = worth_of_times(whole, sellers, found.prices) - found.last[sellers]
            over[program.known[:, sellers]] = -np.inf
            later = np.flatnonzero(over.max(axis=0, initial=-np.inf) > near)
            movement = holding_values(whole, found.prices, found.last)
            gain = best_purchase(whole, movement, found.prices)
            gain[program.places] = 0.0
            movement[:, program.places] = found.prices.movement
            buys = np.flatnonzero(gain)
            self.joining = bool(later.size or buys.size)
            if not self.joining:
                break
            best = over[:, later].argmax(axis=0)
            beside = np.clip(best + np.arange(-BESIDE, BESIDE + 1)[:, None], 0, len(whole.gain))
            program.add(*np.unique(np.stack([beside.ravel(), np.tile(sellers[later], len(beside))]), axis=1))
            joins = buys[np.argsort(-gain[buys])[: max(FEW, program.places.size // 2)]]
            trades = np.isin(np.arange(whole.shape[1]), np.concatenate([program.places, joins]))
            if _too_many(whole, trades & ~self.rests):
                return None
            program.join(joins)
        return movement

    def schedule(self) -> FloatArray:
        """(periods, protocols) shares of the last answer."""
        return self.program.schedule(self._found)

    def buyers(self) -> BoolArray:
        """(protocols,) True for traders that the last answer buys."""
        traded, places = self._found.traded, self.program.places[: self._found.traded.shape[1]]
        bought = np.diff(traded, axis=0, prepend=self.whole.current[None, places])
        result = np.zeros(self.whole.shape[1], dtype=np.bool_)
        result[places[(bought > DUST).any(axis=0)]] = True
        return result


def _thinned(whole: HorizonArrays, sellers: IntArray) -> HorizonArrays:
    """The same with SAMPLE of the sellers holding what all of them hold, and selling in as many steps; nearly the same.

    They are drawn evenly from the order of what they earn in the first periods.
    """
    early = whole.gain[: max(2, len(whole.gain) // 16), sellers].sum(axis=0)
    few = sellers[np.argsort(early, kind="stable")][np.linspace(0, sellers.size - 1, SAMPLE).round().astype(np.int64)]
    held = whole.current - whole.lower[0]
    times = float(held[sellers].sum() / held[few].sum())
    current, most, upper = whole.current.copy(), whole.most.copy(), whole.upper.copy()
    current[sellers] = whole.lower[0, sellers]
    current[few] += times * held[few]
    most[:, few] *= times
    upper[:, few] = np.maximum(upper[:, few], current[few])
    return replace(whole, current=current, most=most, upper=upper)
