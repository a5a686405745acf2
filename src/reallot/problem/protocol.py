"""One earner the capacity can be lent to: its curve, its bounds, what moving it costs."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

from ..errors import InvalidInput
from .curve import EarningsCurve
from .validation import LARGEST, SMALLEST_STEP, brief, by_name, number, whole

NUMBERS = 11
"""How many numbers a protocol's record has on its own (`ProtocolSpec.packed`)."""
_pack = struct.Struct(f"{NUMBERS}d").pack
_OPTIONAL = ("max_share", "move_cost_in", "move_cost_out")
_AT_LEAST_ZERO = (
    *("min_share", "max_share", "entry_share", "step", "decrease_floor"),
    *("move_cost", "move_cost_in", "move_cost_out", "move_fee", "warm_up_hours"),
)


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


@dataclass(frozen=True)
class ProtocolSpec:
    """A protocol: its earnings, its bounds and the transaction costs of changing its share.

    Parameters
    ----------
    name
        Name, unique in the problem.
    curve
        An EarningsCurve, a bare rate (USD/h per unit of share), or a list with one of these per period.
    min_share, max_share
        Bounds of the share in every period. None as `max_share` is "all there is".
    entry_share
        Smallest share above zero: the share is 0 or not below this.
    step
        Indivisible unit: the share is a whole multiple of this (0.25 for one GPU of four).
    decrease_floor
        The share may not shrink below this (what a disk stores). Below it already, it may not shrink at all.
    lock_in
        A floor with an end.
    move_cost
        Proportional cost of a change (USD per unit of share), charged for taking and for giving.
    move_cost_in, move_cost_out
        Costs where taking and giving differ (USD per unit of share). Each replaces `move_cost` in its direction.
    move_fee
        Fixed cost (USD), once in every period in which the share changes at all.
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
    min_share: float = field(default=0.0, kw_only=True)
    max_share: float | None = field(default=None, kw_only=True)
    entry_share: float = field(default=0.0, kw_only=True)
    step: float = field(default=0.0, kw_only=True)
    decrease_floor: float = field(default=0.0, kw_only=True)
    lock_in: LockIn | None = field(default=None, kw_only=True)
    move_cost: float = field(default=0.0, kw_only=True)
    move_cost_in: float | None = field(default=None, kw_only=True)
    move_cost_out: float | None = field(default=None, kw_only=True)
    move_fee: float = field(default=0.0, kw_only=True)
    warm_up_hours: float = field(default=0.0, kw_only=True)
    warm_up_earns: float = field(default=0.0, kw_only=True)
    uses: Mapping[str, float] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise InvalidInput(f"a protocol's name is {brief(self.name)}; give a non-empty string")
        put, given = object.__setattr__, vars(self)
        curve = self.curve
        if isinstance(curve, Sequence) and not isinstance(curve, (str, bytes, bytearray)):
            if not len(curve):
                raise InvalidInput(f"{self.name}: curve is an empty list; give one curve, or one per period")
            put(self, "curve", tuple(EarningsCurve.of(each, f"{self.name}: rate (USD/h)") for each in curve))
        else:
            put(self, "curve", EarningsCurve.of(curve, f"{self.name}: rate (USD/h)"))
        for key in _AT_LEAST_ZERO:
            value = given[key]
            if (type(value) is float and 0.0 <= value <= LARGEST) or (value is None and key in _OPTIONAL):
                continue
            put(self, key, number(value, f"{self.name}: {key}", 0.0))
        if type(self.warm_up_earns) is not float or self.warm_up_earns != 0.0:
            put(self, "warm_up_earns", number(self.warm_up_earns, f"{self.name}: warm_up_earns", 0.0, 1.0))
        if 0.0 < self.step < SMALLEST_STEP:
            raise InvalidInput(
                f"{self.name}: step is {self.step:g}; units are at least {SMALLEST_STEP:g} of capacity: give a larger "
                "step, or 0 for shares of any size"
            )
        if self.max_share is not None and self.max_share < self.min_share:
            raise InvalidInput(f"{self.name}: min_share {self.min_share:g} is above max_share {self.max_share:g}")
        if self.lock_in is not None and not isinstance(self.lock_in, LockIn):
            raise InvalidInput(f"{self.name}: lock_in is {brief(self.lock_in)}; give LockIn(share, until)")
        uses = by_name(self.uses, f"{self.name}: uses")
        put(self, "uses", {key: number(value, f"{self.name}: uses {key}", 0.0) for key, value in uses.items()})

    def __hash__(self) -> int:
        return hash((self.name, self.curve, self.packed))

    def earning(self, curve: EarningsCurve) -> ProtocolSpec:
        """Return the same protocol with another curve, without checking the rest again.

        Parameters
        ----------
        curve
            The new curve, for all periods.

        Returns
        -------
        ProtocolSpec
            A copy of the record.
        """
        other, values = object.__new__(ProtocolSpec), vars(self).copy()
        values["curve"] = curve
        values.pop("packed", None)
        object.__setattr__(other, "__dict__", values)
        return other

    @property
    def curves(self) -> tuple[EarningsCurve, ...]:
        """The curve, or one for each period, as a tuple."""
        curves = self.curve if isinstance(self.curve, tuple) else (self.curve,)
        return cast("tuple[EarningsCurve, ...]", curves)

    @property
    def cost_in(self) -> float:
        """Cost of taking on share, USD per unit."""
        return self.move_cost if self.move_cost_in is None else self.move_cost_in

    @property
    def cost_out(self) -> float:
        """Cost of giving share away, USD per unit."""
        return self.move_cost if self.move_cost_out is None else self.move_cost_out

    @property
    def warm_up_loss(self) -> float:
        """Hours of full earnings that newly added share loses: warm_up_hours * (1 - warm_up_earns)."""
        return self.warm_up_hours * (1.0 - self.warm_up_earns)

    @cached_property
    def packed(self) -> bytes:
        """The numbers that stand on their own, as bytes, so that those of many protocols are read at once.

        min_share, max_share, decrease_floor, entry_share, step, cost_in, cost_out, move_fee, warm_up_loss, the rate
        where there is one for all shares and periods, and 1 where lock_in, uses or a curve per period is to be looked
        at. What is not given is NaN.
        """
        curve = self.curve
        rate = curve.last_slope if isinstance(curve, EarningsCurve) and curve.is_flat else math.nan
        special = self.lock_in is not None or bool(self.uses) or isinstance(curve, tuple)
        return _pack(
            self.min_share,
            math.nan if self.max_share is None else self.max_share,
            self.decrease_floor,
            self.entry_share,
            self.step,
            self.cost_in,
            self.cost_out,
            self.move_fee,
            self.warm_up_loss,
            rate,
            special,
        )
