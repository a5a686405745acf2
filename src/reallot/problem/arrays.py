"""The problem as arrays: what every solver path reads. Built once per problem, in the protocols' order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np

from .curve import EarningsCurve
from .limits import Limits
from .per_period import PerPeriod
from .protocol import ProtocolColumns
from .risk import Scenarios
from .segments import BoolArray, Curved, CurveSegments, FloatArray, IntArray, pieces
from .soft import Soft
from .tiers import MoveTiers, TotalTiers

__all__ = [
    "BoolArray",
    "FloatArray",
    "IntArray",
    "ProblemArrays",
    "arrays",
    "ceiling",
    "earning_else",
    "expected",
    "limit_table",
    "scenario_factors",
    "scenario_rates",
]

LEAST_ACTIVE = 1e-6
"""A member of a group that counts its active members from below holds nothing, or at least this share."""


class Statement(Protocol):
    """What arrays are laid out from: the fields of a checked AllocationProblem."""

    @property
    def table(self) -> ProtocolColumns: ...
    @property
    def current_shares(self) -> FloatArray: ...
    @property
    def rate_table(self) -> FloatArray | None: ...
    @property
    def capacity(self) -> PerPeriod | None: ...
    @property
    def available(self) -> float | None: ...
    @property
    def totals(self) -> FloatArray | None: ...
    @property
    def horizon_hours(self) -> float: ...
    @property
    def periods(self) -> int: ...
    @property
    def limits(self) -> Limits: ...
    @property
    def resources(self) -> Mapping[str, PerPeriod]: ...
    @property
    def scenarios(self) -> Scenarios | None: ...
    @property
    def reserve(self) -> PerPeriod: ...
    def _with(self, **values: object) -> Self: ...
    @property
    def arrays(self) -> ProblemArrays: ...


DERIVED = {"fee": "has_fee", "warm_up": "has_warm_up", "entry": "has_units", "step": "has_units", "pieces": "curved"}
"""What ProblemArrays derives from a field, and keeps."""


@dataclass(frozen=True)
class ProblemArrays:
    """Arrays are (periods, protocols) where a rule may differ by period, else (protocols,).

    Costs and fees are (periods, protocols) only where any of them differs.

    hours       length of one period
    names       of the protocols
    rate        USD/h per unit of share, expected over the scenarios; 0 where the protocol is in `pieces`
    pieces      the earnings of all protocols whose curves bend; None where none does
    lower       floor of the share: min_share, lock-in and decrease floor together
    upper       ceiling of the share; wider than capacity, present share and floor, never binding, where none was given
    reach       largest share that could possibly be held: min(upper, available)
    max_change  largest |change|; inf where there is none, 0 where held
    up, down    largest increase and largest decrease: max_change itself, or less where limits differ by direction
    entry       smallest share that is held at all, in whole units where there are units
    one_unit    (protocols,) True where exactly one unit, or entry to entry_share, may pass max_change
    total       what the shares sum to, or at most that where capacity may be idle; None without a capacity
    totals      (periods,) the same where it differs by period, `total` being the first one's; else None
    end_value   (protocols,) USD that a unit of share is worth after the last period; None where it is worth nothing
    tiers       the tiers after the first of costs that come in tiers; None where no cost does
    turnover_tiers
                the price of turnover; None where it costs nothing
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
    up: FloatArray
    down: FloatArray
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
    tiers: MoveTiers | None = None
    turnover_tiers: TotalTiers | None = None
    given: ProblemArrays | None = None
    totals: FloatArray | None = None
    end_value: FloatArray | None = None

    @property
    def as_given(self) -> ProblemArrays:
        """The arrays before `effective`."""
        return self if self.given is None else self.given

    def changed(self, **values: Any) -> ProblemArrays:
        """The same with other values by field; what was derived from none of these is shared."""
        result = copy(self)
        vars(result).update(values)
        for name in values:
            vars(result).pop(DERIVED.get(name, ""), None)
        return result

    @property
    def is_plain(self) -> bool:
        """True where moves cost nothing and the present shares meet limits and sum: `effective` changes nothing."""
        if self.tiers is not None or self.turnover_tiers is not None or self.totals is not None:
            return False
        if any(np.count_nonzero(cost) for cost in (self.cost_in, self.cost_out, self.fee)):
            return False
        if (self.current < np.maximum(self.lower, self.entry)).any() or (self.current > self.upper).any():
            return False
        return self.total is None or self.total == float(self.current.sum())

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
        return bool(np.count_nonzero(self.fee))

    @cached_property
    def has_warm_up(self) -> bool:
        """True where anything added has to warm up."""
        return bool(np.count_nonzero(self.warm_up))

    @cached_property
    def has_units(self) -> bool:
        """True where any share comes in units, or not below an entry share."""
        return bool(np.count_nonzero(self.entry) or np.count_nonzero(self.step))

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
    table, periods, limits, current = problem.table, problem.periods, problem.limits, problem.current_shares
    given, hours = table.given, problem.horizon_hours / periods
    nothing = np.zeros(current.size)
    entry, step = given.get("entry_share", nothing), given.get("step", nothing)
    if "step" in given or limits.groups:
        entry = _in_units(_least_active(problem, entry), step)

    floor = given.get("min_share", nothing)
    if "decrease_floor" in given:
        floor = np.maximum(floor, np.minimum(current, given["decrease_floor"]))
    lower = _each_period(floor, periods)
    if table.lock_ins:
        lower = lower.copy()
        for i, lock_in in table.lock_ins.items():
            lower[: lock_in.until, i] = np.maximum(lower[: lock_in.until, i], lock_in.share)
    top, most = ceiling(problem), given.get("max_share")
    upper = np.maximum(np.maximum(top, current), lower.max(axis=0)) + 1.0
    if most is not None:
        top = np.where(most == most, most, top)
        upper = np.where(most == most, most, upper)
    available = problem.available
    reach = np.full(current.shape, top if available is None else np.minimum(top, available))

    max_change = limit_table(
        limits.max_change, periods, table.place if isinstance(limits.max_change, dict) else table.names
    )
    held = np.zeros((periods, current.size), dtype=bool)
    if limits.held:
        for name in limits.held:
            held[: limits.held_until(name, periods), table.place[name]] = True
        max_change = np.where(held, 0.0, max_change)
    one_unit = np.zeros(current.size, dtype=bool)
    if limits.allow_one_unit:
        unbound = limit_table(limits.max_change, periods, table.place).min(axis=0)
        one_unit = (np.maximum(step, entry) > unbound) & (np.maximum(step, entry) > 0.0)
    turnover = limits.max_turnover
    rates, bent = _earnings(problem, np.maximum(top, current))
    warm_up = given.get("warm_up_hours", nothing)
    if "warm_up_earns" in given:
        warm_up = warm_up * (1.0 - given["warm_up_earns"])
    cost_in = cost_out = given.get("move_cost", nothing)
    if (own := given.get("move_cost_in")) is not None:
        cost_in = np.where(own == own, own, cost_in)
    if (own := given.get("move_cost_out")) is not None:
        cost_out = np.where(own == own, own, cost_out)
    rows = table.tier_rows if table.tiers else None
    return ProblemArrays(
        hours=hours,
        current=current,
        names=table.names,
        rate=rates,
        pieces=bent,
        lower=lower,
        upper=_each_period(upper, periods),
        reach=_each_period(reach, periods),
        max_change=max_change,
        up=max_change,
        down=max_change,
        held=held,
        max_turnover=None if turnover is None else np.broadcast_to(np.asarray(turnover, dtype=float), (periods,)),
        cost_in=cost_in,
        cost_out=cost_out,
        fee=given.get("move_fee", nothing),
        warm_up=np.minimum(warm_up, hours),
        entry=entry,
        step=step,
        one_unit=one_unit,
        total=available,
        tiers=None if rows is None else rows.priced(rows.price, cost_in, cost_out),
        turnover_tiers=None if limits.turnover_cost is None else TotalTiers.of(limits.turnover_cost),
    )


