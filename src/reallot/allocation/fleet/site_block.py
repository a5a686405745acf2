"""Hosts of sites with exclusive protocols: each site is one unit, answered exactly.

Every host answers once for each set of exclusive protocols that it may hold. Over the hosts of a site a dynamic program
hands the sets out, so that no protocol is handed out twice: its state is the set that is used so far.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...problem.arrays import BoolArray, FloatArray, IntArray
from .block import Block, BlockAnswer

MOST_EXCLUSIVE = 4
"""Exclusive protocols of one fleet that sites are answered for: a host answers 2 ** so many times a round."""

Under = Callable[[Sequence[int]], list[Block]]
"""The blocks of all hosts of the sites, each without the protocols at these places."""


@dataclass(frozen=True)
class _Hosts:
    """The answers of all hosts under one set: (hosts,) worth at prices, value, (hosts, rows) use, and who has none.

    spare  USD by which the bounds of all answers together are above their worth
    """

    worth: FloatArray
    value: FloatArray
    use: FloatArray
    failed: BoolArray
    spare: float


class SiteBlock:
    """Sites as units.

    places     (hosts,) places of all hosts of the sites in the fleet
    site       (hosts,) the number of each host's site, from 0
    exclusive  places of the exclusive protocols
    under      makes the hosts' own blocks
    """

    whole = True

    def __init__(self, places: IntArray, site: IntArray, exclusive: Sequence[int], under: Under) -> None:
        self.places, self.site = places, site
        self.weights = np.ones(int(site.max()) + 1)
        self.sets = 1 << len(exclusive)
        bits = range(len(exclusive))
        self.blocks = [under([exclusive[e] for e in bits if not (held >> e) & 1]) for held in range(self.sets)]
        order = np.argsort(site, kind="stable")
        first = np.searchsorted(site[order], np.arange(self.weights.size))
        self.rank = np.empty(site.size, dtype=np.intp)
        self.rank[order] = np.arange(site.size) - first[site[order]]
        self.where = {int(place): i for i, place in enumerate(places)}

    def _answers(self, prices: FloatArray, held: int) -> _Hosts:
        """The hosts' answers where they may hold the set `held` of exclusive protocols."""
        count, rows = self.places.size, prices.size
        worth, value, use = np.empty(count), np.empty(count), np.empty((count, rows))
        failed, spare = np.zeros(count, dtype=bool), 0.0
        for block in self.blocks[held]:
            given = block.answer(prices)
            at = np.array([self.where[int(place)] for place in block.places], dtype=np.intp)
            own = given.value - given.use @ prices
            spare += max(0.0, given.bound - float(own[~given.failed].sum()))
            worth[at], value[at], use[at], failed[at] = own, given.value, given.use, given.failed
        return _Hosts(worth, value, use, failed, spare)

    def _handed_out(self, answers: Sequence[_Hosts]) -> tuple[FloatArray, IntArray]:
        """(sites,) the best worth of each, and (hosts,) the set that each host gets."""
        sites = self.weights.size
        best = np.full((sites, self.sets), -np.inf)
        best[:, 0] = 0.0
        steps = []
        for rank in range(int(self.rank.max()) + 1):
            hosts = np.flatnonzero(self.rank == rank)
            at = self.site[hosts]
            new = np.full((hosts.size, self.sets), -np.inf)
            taken = np.zeros((hosts.size, self.sets), dtype=np.intp)
            for used in range(self.sets):
                held = used
                while True:  # every subset of `used`
                    own = np.where(answers[held].failed[hosts], -np.inf, answers[held].worth[hosts])
                    offered = best[at, used & ~held] + own
                    better = offered > new[:, used]
                    new[better, used], taken[better, used] = offered[better], held
                    if not held:
                        break
                    held = (held - 1) & used
            best[at] = new
            steps.append((hosts, at, taken))
        used = best.argmax(axis=1)
        total, result = best[np.arange(sites), used], np.zeros(self.site.size, dtype=np.intp)
        for hosts, at, taken in reversed(steps):
            held = taken[np.arange(hosts.size), used[at]]
            result[hosts] = held
            used[at] &= ~held
        return total, result

    def answer(self, prices: FloatArray) -> BlockAnswer:
        """The best answer of every site at these prices."""
        answers = [self._answers(prices, held) for held in range(self.sets)]
        total, handed = self._handed_out(answers)
        sites = self.weights.size
        value, use = np.zeros(sites), np.zeros((sites, prices.size))
        for held, given in enumerate(answers):
            mine = handed == held
            np.add.at(value, self.site[mine], given.value[mine])
            np.add.at(use, self.site[mine], given.use[mine])
        failed = ~np.isfinite(total)
        spare = sum(given.spare for given in answers)
        return BlockAnswer(float(total[~failed].sum()) + spare, value, use, failed)

    def shares(self, prices: FloatArray, units: IntArray) -> tuple[IntArray, FloatArray]:
        """Rows of `places` of these sites' hosts, site by site, and their shares."""
        answers = [self._answers(prices, held) for held in range(self.sets)]
        _, handed = self._handed_out(answers)
        rows = np.concatenate([np.flatnonzero(self.site == unit) for unit in units]) if units.size else units
        result: FloatArray | None = None
        for held in range(self.sets):
            for block in self.blocks[held]:
                at = np.array([self.where[int(place)] for place in block.places], dtype=np.intp)
                own = np.flatnonzero((handed[at] == held) & np.isin(at, rows))
                if not own.size:
                    continue
                units_of, found = block.shares(prices, own)
                if result is None:
                    result = np.zeros((self.places.size, found.shape[1]))
                result[at[units_of]] = found
        assert result is not None
        return rows, result[rows]

    def hosts_of(self, units: IntArray) -> IntArray:
        """(hosts,) position in `units` of each host's site, in the order of `shares`."""
        counts = np.bincount(self.site, minlength=self.weights.size)
        return np.repeat(np.arange(units.size), counts[units])

    def hosts_at(self, units: IntArray) -> IntArray:
        """Places in the fleet of the hosts of these sites."""
        return self.places[np.isin(self.site, units)]
