"""What a unit of share costs by the hour, taken off earnings curves: power, and what idle capacity would earn."""

from __future__ import annotations

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
