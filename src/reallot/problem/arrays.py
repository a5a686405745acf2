"""The problem as arrays: what every solver path reads. Built once per problem, in the protocols' order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from .curve import EarningsCurve
from .limits import Limits
from .protocol import ProtocolSpec
from .risk import Scenarios
from .segments import BoolArray, Curved, CurveSegments, FloatArray, IntArray, pieces

RATE = 9
"""Row of `AllocationProblem.numbers` that has the rates."""
__all__ = [
    "BoolArray",
    "FloatArray",
    "IntArray",
    "ProblemArrays",
    "arrays",
    "earning_else",
    "expected",
    "scenario_factors",
    "scenario_rates",
]


class Statement(Protocol):
    """What arrays are laid out from: the fields of a checked AllocationProblem."""

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def specs(self) -> tuple[ProtocolSpec, ...]: ...
    @property
    def numbers(self) -> FloatArray: ...
    @property
    def current_shares(self) -> FloatArray: ...
    @property
    def capacity(self) -> float | None: ...
    @property
    def available(self) -> float | None: ...
    @property
    def horizon_hours(self) -> float: ...
    @property
    def periods(self) -> int: ...
    @property
    def limits(self) -> Limits: ...
    @property
    def resources(self) -> Mapping[str, float]: ...
    @property
    def rates(self) -> Mapping[str, Sequence[float]] | None: ...
    @property
    def scenarios(self) -> Scenarios | None: ...


@dataclass(frozen=True)
class ProblemArrays:
    """Arrays are (periods, protocols) where a rule may differ by period, else (protocols,).

    hours       length of one period
    names       of the protocols
    rate        USD/h per unit of share, expected over the scenarios; 0 where the protocol is in `pieces`
    pieces      the earnings of all protocols whose curves bend; None where none does
    lower       floor of the share: min_share, lock-in and decrease floor together
    upper       ceiling of the share; wider than capacity, present share and floor, never binding, where none was given
    reach       largest share that could possibly be held: min(upper, available)
    max_change  largest |change|; inf where there is none, 0 where held
    entry       smallest share that is held at all, in whole units where there are units
    one_unit    (protocols,) True where exactly one unit, or entry to entry_share, may pass max_change
    total       what the shares sum to, or at most that where capacity may be idle; None without a capacity
    given       the limits and costs as they were given, where `effective` put others in their place
    """

    hours: float
    current: FloatArray
    names: tuple[str, ...]
    rate: FloatArray
    pieces: CurveSegments | None
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
    total: float | None
    given: ProblemArrays | None = None

    @property
    def as_given(self) -> ProblemArrays:
        """The arrays before `effective`."""
        return self if self.given is None else self.given

    @property
    def periods(self) -> int:
        """Number of periods."""
        return int(self.lower.shape[0])

    @property
    def size(self) -> int:
        """Number of protocols."""
        return int(self.current.size)

    @property
    def staying(self) -> FloatArray:
        """The present shares in every period, (periods, protocols)."""
        return _each_period(self.current, self.periods)

    @cached_property
    def has_fee(self) -> bool:
        """True where any move has a fee."""
        return bool(self.fee.any())

    @cached_property
    def has_warm_up(self) -> bool:
        """True where anything added has to warm up."""
        return bool(self.warm_up.any())

    @cached_property
    def has_units(self) -> bool:
        """True where any share comes in units, or not below an entry share."""
        return bool(self.entry.any() or self.step.any())

    @cached_property
    def rank(self) -> IntArray:
        """Place of each protocol in name order, which breaks ties, (protocols,)."""
        result = np.empty(self.size, dtype=np.intp)
        result[sorted(range(self.size), key=self.names.__getitem__)] = np.arange(self.size)
        return result

    @cached_property
    def curved(self) -> tuple[Curved, ...]:
        """`pieces` as a record for each protocol whose earnings bend."""
        return () if self.pieces is None else self.pieces.one_by_one()


def arrays(problem: Statement) -> ProblemArrays:
    """The arrays of a validated problem."""
    specs, periods, limits = problem.specs, problem.periods, problem.limits
    hours = problem.horizon_hours / periods
    floor, most, shrink, entry, step, cost_in, cost_out, fee, warm_up, rate, special = problem.numbers
    entry = _in_units(entry, step) if step.any() else entry
    current = problem.current_shares

    lower = _each_period(np.maximum(floor, np.minimum(current, shrink)), periods)
    for i in special.nonzero()[0].tolist():
        lock_in = specs[i].lock_in
        if lock_in is not None:
            lower[: lock_in.until, i] = np.maximum(lower[: lock_in.until, i], lock_in.share)
    given = most == most
    ceiling = np.where(given, most, _ceiling(problem))
    upper = np.where(given, ceiling, np.maximum(np.maximum(ceiling, current), lower.max(axis=0)) + 1.0)
    available = problem.available
    reach = ceiling if available is None else np.minimum(ceiling, available)

    held = np.zeros((periods, current.size), dtype=bool)
    if limits.held:
        held_until = np.array([limits.held_until(name, periods) for name in problem.names])
        held = np.arange(periods)[:, None] < held_until
    max_change = _max_change(problem)
    one_unit = np.zeros(current.size, dtype=bool)
    if limits.allow_one_unit:
        one_unit = (np.maximum(step, entry) > max_change.min(axis=0)) & (np.maximum(step, entry) > 0.0)
    turnover = limits.max_turnover
    rates, bent = _earnings(problem, rate, np.maximum(ceiling, current))
    return ProblemArrays(
        hours=hours,
        current=current,
        names=problem.names,
        rate=rates,
        pieces=bent,
        lower=lower,
        upper=_each_period(upper, periods),
        reach=_each_period(reach, periods),
        max_change=np.where(held, 0.0, max_change) if limits.held else max_change,
        held=held,
        max_turnover=None if turnover is None else np.broadcast_to(np.asarray(turnover, dtype=float), (periods,)),
        cost_in=cost_in,
        cost_out=cost_out,
        fee=fee,
        warm_up=np.minimum(warm_up, hours),
        entry=entry,
        step=step,
        one_unit=one_unit,
        total=available,
    )


def earning_else(problem: Statement, data: ProblemArrays) -> ProblemArrays:
    """The arrays of `problem`, which differs from the one of `data` in what its protocols earn, and in nothing else."""
    most, rate = problem.numbers[1], problem.numbers[RATE]
    ceiling = np.where(most == most, most, _ceiling(problem))
    rates, bent = _earnings(problem, rate, np.maximum(ceiling, data.current))
    result = object.__new__(ProblemArrays)
    vars(result).update(vars(data), rate=rates, pieces=bent)
    vars(result).pop("curved", None)
    return result


def _each_period(values: FloatArray, periods: int) -> FloatArray:
    """`values` (protocols,) as the row of every period; of one period the values themselves."""
    return values[None, :] if periods == 1 else np.repeat(values[None, :], periods, axis=0)


def _in_units(share: FloatArray, step: FloatArray) -> FloatArray:
    """`share` raised to a whole number of units, where there are units."""
    units = np.ceil(share / np.where(step > 0.0, step, 1.0) - 1e-9)
    result: FloatArray = np.where(step > 0.0, units * step, share)
    return result


def _ceiling(problem: Statement) -> FloatArray | float:
    """The largest share that capacity, or else a protocol's resources, leave where it has no bound of its own."""
    if problem.capacity is not None:
        return problem.capacity
    return np.array([
        min((problem.resources[key] / use for key, use in spec.uses.items() if use > 0.0), default=np.inf)
        for spec in problem.specs
    ])  # fmt: skip


