"""What a rule that looks at one number is shown: what was paid, moved toward what is quoted as far as that helped."""

from __future__ import annotations

from collections import deque

import numpy as np

from .base import FloatArray, Observation

HALF_LIFE_HOURS, HALF_LIFE_STEPS = 48.0, 96.0
"""Half-life of what is known of quotes: the longer of the two."""
PRIOR_STEPS = 12.0
"""How many readings the common ratio counts for, in the ratio of one alternative."""
GLITCH = 4.0
"""A quote beyond so many times its own usual size is none."""
WIDEST = 20.0
"""The ratio of one alternative is at most so many times the common one, and at least that part of it."""
FEWEST, FIRST = 8.0, 0.5
"""How many readings the first weight counts for, and what it is."""
AHEAD_HOURS = 1.0
"""How early a quote that helps knows what will be paid."""
SAME = 1e-12
"""A quote this near to what was paid, as a part of it, says the same."""
OUTLIER = 3.0
"""Differences beyond so many times their usual size are cut there before they are learned from."""


class BlendedQuotes:
    """The newest number of each alternative: paid + w (ratio * quoted - paid); what was paid where nothing is quoted.

    All sums forget with the half-life. With p what was paid and q what was quoted, without glitches:

        ratio[i] = (sum p[i] + 12 r u) / (sum |q[i]| + 12 u),  r = sum p / sum |q| over all, u = mean size of a quote

    With d = ratio q - p, and y what was paid an hour later less p, each less its mean over alternatives, and v the mean
    square of d, weights are the best by least squares, cut to 0 and 1:

        w    = (sum d y + 8 v / 2) / (sum d d + 8 v)              over all alternatives
        w[i] = (sum d[i] y[i] + 8 v w) / (sum d[i] d[i] + 8 v)    of one

    It is near 1 where quotes know early what will be paid, and near 0 where they are noise. An alternative of which
    little is known has the ratio and the weight of all.
    """

    def __init__(self) -> None:
        self._known: FloatArray | None = None
        self._past: deque[tuple[FloatArray, FloatArray]] = deque()

    def take(self, observation: Observation) -> FloatArray:
        """(n,) this step's numbers; NaN where nothing is read and nothing is quoted."""
        rates, quotes = observation.rates, observation.quotes
        if quotes is None:
            return rates
        if self._known is None:
            self._begin(rates.size, observation.terms.step_hours)
        assert self._known is not None
        self._known = np.where(np.isnan(rates), self._known, rates)
        quotes = self._without_glitches(quotes)
        self._count(rates, quotes)
        quoted = self.ratios * quotes
        paid = np.where(np.isnan(self._known), quoted, self._known)
        quoted = np.where(np.isnan(quoted), paid, quoted)
        if not np.isnan(paid).any():
            self._learn(paid, quoted)
        result: FloatArray = paid + self.weights * (quoted - paid)
        return result

    def _begin(self, size: int, step_hours: float) -> None:
        self._keep = 0.5 ** (step_hours / max(HALF_LIFE_HOURS, HALF_LIFE_STEPS * step_hours))
        self._ahead = max(1, round(AHEAD_HOURS / step_hours))
        self._known, self._usual = np.full(size, np.nan), np.zeros(size)
        self._paid, self._quoted, self._steps = np.zeros(size), np.zeros(size), 0.0
        self._products, self._squares, self._compared = np.zeros(size), np.zeros(size), 0.0

    @property
    def ratios(self) -> FloatArray:
        """(n,) paid to quoted; 1 before anything is known."""
        total = float(self._quoted.sum())
        pooled = float(self._paid.sum()) / total if total > 0.0 else 0.0
        if pooled <= 0.0:
            return np.ones(self._paid.size)
        unit = PRIOR_STEPS * total / self._paid.size / self._steps
        return np.clip((self._paid + pooled * unit) / (self._quoted + unit), pooled / WIDEST, pooled * WIDEST)

    @property
    def weights(self) -> FloatArray:
        """(n,) how far each quote is followed."""
        squares = float(self._squares.sum())
        if squares <= 0.0:
            return np.full(self._squares.size, FIRST)
        unit = FEWEST * squares / self._compared
        pooled = (float(self._products.sum()) + FIRST * unit) / (squares + unit)
        own = unit / self._squares.size
        return np.clip((self._products + min(max(pooled, 0.0), 1.0) * own) / (self._squares + own), 0.0, 1.0)

    def _without_glitches(self, quotes: FloatArray) -> FloatArray:
        size = np.abs(quotes)
        known = ~np.isnan(size)
        middle = float(np.median(size[known])) if known.any() else 0.0
        begun = np.minimum(size, GLITCH * middle) if middle > 0.0 else size
        self._usual = np.where(known & (self._usual == 0.0), begun, self._usual)
        beyond = size > GLITCH * self._usual
        size = np.where(known, np.where(beyond, GLITCH * self._usual, size), self._usual)
        self._usual = self._usual + GLITCH * (1.0 - self._keep) * (size - self._usual)
        result: FloatArray = np.where(beyond, np.nan, quotes)
        return result

    def _count(self, rates: FloatArray, quotes: FloatArray) -> None:
        both = ~np.isnan(rates) & ~np.isnan(quotes)
        self._steps = self._keep * self._steps + 1.0
        self._paid = self._keep * self._paid + np.where(both, rates, 0.0)
        self._quoted = self._keep * self._quoted + np.where(both, np.abs(quotes), 0.0)

    def _learn(self, paid: FloatArray, quoted: FloatArray) -> None:
        """One comparison more: how far the quote of an hour ago was on the way to what is paid now."""
        self._past.append((paid - paid.mean(), quoted - quoted.mean()))
        if len(self._past) <= self._ahead:
            return
        before, said = self._past.popleft()
        off, came = said - before, paid - paid.mean() - before
        off = np.where(np.abs(off) <= SAME * float(np.abs(paid).max()), 0.0, off)
        if self._compared:
            most = OUTLIER * float(np.sqrt(self._squares.sum() / self._compared / off.size))
            if most > 0.0:
                off, came = np.clip(off, -most, most), np.clip(came, -most, most)
        self._compared = self._keep * self._compared + 1.0
        self._products = self._keep * self._products + off * came
        self._squares = self._keep * self._squares + off * off
