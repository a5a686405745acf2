"""Reliability: how often what was said with a probability came true, by what was said; and one number for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InvalidInput
from ..problem.by_value import ByValue
from ..problem.validation import number_array, whole
from .base import FloatArray

BINS = 10


@dataclass(frozen=True, eq=False)
class Reliability(ByValue):
    """Stated probabilities and what happened, in equal bins of what was said.

    Parameters
    ----------
    edges
        (bins + 1,) edges of the bins. A probability on an edge is in the bin above it, 1 in the last.
    said
        (bins,) mean probability in each bin; NaN where nothing was said.
    happened
        (bins,) part of these that came true; NaN where nothing was said.
    counts
        (bins,) number of probabilities.
    brier
        Brier score: mean of (said - happened)**2 over all; 0 is best.
    ece
        Expected calibration error: mean over all of abs(said - happened) of their bin.
    base
        Base rate: part of all that came true.
    """

    edges: FloatArray
    said: FloatArray
    happened: FloatArray
    counts: np.ndarray[tuple[int], np.dtype[np.int64]]
    brier: float
    ece: float
    base: float

    @property
    def count(self) -> int:
        """How many there are in all."""
        return int(self.counts.sum())

    @property
    def base_brier(self) -> float:
        """Brier score of who always says the base rate, known in hindsight; who says 0.5 has 0.25."""
        return self.base * (1.0 - self.base)


def reliability(said: ArrayLike, happened: ArrayLike, bins: int = BINS) -> Reliability:
    """Compare stated probabilities with how often the event happened, in bins of equal width.

    Parameters
    ----------
    said
        (m,) probabilities.
    happened
        (m,) what happened: 0 and 1, or bools.
    bins
        Number of bins between 0 and 1.

    Returns
    -------
    Reliability
        Counts and frequencies by bin, the Brier score and the expected calibration error (ECE).

    Raises
    ------
    InvalidInput
        Where there is no pair, lengths differ, or a number is no probability.

    Notes
    -----
    The score is that of Brier, "Verification of forecasts expressed in terms of probability" (1950). The ECE is that of
    Naeini, Cooper and Hauskrecht (2015).

    Examples
    --------
    >>> from reallot import reliability
    >>> seen = reliability([0.9, 0.9, 0.9, 0.9, 0.3], [True, True, True, False, False])
    >>> seen.counts.tolist(), seen.happened[[3, 9]].tolist(), round(seen.ece, 3)
    ([0, 0, 0, 1, 0, 0, 0, 0, 0, 4], [0.0, 0.75], 0.18)
    """
    p, y = number_array(said, "said"), number_array(happened, "happened", flags=True)
    if p.ndim != 1 or p.shape != y.shape or not len(p):
        raise InvalidInput(f"said has shape {p.shape} and happened {y.shape}; give two lists of one length, not empty")
    if not ((p >= 0.0) & (p <= 1.0)).all():
        wrong = float(p[~((p >= 0.0) & (p <= 1.0))][0])
        raise InvalidInput(f"said holds {wrong:g}; probabilities are from 0 to 1, and plans without one are left out")
    if not np.isin(y, (0.0, 1.0)).all():
        raise InvalidInput(f"happened holds {float(y[~np.isin(y, (0.0, 1.0))][0]):g}; give 0 or 1")
    bins = whole(bins, "bins", 1)
    place = np.minimum((p * bins + 1e-12).astype(int), bins - 1)
    counts = np.bincount(place, minlength=bins)
    there = np.where(counts > 0, counts, np.nan)
    mean, part = np.bincount(place, p, bins) / there, np.bincount(place, y, bins) / there
    off = float(np.nansum(np.abs(mean - part) * counts) / len(p))
    brier = float(((p - y) ** 2).mean())
    return Reliability(np.arange(bins + 1) / bins, mean, part, counts, brier, off, float(y.mean()))
