"""Hosts that are equal in everything are summed: one of them decides for all, which is exact for linear programs."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ...problem.arrays import FloatArray, IntArray
from .fleet import Fleet
from .limits import FleetLimits

WORTH = 0.9
"""Hosts are summed where no more than this part of them is left."""


@dataclass(frozen=True)
class Summed:
    """A fleet with one host of each kind.

    fleet   one host of each kind
    counts  (kinds,) how many hosts each one stands for
    kind    (hosts,) the kind of each host of the whole fleet
    """

    fleet: Fleet
    counts: FloatArray
    kind: IntArray


def summed(fleet: Fleet, limits: FleetLimits) -> Summed:
    """The fleet with equal hosts summed; as it is where few are equal, or where hosts are counted or exclusive."""
    alike = None if limits.moving_hosts is not None or limits.exclusive or fleet.alone else _kinds(fleet, limits)
    if alike is None:
        return Summed(fleet, np.ones(len(fleet)), np.arange(len(fleet)))
    first, kind, counts = alike
    return Summed(fleet.part(first), counts.astype(float), kind)


def _kinds(fleet: Fleet, limits: FleetLimits) -> tuple[IntArray, IntArray, IntArray] | None:
    """First host of each kind, kind of each host, and hosts of each kind; None where few are equal."""
    arrays = _arrays(fleet, limits)
    random, keys = np.random.default_rng(1), np.zeros(len(fleet))
    for array in arrays:
        wide = np.where(np.isfinite(array), array, -1.0).reshape(len(fleet), -1)
        keys += (wide * random.uniform(1.0, 2.0, wide.shape[1])).sum(axis=1) * random.uniform(1.0, 2.0)
    _, first, kind, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    if first.size > WORTH * len(fleet):
        return None
    chosen = first[kind]
    # keys that agree by chance would make one host of two
    same = all(np.array_equal(array, array[chosen]) for array in arrays)
    return (first, kind, counts) if same else None


def _arrays(fleet: Fleet, limits: FleetLimits) -> list[FloatArray]:
    """All that may tell one host from another, (hosts,) or (hosts, protocols); what is one for all is left out."""
    table = fleet.table
    named = {field.name: getattr(table, field.name) for field in fields(table)}
    uses = named.pop("uses")
    arrays = [*named.values(), *(uses[name] for name in limits.resources), fleet.sizes]
    if any(hasattr(capacity, "items") for capacity in limits.resources.values()):
        sites = {site: float(i) for i, site in enumerate(dict.fromkeys(fleet.sites.values()))}
        arrays.append(np.array([sites.get(fleet.sites.get(host, ""), -1.0) for host in fleet.hosts]))
    return [array.astype(float, copy=False) for array in arrays if array.strides[0] != 0]
