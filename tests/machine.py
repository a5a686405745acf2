"""How fast the machine is: what takes a second on the reference may take as much longer here as fixed work does."""

from __future__ import annotations

from statistics import median
from time import process_time

REFERENCE = 0.022
"""Seconds of processor time that `_work` takes on the reference: two cores of 2024, nothing else running."""


def slower() -> float:
    """How many times as long as on the reference work takes now, at least 1: for ceilings of processor time."""
    return max(1.0, median(_work() for _ in range(5)) / REFERENCE)


def _work() -> float:
    """Processor time of a fixed piece of work."""
    started = process_time()
    sum(k * k % 7 for k in range(300_000))
    return process_time() - started