def earning_else(problem: Statement, data: ProblemArrays) -> ProblemArrays:
    """The arrays of `problem`, which differs from the one of `data` in what its protocols earn, and in nothing else."""
    top, most = ceiling(problem), problem.table.given.get("max_share")
    if most is not None:
        top = np.where(most == most, most, top)
    rates, bent = _earnings(problem, np.maximum(top, data.current))
    return replace(data, rate=rates, pieces=bent)


def _each_period(values: FloatArray, periods: int) -> FloatArray:
    """`values` (protocols,) as the row of every period; of one period the values themselves."""
    return values[None, :] if periods == 1 else np.repeat(values[None, :], periods, axis=0)


def _in_units(share: FloatArray, step: FloatArray) -> FloatArray:
    """`share` raised to a whole number of units, where there are units."""
    units = np.ceil(share / np.where(step > 0.0, step, 1.0) - 1e-9)
    result: FloatArray = np.where(step > 0.0, units * step, share)
    return result


def _least_active(problem: Statement, entry: FloatArray) -> FloatArray:
    """`entry` (protocols,), raised for members of groups with `min_active` to the least share that counts as one."""
    members = {name for group in problem.limits.groups if group.min_active for name in group.members}
    if not members:
        return entry
    return np.where([name in members for name in problem.table.names], np.maximum(entry, LEAST_ACTIVE), entry)


