"""All that one decision needs, in one frozen record, validated once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ..errors import InvalidInput, near_miss
from .arrays import ProblemArrays, arrays, earning_else
from .change_limits import with_directions
from .curve import EarningsCurve
from .effective import effective
from .goal import Closest, Goal, goals_of
from .limits import Limits
from .named_arrays import InOrder, ordered, rates_of, series_by_name, shares_changed, shares_in
from .protocol import LockIn, ProtocolColumns, Protocols, ProtocolSpec
from .risk import CVaR, RateUncertainty, Scenarios
from .segments import FloatArray
from .short_repr import short
from .trade_segments import TradeSegments, trade_segments
from .validation import (
    brief,
    by_name,
    different,
    is_single,
    known_names,
    number,
    of_kind,
    several,
    shares_by_name,
    to_sum,
    whole,
    yes_or_no,
)

NARROWEST, JUMP = 1e-8, 1e-6
"""A piece of a curve below this width may not change earnings by more than this part of the largest there are."""
ROUNDING = 1e-12
"""A reserve above the capacity by no more than this part of it is all of it."""
BY_NAME = ("rates", "current", "resources")
"""Fields of which `update` merges what is given by name."""
DERIVED = ("arrays", "trade_segments", "kept")


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
    goal
        What to do in place of earning the most: Goal, Closest, or a list of them, of which earlier ones come first.

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
    rates: Mapping[str, Sequence[float]] | None = field(default_factory=type(None), kw_only=True)
    scenarios: Scenarios | None = field(default=None, kw_only=True)
    risk: CVaR | RateUncertainty | None = field(default=None, kw_only=True)
    goal: Goal | Closest | Sequence[Goal | Closest] | None = field(default=None, kw_only=True)
    kept: ClassVar[tuple[float, ...] | None] = None
    """What goals before the one whose turn it is came to, in the unit of each, negative; None before the first."""

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "protocols", _protocols(self.protocols))
        table = self.table
        given: Any = self.current
        rates = self.rates
        shares = shares_in(given) if type(given) is InOrder else shares_by_name(given, table.names)
        vars(self).update(current_shares=shares)
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
        of_kind(self.limits, Limits, "limits", "give Limits(max_change=..., held=...)")
        self.limits.fit(self.table.place, self.periods)
        if self.goal is not None:
            put(self, "goal", goals_of(self.goal, self.table.place))
        for i, uses in table.uses.items():
            known_names(uses, self.resources, f"{table.names[i]}: uses")
        for i, curve in table.curves.items():
            if isinstance(curve, tuple) and len(curve) != self.periods:
                raise InvalidInput(
                    f"{table.names[i]}: {len(curve)} curves for {self.periods} periods; give one, or one per period"
                )
        vars(self).update(rate_table=None if rates is None else rates_of(rates, table, self.periods))
        self._check_risk()
        for name in ("current", "rates"):  # from now on made from the arrays, when they are asked for
            del vars(self)[name]

    @classmethod
    def from_frame(cls, frame: Any, **others: Any) -> AllocationProblem:
        """Make a problem of a DataFrame with one protocol per row.

        Parameters
        ----------
        frame
            Rows are protocols, named by the index of a pandas DataFrame, or by the column `name` of another one
            (polars, pyarrow; extra `frames`). Columns are fields of ProtocolSpec, `rate` (USD/h per unit of share) and
            `current` (share now, 0 without the column).
        **others
            The other arguments of AllocationProblem.

        Returns
        -------
        AllocationProblem
            The problem with the protocols in the order of the rows.

        Raises
        ------
        InvalidInput
            Where a column is unknown, a name comes twice, or a cell is missing or wrong; the message names the
            protocol and the column.

        Notes
        -----
        A missing cell means "not given" where the field has no number of its own (`max_share`, `move_cost_in` ...),
        or where the other one of rate and curve is given.

        Examples
        --------
        >>> import pandas as pd
        >>> from reallot import AllocationProblem
        >>> frame = pd.DataFrame({"rate": [2.1, 1.7], "current": [0.4, 0.6]}, index=["relay", "compute"])
        >>> AllocationProblem.from_frame(frame, horizon_hours=24)["relay"].curve.last_slope
        2.1
        """
        from .frames import from_frame

        table, shares = from_frame(frame, [each.name for each in fields(cls)])
        return cls(Protocols(table), InOrder(shares, table.names), **others)  # type: ignore[arg-type]

    @classmethod
    def from_arrays(
        cls,
        names: Sequence[str],
        rates: Any,
        current: Any,
        *,
        curves: Mapping[str, Any] | None = None,
        lock_in: Mapping[str, LockIn] | None = None,
        uses: Mapping[str, Any] | None = None,
        **others: Any,
    ) -> AllocationProblem:
        """Make a problem of arrays in the order of `names`.

        Parameters
        ----------
        names
            Names of the protocols, each once.
        rates
            USD/h per unit of share: (protocols,), or (periods, protocols). NaN for protocols with a curve.
        current
            Share of each protocol now, (protocols,).
        curves
            Curves by name, one or one per period, of the protocols that have no rate.
        lock_in
            LockIn records by name.
        uses
            Use of each shared resource by one unit of share, (protocols,) by the name of the resource; NaN is none.
        **others
            The other numbers of ProtocolSpec (`max_share`, `move_cost` ...), each (protocols,) or one for all; NaN is
            None. Costs of moves may be `Tiers`, in a list or as one for all. And the other arguments of
            AllocationProblem.

        Returns
        -------
        AllocationProblem
            The problem with the protocols in the order of the names.

        Raises
        ------
        InvalidInput
            Where a keyword is unknown, a length differs or a number is wrong; the message names the protocol and the
            field.

        Examples
        --------
        >>> import numpy as np
        >>> from reallot import AllocationProblem, allocate
        >>> problem = AllocationProblem.from_arrays(
        ...     ["relay", "compute"], np.array([2.1, 1.7]), np.array([0.4, 0.6]), max_share=[0.5, np.nan])
        >>> allocate(problem).schedule.round(9).tolist()
        [[0.5, 0.5]]
        """
        from .column_checks import from_arrays

        known = [each.name for each in fields(cls)]
        given = {key: value for key, value in others.items() if key not in known}
        table = from_arrays(names, rates, given, curves or {}, lock_in or {}, uses or {}, known)
        rest = {key: value for key, value in others.items() if key in known}
        if getattr(rates, "ndim", 1) > 1:
            rest["rates"] = ordered(rates, table.names, "rates", table)
        shares = ordered(current, table.names, "current", table)
        return cls(Protocols(table), shares, **rest)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        """`current` and `rates` by name, made when first asked for."""
        if name == "current":
            made: Any = dict(zip(self.names, self.current_shares.tolist(), strict=True))
        elif name == "rates":
            made = None if self.rate_table is None else series_by_name(self.names, self.rate_table)
        else:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        vars(self)[name] = made
        return made

    def _scale_single(self, given: Any) -> None:
        """Present shares in float32 that sum to the capacity but for their rounding do so exactly."""
        capacity, reserve = self.capacity, self.reserve
        values = given.values if type(given) is InOrder else given
        if is_single(values) and type(capacity) in (int, float) and type(reserve) in (int, float):
            vars(self).update(current_shares=to_sum(self.current_shares, float(capacity) - float(reserve)))  # type: ignore[arg-type]

    def _check_capacity(self) -> None:
        put = object.__setattr__
        put(self, "reserve", number(self.reserve, "reserve", 0.0))
        if self.capacity is None:
            if self.reserve:
                raise InvalidInput(f"reserve is {self.reserve:g} of no capacity; give a capacity, or no reserve")
            table, most = self.table, self.table["max_share"]
            for i in np.flatnonzero(most != most).tolist():
                uses = table.uses.get(i, {})
                if not any(use > 0.0 and key in self.resources for key, use in uses.items()):
                    raise InvalidInput(
                        f"{table.names[i]}: nothing bounds its share; give capacity, max_share or a resource use"
                    )
            return
        put(self, "capacity", number(self.capacity, "capacity", 0.0))
        require_fractions(self.capacity, self.current_shares)
        if self.reserve > self.capacity * (1.0 + ROUNDING):
            raise InvalidInput(f"reserve {self.reserve:g} is above capacity {self.capacity:g}")

    def _check_curves(self) -> None:
        """Raises InvalidInput where earnings jump within a piece too narrow to be told from nothing."""
        table = self.table
        if not table.curves:
            return
        curves = [(table.names[i], curve) for i, each in table.each_curve() for curve in each]
        below = NARROWEST * (1.0 - 1e-6)  # two points that were meant to be as far apart
        found = [(name, *jump) for name, curve in curves if (jump := curve.narrowest_jump(below))[2] > 0.0]
        if not found:
            return
        rates = np.abs(table.rate[table.rate == table.rate])
        size = max(float(rates.max(initial=0.0)), *(curve.size for _, curve in curves))
        for name, at, width, rise in found:
            if rise > JUMP * size:
                raise InvalidInput(
                    f"{name}: its earnings change by {rise:g} USD/h within {width:g} of share, at share {at:g}; a "
                    f"piece of a curve that steep is at least {NARROWEST:g} wide: move its two points that far apart"
                )

    def _check_risk(self) -> None:
        if self.scenarios is not None:
            if not isinstance(self.scenarios, Scenarios):
                raise InvalidInput(f"scenarios is a {type(self.scenarios).__name__}; give Scenarios(rates=...)")
            for what in ("rates", "factors"):
                table = getattr(self.scenarios, what)
                known_names(table, self.table.place, f"scenario {what}")
                for name, paths in table.items():
                    if any(len(path) not in (1, self.periods) for path in paths):
                        raise InvalidInput(
                            f"scenario {what} {name}: give one value, or one for each of {self.periods} periods"
                        )
                    bent = self.table.curves.get(self.table.place[name], ())
                    each = bent if isinstance(bent, tuple) else (bent,)
                    if what == "rates" and not all(curve.is_flat for curve in each):
                        raise InvalidInput(
                            f"scenario rates names {name!r}, which has a curve; give factors for it instead"
                        )
        if isinstance(self.risk, CVaR) and self.scenarios is None:
            raise InvalidInput("CVaR needs scenarios; give scenarios=Scenarios(rates=...)")
        if isinstance(self.risk, RateUncertainty):
            if isinstance(self.risk.radius, dict):
                known_names(self.risk.radius, self.table.place, "radius")
        elif self.risk is not None and not isinstance(self.risk, CVaR):
            raise InvalidInput(f"risk is {brief(self.risk)}; give CVaR(...) or RateUncertainty(...)")

    @cached_property
    def table(self) -> ProtocolColumns:
        """The protocols as columns."""
        return self.protocols.table  # type: ignore[union-attr, no-any-return]

    @property
    def specs(self) -> tuple[ProtocolSpec, ...]:
        """The protocols as a tuple of records, in the order given."""
        return self.protocols.records  # type: ignore[union-attr, no-any-return]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Protocol names in the order given."""
        return self.table.names

    @property
    def goals(self) -> tuple[Goal | Closest, ...]:
        """The goals in order; none where the most earnings are wanted."""
        return () if self.goal is None else self.goal if isinstance(self.goal, tuple) else (self.goal,)

    @property
    def least_earnings(self) -> float | None:
        """Earnings (USD/h) that all goals together ask for at least; None where none does."""
        floors = [goal.at_least for goal in self.goals if isinstance(goal, Goal) and goal.at_least is not None]
        return max(floors, default=None)

    @property
    def available(self) -> float | None:
        """Capacity less the reserve, in the unit of capacity; None without a capacity."""
        return None if self.capacity is None else max(0.0, self.capacity - self.reserve)

    @cached_property
    def arrays(self) -> ProblemArrays:
        """The same problem as arrays, shape (periods, protocols) or (protocols,)."""
        data = arrays(self)
        if self.limits.has_directions:
            data = with_directions(data, self)
        return data if data.is_plain else effective(data)

    @cached_property
    def trade_segments(self) -> TradeSegments:
        """The one period of the problem as pieces to buy and to sell, USD over the horizon per unit of share."""
        return trade_segments(self.arrays)

    def at_full_costs(self) -> AllocationProblem:
        """Return the same problem with all costs in its arrays as they were given, however large.

        Returns
        -------
        AllocationProblem
            A copy. The arrays of the original cut costs at which no move pays.
        """
        return self._with(arrays=effective(self.arrays.as_given, cut_costs=False))

    def reaching(self, kept: tuple[float, ...]) -> AllocationProblem:
        """Return the same problem on the turn of a later goal.

        Parameters
        ----------
        kept
            What each goal before it came to, negative: the plan gives none of it up.

        Returns
        -------
        AllocationProblem
            A copy that shares everything.
        """
        return self._with(kept=kept, arrays=self.arrays)

    def _with(self, **values: Any) -> AllocationProblem:
        """A copy that shares all but these values, and what was derived from others."""
        result = copy(self)
        for name in DERIVED:
            vars(result).pop(name, None)
        vars(result).update(**values)
        return result

    def update(self, *, order: Iterable[str] | None = None, **changes: Any) -> AllocationProblem:
        """Return the same problem with other values; what does not change is shared and not checked again.

        Parameters
        ----------
        order
            Names of the protocols in the order of `rates` and `current` where these are arrays: `problem.names`, or a
            permutation of it.
        **changes
            Fields of AllocationProblem. `rates` (USD/h per unit of share, one number or one per period), `current` and
            `resources` are by name, and names left out keep their values. With `order`, `rates` may be an array
            (protocols,) or (periods, protocols), and `current` one of shape (protocols,). Every other field is
            replaced as a whole.

        Returns
        -------
        AllocationProblem
            Another problem; this one stays as it is.

        Raises
        ------
        InvalidInput
            Where a name, number or shape is wrong; the message gives the near miss.

        Examples
        --------
        >>> import numpy as np
        >>> from reallot import AllocationProblem
        >>> problem = AllocationProblem({"relay": 2.1, "compute": 1.7}, {"relay": 0.4, "compute": 0.6})
        >>> problem.update(rates={"relay": 2.2}).arrays.rate.tolist()
        [[2.2, 1.7]]
        >>> problem.update(rates=np.array([2.2, 1.9]), order=problem.names).arrays.rate.tolist()
        [[2.2, 1.9]]
        """
        known = [field.name for field in fields(self)]
        for name in changes:
            if name not in known:
                raise InvalidInput(f"a problem has no {name!r}; {near_miss(name, known)}")
        if order is not None:
            arrays = [name for name in ("rates", "current") if _is_array(changes.get(name))]
            changes |= {name: ordered(changes[name], order, name, self.table) for name in arrays}
        merged = [name for name in BY_NAME if changes.get(name) is not None]
        if "rates" in merged and type(changes["rates"]) is not InOrder:
            changes["rates"] = _each_a_series(by_name(changes["rates"], "rates"), self.periods)
        if changes.keys() <= {"rates", "current"} and len(merged) == len(changes):
            return self._with_numbers(**changes)
        if "resources" in merged:
            known_names(by_name(changes["resources"], "resources"), self.resources, "resources")
        for name in merged:
            if type(changes[name]) is not InOrder:
                changes[name] = {**(getattr(self, name) or {}), **by_name(changes[name], name)}
        return replace(self, **changes)

    def _with_numbers(self, rates: Any = None, current: Any = None) -> AllocationProblem:
        """The same with other rates, present shares or both; the arrays are shared where no more depends on them."""
        table, shares, values = self.table, self.current_shares, dict[str, Any]()
        if rates is not None:
            found = rates_of(rates, table, self.periods)
            before = self.rate_table
            values["rate_table"] = found if before is None else np.where(found == found, found, before)
        if current is not None:
            shares = shares_changed(current, table, shares)
            require_fractions(self.capacity, shares)
            values["current_shares"] = shares
        result = self._with(**values)
        for name in ("rates", "current"):
            if name in vars(result) and (rates if name == "rates" else current) is not None:
                del vars(result)[name]
        if current is not None:
            result._scale_single(current)
        if "arrays" in vars(self) and self.scenarios is None and (current is None or self._is_free_of(shares)):
            data = self.arrays.as_given
            rate = data.rate if rates is None else np.where(np.isnan(found), data.rate, found)
            data = replace(data, rate=rate, current=result.current_shares)
            vars(result).update(arrays=data if data.is_plain else effective(data))
        return result

    def _is_free_of(self, shares: FloatArray) -> bool:
        """True where neither these present shares nor those there are reach into curves and bounds."""
        most = 0.0 if self.capacity is None else self.capacity
        bound = self.arrays.pieces is not None or "decrease_floor" in self.table.given
        bound = bound or self.limits.max_change_relative is not None
        return not bound and max(float(shares.max()), float(self.current_shares.max())) <= most

    def earning(self, curves: Sequence[EarningsCurve]) -> AllocationProblem:
        """Return the same problem with these curves; nothing else is checked or laid out again.

        Parameters
        ----------
        curves
            One curve for each protocol, in order, for all periods.

        Returns
        -------
        AllocationProblem
            Another problem; this one stays as it is.
        """
        rate = np.array([curve.rate for curve in curves])
        bent = {i: curves[i] for i in np.flatnonzero(rate != rate).tolist()}
        table = replace(self.table, rate=rate, curves=bent)
        varies = self.rate_table is not None or self.scenarios is not None or self.risk is not None
        if varies or any(isinstance(curve, tuple) for curve in self.table.curves.values()):
            return replace(self, protocols=Protocols(table))
        result = self._with(protocols=Protocols(table), table=table)
        data = earning_else(result, self.arrays.as_given)
        vars(result).update(arrays=data if data.is_plain else effective(data))
        return result

    def __repr__(self) -> str:
        return short(self)

    def _repr_html_(self) -> str:
        from .problem_html import problem_as_html

        return problem_as_html(self)

    def __hash__(self) -> int:
        return hash((self.protocols, (self.current_shares + 0.0).tobytes(), self.capacity, self.horizon_hours))

    def __getitem__(self, name: str) -> ProtocolSpec:
        place = self.table.place.get(name) if isinstance(name, str) else None
        if place is None:
            raise InvalidInput(f"no protocol {brief(name)}; {near_miss(name, self.names)}")
        return self.protocols[place]  # type: ignore[index, no-any-return]


