"""Earnings curves learned from (share, earnings) pairs: quadratics that never bend upwards, with their uncertainty."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...problem.curve import EarningsCurve
from .share_earnings_pairs import checked, checked_half_life, checked_names, checked_top, nothing_seen

FloatArray = NDArray[np.float64]

HALF_LIFE = 48.0
"""Observations after which a pair counts half."""
KNOTS = 12
"""Breakpoints of a curve that is handed on."""
SLOPE_SPREAD = 0.3
"""Standard deviation of slopes at share 0 about the pooled one, as a part of it; more where more is seen."""
BEND, BEND_SPREAD = 0.5, 0.7
"""Mean of the bend as a part of the slope, and its standard deviation as a part of the protocol's own level."""
NOISE, NOISE_COUNTS = 0.1, 2.0
"""Noise of a pair, as a part of its earnings, and how many pairs that guess counts for."""
OWN_NOISE_AFTER = 8.0
"""Pairs after which a protocol's own noise counts as much as everybody's."""


@dataclass(frozen=True, eq=False)
class CurveEstimates:
    """Each protocol's curve `slope * share - bend * share**2 / 2` (USD/h), arrays of shape (protocols,).

    Parameters
    ----------
    names
        Names of the protocols.
    slope, bend
        USD/h per unit of share at share 0, and how much of it each share more takes away; the bend is not below 0.
    slope_sd, bend_sd
        Standard deviations of both, before the cut at a bend of 0.
    noise
        Standard deviation of one pair's earnings per share (USD/h per unit of share).
    weight
        Pairs behind it, the old ones counted for what they still count; 0 where never tried.
    """

    names: tuple[str, ...]
    slope: FloatArray
    bend: FloatArray
    slope_sd: FloatArray
    bend_sd: FloatArray
    noise: FloatArray
    weight: FloatArray


@dataclass(frozen=True, eq=False)
class CurveLearner:
    """Learn earnings curves from pairs of share and earnings, by Bayesian least squares.

    A learner is a value: `seen` returns the next one.

    Parameters
    ----------
    names
        Names of the protocols.
    half_life
        Number of observations of a protocol after which a pair counts half; math.inf forgets nothing.
    largest_share
        The curves go this far, and no share may be larger.
    moments
        (6, protocols) all that is kept: weight, weighted means of share and of earnings per share, and weighted sums of
        their squares and product about these. None is a fresh start.

    Raises
    ------
    InvalidInput
        Where a name comes twice or a number is outside its range.

    Notes
    -----
    Earnings over share are taken as `slope - bend * share / 2` plus noise in proportion to a protocol's level. Slopes
    have a normal prior about the pooled earnings per share (30 % wide, or as wide as protocols are seen to differ).
    Bends have one about half the slope (70 % of the level wide), cut at 0. The noise is estimated from the residuals.
    Outliers are not cut out.

    Examples
    --------
    >>> import numpy as np
    >>> from reallot import CurveLearner
    >>> learner = CurveLearner(("relay", "compute", "storage"))
    >>> for share in np.linspace(0.1, 0.9, 60):
    ...     learner = learner.seen([share, 1 - share, 0], [2 * share - share**2, 1 - share, 0])
    >>> relay, compute, storage = learner.curves()
    >>> round(relay.value(0.5), 2), round(compute.value(0.5), 2), relay.is_concave
    (0.75, 0.5, True)
    >>> learner.estimates().weight.round().tolist()
    [40.0, 40.0, 0.0]
    """

    names: tuple[str, ...]
    half_life: float = field(default=HALF_LIFE, kw_only=True)
    largest_share: float = field(default=1.0, kw_only=True)
    moments: FloatArray | None = field(default=None, kw_only=True, repr=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "names", checked_names(self.names))
        put(self, "half_life", checked_half_life(self.half_life))
        put(self, "largest_share", checked_top(self.largest_share))
        if self.moments is None:
            put(self, "moments", np.zeros((6, len(self.names))))

    def seen(self, shares: ArrayLike, earnings: ArrayLike, observed: ArrayLike | None = None) -> CurveLearner:
        """Return the learner after one more pair of each protocol.

        Parameters
        ----------
        shares
            (protocols,) shares held. A share of 0 says nothing and is skipped.
        earnings
            (protocols,) earnings meanwhile (USD/h).
        observed
            (protocols,) False where the pair is to be skipped, whatever it holds. None is all.

        Returns
        -------
        CurveLearner
            A new learner; this one stays as it is.

        Raises
        ------
        InvalidInput
            Where a number is NaN, a share is below 0 or above `largest_share`, or share 0 earns something.
        """
        share, rate, added = checked(self.names, shares, earnings, observed, self.largest_share)
        weight, mean_share, mean_rate, *sums = self._moments
        kept = 0.5 ** (added / self.half_life)
        total = kept * weight + added
        part = np.divide(added, total, out=np.zeros(total.size), where=total > 0.0)
        off_share, off_rate = share - mean_share, rate - mean_rate
        products = np.stack([off_share * off_share, off_share * off_rate, off_rate * off_rate])
        moments = np.vstack(
            [
                total,
                mean_share + part * off_share,
                mean_rate + part * off_rate,
                kept * np.stack(sums) + kept * weight * part * products,
            ]
        )
        return replace(self, moments=moments)

    def estimates(self) -> CurveEstimates:
        """Return slopes and bends with their standard deviations.

        Returns
        -------
        CurveEstimates
            Arrays (protocols,).

        Raises
        ------
        InvalidInput
            Where no protocol was seen earning yet.
        """
        kept = self._moments
        if not kept[0].any():
            raise nothing_seen()
        # in units of the largest rate, so that squares of very small or large money stay numbers
        unit = float(np.abs(kept[2]).max()) or 1.0
        moments = kept / np.array([1.0, 1.0, unit, 1.0, unit, unit])[:, None]
        moments[5] /= unit
        weight, share, rate, shares, cross, _ = moments
        slope, slope_width, level = _pooled(moments)
        noise = _noise(moments, level)
        bend_width = BEND_SPREAD * level
        # precision and its product with the mean: the prior's, and that of rate = slope - bend * share / 2
        a = weight / noise**2 + 1.0 / slope_width**2 + (BEND / bend_width) ** 2
        b = -0.5 * weight * share / noise**2 - BEND / bend_width**2
        d = 0.25 * (shares + weight * share**2) / noise**2 + 1.0 / bend_width**2
        u = weight * rate / noise**2 + slope / slope_width**2
        v = -0.5 * (cross + weight * share * rate) / noise**2
        determinant = a * d - b * b
        bend = np.maximum((a * v - b * u) / determinant, 0.0)
        return CurveEstimates(
            names=self.names,
            slope=unit * (u - b * bend) / a,
            bend=unit * bend,
            slope_sd=unit * np.sqrt(d / determinant),
            bend_sd=unit * np.sqrt(a / determinant),
            noise=unit * noise,
            weight=weight.copy(),
        )

    def curves(self) -> list[EarningsCurve]:
        """Return a concave curve for each protocol.

        Returns
        -------
        list
            One EarningsCurve for each of `names`, through 0 and 12 knots up to `largest_share`. It is flat where its
            quadratic would turn down, and straight where it falls from the start. A protocol that was never tried has
            the curve of the pooled prior.

        Raises
        ------
        InvalidInput
            Where no protocol was seen earning yet.
        """
        found = self.estimates()
        knots = knots_to(self.largest_share)
        middles = knots - 0.5 * knots[0]
        slopes = found.slope[:, None] - found.bend[:, None] * middles
        slopes = np.maximum(slopes, np.minimum(found.slope, 0.0)[:, None])
        return [curve_at(knots, row) for row in np.cumsum(slopes * knots[0], axis=1)]

    @property
    def _moments(self) -> FloatArray:
        assert self.moments is not None
        return self.moments


