"""Worlds for learning curves: six alternatives, one linear, two saturating, two hyperbolic, one with a kink.

Fixed before any estimator was run on it. Slopes at share 0 are lognormal (sigma 0.3), scaled so that their mean is
1 USD/h; the share at which a curve bends is uniform from 0.1 to 0.5. Under drift the logarithm of every height walks by
2 % an hour. Observed earnings are the true ones times 1 + noise * N(0, 1). Everything comes from the seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

KINDS = ("linear", "saturating", "saturating", "hyperbolic", "hyperbolic", "kinked")
HOURS = 120
SPREAD = 0.3
BENDS = (0.1, 0.5)
BEYOND_KINK = 0.25
DRIFT = 0.02

COST = 0.3
"""USD per unit of turnover, which is half of what all shares change by."""
MAX_CHANGE = 0.2
FLOOR = 0.01
"""What a policy that learns keeps everywhere; who knows the curves needs none."""
HORIZON_HOURS = 6.0
"""Over how long a decision counts what it gains, for those who learn and for who knows alike. All start equal."""


@dataclass(frozen=True)
class World:
    """Six true curves over `hours`.

    kinds    of each alternative, (alternatives,)
    slopes   USD/h per share at share 0, (hours, alternatives)
    bends    share at which each bends, (alternatives,)
    factors  what observed earnings are multiplied by, (hours + 1, alternatives); the first is of the hour before
    """

    kinds: tuple[str, ...]
    slopes: Floats
    bends: Floats
    factors: Floats

    @property
    def hours(self) -> int:
        """How many decisions there are."""
        return len(self.slopes)

    def earnings(self, hour: int, shares: Floats) -> Floats:
        """True USD/h in `hour` at `shares` (..., alternatives); same shape."""
        each = enumerate(zip(self.kinds, self.bends.tolist(), strict=True))
        shapes = [_shape(kind, shares[..., i], bend) for i, (kind, bend) in each]
        result: Floats = self.slopes[max(hour, 0)] * np.stack(shapes, axis=-1)
        return result

    def observed(self, hour: int, shares: Floats) -> Floats:
        """What is seen of them at the end of `hour`; -1 is the hour before the first decision."""
        result: Floats = self.earnings(hour, shares) * self.factors[hour + 1]
        return result


def world(seed: int, noise: float, drifts: bool, *, linear: bool = False, hours: int = HOURS) -> World:
    """The world of `seed`; `linear` makes all curves straight, with everything else the same."""
    random = np.random.default_rng([9, seed])
    n = len(KINDS)
    slopes = random.lognormal(0.0, SPREAD, n)
    slopes /= slopes.mean()
    bends = random.uniform(*BENDS, n)
    walk = np.cumsum(random.normal(0.0, DRIFT, (HOURS, n)), axis=0)
    factors = 1.0 + noise * random.standard_normal((HOURS + 1, n))
    heights = slopes * np.exp(walk) if drifts else np.tile(slopes, (HOURS, 1))
    return World(("linear",) * n if linear else KINDS, heights[:hours], bends, factors[: hours + 1])


def _shape(kind: str, shares: Floats, bend: float) -> Floats:
    """Earnings at `shares` of a curve with slope 1 at share 0."""
    if kind == "saturating":
        return bend * -np.expm1(-shares / bend)
    if kind == "hyperbolic":
        return shares / (1.0 + shares / bend)
    if kind == "kinked":
        return np.minimum(shares, bend) + BEYOND_KINK * np.maximum(shares - bend, 0.0)
    return shares
