"""A large fleet cut into shards, its samples, and the plan put together again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..problem.arrays import BoolArray, FloatArray, IntArray
from .batch_block import BatchBlock
from .block import Block
from .decomposition import GROUPS, Crew, Decomposed, Decomposition, Here, Tell
from .fleet import Fleet
from .rows import Row, SharedRows
from .shard import Shard

SHARD = 50_000
"""Hosts of a shard: the same however many workers there are, so that sums are the same."""
LADDER = (1_000, 20_000, 200_000)
"""Hosts of the samples from which prices come, where a sample is a fifth of the fleet at most."""
NEAR, NEAR_LEAST, NEAR_AT = 0.008, 0.002, 2_000
"""Half of the box's sides around prices of a sample of so many hosts; errors shrink with the root of its size."""


class LargeFleet:
    """The shards of a fleet, and its rows relative to staying.

    counts  (hosts,) how many equal hosts each one stands for
    """

    def __init__(self, fleet: Fleet, rows: tuple[Row, ...], counts: FloatArray) -> None:
        self.fleet, self.rows, self.counts = fleet, rows, counts
        self.shared = SharedRows.of(fleet, rows)
        self.now = self.counts @ self.shared.now
        self.room = self.shared.limits - self.now
        self.places = np.arange(len(fleet))

    def cut(self) -> list[slice]:
        """The hosts of each shard."""
        hosts = self.places.size
        count = max(1, -(-hosts // SHARD))
        return [slice(hosts * i // count, hosts * (i + 1) // count) for i in range(count)]

    def makers(self) -> list[Callable[[], Shard]]:
        """A function for each shard that makes it, wherever it is to be."""
        parts = self.cut()
        groups = max(1, min(GROUPS, self.places.size) // len(parts))
        return [_Maker(self, part, groups) for part in parts]

    def solve(
        self,
        crew: Crew,
        shards: int,
        start: FloatArray | None,
        *,
        gap: float,
        stake: float,
        deadline: float,
        tell: Tell | None,
    ) -> tuple[Decomposed, FloatArray | None]:
        """Bound, prices, and shares (hosts, protocols) where a plan was found."""
        radius = None
        if start is None and self.rows:
            start, radius = self._from_samples(stake, deadline, tell)
        run = Decomposition(
            crew, shards, self.places.size, self.room, gap=gap, stake=stake, deadline=deadline, tell=tell
        )
        found = run.run(start, radius)
        if found.plan is None or not np.isfinite(found.plan.value):
            return found, None
        return found, run.shares(found, self.fleet.table.current.copy())

    def _from_samples(
        self, stake: float, deadline: float, tell: Tell | None
    ) -> tuple[FloatArray | None, FloatArray | None]:
        """Prices from larger and larger samples of the hosts, and how far they may be off."""
        count, start, radius = self.places.size, None, None
        order = np.random.default_rng(0).permutation(count)
        for n in LADDER:
            if 5 * n > count:
                break
            places = np.sort(order[:n])
            part = float(self.counts[places].sum() / self.counts.sum())
            shard = _Maker(self, places, min(GROUPS, n))()
            run = Decomposition(
                Here([shard]), 1, n, self.room * part, gap=1e-5, stake=stake, deadline=deadline, tell=tell
            )
            found = run.run(start, radius, polish=False)
            start = found.prices
            radius = np.maximum(NEAR * start, NEAR_LEAST * run.usual) * (NEAR_AT / n) ** 0.5
        return start, radius


class _Maker:
    """Makes one shard from the arrays of its hosts alone, so that only these travel to its worker."""

    def __init__(self, large: LargeFleet, places: IntArray | slice, groups: int) -> None:
        self.shared, self.counts = large.shared.within(places), large.counts[places]
        self.groups = groups

    def __call__(self) -> Shard:
        return Shard(blocks(self.shared, self.counts), self.groups, len(self.shared.rows))


def blocks(shared: SharedRows, counts: FloatArray) -> list[Block]:
    """The blocks of some hosts: those that arrays hold together."""
    plain: BoolArray = ~shared.table.alone
    found: list[Block] = []
    if plain.all():
        found.append(BatchBlock(shared, counts))
    elif plain.any():
        mine = np.flatnonzero(plain)
        found.append(BatchBlock(shared.within(mine), counts[mine]))
    return found
