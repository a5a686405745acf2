"""The same exact answers from compiled code, where Numba is installed (extra `fast`); nothing here loads it unasked."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidInput
from ...problem.arrays import FloatArray
from ..interface.result import NoFeasibleSplit
from ..kernels.split import NO_SHARE, NO_SUM, NO_TURNOVER, Rank, Split

BLOCK = 10_000
"""A thread is worth starting for so many problems."""
NO_RANK = np.empty(0, dtype=np.int64)


_switched_off = False


@cache
def available() -> bool:
    """True where Numba is installed; it is not loaded to find out."""
    return not _switched_off and find_spec("numba") is not None


@contextmanager
def switched_off() -> Iterator[None]:
    """Within it, and in every thread, Numba counts as not installed: for comparing what is done without it."""
    global _switched_off
    before, _switched_off = _switched_off, True
    available.cache_clear()
    try:
        yield
    finally:
        _switched_off = before
        available.cache_clear()


def require() -> None:
    """Raises InvalidInput where Numba is not installed."""
    if not available():
        raise InvalidInput("Numba is not installed; install reallot[fast], or leave the choice to solver='auto'")


@cache
def _kernels() -> Any:
    """The compiled functions; loads Numba, which takes half a second."""
    require()
    from . import split

    return split


def is_loaded(kernels: str) -> bool:
    """True where the compiled module of this name ("split", "batch", "fees", "network_simplex") was used before."""
    return f"{__package__}.{kernels}" in sys.modules


def fill_batch(inputs: dict[str, NDArray[Any]], answers: Any) -> None:
    """Fills the arrays of a batch's answers; `inputs` in the order of `batch.many`, already broadcast.

    Problems are independent, so that blocks of them are worked on at once, a thread each, with the same answers.
    """
    require()
    from . import batch

    names = ("shares", "net_benefit", "earnings_per_hour", "cost", "capacity_price", "status", "gap", "residual")
    arrays = [*inputs.values(), *(getattr(answers, name) for name in names)]
    count = len(answers.status)
    blocks = min(_processors(), count // BLOCK)
    if blocks < 2:
        batch.many(*arrays)
        return
    from concurrent.futures import ThreadPoolExecutor

    edges = [count * k // blocks for k in range(blocks + 1)]
    with ThreadPoolExecutor(blocks) as pool:
        cut = [[array[start:end] for array in arrays] for start, end in pairwise(edges)]
        for done in [pool.submit(batch.many, *each) for each in cut]:
            done.result()


def _processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def split(
    buy: FloatArray,
    sell: FloatArray,
    current: FloatArray,
    low: FloatArray,
    high: FloatArray,
    capacity: float,
    *,
    rank: Rank = None,
    idle: bool = False,
    max_bought: float = np.inf,
    max_sold: float = np.inf,
) -> Split | NoFeasibleSplit:
    """What `split.split` gives, compiled: same arguments, same answers.

    Arrays are contiguous and of doubles. `rank` is asked only where equals have to be put in order.
    """
    found, order = _kernels(), NO_RANK
    while True:
        ask = rank is not None and order is NO_RANK
        status, shares, price, on_buying, on_selling = found.one(
            buy, sell, current, low, high, capacity, order, ask, idle, max_bought, max_sold
        )
        if status == found.OPTIMAL:
            return Split(shares, price, on_buying, on_selling)
        if status != found.ASK_RANK or rank is None:
            return {found.NO_SHARE: NO_SHARE, found.NO_TURNOVER: NO_TURNOVER, found.NO_SUM: NO_SUM}[status]
        order = np.asarray(rank(), dtype=np.int64)
