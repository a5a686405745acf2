"""Metrics and rates as an AllocationProblem, with what is left out and why."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from ..errors import DataError, OptimizationError
from ..problem import AllocationProblem, EarningsCurve, Group, Limits, ProtocolSpec
from ..wording import amount, listed
from .rates import RateEstimate
from .records import AggregatedMetrics, OptimizerConfig

_FLAT = EarningsCurve.flat(1.0)
SUM_TOLERANCE = 1e-6
"""Shares that sum to the capacity within this are all of it."""


@dataclass(frozen=True)
class Question:
    """A problem, and what to say about it.

    problem  what is decided: what would be added earns carefully little
    make     a protocol by name, at the rates as they are: by these a plan is said to bring so much
    shapes   earnings (USD/h) at a share for each unit of the rate: the share itself, or the spec's own curve
    reasons  what is held or left out, and why
    """

    problem: AllocationProblem
    make: Callable[[str], ProtocolSpec]
    shapes: Mapping[str, EarningsCurve]
    reasons: tuple[str, ...]

    @cached_property
    def plain(self) -> AllocationProblem:
        """The same problem, with what would be added at the rates as they are."""
        return replace(self.problem, protocols=[self.make(name) for name in self.problem.names])

    def gain(self, name: str, before: float, after: float) -> float:
        """Change of earnings (USD/h) for each unit of the protocol's rate."""
        shape = self.shapes.get(name)
        return after - before if shape is None else shape.value(after) - shape.value(before)


def question(
    metrics: AggregatedMetrics,
    estimates: Mapping[str, RateEstimate],
    config: OptimizerConfig,
    specs: Mapping[str, ProtocolSpec],
    limits: Limits,
    held: Collection[str] = (),
) -> Question:
    """The problem that `metrics` pose. Raises DataError for shares that cannot be, OptimizationError for none.

    Protocols without a rate, and those whose value is carried forward, keep their share. What is not allotted may be
    put to use, unless some protocol's share is not known: the rest may be its.
    """
    shares = metrics.allocation_by_protocol
    total = math.fsum(shares.values())
    if total > 1.0 + SUM_TOLERANCE:
        each = ", ".join(f"{name} {amount(share)}" for name, share in shares.items())
        raise DataError(
            f"shares sum to {total:.6g} of capacity 1 ({each}); "
            f"they are not scaled, since no split in force can be that: read them again"
        )
    polled = {**shares, **metrics.earnings_by_protocol, **metrics.connection_status}
    unknown = sorted(name for name in polled if name not in shares)
    names = sorted({*shares, *(name for name in specs if name in polled and name not in unknown)})
    if not names:
        raise OptimizationError("no protocol's share is known, so there is nothing to plan; poll first")
    reasons = [f"{name} is left out: its share is not known" for name in unknown]
    reasons += [f"{name} has a spec, but is not polled" for name in sorted(specs) if name not in polled]
    kept, shapes = {}, {}
    for name in names:
        spec, estimate = specs.get(name), estimates.get(name) or RateEstimate(name)
        if estimate.rate is None and spec is None:
            kept[name] = estimate.why or "nothing is known of it"
        elif estimate.stale:
            kept[name] = estimate.why
        if spec is not None and not spec.curves[0].is_flat:
            shapes[name] = spec.curves[0]
    for why in dict.fromkeys(kept.values()):
        same = [name for name, other in kept.items() if other == why]
        reasons.append(f"{listed(same, 'and')} {'stay' if len(same) > 1 else 'stays'} as it is: {why}")
    all_there = abs(total - 1.0) <= SUM_TOLERANCE or bool(unknown)

    def make(name: str, *, careful: bool = False) -> ProtocolSpec:
        known = estimates.get(name) or RateEstimate(name)
        more = known.more if careful else known.rate
        full = _is_full(metrics, name)
        return _protocol(name, shares.get(name, 0.0), specs.get(name), known.rate, more, full, config)

    problem = AllocationProblem(
        [make(name, careful=True) for name in names],
        {name: shares.get(name, 0.0) for name in names},
        capacity=math.fsum(shares.get(name, 0.0) for name in names) if all_there else 1.0,
        allow_idle=not all_there,
        horizon_hours=config.horizon_hours,
        limits=_limits(limits, names, config, {*kept, *held}),
    )
    return Question(problem, make, shapes, tuple(reasons))


