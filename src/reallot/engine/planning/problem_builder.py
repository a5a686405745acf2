"""Metrics and rates as an AllocationProblem, with what is left out and why."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from ...errors import DataError, OptimizationError
from ...problem import AllocationProblem, EarningsCurve, Limits, ProtocolSpec, Tiers
from ...text.numbers import amount, listed
from ..contracts.configs import OptimizerConfig
from ..contracts.records import AggregatedMetrics
from .earnings_at_shares import at_a_loss, bent, less
from .exploration import floors_of, lacking
from .limits_out_of_reach import Easing, Nearest
from .rate_estimation import RateEstimate
from .reachable_shares import reachable

DUST = 1e-6
"""A share that grew by no more than this did not grow, and one that is no more than this is none."""
SUM_TOLERANCE = 1e-6
"""Shares that sum to the capacity within this are all of it."""


@dataclass
class _Shared:
    """Of problems that differ in rates only: one of them laid out, and the text of all but rates."""

    problem: AllocationProblem | None = None
    text: bytes = b""
    nearest: Nearest | None = None
    eased: _Shared | None = None


@dataclass(frozen=True)
class PlanningProblem:
    """What is asked of a plan, and what to say about it; made by `planning_problem`.

    names       protocols whose share is known, with `shares` now
    known       what is known of their rates
    held, full  those that keep their share, and those that are given no more
    allow_idle  True where some of the capacity is nobody's
    notes       what is left out, and why
    kept        why those without a usable rate keep their share
    ceilings    shares that are not gone beyond, where a protocol would not take more
    steps, floors
                what shares can be asked for, of those that may change
    unread      of those that keep their share, those that do so only because nothing was ever read of so small a share
    shapes      learned curves: earnings at a share in parts of what a full share earns per unit at the present one
    power       what power for a full share costs now, USD/h by name: rates are before it, curves after it
    least       floors of exploration by name; what holds as much keeps it
    raised      those that are brought to their floor, in a plan that moves anyway
    resting     of those that keep their share, those that do so for a while only
    read        shares as they were read, where they were scaled to capacity
    easing      limits that no plan can meet at once, loosened as far as one plan needs; None where there are none
    urgent      why some give up what they hold at once; "" in all problems but that
    by_policy   True where the policy says what share is worth
    shared      what problems that differ in rates only have in common, once one of them has made it
    """

    config: OptimizerConfig
    specs: Mapping[str, ProtocolSpec]
    limits: Limits
    names: tuple[str, ...]
    shares: dict[str, float]
    known: Mapping[str, RateEstimate]
    held: frozenset[str]
    full: frozenset[str]
    capacity: float
    allow_idle: bool
    notes: tuple[str, ...]
    kept: Mapping[str, str]
    steps: Mapping[str, float] = field(default_factory=dict)
    floors: Mapping[str, float] = field(default_factory=dict)
    ceilings: Mapping[str, float] = field(default_factory=dict)
    unread: frozenset[str] = frozenset()
    shapes: Mapping[str, EarningsCurve] = field(default_factory=dict)
    power: Mapping[str, float] = field(default_factory=dict)
    least: Mapping[str, float] = field(default_factory=dict)
    raised: frozenset[str] = frozenset()
    resting: frozenset[str] = frozenset()
    easing: Easing | None = None
    read: Mapping[str, float] = field(default_factory=dict)
    urgent: str = ""
    by_policy: bool = False
    shared: _Shared = field(default_factory=_Shared, repr=False, compare=False)

    @cached_property
    def careful(self) -> AllocationProblem:
        """What is decided: at what the policy takes share to be worth; else what is added earns carefully little."""
        curves, like = self._curves(careful=True), self.shared.problem
        if like is not None:
            problem = like.earning(curves)
        else:
            problem = AllocationProblem(
                [self._protocol(name, curve) for name, curve in zip(self.names, curves, strict=True)],
                self.shares,
                capacity=self.capacity,
                allow_idle=self.allow_idle,
                horizon_hours=self.config.horizon_hours,
                limits=_limits(self.limits, self.names, self.config, self.held),
            )
            problem = problem if self.easing is None else self.easing.applied(problem)
        self.shared.problem = problem
        return problem

    @cached_property
    def expected(self) -> AllocationProblem:
        """The same problem, with what would be added at the rates as they are: by these a plan brings so much."""
        return self.careful.earning(self._curves(careful=False))

    @cached_property
    def earned(self) -> float:
        """What staying earns, USD/h."""
        terms = []
        for name in self.names:
            spec, rate, share = self.specs.get(name), self.known[name].rate, self.shares[name]
            if spec is None or spec.curves[0].is_flat:
                own = 0.0 if spec is None else spec.curves[0].last_slope
                terms.append(share * (own if rate is None else rate))
            else:
                terms.append((1.0 if rate is None else rate) * spec.curves[0].value(share))
        if self.power:
            terms += [-self.power.get(name, 0.0) * share for name, share in self.shares.items()]
        if self.config.idle_rate:
            terms.append(self.config.idle_rate * (self.capacity - math.fsum(self.shares.values())))
        return math.fsum(terms)

    @cached_property
    def settled(self) -> tuple[float, float] | None:
        """(most that one more share would earn anywhere, all costs taken off, least that the last one does): stay.

        None where more may be earned than given up, or where specs, groups or learned curves have a say.
        """
        shared = self.limits.groups or self.limits.rules
        if shared or self.shapes or self.ceilings or any(name in self.specs for name in self.names):
            return None
        free = [(self.known[name], self.shares[name]) for name in self.names if name not in self.held]
        draws = self.power
        given = [
            (known.rate if known.worth is None else known.worth) - draws.get(known.protocol, 0.0)
            for known, share in free
            if share > 0.0 and known.rate is not None
        ]
        taken = [
            (known.more if known.worth is None else known.worth) - draws.get(known.protocol, 0.0)
            for known, _ in free
            if known.more is not None and known.protocol not in self.full
        ]
        unit = self.config.move_cost
        least = unit if isinstance(unit, float) else unit.least
        cost, idle = least / self.config.horizon_hours, self.config.idle_rate
        most, least = max(taken, default=-math.inf) - cost, min(given, default=math.inf)
        if self.allow_idle:
            most = max(most, idle)  # giving up costs nothing
        if self.capacity > math.fsum(self.shares.values()):
            least = min(least, idle)
        return (most, least) if most <= least else None

    @cached_property
    def fingerprint(self) -> str:
        """Of all that a plan depends on: equal inputs give the same text, in any process."""
        known = [(self.known[name], self.shares[name]) for name in self.names]
        rates = np.array(
            [(share, each.rate, each.more, each.worth) for each, share in known], dtype="<f8"
        )  # None is NaN
        if not self.shared.text:
            self.shared.text = self._all_but_rates().encode()
        learned = repr(sorted(self.shapes.items())).encode() if self.shapes else b""
        if self.power:
            learned += repr(sorted(self.power.items())).encode()
        return hashlib.sha256(rates.tobytes() + self.shared.text + learned).hexdigest()

    def _all_but_rates(self) -> str:
        limits = self.limits if self.limits.held == frozenset() else replace(self.limits, held=())
        config: tuple[float, ...] = (self.config.horizon_hours, self.config.max_allocation_change)
        config += (self.config.idle_rate,) if self.config.idle_rate else ()
        costs = (self.config.move_cost, self.config.move_fee)
        specs = [self.specs[name] for name in self.names if name in self.specs]
        rules = (limits, sorted(self.held), sorted(self.full), self.capacity, self.allow_idle)
        reach = (sorted(self.steps.items()), sorted(self.floors.items()))
        most = f", {sorted(self.ceilings.items())!r}" if self.ceilings else ""
        looks = f", {sorted(self.least.items())!r}, {sorted(self.raised)!r}" if self.least else ""
        eased = f", {self.easing!r}" if self.easing is not None else ""
        return f"{self.names!r}, {config!r}, {costs!r}, {specs!r}, {rules!r}, {reach!r}{most}{looks}{eased}"

    def gain(self, name: str, before: float, after: float) -> float:
        """Change of earnings (USD/h) for each unit of the protocol's rate."""
        spec, shape = self.specs.get(name), self.shapes.get(name)
        if shape is None and spec is not None and not spec.curves[0].is_flat:
            shape = spec.curves[0]
        return after - before if shape is None else shape.value(after) - shape.value(before)

    @property
    def reasons(self) -> tuple[str, ...]:
        """What is held or left out, and why; what is raised to be read."""
        told = list(self.notes)
        for why in dict.fromkeys(self.kept.values()):
            same = [name for name, other in self.kept.items() if other == why and name not in self.raised]
            if same:
                told.append(f"{listed(same, 'and')} {'stay' if len(same) > 1 else 'stays'} as it is: {why}")
        if self.raised:
            names = sorted(self.raised)
            told.append(f"{listed(names, 'and')} {'are' if len(names) > 1 else 'is'} given a share to be read by")
        return tuple(told)

    def raising(self) -> PlanningProblem | None:
        """The same with every protocol that lacks its floor of exploration brought to it; None where none does."""
        raised = lacking(self)
        if not raised:
            return None
        return replace(self, raised=raised, held=self.held - (raised & self.unread), shared=_Shared())

    def eased(self, nearest: Nearest) -> PlanningProblem:
        """The same with limits loosened that no plan can meet at once."""
        self.shared.eased = self.shared.eased or _Shared()
        return replace(self, easing=nearest.easing, shared=self.shared.eased)

    def differs_in_rates_only(self, other: PlanningProblem) -> bool:
        """True where both problems have the same protocols with the same shares, rules and costs."""
        return all(getattr(self, name) == getattr(other, name) for name in _FRAME)

    def _curves(self, *, careful: bool) -> list[EarningsCurve]:
        """Earnings curves in the order of `names`: what there is earns its rate, what is added `more` or `rate`."""
        curves = []
        for name in self.names:
            known, spec = self.known[name], self.specs.get(name)
            rate, more = known.rate, known.more if careful else known.rate
            if careful and known.worth is not None and rate is not None:
                rate = more = known.worth
            shape = self.shapes.get(name) if rate is not None and rate > 0.0 else None
            if shape is None and spec is not None and not spec.curves[0].is_flat:
                shape = spec.curves[0]
            if rate is None:
                rate = more = 1.0 if shape is not None else 0.0 if spec is None else spec.curves[0].last_slope
            elif shape is not None and rate < 0.0:
                unit, shape = at_a_loss(shape, self.shares[name]), None
                rate, more = unit * rate, unit * (more or 0.0)
            elif shape is not None:
                more = max(more or 0.0, 0.0)
            at = (self.shares[name], rate, more or 0.0, name in self.full)
            curve = _straight(*at) if shape is None else bent(shape, *at)
            cost = self.config.idle_rate if self.allow_idle else 0.0
            cost += self.power.get(name, 0.0)
            curves.append(less(curve, cost) if cost else curve)
        return curves

    def _protocol(self, name: str, curve: EarningsCurve) -> ProtocolSpec:
        """One protocol with its costs; where it is full no more is given, and shares are such as can be asked for."""
        share, given, config = self.shares[name], self.specs.get(name), self.config
        most = share if name in self.full else None
        if most is None and name in self.ceilings:
            most = max(share, self.ceilings[name])
        if given is None:
            spec = ProtocolSpec(name, curve, max_share=most, move_cost_in=config.move_cost, move_fee=config.move_fee)
        else:
            changes: dict[str, Any] = {"curve": curve}
            if most is not None and (given.max_share is None or most < given.max_share):
                changes["max_share"] = max(most, given.min_share)
            if given.cost_in == 0.0 and given.cost_out == 0.0 and not isinstance(given.move_cost, Tiers):
                changes["move_cost_in"] = config.move_cost
            if given.move_fee == 0.0:
                changes["move_fee"] = config.move_fee
            spec = replace(given, **changes)
        if name in self.least:
            spec = self._floored(spec, share, self.least[name])
        if name in self.steps or name in self.floors:
            spec = reachable(spec, share, self.steps.get(name), self.floors.get(name))
        return spec

    def _floored(self, spec: ProtocolSpec, share: float, floor: float) -> ProtocolSpec:
        """With its floor of exploration, as far as it holds it; or raised to it, and no further where it is unread."""
        if spec.name not in self.raised:
            return replace(spec, min_share=max(spec.min_share, min(share, floor)))
        return replace(spec, min_share=floor, max_share=floor if spec.name in self.unread else spec.max_share)


