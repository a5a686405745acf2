"""Made rates on which defaults of policies were chosen: eleven families, each world of a family drawn from its seed.

Seeds 0 to 31, 100 to 107, 200 to 209, 300 to 306 and 400 to 415 served to choose the default policy, 300 to 349 what
its confidence looks at; figures of either come from others. Each world draws its clock (5 minutes to a day), its number
of alternatives (4 to 24), how far rates differ and how fast they change, what readings add in noise, and a scale from
0.1 to 100 USD/h.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CLOCKS = (
    (5 / 60, 2016),
    (5 / 60, 4032),
    (0.5, 1344),
    (1.0, 4380),
    (1.0, 8760),
    (8.0, 2190),
    (24.0, 1500),
)
"""Hours of a step, and steps: a week to four years."""
SIZES = (4, 6, 10, 16, 24)
NOISE = (0.0, 0.05, 0.2)
"""Of readings, as a part of each."""
STREAM, STREAM_LATER = 77, 78


@dataclass(frozen=True)
class Drawing:
    """What a family draws its rates from: a generator, the clock, and how far each alternative's level is from 1."""

    draw: np.random.Generator
    step_hours: float
    steps: int
    size: int
    levels: Floats

    @property
    def hours(self) -> float:
        """Length of the whole world."""
        return self.steps * self.step_hours

    def spread(self, low: float, high: float) -> float:
        """A number between two, even in its logarithm."""
        return float(np.exp(self.draw.uniform(np.log(low), np.log(high))))

    def reverting(self, hours: float) -> Floats:
        """(steps, n) of spread 1 that forget themselves in so many hours (Ornstein and Uhlenbeck)."""
        keep = float(np.exp(-self.step_hours / hours))
        values = np.empty((self.steps, self.size))
        values[0] = self.draw.normal(size=self.size)
        shocks = np.sqrt(1.0 - keep * keep) * self.draw.normal(size=values.shape)
        for t in range(1, self.steps):
            values[t] = keep * values[t - 1] + shocks[t]
        return values

    def spikes(self, often: float, mean: float) -> Floats:
        """(steps, n) mostly 0."""
        shape = (self.steps, self.size)
        sizes: Floats = (self.draw.random(shape) < often) * self.draw.exponential(mean, shape)
        return sizes


def _level(d: Drawing) -> Floats:
    steady = 1.0 + d.spread(0.1, 0.6) * d.levels
    return steady + d.spread(0.05, 0.3) * d.reverting(d.spread(d.hours / 20.0, d.hours / 2.0))


def _walk(d: Drawing) -> Floats:
    walked = np.cumsum(d.draw.normal(size=(d.steps, d.size)), axis=0) / np.sqrt(d.steps)
    level = float(d.draw.choice([0.0, 0.3]))
    return np.asarray(1.0 + level * d.levels + d.spread(0.2, 0.8) * walked)


def _season(d: Drawing) -> Floats:
    period = 24.0 if d.step_hours < 8.0 else 168.0
    phase = d.draw.uniform(0.0, 2.0 * np.pi, d.size)
    wave = d.spread(0.1, 0.5) * np.sin(2.0 * np.pi * _clock(d) / period + phase)
    return 1.0 + 0.1 * d.levels + wave + 0.15 * d.reverting(d.spread(d.hours / 50.0, d.hours / 4.0))


def _regime(d: Drawing) -> Floats:
    hours = d.spread(20.0 * d.step_hours, d.hours / 3.0)
    now, rows = d.draw.normal(size=d.size), np.empty((d.steps, d.size))
    for t in range(d.steps):
        changes = d.draw.random(d.size) < d.step_hours / hours
        now = np.where(changes, d.draw.normal(size=d.size), now)
        rows[t] = now
    return 1.0 + d.spread(0.1, 0.6) * rows


def _fast(d: Drawing) -> Floats:
    size = d.spread(0.1, 0.4)
    quick = d.reverting(d.spread(2.0 * d.step_hours, 10.0 * d.step_hours))
    return 1.0 + 0.1 * d.levels + size * quick + d.spikes(0.01, 2.0)


def _flat(d: Drawing) -> Floats:
    return 1.0 + 0.01 * d.levels + 0.01 * d.reverting(d.hours / 10.0)


def _heavy(d: Drawing) -> Floats:
    size, step = d.spread(0.3, 1.2), d.step_hours
    quick = 0.6 * d.reverting(d.spread(5.0 * step, 40.0 * step))
    slow = 0.8 * d.reverting(d.spread(d.hours / 40.0, d.hours / 4.0))
    rates: Floats = np.exp(size * (quick + slow) + 0.3 * d.levels - size * size / 2.0)
    return np.asarray(rates - 0.3) if d.draw.random() < 0.5 else rates


