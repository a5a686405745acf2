"""Fixed fees, the relaxation at its lowest point: a first set of movers, and the core that this leaves to search.

Reduced-cost fixing: at the lowest point of L, changing the decision for protocol i costs at least i's loss there,
|worth - charge|. The charge is what one move more is worth under a limit on their number. Who would lose more than
there is to win over the known set moves, or stays, as in the best set. Where one side of a protocol would lose that
much, only the other is used.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...problem import AllocationProblem
from ...problem.arrays import BoolArray, FloatArray, IntArray
from .fees_bounds import Sides

MARGIN = 4.0
"""A better set is better by so many roundings."""
BEYOND = 1e-6
"""A price farther than the last kink by this part of the largest kink is beyond all of them."""


@dataclass
class Task:
    """What is left to search, as fees_branch_and_bound takes it: lists, or arrays for the compiled search.

    bound   on every set of movers, USD over what the shares without any trade are worth
    known   worth of the best set known
    best    (core,) 1 for who moves in it
    places  (core,) positions of the protocols
    fixed   (protocols,) True for those that move as they like, or in every set that could be better
    most    number of core protocols that may move
    price   at which the bound is lowest
    """

    bound: float
    known: float
    best: Any
    places: IntArray
    fixed: BoolArray
    most: int
    price: float
    margin: float
    close: tuple[float, ...]
    core: tuple[Any, ...]
    free: tuple[Any, ...]

    @property
    def is_open(self) -> bool:
        """True where there may be a better set than the best one known."""
        return self.bound > self.known + self.margin

    def moves(self) -> BoolArray:
        """Who moves in the best set, (protocols,)."""
        result = self.fixed.copy()
        result[self.places] = np.frombuffer(self.best, dtype=np.uint8) == 1
        return result

    def put_in_order(self, problem: AllocationProblem) -> None:
        """Of protocols alike in every number, lets those that are first by name move instead of others."""
        alike: dict[tuple[float, ...], list[int]] = {}
        for place, numbers in enumerate(zip(*self.core, strict=True)):
            alike.setdefault(numbers, []).append(place)
        if len(alike) == len(self.best):
            return
        rank = problem.arrays.rank[self.places].tolist()
        for group in alike.values():
            count = sum(self.best[place] for place in group)
            for turn, place in enumerate(sorted(group, key=rank.__getitem__)):
                self.best[place] = turn < count


@dataclass(frozen=True)
class SegmentsBySlope:
    """All that could be bought or sold, by rising slope: slopes, widths and protocols, (pieces,)."""

    slope: FloatArray
    width: FloatArray
    owner: IntArray


@dataclass(frozen=True)
class Root:
    """The bound at its lowest point: value, price, charge on each move, a set that attains it there.

    lead    (protocols,) what each adds as a mover there, less the charge
    known   worth of the best set known, with its movers `best` (protocols,)
    """

    sides: Sides
    pieces: SegmentsBySlope
    close: tuple[float, ...]
    bound: float
    price: float
    charge: float
    left: BoolArray
    lead: FloatArray
    known: float
    best: BoolArray

    def task(self, most: int | None = None) -> Task:
        """The core left to search; the `most` of it that lose least, the others as in the best set there, if given."""
        sides, price = self.sides, self.price
        margin = MARGIN * sides.near
        room, loss = max(self.bound - self.known - margin, sides.near), np.abs(self.lead)
        movable = (sides.u > 0.0) | (sides.v > 0.0)
        is_open = sides.open & ((loss <= room) & movable | (self.left ^ self.best))
        places = is_open.nonzero()[0]
        if most is not None and places.size > most:
            loss[self.left ^ self.best] = 0.0
            is_open[places[loss[places].argsort()[most:]]] = False
            places = is_open.nonzero()[0]
        always = self.left & ~is_open
        fixed = always | ~sides.open
        p, u, q, v, fee = (part[places] for part in (sides.p, sides.u, sides.q, sides.v, sides.fee))
        lack = room - self.charge - np.maximum(self.lead[places], 0.0)
        u = np.where(np.maximum((p - price) * u, 0.0) - fee > -lack, u, 0.0)
        v = np.where(np.maximum((price - q) * v, 0.0) - fee > -lack, v, 0.0)
        return Task(
            bound=self.bound,
            known=self.known,
            best=bytearray(self.best[places]),
            places=places,
            fixed=fixed,
            most=min(sides.most - int(np.count_nonzero(always)), places.size),
            price=price,
            margin=margin,
            close=self.close,
            core=tuple(part.tolist() for part in (p, u, q, v, fee)),
            free=_free(sides, self.pieces, fixed),
        )

    def with_known(self, task: Task) -> Root:
        """The same with the best set that the search of `task` found."""
        return replace(self, known=task.known, best=task.moves() & self.sides.open)


def root(sides: Sides) -> Root:
    """The relaxation of a question, and the better one of the two sets next to its lowest point."""
    p, u, q, v, fee = sides.p, sides.u, sides.q, sides.v, sides.fee
    pieces = _pieces(p, u, q, v)
    buys, sells = p - fee / np.where(u > 0.0, u, 1.0), q + fee / np.where(v > 0.0, v, 1.0)
    spread = _pieces(buys, u, sells, v)
    close = _close(sides, pieces, spread)
    start = _crossing(sides, spread, spread.width)
    lead = sides.gain(start) - fee
    sure = lead > sides.near
    either = sides.open & (lead >= -sides.near) & ((u > 0.0) | (v > 0.0))
    if sides.most >= fee.size or np.count_nonzero(either) <= sides.most:
        bound, price, charge = sides.to_fill * start + float(lead[lead > 0.0].sum()), start, 0.0
        left, right = either, sides.open & sure
    else:
        bound, price, charge, left, right = _lowest_with_limit(sides, start, close)
        lead = sides.gain(price) - fee - charge
    known, best = worth_of(sides, pieces, left), left
    if bound > known + MARGIN * sides.near:
        other = worth_of(sides, pieces, right)
        known, best = (other, right) if other > known else (known, best)
    if known == -np.inf:
        best = _widest(sides)
        known = worth_of(sides, pieces, best)
    return Root(sides, pieces, close, bound, price, charge, left, lead, known, best)


def worth_of(sides: Sides, pieces: SegmentsBySlope, movers: BoolArray) -> float:
    """What a set of movers and the free are worth at best; -inf where they do not fit."""
    moves = movers | ~sides.open
    price = _crossing(sides, pieces, pieces.width * moves[pieces.owner], moves)
    if price == np.inf:
        return -np.inf
    return sides.to_fill * price + float((sides.gain(price) - sides.fee) @ moves)


def _widest(sides: Sides) -> BoolArray:
    """A set of movers that fits: those who can move most the way that is needed."""
    widths = np.where(sides.open, sides.u if sides.to_fill > 0.0 else sides.v, 0.0)
    movers = np.zeros(widths.size, dtype=bool)
    movers[np.argsort(-widths)[: sides.most]] = sides.to_fill != 0.0
    return movers & (widths > 0.0)


def _pieces(buys: FloatArray, u: FloatArray, sells: FloatArray, v: FloatArray) -> SegmentsBySlope:
    slope, width = np.concatenate([sells, buys]), np.concatenate([v, u])
    order = slope.argsort()
    return SegmentsBySlope(slope[order], width[order], order % buys.size)


def _close(sides: Sides, pieces: SegmentsBySlope, spread: SegmentsBySlope) -> tuple[float, ...]:
    """What fees_branch_and_bound.lowest takes under this name; nobody buys for more than he sells for."""
    tiny = float(np.finfo(float).tiny)
    least, most = float(pieces.slope[0]), float(pieces.slope[-1])
    lowest, highest = float(spread.slope[0]), float(spread.slope[-1])
    step = max((most - least) / sides.p.size, 1e-9 * max(abs(least), abs(most)), tiny)
    beyond = BEYOND * max(-lowest, highest, tiny)
    lowest = 0.0 if sides.idle else lowest - beyond
    return step, lowest, max(highest, lowest) + beyond, sides.near, sides.dust, float(sides.idle)


def _crossing(sides: Sides, pieces: SegmentsBySlope, width: FloatArray, moves: BoolArray | None = None) -> float:
    """The price at which what is bought at slopes above it less what is sold at slopes below it is to_fill.

    inf where those who move do not fit.
    """
    ends = width.cumsum()
    bought = float(sides.u.sum() if moves is None else sides.u @ moves)
    missing = bought - sides.to_fill
    if (missing < -sides.dust and not sides.idle) or missing > float(ends[-1]) + sides.dust:
        return np.inf
    if sides.idle and missing <= sides.dust:
        return 0.0
    price = float(pieces.slope[min(int(ends.searchsorted(missing - sides.dust)), ends.size - 1)])
    return max(price, 0.0) if sides.idle else price


@dataclass(frozen=True)
class Line:
    """What a set of movers is worth, level + slope * lam at the price lam; it is the best set at `at`."""

    at: float
    level: float
    slope: float
    movers: BoolArray
    charge: float

    def value(self, lam: float) -> float:
        """The line at `lam`."""
        return self.level + self.slope * lam


def _lowest_with_limit(
    sides: Sides, start: float, close: tuple[float, ...]
) -> tuple[float, float, float, BoolArray, BoolArray]:
    """The lowest point of L: value, price, charge on each move, and the sets on its left and on its right.

    From lines: where one that falls and one that rises cross is where to look next.
    """
    step, least, most, near, dust, _ = close
    left = right = middle = _line(sides, start)
    while middle.slope > dust and middle.at > least:
        right, middle = middle, _line(sides, max(middle.at - step, least))
        left, step = middle, 4.0 * step
    while middle.slope < -dust and right.slope <= dust and middle.at < most:
        left, middle = middle, _line(sides, min(middle.at + step, most))
        right, step = middle, 4.0 * step
    while left.slope < -dust and right.slope > dust:
        lam = min(max((right.level - left.level) / (left.slope - right.slope), left.at), right.at)
        middle = _line(sides, lam)
        if abs(middle.slope) <= dust:
            break
        if middle.value(lam) <= max(left.value(lam), right.value(lam)) + near:
            return middle.value(lam), lam, middle.charge, left.movers, right.movers
        left, right = (middle, right) if middle.slope < 0.0 else (left, middle)
    return middle.value(middle.at), middle.at, middle.charge, middle.movers, middle.movers


def _line(sides: Sides, lam: float) -> Line:
    """The set of movers that is worth most at `lam`, as a line; of equals the first move."""
    up, down = (sides.p - lam) * sides.u, (lam - sides.q) * sides.v
    gain = np.maximum(up, down)
    worth = gain - sides.fee
    movers, charge = sides.open & (worth > 0.0), 0.0
    chosen = np.flatnonzero(movers)
    if chosen.size > sides.most:
        order = np.argsort(-worth[chosen], kind="stable")
        charge = float(worth[chosen[order[sides.most]]])
        movers[chosen[order[sides.most :]]] = False
    moves = (movers | ~sides.open) & (gain > 0.0)
    bought, sold = moves & (up >= down), moves & (up < down)
    level = float((sides.p * sides.u) @ bought - (sides.q * sides.v) @ sold - sides.fee @ movers)
    return Line(lam, level, sides.to_fill - float(sides.u @ bought) + float(sides.v @ sold), movers, charge)


def _free(sides: Sides, pieces: SegmentsBySlope, free: BoolArray) -> tuple[list[float], ...]:
    """Those that move as they like, as the search.line takes them; the fees of those who always move are paid."""
    here = free[pieces.owner] & (pieces.width > 0.0)
    slope, width = pieces.slope[here], pieces.width[here]
    level, rise = -slope * width, width
    paid = float((sides.p * sides.u) @ free) - float(sides.fee @ free)
    missing = sides.to_fill - float(sides.u @ free)
    return slope.tolist(), _running(paid, level), _running(missing, rise)


def _running(start: float, values: FloatArray) -> list[float]:
    return [start, *(start + values.cumsum()).tolist()]
