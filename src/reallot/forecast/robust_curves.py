"""Earnings curves by concave L1 regression, a linear program: outliers hardly move them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import SolverFailed
from ..problem.curve import EarningsCurve
from ..program import Columns, LinearProgram, Rows, Status, cells, diagonal
from ..solvers import solve
from .curves import BEND, HALF_LIFE, curve_at, knots_to
from .pairs import checked, checked_half_life, checked_names, checked_top, nothing_seen

FloatArray = NDArray[np.float64]

BINS = 24
"""Pairs whose shares fall into the same of so many equal parts are one: their median earnings per share."""
PRIOR_WEIGHT = 0.1
"""What the prior curve counts at each knot, in pairs."""


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

    A miss is one of earnings per share. Pairs are binned by share, each bin its weighted median. A curve never falls,
    but where the protocol loses money it is straight. At each knot it is drawn a little to the line of the protocol's
    median earnings per share, so that it goes on as it went where no pairs are; one never tried has the bent prior of
    `CurveLearner`, at the median of all. One linear program each, some milliseconds: `CurveLearner` is far quicker, and
    better where there are no outliers.

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
    return [
        _fit(*_binned(*pair, top), bent * pooled if np.isnan(level) else np.full(bent.size, level), top)
        for pair, level in zip(pairs, levels, strict=True)
    ]


def _prior(share: FloatArray) -> FloatArray:
    """Earnings per share of the prior curve at level 1: slope 1, the usual bend, flat once it would turn down."""
    reach = np.minimum(share, 1.0 / BEND)
    return np.divide(reach - 0.5 * BEND * reach**2, share, out=np.ones(share.shape), where=share > 0.0)


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


def _fit(share: FloatArray, rate: FloatArray, weight: FloatArray, prior: FloatArray, top: float) -> EarningsCurve:
    """The curve nearest to one protocol's binned pairs, and a little to `prior`, earnings per share at the knots.

    Earnings are the sum over knots of drop * min(share, knot), drop >= 0: concave and never falling whatever the drops.
    Those of a protocol that loses money are line * share, line <= 0.
    """
    knots, loses = knots_to(top), prior[0] < 0.0
    unit = float(np.abs(np.concatenate([rate, prior])).max()) or 1.0
    at = np.concatenate([share, knots])
    target = np.concatenate([rate, prior]) / unit
    counts = np.concatenate([weight, np.full(knots.size, PRIOR_WEIGHT)])
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
    earnings = unit * (line * knots + np.minimum(knots[:, None], knots) @ drops)
    return curve_at(knots, earnings)
