"""Shares that are measured or rounded: sums a little above capacity are scaled, limits missed by a little are met."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...problem import Group, Limits, LinearRule, ProtocolSpec
from ..contracts.records import AggregatedMetrics

LEAST_SLACK = 0.005
"""A sum above capacity by less than half a percent is a matter of measuring, whatever anybody says."""


def with_tolerances(metrics: AggregatedMetrics, common: float, own: Mapping[str, float]) -> AggregatedMetrics:
    """`metrics` with the tolerance of every share: its own, or the larger of what its adapter says and of `common`."""
    said = {
        name: own.get(name, max(metrics.tolerances.get(name, 0.0), common)) for name in metrics.allocation_by_protocol
    }
    return metrics.model_copy(update={"tolerances": said})


def measured(
    metrics: AggregatedMetrics, specs: Mapping[str, ProtocolSpec], limits: Limits
) -> tuple[AggregatedMetrics, Mapping[str, ProtocolSpec], Limits]:
    """All three as they are planned with.

    A sum above 1 by no more than all tolerances together is scaled to 1. A limit that a share, or a group, misses by no
    more than its tolerance is taken as met.
    """
    read = metrics.allocation_by_protocol
    slack = {name: metrics.tolerances.get(name, 0.0) for name in read}
    total = math.fsum(read.values())
    if 1.0 < total <= 1.0 + max(math.fsum(slack.values()), LEAST_SLACK):
        scaled = {name: share / total for name, share in read.items()}
        metrics = metrics.model_copy(update={"allocation_by_protocol": scaled})
        slack = {name: each + abs(read[name] - scaled[name]) for name, each in slack.items()}
    shares = metrics.allocation_by_protocol
    near = {name: _near(spec, shares[name], slack[name]) for name, spec in specs.items() if name in shares}
    groups = tuple(_near_group(group, shares, slack) for group in limits.groups)
    rules = tuple(_near_rule(rule, limits.groups, shares, slack) for rule in limits.rules)
    return metrics, {**specs, **near}, replace(limits, groups=groups, rules=rules)


def _near(spec: ProtocolSpec, share: float, slack: float) -> ProtocolSpec:
    changes: dict[str, Any] = {}
    if spec.max_share is not None and 0.0 < share - spec.max_share <= slack:
        changes["max_share"] = share
    if 0.0 < spec.min_share - share <= slack:
        changes["min_share"] = share
    return replace(spec, **changes) if changes else spec


def _near_group(group: Group, shares: Mapping[str, float], slack: Mapping[str, float]) -> Group:
    members = [name for name in group.members if name in shares]
    total = math.fsum(shares[name] for name in members)
    within, changes = math.fsum(slack[name] for name in members), dict[str, Any]()
    if group.max_share is not None and 0.0 < total - group.max_share <= within:
        changes["max_share"] = total
    if group.min_share is not None and 0.0 < group.min_share - total <= within:
        changes["min_share"] = total
    return replace(group, **changes) if changes else group


def _near_rule(
    rule: LinearRule, groups: Sequence[Group], shares: Mapping[str, float], slack: Mapping[str, float]
) -> LinearRule:
    members = {group.name: group.members for group in groups}
    each = [(name, weight) for key, weight in rule.coefficients.items() for name in members.get(key, (key,))]
    there = [(name, weight) for name, weight in each if name in shares]
    total = math.fsum(weight * shares[name] for name, weight in there)
    within = math.fsum(abs(weight) * slack[name] for name, weight in there)
    low, high = rule.bounds
    over = 0.0 if high is None else max(0.0, total - high)
    under = 0.0 if low is None else max(0.0, low - total)
    return rule.loosened(lower=under, upper=over) if 0.0 < over + under <= within else rule


def with_shares(metrics: AggregatedMetrics, shares: Mapping[str, float], full: Collection[str]) -> AggregatedMetrics:
    """`metrics` with these shares in force; those in `full` are given no more."""
    now = {**metrics.allocation_by_protocol, **shares}
    ceilings = {**metrics.ceilings, **{name: now[name] for name in full if name in now}}
    return metrics.model_copy(update={"allocation_by_protocol": now, "ceilings": ceilings})


def largest_first(changes: Mapping[str, float]) -> list[tuple[str, float]]:
    """Changes by name, the largest first."""
    return sorted(changes.items(), key=lambda item: (-item[1], item[0]))
