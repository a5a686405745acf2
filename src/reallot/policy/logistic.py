"""A logistic curve from scores to probabilities, learned from what came of them, with half of it forgotten in time."""

from __future__ import annotations

import numpy as np

from .base import FloatArray

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
        self._fitted: tuple[float, float] | None = FIRST
        self.count = 0

    def forget(self, part: float) -> None:
        """What was learned counts `part` of what it did."""
        self._weights *= part
        self._scores *= part
        self._fitted = None if self.count else FIRST

    def see(self, scores: FloatArray, true: np.ndarray[tuple[int], np.dtype[np.bool_]], weight: float) -> None:
        """Scores (m,), and whether what was scored came true, (m,), each with this weight."""
        cut = clipped(scores)
        bins, rows = np.round((cut + MOST) / WIDTH).astype(int), true.astype(int)
        np.add.at(self._weights, (rows, bins), weight)
        np.add.at(self._scores, (rows, bins), weight * cut)
        self.count += len(cut)
        self._fitted = None

    @property
    def curve(self) -> tuple[float, float]:
        """(a, b) of all that is remembered."""
        if self._fitted is None:
            there = self._weights > 0.0
            weights = self._weights[there]
            self._fitted = fit(self._scores[there] / weights, np.nonzero(there)[0] == 1, weights)
        return self._fitted

    def at(self, score: float) -> float:
        """Probability at a score."""
        a, b = self.curve
        return float(_sigmoid(np.array([a + b * min(max(score, -MOST), MOST)]))[0])


def clipped(scores: FloatArray) -> FloatArray:
    """Scores cut at -MOST and MOST."""
    result: FloatArray = np.minimum(np.maximum(scores, -MOST), MOST)
    return result


def fit(
    scores: FloatArray, true: np.ndarray[tuple[int], np.dtype[np.bool_]], weights: FloatArray
) -> tuple[float, float]:
    """(a, b) of the weighted regression with its start as a ridge; where b would be below 0, the best a with b = 0.

    So a better score is never less likely: where scores say nothing, all that is left is how often it came true.

    >>> fit(np.array([0.0, 0.0]), np.array([True, False]), np.array([25.0, 25.0]))
    (0.0, 1.7)
    """
    rows = np.stack([np.ones_like(scores), scores])
    a, b = _newton(rows, true, weights, np.array(FIRST)).tolist()
    return (a, b) if b >= 0.0 else (float(_newton(rows[:1], true, weights, np.array(FIRST[:1]))[0]), 0.0)


def _newton(
    rows: FloatArray, true: np.ndarray[tuple[int], np.dtype[np.bool_]], weights: FloatArray, first: FloatArray
) -> FloatArray:
    """Newton's method from `first`, with steps halved while they lead up."""
    at, sign = first.copy(), np.where(true, 1.0, -1.0)
    loss = _loss(at, first, rows, sign, weights)
    for _ in range(STEPS):
        p = _sigmoid(at @ rows)
        slope = rows @ (weights * (p - true)) + RIDGE * (at - first)
        bend = (rows * (weights * p * (1.0 - p))) @ rows.T + RIDGE * np.eye(len(first))
        step = np.linalg.solve(bend, slope)
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