def ceiling(problem: Statement) -> FloatArray | float:
    """The largest share that capacity, or else a protocol's resources, leave where it has no bound of its own."""
    if problem.capacity is not None:
        return float(np.max(problem.capacity))
    result = np.full(len(problem.table.names), np.inf)
    most = {key: float(np.max(limit)) for key, limit in problem.resources.items()}
    for i, uses in problem.table.uses.items():
        result[i] = min((most[key] / use for key, use in uses.items() if use > 0.0), default=np.inf)
    return result


def limit_table(
    value: float | Mapping[str, float] | Sequence[float] | Soft | None,
    periods: int,
    place: Mapping[str, int] | Sequence[str],
) -> FloatArray:
    """A limit as one number, by name or per period: (periods, protocols), infinite where there is none.

    `place` is by name, or no more than the names where the limit is not by name: a million places take a while.
    """
    shape = (periods, len(place))
    if value is None:
        return np.full(shape, np.inf)
    if isinstance(value, dict):
        assert isinstance(place, Mapping)
        result = np.full(shape, np.inf)
        result[:, [place[name] for name in value]] = list(value.values())
        return result
    if isinstance(value, tuple):
        return np.tile(np.array(value)[:, None], (1, shape[1]))
    return np.full(shape, float(value))  # type: ignore[arg-type]


def _earnings(problem: Statement, reach: FloatArray) -> tuple[FloatArray, CurveSegments | None]:
    """Expected flat rates (periods, protocols), and the pieces of the protocols with curves."""
    table, periods, scenarios = problem.table, problem.periods, problem.scenarios
    rates, series = _each_period(table.rate, periods), problem.rate_table
    if series is not None:
        rates = np.where(series == series, series, rates)
    elif table.curves or scenarios is not None:
        rates = rates.copy()
    bent: dict[int, tuple[EarningsCurve, ...]] = {}
    for i, curve in table.curves.items():
        curves = curve if isinstance(curve, tuple) else (curve,)
        if curves is not curve or not all(each.is_flat for each in curves):
            bent[i] = curves
        elif series is None or series[0, i] != series[0, i]:
            rates[:, i] = [each.last_slope for each in curves]
    if scenarios is not None:
        for name in {*scenarios.rates, *scenarios.factors}:
            if (i := table.place[name]) not in bent:
                rates[:, i] = expected(scenario_rates(problem, i), problem)
    if not bent:
        return rates, None
    index, factors = list(bent), np.ones((periods, len(bent)))
    rates[:, index] = 0.0
    if scenarios is not None:
        factors = np.array([expected(scenario_factors(problem, i), problem) for i in index]).T
    return rates, pieces(index, list(bent.values()), factors, reach[index])


def scenario_rates(problem: Statement, i: int) -> FloatArray:
    """Rates (USD/h) of a flat protocol, shape (scenarios, periods); one row without scenarios."""
    table, series, name = problem.table, problem.rate_table, problem.table.names[i]
    if problem.scenarios is not None and name in problem.scenarios.rates:
        return _paths(problem.scenarios.rates[name], problem.periods)
    nominal = np.full(problem.periods, table.rate[i])
    if series is not None and series[0, i] == series[0, i]:
        nominal = series[:, i]
    elif i in table.curves:
        curves = table.curves[i]
        nominal = np.array([curve.last_slope for curve in (curves if isinstance(curves, tuple) else (curves,))])
    result: FloatArray = scenario_factors(problem, i) * nominal
    return result


def scenario_factors(problem: Statement, i: int) -> FloatArray:
    """Factors on a protocol's curve, shape (scenarios, periods); ones where none are given."""
    scenarios = problem.scenarios
    if scenarios is None:
        return np.ones((1, problem.periods))
    factors = scenarios.factors.get(problem.table.names[i])
    return np.ones((scenarios.count, problem.periods)) if factors is None else _paths(factors, problem.periods)


def expected(paths: FloatArray, problem: Statement) -> FloatArray:
    """Mean of (scenarios, periods) paths over the scenarios: shape (periods,)."""
    if problem.scenarios is None or len(paths) == 1:
        return np.asarray(paths[0], dtype=float)
    return np.asarray(np.asarray(problem.scenarios.probabilities) @ paths, dtype=float)


def _paths(entries: object, periods: int) -> FloatArray:
    return np.array([np.broadcast_to(np.asarray(entry, dtype=float), (periods,)) for entry in entries])  # type: ignore[attr-defined]
