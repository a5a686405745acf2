"""Quotes and what was paid as one number: followed where quotes know early, left where they are noise or stuck."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot.policy.base import Observation, Terms
from reallot.policy.blended_quotes import BlendedQuotes

SIZE, STEPS, LEARNED = 5, 400, 200


def rates(seed: int) -> np.ndarray:
    """(steps, n) rates that wander around levels of their own."""
    drawn = np.random.default_rng(seed)
    return np.abs(3.0 + drawn.normal(size=SIZE) + np.cumsum(drawn.normal(size=(STEPS, SIZE)), axis=0) / 5.0) + 0.1


def views(paid: np.ndarray, quotes: np.ndarray) -> tuple[np.ndarray, BlendedQuotes]:
    blend, terms = BlendedQuotes(), Terms(tuple("abcde"), 1.0)
    seen = [
        blend.take(Observation(terms, step, np.full(SIZE, 0.2), row, said))
        for step, (row, said) in enumerate(zip(paid, quotes, strict=True))
    ]
    return np.array(seen), blend


def error(view: np.ndarray, paid: np.ndarray) -> float:
    """Root mean square, between alternatives, of what the view says of the step after it."""
    off = view[LEARNED:-1] - paid[LEARNED + 1 :]
    return float(np.sqrt(np.mean((off - off.mean(axis=1, keepdims=True)) ** 2)))


def early(paid: np.ndarray) -> np.ndarray:
    """What will be paid a step later."""
    return np.vstack([paid[1:], paid[-1:]])


def made(kind: str, paid: np.ndarray, drawn: np.random.Generator) -> np.ndarray:
    """Quotes: at a wrong level, late, with glitches, stuck, noise, or early."""
    if kind == "late":
        return np.vstack([paid[:1], paid[:1], paid[:1], paid[:-3]])
    if kind == "stuck":
        return np.tile(paid[0], (len(paid), 1))
    if kind == "noise":
        return np.exp(drawn.normal(size=paid.shape))
    told = early(paid)
    if kind == "wrong level":
        told = told * np.exp(0.5 * drawn.normal(size=SIZE))
    if kind == "glitches":
        told = np.where(drawn.random(paid.shape) < 0.01, 1000.0 * told, told)
    return told


@pytest.mark.parametrize("kind", ["early", "wrong level", "glitches", "late", "stuck", "noise"])
@pytest.mark.parametrize("seed", [2100, 2101, 2102])
def test_the_view_is_about_as_good_as_the_better_of_paid_and_quoted(kind: str, seed: int) -> None:
    paid = rates(seed)
    view, blend = views(paid, made(kind, paid, np.random.default_rng(seed + 1)))
    assert error(view, paid) <= 1.1 * error(paid, paid)
    if kind == "early":
        assert error(view, paid) <= 0.3 * error(paid, paid)
        assert (blend.weights > 0.8).all()
    if kind in ("stuck", "noise"):
        assert (blend.weights < 0.25).all()


def test_what_is_quoted_at_another_level_has_its_ratio() -> None:
    paid = 10.0 + rates(7) / 10.0
    _, blend = views(paid, early(paid) * np.array([1.0, 2.0, 4.0, 0.5, 1.0]))
    assert blend.ratios == pytest.approx([1.0, 0.5, 0.25, 2.0, 1.0], rel=0.35)  # shrunk to the common one, 0.6
    assert np.argsort(blend.ratios).tolist()[:2] == [2, 1]


def test_a_quote_that_stays_high_is_followed_within_hours() -> None:
    """Ten times its usual size is no quote at first; what is usual follows."""
    paid = np.tile([2.0, 1.0, 1.0, 1.0, 1.0], (STEPS, 1)) + rates(3) / 100.0
    quotes = paid.copy()
    paid[LEARNED + 24 :, 1], quotes[LEARNED:, 1] = 10.0, 10.0
    view, _ = views(paid, quotes)
    assert view[LEARNED, 1] < 1.1
    assert (view[LEARNED + 24 :, 1] > 8.0).all()


@given(st.integers(0, 2**32 - 1), st.floats(1e-6, 1e6))
def test_scaling_money_scales_the_view(seed: int, factor: float) -> None:
    paid, drawn = rates(seed)[:40], np.random.default_rng(seed)
    quotes = np.where(drawn.random(paid.shape) < 0.1, np.nan, made("glitches", paid, drawn))
    paid = np.where(drawn.random(paid.shape) < 0.1, np.nan, paid)
    one, _ = views(paid, quotes)
    other, _ = views(factor * paid, factor * quotes)
    assert np.allclose(other, factor * one, rtol=1e-9, atol=0.0, equal_nan=True)


def test_without_quotes_it_is_what_was_paid_and_where_nothing_was_paid_what_is_quoted() -> None:
    terms, paid = Terms(("a", "b"), 1.0), np.array([1.0, np.nan])
    assert BlendedQuotes().take(Observation(terms, 1, np.array([0.5, 0.5]), paid)) is paid
    blend = BlendedQuotes()
    first = blend.take(Observation(terms, 1, np.array([0.5, 0.5]), paid, np.array([2.0, 4.0])))
    assert first.tolist() == [1.0, 2.0]  # a pays half of what it quotes, and so b is taken to
    nothing = blend.take(Observation(terms, 2, np.array([0.5, 0.5]), paid, np.array([np.nan, np.nan])))
    assert nothing[0] == 1.0 and np.isnan(nothing[1])
