"""The problem as arrays: what every solver path reads. Built once per problem, in the protocols' order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .curve import EarningsCurve

if TYPE_CHECKING:
    from .problem import AllocationProblem
    from .protocol import ProtocolSpec

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.intp]

AT_REACH = 1e-9
"""A breakpoint above the largest reachable share by no more than this stands at it."""


@dataclass(frozen=True)
class Curved:
    """A protocol whose earnings bend: its pieces, cut at the same shares in every period.

    index     position of the protocol
    widths    (pieces,), the last one wide enough for every reachable share
    nominal_slopes, nominal_base
              (periods, pieces) USD/h per unit of share, and (periods,) USD/h at share 0
    factor    (periods,), expected factor over the scenarios; 1 without scenarios
    ordered   True where slopes never rise, so that no binaries are needed to fill pieces in order
    """

    index: int
    widths: FloatArray
    nominal_slopes: FloatArray
    nominal_base: FloatArray
    factor: FloatArray
    ordered: bool

    @cached_property
    def ends(self) -> FloatArray:
        """Share at which each piece ends, (pieces,)."""
        return np.cumsum(self.widths)

    @cached_property
    def starts(self) -> FloatArray:
        """Share at which each piece begins, (pieces,)."""
        return self.ends - self.widths

    @cached_property
    def slopes(self) -> FloatArray:
        """Expected slopes, (periods, pieces), USD/h per unit of share."""
        return self.factor[:, None] * self.nominal_slopes

    @cached_property
    def base(self) -> FloatArray:
        """Expected earnings at share 0, (periods,), USD/h."""
        return self.factor * self.nominal_base

    def fill(self, shares: FloatArray) -> FloatArray:
        """How full each piece is at `shares` (periods,): shape (periods, pieces)."""
        return np.minimum(np.maximum(shares[:, None] - self.starts, 0.0), self.widths)

    def marginal(self, share: float, near: float) -> tuple[float, float]:
        """Expected slopes (USD/h) right and left of `share`, first period; a breakpoint within `near` is there."""
        last = self.widths.size - 1
        right = min(int(self.ends.searchsorted(share + near, side="right")), last)
        left = min(int(self.ends.searchsorted(share - near, side="left")), last)
        return float(self.slopes[0, right]), float(self.slopes[0, left])


@dataclass(frozen=True)
class ProblemArrays:
    """Arrays are (periods, protocols) where a rule may differ by period, else (protocols,).

    hours       length of one period
    rank        place of each protocol in name order, which breaks ties
    rate        USD/h for share 1, expected over the scenarios; 0 where the protocol is in `curved`
    lower       floor of the share: min_share, lock-in and decrease floor together
    upper       ceiling of the share; wider than capacity, and never binding, where none was given
    reach       largest share that could possibly be held: min(upper, available)
    max_change  largest |change|; inf where there is none, 0 where held
    entry       smallest share that is held at all, in whole units where there are units
    one_unit    (protocols,) True where exactly one unit, or entry to entry_share, may pass max_change
    """

    hours: float
    current: FloatArray
    rank: IntArray
    rate: FloatArray
    curved: tuple[Curved, ...]
    lower: FloatArray
    upper: FloatArray
    reach: FloatArray
    max_change: FloatArray
    held: BoolArray
    max_turnover: FloatArray | None
    cost_in: FloatArray
    cost_out: FloatArray
    fee: FloatArray
    warm_up: FloatArray
    entry: FloatArray
    step: FloatArray
    one_unit: BoolArray

    @property
    def periods(self) -> int:
        """Number of periods."""
        return int(self.lower.shape[0])

    @property
    def size(self) -> int:
        """Number of protocols."""
        return int(self.current.size)


def arrays(problem: AllocationProblem) -> ProblemArrays:
    """The arrays of a validated problem."""
    specs, periods, limits = problem.specs, problem.periods, problem.limits
    size = len(specs)

    hours = problem.horizon_hours / periods
    table = np.array([_numbers(spec) for spec in specs], dtype=float).T
    floor, shrink, entry, step, cost_in, cost_out, fee, warm_up = table
    entry = _in_units(entry, step) if step.any() else entry
    current = np.array([problem.current[spec.name] for spec in specs], dtype=float)
    rank = np.empty(size, dtype=np.intp)
    rank[sorted(range(size), key=problem.names.__getitem__)] = np.arange(size)

    lower = np.tile(np.maximum(floor, np.minimum(current, shrink)), (periods, 1))
    for i, spec in enumerate(specs):
        if spec.lock_in is not None:
            lower[: spec.lock_in.until, i] = np.maximum(lower[: spec.lock_in.until, i], spec.lock_in.share)
    ceiling = np.array([_ceiling(problem, spec) for spec in specs])
    given = np.array([spec.max_share is not None for spec in specs])
    upper = np.where(given, ceiling, ceiling + 1.0)
    available = problem.available
    reach = ceiling if available is None else np.minimum(ceiling, available)

    held_until = np.array([limits.held_until(spec.name, periods) if limits.held else 0 for spec in specs])
    held = np.arange(periods)[:, None] < held_until
    max_change = _max_change(problem)
    one_unit = np.zeros(size, dtype=bool)
    if limits.allow_one_unit:
        one_unit = (np.maximum(step, entry) > max_change.min(axis=0)) & (np.maximum(step, entry) > 0.0)
    turnover = limits.max_turnover
    rate, curved = _earnings(problem, np.maximum(ceiling, current))
    return ProblemArrays(
        hours=hours,
        current=current,
        rank=rank,
        rate=rate,
        curved=curved,
        lower=lower,
        upper=np.tile(upper, (periods, 1)),
        reach=np.tile(reach, (periods, 1)),
        max_change=np.where(held, 0.0, max_change),
        held=held,
        max_turnover=None if turnover is None else np.broadcast_to(np.asarray(turnover, dtype=float), (periods,)),
        cost_in=cost_in,
        cost_out=cost_out,
        fee=fee,
        warm_up=np.minimum(warm_up, hours),
        entry=entry,
        step=step,
        one_unit=one_unit,
    )


def _numbers(spec: ProtocolSpec) -> tuple[float, ...]:
    """The numbers of one protocol that do not depend on the rest of the problem."""
    return (
        spec.min_share,
        spec.decrease_floor,
        spec.entry_share,
        spec.step,
        spec.cost_in,
        spec.cost_out,
        spec.move_fee,
        spec.warm_up_loss,
    )


def _in_units(share: FloatArray, step: FloatArray) -> FloatArray:
    """`share` raised to a whole number of units, where there are units."""
    units = np.ceil(share / np.where(step > 0.0, step, 1.0) - 1e-9)
    result: FloatArray = np.where(step > 0.0, units * step, share)
    return result


def _ceiling(problem: AllocationProblem, spec: ProtocolSpec) -> float:
    """The largest share of a protocol that its own bound, capacity or its resources leave."""
    if spec.max_share is not None:
        return spec.max_share
    if problem.capacity is not None:
        return problem.capacity
    return min(problem.resources[key] / use for key, use in spec.uses.items() if use > 0.0)


def _max_change(problem: AllocationProblem) -> FloatArray:
    limit, shape = problem.limits.max_change, (problem.periods, len(problem.specs))
    if limit is None:
        return np.full(shape, np.inf)
    if isinstance(limit, dict):
        return np.tile([limit.get(name, np.inf) for name in problem.names], (problem.periods, 1))
    if isinstance(limit, tuple):
        return np.tile(np.array(limit)[:, None], (1, shape[1]))
    return np.full(shape, float(limit))  # type: ignore[arg-type]


def _earnings(problem: AllocationProblem, reach: FloatArray) -> tuple[FloatArray, tuple[Curved, ...]]:
    """Expected flat rates (periods, protocols) and the protocols with curves."""
    periods = problem.periods
    varies = problem.rates is not None or problem.scenarios is not None
    rate = np.zeros((periods, len(problem.specs)))
    curved = []
    for i, spec in enumerate(problem.specs):
        curve = spec.curve
        if isinstance(curve, EarningsCurve) and curve.is_flat and not varies:
            rate[:, i] = curve.last_slope
            continue
        curves = spec.curves * (periods // len(spec.curves))
        if all(each.is_flat for each in curves):
            rate[:, i] = expected(scenario_rates(problem, i), problem)
        else:
            curved.append(_curved(i, curves, expected(scenario_factors(problem, i), problem), reach[i]))
    return rate, tuple(curved)


def _curved(index: int, curves: tuple[EarningsCurve, ...], factor: FloatArray, reach: float) -> Curved:
    """One protocol's pieces, cut at every breakpoint of any period up to `reach`.

    A breakpoint at `reach` itself counts: what comes after it is what one more unit of capacity or share would earn.
    """
    cuts = sorted({0.0} | {share for curve in curves for share in curve.shares if share <= reach + AT_REACH})
    # the last piece ends past every reachable share, so that its end never binds and never has a price
    ends = np.array([*cuts[1:], max(reach, cuts[-1]) + 1.0])
    widths = ends - np.array(cuts)
    if len(curves) == 1:
        slopes = np.array([curves[0].slopes[: len(cuts)]])
    else:
        slopes = np.array([[curve.marginal(cut)[0] for cut in cuts] for curve in curves])
    base = np.array([curve.earnings[0] for curve in curves])
    ordered = all(curve.is_concave for curve in curves)
    return Curved(index, widths, slopes, base, factor, ordered)


def scenario_rates(problem: AllocationProblem, i: int) -> FloatArray:
    """Rates (USD/h) of a flat protocol, shape (scenarios, periods); one row without scenarios."""
    spec = problem.specs[i]
    if problem.scenarios is not None and spec.name in problem.scenarios.rates:
        return _paths(problem.scenarios.rates[spec.name], problem.periods)
    if problem.rates is not None and spec.name in problem.rates:
        nominal = np.array(problem.rates[spec.name])
    else:
        curves = spec.curves * (problem.periods // len(spec.curves))
        nominal = np.array([curve.last_slope for curve in curves])
    result: FloatArray = scenario_factors(problem, i) * nominal
    return result


def scenario_factors(problem: AllocationProblem, i: int) -> FloatArray:
    """Factors on a protocol's curve, shape (scenarios, periods); ones where none are given."""
    scenarios = problem.scenarios
    if scenarios is None:
        return np.ones((1, problem.periods))
    table = scenarios.factors.get(problem.specs[i].name)
    return np.ones((scenarios.count, problem.periods)) if table is None else _paths(table, problem.periods)


def expected(paths: FloatArray, problem: AllocationProblem) -> FloatArray:
    """Mean of (scenarios, periods) paths over the scenarios: shape (periods,)."""
    if problem.scenarios is None or len(paths) == 1:
        return np.asarray(paths[0], dtype=float)
    return np.asarray(np.asarray(problem.scenarios.probabilities) @ paths, dtype=float)


def _paths(entries: object, periods: int) -> FloatArray:
    return np.array([np.broadcast_to(np.asarray(entry, dtype=float), (periods,)) for entry in entries])  # type: ignore[attr-defined]
