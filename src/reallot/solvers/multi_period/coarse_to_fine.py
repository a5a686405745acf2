"""A long horizon without compiled code: coarse periods say where shares may stand, prices say where else.

A cell is one protocol in one period. The optimum holds a share in few of them, and HiGHS is given those alone: where
the plan of periods four times as long holds a share. At the prices of that small program a path through the cells left
out is one recursion; where one pays, its cells join and HiGHS goes on from its last basis. Where none pays, the same
numbers are prices of all rows, and they prove the plan.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...problem.arrays import BoolArray, FloatArray, IntArray
from ...program import Columns, LinearProgram, Rows, Status, cells, diagonal
from ..interface.result import RowPrices, SolverResult
from ..programs.highs import HighsModel
from .arrays import ROUNDING, HorizonArrays, largest, proves, tidy

FACTOR = 4
"""Periods that are one on the next coarser level."""
WHOLE = 6_000
"""Cells that are planned without a coarser level."""
TOO_MANY = 2
"""How many times as many cells as there are may join at once; where more would, prices of so few cells say little."""
MOST_ROUNDS = 40
"""Far more than were ever needed (up to 6): past it the whole program is tried instead."""


@dataclass(frozen=True)
class _Level:
    """The plan of one level, found with `count` cells after so many rounds."""

    schedule: FloatArray
    prices: RowPrices
    count: int
    rounds: int


def solve_coarse_to_fine(whole: HorizonArrays, most_used: float = 1.0) -> SolverResult | None:
    """The optimal schedule with prices that prove it; None where none was found this way, though there may be one.

    Nor where more than the part `most_used` of the cells of a level, the coarsest aside, would have to take part.

    Source: column generation (Gilmore & Gomory, 1961), its first columns from an aggregated program (Zipkin, 1980).
    """
    level = _level(whole, most_used)
    if level is None or not proves(whole, level.schedule, level.prices):
        return None
    rounds = "1 round" if level.rounds == 1 else f"{level.rounds} rounds"
    detail = f"{level.count} of {whole.gain.size} cells active, HiGHS from coarse to fine, {rounds}"
    return SolverResult(level.schedule, level.prices, detail=detail)


def _level(whole: HorizonArrays, most_used: float) -> _Level | None:
    """The plan of a level, from that of the next coarser one; None where more than `most_used` of the cells join."""
    if whole.gain.size <= WHOLE or len(whole.gain) <= FACTOR:
        most_used = 1.0
        used = np.ones(whole.shape, dtype=bool)
    else:
        coarser = _level(_coarse(whole), most_used)
        if coarser is None:
            return None
        # what moves at once between two long periods moves little by little within one of them
        held = coarser.schedule > 0.0
        likely = held.copy()
        likely[1:] |= held[:-1]
        likely[:-1] |= held[1:]
        likely[0] |= whole.current > 0.0
        used = np.repeat(likely, FACTOR, axis=0)[: len(whole.gain)] | (whole.lower > 0.0)
    basis = _Basis(whole.shape)
    for rounds in range(1, MOST_ROUNDS + 1):
        if used.mean() > most_used:
            return None
        program = _Program(whole, used)
        found = program.answer(basis)
        if found is None:
            return None
        schedule, prices = found
        values, pays = _paths(whole, prices, used, program.rows)
        joins = pays > 2.0 * len(values) * ROUNDING * largest(whole)
        if not joins.any():
            full = RowPrices(prices.capacity, prices.bought, prices.sold, values)
            return _Level(schedule, full, int(used.sum()), rounds)
        if np.count_nonzero(joins) > TOO_MANY * np.count_nonzero(used):
            return None
        used = used | joins
    return None


def _coarse(whole: HorizonArrays) -> HorizonArrays:
    """The same with FACTOR periods as one, in which shares stand still: nearly the same question."""
    first = np.arange(0, len(whole.gain), FACTOR)
    upper = np.minimum.reduceat(whole.upper, first, axis=0)
    return HorizonArrays(
        gain=np.add.reduceat(whole.gain, first, axis=0),
        take=whole.take[first],
        give=whole.give,
        lower=np.minimum(np.maximum.reduceat(whole.lower, first, axis=0), upper),
        upper=upper,
        most=np.add.reduceat(whole.most, first, axis=0),
        current=whole.current,
        available=whole.available,
        idle=whole.idle,
        turnover=None if whole.turnover is None else np.add.reduceat(whole.turnover, first),
    )


def _paths(whole: HorizonArrays, prices: RowPrices, used: BoolArray, rows: BoolArray) -> tuple[FloatArray, FloatArray]:
    """What a unit is worth as each period begins, and what the best path through each cell left out gains.

    A path gets its unit at the movement price of one of `rows` or by buying it, holds it through cells left out, and
    leaves it at such a price, sells it, or holds it to the end.
    """
    count, size = whole.shape
    net = whole.gain - prices.capacity[:, None]
    sold = np.where(whole.most > 0.0, -(whole.give + prices.sold[:, None]), -np.inf)
    bought = np.where(whole.most > 0.0, whole.take + prices.bought[:, None], np.inf)
    values, onward, so_far = np.empty((count, size)), np.empty((count, size)), np.empty((count, size))
    after = np.zeros(size)
    for t in range(count - 1, -1, -1):
        onward[t] = net[t] + after
        after = values[t] = np.where(rows[t], prices.movement[t], np.maximum(onward[t], sold[t]))
    paid = np.where(rows, values, bought)
    before = np.full(size, -np.inf)
    for t in range(count):
        so_far[t] = np.maximum(before, -paid[t])
        before = so_far[t] + net[t]
    return values, np.where(used, -np.inf, so_far + onward)


class _Basis:
    """Where HiGHS came to rest, by cell: what joins later starts at its bound, its row by itself."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._known = False
        self.columns = np.full((3, *shape), HighsModel.AT_LOWER)
        self.movement = np.full(shape, HighsModel.BASIC)
        self.shared = np.empty(0, dtype=np.int64)

    def pass_to(self, model: HighsModel, at: tuple[IntArray, ...], row: tuple[IntArray, ...]) -> None:
        """The next solve starts here, if there was one before."""
        if self._known:
            share, up, down = self.columns
            columns = np.concatenate([share[at], up[row], down[row]])
            model.start_at_basis(columns, np.concatenate([self.movement[row], self.shared]))

    def keep(self, model: HighsModel, at: tuple[IntArray, ...], row: tuple[IntArray, ...]) -> None:
        """Remembers the basis of a model that was solved."""
        columns, rows = model.basis()
        shares, moves = at[0].size, row[0].size
        share, up, down = np.split(columns, [shares, shares + moves])
        self.columns[0][at], self.columns[1][row], self.columns[2][row] = share, up, down
        self.movement[row], self.shared = rows[:moves], rows[moves:]
        self._known = True


