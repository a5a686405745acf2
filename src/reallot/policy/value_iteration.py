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
    result = np.zeros((len(depths), blocks.shape[1]))
    for block in range(len(blocks) - 1, -1, -1):
        best = result.max(axis=1) - costs
        step = blocks[block] + np.maximum(result, best[:, None])
        looks = (block < depths)[:, None]
        # before its first stretch a rule knows nothing: what is worth 0 everywhere stays so
        result = np.where(looks, step, 0.0)
    return result


def stretches(forecasts: FloatArray, hours: FloatArray) -> FloatArray:
    """(B, n) USD in each stretch between one horizon and the next, from mean rates (B, n) over (B,) horizons."""
    sums = forecasts * hours[:, None]
    return np.diff(sums, axis=0, prepend=0.0)
