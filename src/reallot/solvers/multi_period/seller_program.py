"""Traders period by period and sellers by their times to sell, as one small linear program kept inside HiGHS.

A seller's row says that what it holds above its floor is sold once, or held to the end. Each column is one time: it
earns what a unit earns until then, and takes part of the capacity until then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...problem.arrays import FloatArray, IntArray
from ..interface.result import RowPrices
from .arrays import DUST, HorizonArrays, tidy
from .restricted_program import HighsRestricted


@dataclass(frozen=True)
class SellersAnswer:
    """An optimum of the small program.

    prices  of the shared rules; movement is (periods, traders)
    last    (protocols,) what a seller's last unit earns, infinite for all others
    traded  (periods, traders) shares
    values  (columns,)
    """

    prices: RowPrices
    last: FloatArray
    traded: FloatArray
    values: FloatArray


class SellersProgram(HighsRestricted):
    """Traders in full and sellers by their times, kept inside HiGHS while times and traders join.

    held   (protocols,) what a seller may sell; 0 for all others
    known  (periods + 1, protocols) True where there is a column: `time` is the period as which begins it is sold, or
           the number of periods where it is held to the end
    """

    def __init__(self, whole: HorizonArrays, traders: IntArray, sellers: IntArray, guess: FloatArray) -> None:
        super().__init__(whole, traders, guess)
        count, size = whole.shape
        self.held, self.known = np.zeros(size), np.zeros((count + 1, size), dtype=np.bool_)
        self.held[sellers] = whole.current[sellers] - whole.lower[0, sellers]
        self._budget = self.program.row_slices["budget"].start
        self._sold = self.program.row_slices["sold"].start if whole.turnover is not None else None
        self._own = np.full(size, -1)
        self._own[sellers] = self.highs.getNumRow() + np.arange(sellers.size)
        mine, empty = self.held[sellers], np.zeros(sellers.size, dtype=np.int32)
        self._done(self.highs.addRows(sellers.size, mine, mine, 0, empty, empty[:0], mine[:0]))
        self._floors = whole.lower[0].copy()
        self._floors[traders] = 0.0
        self._total = np.vstack([np.zeros((1, size)), np.cumsum(self.whole.gain, axis=0)])
        self._column = self._time = self._seller = np.empty(0, dtype=np.int64)
        self._leave_floors()
        self.add(np.full(sellers.size, count), sellers)

    @property
    def sellers(self) -> IntArray:
        """Who is planned by its times."""
        return np.flatnonzero(self._own >= 0)

    def _leave_floors(self) -> None:
        """What is left for traders and sales beside the floors of all others."""
        count, left = len(self.whole.gain), self.whole.available - float(self._floors.sum())
        most = np.full(count, left)
        least = np.full(count, -np.inf) if self.whole.idle else most
        rows = (self._budget + np.arange(count)).astype(np.int32)
        self._done(self.highs.changeRowsBounds(count, rows, least, most))

    def add(self, time: IntArray, seller: IntArray) -> None:
        """Columns join, those that are there already left out."""
        new = ~self.known[time, seller]
        time, seller = time[new], seller[new]
        if not time.size:
            return
        self.known[time, seller] = True
        count = len(self.whole.gain)
        is_sold = time < count
        cost, most = np.zeros(time.size), np.full(time.size, np.inf)
        cost[is_sold] = self.whole.give[seller[is_sold]]
        most[is_sold] = self.whole.most[time[is_sold], seller[is_sold]]
        # where all of it may be sold at once the seller's row is limit enough, and takes the price of both
        most[most >= self.held[seller]] = np.inf
        extra = 1 + is_sold.astype(np.int64) * (self._sold is not None)
        ends = np.cumsum(time + extra)
        starts = ends - time - extra
        rows = self._budget + np.arange(int(ends[-1])) - np.repeat(starts, time + extra)
        rows[starts + time] = self._own[seller]
        if self._sold is not None:
            rows[ends[is_sold] - 1] = self._sold + time[is_sold]
        first = self.highs.getNumCol()
        gain = self._total[time, seller] - cost
        self._add(gain, np.zeros(time.size), most, starts, rows, np.ones(rows.size))
        self._column = np.concatenate([self._column, first + np.arange(time.size)])
        self._time, self._seller = np.concatenate([self._time, time]), np.concatenate([self._seller, seller])

    def join(self, places: IntArray) -> None:
        """The protocols at `places` become traders with what they hold: columns and rows of their times are closed."""
        were = places[self._own[places] >= 0]
        mine = np.isin(self._seller, were)
        for change, which in (
            (self.highs.changeColsBounds, self._column[mine]),
            (self.highs.changeRowsBounds, self._own[were]),
        ):
            if which.size:
                nothing = np.zeros(which.size)
                self._done(change(which.size, which.astype(np.int32), nothing, nothing))
        self._column, self._time, self._seller = (each[~mine] for each in (self._column, self._time, self._seller))
        self._own[were], self.held[were], self._floors[places] = -1, 0.0, 0.0
        self._leave_floors()
        super().join(places)

    def sales(self) -> SellersAnswer | None:
        """The optimum of the small program; None where HiGHS says that there is none."""
        found = self._optimum()
        if found is None:
            return None
        traded, prices, values, row_prices = found
        return SellersAnswer(prices, np.where(self._own >= 0, row_prices[self._own], np.inf), traded, values)

    def schedule(self, found: SellersAnswer) -> FloatArray:
        """(periods, protocols) shares of an answer."""
        sellers, sold = self.sellers, np.zeros(self.known.shape)
        full = np.tile(self._floors, (len(self.whole.gain), 1))
        full[:, self.places] = tidy(self.whole.of(self.places), found.traded)
        sold[self._time, self._seller] = found.values[self._column]
        left = self.held[sellers] - np.cumsum(np.where(sold < DUST, 0.0, sold)[:-1, sellers], axis=0)
        full[:, sellers] += np.where(left < DUST, 0.0, left)
        return full
