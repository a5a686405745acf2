"""The search over whole numbers again at other gains: the boxes that were closed are priced anew, few are opened again.

Rows and bounds stay, so that the last choices are feasible, and what was empty is. Each box that was closed had prices,
those of a basis; the same basis at the new gains gives other prices, and they bound the box now (weak duality, at any
prices). Only boxes that promise more than the last choices do are looked into.

Source: warm starts of branch and bound from the duals of its leaves (Ralphs and Guzelsoy, 2006).
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from weakref import WeakKeyDictionary

import numpy as np

from ...program import LinearProgram
from ...program.blocks import FloatArray, IntArray
from .branch_and_bound import Best, Branch, Branches, BranchSearch, Closed, Prices, Searched
from .quiet import quiet

WIDEST = 600
"""Rows up to which bases are inverted: beyond, the last prices are all there is."""
MOST = 400
"""Boxes that are worth pricing anew: where there are more, the search begins from the relaxation again."""


@dataclass(frozen=True)
class _Last:
    """The last search.

    point   (columns,) the best one
    closed  boxes that cover everything but what is empty
    """

    point: FloatArray
    closed: list[Closed]


class KeptSearch:
    """`search`, for programs one after another: where only gains differ from the last one, it goes on from there.

    program  the last one
    changed  how many gains, bounds, limits and coefficients of it were new; None where its shape was another
    """

    def __init__(self) -> None:
        self.program: LinearProgram | None = None
        self.changed: dict[str, int] | None = None
        self._branches: Branches | None = None
        self._last: _Last | None = None
        self._inverses: Inverses | None = None

    def __call__(
        self,
        program: LinearProgram,
        known: FloatArray | None,
        tolerance: float,
        time_limit_seconds: float | None = None,
        work: int | None = None,
    ) -> Searched:
        """What `branch_and_bound.search` gives, as strictly proved."""
        ends = np.inf if time_limit_seconds is None else perf_counter() + time_limit_seconds
        branches, inverses = self._kept(program, tolerance)
        last = self._last
        goal, seen = Best(program, known), branches.seen
        run, starts = BranchSearch(branches, goal, bases=True), [Branch(np.inf, program.lower, program.upper)]
        with quiet():
            if last is not None and self.changed is not None:
                branches.seen += 1
                run.try_whole(last.point, program.lower, program.upper)
                if not any(number for what, number in self.changed.items() if what != "gains"):
                    starts = _opened_again(run, last, inverses)
            bound, finished = run.through(starts, ends, work)
        if goal.point is not None and run.prices is not None:
            # boxes are priced before they are believed: where some are missing, one of everything stands for all
            closed = run.closed if finished else [Closed(program.lower, program.upper, run.prices)]
            self._last = _Last(goal.point, closed)
        return Searched(goal.point, bound, finished, branches.seen - seen)

    def _kept(self, program: LinearProgram, tolerance: float) -> tuple[Branches, Inverses]:
        """The relaxation of `program`, that of the last one with other numbers or a new one, and its bases."""
        branches, before = self._branches, self.program
        self.changed = None
        if branches is not None and before is not None and branches.tolerance == tolerance:
            branches.model.change_columns(before.lower, before.upper)
            self.changed = branches.model.change_program(program)
        if branches is None or self.changed is None:
            branches, self._last = Branches(program, tolerance), None
        if self._inverses is None or self.changed is None or self.changed["coefficients"]:
            self._inverses = Inverses(program)
        branches.program = program
        self.program, self._branches = program, branches
        return branches, self._inverses


def _opened_again(run: BranchSearch, last: _Last, inverses: Inverses) -> list[Branch]:
    """The branches that promise more than the best point does at the new gains; `run` closes the others."""
    program = run.program
    whole = Branch(np.inf, program.lower, program.upper)
    values, bound, reduced = run.relaxed(*whole[:3])
    if values is None or run.prices is None:
        return [whole]
    if bound <= run.enough:
        run.close(Branch(bound, program.lower, program.upper, run.prices))
        return []
    lower, upper = run.narrowed(bound, reduced, program.lower, program.upper)
    kept = [_cut(closed, lower, upper) for closed in last.closed]
    kept = [closed for closed in kept if (closed.lower <= closed.upper).all()]
    if len(kept) > MOST:
        return [Branch(bound, lower, upper, run.prices)]
    if not kept:
        return []
    return [branch._replace(bound=min(branch.bound, bound)) for branch in _Boxes(program, kept, inverses).opened(run)]


def _cut(closed: Closed, lower: FloatArray, upper: FloatArray) -> Closed:
    """What a closed box covers of the box from `lower` to `upper`."""
    return closed._replace(lower=np.maximum(closed.lower, lower), upper=np.minimum(closed.upper, upper))


class Inverses:
    """Prices of bases of one matrix at any gains: the inverse of each basis is kept as long as its prices are."""

    def __init__(self, program: LinearProgram) -> None:
        self.matrix = program.matrix
        self._dense = program.matrix.toarray() if program.row_count <= WIDEST else None
        self._kept: WeakKeyDictionary[Prices, tuple[IntArray, IntArray, FloatArray] | None] = WeakKeyDictionary()

    def prices(self, known: Prices, gain: FloatArray) -> Prices:
        """The prices (rows,) at which every basic column of `known` gains nothing; `known` itself without a basis."""
        if known not in self._kept:
            self._kept[known] = self._inverse(known)
        parts = self._kept[known]
        if parts is None:
            return known
        rows, columns, inverse = parts
        result = Prices(np.zeros(known.rows.size), known.basic)
        result.rows[rows] = inverse @ gain[columns]
        self._kept[result] = parts
        return result

    def _inverse(self, known: Prices) -> tuple[IntArray, IntArray, FloatArray] | None:
        """Rows without slack, basic columns, and the inverse of their transposed matrix; None where there is none."""
        if known.basic is None or self._dense is None:
            return None
        columns = known.basic[known.basic >= 0]
        has_slack = np.zeros(known.rows.size, dtype=np.bool_)
        has_slack[-1 - known.basic[known.basic < 0]] = True
        rows = np.flatnonzero(~has_slack)
        try:
            inverse = np.linalg.inv(self._dense[np.ix_(rows, columns)].T).astype(np.float64)
        except np.linalg.LinAlgError:
            return None
        return rows, columns, inverse


class _Boxes:
    """Closed boxes at the prices of their bases at the gains of now: shapes are (boxes, columns) and (boxes, rows).

    bound    (boxes,) what no point of each is worth more than, by weak duality
    reduced  gains at the prices
    most     what each column adds to the bound
    """

    def __init__(self, program: LinearProgram, closed: list[Closed], inverses: Inverses) -> None:
        self.program, self.closed = program, closed
        self.lower, self.upper = np.array([box.lower for box in closed]), np.array([box.upper for box in closed])
        again = {each: inverses.prices(each, program.gain) for each in {box.prices for box in closed}}
        self.prices = [again[box.prices] for box in closed]
        rows = np.array([each.rows for each in self.prices])
        limit = np.where(rows > 0.0, program.row_upper, program.row_lower)
        finite = np.isfinite(limit)
        rows, limit = np.where(finite, rows, 0.0), np.where(finite, limit, 0.0)
        self.reduced = program.gain - rows @ inverses.matrix
        self.most = np.maximum(self.reduced * self.lower, self.reduced * self.upper)
        self.bound = program.offset + (rows * limit).sum(axis=1) + self.most.sum(axis=1)

    def opened(self, run: BranchSearch) -> list[Branch]:
        """The parts that promise too much; `run` closes the others."""
        whole = np.array([box.left is None for box in self.closed])
        for place in np.flatnonzero(whole & (self.bound <= run.enough)).tolist():
            run.close(self._branch(place))
        branches = [self._branch(place) for place in np.flatnonzero(whole & (self.bound > run.enough)).tolist()]
        outside = np.flatnonzero(~whole)
        if not outside.size:
            return branches
        low, high = self.lower[outside], self.upper[outside]
        left = [np.array([self.closed[place].left[side] for place in outside.tolist()]) for side in (0, 1)]  # type: ignore[index]
        # below what is left, and above it, one whole number at a time
        for side, first, last in ((0, low, np.minimum(left[0] - 1.0, high)), (1, np.maximum(left[1] + 1.0, low), high)):
            gain, cut = self.reduced[outside], self.program.integer & (first <= last)
            bounds = self.bound[outside, None] - self.most[outside] + np.maximum(gain * first, gain * last)
            run.best = max(run.best, float(bounds[cut & (bounds <= run.enough)].max(initial=-np.inf)))
            for place, column in np.argwhere(cut & (bounds > run.enough)).tolist():
                branch = self._branch(int(outside[place]))
                ends = branch.lower.copy(), branch.upper.copy()
                ends[0][column], ends[1][column] = first[place, column], last[place, column]
                branches.append(Branch(float(bounds[place, column]), *ends, branch.prices))
                left[side][place, column] = (low if side == 0 else high)[place, column]
        for place, *within in zip(outside.tolist(), *left, strict=True):
            branch = self._branch(place)
            run.closed.append(Closed(branch.lower, branch.upper, self.prices[place], (within[0], within[1])))
        return branches

    def _branch(self, place: int) -> Branch:
        return Branch(float(self.bound[place]), self.lower[place], self.upper[place], self.prices[place])