def _pooled(moments: FloatArray) -> tuple[float, float, FloatArray]:
    """Pooled earnings per share, how widely slopes are spread about it, and each protocol's own level; USD/h."""
    weight, _, rate, *_ = moments
    counts = np.minimum(weight, 1.0)
    pooled = float(np.average(rate, weights=counts))
    seen = math.sqrt(float(np.average((rate - pooled) ** 2, weights=counts)))
    level = (weight * np.abs(rate) + abs(pooled)) / (weight + 1.0)
    # where nothing earns anything, any width will do
    return pooled, max(SLOPE_SPREAD * abs(pooled), seen) or 1.0, np.where(level > 0.0, level, seen or 1.0)


def _noise(moments: FloatArray, level: FloatArray) -> FloatArray:
    """Standard deviation of a pair's earnings per share: everybody's relative one, and more and more the own."""
    weight, _, _, shares, cross, rates = moments
    explained = np.divide(cross**2, shares, out=np.zeros(shares.size), where=shares > 0.0)
    left = np.maximum(rates - explained, 0.0) / level**2
    freedom = np.maximum(weight - 2.0, 0.0)
    common = (NOISE_COUNTS * NOISE**2 + left.sum()) / (NOISE_COUNTS + freedom.sum())
    own = (OWN_NOISE_AFTER * common + left) / (OWN_NOISE_AFTER + freedom)
    return np.asarray(level * np.sqrt(own))


def knots_to(largest_share: float) -> FloatArray:
    """The shares above 0 at which curves bend, (12,), equally far apart."""
    return largest_share * np.arange(1, KNOTS + 1) / KNOTS


def curve_at(knots: FloatArray, earnings: FloatArray) -> EarningsCurve:
    """Through (0, 0) and `earnings` (USD/h) at `knots`; beyond, flat, or falling on as it fell."""
    beyond = min(float(earnings[-1] - earnings[-2]) / float(knots[-1] - knots[-2]), 0.0)
    return EarningsCurve((0.0, *knots.tolist()), (0.0, *earnings.tolist()), beyond)
