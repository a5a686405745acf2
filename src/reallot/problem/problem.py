"""All that one decision needs, in one frozen record, validated once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidInput, near_miss
from .arrays import ProblemArrays, arrays, earning_else
from .change_costs import with_change_cost
from .change_limits import with_directions
from .column_checks import from_arrays, require_bounds
from .curve import EarningsCurve
from .effective import effective
from .end import End
from .frames import from_frame
from .goal import Closest, Goal, goals_of
from .limits import Limits
from .named_arrays import InOrder, ordered, rates_of, series_by_name, shares_in
from .per_period import ROUNDING, PerPeriod, capacities_of, in_first, per_period, values_of
from .period_arrays import require_periods, with_periods
from .protocol import LockIn, ProtocolColumns, Protocols, ProtocolSpec
from .risk import AnyRisk, Scenarios, require_risk
from .short_repr import short
from .trade_segments import TradeSegments, trade_segments
from .update import updated
from .validation import (
    brief,
    by_name,
    number,
    of_kind,
    require_fractions,
    shares_by_name,
    summing_up,
    whole,
    yes_or_no,
)


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
        Sum of the shares, and their unit: 8 for eight GPUs makes shares GPUs, and rates USD/h per GPU. One number, or
        a list with one per period. None where only `resources` bound the shares.
    reserve
        Part of the capacity that is never given away; one number, or a list with one per period.
    allow_idle
        True where the shares may sum to less than the capacity.
    horizon_hours
        Hours over which a move must pay. Costs are paid once, earnings flow for so long.
    periods
        Number of equal periods in which the horizon is planned. Only the first is meant to be applied.
    limits
        Rules of change: largest change, turnover, held protocols and so on.
    resources
        Capacity of each shared resource by name, in the unit of the protocols' `uses`; each one number, or a list with
        one per period.
    rates
        Rates of flat protocols (USD/h per unit of share): {name: one per period}, or a DataFrame (periods, protocols).
    scenarios
        Possible rates; earnings are then expected earnings.
    risk
        CVaR, WorstCase or ShortfallChance (these need scenarios), CDaR or RateUncertainty.
    goal
        What to do in place of earning the most: Goal, Closest, or a list of them, of which earlier ones come first. Of
        goals only the least cost looks at `plan_fee`; `min_gain` asks for money under any.
    end
        Conditions at the end of the horizon: bounds of shares in the last period, and what they are worth after it.

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
    capacity: PerPeriod | None = field(default=1.0, kw_only=True)
    reserve: PerPeriod = field(default=0.0, kw_only=True)
    allow_idle: bool = field(default=False, kw_only=True)
    horizon_hours: float = field(default=1.0, kw_only=True)
    periods: int = field(default=1, kw_only=True)
    limits: Limits = field(default_factory=Limits, kw_only=True)
    resources: Mapping[str, PerPeriod] = field(default_factory=dict, kw_only=True)
    rates: Mapping[str, Sequence[float]] | None = field(default_factory=type(None), kw_only=True)
    scenarios: Scenarios | None = field(default=None, kw_only=True)
    risk: AnyRisk | None = field(default=None, kw_only=True)
    goal: Goal | Closest | Sequence[Goal | Closest] | None = field(default=None, kw_only=True)
    end: End | None = field(default=None, kw_only=True)
    kept: ClassVar[tuple[float, ...] | None] = None
    """What goals before the one whose turn it is came to, in the unit of each, negative; None before the first."""

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "protocols", Protocols.of(self.protocols))
        table = self.table
        given: Any = self.current
        rates = self.rates
        if type(given) is InOrder:
            shares, given = shares_in(given), given.values
        else:
            shares = shares_by_name(given, table.names)
        vars(self).update(current_shares=summing_up(given, shares, self.capacity, self.reserve))
        put(self, "horizon_hours", number(self.horizon_hours, "horizon_hours", 0.0))
        if self.horizon_hours == 0.0:
            raise InvalidInput("horizon_hours is 0; costs and earnings compare over a time above 0 (24 is a day)")
        put(self, "periods", whole(self.periods, "periods", 1))
        put(self, "allow_idle", yes_or_no(self.allow_idle, "allow_idle"))
        resources = by_name(self.resources, "resources")
        for key in resources:
            if not isinstance(key, str) or not key:
                raise InvalidInput(f"a resource's name is {brief(key)}; give a non-empty string")
        put(self, "resources", {key: per_period(value, f"resource {key}", 0.0) for key, value in resources.items()})
        self._check_capacity()
        of_kind(self.limits, Limits, "limits", "give Limits(max_change=..., held=...)")
        self.limits.fit(table.place if self.limits.names_protocols else {}, self.periods)
        if self.goal is not None:
            put(self, "goal", goals_of(self.goal, self.table.place))
        if table.curves or table.uses:
            table.require_fit(self.resources, self.periods)
        if self.end is not None or self.resources or table.varying:
            require_periods(table, self.resources, self.end, self.periods)
        vars(self).update(rate_table=None if rates is None else rates_of(rates, table, self.periods))
        if self.scenarios is not None or self.risk is not None:
            require_risk(self.scenarios, self.risk, table, self.periods)
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
            USD/h per unit of share: (protocols,), or (periods, protocols). NaN for protocols with a curve. Here and
            below, a pandas Series of all names is aligned by its index.
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

    def _check_capacity(self) -> None:
        put = object.__setattr__
        plain = type(self.reserve) in (int, float) and (self.capacity is None or type(self.capacity) in (int, float))
        put(
            self, "reserve", number(self.reserve, "reserve", 0.0) if plain else per_period(self.reserve, "reserve", 0.0)
        )
        if self.capacity is None:
            require_bounds(self.table, self.resources, max(values_of(self.reserve)))
            return
        if not plain:
            put(self, "capacity", capacities_of(self.capacity, self.reserve, self.periods))
            require_fractions(in_first(self.capacity), self.current_shares)
            return
        put(self, "capacity", number(self.capacity, "capacity", 0.0))
        require_fractions(self.capacity, self.current_shares)  # type: ignore[arg-type]
        if self.reserve > self.capacity * (1.0 + ROUNDING):  # type: ignore[operator]
            raise InvalidInput(f"reserve {self.reserve:g} is above capacity {self.capacity:g}")

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
    def available(self) -> float | None:
        """Capacity less the reserve in the first period, in the unit of capacity; None without a capacity."""
        if self.capacity is None:
            return None
        pair: Any = self.capacity, self.reserve
        most, kept = (each[0] if isinstance(each, tuple) else each for each in pair)
        return max(0.0, float(most - kept))

    @property
    def totals(self) -> NDArray[np.float64] | None:
        """Capacity less the reserve by period, (periods,); None where all are equal, or there is no capacity."""
        if self.capacity is None or not (isinstance(self.capacity, tuple) or isinstance(self.reserve, tuple)):
            return None
        each = np.maximum(np.subtract(self.capacity, self.reserve), 0.0)
        return np.broadcast_to(each, (self.periods,)) if (each != each[0]).any() else None

    @cached_property
    def arrays(self) -> ProblemArrays:
        """The same problem as arrays, shape (periods, protocols) or (protocols,)."""
        data = arrays(self)
        listed = isinstance(self.capacity, tuple) or isinstance(self.reserve, tuple)
        if listed or self.end is not None or self.table.varying:
            data = with_periods(data, self, self.end)
        if self.limits.change_cost is not None:
            data = with_change_cost(data, self, self.limits.change_cost)
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
        return self._with(arrays=effective(self.arrays.as_given, cut_costs=False), kept=self.kept)

    def _with(self, **values: Any) -> AllocationProblem:
        """A copy that shares all but these values, and what was derived from others."""
        result = copy(self)
        for name in ("arrays", "trade_segments", "kept"):
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
        return updated(self, order, changes)

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
        data = earning_else(result, self.arrays.given or self.arrays)
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
