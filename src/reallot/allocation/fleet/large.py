"""A large fleet cut into shards, its samples, and the plan put together again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from ...problem import AllocationProblem, LockIn, ProtocolSpec
from ...problem.arrays import BoolArray, FloatArray, IntArray
from ...problem.effective import PRESENT
from .batch_block import BatchBlock
from .block import Block
from .decomposition import GROUPS, GROUPS_AT, Crew, Decomposed, Decomposition, Here, Tell
from .fleet import Fleet
from .host_program import host_program
from .limits import FleetLimits
from .program_block import ProgramBlock
from .rows import Row, SharedRows, hosts_by_site
from .shard import Shard
from .site_block import SiteBlock

SHARD = 50_000
"""Hosts of a shard: the same however many workers there are, so that sums are the same."""
LADDER = (1_000, 20_000, 200_000)
"""Hosts of the samples from which prices come, where a sample is a fifth of the fleet at most."""
NEAR, NEAR_LEAST, NEAR_AT = 0.008, 0.002, 2_000
"""Half of the box's sides around prices of a sample of so many hosts; errors shrink with the root of its size."""


class LargeFleet:
    """The shards of a fleet, and its rows relative to staying.

    counts  (hosts,) how many equal hosts each one stands for
    shard   hosts of a shard
    """

    def __init__(
        self, fleet: Fleet, limits: FleetLimits, rows: tuple[Row, ...], counts: FloatArray, *, shard: int = SHARD
    ) -> None:
        self.fleet, self.rows, self.counts = fleet, rows, counts
        self.shared = SharedRows.of(fleet, rows)
        self.now = self.counts @ self.shared.now
        room = self.shared.limits - self.now
        # staying meets a limit that it misses by rounding only
        self.room = np.where((room < 0.0) & (room >= -PRESENT * np.maximum(1.0, np.abs(self.now))), 0.0, room)
        self.places, self.shard_hosts = np.arange(len(fleet)), shard
        self.exclusive = [fleet.protocols.index(name) for name in limits.exclusive]
        self.site = np.full(len(fleet), -1)
        if self.exclusive:
            for number, places in enumerate(hosts_by_site(fleet).values()):
                if places.size > 1:
                    self.site[places] = number

    def cut(self) -> list[IntArray | slice]:
        """The hosts of each shard; those of a site stay together."""
        hosts = self.places.size
        count = max(1, -(-hosts // self.shard_hosts))
        edges = [hosts * i // count for i in range(count + 1)]
        if not (self.site >= 0).any():
            return [slice(start, end) for start, end in pairwise(edges)]
        order = np.argsort(self.units, kind="stable")
        edges = np.unique(np.searchsorted(self.units[order], self.units[order][np.array(edges[:-1])])).tolist()
        return [order[start:end] for start, end in pairwise([*edges, hosts])]

    @cached_property
    def units(self) -> IntArray:
        """(hosts,) a number for each site, and one for each host that is on its own."""
        return np.where(self.site >= 0, self.site, self.places + self.site.max(initial=0) + 1)

    def makers(self) -> list[Callable[[], Shard]]:
        """A function for each shard that makes it, wherever it is to be."""
        parts = self.cut()
        all_groups = int(GROUPS * max(1.0, (self.places.size / GROUPS_AT) ** 0.5))
        groups = max(1, min(all_groups, self.places.size) // len(parts))
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
        random, tied = np.random.default_rng(0), bool((self.site >= 0).any())
        if tied:
            each, unit = np.unique(self.units, return_inverse=True)
            order = np.argsort(random.permutation(each.size)[unit], kind="stable")
        else:
            order = random.permutation(count)
        for n in LADDER:
            if 5 * n > count:
                break
            places = np.sort(order[:n])
            part = float(self.counts[places].sum() / self.counts.sum())
            shard = _Maker(self, places, min(GROUPS, n))()
            run = Decomposition(
                Here([shard]), 1, n, self.room * part, gap=1e-5, stake=stake, deadline=deadline, tell=tell
            )
            found = run.run(start, radius)
            start = found.prices
            radius = np.maximum(NEAR * start, NEAR_LEAST * run.usual) * (NEAR_AT / n) ** 0.5
        return start, radius


class _Maker:
    """Makes one shard from the arrays and problems of its hosts alone, so that only these travel to its worker."""

    def __init__(self, large: LargeFleet, places: IntArray | slice, groups: int) -> None:
        fleet, self.groups = large.fleet, groups
        self.shared, self.counts = large.shared.within(places), large.counts[places]
        mine = self.shared.places
        self.problems = {int(h): fleet.alone[int(h)] for h in mine[self.shared.table.alone]}
        self.site, self.exclusive = large.site[places], large.exclusive
        self.protocols = fleet.protocols

    def __call__(self) -> Shard:
        return Shard(self._blocks(), self.groups, len(self.shared.rows))

    def _blocks(self) -> list[Block]:
        tied = self.site >= 0
        free = self._own(self.shared, self.counts, ~tied)
        if not tied.any():
            return free
        _, site = np.unique(self.site[tied], return_inverse=True)

        def under(off: Sequence[int]) -> list[Block]:
            return self._own(without(self.shared, off), self.counts, tied, [self.protocols[p] for p in off])

        return [*free, SiteBlock(self.shared.places[tied], site, self.exclusive, under)]

    def _own(self, shared: SharedRows, counts: FloatArray, which: BoolArray, off: Sequence[str] = ()) -> list[Block]:
        """The blocks of hosts on their own, without the protocols `off`: arrays, linear programs, whole numbers."""
        found: list[Block] = []
        plain = which & ~shared.table.alone
        if plain.all():
            return [BatchBlock(shared, counts)]
        if plain.any():
            mine = np.flatnonzero(plain)
            found.append(BatchBlock(shared.within(mine), counts[mine]))
        alone = np.flatnonzero(which & shared.table.alone)
        if not alone.size:
            return found
        problems = {int(h): _without(self.problems[int(h)], off) for h in shared.places[alone]}
        whole = np.array([host_program(problems[int(h)]).is_mixed_integer for h in shared.places[alone]])
        parts = [part for part in (alone[~whole], alone[whole]) if part.size]
        return [*found, *(ProgramBlock(shared.within(part), problems, self.protocols, self.problems) for part in parts)]


def without(shared: SharedRows, off: Sequence[int]) -> SharedRows:
    """The same rows over hosts that may not hold the protocols at the places `off`."""
    if not off:
        return shared
    upper = np.array(shared.table.upper)
    upper[:, list(off)] = 0.0
    return replace(shared, table=replace(shared.table, upper=upper))


def _without(problem: AllocationProblem, off: Sequence[str]) -> AllocationProblem:
    """A host's problem where it may not hold the protocols `off`; it has no plan where it must hold one of them."""
    if not any(name in off for name in problem.names):
        return problem
    return replace(problem, protocols=[_closed(spec) if spec.name in off else spec for spec in problem.specs])


def _closed(spec: ProtocolSpec) -> ProtocolSpec:
    """The protocol with no share allowed; what it must hold is then more than it may."""
    must = LockIn(spec.min_share) if spec.min_share > 0.0 else spec.lock_in
    return replace(spec, min_share=0.0, max_share=0.0, lock_in=must)
