"""Some protocols over several periods as a small linear program, kept inside HiGHS while others join."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...errors import SolverFailed
from ...problem.arrays import FloatArray, IntArray
from ...program import Columns, LinearProgram, Rows, Status, cells, diagonal
from ..interface.result import RowPrices
from ..programs.highs import HighsModel
from .arrays import HorizonArrays, tidy
from .window_joins import unlimited_prices

WORTH_A_GUESS = 2_000
"""Periods times protocols from which the simplex is given prices to start from."""


class HighsRestricted(HighsModel):
    """The linear program of the protocols at `places`, as `formulate` lays it out; solved warm after others joined.

    Gains count above `guess`, (periods,) prices of capacity; without any, large programs take those of steps without
    limits. Where shares sum to the capacity that changes no plan, and the simplex starts from there instead of from
    prices of 0. Where capacity may be idle it would change plans, and the guess is 0.
    """

    name = "HiGHS inside"

    def __init__(self, whole: HorizonArrays, places: IntArray, guess: FloatArray | None = None) -> None:
        if whole.idle or (guess is None and whole.gain.size < WORTH_A_GUESS):
            guess = np.zeros(len(whole.gain))
        self.guess = unlimited_prices(whole).capacity if guess is None else guess
        self.whole, self.places = replace(whole, gain=whole.gain - self.guess[:, None]), places
        chosen = self.whole.of(places)
        super().__init__(_program(chosen))
        self.without_presolve()
        self._shares = self.program.column_slices["share"]
        self._columns = np.arange(self._shares.start, self._shares.stop).reshape(chosen.shape)
        movement = self.program.row_slices["movement"]
        self._rows = np.arange(movement.start, movement.stop).reshape(chosen.shape)

    def join(self, places: IntArray) -> None:
        """The protocols at `places`, none of them in yet, join; the last basis stays feasible, as they start empty."""
        new = self.whole.of(places)
        block = _program(new)
        count, width = new.gain.size, block.column_count
        first_column, first_row = self.highs.getNumCol(), self.highs.getNumRow()
        rows, columns, values = block.entries
        # by column the entries of the rows that are there already, then by row those of the rows that are new
        shared = rows >= count
        at = rows[shared] - count + self.program.row_slices["movement"].stop
        order = np.argsort(columns[shared], kind="stable")
        starts = np.searchsorted(columns[shared][order], np.arange(width))
        self._add(block.gain, block.lower, block.upper, starts, at[order], values[shared][order])
        rows, columns, values = rows[~shared], columns[~shared] + first_column, values[~shared]
        order = np.argsort(rows, kind="stable")
        starts = np.searchsorted(rows[order], np.arange(count))
        entries = (rows.size, starts.astype(np.int32), columns[order].astype(np.int32), values[order])
        self._done(self.highs.addRows(count, block.row_lower[:count], block.row_upper[:count], *entries))
        self.places = np.concatenate([self.places, places])
        self._columns = np.hstack([self._columns, first_column + np.arange(count).reshape(new.shape)])
        self._rows = np.hstack([self._rows, first_row + np.arange(count).reshape(new.shape)])

    def _add(
        self, gain: FloatArray, lower: FloatArray, upper: FloatArray, starts: IntArray, rows: IntArray, each: FloatArray
    ) -> None:
        """New columns; the entries `each`, at `rows`, of a column begin at its place in `starts`."""
        entries = (rows.size, starts.astype(np.int32), rows.astype(np.int32), each)
        self._done(self.highs.addCols(gain.size, -gain / self.scale, lower, upper, *entries))

    def answer(self) -> tuple[FloatArray, RowPrices] | None:
        """The best schedule of `places`, (periods, places), and its prices; None where there is none."""
        found = self._optimum()
        return None if found is None else (tidy(self.whole.of(self.places), found[0]), found[1])

    def _optimum(self) -> tuple[FloatArray, RowPrices, FloatArray, FloatArray] | None:
        """`answer` as HiGHS gives it, and the values of all columns and the prices of all rows."""
        solution = self.solve()
        if solution.status is Status.INFEASIBLE:
            return None
        if solution.status is not Status.OPTIMAL or solution.values is None or solution.row_prices is None:
            raise SolverFailed(f"HiGHS gave no plan over the horizon ({solution.status.value}: {solution.detail})")
        shared = {name: solution.row_prices[place] for name, place in self.program.row_slices.items()}
        nothing = np.zeros(len(self._rows))
        prices = RowPrices(
            capacity=np.maximum(shared["budget"], 0.0) if self.whole.idle else shared["budget"] + self.guess,
            bought=np.maximum(shared.get("bought", nothing), 0.0),
            sold=np.maximum(shared.get("sold", nothing), 0.0),
            movement=solution.row_prices[self._rows],
        )
        return solution.values[self._columns], prices, solution.values, solution.row_prices


def _program(horizon: HorizonArrays) -> LinearProgram:
    """share, increase and decrease with rows movement, budget, bought and sold."""
    count, size = horizon.shape
    places, periods = np.arange(count * size), range(count)
    names, nothing = range(places.size), np.zeros(places.size)
    columns = (
        Columns("share", names, horizon.gain.ravel(), horizon.lower.ravel(), horizon.upper.ravel()),
        Columns("increase", names, -horizon.take.ravel(), nothing, horizon.most.ravel()),
        Columns("decrease", names, -np.tile(horizon.give, count), nothing, horizon.most.ravel()),
    )
    later = places[size:]
    share = cells(
        np.concatenate([places, later]),
        np.concatenate([places, later - size]),
        np.concatenate([np.ones(places.size), np.full(later.size, -1.0)]),
    )
    parts = {"share": share, "increase": diagonal(-1.0, places.size), "decrease": diagonal(1.0, places.size)}
    start = np.concatenate([horizon.current, np.zeros(later.size)])
    total = cells(places // size, places, 1.0)
    free, most = np.full(count, -np.inf), np.full(count, horizon.available)
    rows = [
        Rows("movement", names, parts, start, start),
        Rows("budget", periods, {"share": total}, free if horizon.idle else most, most),
    ]
    if horizon.turnover is not None:
        rows.append(Rows("bought", periods, {"increase": total}, free, horizon.turnover))
        rows.append(Rows("sold", periods, {"decrease": total}, free, horizon.turnover))
    return LinearProgram(columns, tuple(rows))
