"""All that one decision needs, in one frozen record, validated once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import is_
from typing import Any

import numpy as np

from ..errors import InvalidInput, near_miss
from .arrays import RATE, ProblemArrays, arrays
from .effective import effective
from .limits import Limits
from .protocol import NUMBERS, ProtocolSpec
from .risk import CVaR, RateUncertainty, Scenarios
from .segments import FloatArray
from .short_repr import short
from .trade_segments import TradeSegments, trade_segments
from .validation import (
    brief,
    by_name,
    in_order,
    is_single,
    known_names,
    number,
    numbers,
    of_kind,
    several,
    to_sum,
    whole,
    yes_or_no,
)

NARROWEST, JUMP = 1e-8, 1e-6
"""A piece of a curve below this width may not change earnings by more than this part of the largest there are."""
ROUNDING = 1e-12
"""A reserve above the capacity by no more than this part of it is all of it."""
SPECIAL = NUMBERS - 1
"""Row of `AllocationProblem.numbers` that says where a protocol's record has more than numbers."""


@dataclass(frozen=True, repr=False)
class AllocationProblem:
    """One decision to make: how capacity is split among protocols over a horizon.

    The plan maximises `horizon_hours` * earnings per hour - costs (USD), within the limits.

    Parameters
    ----------
    protocols
        ProtocolSpec records; or by name (mapping, pandas Series) a rate (USD/h per unit of share), a curve or a
        ProtocolSpec.
    current
        Share of each protocol now, by name (mapping or pandas Series). Every protocol is named.
    capacity
        Sum of the shares, and their unit: 8 for eight GPUs makes shares GPUs, and rates USD/h per GPU. None where only
        `resources` bound the shares.
    reserve
        Part of the capacity that is never given away.
    allow_idle
        True where the shares may sum to less than the capacity.
    horizon_hours
        Hours over which a move must pay. Costs are paid once, earnings flow for so long.
    periods
        Number of equal periods in which the horizon is planned. Only the first is meant to be applied.
    limits
        Rules of change: largest change, turnover, held protocols and so on.
    resources
        Capacity of each shared resource by name, in the unit of the protocols' `uses`.
    rates
        Rates of flat protocols (USD/h per unit of share): {name: one per period}, or a DataFrame (periods, protocols).
    scenarios
        Possible rates; earnings are then expected earnings.
    risk
        CVaR (needs scenarios) or RateUncertainty.

    Raises
    ------
    InvalidInput
        Where a name, number or shape is wrong; the message gives the rule and the near miss.

    Examples
    --------
    >>> from reallot import AllocationProblem
    >>> problem = AllocationProblem({"relay": 2.1, "compute": 1.7}, {"relay": 0.4, "compute": 0.6})
    >>> problem.names, problem.capacity
    (('relay', 'compute'), 1.0)
    """

    protocols: Iterable[ProtocolSpec] | Mapping[str, Any]
    current: Mapping[str, float]
    capacity: float | None = field(default=1.0, kw_only=True)
    reserve: float = field(default=0.0, kw_only=True)
    allow_idle: bool = field(default=False, kw_only=True)
    horizon_hours: float = field(default=1.0, kw_only=True)
    periods: int = field(default=1, kw_only=True)
    limits: Limits = field(default_factory=Limits, kw_only=True)
    resources: Mapping[str, float] = field(default_factory=dict, kw_only=True)
    rates: Mapping[str, Sequence[float]] | None = field(default=None, kw_only=True)
    scenarios: Scenarios | None = field(default=None, kw_only=True)
    risk: CVaR | RateUncertainty | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        put = object.__setattr__
        given = self.current
        specs, names = _specs(self.protocols)
        put(self, "protocols", specs)
        vars(self)["names"] = names
        current, shares = _current(self.current, names)
        put(self, "current", current)
        vars(self)["current_shares"] = shares
        put(self, "horizon_hours", number(self.horizon_hours, "horizon_hours", 0.0))
        if self.horizon_hours == 0.0:
            raise InvalidInput("horizon_hours is 0; costs and earnings compare over a time above 0 (24 is a day)")
        put(self, "periods", whole(self.periods, "periods", 1))
        put(self, "allow_idle", yes_or_no(self.allow_idle, "allow_idle"))
        resources = by_name(self.resources, "resources")
        for key in resources:
            if not isinstance(key, str) or not key:
                raise InvalidInput(f"a resource's name is {brief(key)}; give a non-empty string")
        put(self, "resources", {key: number(value, f"resource {key}", 0.0) for key, value in resources.items()})
        self._scale_single(given)
        self._check_capacity()
        self._check_curves()
        self._check_limits()
        self._check_uses()
        self._check_rates()
        self._check_risk()

    def _scale_single(self, given: Any) -> None:
        """Present shares in float32 that sum to the capacity but for their rounding do so exactly."""
        capacity, reserve = self.capacity, self.reserve
        if is_single(given) and type(capacity) in (int, float) and type(reserve) in (int, float):
            shares = to_sum(self.current_shares, float(capacity) - float(reserve))  # type: ignore[arg-type]
            object.__setattr__(self, "current", dict(zip(self.names, shares.tolist(), strict=True)))
            vars(self)["current_shares"] = shares

    def _check_capacity(self) -> None:
        put = object.__setattr__
        put(self, "reserve", number(self.reserve, "reserve", 0.0))
        if self.capacity is None:
            if self.reserve:
                raise InvalidInput(f"reserve is {self.reserve:g} of no capacity; give a capacity, or no reserve")
            for spec in self.specs:
                bound_by = [key for key, use in spec.uses.items() if use > 0.0 and key in self.resources]
                if spec.max_share is None and not bound_by:
                    raise InvalidInput(
                        f"{spec.name}: nothing bounds its share; give capacity, max_share or a resource use"
                    )
            return
        put(self, "capacity", number(self.capacity, "capacity", 0.0))
        require_fractions(self.capacity, self.current_shares)
        if self.reserve > self.capacity * (1.0 + ROUNDING):
            raise InvalidInput(f"reserve {self.reserve:g} is above capacity {self.capacity:g}")

    def _check_curves(self) -> None:
        """Raises InvalidInput where earnings jump within a piece too narrow to be told from nothing."""
        bent = [self.specs[i] for i in np.isnan(self.numbers[RATE]).nonzero()[0].tolist()]
        curves = [(spec.name, curve) for spec in bent for curve in spec.curves]
        below = NARROWEST * (1.0 - 1e-6)  # two points that were meant to be as far apart
        found = [(name, *jump) for name, curve in curves if (jump := curve.narrowest_jump(below))[2] > 0.0]
        if not found:
            return
        size = max(curve.size for spec in self.specs for curve in spec.curves)
        for name, at, width, rise in found:
            if rise > JUMP * size:
                raise InvalidInput(
                    f"{name}: its earnings change by {rise:g} USD/h within {width:g} of share, at share {at:g}; a "
                    f"piece of a curve that steep is at least {NARROWEST:g} wide: move its two points that far apart"
                )

    def _check_limits(self) -> None:
        of_kind(self.limits, Limits, "limits", "give Limits(max_change=..., held=...)")
        known_names(self.limits.held, self.names, "held")
        if isinstance(self.limits.max_change, dict):
            known_names(self.limits.max_change, self.names, "max_change")
        for key in ("max_change", "max_turnover"):
            value = getattr(self.limits, key)
            if isinstance(value, tuple) and len(value) != self.periods:
                raise InvalidInput(f"{key} has {len(value)} entries for {self.periods} periods; give one per period")
        for group in self.limits.groups:
            known_names(group.members, self.names, f"group {group.name}")

    def _check_uses(self) -> None:
        for spec in self.special:
            known_names(spec.uses, self.resources, f"{spec.name}: uses")

    def _check_rates(self) -> None:
        periods = self.periods
        for spec in self.special:
            if isinstance(spec.curve, tuple) and len(spec.curves) != periods:
                raise InvalidInput(
                    f"{spec.name}: {len(spec.curves)} curves for {periods} periods; give one, or one per period"
                )
        if self.rates is None:
            return
        table = by_name(self.rates, "rates")
        known_names(table, self.names, "rates")
        curves = {spec.name: spec.curves for spec in self.specs}
        rates = {}
        for name, values in table.items():
            given = in_order(values, f"rates {name}", "one rate (USD/h) per period")
            series = tuple(number(value, f"rates {name} (USD/h) in period {t}") for t, value in enumerate(given))
            if len(series) != periods:
                raise InvalidInput(f"rates {name} has {len(series)} entries for {periods} periods; give one per period")
            if len(curves[name]) > 1 or not curves[name][0].is_flat:
                raise InvalidInput(
                    f"rates names {name!r}, which has a curve; give that protocol one curve per period instead"
                )
            rates[name] = series
        object.__setattr__(self, "rates", rates)

    def _check_risk(self) -> None:
        if self.scenarios is not None:
            if not isinstance(self.scenarios, Scenarios):
                raise InvalidInput(f"scenarios is a {type(self.scenarios).__name__}; give Scenarios(rates=...)")
            curves = {spec.name: spec.curves for spec in self.specs}
            for what in ("rates", "factors"):
                table = getattr(self.scenarios, what)
                known_names(table, self.names, f"scenario {what}")
                for name, paths in table.items():
                    if any(len(path) not in (1, self.periods) for path in paths):
                        raise InvalidInput(
                            f"scenario {what} {name}: give one value, or one for each of {self.periods} periods"
                        )
                    if what == "rates" and not all(curve.is_flat for curve in curves[name]):
                        raise InvalidInput(
                            f"scenario rates names {name!r}, which has a curve; give factors for it instead"
                        )
        if isinstance(self.risk, CVaR) and self.scenarios is None:
            raise InvalidInput("CVaR needs scenarios; give scenarios=Scenarios(rates=...)")
        if isinstance(self.risk, RateUncertainty):
            if isinstance(self.risk.radius, dict):
                known_names(self.risk.radius, self.names, "radius")
        elif self.risk is not None and not isinstance(self.risk, CVaR):
            raise InvalidInput(f"risk is {brief(self.risk)}; give CVaR(...) or RateUncertainty(...)")

    @property
    def specs(self) -> tuple[ProtocolSpec, ...]:
        """The protocols as a tuple, in the order given."""
        return self.protocols  # type: ignore[return-value]

    @cached_property
    def numbers(self) -> FloatArray:
        """The numbers that protocols have on their own, (numbers, protocols), in the order of `ProtocolSpec.packed`."""
        packed = np.frombuffer(b"".join([spec.packed for spec in self.specs]))
        return packed.reshape(-1, NUMBERS).T.copy()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Protocol names in the order given."""
        return tuple([spec.name for spec in self.specs])

    @cached_property
    def current_shares(self) -> FloatArray:
        """The present shares in the order of `names`, (protocols,)."""
        return np.array(list(self.current.values()))

    @cached_property
    def special(self) -> tuple[ProtocolSpec, ...]:
        """The protocols whose records have more than numbers: a lock-in, resource uses, or a curve per period."""
        return tuple([self.specs[i] for i in self.numbers[SPECIAL].nonzero()[0].tolist()])

    @property
    def available(self) -> float | None:
        """Capacity less the reserve, in the unit of capacity; None without a capacity."""
        return None if self.capacity is None else max(0.0, self.capacity - self.reserve)

    @cached_property
    def arrays(self) -> ProblemArrays:
        """The same problem as arrays, shape (periods, protocols) or (protocols,)."""
        return effective(arrays(self))

    def at_full_costs(self) -> AllocationProblem:
        """Return the same problem with all costs in its arrays as they were given, however large.

        Returns
        -------
        AllocationProblem
            A copy. The arrays of the original cut costs at which no move pays.
        """
        result = replace(self)
        vars(result)["arrays"] = effective(arrays(self), cut_costs=False)
        return result

    @cached_property
    def trade_segments(self) -> TradeSegments:
        """The one period of the problem as pieces to buy and to sell, USD over the horizon per unit of share."""
        return trade_segments(self.arrays)

    def __repr__(self) -> str:
        return short(self)

    def _repr_html_(self) -> str:
        from .problem_html import problem_as_html

        return problem_as_html(self)

    def __hash__(self) -> int:
        return hash((self.specs, tuple(self.current.values()), self.capacity, self.horizon_hours, self.periods))

    def __getitem__(self, name: str) -> ProtocolSpec:
        for spec in self.specs if isinstance(name, str) else ():
            if spec.name == name:
                return spec
        raise InvalidInput(f"no protocol {brief(name)}; {near_miss(name, self.names)}")


def require_fractions(capacity: float | None, shares: FloatArray) -> None:
    """Raises InvalidInput for present shares in percent, which sum to 100 where the capacity is 1."""
    total = float(shares.sum())
    if capacity == 1.0 and abs(total - 100.0) < 1.0:
        raise InvalidInput(
            f"current sums to {total:g}, capacity is 1: this looks like percent; "
            "give fractions (0.4 for 40 %), or capacity=100 and all shares and limits in percent"
        )


def _specs(protocols: Any) -> tuple[tuple[ProtocolSpec, ...], tuple[str, ...]]:
    """ProtocolSpec records from records, or from a table of rates, curves or records by name; and their names."""
    if hasattr(protocols, "columns"):
        raise InvalidInput("protocols is a DataFrame; problem_from_frame(frame) takes one row per protocol")
    if hasattr(protocols, "items"):
        specs = []
        for name, value in by_name(protocols, "protocols").items():
            if isinstance(value, ProtocolSpec) and value.name != name:
                raise InvalidInput(f"protocol {value.name!r} stands under the name {name!r}; use one name")
            specs.append(value if isinstance(value, ProtocolSpec) else ProtocolSpec(name, value))
    else:
        specs = several(protocols, "protocols", "ProtocolSpec records, or a table by name")
    if set(map(type, specs)) != {ProtocolSpec}:
        for spec in specs:
            if not isinstance(spec, ProtocolSpec):
                raise InvalidInput(f"protocols holds {brief(spec)}; give ProtocolSpec records or a table by name")
    if not specs:
        raise InvalidInput("protocols is empty; give at least one")
    names = [spec.name for spec in specs]
    if len(set(names)) != len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise InvalidInput(f"protocols names {twice!r} more than once")
    return tuple(specs), tuple(names)


def _current(given: Any, names: tuple[str, ...]) -> tuple[dict[str, float], FloatArray]:
    """The present shares by name, in the protocols' order; and as an array."""
    table = by_name(given, "current")
    in_order = len(table) == len(names) and all(map(is_, table, names))
    try:
        values = list(table.values() if in_order else map(table.__getitem__, names))
    except KeyError:
        values = []
    if len(values) != len(table) or not values:
        known_names(table, names, "current")
        missing = next(name for name in names if name not in table)
        raise InvalidInput(f"current does not say where {missing!r} stands; give 0 if it holds nothing")
    shares = numbers(values, names, "current ", 0.0)
    return dict(zip(names, shares.tolist(), strict=True)), shares
