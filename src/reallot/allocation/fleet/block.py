"""The port of the decomposition: a block of hosts that answers to prices, every unit of it on its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ...problem.arrays import BoolArray, FloatArray, IntArray

ROUNDING = 8.0 * float(np.finfo(float).eps)
"""The part of the money handled that sums and products of a unit's answer may be off by."""


@dataclass(frozen=True)
class BlockAnswer:
    """What the units of a block answer to prices; USD over the horizon, beyond staying.

    bound   what all units together are worth no more than at these prices: the sum of their own certified bounds
    value   (units,) worth of each answer in money, prices not charged
    use     (units, rows) sense * use of shared rows, less that of staying
    failed  (units,) True where a unit has no plan at all
    """

    bound: float
    value: FloatArray
    use: FloatArray
    failed: BoolArray


class Block(Protocol):
    """Units that answer to prices (rows,); a unit is a host, or the hosts of one site."""

    places: IntArray
    """(hosts,) places of its hosts in the fleet."""
    weights: FloatArray
    """(units,) how many equal units each one stands for."""
    whole: bool
    """True where answers may not be mixed: a unit takes one of them."""

    def answer(self, prices: FloatArray) -> BlockAnswer:
        """The best answer of every unit at these prices."""

    def shares(self, prices: FloatArray, units: IntArray) -> tuple[IntArray, FloatArray]:
        """Rows of `places` that belong to these units, in their order, and their shares (hosts, protocols)."""

    def hosts_of(self, units: IntArray) -> IntArray:
        """(hosts,) for each row that `shares` gives, the position of its unit in `units`."""

    def hosts_at(self, units: IntArray) -> IntArray:
        """Places in the fleet of the hosts of these units."""
