"""Fixed fees, what is left to search: the protocols whose move the relaxation and a known set of movers do not settle.

Differing from the best set at the lowest point of L in protocol i costs at least i's loss there, |worth - charge|,
where the charge is what one move more is worth under a limit on their number. Who would lose more than there is to
win over the known set moves, or stays, as in the best set. Where one side of a protocol would lose that much, only
the other is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..problem.arrays import BoolArray, FloatArray, IntArray
from .fees_sides import Lowest, Sides, line_of

MARGIN = 4.0
"""A better set is better by so many roundings."""


@dataclass(frozen=True)
class Known:
    """A set of movers that is known: its worth, who moves but for the free, the price at which its line is lowest."""

    worth: float
    movers: BoolArray
    price: float


@dataclass(frozen=True)
class Core:
    """What is searched: arrays are (core,), in the order of rising loss.

    places     positions of the protocols
    loss       of differing from the best set at the lowest point
    in_best    True where the protocol moves in that set
    always     (protocols,) True for open protocols that move in every set that could be better
    most       number of core protocols that may move
    charge     on each move, from the limit on their number; 0 where it does not bind
    needs, bars
               (core, core) [i, j] True where differing in i makes sense only with j differing too, or not differing
    margin     what a better set must add, USD
    """

    places: IntArray
    loss: FloatArray
    in_best: BoolArray
    always: BoolArray
    most: int
    charge: float
    needs: BoolArray
    bars: BoolArray
    margin: float


def core(sides: Sides, root: Lowest, known: float) -> Core:
    """Who may be otherwise than in the best set at the lowest point in a set that is worth more than `known`."""
    best, worth = root.left.movers & sides.open, sides.worth(root.price)
    margin = MARGIN * sides.near
    room = root.value - known - margin
    charge = 0.0
    if int(best.sum()) == sides.most:
        charge = max(0.0, float(worth[sides.open & ~best].max(initial=0.0)))
    loss = np.maximum(np.where(best, worth - charge, charge - worth), 0.0)
    places = np.flatnonzero(sides.open & (loss < room) & ((sides.u > 0.0) | (sides.v > 0.0)))
    # of equals the last is the first to leave the best set, the first the first to join it
    places = places[np.lexsort((np.where(best, -1, 1)[places] * places, loss[places]))]
    always = best.copy()
    always[places] = False
    in_best = best[places]
    beats = _beats(sides, root.price, places, in_best, room - charge - np.where(in_best, loss[places], 0.0))
    related = np.where(in_best[:, None], beats, beats.T) & np.tri(places.size, k=-1, dtype=bool)
    same = in_best[:, None] == in_best
    most = min(sides.most - int(always.sum()), places.size)
    return Core(places, loss[places], in_best, always, most, charge, related & same, related & ~same, margin)


def _beats(sides: Sides, price: float, places: IntArray, in_best: BoolArray, lack: FloatArray) -> BoolArray:
    """(core, core) [i, j] True where i may move in place of j and nothing is lost: a set with j has i too.

    On each side that j could use i gains no less per unit, is no narrower and pays no more. Equals are put in
    the order in which they would change. A side that loses more than `lack` (core,) at the price is not used.
    """
    p, u, q, v, fee = (part[places] for part in (sides.p, sides.u, sides.q, sides.v, sides.fee))
    u = np.where(np.maximum((p - price) * u, 0.0) - fee > -lack, u, 0.0)
    v = np.where(np.maximum((price - q) * v, 0.0) - fee > -lack, v, 0.0)

    def no_less(values: FloatArray) -> BoolArray:
        result: BoolArray = values[:, None] >= values
        return result

    cheap = no_less(-fee)
    buys, sells = no_less(p) & no_less(u) & cheap, no_less(-q) & no_less(v) & cheap
    beats: BoolArray = (buys | (u == 0.0)) & (sells | (v == 0.0))
    here = np.arange(places.size)
    turn = np.where(in_best, -1 - here, here)
    result: BoolArray = beats & (~beats.T | (turn[:, None] < turn))
    return result


def question(
    sides: Sides, root: Lowest, known: float, ends: list[float], core: Core, most_sets: int
) -> tuple[Any, ...]:
    """The core as fees_search.search takes it, with the worth of a known set and two prices to rule others out at."""
    parts = (sides.p, sides.u, sides.q, sides.v, sides.fee)
    return (
        _sets(core.in_best[None, :])[0],
        core.most,
        (root.value, known),
        core.loss.tolist(),
        (_sets(core.needs), _sets(core.bars)),
        _turns(sides, core, ends),
        (root.price, *sides.prices),
        (sides.near, sides.dust, core.margin),
        tuple(part[core.places].tolist() for part in parts),
        tuple(part.tolist() for part in _free(sides, core.always)),
        most_sets,
    )


def _sets(members: BoolArray) -> list[int]:
    """Each row as a whole number, bit i for column i."""
    return [int.from_bytes(row.tobytes(), "little") for row in np.packbits(members, axis=1, bitorder="little")]


def _turns(sides: Sides, core: Core, prices: list[float]) -> tuple[Any, ...]:
    """For two prices the worth of the best set there, then for each the gain of changing each core protocol."""
    base = core.always.copy()
    base[core.places] = core.in_best
    worths, gains = [], []
    for price in prices:
        own = sides.worth(price)[core.places]
        worths.append(line_of(sides, base, price).value(price))
        gains.append(np.where(core.in_best, -own, own).tolist())
    return (*worths, *gains)


def _free(sides: Sides, always: BoolArray) -> tuple[FloatArray, ...]:
    """Those that move as they like, as fees_search.line takes them; the fees of those who always move are paid."""
    free = ~sides.open | always
    buys, sells = np.flatnonzero(free & (sides.u > 0.0)), np.flatnonzero(free & (sides.v > 0.0))
    buys, sells = buys[np.argsort(-sides.p[buys])], sells[np.argsort(sides.q[sells])]
    p, u, q, v = sides.p[buys], sides.u[buys], sides.q[sells], sides.v[sells]
    paid = -sides.paid - float(sides.fee[always].sum())
    return p, _running(paid, p * u), _running(-sides.to_fill, u), -q, _running(0.0, -q * v), _running(0.0, v)


def _running(start: float, values: FloatArray) -> FloatArray:
    return start + np.concatenate([[0.0], np.cumsum(values)])