class _Program:
    """The program of the cells `used`, laid out as `restricted_program` does; `rows` marks movements that are in it."""

    def __init__(self, whole: HorizonArrays, used: BoolArray) -> None:
        self.whole, self.used = whole, used
        self.rows = used.copy()
        self.rows[1:] |= used[:-1]
        self.rows[0] |= whole.current > 0.0
        self._at, self._row = np.nonzero(used), np.nonzero(self.rows)

    def answer(self, basis: _Basis) -> tuple[FloatArray, RowPrices] | None:
        """The best schedule, (periods, protocols), and its prices, movement only at `rows`; None without an optimum."""
        whole, program = self.whole, self._program()
        model = HighsModel(program)
        model.without_presolve()
        basis.pass_to(model, self._at, self._row)
        solution = model.solve()
        if solution.status is not Status.OPTIMAL or solution.values is None or solution.row_prices is None:
            return None
        basis.keep(model, self._at, self._row)
        schedule, movement = np.zeros(whole.shape), np.zeros(whole.shape)
        schedule[self._at] = solution.values[program.column_slices["share"]]
        shared = {name: solution.row_prices[place] for name, place in program.row_slices.items()}
        movement[self._row] = shared["movement"]
        nothing = np.zeros(len(whole.gain))
        prices = RowPrices(
            capacity=np.maximum(shared["budget"], 0.0) if whole.idle else shared["budget"],
            bought=np.maximum(shared.get("bought", nothing), 0.0),
            sold=np.maximum(shared.get("sold", nothing), 0.0),
            movement=movement,
        )
        return tidy(whole, schedule), prices

    def _program(self) -> LinearProgram:
        whole, at, (period, protocol) = self.whole, self._at, self._row
        shares, moves = at[0].size, period.size
        number = np.full(whole.shape, -1)
        number[at] = np.arange(shares)
        here, before = number[self._row], np.where(period > 0, number[period - 1, protocol], -1)
        columns = (
            Columns("share", range(shares), whole.gain[at], whole.lower[at], whole.upper[at]),
            Columns("increase", range(moves), -whole.take[self._row], np.zeros(moves), whole.most[self._row]),
            Columns("decrease", range(moves), -whole.give[protocol], np.zeros(moves), whole.most[self._row]),
        )
        held, left = np.flatnonzero(here >= 0), np.flatnonzero(before >= 0)
        share = cells(
            np.concatenate([held, left]),
            np.concatenate([here[held], before[left]]),
            np.concatenate([np.ones(held.size), np.full(left.size, -1.0)]),
        )
        parts = {"share": share, "increase": diagonal(-1.0, moves), "decrease": diagonal(1.0, moves)}
        start = np.where(period == 0, whole.current[protocol], 0.0)
        periods = range(len(whole.gain))
        free, most = np.full(len(periods), -np.inf), np.full(len(periods), whole.available)
        total = cells(at[0], np.arange(shares), 1.0)
        rows = [
            Rows("movement", range(moves), parts, start, start),
            Rows("budget", periods, {"share": total}, free if whole.idle else most, most),
        ]
        if whole.turnover is not None:
            moved = cells(period, np.arange(moves), 1.0)
            rows.append(Rows("bought", periods, {"increase": moved}, free, whole.turnover))
            rows.append(Rows("sold", periods, {"decrease": moved}, free, whole.turnover))
        return LinearProgram(columns, tuple(rows))
