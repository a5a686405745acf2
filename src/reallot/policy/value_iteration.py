"""From forecasts over several horizons to what a unit of share is worth where it stands: backwards, with move costs."""

from __future__ import annotations

import numpy as np

from .base import FloatArray


def worth(blocks: FloatArray, depths: FloatArray, costs: FloatArray) -> FloatArray:
    """(rules, n) USD that a unit of share brings from now on, from each alternative it may start in.

    blocks  (B, n) USD that a full share brings in each of B stretches of time, one after another
    depths  (rules,) how many stretches each rule looks ahead
    costs   (rules,) USD for a unit of share moved, as each rule counts them

    Backwards from 0: in each stretch a unit earns, and then stays or goes to the best place for the cost of moving,

        worth_i <- blocks[b, i] + max(worth_i, max_j worth_j - cost)

    which is the dynamic program of one unit of share with moves between stretches; units do not need each other,
    since earnings are linear.

    >>> worth(np.array([[1.0, 0.0], [0.0, 5.0]]), np.array([2]), np.array([2.0])).tolist()
    [[4.0, 5.0]]
    """
    order = np.argsort(-depths, kind="stable")  # those that look furthest first, so that the others join in behind them
    deepest, cost = depths[order].tolist(), costs[order]
    found, many = np.zeros((len(depths), blocks.shape[1])), 0
    for block in range(len(blocks) - 1, -1, -1):
        while many < len(deepest) and deepest[many] > block:
            many += 1
        now = found[:many]
        best = np.maximum.reduce(now, axis=1) - cost[:many]
        np.maximum(now, best[:, None], out=now)
        now += blocks[block]
    result = np.empty_like(found)
    result[order] = found
    return result


def stretches(forecasts: FloatArray, hours: FloatArray) -> FloatArray:
    """(B, n) USD in each stretch between one horizon and the next, from mean rates (B, n) over (B,) horizons."""
    sums: FloatArray = forecasts * hours[:, None]
    sums[1:] = sums[1:] - sums[:-1]
    return sums
