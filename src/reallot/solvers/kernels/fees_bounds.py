"""Fixed fees: what each protocol's move may gain, and the bound that this sets, a convex function of one price.

From the share without any trade a protocol may be bought (up to u, gain p per unit) or sold (up to v, loss q per
unit), and pays its fee f once if it is. At a price lam of capacity it is worth max((p - lam) u, (lam - q) v) - f if
that is positive, so that no set of movers is worth more than

    L(lam) = lam D + sum of the positive ones            (the largest k of them, where only k may move)

with D the capacity still to fill. L is convex and piecewise linear, and each set of movers is one of its lines. Its
lowest point is the relaxation in which the fee is spread over the width of the move, p - f/u and q + f/v. That is a
problem without fees: one protocol (two with k) moves in part, all others fully or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...problem import AllocationProblem
from ...problem.arrays import BoolArray, FloatArray
from ..interface.result import NoFeasibleSplit
from .split import DUST, NO_SHARE, NO_SUM, SLACK

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
    near: float
    dust: float

    def gain(self, lam: float) -> FloatArray:
        """What each protocol is worth at `lam` if it may move, fee not paid."""
        return np.maximum(np.maximum((self.p - lam) * self.u, (lam - self.q) * self.v), 0.0)


def sides(problem: AllocationProblem) -> Sides | NoFeasibleSplit:
    """The sides of a problem that the fee path takes; what misses what where no split meets the rules.

    Who is outside its box has to move, pays its fee in any case and is free then. No one can buy more than others can
    sell: widths are as small as that makes them, since a fee is spread over them.
    """
    data, step = problem.arrays, problem.trade_segments
    capacity, limit = float(data.total or 0.0), problem.limits.max_moves
    scale = max(1.0, capacity)
    dust, slack = DUST * scale, SLACK * max(1.0, float(data.current.max()))
    if (step.low > step.high + slack).any():
        return NO_SHARE
    u, v = step.high - step.middle, step.middle - step.low
    u, v = np.where(u > slack, u, 0.0), np.where(v > slack, v, 0.0)
    forced = np.abs(step.middle - data.current) > dust
    count = int(np.count_nonzero(forced))
    most = data.size if limit is None else limit - count
    if most < 0:
        return NoFeasibleSplit(f"bounds force {count} moves, more than max_moves {limit}")
    can_choose = data.fee > 0.0 if limit is None else np.ones(data.size, dtype=bool)
    fee = data.fee
    if count:
        can_choose = can_choose & ~forced
        fee = np.where(can_choose, fee, 0.0)
    to_fill = capacity - float(step.middle.sum())
    highest, lowest = _reach(u, can_choose, most), -_reach(v, can_choose, most)
    if to_fill < lowest - slack or (to_fill > highest + slack and not problem.allow_idle):
        return NO_SUM
    to_fill = 0.0 if abs(to_fill) <= slack else max(to_fill, lowest)
    if not problem.allow_idle:
        to_fill = min(to_fill, highest)
        v = np.minimum(v, np.maximum(float(u.sum()) - to_fill - u, 0.0))
    u = np.minimum(u, np.maximum(float(v.sum()) + to_fill - v, 0.0))
    p, q = step.buy, step.sell
    largest = max(float(np.abs(part).max()) for part in (p * u, q * v, fee))
    near = ROUNDING * max(largest, float(np.finfo(float).tiny))
    return Sides(p, u, q, v, fee, can_choose, to_fill, most, problem.allow_idle, near, dust)


def _reach(width: FloatArray, can_choose: BoolArray, most: int) -> float:
    """The most that can be bought, or sold, by the free and `most` of the others."""
    if most >= width.size:
        return float(width.sum())
    widest = np.sort(width[can_choose])[::-1][:most]
    return float(width[~can_choose].sum() + widest.sum())
