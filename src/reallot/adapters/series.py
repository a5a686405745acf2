"""Series and units: what kind of number a source reports, what its amounts are worth, and numbers without loss."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from ..engine.contracts.records import SeriesKind
from ..engine.contracts.secrets import redact
from ..errors import ConfigurationError, ErrorKind, ProtocolError, near_miss

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_MOST = Decimal(10) ** 60
MONEY = {"usd": Decimal(1), "cent": Decimal("1e-2"), "millicent": Decimal("1e-5"), "micro_usd": Decimal("1e-6")}
_TOKEN = {"token": Decimal(1), "milli": Decimal("1e-3"), "gwei": Decimal("1e-9"), "wei": Decimal("1e-18")}


class Resets(StrEnum):
    """When a counter starts again at zero: at the first of each month in UTC, at some moment, or never."""

    MONTH = "month"
    EPOCH = "epoch"
    NEVER = "never"


class Zero(StrEnum):
    """What an exact 0 is: a reading as any other, or what the source says where it does not know."""

    NUMBER = "number"
    NO_ANSWER = "no answer"


@dataclass(frozen=True)
class Series:
    """What a reported number is.

    kind     rate, counter, balance or event; an extrapolation is refused, since it is no reading
    per      of a rate: an hour, a day
    resets   of a counter
    window   over which differences are taken; whole multiples of `cadence` where that is longer
    cadence  how often the source changes its number: it may stand so long without meaning anything
    dip      a counter that falls by less than this part did not start again: something in its sum vanished
    zero     "no answer" where an exact 0 is no reading

    >>> Series("extrapolation")
    Traceback (most recent call last):
    reallot.errors.ConfigurationError: an extrapolation is the source's own guess, never an input; name its counter
    """

    kind: SeriesKind = SeriesKind.RATE
    resets: Resets = Resets.NEVER
    window: timedelta = timedelta(hours=1)
    cadence: timedelta = timedelta(0)
    dip: float = 0.5
    per: timedelta = timedelta(hours=1)
    zero: Zero = Zero.NUMBER

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", _one_of(SeriesKind, self.kind, "kind"))
        object.__setattr__(self, "resets", _one_of(Resets, self.resets, "resets"))
        object.__setattr__(self, "zero", _one_of(Zero, self.zero, "zero"))
        if self.kind is SeriesKind.EXTRAPOLATION:
            raise ConfigurationError("an extrapolation is the source's own guess, never an input; name its counter")
        if min(self.window, self.per) <= timedelta(0) or self.cadence < timedelta(0) or not 0.0 < self.dip < 1.0:
            raise ConfigurationError("a series has a window and a `per` above 0, a cadence from 0, a dip within (0, 1)")


def _one_of(kinds: type[Any], value: Any, what: str) -> Any:
    try:
        return kinds(value)
    except ValueError:
        known = [each.value for each in kinds]
        raise ConfigurationError(f"{what} is {value!r}; {near_miss(value, known)}") from None


@dataclass(frozen=True)
class Unit:
    """The native unit of an amount, and what one is worth.

    name   usd, cent, millicent or micro_usd, which need no price; token, milli, gwei or wei of a token; or points
    price  USD for one token or point; None where nobody says

    >>> Unit("cent").usd(Decimal("654.49"))
    6.5449
    """

    name: str = "usd"
    price: float | None = None

    def __post_init__(self) -> None:
        known = [*MONEY, *_TOKEN, "points"]
        if self.name not in known:
            raise ConfigurationError(f"unit {self.name!r} is not known; {near_miss(self.name, known)}")
        if self.price is not None and not (
            isinstance(self.price, (int, float)) and math.isfinite(self.price) and self.price >= 0.0
        ):
            raise ConfigurationError(f"the price of unit {self.name!r} is {self.price!r}; give USD, 0 or more")
        if self.price is not None and self.name in MONEY:
            raise ConfigurationError(f"unit {self.name!r} is money already; it has no price")

    @property
    def needs_price(self) -> bool:
        """True for what is no money."""
        return self.name not in MONEY

    def usd(self, amount: Decimal) -> float:
        """`amount` in USD; raises ProtocolError(NEVER_REPORTED) where it has no price."""
        if self.name in MONEY:
            return float(amount * MONEY[self.name])
        if self.price is None:
            raise ProtocolError(f"{self.name} have no price; set one (USD)", ErrorKind.NEVER_REPORTED)
        return float(amount * _TOKEN.get(self.name, Decimal(1)) * Decimal(repr(float(self.price))))


def exact(value: Any, what: str, *, dollars: bool = False) -> Decimal:
    """A reported number without any loss: whole numbers of any size, Decimals, floats, numeric texts.

    "$1.75" is a number only with `dollars`. Raises ProtocolError(SHAPE), or (NEVER_REPORTED) for None.
    """
    if value is None:
        raise ProtocolError(f"{what} is null: it has not been reported yet", ErrorKind.NEVER_REPORTED)
    if isinstance(value, str):
        text = value.strip()
        text = text[1:] if dollars and text.startswith("$") else text
        found = Decimal(text) if len(text) <= 100 and _NUMBER.fullmatch(text) else None
    elif isinstance(value, bool):
        found = None
    elif isinstance(value, (int, Decimal)):
        found = Decimal(value)
    elif isinstance(value, float) or hasattr(value, "__float__"):
        found = Decimal(repr(float(value)))
    else:
        found = None
    if found is None:
        shown = repr(redact(value, 20)) if isinstance(value, str) else f"a {type(value).__name__}"
        raise ProtocolError(f"{what} is {shown}, not a number", ErrorKind.SHAPE)
    if not found.is_finite() or abs(found) > _MOST:
        raise ProtocolError(f"{what} is not a possible number", ErrorKind.SHAPE)
    return found
