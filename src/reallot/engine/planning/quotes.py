"""What others offer for a share, corrected by what they really paid: a rate for a protocol that holds nothing."""

from __future__ import annotations

import math
from datetime import datetime
from typing import NamedTuple

from ...problem import EarningsCurve
from ...text.durations import format_duration
from ...text.numbers import percent

HOUR = 3600.0


class QuoteRules(NamedTuple):
    """How a quote becomes a rate.

    half_life_hours  of the running mean of paid to quoted
    doubt            what would be added to a protocol whose quote was never paid is taken to earn less by this part
    doubt_hours      after what was paid, half of that doubt is back after so long
    """

    half_life_hours: float = 6.0
    doubt: float = 0.2
    doubt_hours: float = 168.0


QUOTES = QuoteRules()


class Payment(NamedTuple):
    """What is known of a protocol's quotes.

    ratio  what was paid, in parts of what was quoted at the time; 1 before anything was paid
    hours  that the mean stands for
    at     when it was paid last; None before the first
    now    True where the newest reading is a quote and not a payment
    """

    ratio: float = 1.0
    hours: float = 0.0
    at: datetime | None = None
    now: bool = False

    def paid(self, rate: float, offered: float, at: datetime, hours: float) -> Payment:
        """With one payment more, of `rate` where so much was offered (USD/h each), after so many hours."""
        if offered <= 0.0:
            return self._replace(now=False)
        seen = max(rate / offered, 0.0)
        if self.at is None:
            return Payment(seen, hours, at)
        past = self.hours + hours
        weight = max(1.0 - math.exp2(-hours / QUOTES.half_life_hours), hours / past if past > 0.0 else 1.0)
        return Payment(self.ratio + weight * (seen - self.ratio), past, at)

    def doubt(self, now: datetime) -> float:
        """The part by which what is quoted may be too high."""
        if self.at is None:
            return QUOTES.doubt
        hours = max((now - self.at).total_seconds(), 0.0) / HOUR
        return QUOTES.doubt * (1.0 - math.exp2(-hours / QUOTES.doubt_hours))

    def told(self, now: datetime) -> str:
        """What a plan says of a rate that is a quote."""
        if self.at is None:
            return "is taken at its quote, of which nothing was paid yet"
        ago = format_duration(max((now - self.at).total_seconds(), 0.0))
        return f"is taken at its quote, of which {percent(round(self.ratio, 3))} was paid, last {ago} ago"


def offered(quote: float, shape: EarningsCurve | None) -> float:
    """A quote for a full share as readings are kept: USD/h, or the factor on a shape that is known."""
    full = 1.0 if shape is None else shape.value(1.0)
    return quote / full if full > 0.0 else quote