def _max_change(problem: Statement) -> FloatArray:
    limit, shape = problem.limits.max_change, (problem.periods, len(problem.specs))
    if limit is None:
        return np.full(shape, np.inf)
    if isinstance(limit, dict):
        return np.tile([limit.get(name, np.inf) for name in problem.names], (problem.periods, 1))
    if isinstance(limit, tuple):
        return np.tile(np.array(limit)[:, None], (1, shape[1]))
    return np.full(shape, float(limit))  # type: ignore[arg-type]


def _earnings(problem: Statement, rate: FloatArray, reach: FloatArray) -> tuple[FloatArray, CurveSegments | None]:
    """Expected flat rates (periods, protocols), and the pieces of the protocols with curves.

    `rate` has the rate of each protocol with one flat curve for all periods, NaN for the others.
    """
    specs, periods = problem.specs, problem.periods
    rates = _each_period(rate.copy(), periods)
    varies = problem.rates is not None or problem.scenarios is not None
    index: list[int] = []
    curves: list[tuple[EarningsCurve, ...]] = []
    factor = []
    for i in range(rate.size) if varies else (rate != rate).nonzero()[0].tolist():
        curve = specs[i].curve
        if not varies and isinstance(curve, EarningsCurve):  # and not flat, or it would have a rate
            index.append(i)
            curves.append((curve,))
            continue
        each = specs[i].curves
        if all(curve.is_flat for curve in each):
            rates[:, i] = expected(scenario_rates(problem, i), problem)
            continue
        index.append(i)
        curves.append(each)
        if varies:
            factor.append(expected(scenario_factors(problem, i), problem))
    if not index:
        return rates, None
    rates[:, index] = 0.0
    factors = np.array(factor).T if factor else np.ones((periods, len(index)))
    return rates, pieces(index, curves, factors, reach[index])


def scenario_rates(problem: Statement, i: int) -> FloatArray:
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


def scenario_factors(problem: Statement, i: int) -> FloatArray:
    """Factors on a protocol's curve, shape (scenarios, periods); ones where none are given."""
    scenarios = problem.scenarios
    if scenarios is None:
        return np.ones((1, problem.periods))
    table = scenarios.factors.get(problem.specs[i].name)
    return np.ones((scenarios.count, problem.periods)) if table is None else _paths(table, problem.periods)


def expected(paths: FloatArray, problem: Statement) -> FloatArray:
    """Mean of (scenarios, periods) paths over the scenarios: shape (periods,)."""
    if problem.scenarios is None or len(paths) == 1:
        return np.asarray(paths[0], dtype=float)
    return np.asarray(np.asarray(problem.scenarios.probabilities) @ paths, dtype=float)


def _paths(entries: object, periods: int) -> FloatArray:
    return np.array([np.broadcast_to(np.asarray(entry, dtype=float), (periods,)) for entry in entries])  # type: ignore[attr-defined]