def _stock(d: Drawing) -> Floats:
    hours = d.spread(d.hours / 40.0, d.hours / 3.0)
    price = 1.0 + 0.4 * d.draw.normal(size=d.size)
    there, rows = d.draw.random(d.size) < 0.8, np.empty((d.steps, d.size))
    for t in range(d.steps):
        changes = d.draw.random(d.size) < d.step_hours / hours
        price = np.where(changes, 1.0 + 0.4 * d.draw.normal(size=d.size), price)
        looks = d.draw.random(d.size) < 2.0 * d.step_hours / hours
        there = np.where(looks, d.draw.random(d.size) < 0.8, there)
        rows[t] = price * there
    return rows


def _mixed(d: Drawing) -> Floats:
    rates = 1.0 + d.spread(0.05, 0.4) * d.levels
    rates = rates + d.spread(0.05, 0.3) * d.reverting(d.spread(d.hours / 30.0, d.hours / 2.0))
    rates = rates + d.spread(0.05, 0.3) * d.reverting(d.spread(4.0 * d.step_hours, 30.0 * d.step_hours))
    if d.step_hours < 8.0:
        size = d.spread(0.02, 0.3)
        rates += size * np.sin(2.0 * np.pi * _clock(d) / 24.0 + d.draw.uniform(0.0, 2.0 * np.pi, d.size))
    rates += d.spikes(0.002, 3.0)
    return rates


def _clock(d: Drawing) -> Floats:
    hours: Floats = np.arange(d.steps, dtype=float)[:, None] * d.step_hours
    return hours


FAMILIES: dict[str, Callable[[Drawing], Floats]] = {
    "mixed": _mixed,
    "walk": _walk,
    "season": _season,
    "regime": _regime,
    "fast": _fast,
    "flat": _flat,
    "level": _level,
    "heavy": _heavy,
    "stock": _stock,
}
"""Slow and quick parts with a day's shape and spikes; walks; seasons; jumps; quick noise with spikes; nearly alike;
steady levels; heavy tails, some below 0; prices that jump, with stock-outs."""


def _smooth(d: Drawing) -> Floats:
    window = max(2, round(24.0 / d.step_hours)) if d.step_hours < 8.0 else 6
    longer = replace(d, steps=d.steps + window)
    rates = 1.0 + d.spread(0.1, 0.5) * d.draw.normal(size=d.size)
    rates = rates + d.spread(0.1, 0.5) * longer.reverting(d.spread(d.hours / 30.0, d.hours / 2.0))
    rates = rates + d.spread(0.1, 1.0) * longer.reverting(d.spread(d.step_hours, 20.0 * d.step_hours))
    sums = np.cumsum(np.vstack([np.zeros(d.size), np.maximum(rates, 0.0)]), axis=0)
    means: Floats = (sums[window:] - sums[:-window])[: d.steps] / window
    return means


def _posted(d: Drawing) -> Floats:
    hours = np.exp(d.draw.uniform(np.log(10.0 * d.step_hours), np.log(d.hours / 5.0), d.size))
    level = 1.0 + d.spread(0.1, 0.5) * d.draw.normal(size=d.size)
    size, back = d.spread(0.02, 0.3), float(d.draw.choice([0.0, 0.1, 0.5]))
    price, rows = level, np.empty((d.steps, d.size))
    for t in range(d.steps):
        changes = d.draw.random(d.size) < d.step_hours / hours
        price = np.where(changes, price + back * (level - price) + size * d.draw.normal(size=d.size), price)
        rows[t] = price
    return np.maximum(rows, 0.0)


LATER: dict[str, Callable[[Drawing], Floats]] = {"smooth": _smooth, "posted": _posted}
"""What is reported as the mean of a day; prices that are posted and stay until the next. On clocks up to an hour."""
CLOCKS_LATER = 5


def world(family: str, seed: int) -> tuple[float, Floats]:
    """Hours of a step, and rates (steps, n) as read, USD/h, of FAMILIES or LATER; one seed gives one world."""
    if family in LATER:
        return _later(family, seed)
    draw = np.random.default_rng([STREAM, seed, list(FAMILIES).index(family)])
    step_hours, steps = CLOCKS[int(draw.integers(len(CLOCKS)))]
    size = int(draw.choice(SIZES))
    rates = FAMILIES[family](Drawing(draw, step_hours, steps, size, draw.normal(size=size)))
    noise = float(draw.choice(NOISE))
    rates = rates * (1.0 + (0.1 if family == "flat" else noise) * draw.normal(size=rates.shape))
    if family not in ("heavy", "stock"):
        rates = np.maximum(rates, 0.0 if draw.random() < 0.8 else -1.0)
    if rates.mean() > 0.0:
        rates = rates * np.exp(draw.uniform(np.log(0.1), np.log(100.0))) / max(float(rates.mean()), 1e-9)
    return step_hours, rates


def _later(family: str, seed: int) -> tuple[float, Floats]:
    draw = np.random.default_rng([STREAM_LATER, seed, list(LATER).index(family)])
    step_hours, steps = CLOCKS[int(draw.integers(CLOCKS_LATER))]
    size = int(draw.choice(SIZES))
    rates = LATER[family](Drawing(draw, step_hours, steps, size, np.ones(size)))
    return step_hours, rates * np.exp(draw.uniform(np.log(0.1), np.log(100.0))) / rates.mean()
