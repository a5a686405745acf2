"""Some hosts of a fleet that stay where they are worked on: they answer rounds of prices and remember the last few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...problem.arrays import BoolArray, FloatArray, IntArray
from .block import Block, BlockAnswer

SAME = 1e-11
"""Uses and values that differ by less than this part of the largest are of one answer."""


@dataclass(frozen=True)
class RoundAnswer:
    """What a shard says after a round: its bound, and value and use by group of units.

    failed  places of hosts that have no plan of their own
    """

    bound: float
    value: FloatArray
    use: FloatArray
    failed: IntArray


@dataclass(frozen=True)
class OpenUnits:
    """The units whose last answers differ, each with its different answers; all others are taken as they are.

    value, use       what the settled units are worth and use together
    unit, answer     (columns,) number of the unit in the shard, and of the kept round that the column is from
    columns, uses    (columns,) and (columns, rows) value and use of a column
    whole            (columns,) True where the unit takes one of its answers
    """

    value: float
    use: FloatArray
    unit: IntArray
    answer: IntArray
    columns: FloatArray
    uses: FloatArray
    whole: BoolArray


class Shard:
    """Blocks of hosts with the memory of their last `kept` rounds."""

    def __init__(self, blocks: Sequence[Block], groups: int, rows: int) -> None:
        self.blocks, self.groups, self.rows = list(blocks), groups, rows
        self.prices: list[FloatArray] = []
        self.answers: list[list[BlockAnswer]] = []
        self.starts = np.cumsum([0, *(block.weights.size for block in self.blocks)])

    def answer(self, prices: FloatArray, kept: int) -> RoundAnswer:
        """The answers of all units at these prices, summed by group; the round is remembered among the last `kept`."""
        answered = [block.answer(prices) for block in self.blocks]
        self.prices = [*self.prices, prices][-kept:]
        self.answers = [*self.answers, answered][-kept:]
        value, use = np.zeros(self.groups), np.zeros((self.groups, self.rows))
        for block, given in zip(self.blocks, answered, strict=True):
            member = np.arange(block.weights.size) % self.groups
            value += np.bincount(member, given.value * block.weights, self.groups)
            for k in range(self.rows):
                use[:, k] += np.bincount(member, given.use[:, k] * block.weights, self.groups)
        failed = [
            block.hosts_at(np.flatnonzero(given.failed)[:10])
            for block, given in zip(self.blocks, answered, strict=True)
            if given.failed.any()
        ]
        nobody = np.empty(0, dtype=np.intp)
        return RoundAnswer(sum(given.bound for given in answered), value, use, np.concatenate([nobody, *failed]))

    def open_units(self) -> OpenUnits:
        """The units whose remembered answers differ, as columns."""
        parts = [self._open(b) for b in range(len(self.blocks))]
        joined = [np.concatenate([part[i] for part in parts]) for i in range(2, 7)]
        return OpenUnits(sum(part[0] for part in parts), sum((part[1] for part in parts), np.zeros(self.rows)), *joined)

    def _open(self, b: int) -> tuple[float, FloatArray, IntArray, IntArray, FloatArray, FloatArray, BoolArray]:
        block, rounds = self.blocks[b], [answered[b] for answered in self.answers]
        last, weights = rounds[-1], block.weights
        near_use = SAME * np.maximum(np.abs(last.use).max(axis=0, initial=0.0), 1e-300)
        near_value = SAME * max(float(np.abs(last.value).max(initial=0.0)), 1e-300)

        def same(one: BlockAnswer, other: BlockAnswer, at: IntArray | slice) -> BoolArray:
            apart = np.abs(one.use[at] - other.use[at]) <= near_use
            alike: BoolArray = apart.all(axis=1) & (np.abs(one.value[at] - other.value[at]) <= near_value)
            return alike

        settled = np.ones(weights.size, dtype=bool)
        for other in rounds[:-1]:
            settled &= same(other, last, slice(None))
        free = np.flatnonzero(~settled)
        unit, answer = [], []
        for j, given in enumerate(rounds):
            fresh = np.ones(free.size, dtype=bool)
            for later in rounds[j + 1 :]:
                fresh &= ~same(given, later, free)
            unit.append(free[fresh])
            answer.append(np.full(unit[-1].size, j))
        places, of = np.concatenate(unit), np.concatenate(answer)
        value = np.empty(places.size)
        use = np.empty((places.size, self.rows))
        for j, given in enumerate(rounds):
            mine = of == j
            value[mine] = given.value[places[mine]] * weights[places[mine]]
            use[mine] = given.use[places[mine]] * weights[places[mine], None]
        base = float((last.value * weights)[settled].sum())
        base_use = (last.use * weights[:, None])[settled].sum(axis=0)
        whole = np.full(places.size, block.whole)
        return base, base_use, places + self.starts[b], of, value, use, whole

    def plan(self, unit: IntArray, answer: IntArray, part: FloatArray) -> list[tuple[IntArray, FloatArray]]:
        """Places of hosts and their shares: of open units the mixture of answers, of all others the last one.

        unit, answer, part  (columns,) as `open_units` numbers them, with the part that each column is taken at
        """
        result = []
        for b, block in enumerate(self.blocks):
            every = np.arange(block.weights.size)
            rows, shares = block.shares(self.prices[-1], every)
            mine = (unit >= self.starts[b]) & (unit < self.starts[b + 1])
            units, of, parts = unit[mine] - self.starts[b], answer[mine], part[mine]
            opened = np.unique(units)
            if opened.size:
                owner = block.hosts_of(every)
                mixed = np.isin(owner, opened)
                shares[mixed] = 0.0
                position = np.full(len(block.places), -1)
                position[rows] = np.arange(rows.size)
                for j, prices in enumerate(self.prices):
                    taken = np.flatnonzero((of == j) & (parts > 0.0))
                    if not taken.size:
                        continue
                    order = np.argsort(units[taken], kind="stable")
                    chosen, weight = units[taken][order], parts[taken][order]
                    at, found = block.shares(prices, chosen)
                    shares[position[at]] += weight[block.hosts_of(chosen), None] * found
            result.append((block.places[rows], shares))
        return result
