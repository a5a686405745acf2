"""What a plan for a fleet is worth, what it uses of shared limits, and the rule it breaks worst: no solver is asked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...formulation.evaluate import ByProgram
from ...formulation.formulate import formulate
from ...problem import AllocationProblem
from ...problem.arrays import FloatArray
from ...problem.objective import Value, value
from ...program.certificate import worst_residual
from .fleet import Fleet
from .limits import FleetLimits
from .rows import Row, SharedRows, hosts_by_site


@dataclass(frozen=True)
class Judged:
    """A plan weighed.

    worth     (hosts,) USD over the horizon that each host's plan is worth more than staying
    used      (rows,) what the plan uses of each shared limit, in its unit
    residual  worst violation of any rule; of a shared row as a part of its limit, where that is above 1
    place     the rule that is broken worst, in words; "none" where none is
    """

    worth: FloatArray
    used: FloatArray
    residual: float
    place: str

    @property
    def net_benefit(self) -> float:
        """USD over the horizon that the plan is worth more than staying."""
        return float(self.worth.sum())


def judge(fleet: Fleet, limits: FleetLimits, rows: tuple[Row, ...], shares: FloatArray) -> Judged:
    """The plan `shares` (hosts, protocols) weighed from the hosts' own rules and the shared rows."""
    table, shared = fleet.table, SharedRows.of(fleet, rows)
    worth, paid = table.worth(shares), np.zeros(len(fleet))
    worst = [_table_residual(fleet, shares), (0.0, "none")]
    for h, problem in fleet.alone.items():
        own = shares[h, [fleet.protocols.index(name) for name in problem.names]]
        weighed = value(problem, own[None, :])
        worth[h] = net_gain(problem, weighed)
        paid[h] = paid_of(weighed)
        by = ByProgram(problem, formulate(problem))
        residual, place = worst_residual(by.program, by.at(own[None, :]).values)
        worst.append((residual, f"host {fleet.hosts[h]}: {place}"))
        least = problem.limits.min_gain
        if least > worth[h] and (own != problem.arrays.current).any() and by.can_stay():
            worst.append(((least - worth[h]) / max(1.0, least), f"host {fleet.hosts[h]}: min_gain"))
    added = shared.added(shares)
    if fleet.alone:
        alone = list(fleet.alone)
        for k, row in enumerate(rows):
            if row.kind == "budget":
                added[alone, k] = paid[alone]
    signed = (shared.now + added).sum(axis=0)
    for k, row in enumerate(rows):
        over = (signed[k] - row.sense * row.limit) / max(1.0, abs(row.limit))
        worst.append((float(over), row.name))
    worst += [(float(count - 1), f"{name} at {site}") for site, name, count in _holders(fleet, limits, shares)]
    residual, place = max(worst, key=lambda each: each[0])
    senses = np.array([row.sense for row in rows])
    return Judged(worth, senses * signed + 0.0, max(residual, 0.0), place if residual > 0.0 else "none")


def net_gain(problem: AllocationProblem, weighed: Value) -> float:
    """USD over the horizon that a plan of one host is worth more than staying."""
    stay = value(problem, problem.arrays.staying)
    return float((weighed.earnings - stay.earnings).sum() * weighed.hours) - weighed.cost


def _table_residual(fleet: Fleet, shares: FloatArray) -> tuple[float, str]:
    """The worst violation of a rule that the table holds, and where."""
    table = fleet.table
    change = shares - table.current
    up = np.maximum(change, 0.0)
    total = shares.sum(axis=1) - table.total
    by_share = np.maximum(np.maximum(table.lower - shares, shares - table.upper), np.abs(change) - table.max_change)
    by_share = np.where(table.there, by_share, np.abs(shares))
    moved = np.maximum(up.sum(axis=1), (up - change).sum(axis=1)) - table.turnover
    by_host = np.maximum(np.where(table.idle, total, np.abs(total)), moved)
    by_host[table.alone] = 0.0
    by_share = np.where(table.alone[:, None], 0.0, by_share)
    h, p = divmod(int(by_share.argmax()), by_share.shape[1])
    if by_share[h, p] >= by_host.max():
        return float(by_share[h, p]), f"host {fleet.hosts[h]}: share of {fleet.protocols[p]}"
    h = int(by_host.argmax())
    return float(by_host[h]), f"host {fleet.hosts[h]}: capacity or turnover"


def _holders(fleet: Fleet, limits: FleetLimits, shares: FloatArray) -> list[tuple[str, str, int]]:
    """Site, exclusive protocol, and how many hosts hold it there, where there are several."""
    found = []
    for site, places in hosts_by_site(fleet).items() if limits.exclusive else ():
        for name in limits.exclusive:
            count = int((shares[places, fleet.protocols.index(name)] > 0.0).sum())
            if count > 1:
                found.append((site, name, count))
    return found


def paid_of(weighed: Value) -> float:
    """USD that the moves of one host's plan are paid with: proportional costs and fees, and what all moves share."""
    return float((weighed.move_cost + weighed.move_fee).sum()) + weighed.turnover_cost + weighed.plan_fee
