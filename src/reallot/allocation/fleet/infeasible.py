"""Why no plan meets all rules of a fleet: the hosts that cannot meet their own, or the shared rows and the amount."""

from __future__ import annotations

import numpy as np

from ...errors import Conflict, Infeasible, Relaxation
from ...problem.arrays import BoolArray
from ...program import Status
from ...program.elastic import Loosening, elastic, side
from ...text.numbers import count, listed, shown
from ..allocate import allocate
from .fleet import Fleet
from .fleet_program import FleetProgram
from .limits import FleetLimits
from .rows import Row

MARGIN = 1e-7
"""A way out is a little wider than it must be, relatively: what a solver cannot tell from nothing."""
NAMED = 5
"""So many hosts are told by name."""
NOTHING = 1e-9


def hosts_without_plan(fleet: Fleet, failed: BoolArray | None = None) -> Infeasible | None:
    """The error of hosts that no plan of their own meets; None where each has one.

    failed  (hosts,) True where a host is known to have none; found out where not given
    """
    table = fleet.table
    low, high = table.box()
    wrong = (low > high + NOTHING).any(axis=1) | (low.sum(axis=1) > table.total + NOTHING)
    wrong |= (high.sum(axis=1) < table.total - NOTHING) & ~table.idle
    wrong &= ~table.alone
    wrong = wrong if failed is None else wrong | failed
    messages = []
    for h in [*np.flatnonzero(wrong), *fleet.alone, *np.flatnonzero(np.isfinite(table.turnover) & ~table.alone)]:
        name = fleet.hosts[h]
        try:
            allocate(fleet.problem_at(int(h)))
        except Infeasible as error:
            message = f"host {shown(name)}: {error}"
            if message not in messages:
                messages.append(message)
    if not messages:
        return None
    more = f"; and {count(len(messages) - NAMED, 'more host')}" if len(messages) > NAMED else ""
    return Infeasible("; ".join(messages[:NAMED]) + more)


def why_no_plan(whole: FleetProgram) -> Infeasible:
    """The error of a fleet whose hosts have plans, but none together under the shared rows."""
    fleet, rows = whole.fleet, whole.rows
    own = hosts_without_plan(fleet)
    if own is not None:
        return own
    loosenings = [_loosening(whole, k, row) for k, row in enumerate(rows)]
    together = _least(whole, loosenings)
    if together is None:
        return by_sites(fleet, whole.limits)
    needed = [(row, least) for row, least in zip(rows, together, strict=True) if least > NOTHING]
    if not needed:
        return Infeasible("no plan meets all rules of the fleet, though by no more than rounding; loosen one by 1e-8")
    relaxations = []
    for k, row in enumerate(rows):
        alone = _least(whole, [loosenings[k]])
        if alone is not None:
            relaxations.append(Relaxation(row.name, float(alone[0]), loosen(row, float(alone[0]))))
    relaxations.sort(key=lambda each: each.amount)
    return conflict_of([(row, float(least)) for row, least in needed], relaxations)


def conflict_of(needed: list[tuple[Row, float]], relaxations: list[Relaxation]) -> Infeasible:
    """The error that names the rows in conflict, by how much they miss, and the ways out that were tried."""
    total = sum(least for _, least in needed)
    said = [_missed(row, least) for row, least in needed]
    if relaxations:
        ways = listed([each.text for each in relaxations[:3]])
    else:
        ways = listed([loosen(row, least) for row, least in needed], "and")
    message = f"{'; '.join(said)}; {ways}"
    names = tuple(row.name for row, _ in needed)
    return Infeasible(message, Conflict(names, total, tuple(relaxations), message))


def _missed(row: Row, least: float) -> str:
    """A row and what the hosts cannot do without, in words."""
    reached = row.limit + row.sense * least
    name, (limit, other) = shown(row.name), told_apart(row.limit, reached)
    if row.kind == "cap":
        return f"{name}: {limit} {row.unit} are below the {other} that may not shrink under the other rules"
    if row.kind == "floor":
        return f"{name}: {limit} {row.unit} are above the {other} that can be reached under the other rules"
    return f"{name}: {limit} {row.unit} are below the {other} that the other rules need"


def told_apart(one: float, other: float) -> tuple[str, str]:
    """Two amounts with as many digits as it takes to tell them apart."""
    pairs = ((f"{one:.{digits}g}", f"{other:.{digits}g}") for digits in (6, 9, 12, 17))
    return next((pair for pair in pairs if pair[0] != pair[1]), (f"{one:g}", f"{other:g}"))


def loosen(row: Row, least: float) -> str:
    """The way out of loosening one row by at least so much, in words."""
    wider = least + MARGIN * max(1.0, abs(row.limit))
    verb = "lower" if row.kind == "floor" else "raise"
    target = row.limit + row.sense * wider
    if row.kind == "moving":
        target = float(np.ceil(target - 1e-6))
    return f"{verb} {shown(row.name)} to {max(target, 0.0):.9g} {row.unit}"


def _loosening(whole: FleetProgram, k: int, row: Row) -> Loosening:
    return Loosening(row.name, row_upper=side([whole.program.row_slices["shared"].start + k]))


def _least(whole: FleetProgram, loosenings: list[Loosening]) -> list[float] | None:
    """By how much each row must be loosened, all together the least; None where that does not help."""
    from ...solvers.backends import runner

    if not loosenings:
        return None
    table = whole.fleet.table
    most = float(np.abs(table.cost_in + table.cost_out).max() + 1.0)
    widest = 2.0 * most * float((whole.counts * (whole.shared.sizes + 1.0)).sum() + 1.0)
    for weight in whole.shared.weights.values():
        widest += float((weight.max(axis=1) * whole.counts).sum())
    found = runner("highs", None)(elastic(whole.program, loosenings, widest))
    if found.status is not Status.OPTIMAL or found.values is None:
        return None
    return [max(0.0, float(each)) for each in found.values[-len(loosenings) :]]


def by_sites(fleet: Fleet, limits: FleetLimits) -> Infeasible:
    """No loosening of shared rows helps: what is exclusive is held by two hosts that may not give it up."""
    low, _ = fleet.table.box()
    said = []
    for name in limits.exclusive:
        p = fleet.protocols.index(name)
        by_site: dict[str, list[str]] = {}
        for h, host in enumerate(fleet.hosts):
            if host in fleet.sites and low[h, p] > NOTHING:
                by_site.setdefault(fleet.sites[host], []).append(host)
        said += [
            f"{shown(name)} is exclusive at site {shown(site)}, and {listed(hosts, 'and')} may not give it up"
            for site, hosts in by_site.items()
            if len(hosts) > 1
        ]
    message = "; ".join(said) or "no plan meets the exclusive protocols of all sites together with the hosts' own rules"
    return Infeasible(f"{message}; release one of them, or take the protocol out of `exclusive`")