def _is_full(metrics: AggregatedMetrics, name: str) -> bool:
    """True where more share would earn nothing more now."""
    status = metrics.statuses.get(name)
    return status is not None and (status.demand_limited is True or status.healthy is False)


def _protocol(
    name: str,
    share: float,
    spec: ProtocolSpec | None,
    rate: float | None,
    more: float | None,
    full: bool,
    config: OptimizerConfig,
) -> ProtocolSpec:
    """What it has earns `rate`, what would be added `more`; where it is full, more earns nothing and is not given."""
    if spec is None or spec.curves[0].is_flat:
        own = 0.0 if spec is None else spec.curves[0].last_slope
        curve = _bent(_FLAT, share, own, own, full) if rate is None else _bent(_FLAT, share, rate, _number(more), full)
    elif rate is None:
        curve = _bent(spec.curves[0], share, 1.0, 1.0, full)
    else:
        curve = _bent(spec.curves[0], share, max(rate, 0.0), max(_number(more), 0.0), full)
    if spec is None:
        most = share if full else None
        return ProtocolSpec(name, curve, max_share=most, move_cost_in=config.move_cost, move_fee=config.move_fee)
    changes: dict[str, float] = {}
    if full and (spec.max_share is None or share < spec.max_share):
        changes["max_share"] = max(share, spec.min_share)
    if spec.cost_in == 0.0 and spec.cost_out == 0.0:
        changes["move_cost_in"] = config.move_cost
    if spec.move_fee == 0.0:
        changes["move_fee"] = config.move_fee
    return replace(spec, curve=curve, **changes)  # type: ignore[arg-type]


def _number(value: float | None) -> float:
    return 0.0 if value is None else value


def _bent(shape: EarningsCurve, share: float, rate: float, more: float, full: bool) -> EarningsCurve:
    """`shape` times `rate` up to `share`, and times `more` beyond; where full, nothing is gained beyond."""
    if not full and more >= rate:
        return shape.scaled(rate)
    place = bisect_left(shape.shares, share)
    before = [(x, rate * y) for x, y in zip(shape.shares[:place], shape.earnings[:place], strict=True)]
    here = rate * shape.value(share)
    if full:
        return EarningsCurve(
            (*(x for x, _ in before), share), (*(y for _, y in before), here), min(0.0, rate * shape.last_slope)
        )
    after = [
        (x, here + more * (y - shape.value(share)))
        for x, y in zip(shape.shares[place:], shape.earnings[place:], strict=True)
        if x > share
    ]
    points = [*before, (share, here), *after]
    return EarningsCurve(tuple(x for x, _ in points), tuple(y for _, y in points), more * shape.last_slope)


def _limits(limits: Limits, names: list[str], config: OptimizerConfig, held: Collection[str]) -> Limits:
    """The caller's limits with the configuration's change, the tighter of both, and what is held besides."""
    most, given = config.max_allocation_change, limits.max_change
    change: float | dict[str, float] = most
    if isinstance(given, dict):
        change = {name: min(most, given.get(name, most)) for name in names}
    elif isinstance(given, tuple):
        change = min(most, *given[:1]) if given else most
    elif given is not None:
        change = min(most, float(given))  # type: ignore[arg-type]
    still = {name for name in names if name in held or limits.held_until(name, 1)}
    groups = tuple(replace(group, members=there) for group in limits.groups if (there := _members(group, names)))
    return replace(limits, max_change=change, held=still, groups=groups)


def _members(group: Group, names: list[str]) -> tuple[str, ...]:
    return tuple(name for name in group.members if name in names)
