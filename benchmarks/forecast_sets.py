"""Rates made with a fixed seed that forecasts are tried on: levels that wander and jump, days and weeks, outages."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SERIES, POINTS, SEASON = 50, 1_000, 24


def hourly(seed: int, series: int = SERIES, points: int = POINTS) -> NDArray[np.float64]:
    """(points, series) USD/h: level times shape of day and week, plus AR(1) noise with heavy tails, less outages."""
    random = np.random.default_rng(seed)
    hours = np.arange(points)
    columns = []
    for _ in range(series):
        size = 10.0 ** random.uniform(-1.0, 2.0)
        walk = np.cumsum(random.normal(0.0, random.uniform(0.002, 0.02), points))
        jumps = np.cumsum(random.normal(0.0, 0.3, points) * (random.random(points) < 2.0 / 500.0))
        level = np.exp(walk + jumps)
        phase, weight = random.uniform(0.0, 2.0 * np.pi, 2), random.uniform(0.0, [0.4, 0.15])
        day = weight[0] * (np.sin(2.0 * np.pi * hours / 24.0 + phase[0]) + 0.4 * np.sin(4.0 * np.pi * hours / 24.0))
        week = weight[1] * np.sin(2.0 * np.pi * hours / 168.0 + phase[1])
        keep, spread = random.uniform(0.2, 0.9), random.uniform(0.03, 0.2)
        shocks = spread * np.sqrt(1.0 - keep**2) * random.standard_t(4.0, points)
        noise = np.zeros(points)
        for t in range(1, points):
            noise[t] = keep * noise[t - 1] + shocks[t]
        rates = size * level * (1.0 + day + week + noise)
        for start in np.flatnonzero(random.random(points) < 1.0 / 500.0):
            rates[start : start + random.integers(2, 13)] = 0.0
        columns.append(rates)
    return np.stack(columns, axis=1)
