"""How time grows with the number of protocols, one period: the kernels on arrays, and allocate() the whole way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .kernel import kernels
from .race import seconds_of
from .step import Step, allocations

KERNEL = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
WHOLE = (10, 100, 1_000, 10_000)
STEEP_FROM = 1_000
"""The slope is fitted from this size on: below it the cost of a call hides the growth."""


@dataclass(frozen=True)
class Growth:
    """Median wall-clock seconds of `what` at `size` protocols."""

    what: str
    size: int
    seconds: float


def measure(smoke: bool, repeats: int) -> list[Growth]:
    """Sizes from 10 on, ten times larger at each step."""
    rows = []
    for size in KERNEL[:2] if smoke else KERNEL:
        step = Step.of(size, variants=1)
        rows += [Growth(f"kernel, {name}", size, seconds_of(run, repeats)) for name, run in kernels(step).items()]
        if size in WHOLE:
            rows += [Growth(way.name, size, seconds_of(way.run, repeats)) for way in allocations(step)]
    return rows


def slope(rows: list[Growth], what: str) -> float | None:
    """Least-squares slope of log time against log size from STEEP_FROM on; 1 is in proportion."""
    points = [(row.size, row.seconds) for row in rows if row.what == what and row.size >= STEEP_FROM]
    if len(points) < 2:
        return None
    sizes, seconds = np.log(np.array(points)).T
    return float(np.polyfit(sizes, seconds, 1)[0])