_FRAME = (
    *("config", "specs", "limits", "names", "shares", "held", "full", "capacity", "allow_idle"),
    *("steps", "floors", "ceilings", "least", "raised"),
)


def planning_problem(  # noqa: PLR0913  all that a problem is made of
    metrics: AggregatedMetrics,
    estimates: Mapping[str, RateEstimate],
    config: OptimizerConfig,
    specs: Mapping[str, ProtocolSpec],
    limits: Limits,
    held: Collection[str] = (),
    before: PlanningProblem | None = None,
    shapes: Mapping[str, EarningsCurve] | None = None,
    power: Mapping[str, float] | None = None,
) -> PlanningProblem:
    """The problem that `metrics` pose. Raises DataError for shares that cannot be, OptimizationError for none.

    Protocols without a rate, and those whose value is carried forward, keep their share. What is not allotted may be
    put to use, unless some protocol's share is not known: the rest may be its. `before` is the problem before this
    one, if there was one: where only rates are new, its problem need not be made from nothing. `shapes` are learned
    curves, earnings at a share for a rate of 1 at the present one; `power` what a full share's costs now, USD/h.
    """
    shares = metrics.allocation_by_protocol
    total = math.fsum(shares.values())
    if total > 1.0 + SUM_TOLERANCE:
        each = ", ".join(f"{name} {amount(share)}" for name, share in shares.items())
        raise DataError(
            f"shares sum to {total:.6g} of capacity 1 ({each}); they are not scaled, since no split in force can be "
            f"that: read them again, or set share_tolerance where shares are measured or rounded"
        )
    polled = {**shares, **metrics.earnings_by_protocol, **metrics.connection_status}
    unknown = sorted(name for name in polled if name not in shares)
    names = sorted({*shares, *(name for name in specs if name in polled and name not in unknown)})
    if not names:
        way = "where one answers and reports none, set its share, or give it an actor" if unknown else "poll first"
        which = f"no share of {listed(unknown, 'and')} is known" if unknown else "nothing was polled"
        raise OptimizationError(f"{which}, so there is nothing to plan; {way}")
    notes = [f"{name} is left out: its share is not known" for name in unknown]
    notes += [f"{name} has a spec, but is not polled" for name in sorted(specs) if name not in polled]
    known = {name: estimates.get(name) or RateEstimate(name) for name in names}
    notes += [f"{name} {estimate.quoted}" for name, estimate in known.items() if estimate.quoted]
    kept, low = {}, set()
    for name, estimate in known.items():
        if estimate.rate is None and name not in specs:
            kept[name] = estimate.why or "nothing is known of it"
        elif estimate.stale or estimate.is_new:
            kept[name] = estimate.why
        elif name in metrics.fallen and shares.get(name, 0.0) < metrics.fallen[name] - DUST:
            kept[name] = "its earnings fell as a wrong unit makes them; a step was taken already, and a person is asked"
        elif name in metrics.ceilings and name in specs and metrics.ceilings[name] < specs[name].min_share - DUST:
            kept[name] = f"it takes no more than {amount(metrics.ceilings[name])} for now, which is below its floor"
            low.add(name)
    all_there = abs(total - 1.0) <= SUM_TOLERANCE or bool(unknown)
    now = {name: shares.get(name, 0.0) for name in names}
    lasting = {name for name in names if limits.held_until(name, 1)} if limits.held else set()
    told = lasting.union(name for name in names if name in held)
    still = told | kept.keys()
    answers, looks = metrics.connection_status, config.explore == "floor"
    unread = {name for name in kept if looks and name not in told and not known[name].stale and answers.get(name)}
    may = set(names) - still | unread
    steps, floors = ({n: of[n] for n in names if n in of and n in may} for of in (metrics.steps, metrics.floors))
    problem = PlanningProblem(
        config=config,
        specs=specs,
        limits=limits,
        names=tuple(names),
        shares=now,
        known=known,
        held=frozenset(still),
        full=frozenset(name for name in names if name in metrics.away or _is_full(metrics, name)),
        ceilings={name: most for name, most in metrics.ceilings.items() if name in now},
        capacity=math.fsum(now.values()) if all_there else 1.0,
        # what is given up in whole steps may not be taken up in others
        allow_idle=config.allow_idle or not all_there or bool(steps),
        notes=tuple(notes),
        kept=kept,
        steps=steps,
        floors=floors,
        unread=frozenset(unread),
        resting=frozenset(still - lasting - low),
        shapes=shapes or {},
        power=power or {},
        by_policy=any(each.worth is not None for each in known.values()),
    )
    problem = replace(problem, least=floors_of(problem)) if looks else problem
    if before is None or not problem.differs_in_rates_only(before):
        return problem
    return replace(problem, shared=before.shared)