def _is_array(value: Any) -> bool:
    return isinstance(value, (np.ndarray, list, tuple))


def _each_a_series(rates: Mapping[str, Any], periods: int) -> dict[str, Any]:
    """Rates with a bare number as that in every period."""
    return {name: rate if hasattr(rate, "__iter__") else (rate,) * periods for name, rate in rates.items()}


def require_fractions(capacity: float | None, shares: FloatArray) -> None:
    """Raises InvalidInput for present shares in percent, which sum to 100 where the capacity is 1."""
    total = float(shares.sum())
    if capacity == 1.0 and abs(total - 100.0) < 1.0:
        raise InvalidInput(
            f"current sums to {total:g}, capacity is 1: this looks like percent; "
            "give fractions (0.4 for 40 %), or capacity=100 and all shares and limits in percent"
        )


def _protocols(given: Any) -> Protocols:
    """The table of the protocols from records, or from rates, curves or records by name."""
    if isinstance(given, Protocols):
        return given
    if hasattr(given, "columns"):
        raise InvalidInput("protocols is a DataFrame; problem_from_frame(frame) takes one row per protocol")
    if hasattr(given, "items"):
        specs = []
        for name, value in by_name(given, "protocols").items():
            if isinstance(value, ProtocolSpec) and value.name != name:
                raise InvalidInput(f"protocol {value.name!r} stands under the name {name!r}; use one name")
            specs.append(value if isinstance(value, ProtocolSpec) else ProtocolSpec(name, value))
    else:
        specs = several(given, "protocols", "ProtocolSpec records, or a table by name")
    if set(map(type, specs)) != {ProtocolSpec}:
        for spec in specs:
            if not isinstance(spec, ProtocolSpec):
                raise InvalidInput(f"protocols holds {brief(spec)}; give ProtocolSpec records or a table by name")
    names = tuple([spec.name for spec in specs])
    different(names)
    return Protocols(ProtocolColumns.of(specs, names), tuple(specs))
