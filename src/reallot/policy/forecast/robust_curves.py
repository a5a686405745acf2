"""Earnings curves by concave L1 regression, a linear program: outliers hardly move them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import SolverFailed
from ...problem.curve import EarningsCurve
from ...program import Columns, LinearProgram, Rows, Status, cells, diagonal
from ...solvers import solve
from .curves import BEND, HALF_LIFE, NOISE, NOISE_COUNTS, OWN_NOISE_AFTER, curve_at, knots_to
from .share_earnings_pairs import checked, checked_half_life, checked_names, checked_top, nothing_seen

FloatArray = NDArray[np.float64]

BINS = 24
"""Pairs whose shares fall into the same of so many equal parts are one: their median earnings per share."""
PRIOR_WEIGHT = 0.7
"""What the prior curve counts at each knot, in pairs, where noise is as large as what is earned; in proportion else."""
GAUSSIAN = 0.6745
"""Half of normal numbers are within so many standard deviations of their mean."""
LEAST_KNOT = 1e-4
"""Curves are not fitted with bends below this part of the largest share."""


def robust_curves(
    names: Iterable[str],
    shares: ArrayLike,
    earnings: ArrayLike,
    observed: ArrayLike | None = None,
    *,
    half_life: float = HALF_LIFE,
    largest_share: float = 1.0,
) -> list[EarningsCurve]:
    """A concave curve for each of `names`, the nearest to the pairs by the sum of absolute misses; through 0, 12 knots.

    shares, earnings, observed
               (observations, protocols), oldest first: shares held, USD/h earned, and which pairs count (all)
    half_life  observations of a protocol after which a pair counts half; math.inf forgets nothing

    A miss is one of earnings per share. Pairs are binned by share, each bin its weighted median; a curve is fitted with
    bends at these shares and at the knots, and handed on at the knots. It never falls, but where the protocol loses
    money it is straight. At each knot the curve is drawn a little to the line of the protocol's median earnings per
    share, the more the noisier its pairs are. So it goes on as it went where there are no pairs. One never tried has
    the bent prior of `CurveLearner`, at the median of all. One linear program each, some milliseconds: `CurveLearner`
    is far quicker.

    Raises InvalidInput as `CurveLearner.seen` does, and where no protocol has any pair.

    >>> import numpy as np
    >>> share = np.linspace(0.05, 0.95, 30)[:, None]
    >>> earned = 2 * share - share**2
    >>> earned[7] = 50.0
    >>> round(robust_curves(["relay"], share, earned)[0].value(0.5), 2)
    0.75
    """
    known, top, forget = checked_names(names), checked_top(largest_share), checked_half_life(half_life)
    rows = None if observed is None else np.atleast_2d(observed)
    share, rate, counts = checked(known, np.atleast_2d(shares), np.atleast_2d(earnings), rows, top)
    later = np.cumsum(counts[::-1], axis=0)[::-1] - counts
    pairs = list(zip(share.T, rate.T, (counts * 0.5 ** (later / forget)).T, strict=True))
    if not counts.any():
        raise nothing_seen()
    levels = [_median(rate, weight) for _, rate, weight in pairs]
    pooled = float(np.nanmedian(levels))
    bent = _prior(knots_to(top))
    priors = [bent * pooled if np.isnan(level) else np.full(bent.size, level) for level in levels]
    counts_for = (PRIOR_WEIGHT * _noise(pairs, levels)).tolist()
    return [
        _fit(*_binned(*pair, top), prior, count, top)
        for pair, prior, count in zip(pairs, priors, counts_for, strict=True)
    ]


def _prior(share: FloatArray) -> FloatArray:
    """Earnings per share of the prior curve at level 1: slope 1, the usual bend, flat once it would turn down."""
    reach = np.minimum(share, 1.0 / BEND)
    return np.divide(reach - 0.5 * BEND * reach**2, share, out=np.ones(share.shape), where=share > 0.0)


def _noise(pairs: Sequence[tuple[FloatArray, FloatArray, FloatArray]], levels: Sequence[float]) -> FloatArray:
    """(protocols,) noise of pairs relative to each one's level: everybody's, and more and more the own.

    It is what neighbours in share differ by, the median of them: curves hardly bend between neighbours, and outliers
    are few.
    """
    each = [_own_noise(*pair, level) for pair, level in zip(pairs, levels, strict=True)]
    squares, counts = (np.array(values) for values in zip(*each, strict=True))
    common = (NOISE_COUNTS * NOISE**2 + counts @ squares) / (NOISE_COUNTS + counts.sum())
    return np.asarray(np.sqrt((OWN_NOISE_AFTER * common + counts * squares) / (OWN_NOISE_AFTER + counts)))


def _own_noise(share: FloatArray, rate: FloatArray, weight: FloatArray, level: float) -> tuple[float, float]:
    """One protocol's squared relative noise, at most 1, and from how many differences; 0 from none."""
    order = np.argsort(share, kind="stable")
    order = order[weight[order] > 0.0]
    if order.size < 2 or level == 0.0:
        return 0.0, 0.0
    counts = np.minimum(weight[order[1:]], weight[order[:-1]])
    apart = _median(np.abs(np.diff(rate[order])), counts) / (GAUSSIAN * math.sqrt(2.0) * abs(level))
    return min(apart, 1.0) ** 2, float(counts.sum())


