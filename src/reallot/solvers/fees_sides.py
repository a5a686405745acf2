"""Fixed fees, the relaxation: what each protocol's move may gain, and a bound as a convex function of one price.

From the share without any trade a protocol may be bought (up to u, gain p per unit) or sold (up to v, loss q per
unit), and pays its fee f once if it is. At a price lam of capacity it is worth max((p - lam) u, (lam - q) v) - f if
that is positive, so that no set of movers is worth more than

    L(lam) = lam D + sum of the positive ones            (the largest k of them, where only k may move)

with D the capacity still to fill. L is convex and piecewise linear, and each set of movers is one of its lines. Its
lowest point is the relaxation in which the fee is spread over the width of the move, p - f/u and q + f/v: problem S
again, in which one protocol (two with k) moves in part and all others fully or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..problem import AllocationProblem
from ..problem.arrays import BoolArray, FloatArray
from .answer import Unmet
from .split import DUST, NO_SHARE, NO_SUM, SLACK

FAR = 1e14
"""A price so many times the largest slope or fee is beyond every kink."""
STEP = 1e-9
"""Part of the largest slope that the lowest point is looked for on either side of a good guess."""
ROUNDING = 1e-13
"""Worths closer than this part of the largest of one move are equal."""


@dataclass(frozen=True)
class Sides:
    """What may be moved away from the shares without any trade: (protocols,), slopes and fees USD over the horizon.

    p, u      gain per unit bought, most to buy
    q, v      loss per unit sold, most to sell
    fee       paid once by an open protocol that moves
    open      True where moving is a choice: it costs a fee or counts as a move; all others are free
    to_fill   what is bought less what is sold (at most that where idle is allowed)
    most      number of open protocols that may move
    taken     True for those that are settled to move; they are free, and their fees are in `paid`
    prices    below and above every kink; none is negative where idle is allowed
    near      worths that differ by less are equal, USD
    dust      widths below are nothing
    """

    p: FloatArray
    u: FloatArray
    q: FloatArray
    v: FloatArray
    fee: FloatArray
    open: BoolArray
    to_fill: float
    most: int
    idle: bool
    taken: BoolArray
    paid: float
    prices: tuple[float, float]
    near: float
    dust: float

    @cached_property
    def bought(self) -> FloatArray:
        """Worth of buying all there is, less the fee, at a price of 0."""
        return self.p * self.u - self.fee

    @cached_property
    def sold(self) -> FloatArray:
        """Worth of selling all there is, less the fee, at a price of 0."""
        return -self.q * self.v - self.fee

    def worth(self, lam: float) -> FloatArray:
        """What each protocol is worth at `lam` as a mover: all of one side, or as good as nothing, less the fee."""
        return np.maximum(np.maximum(self.bought - lam * self.u, self.sold + lam * self.v), -self.fee)


@dataclass(frozen=True)
class Line:
    """What a set of movers is worth, level + slope * lam at the price lam; it is the best set at `at`."""

    at: float
    level: float
    slope: float
    movers: BoolArray

    def value(self, lam: float) -> float:
        """The line at `lam`."""
        return self.level + self.slope * lam


@dataclass(frozen=True)
class Lowest:
    """The lowest point of a convex function: value, price, and a line on either side (one where it attains it)."""

    value: float
    price: float
    left: Line
    right: Line


def sides(problem: AllocationProblem) -> Sides | Unmet:
    """The sides of a problem that the fee path takes; what misses what where no split meets the rules.

    Who is outside its box has to move, pays its fee in any case and is free then. No one can buy more than others can
    sell: widths are as small as that makes them, since a fee is spread over them.
    """
    data, step = problem.arrays, problem.steps
    capacity, limit = float(problem.available or 0.0), problem.limits.max_moves
    scale = max(1.0, capacity)
    dust, slack = DUST * scale, SLACK * scale
    if (step.low > step.high + slack).any():
        return NO_SHARE
    u, v = step.high - step.middle, step.middle - step.low
    u, v = np.where(u > dust, u, 0.0), np.where(v > dust, v, 0.0)
    forced = np.abs(step.middle - data.current) > dust
    can_choose = ~forced & ((data.fee > 0.0) | (limit is not None))
    most = data.size if limit is None else limit - int(forced.sum())
    if most < 0:
        return Unmet(f"bounds force {int(forced.sum())} moves, more than max_moves {limit}")
    to_fill = capacity - float(step.middle.sum())
    highest, lowest = _reach(u, can_choose, most), -_reach(v, can_choose, most)
    if to_fill < lowest - slack or (to_fill > highest + slack and not problem.allow_idle):
        return NO_SUM
    to_fill = 0.0 if abs(to_fill) <= slack else max(to_fill, lowest)
    if not problem.allow_idle:
        to_fill = min(to_fill, highest)
        v = np.minimum(v, np.maximum(u.sum() - u - to_fill, 0.0))
    u = np.minimum(u, np.maximum(v.sum() - v + to_fill, 0.0))
    fee = np.where(can_choose, data.fee, 0.0)
    p, q, none = step.buy, step.sell, np.zeros(data.size, dtype=bool)
    far = FAR * max(float(np.abs(part).max()) for part in (p, q, fee)) or 1.0
    prices = (0.0 if problem.allow_idle else -far, far)
    largest = max(float(np.abs(part).max()) for part in (p * u, q * v, fee))
    near = ROUNDING * max(largest, float(np.finfo(float).tiny))
    return Sides(p, u, q, v, fee, can_choose, to_fill, most, problem.allow_idle, none, 0.0, prices, near, dust)


def split_on(sides: Sides, i: int) -> tuple[Sides, Sides]:
    """The question with protocol i settled to move, and with it settled to stay."""
    here = np.arange(sides.open.size) == i
    is_open, fee = sides.open & ~here, np.where(here, 0.0, sides.fee)
    moves = replace(
        sides, fee=fee, open=is_open, most=sides.most - 1, taken=sides.taken | here, paid=sides.paid + sides.fee[i]
    )
    return moves, replace(sides, fee=fee, open=is_open, u=np.where(here, 0.0, sides.u), v=np.where(here, 0.0, sides.v))


def _reach(width: FloatArray, can_choose: BoolArray, most: int) -> float:
    """The most that can be bought, or sold, by the free and `most` of the others."""
    widest = np.sort(width[can_choose])[::-1][:most]
    return float(width[~can_choose].sum() + widest.sum())


def best_line(sides: Sides, lam: float) -> Line:
    """The set of movers that is worth most at `lam`, as a line."""
    bought, sold = sides.bought - lam * sides.u, sides.sold + lam * sides.v
    worth = np.maximum(bought, sold)
    movers = worth > 0.0
    if sides.most < sides.open.size:
        chosen = np.flatnonzero(movers & sides.open)
        if chosen.size > sides.most:
            order = np.argsort(-worth[chosen], kind="stable")
            movers[chosen[order[sides.most :]]] = False
    return _line(sides, lam, bought >= sold, movers, movers)


def line_of(sides: Sides, movers: BoolArray, lam: float) -> Line:
    """A set of movers, and the free, at `lam`, as a line; every open mover pays its fee."""
    bought, sold = sides.bought - lam * sides.u, sides.sold + lam * sides.v
    moves = (movers | ~sides.open) & (np.maximum(bought, sold) > -sides.fee)
    return _line(sides, lam, bought >= sold, moves, movers)


def _line(sides: Sides, lam: float, buys: BoolArray, moves: BoolArray, movers: BoolArray) -> Line:
    bought, sold = buys & moves, moves & ~buys
    level = float(sides.bought @ bought + sides.sold @ sold - sides.fee @ (movers & ~moves)) - sides.paid
    slope = sides.to_fill - float(sides.u @ bought) + float(sides.v @ sold)
    return Line(lam, level, 0.0 if abs(slope) <= sides.dust else slope, movers)


def lowest(line_at: Callable[[float], Line], start: float, step: float, sides: Sides) -> Lowest:
    """The lowest point of a convex function from its lines: where two of them cross is where to look next.

    A good `start` has the lowest point within one `step`, which may be tiny; if not, the far end is the other side.
    """
    left = right = line_at(start)
    for reach in (step, np.inf):
        if left.slope > 0.0:
            left = line_at(max(start - reach, sides.prices[0]))
        elif right.slope < 0.0:
            right = line_at(min(start + reach, sides.prices[1]))
    while left.slope < 0.0 < right.slope:
        lam = min(max((right.level - left.level) / (left.slope - right.slope), left.at), right.at)
        middle = line_at(lam)
        if middle.value(lam) <= max(left.value(lam), right.value(lam)) + sides.near:
            return Lowest(middle.value(lam), lam, left, right)
        if middle.slope <= 0.0:
            left = middle
        if middle.slope >= 0.0:
            right = middle
    flat = left if left.slope >= 0.0 else right
    return Lowest(flat.value(flat.at), flat.at, flat, flat)


def relaxed(sides: Sides) -> Lowest:
    """The lowest point of L, looked for first where it is without a limit on moves."""
    buys = sides.p - sides.fee / np.where(sides.u > 0.0, sides.u, 1.0)
    sells = sides.q + sides.fee / np.where(sides.v > 0.0, sides.v, 1.0)
    start = _balance(sides, buys, sides.u, sells, sides.v)
    step = STEP * float(np.abs(sides.p).max())
    return lowest(lambda lam: best_line(sides, lam), start, step, sides)


def worth_of(sides: Sides, movers: BoolArray) -> tuple[float, float | None]:
    """What a set of movers and the free are worth at best, and the price that proves it; None where they do not fit."""
    moves = movers | ~sides.open
    u, v = sides.u * moves, sides.v * moves
    most_bought, most_sold = float(u.sum()), float(v.sum())
    if sides.to_fill < -most_sold - sides.dust or (not sides.idle and sides.to_fill > most_bought + sides.dust):
        return -np.inf, None
    price = _balance(sides, sides.p, u, sides.q, v)
    return line_of(sides, movers, price).value(price), price


def _balance(sides: Sides, buys: FloatArray, u: FloatArray, sells: FloatArray, v: FloatArray) -> float:
    """The price at which what is bought at slopes `buys` above it less what is sold at `sells` below it is to_fill.

    0 where idle is allowed and all there is to buy does not fill.
    """
    slope, width = np.concatenate([sells, buys]), np.concatenate([v, u])
    order = np.argsort(slope)[::-1]
    ends = width[order].cumsum()
    place = int(ends.searchsorted(sides.to_fill + float(v.sum()) - sides.dust))
    if sides.idle and place == order.size:
        return 0.0
    price = float(slope[order[min(place, order.size - 1)]])
    return max(price, 0.0) if sides.idle else price
