"""A logistic curve from scores to probabilities, learned from what came of them, with half of it forgotten in time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .base import FloatArray

Bools = NDArray[np.bool_]

FIRST = (0.0, 1.7)
"""(a, b) before anything is learned: b = 1.7 is nearly the normal distribution."""
RIDGE = 3.0
"""Weight of that start: RIDGE / 2 times the squared distance from it."""
MOST = 4.0
"""Scores beyond count as this."""
WIDTH = 0.1
"""Scores are gathered in bins of this width; each bin stands for the mean score in it."""
STEPS, CLOSE = 40, 1e-9
"""Newton's method takes no more steps, and ends with one as short."""


class Logistic:
    """p = 1 / (1 + exp(-(a + b s))): a weighted logistic regression of outcomes on scores that forgets.

    (a, b) minimise sum w log(1 + exp(-+(a + b s))) + RIDGE / 2 |(a, b) - FIRST|^2, with - where it came true. Bins
    keep the sums of weights and of weighted scores, so that neither memory nor a fit grows with what is learned.

    >>> learned = Logistic()
    >>> round(learned.at(1.0), 4)
    0.8455
    >>> for _ in range(200):
    ...     learned.see(np.array([1.0, 1.0]), np.array([True, False]), 1.0)
    >>> learned.count, round(learned.at(1.0), 2)
    (400, 0.51)
    """

    def __init__(self) -> None:
        bins = round(2.0 * MOST / WIDTH) + 1
        self._weights, self._scores = np.zeros((2, bins)), np.zeros((2, bins))
        self._curve, self._fitted = FIRST, True
        self.count = 0

    def forget(self, part: float) -> None:
        """What was learned counts `part` of what it did."""
        self._weights *= part
        self._scores *= part
        self._fitted = not self.count

    def see(self, scores: FloatArray, true: Bools, weight: float) -> None:
        """Scores (m,), and whether what was scored came true, (m,), each with this weight."""
        cut = clipped(scores)
        bins, rows = np.round((cut + MOST) / WIDTH).astype(int), true.astype(int)
        np.add.at(self._weights, (rows, bins), weight)
        np.add.at(self._scores, (rows, bins), weight * cut)
        self.count += len(cut)
        self._fitted = False

    @property
    def curve(self) -> tuple[float, float]:
        """(a, b) of all that is remembered."""
        if not self._fitted:
            there = self._weights > 0.0
            weights = self._weights[there]
            scores, true = self._scores[there] / weights, np.nonzero(there)[0] == 1
            self._curve, self._fitted = fit(scores, true, weights, self._curve), True
        return self._curve

    def at(self, score: float) -> float:
        """Probability at a score."""
        a, b = self.curve
        return float(_sigmoid(np.array([a + b * min(max(score, -MOST), MOST)]))[0])


def clipped(scores: FloatArray) -> FloatArray:
    """Scores cut at -MOST and MOST."""
    result: FloatArray = np.minimum(np.maximum(scores, -MOST), MOST)
    return result


def fit(
    scores: FloatArray, true: Bools, weights: FloatArray, start: tuple[float, float] = FIRST
) -> tuple[float, float]:
    """(a, b) of the weighted regression with its ridge; where b would be below 0, the best a with b = 0.

    So a better score is never less likely: where scores say nothing, all that is left is how often it came true.
    `start` is where the search begins, which changes nothing but its time.

    >>> fit(np.array([0.0, 0.0]), np.array([True, False]), np.array([25.0, 25.0]))
    (0.0, 1.7)
    """
    rows, first = np.stack([np.ones_like(scores), scores]), np.array(FIRST)
    a, b = _newton(rows, true, weights, first, np.array(start)).tolist()
    if b >= 0.0:
        return a, b
    return float(_newton(rows[:1], true, weights, first[:1], np.array(start[:1]))[0]), 0.0


def _newton(rows: FloatArray, true: Bools, weights: FloatArray, first: FloatArray, at: FloatArray) -> FloatArray:
    """Newton's method from `at`, with steps halved while they lead up; `first` is where the ridge pulls to."""
    sign = np.where(true, 1.0, -1.0)
    loss, pull = _loss(at, first, rows, sign, weights), RIDGE * np.eye(len(first))
    for _ in range(STEPS):
        p = _sigmoid(at @ rows)
        slope = rows @ (weights * (p - true)) + RIDGE * (at - first)
        step = np.linalg.solve((rows * (weights * p * (1.0 - p))) @ rows.T + pull, slope)
        while (after := _loss(at - step, first, rows, sign, weights)) > loss and np.abs(step).max() > CLOSE:
            step = step / 2.0
        at, loss = at - step, after
        if np.abs(step).max() <= CLOSE:
            break
    return at


def _loss(at: FloatArray, first: FloatArray, rows: FloatArray, sign: FloatArray, weights: FloatArray) -> float:
    away = at - first
    return float(weights @ np.logaddexp(0.0, -sign * (at @ rows)) + RIDGE / 2.0 * (away @ away))


def _sigmoid(x: FloatArray) -> FloatArray:
    result: FloatArray = 0.5 * (1.0 + np.tanh(0.5 * x))
    return result
