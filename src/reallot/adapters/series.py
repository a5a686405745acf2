"""Series: what kind of number a source reports, and the rate per hour that follows from its readings.

Rates come from differences in the native unit; money is made of them afterwards, by a price.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from enum import StrEnum
from typing import Any

from ..engine.contracts.records import SeriesKind
from ..engine.contracts.secrets import redact
from ..errors import ConfigurationError, ErrorKind, ProtocolError, near_miss

_EXACT = Context(prec=80)
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_MOST = Decimal(10) ** 60
_USD = {"usd": Decimal(1), "cent": Decimal("1e-2"), "millicent": Decimal("1e-5"), "micro_usd": Decimal("1e-6")}
_TOKEN = {"token": Decimal(1), "milli": Decimal("1e-3"), "gwei": Decimal("1e-9"), "wei": Decimal("1e-18")}


class Resets(StrEnum):
    """When a counter starts again at zero: at the first of each month in UTC, at some moment, or never."""

    MONTH = "month"
    EPOCH = "epoch"
    NEVER = "never"


@dataclass(frozen=True)
class Series:
    """What a reported number is.

    kind     rate, counter, balance or event; an extrapolation is refused, since it is no reading
    per      of a rate: an hour, a day
    resets   of a counter
    window   over which differences are taken; whole multiples of `cadence` where that is longer
    cadence  how often the source changes its number: it may stand so long without meaning anything
    dip      a counter that falls by less than this part did not start again: something in its sum vanished

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

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", _one_of(SeriesKind, self.kind, "kind"))
        object.__setattr__(self, "resets", _one_of(Resets, self.resets, "resets"))
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
        known = [*_USD, *_TOKEN, "points"]
        if self.name not in known:
            raise ConfigurationError(f"unit {self.name!r} is not known; {near_miss(self.name, known)}")
        if self.price is not None and not (
            isinstance(self.price, (int, float)) and math.isfinite(self.price) and self.price >= 0.0
        ):
            raise ConfigurationError(f"the price of unit {self.name!r} is {self.price!r}; give USD, 0 or more")
        if self.price is not None and self.name in _USD:
            raise ConfigurationError(f"unit {self.name!r} is money already; it has no price")

    def usd(self, amount: Decimal) -> float:
        """`amount` in USD; raises ProtocolError(NEVER_REPORTED) where it has no price."""
        if self.name in _USD:
            return float(amount * _USD[self.name])
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


@dataclass(frozen=True)
class _Level:
    """Where a counter stood before a large step, and what had been earned and counted until then."""

    value: Decimal
    after: Decimal
    earned: Decimal
    counted: float
    at: float

    @property
    def height(self) -> Decimal:
        return _minus(self.after, self.value)

    def is_mirrored_by(self, old: Decimal, new: Decimal) -> bool:
        """True where a fall from `old` to `new` takes back this step: it had made most of `old`."""
        tenth = Decimal("0.1") * self.height
        return self.value <= new <= self.value + tenth and _minus(old, self.after) <= tenth


