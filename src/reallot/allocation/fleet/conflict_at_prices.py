"""Which shared limits of a large fleet conflict: the least that hosts can do with, one row alone and all together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...errors import Infeasible, Relaxation
from ...problem.arrays import FloatArray
from .batch_block import BatchBlock
from .infeasible import NOTHING, conflict_of, loosen
from .prices import BoxStep
from .rows import SharedRows

ROUNDS = 60


def why_no_plan_at_prices(shared: SharedRows, counts: FloatArray) -> Infeasible | None:
    """The error of a large fleet whose hosts have plans, but none together under the shared rows.

    None where that is not proved. Money is left out: each host then only chooses how to use least of what is priced.
    """
    block = BatchBlock(shared, counts, money=0.0)
    room = shared.limits - counts @ shared.now
    unit = np.maximum(np.abs(shared.limits), 1.0)
    needed = []
    for k in range(room.size):
        prices = np.zeros(room.size)
        prices[k] = 1.0 / unit[k]
        least = float(counts @ block.answer(prices).use[:, k])
        needed.append(float(max(0.0, least - room[k])))
    single = [
        (row, least) for row, least in zip(shared.rows, needed, strict=True) if least > NOTHING * max(1.0, row.limit)
    ]
    if single:
        ways = [Relaxation(row.name, least, loosen(row, least)) for row, least in single]
        return conflict_of(single, ways if len(single) == 1 else [])
    return _together(shared, block, room, unit)


def _together(shared: SharedRows, block: BatchBlock, room: FloatArray, unit: FloatArray) -> Infeasible | None:
    """Rows that conflict only together: at the prices that prove it, each row counts by its size; None without."""
    prices, groups = 0.5 / unit, min(40, block.weights.size)
    master = BoxStep(room, prices, prices, 1.0 / unit)
    member = np.arange(block.weights.size) % groups
    for _ in range(ROUNDS):
        given = block.answer(prices)
        use = np.stack([np.bincount(member, column * block.weights, groups) for column in given.use.T], axis=1)
        master.add(prices, given.bound + float(prices @ room), np.zeros(groups), use.astype(float))
        step = master.step()
        if step.inside and master.bound - step.model <= NOTHING:
            break
        prices = step.prices
    amount = float(-master.bound)
    rows = [row for k, row in enumerate(shared.rows) if master.center[k] * unit[k] > 1e-6]
    if amount <= NOTHING or not rows:
        return None
    price = {row.name: float(master.center[k]) for k, row in enumerate(shared.rows)}
    ways = [Relaxation(row.name, amount / price[row.name], loosen(row, amount / price[row.name])) for row in rows]
    names = tuple(row.name for row in rows)
    message = (
        f"{', '.join(names[:-1])} and {names[-1]} cannot be met together by what the hosts may do; "
        f"loosen them, the cheapest way first: at least {ways[0].text}"
    )
    error = conflict_of([(row, amount / price[row.name]) for row in rows], ways)
    assert error.conflict is not None
    return Infeasible(message, replace(error.conflict, message=message, amount=amount))
