"""The search over sets of movers, compiled: the very functions of fees_search. Only `fees` imports this, if asked to.

Sets are 64-bit numbers here, so that a core may have MOST protocols.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

import numba
import numpy as np

from . import fees_search

MOST = 62
"""Protocols that a set of 64 bits can hold, the sign and one more bit left alone."""

_scope = dict(vars(fees_search))
for _name in ("above", "size", "leaves_room", "line", "worth", "push", "search"):
    # each as it is, but calling the compiled ones before it
    _plain = FunctionType(_scope[_name].__code__, _scope, _name)
    _scope[_name] = numba.njit(cache=True, nogil=True)(_plain)


def search(
    best: int,
    most: int,
    values: tuple[float, float],
    loss: list[float],
    rules: tuple[list[int], list[int]],
    turns: tuple[float, float, list[float], list[float]],
    prices: tuple[float, float, float],
    close: tuple[float, float, float],
    core: tuple[list[float], ...],
    free: tuple[list[float], ...],
    limit: int,
) -> tuple[float, int, int, float]:
    """What fees_search.search gives, same arguments, same answers; a core of more than MOST protocols goes there."""
    if len(loss) > MOST:
        return fees_search.search(best, most, values, loss, rules, turns, prices, close, core, free, limit)
    needs, bars = (np.array(sets, dtype=np.int64) for sets in rules)
    found: tuple[Any, ...] = _scope["search"](
        best,
        most,
        values,
        np.array(loss),
        (needs, bars),
        (turns[0], turns[1], np.array(turns[2]), np.array(turns[3])),
        prices,
        close,
        tuple(np.array(part) for part in core),
        tuple(np.array(part) for part in free),
        limit,
    )
    worth, movers, seen, bound = found
    return float(worth), int(movers), int(seen), float(bound)