def _is_full(metrics: AggregatedMetrics, name: str) -> bool:
    """True where more share would earn nothing more now, or a person should look first and a step was made already."""
    if name in metrics.doubted and metrics.allocation_by_protocol.get(name, 0.0) > metrics.doubted[name] + DUST:
        return True
    status = metrics.statuses.get(name)
    return status is not None and (status.demand_limited is True or status.healthy is False)


def _straight(share: float, rate: float, more: float, full: bool) -> EarningsCurve:
    """`rate` for each unit up to `share`, and `more` beyond; where full, nothing is gained beyond."""
    if not full and more >= rate:
        return EarningsCurve.flat(rate)
    beyond = min(0.0, rate) if full else more
    return EarningsCurve((0.0, share), (0.0, rate * share), beyond) if share > 0.0 else EarningsCurve.flat(beyond)


def _limits(limits: Limits, names: Sequence[str], config: OptimizerConfig, held: Collection[str]) -> Limits:
    """The caller's limits with the configuration's change, the tighter of both, and all that is held."""
    most, given = config.max_allocation_change, limits.max_change
    change: float | dict[str, float] = most
    if isinstance(given, dict):
        change = {name: min(most, given.get(name, most)) for name in names}
    elif isinstance(given, tuple):
        change = min(most, *given[:1]) if given else most
    elif given is not None:
        change = min(most, float(given))  # type: ignore[arg-type]
    if limits.groups or limits.rules or limits.near or limits.has_directions:
        limits = limits.among(names)
    return replace(limits, max_change=change, held=held)
