"""Earnings curves of a plan: known up to the present share, careful beyond, less what each unit of share costs."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping

import numpy as np

from ...errors import CalculationError, InvalidInput, near_miss, other_kind
from ...problem import EarningsCurve


def earnings_change(before: Mapping[str, float], after: Mapping[str, float], rates: Mapping[str, float]) -> float:
    """What shares `after` earn more than those `before` (USD/h), at rates by name (USD/h per unit of share).

    Raises InvalidInput where a share changes without a rate, and CalculationError where the sum is no finite number.
    """
    for what, given in (("new_allocation", after), ("earnings_rates", rates)):
        if not isinstance(given, Mapping):
            raise InvalidInput(other_kind(what, given, "numbers by name"))
        if wrong := [name for name, each in given.items() if not isinstance(each, (int, float, np.number))]:
            raise InvalidInput(f"{what}: {other_kind(repr(wrong[0]), given[wrong[0]], 'a number')}")
    terms = []
    for name in {**before, **after}:
        change = after.get(name, 0.0) - before.get(name, 0.0)
        if change != 0.0:
            if name not in rates:
                raise InvalidInput(f"no rate for {name!r}; {near_miss(name, rates)}")
            terms.append(change * rates[name])
    if not all(math.isfinite(term) for term in terms):
        raise CalculationError("shares and rates must be finite numbers; one of them is not")
    return math.fsum(terms)


def less(curve: EarningsCurve, cost: float) -> EarningsCurve:
    """Earnings after `cost`, in USD/h for each unit of share.

    >>> less(EarningsCurve.through([(0, 0), (0.5, 1.0)]), 0.5).earnings
    (0.0, 0.75)
    """
    if curve.is_flat:
        return EarningsCurve.flat(curve.last_slope - cost)
    after = tuple(earned - cost * share for share, earned in zip(curve.shares, curve.earnings, strict=True))
    return EarningsCurve(curve.shares, after, curve.last_slope - cost)


def at_a_loss(shape: EarningsCurve, share: float) -> float:
    """Earnings of each unit of a share at a rate of 1: what loses does so in proportion, whatever its shape."""
    return shape.value(share) / share if share > 0.0 else shape.slopes[0]


def bent(shape: EarningsCurve, share: float, rate: float, more: float, full: bool) -> EarningsCurve:
    """`shape` times `rate` up to `share`, and times `more` beyond; where full, nothing is gained beyond."""
    if not full and more >= rate:
        return shape.scaled(rate)
    place = bisect_left(shape.shares, share)
    before = [(x, rate * y) for x, y in zip(shape.shares[:place], shape.earnings[:place], strict=True)]
    here = rate * shape.value(share)
    if full:
        return EarningsCurve(
            (*(x for x, _ in before), share), (*(y for _, y in before), here), min(0.0, rate * shape.last_slope)
        )
    after = [
        (x, here + more * (y - shape.value(share)))
        for x, y in zip(shape.shares[place:], shape.earnings[place:], strict=True)
        if x > share
    ]
    points = [*before, (share, here), *after]
    return EarningsCurve(tuple(x for x, _ in points), tuple(y for _, y in points), more * shape.last_slope)