def _median(values: FloatArray, weights: FloatArray) -> float:
    """Weighted median; NaN where nothing has weight."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    if reached[-1] <= 0.0:
        return float("nan")
    return float(values[order][np.searchsorted(reached, 0.5 * reached[-1])])


def _binned(
    share: FloatArray, rate: FloatArray, weight: FloatArray, top: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """One protocol's pairs by parts of the share: mean share, median earnings per share and weight of each part."""
    part = np.minimum((share * (BINS / top)).astype(int), BINS - 1)
    bins = [part == k for k in np.unique(part[weight > 0.0])]
    means = np.array([np.average(share[each], weights=weight[each]) for each in bins])
    medians = np.array([_median(rate[each], weight[each]) for each in bins])
    return means, medians, np.array([weight[each].sum() for each in bins])


def _fit(
    share: FloatArray, rate: FloatArray, weight: FloatArray, prior: FloatArray, counts_for: float, top: float
) -> EarningsCurve:
    """The curve nearest to one protocol's binned pairs, and a little to `prior`, earnings per share at the knots.

    Earnings are the sum over bends of drop * min(share, bend), drop >= 0: concave and never falling whatever the drops.
    Those of a protocol that loses money are line * share, line <= 0. With bends at the knots alone, all shares below
    the first would have to earn as much for each unit. What is known of the smallest would hide the others.
    """
    at_knots, loses = knots_to(top), prior[0] < 0.0
    knots = np.unique(np.concatenate([at_knots, share[share > LEAST_KNOT * top]]))
    unit = float(np.abs(np.concatenate([rate, prior])).max()) or 1.0
    at = np.concatenate([share, at_knots])
    target = np.concatenate([rate, prior]) / unit
    counts = np.concatenate([weight, np.full(at_knots.size, counts_for)])
    most = 2.0 * (1.0 + float(np.abs(target).max()))
    rows = range(at.size)
    per_share = np.minimum(at[:, None], knots) / at[:, None]
    row, column = np.indices(per_share.shape)
    falls = np.full(1, -most if loses else 0.0)
    bends = np.full(knots.size, 0.0 if loses else most)
    none, missed = np.zeros(at.size), np.full(at.size, 4.0 * most * knots.size)
    program = LinearProgram(
        columns=(
            Columns("drop", range(knots.size), np.zeros(knots.size), np.zeros(knots.size), bends),
            Columns("line", ["line"], np.zeros(1), falls, np.zeros(1)),
            Columns("above", rows, -counts, none, missed),
            Columns("below", rows, -counts, none, missed),
        ),
        rows=(
            Rows(
                "pair",
                rows,
                {
                    "drop": cells(row, column, per_share),
                    "line": cells(rows, 0, 1.0),
                    "above": diagonal(-1.0, at.size),
                    "below": diagonal(1.0, at.size),
                },
                target,
                target,
            ),
        ),
    )
    solution = solve(program)
    if solution.status is not Status.OPTIMAL or solution.values is None:
        raise SolverFailed(
            f"the L1 fit of a curve to {share.size} bins ended {solution.status.value}: {solution.detail}"
        )
    # a solver's rounding may leave a drop a little below 0
    drops, line = np.maximum(solution.values[: knots.size], 0.0), min(solution.values[knots.size], 0.0)
    earnings = unit * (line * at_knots + np.minimum(at_knots[:, None], knots) @ drops)
    return curve_at(at_knots, earnings)
