"""A batch whose costs rise with the change: each protocol as several, one for each tier, and put together again.

What a protocol takes or gives first is the first part's, at the first price. As prices rise, the steepest parts are
those that come first, so that the batch's own sort fills them in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import InvalidInput
from ...problem.effective import PRESENT
from ...problem.tiers import Tiers
from ...problem.validation import LARGEST, brief, in_order, number_array
from .batch import Answers, BatchStatus, Inputs, solve

FloatArray = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class BatchTiers:
    """The tiers after the first, K of them: sizes at which they begin and their prices, (K, problems, protocols)."""

    start: FloatArray
    price: FloatArray

    @classmethod
    def of(cls, given: Any, move_cost: FloatArray, shape: tuple[int, int]) -> BatchTiers:
        """Checked (start, price) pairs after the first price `move_cost`, each broadcast to `shape`."""
        starts, prices = [np.zeros(shape)], [np.broadcast_to(move_cost, shape)]
        for k, each in enumerate(in_order(given, "tiers", "(start, price) pairs, such as [(0.1, 0.05)]")):
            if not isinstance(each, (tuple, list)) or len(each) != 2:
                raise InvalidInput(f"tier {k + 1} is {brief(each)}; give (start, price), such as (0.1, 0.05)")
            for name, value, found in (("start", each[0], starts), ("price", each[1], prices)):
                what = f"{name} of tier {k + 1}"
                array = number_array(value, what)
                if not ((array >= 0.0) & (array <= LARGEST)).all():
                    raise InvalidInput(f"{what} has an entry that is no number from 0 to {LARGEST:g}")
                try:
                    found.append(np.broadcast_to(array, shape))
                except ValueError:
                    raise InvalidInput(
                        f"{what} has shape {array.shape}; it must broadcast to (problems, protocols) {shape}"
                    ) from None
            if (starts[-1] <= starts[-2]).any():
                raise InvalidInput(f"tier {k + 1} does not begin after the one before it; give starts that rise")
            if (prices[-1] < prices[-2]).any():
                raise InvalidInput(
                    f"the price of tier {k + 1} is below the one before it; a batch takes prices that rise: decide "
                    "those that fall one by one, with allocate"
                )
        return cls(np.array(starts[1:]), np.array(prices[1:]))

    def of_protocol(self, k: int, i: int, first: float) -> Tiers:
        """The tiers of one protocol of problem k, after its first price."""
        starts = [0.0, *self.start[:, k, i].tolist()]
        widths = [*np.diff(starts).tolist(), None]
        return Tiers(list(zip(widths, [first, *self.price[:, k, i].tolist()], strict=True)))


def as_pairs(tiers: Tiers) -> tuple[float, Sequence[tuple[float, float]]]:
    """The price of the first tier, and (start, price) of those after it."""
    return tiers.prices[0], list(zip(tiers.starts[1:], tiers.prices[1:], strict=True))


def solve_in_tiers(inputs: Inputs, tiers: BatchTiers, solver: str) -> Answers:
    """The answers to a batch in tiers: that of its parts, put together."""
    answers = solve(_parts(inputs, tiers), solver)
    shape = (*inputs.shape, len(tiers.start) + 1)
    shares = answers.shares.reshape(shape).sum(axis=2)
    current = np.broadcast_to(inputs.current, inputs.shape)
    # parts are sums of shares but for their rounding: what does not move stands where it stood
    parts = _spread(current, _widths(tiers))
    unmoved = (answers.shares.reshape(shape) == parts).all(axis=2) | (answers.status == BatchStatus.INFEASIBLE)[:, None]
    return replace(answers, shares=np.where(unmoved, current, shares))


def _widths(tiers: BatchTiers) -> FloatArray:
    """Width of each part, the last one endless: (problems, protocols, K + 1)."""
    starts = np.concatenate([np.zeros((1, *tiers.start.shape[1:])), tiers.start])
    ends = np.concatenate([tiers.start, np.full((1, *tiers.start.shape[1:]), np.inf)])
    return np.moveaxis(ends - starts, 0, 2)


def _spread(amount: FloatArray, widths: FloatArray) -> FloatArray:
    """Amounts (problems, protocols) in parts of these widths, the first part filled first."""
    begins = np.concatenate([np.zeros((*widths.shape[:2], 1)), np.cumsum(widths[:, :, :-1], axis=2)], axis=2)
    result: FloatArray = np.minimum(np.maximum(amount[:, :, None] - begins, 0.0), widths)
    return result


def _parts(inputs: Inputs, tiers: BatchTiers) -> Inputs:
    """The batch with each protocol in K + 1 parts side by side."""
    whole, widths = inputs.whole(), _widths(tiers)
    count, size, parts = widths.shape

    def flat(array: Any) -> Any:
        return np.ascontiguousarray(np.broadcast_to(array, widths.shape)).reshape(count, size * parts)

    current = whole["current"]
    low = np.maximum(whole["lower"], current - whole["max_change"])
    high = np.minimum(whole["upper"], current + whole["max_change"])
    low = np.where(whole["held"], np.maximum(low, current), low)
    high = np.where(whole["held"], np.minimum(high, current), high)
    low = np.where((low > current) & (low <= current + PRESENT), current, low)
    high = np.where((high < current) & (high >= current - PRESENT), current, high)
    own = _spread(current, widths)
    rise, forced = _spread(np.maximum(high - current, 0.0), widths), _spread(np.maximum(low - current, 0.0), widths)
    fall, driven = _spread(np.maximum(current - low, 0.0), widths), _spread(np.maximum(current - high, 0.0), widths)
    lower = np.where((low > current)[:, :, None], own + forced, own - np.minimum(fall, own))
    upper = np.where((high < current)[:, :, None], own - np.minimum(driven, own), own + rise)
    price = np.concatenate([whole["move_cost"][None], tiers.price])
    return replace(
        inputs,
        shape=(count, size * parts),
        rates=flat(whole["rates"][:, :, None]),
        current=flat(own),
        lower=flat(np.where((low > high + PRESENT)[:, :, None], upper + 1.0, lower)),
        upper=flat(upper),
        max_change=None,
        held=None,
        move_cost=flat(np.moveaxis(price, 0, 2)),
        mask=None if inputs.mask is None else flat(whole["mask"][:, :, None]),
    )
