"""Shared limits as rows: what each host uses of them, and what their prices do to a host's own problem.

A row is `sense * sum over hosts of use <= sense * limit`, with sense -1 for floors. A price is USD over the horizon
for one unit by which the row is loosened, and so at least 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...errors import InvalidInput, near_miss
from ...problem.arrays import BoolArray, FloatArray, IntArray
from ...problem.validation import known_names
from .fleet import Fleet
from .hosts import HostTable, row_sums
from .limits import FleetLimits


@dataclass(frozen=True)
class Row:
    """One shared limit.

    Parameters
    ----------
    name
        "protocol cap storj", "turnover", "budget" ...
    kind
        "cap", "floor", "turnover", "budget", "moving" or "resource".
    limit
        The limit in its own unit.
    protocol
        Place of the protocol that a cap or a floor is on.
    resource
        Name of the resource.
    hosts
        (some hosts,) places of the hosts that count for a resource.
    """

    name: str
    kind: str
    limit: float
    protocol: int = -1
    resource: str = ""
    hosts: IntArray | None = None

    @property
    def sense(self) -> float:
        """-1 for a floor, 1 for all others."""
        return -1.0 if self.kind == "floor" else 1.0

    @property
    def unit(self) -> str:
        """What the limit counts, in words."""
        return {"budget": "USD", "moving": "hosts", "resource": self.resource}.get(self.kind, "units")


def rows_of(fleet: Fleet, limits: FleetLimits) -> tuple[Row, ...]:
    """The rows of the limits in a fixed order; raises InvalidInput for names that the fleet does not have."""
    rows = []
    place = {name: i for i, name in enumerate(fleet.protocols)}
    for kind, table in (("cap", limits.protocol_caps), ("floor", limits.protocol_floors)):
        known_names(table, place, f"protocol_{kind}s")
        rows += [Row(f"protocol {kind} {name}", kind, limit, place[name]) for name, limit in table.items()]
    known_names(limits.exclusive, place, "exclusive")
    for name, floor in limits.protocol_floors.items():
        if floor > limits.protocol_caps.get(name, np.inf):
            raise InvalidInput(
                f"protocol_floors {name} is {floor:g}, above protocol_caps {name} {limits.protocol_caps[name]:g}"
            )
    if limits.turnover is not None:
        rows.append(Row("turnover", "turnover", limits.turnover))
    if limits.move_budget is not None:
        rows.append(Row("budget", "budget", limits.move_budget))
    if limits.moving_hosts is not None:
        rows.append(Row("moving hosts", "moving", float(limits.moving_hosts)))
    for name, capacity in limits.resources.items():
        if name not in fleet.table.uses:
            raise InvalidInput(
                f"resources names {name!r}, which no host uses; {near_miss(name, fleet.table.uses)}: give `uses`"
            )
        if isinstance(capacity, float):
            rows.append(Row(f"resource {name}", "resource", capacity, resource=name, hosts=np.arange(len(fleet))))
            continue
        by_site = hosts_by_site(fleet)
        known_names(capacity, by_site, f"resource {name}")
        rows += [
            Row(f"resource {name} {site}", "resource", amount, resource=name, hosts=by_site[site])
            for site, amount in capacity.items()
        ]
    return tuple(rows)


def hosts_by_site(fleet: Fleet) -> dict[str, IntArray]:
    """Places of the hosts of each site, in the order of the hosts."""
    result: dict[str, list[int]] = {}
    for h, host in enumerate(fleet.hosts):
        if host in fleet.sites:
            result.setdefault(fleet.sites[host], []).append(h)
    return {site: np.array(places, dtype=np.intp) for site, places in result.items()}


@dataclass(frozen=True)
class Charges:
    """What prices add to a host's own problem, USD over the horizon; shapes broadcast to (hosts, protocols).

    share    for a unit of share held
    paid     part that USD paid for moves count more
    moved    (hosts, 1) for a unit of share moved, in either direction
    host     for a host that moves at all
    """

    share: FloatArray
    paid: float
    moved: FloatArray
    host: float


@dataclass(frozen=True)
class SharedRows:
    """All rows over some hosts of a fleet: `table` and `sizes` are of these hosts, `places` are theirs in the fleet."""

    rows: tuple[Row, ...]
    table: HostTable
    sizes: FloatArray
    places: IntArray

    @classmethod
    def of(cls, fleet: Fleet, rows: tuple[Row, ...]) -> SharedRows:
        """The rows over the whole fleet."""
        return cls(rows, fleet.table, fleet.sizes, np.arange(len(fleet)))

    def within(self, places: IntArray | slice) -> SharedRows:
        """The same rows over some of the hosts."""
        return SharedRows(self.rows, self.table.rows(places), self.sizes[places], self.places[places])

    @cached_property
    def limits(self) -> FloatArray:
        """(rows,) sense * limit."""
        return np.array([row.sense * row.limit for row in self.rows])

    @cached_property
    def weights(self) -> dict[int, FloatArray]:
        """Use of a resource by one unit of share, (hosts, protocols), by row; 0 for hosts that do not count."""
        result = {}
        for k, row in enumerate(self.rows):
            if row.kind == "resource":
                assert row.hosts is not None
                counts = np.isin(self.places, row.hosts)
                result[k] = np.where(counts[:, None], self.table.uses[row.resource], 0.0)
        return result

    @cached_property
    def now(self) -> FloatArray:
        """(hosts, rows) sense * use of the present shares; moves use nothing yet."""
        return self._held(self.table.current)

    def _held(self, shares: FloatArray) -> FloatArray:
        """(hosts, rows) sense * use by what is held; 0 in rows of moves."""
        result = np.zeros((len(self.rows), len(shares))).T
        for k, row in enumerate(self.rows):
            if row.protocol >= 0:
                np.multiply(self.sizes, shares[:, row.protocol], out=result[:, k])
                if row.sense < 0.0:
                    np.negative(result[:, k], out=result[:, k])
        for k, weight in self.weights.items():
            result[:, k] = row_sums(weight, shares)
        return result

    def added(self, shares: FloatArray) -> FloatArray:
        """(hosts, rows) sense * use by `shares` (hosts, protocols), less that by the present shares; fees left out."""
        table = self.table
        change = shares - table.current
        result = self._held(change)
        size = np.abs(change)
        for k, row in enumerate(self.rows):
            if row.kind == "turnover":
                result[:, k] = self.sizes * np.einsum("hp->h", size) / 2.0
            elif row.kind == "budget":
                if table.is_symmetric:
                    paid = row_sums(table.cost_in, size)
                else:
                    taken = np.maximum(change, 0.0)
                    paid = row_sums(table.cost_in, taken) + row_sums(table.cost_out, taken - change)
                result[:, k] = paid
            elif row.kind == "moving":
                result[:, k] = (change != 0.0).any(axis=1)
        return result

    def charges(self, prices: FloatArray) -> Charges:
        """What prices (rows,) add to each host's problem."""
        sizes = self.sizes[:, None]
        paid = host = moved = 0.0
        by_protocol = np.zeros(self.table.shape[1])
        for price, row in zip(prices.tolist(), self.rows, strict=True):
            if row.protocol >= 0:
                by_protocol[row.protocol] += row.sense * price
            elif row.kind == "turnover":
                moved += price / 2.0
            elif row.kind == "budget":
                paid += price
            elif row.kind == "moving":
                host += price
        share: FloatArray = sizes * by_protocol
        for k, weight in self.weights.items():
            if prices[k] > 0.0:
                share = share + prices[k] * weight
        return Charges(share, paid, sizes * moved, host)

    def counts(self) -> BoolArray:
        """(rows,) True for rows of whole numbers."""
        return np.array([row.kind == "moving" for row in self.rows], dtype=bool)
