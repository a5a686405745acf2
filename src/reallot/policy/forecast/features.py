"""What a forecast of relative earnings looks at: means of different age, the day's shape, and quotes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

DAY_WEIGHT = 0.2
"""Weight of the newest day in the shape of a day."""
DAYS_BEFORE = 2
"""Days after which the shape of a day is looked at."""


def half_lives(step_hours: float) -> FloatArray:
    """(5,) half-lives of the running means, hours: of fixed length, but never fewer than so many steps."""
    fixed = np.array([0.5, 2.0, 8.0, 24.0, 96.0])
    steps = np.array([2.0, 6.0, 24.0, 96.0, 384.0])
    result: FloatArray = np.maximum(fixed, steps * step_hours)
    return result


class Features:
    """Features of each alternative, one reading after another; all are differences to the mean of alternatives.

    In order: the last reading; means with the half-lives above; the mean of all readings. With quotes: the same of
    those, the last one and the means. Quotes are first cut to the range that earnings have had, widened by itself on
    both sides: beyond it a quote is a glitch, and says no more than "high".

    `shapes` has one more for each horizon: what these times of day were over a day's mean.

    steps  (B,) horizons, steps
    """

    def __init__(self, size: int, step_hours: float, steps: NDArray[np.int_], *, quotes: bool = False) -> None:
        self.decays = np.exp2(-step_hours / half_lives(step_hours))
        self._decay = self.decays[:, None]
        self._means, self._quoted = (np.zeros((len(self.decays), size)) for _ in range(2))
        self._total, self._taken = np.zeros(size), 0
        slots = round(24.0 / step_hours)
        self._slots = slots if slots > 1 and abs(slots * step_hours - 24.0) < 1e-6 else 0
        self._day, self._days = np.zeros((self._slots, size)), np.zeros(self._slots)
        self._steps, self.shapes = steps, np.zeros((len(steps), size))
        self._least, self._most = np.inf, -np.inf
        self._quotes = quotes

    @property
    def count(self) -> int:
        """Number of features."""
        means = len(self.decays)
        return means + 2 + (means + 1 if self._quotes else 0)

    def take(self, rates: FloatArray, quotes: FloatArray | None = None) -> tuple[FloatArray, FloatArray]:
        """One reading more, (n,) USD/h: its difference to the mean, (n,), and the features after it, (n, count).

        `shapes`, (horizons, n) USD/h, are then those after it.
        """
        apart = rates - rates.sum() / len(rates)
        self._means, weight = self._mixed(self._means, apart)
        self._total = self._total + apart
        self._least, self._most = min(self._least, float(rates.min())), max(self._most, float(rates.max()))
        slot, self._taken = self._taken, self._taken + 1
        self._shape(apart, slot)
        parts = [apart[None], self._means / weight, self._total[None] / self._taken]
        if self._quotes:
            parts += self._of_quotes(rates if quotes is None else quotes, weight)
        return apart, np.concatenate(parts).T

    def _mixed(self, means: FloatArray, apart: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The means with one reading more, and the weight that they have by now."""
        mixed = self._decay * means + (1.0 - self._decay) * apart
        return mixed, 1.0 - self._decay ** (self._taken + 1)

    def _shape(self, apart: FloatArray, place: int) -> None:
        """What each horizon's times of day were on earlier days, over the mean of a day; whole days in it are 0."""
        slots = self._slots
        if not slots:
            return
        slot = place % slots
        self._day[slot] += DAY_WEIGHT * (apart - self._day[slot])
        self._days[slot] = 1.0 - (1.0 - DAY_WEIGHT) * (1.0 - self._days[slot])
        if self._taken <= DAYS_BEFORE * slots:
            return
        day = self._day / self._days[:, None]
        sums = np.zeros((slots + 1, len(apart)))
        np.cumsum(day - day.sum(axis=0) / slots, axis=0, out=sums[1:])
        begins = self._taken % slots
        ends = begins + self._steps % slots
        over = ends > slots
        found = sums[np.where(over, ends - slots, ends)] - sums[begins] + over[:, None] * sums[-1]
        self.shapes = found / self._steps[:, None]

    def _of_quotes(self, quotes: FloatArray, weight: FloatArray) -> list[FloatArray]:
        wide = self._most - self._least
        known = np.where(np.isfinite(quotes), quotes, np.nanmean(np.where(np.isfinite(quotes), quotes, np.nan)))
        cut = np.clip(known, self._least - wide, self._most + wide)
        apart = cut - cut.mean()
        mixed = self._decay * self._quoted + (1.0 - self._decay) * apart
        self._quoted = mixed
        return [apart[None], mixed / weight]
