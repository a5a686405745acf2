"""What capacity can be lent to: one protocol as a record that is checked, and all of a problem as one table."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from operator import attrgetter
from typing import Any, cast, overload

import numpy as np

from ..errors import InvalidInput
from .curve import EarningsCurve, require_wide_jumps
from .per_period import BY_PERIOD, LISTS, EachPeriod, PerPeriod, per_period, values_of, varying_of
from .segments import FloatArray
from .tiers import MoveTiers, Tiers, first_price, tier_rows
from .validation import (
    LARGEST,
    MOST,
    SMALLEST_STEP,
    brief,
    by_name,
    different,
    known_names,
    number,
    of_kind,
    several,
    whole,
)

_NOTHING: Mapping[str, float] = {}


@dataclass(frozen=True)
class LockIn:
    """A floor with an end: the share may not fall below it before a given period.

    Parameters
    ----------
    share
        The floor, in the unit of capacity.
    until
        Number of the first period (from 0) in which the floor no longer holds.

    Examples
    --------
    >>> from reallot import LockIn
    >>> LockIn(0.25, until=2).share
    0.25
    """

    share: float
    until: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "share", number(self.share, "lock_in share", 0.0))
        object.__setattr__(self, "until", whole(self.until, "lock_in until (period)", 1))


@dataclass(frozen=True, init=False)
class ProtocolSpec:
    """A protocol: its earnings, its bounds and the transaction costs of changing its share.

    Parameters
    ----------
    name
        Name, unique in the problem.
    curve
        An EarningsCurve, a bare rate (USD/h per unit of share), or a list with one of these per period.
    min_share, max_share
        Bounds of the share: one number, or a list with one per period. None as `max_share` is "all there is".
    entry_share
        Smallest share above zero: the share is 0 or not below this.
    step
        Indivisible unit: the share is a whole multiple of this (0.25 for one GPU of four).
    decrease_floor
        The share may not shrink below this (what a disk stores). Below it already, it may not shrink at all.
    lock_in
        A floor with an end.
    move_cost
        Proportional cost of a change (USD per unit of share), charged for taking and for giving; or `Tiers`, where the
        price depends on the size of the change in a period; or a list with one per period.
    move_cost_in, move_cost_out
        Costs where taking and giving differ (USD per unit of share, `Tiers`, or a list). Each replaces `move_cost` in
        its direction.
    move_fee
        Fixed cost (USD), once in every period in which the share changes at all; one number, or one per period.
    warm_up_hours, warm_up_earns
        Share that was added earns only the part `warm_up_earns` of its rate for so many hours.
    uses
        Use of each shared resource by one unit of share.

    Raises
    ------
    InvalidInput
        Where a number is negative or not finite, or bounds are the wrong way round.

    Notes
    -----
    A share that is already between 0 and `entry_share`, or off the grid of steps, may stay as it is. These two rules
    bound where a move may end.

    Examples
    --------
    >>> from reallot import ProtocolSpec
    >>> spec = ProtocolSpec("relay", 2.1, max_share=0.5, move_cost=0.1)
    >>> spec.cost_in, spec.curve.value(0.5)
    (0.1, 1.05)
    """

    name: str
    curve: EarningsCurve | float | Sequence[EarningsCurve | float]
    min_share: EachPeriod = field(default=0.0, kw_only=True)
    max_share: EachPeriod | None = field(default=None, kw_only=True)
    entry_share: float = field(default=0.0, kw_only=True)
    step: float = field(default=0.0, kw_only=True)
    decrease_floor: float = field(default=0.0, kw_only=True)
    lock_in: LockIn | None = field(default=None, kw_only=True)
    move_cost: EachPeriod | Tiers = field(default=0.0, kw_only=True)
    move_cost_in: EachPeriod | Tiers | None = field(default=None, kw_only=True)
    move_cost_out: EachPeriod | Tiers | None = field(default=None, kw_only=True)
    move_fee: EachPeriod = field(default=0.0, kw_only=True)
    warm_up_hours: float = field(default=0.0, kw_only=True)
    warm_up_earns: float = field(default=0.0, kw_only=True)
    uses: Mapping[str, float] = field(default_factory=dict, kw_only=True)

    def __init__(  # noqa: C901, PLR0913  a record says all that a protocol is
        self,
        name: str,
        curve: EarningsCurve | float | Sequence[EarningsCurve | float],
        *,
        min_share: PerPeriod = 0.0,
        max_share: PerPeriod | None = None,
        entry_share: float = 0.0,
        step: float = 0.0,
        decrease_floor: float = 0.0,
        lock_in: LockIn | None = None,
        move_cost: PerPeriod | Tiers = 0.0,
        move_cost_in: PerPeriod | Tiers | None = None,
        move_cost_out: PerPeriod | Tiers | None = None,
        move_fee: PerPeriod = 0.0,
        warm_up_hours: float = 0.0,
        warm_up_earns: float = 0.0,
        uses: Mapping[str, float] = _NOTHING,
    ) -> None:
        if not isinstance(name, str) or not name:
            raise InvalidInput(f"a protocol's name is {brief(name)}; give a non-empty string")
        own = vars(self)  # what is given; the class has the rest
        own["name"] = name
        if type(curve) is float and -LARGEST <= curve <= LARGEST:
            own["_rate"] = curve  # its curve is made when it is asked for
        elif isinstance(curve, Sequence) and not isinstance(curve, (str, bytes, bytearray)):
            if not len(curve):
                raise InvalidInput(f"{name}: curve is an empty list; give one curve, or one per period")
            own["curve"] = tuple(EarningsCurve.of(each, f"{name}: rate (USD/h)") for each in curve)
        else:
            own["curve"] = EarningsCurve.of(curve, f"{name}: rate (USD/h)")
        numbers = (min_share, max_share, entry_share, step, decrease_floor, move_cost, move_cost_in, move_cost_out)
        values = (*numbers, move_fee, warm_up_hours, warm_up_earns)
        for key, value, default in zip(NUMBERS, values, _DEFAULTS, strict=True):
            if value is default or (value is None and default is None):
                continue
            if type(value) is float and 0.0 <= value <= 1.0:  # no field has a narrower span
                own[key] = value
            elif type(value) is Tiers and key in TIERED:
                own[key] = value
                own["_in_tiers"] = True
            elif type(value) in LISTS and key in BY_PERIOD:
                own[key] = per_period(value, f"{name}: {key}", 0.0)
                own["_varies"] = True
            else:
                own[key] = number(value, f"{name}: {key}", 0.0, MOST.get(key, math.inf))
        if "step" in own and 0.0 < self.step < SMALLEST_STEP:
            raise InvalidInput(
                f"{name}: step is {self.step:g}; units are at least {SMALLEST_STEP:g} of capacity: give a larger "
                "step, or 0 for shares of any size"
            )
        if "_varies" in own:
            _require_order(name, self.min_share, self.max_share)
        elif "max_share" in own and self.max_share < self.min_share:
            raise InvalidInput(f"{name}: min_share {self.min_share:g} is above max_share {self.max_share:g}")
        if lock_in is not None:
            of_kind(lock_in, LockIn, f"{name}: lock_in", "give LockIn(share, until)")
            own["lock_in"] = lock_in
        own["uses"] = {}
        if uses is not _NOTHING:
            used = by_name(uses, f"{name}: uses")
            own["uses"] = {key: number(value, f"{name}: uses {key}", 0.0) for key, value in used.items()}

    def __getattr__(self, name: str) -> Any:
        """`curve` of a record that was given a rate."""
        if name != "curve" or "_rate" not in vars(self):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        curve = EarningsCurve.flat(vars(self)["_rate"])
        vars(self)["curve"] = curve
        return curve

    def __hash__(self) -> int:
        return hash((self.name, self.curve, self.min_share, self.max_share, self.cost_in, self.cost_out, self.move_fee))

    @property
    def curves(self) -> tuple[EarningsCurve, ...]:
        """The curve, or one for each period, as a tuple."""
        curves = self.curve if isinstance(self.curve, tuple) else (self.curve,)
        return cast("tuple[EarningsCurve, ...]", curves)

    @property
    def cost_in(self) -> float:
        """Cost of taking on share, USD per unit; of the first unit where it comes in tiers."""
        price: float = first_price(self.move_cost if self.move_cost_in is None else self.move_cost_in)
        return price

    @property
    def cost_out(self) -> float:
        """Cost of giving share away, USD per unit; of the first unit where it comes in tiers."""
        price: float = first_price(self.move_cost if self.move_cost_out is None else self.move_cost_out)
        return price


DEFAULTS: Mapping[str, float | None] = {
    each.name: each.default  # type: ignore[misc]
    for each in fields(ProtocolSpec)
    if each.name not in ("name", "curve", "lock_in", "uses")
}
"""The fields of ProtocolSpec that are numbers, with what they are where nothing is given."""
NUMBERS, _DEFAULTS = tuple(DEFAULTS), tuple(DEFAULTS.values())
TIERED = ("move_cost", "move_cost_in", "move_cost_out")
"""The numbers that may be Tiers; their columns then hold the price of the first unit."""

_COMPARED = ("names", "curves", "lock_ins", "uses", "tiers", "varying")
Curves = EarningsCurve | tuple[EarningsCurve, ...]


@dataclass(frozen=True, eq=False)
class ProtocolColumns:
    """The protocols, one a row; arrays are (protocols,) and nobody's to change.

    names     of the protocols
    rate      USD/h per unit of share of the protocols with one rate for all periods; NaN where `curves` has others
    given     columns of the numbers by field of ProtocolSpec; NaN for None. A field that nobody gives has none
    curves    by row: one bent curve, or a curve a period
    varying   by row, the fields with one value per period; their columns hold the first one's
    lock_ins, uses
              by row, of the protocols that have them
    tiers     by row, the costs of the protocols of which any comes in tiers
    """

    names: tuple[str, ...]
    rate: FloatArray
    given: Mapping[str, FloatArray] = field(default_factory=dict)
    curves: Mapping[int, Curves] = field(default_factory=dict)
    lock_ins: Mapping[int, LockIn] = field(default_factory=dict)
    uses: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    tiers: Mapping[int, Mapping[str, float | Tiers]] = field(default_factory=dict)
    varying: Mapping[int, Mapping[str, tuple[float, ...]]] = field(default_factory=dict)

    @classmethod
    def of(cls, specs: Sequence[ProtocolSpec], names: tuple[str, ...]) -> ProtocolColumns:
        """The table of records, each of which has been checked."""
        own = list(map(vars, specs))
        keys = set[str]().union(*own)
        listed = {key: list(map(attrgetter(key), specs)) for key in NUMBERS if key in keys}
        if "_in_tiers" in keys:
            listed |= {key: list(map(first_price, listed[key])) for key in TIERED if key in listed}
        varying = {i: varying_of(each) for i, each in enumerate(own) if "_varies" in each} if "_varies" in keys else {}
        if varying:
            listed |= {key: list(map(first_price, listed[key])) for key in BY_PERIOD if key in listed}
        given = {key: np.array(values, dtype=float) for key, values in listed.items()}
        rate = np.array([each.get("_rate", math.nan) for each in own])
        curves: dict[int, Curves] = {}
        for i in (rate != rate).nonzero()[0].tolist():
            curve = own[i]["curve"]
            flat = math.nan if isinstance(curve, tuple) else curve.rate
            if flat == flat:
                rate[i] = flat
            else:
                curves[i] = curve
        lock_ins = {i: each["lock_in"] for i, each in enumerate(own) if "lock_in" in each} if "lock_in" in keys else {}
        uses = {i: each["uses"] for i, each in enumerate(own) if each["uses"]}
        tiers = {i: costs_of(each) for i, each in enumerate(own) if "_in_tiers" in each} if "_in_tiers" in keys else {}
        return cls(names, rate, given, curves, lock_ins, uses, tiers, varying)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ProtocolColumns):
            return NotImplemented
        if self is other:
            return True
        if any(getattr(self, key) != getattr(other, key) for key in _COMPARED):
            return False
        columns = [(self.rate, other.rate), *((self[key], other[key]) for key in {*self.given, *other.given})]
        return all(a is b or a.tobytes() == b.tobytes() or np.array_equal(a, b, equal_nan=True) for a, b in columns)

    def __hash__(self) -> int:
        return hash((self.names, float(self.rate[self.rate == self.rate].sum())))

    def __getitem__(self, key: str) -> FloatArray:
        """The column of a field; where nobody gives it, its default throughout."""
        column = self.given.get(key)
        if column is None:
            default = DEFAULTS[key]
            column = np.full(len(self.names), math.nan if default is None else default)
        return column

    @cached_property
    def place(self) -> Mapping[str, int]:
        """Row by name."""
        return dict(zip(self.names, range(len(self.names)), strict=True))

    @cached_property
    def tier_rows(self) -> MoveTiers | None:
        """The tiers of all protocols; None where no cost comes in several."""
        return tier_rows(self.tiers)

    def each_curve(self) -> Iterator[tuple[int, tuple[EarningsCurve, ...]]]:
        """Row and curves, one or one a period, of the protocols without one rate for all periods."""
        for i, curve in self.curves.items():
            yield i, curve if isinstance(curve, tuple) else (curve,)

    def require_fit(self, resources: Collection[str], periods: int) -> None:
        """Raises InvalidInput where a use or the number of curves does not fit, or earnings jump within no width."""
        for i, uses in self.uses.items():
            known_names(uses, resources, f"{self.names[i]}: uses")
        for i, curve in self.curves.items():
            if isinstance(curve, tuple) and len(curve) != periods:
                raise InvalidInput(
                    f"{self.names[i]}: {len(curve)} curves for {periods} periods; give one, or one per period"
                )
        if self.curves:
            flat = np.abs(self.rate[self.rate == self.rate])
            curves = [(self.names[i], curve) for i, each in self.each_curve() for curve in each]
            require_wide_jumps(curves, float(flat.max(initial=0.0)))

    def row(self, i: int) -> ProtocolSpec:
        """One protocol as a record."""
        numbers: dict[str, Any] = {
            key: value for key, column in self.given.items() if (value := float(column[i])) == value
        }
        if i in self.tiers:
            numbers |= self.tiers[i]
        if i in self.varying:
            numbers |= self.varying[i]
        curve = self.curves.get(i)
        return ProtocolSpec(
            self.names[i],
            float(self.rate[i]) if curve is None else curve,
            lock_in=self.lock_ins.get(i),
            uses=self.uses.get(i, {}),
            **numbers,
        )


def _require_order(name: str, low: PerPeriod, high: PerPeriod | None) -> None:
    """Raises InvalidInput where bounds that differ by period contradict one another in any."""
    if high is None:
        return
    least, most = values_of(low), values_of(high)
    count = max(len(least), len(most))
    if {len(least), len(most)} - {1, count}:
        raise InvalidInput(f"{name}: min_share has {len(least)} entries, max_share {len(most)}; give one per period")
    for t in range(count):
        below, above = least[t % len(least)], most[t % len(most)]
        if above < below:
            raise InvalidInput(f"{name}: min_share {below:g} is above max_share {above:g} in period {t}")


def costs_of(own: Mapping[str, Any]) -> dict[str, float | Tiers]:
    """The costs of changes among a protocol's fields, without those that say no more than their default."""
    return {key: own[key] for key in TIERED if own.get(key, DEFAULTS[key]) != DEFAULTS[key]}


class Protocols(Sequence[ProtocolSpec]):
    """The rows of a table as records, made when they are asked for."""

    def __init__(self, table: ProtocolColumns, records: tuple[ProtocolSpec, ...] | None = None) -> None:
        self.table = table
        self._records = records

    @classmethod
    def of(cls, given: Any) -> Protocols:
        """The table of the protocols from records, or from rates, curves or records by name."""
        if isinstance(given, cls):
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
        return cls(ProtocolColumns.of(specs, names), tuple(specs))

    @property
    def records(self) -> tuple[ProtocolSpec, ...]:
        """All of them."""
        if self._records is None:
            self._records = tuple([self.table.row(i) for i in range(len(self.table.names))])
        return self._records

    def __len__(self) -> int:
        return len(self.table.names)

    @overload
    def __getitem__(self, index: int) -> ProtocolSpec: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[ProtocolSpec, ...]: ...
    def __getitem__(self, index: int | slice) -> ProtocolSpec | tuple[ProtocolSpec, ...]:
        if self._records is not None or isinstance(index, slice):
            return self.records[index]
        return self.table.row(range(len(self))[index])

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Protocols):
            return self.table == other.table
        return self.records == other if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.table)

    def __repr__(self) -> str:
        return repr(self.records)
