"""Earnings curves of a plan: known up to the present share, careful beyond, less what each unit of share costs."""

from __future__ import annotations

from bisect import bisect_left

from ...problem import EarningsCurve


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
