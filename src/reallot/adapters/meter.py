"""Meter: the rate per hour that follows from a source's readings, whatever happens to the level between them.

Rates come from differences in the native unit; money is made of them afterwards, by a price.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from itertools import pairwise

from ..engine.contracts.records import SeriesKind
from ..errors import ErrorKind, ProtocolError
from .series import Resets, Series, Zero

_EXACT = Context(prec=80)


@dataclass(frozen=True)
class _BeforeStep:
    """Where a counter stood before a large step, and what had been earned and counted until then.

    at, until  when the readings before and after the step were read
    rate       per hour before the step; None where it was not known
    most       that was earned in one step before a fall; 0 where nothing was
    """

    value: Decimal
    after: Decimal
    earned: Decimal
    counted: float
    at: float
    until: float
    rate: Decimal | None = None
    most: Decimal = Decimal(0)

    @property
    def height(self) -> Decimal:
        return abs(_minus(self.after, self.value))

    def is_mirrored_by(self, old: Decimal, new: Decimal) -> bool:
        """True where a fall from `old` to `new` takes back this rise: it had made most of `old`."""
        tenth = Decimal("0.1") * self.height
        back = self.value <= new <= self.value + tenth and _minus(old, self.after) <= tenth
        return back and self.is_unusual(self.height, self.until - self.at)

    def is_restored_by(self, old: Decimal, new: Decimal, last: float, seconds: float) -> bool:
        """True where a step from `old` to `new` takes back this fall, and not the usual earnings since.

        last, seconds  when the two were read
        """
        if new < self.value:
            return False
        step, above = _minus(new, old), _minus(new, self.value)
        if not self.is_unusual(step, seconds - last):
            return False
        return last <= self.until or (
            3 * step >= 2 * self.height
            and (self.rate is None or above <= self.height + 2 * _over(self.rate, seconds - self.at))
        )

    def is_restored_in_part_by(self, old: Decimal, new: Decimal) -> bool:
        """True where a step takes back some of this fall: it is far more than was ever earned in one."""
        step = _minus(new, old)
        return new < self.value and 10 * step >= self.height and 0 < 3 * self.most < step

    def is_unusual(self, rise: Decimal, seconds: float) -> bool:
        """True where the rate before does not bring so much in so long."""
        return self.rate is None or 2 * rise > 3 * _over(self.rate, seconds)


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
    MOST_START = 2.0
    """A total that was 0 until now has earned at most so many times as fast as it does then."""

    def __init__(self, series: Series) -> None:
        self.series = series
        self._before: tuple[Decimal, datetime, float] | None = None
        self._counted = 0.0
        self._earned = Decimal(0)
        self._missing = Decimal(0)
        # (counted seconds, earned until then) at every change; at every reading where there is no cadence
        self._changes: deque[tuple[float, Decimal]] = deque(maxlen=self.MOST_READINGS)
        self._event: datetime | None = None
        self._rise: _BeforeStep | None = None
        self._fell: _BeforeStep | None = None
        self._rests: deque[float] = deque(maxlen=20)  # seconds between changes of the value
        self._changed = self._held = 0.0
        self._first: tuple[Decimal, datetime, float] | None = None  # the first total that is not 0, until the next

    def read(self, value: Decimal, now: datetime, seconds: float, *, event: datetime | None = None) -> Decimal | None:
        """The rate (native unit per hour) after one more reading; None where there are not enough yet.

        Raises ProtocolError: NEVER_REPORTED for a 0 that is no answer, SHAPE for a total below zero.

        now      wall time, for months
        seconds  monotonic time, for differences
        event    of an event: when it came
        """
        if value == 0 and self.series.zero is Zero.NO_ANSWER:
            raise ProtocolError("it says 0, which is no answer here", ErrorKind.NEVER_REPORTED)
        if self.series.kind is SeriesKind.RATE:
            return _per_hour(value, self.series.per.total_seconds())
        if value < 0 and self.series.kind is not SeriesKind.EVENT:  # a single amount may be a charge
            raise ProtocolError("a total below zero", ErrorKind.SHAPE)
        if self._before is None:
            self._begin(value, now, seconds, event)
            return None
        if self.series.kind is not SeriesKind.EVENT and self._is_unsure(value, now, seconds):
            return self._rate()
        return self._after(value, now, seconds, event)

    def _after(self, value: Decimal, now: datetime, seconds: float, event: datetime | None) -> Decimal | None:
        """The rate after one more reading that is believed; there was one before."""
        assert self._before is not None  # `read` begins with one
        old, then, last = self._before
        elapsed = max(seconds - last, 0.0)
        if self.series.kind is SeriesKind.EVENT:
            new = event is not None and (self._event is None or event > self._event)
            self._event = event if new else self._event
            gained, counted = (value if new else Decimal(0)), elapsed
        else:
            gained, counted = self._step(old, value, then, now, last, max(seconds, last))
        self._before = (value, now, seconds)
        self._counted += self._believed(old, value, counted, seconds)
        self._earned = _EXACT.add(self._earned, gained)
        if gained or not self.series.cadence:
            self._note()
        return self._rate()

    def _begin(self, value: Decimal, now: datetime, seconds: float, event: datetime | None) -> None:
        self._before, self._event, self._changed = (value, now, seconds), event, seconds
        if not self.series.cadence:
            self._changes.append((0.0, Decimal(0)))

    def _is_unsure(self, value: Decimal, now: datetime, seconds: float) -> bool:
        """True where a total that was always 0 has just shown another: it started then, or had not been read before.

        The next total tells which: what only showed late grows no more so fast, and its rate starts there.
        """
        if self._first is None:
            if self._earned or self._before is None or self._before[0] or self._fell or not value:
                return False
            self._first = value, now, seconds
            return True
        first, then, last = self._first
        if value == 0:
            self._first = None
            return False
        if value == first and seconds - last < self._span():
            return True
        self._first = None
        most = self.MOST_START * (last - self._changed)
        if _over(_minus(value, first), most) >= _over(first, seconds - last):
            self._after(first, then, last, None)
        else:
            self._counted, self._changes = 0.0, deque(maxlen=self.MOST_READINGS)
            self._begin(first, then, last, None)
        return False

    def _step(
        self, old: Decimal, new: Decimal, then: datetime, now: datetime, last: float, seconds: float
    ) -> tuple[Decimal, float]:
        """(gained, counted seconds) between two readings; a wrong reading before this one is taken back."""
        fell = self._fell
        before = _BeforeStep(old, new, self._earned, self._counted, last, seconds)
        if new < old:
            if self._rise is not None and self._rise.is_mirrored_by(old, new):  # up in one step, and down again
                high, self._rise = self._rise, None
                return self._back_to(high, new, seconds)
            if fell is None or old >= fell.value:
                self._fell = replace(before, rate=self._rate(), most=self._most())
        elif fell is not None and fell.is_restored_by(old, new, last, seconds):
            self._fell = None
            if last <= fell.until or not self._missing:  # what had vanished from a sum is known to come back
                return self._back_to(fell, new, seconds)
        elif fell is not None and fell.is_restored_in_part_by(old, new):
            self._fell = replace(fell, after=new, until=seconds)
            self._missing = max(_minus(self._missing, _minus(new, old)), Decimal(0))
            return Decimal(0), 0.0
        elif fell is not None and 3 * _minus(new, fell.after) > fell.height:
            self._fell = None  # it has grown so much since that the lower level is a true one
        if self.series.kind is SeriesKind.BALANCE:
            gained, counted = (_minus(new, old), seconds - last) if new >= old else (Decimal(0), 0.0)
        else:
            gained, counted = self._counter(old, new, then, now, seconds - last)
        top = self._rise
        if (
            gained
            and new > old
            and (top is None or new - old > top.height or self._counted - top.counted > self._span())
        ):
            self._rise = replace(before, rate=self._rate())
        return gained, counted

    def _most(self) -> Decimal:
        """The most that was earned in one step, as far as that is remembered."""
        earned = [each for _, each in self._changes]
        return max((_minus(new, old) for old, new in pairwise(earned)), default=Decimal(0))

    def _believed(self, old: Decimal, new: Decimal, counted: float, seconds: float) -> float:
        """The seconds to count; those at an exact 0 wait until it has stood as long as the value usually rests."""
        if new != old:
            self._rests.append(seconds - self._changed)
            self._changed = seconds
        rest = min(max(self._rests, default=0.0), self._span())
        if new == 0 and self._fell is not None and seconds - self._fell.at <= rest:
            self._held += counted
            return 0.0
        counted, self._held = counted + self._held, 0.0
        return counted

    def _back_to(self, level: _BeforeStep, new: Decimal, seconds: float) -> tuple[Decimal, float]:
        """What was gained since `level`, and the seconds since then not counted yet; later readings are forgotten."""
        self._earned, self._missing, self._held = level.earned, Decimal(0), 0.0
        while self._changes and (self._changes[-1][0] > level.counted or self._changes[-1][1] > level.earned):
            self._changes.pop()
        if not self._changes and (level.earned or not self.series.cadence):
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
            usual = self._rate()
            # more than can have come since: nobody knows when it started again
            return (Decimal(0), 0.0) if usual and new > 10 * _over(usual, elapsed) else (new, elapsed)
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


class DailyAmounts:
    """Amounts that are told by the day they are of, and their rate per hour: each is earned in the 24 hours of its day.

    window  over which days are averaged; a day at least

    >>> days = DailyAmounts(timedelta(hours=1))
    >>> days.read(Decimal(6), datetime(2026, 1, 11, tzinfo=UTC), datetime(2026, 1, 11, 9, tzinfo=UTC))
    Decimal('0.25')
    """

    LATE = timedelta(days=1)
    """A day's amount may be told so long after its end; later, nothing was earned on it."""

    def __init__(self, window: timedelta) -> None:
        self._window = max(window, timedelta(days=1))
        self._amounts: dict[datetime, Decimal] = {}

    def read(self, amount: Decimal, end: datetime, now: datetime) -> Decimal:
        """The rate after one more reading: `amount` is of the day that is over at `end`, as far as it is known yet."""
        self._amounts[end] = amount
        last = max(max(self._amounts), now - self.LATE)
        first = min(self._amounts) - timedelta(days=1)
        self._amounts = {day: each for day, each in self._amounts.items() if day > last - self._window}
        hours = min(self._window, max(last - first, timedelta(days=1)))
        return _per_hour(sum(self._amounts.values(), Decimal(0)), hours.total_seconds())


def _minus(one: Decimal, other: Decimal) -> Decimal:
    return _EXACT.subtract(one, other)


def _per_hour(gained: Decimal, seconds: float) -> Decimal:
    return _EXACT.divide(_EXACT.multiply(gained, Decimal(3600)), Decimal(repr(seconds)))


def _over(rate: Decimal, seconds: float) -> Decimal:
    """What a rate per hour brings in so many seconds."""
    return _EXACT.divide(_EXACT.multiply(rate, Decimal(repr(seconds))), Decimal(3600))


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