class Meter:
    """Readings of one series in, its rate per hour in the native unit out.

    What cannot be known is left out of the time as well: the hours around a payout, a part of a sum that vanished.

    >>> meter = Meter(Series("counter"))
    >>> start = datetime(2026, 1, 1, tzinfo=UTC)
    >>> meter.read(Decimal(100), start, 0.0) is None
    True
    >>> meter.read(Decimal(103), start + timedelta(hours=1), 3600.0)
    Decimal('3')
    """

    LEAST_SECONDS = 60.0
    """Differences over less than this say nothing."""
    MOST_READINGS = 500

    def __init__(self, series: Series) -> None:
        self.series = series
        self._before: tuple[Decimal, datetime, float] | None = None
        self._counted = 0.0
        self._earned = Decimal(0)
        self._missing = Decimal(0)
        # (counted seconds, earned until then) at every change; at every reading where there is no cadence
        self._changes: deque[tuple[float, Decimal]] = deque(maxlen=self.MOST_READINGS)
        self._event: datetime | None = None
        self._rise: _Level | None = None
        self._fell: _Level | None = None

    def read(self, value: Decimal, now: datetime, seconds: float, *, event: datetime | None = None) -> Decimal | None:
        """The rate (native unit per hour) after one more reading; None where there are not enough yet.

        now      wall time, for months
        seconds  monotonic time, for differences
        event    of an event: when it came
        """
        if self.series.kind is SeriesKind.RATE:
            return _per_hour(value, self.series.per.total_seconds())
        if value < 0:
            raise ProtocolError("a total below zero", ErrorKind.SHAPE)
        if self._before is None:
            self._begin(value, now, seconds, event)
            return None
        old, then, last = self._before
        elapsed = max(seconds - last, 0.0)
        if self.series.kind is SeriesKind.EVENT:
            new = event is not None and (self._event is None or event > self._event)
            self._event = event if new else self._event
            gained, counted = (value if new else Decimal(0)), elapsed
        else:
            gained, counted = self._step(old, value, then, now, last, max(seconds, last))
        self._before = (value, now, seconds)
        self._counted += counted
        self._earned = _EXACT.add(self._earned, gained)
        if gained or not self.series.cadence:
            self._note()
        return self._rate()

    def _begin(self, value: Decimal, now: datetime, seconds: float, event: datetime | None) -> None:
        self._before, self._event = (value, now, seconds), event
        if not self.series.cadence:
            self._changes.append((0.0, Decimal(0)))

    def _step(
        self, old: Decimal, new: Decimal, then: datetime, now: datetime, last: float, seconds: float
    ) -> tuple[Decimal, float]:
        """(gained, counted seconds) between two readings; a wrong reading before this one is taken back."""
        fell, self._fell = self._fell, None
        before = _Level(old, new, self._earned, self._counted, last)
        if new < old:
            high = self._rise
            if high is not None and high.is_mirrored_by(old, new):  # up in one step, and down again
                self._rise = None
                return self._back_to(high, new, seconds)
            self._fell = before
        elif fell is not None and new >= fell.value:  # down in one step, and up again
            return self._back_to(fell, new, seconds)
        if self._rise is None or new - old > self._rise.height or self._counted - self._rise.counted > self._span():
            self._rise = before if new > old else self._rise
        if self.series.kind is SeriesKind.BALANCE:
            return (_minus(new, old), seconds - last) if new >= old else (Decimal(0), 0.0)
        return self._counter(old, new, then, now, seconds - last)

    def _back_to(self, level: _Level, new: Decimal, seconds: float) -> tuple[Decimal, float]:
        """What was gained since `level`, and the seconds since then not counted yet; later readings are forgotten."""
        self._earned, self._missing = level.earned, Decimal(0)
        while self._changes and (self._changes[-1][0] > level.counted or self._changes[-1][1] > level.earned):
            self._changes.pop()
        if not self._changes and not self.series.cadence:
            self._changes.append((level.counted, level.earned))
        return max(_minus(new, level.value), Decimal(0)), max(seconds - level.at - (self._counted - level.counted), 0.0)

    def _counter(
        self, old: Decimal, new: Decimal, then: datetime, now: datetime, elapsed: float
    ) -> tuple[Decimal, float]:
        """(gained, counted seconds) between two readings of a counter."""
        if self.series.resets is Resets.MONTH and (since := _month_turned(then, now)) is not None:
            if new < old and _plausible(old, new, then, since):
                self._missing = Decimal(0)
                # what came before the month's end is not known, and most of its time is not counted
                return new, min(elapsed, max(since, 0.0) + _SKEW.total_seconds())
            if new >= old and elapsed > 86_400.0:
                return Decimal(0), 0.0  # over a day away, across a month's end: no telling
        if new >= old:
            gained = _minus(new, old)
            if self._missing and gained >= self._missing * Decimal("0.9"):
                self._missing = Decimal(0)
                return Decimal(0), 0.0  # what had vanished is back, with what it earned meanwhile
            return gained, elapsed
        if self.series.resets is Resets.EPOCH and new <= old * Decimal(repr(1.0 - self.series.dip)):
            self._missing = Decimal(0)
            return new, elapsed
        self._missing = _EXACT.add(self._missing, _minus(old, new))
        return Decimal(0), 0.0

    def _note(self) -> None:
        """Remembers this change; old ones leave, and readings that come thick are thinned."""
        window = self._span()
        while len(self._changes) > 2 and self._changes[1][0] <= self._counted - 2.0 * window:
            self._changes.popleft()
        if len(self._changes) > 1 and self._changes[-1][0] - self._changes[-2][0] < window / 200.0:
            self._changes.pop()
        self._changes.append((self._counted, self._earned))

    def _span(self) -> float:
        """Seconds over which differences are taken."""
        window, cadence = self.series.window.total_seconds(), self.series.cadence.total_seconds()
        return math.ceil(window / cadence - 1e-9) * cadence if cadence else window

    def _rate(self) -> Decimal | None:
        cadence = self.series.cadence.total_seconds()
        enough = max(self.LEAST_SECONDS, 0.9 * cadence)
        if self.series.kind is SeriesKind.EVENT:
            enough = self._span()
        if len(self._changes) > 1 and self.series.kind is not SeriesKind.EVENT:
            # from change to change, since a value holds until the next; later, where none has come for too long
            end = max(self._changes[-1][0], self._counted - cadence)
            first = max(bisect_right(self._changes, end - self._span() + 1e-6, key=lambda each: each[0]) - 1, 0)
            start, earned = self._changes[first]
            if end - start >= enough:
                return _per_hour(_minus(self._earned, earned), end - start)
        if self._counted < max(enough, cadence):
            return None
        start, earned = self._counted - self._span(), Decimal(0)
        past = [each for each in self._changes if each[0] <= start]
        if past:
            earned = past[-1][1]
        return _per_hour(_minus(self._earned, earned), self._span() if start > 0.0 else self._counted)


def _minus(one: Decimal, other: Decimal) -> Decimal:
    return _EXACT.subtract(one, other)


def _per_hour(gained: Decimal, seconds: float) -> Decimal:
    return _EXACT.divide(_EXACT.multiply(gained, Decimal(3600)), Decimal(repr(seconds)))


_SKEW = timedelta(hours=2)


def _month_turned(then: datetime, now: datetime) -> float | None:
    """Seconds since the month's first moment (UTC), where it lies between two readings or within the clocks' skew.

    The source's clock may be two hours ahead of ours (then this is negative) or behind.
    """
    begins = (now + _SKEW).astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (now - begins).total_seconds() if then - _SKEW < begins else None


def _plausible(old: Decimal, new: Decimal, then: datetime, since: float) -> bool:
    """True where `new` can have come since the month began: at most ten times as fast as `old` in its own month."""
    begun = (then - timedelta(days=1)).astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    before = max((then - begun).total_seconds(), 86_400.0)
    return new <= old * Decimal(repr(10.0 * (max(since, 0.0) + _SKEW.total_seconds()) / before))
