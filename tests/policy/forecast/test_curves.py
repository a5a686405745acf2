"""Curves learned from pairs: their shape, what they recover, and the fast update against plain least squares."""

from __future__ import annotations

import math
from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from reallot import AllocationProblem, EarningsCurve, InvalidInput, Limits, ProtocolSpec, allocate
from reallot.policy.forecast.curves import BEND, BEND_SPREAD, HALF_LIFE, KNOTS, CurveLearner, _pooled
from reallot.policy.forecast.robust_curves import robust_curves
from tests.strategies import budget

Floats = NDArray[np.float64]
NAMES = ("relay", "compute", "storage")

share = st.one_of(st.just(0.0), st.integers(1, 100).map(lambda k: k / 100), st.sampled_from([1e-12, 1e-6, 1e-3]))
rate = st.one_of(st.floats(0.0, 50.0), st.floats(-5.0, 5.0))


@st.composite
def histories(draw: st.DrawFn) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Shares, earnings and what was observed, (observations, 3), at least one pair among them."""
    count = draw(st.integers(1, 8))
    rows = st.lists(st.tuples(share, rate, st.booleans()), min_size=3, max_size=3)
    drawn = np.array(draw(st.lists(rows, min_size=count, max_size=count)), dtype=float)
    shares, rates, observed = drawn[..., 0], drawn[..., 1], drawn[..., 2] > 0
    shares[0, 0], observed[0, 0] = 0.25, True
    return shares, shares * rates, observed


def learned(
    shares: Floats, earnings: Floats, observed: NDArray[np.bool_] | None = None, half_life: float = HALF_LIFE
) -> CurveLearner:
    """The learner after all rows, oldest first."""
    seen = np.ones(shares.shape, dtype=bool) if observed is None else observed
    names = NAMES[: shares.shape[1]]
    rows = zip(shares, earnings, seen, strict=True)
    return reduce(lambda one, row: one.seen(*row), rows, CurveLearner(names, half_life=half_life))


def values(curves: list[EarningsCurve]) -> Floats:
    return np.array([curve.earnings for curve in curves])


def both(shares: Floats, earnings: Floats, observed: NDArray[np.bool_]) -> list[list[EarningsCurve]]:
    """The curves of both ways of learning."""
    quadratic = learned(shares, earnings, observed).curves()
    return [quadratic, robust_curves(NAMES, shares, earnings, observed)]


@budget(0.5)
@given(histories())
def test_curves_are_concave_start_at_zero_and_never_fall_where_they_begin_by_rising(
    history: tuple[Floats, Floats, NDArray[np.bool_]],
) -> None:
    for curves in both(*history):
        assert len(curves) == len(NAMES)
        for curve in curves:
            assert curve.is_concave
            assert (curve.shares[0], curve.earnings[0], len(curve.shares)) == (0.0, 0.0, KNOTS + 1)
            slack = 1e-9 * (1.0 + max(map(abs, curve.earnings)))
            if curve.slopes[0] >= 0.0:
                assert min(curve.slopes) >= -slack
    assert (learned(*history).estimates().bend >= 0.0).all()


@given(histories(), st.sampled_from([1e-6, 0.5, 3.0, 1e6]))
def test_other_money_gives_the_same_curves_in_that_money(
    history: tuple[Floats, Floats, NDArray[np.bool_]], factor: float
) -> None:
    shares, earnings, observed = history
    before, after = learned(shares, earnings, observed), learned(shares, factor * earnings, observed)
    scale = factor * (1e-300 + float(np.abs(values(before.curves())).max()))
    np.testing.assert_allclose(values(after.curves()), factor * values(before.curves()), rtol=1e-7, atol=1e-9 * scale)
    if earnings[observed].any():
        sds = [each.estimates().slope_sd for each in (before, after)]
        np.testing.assert_allclose(sds[1], factor * sds[0], rtol=1e-7)


@given(histories(), st.permutations(range(3)))
def test_protocols_in_another_order_have_the_same_curves(
    history: tuple[Floats, Floats, NDArray[np.bool_]], order: list[int]
) -> None:
    shares, earnings, observed = history
    straight = values(learned(shares, earnings, observed).curves())[order]
    permuted = values(learned(shares[:, order], earnings[:, order], observed[:, order]).curves())
    np.testing.assert_allclose(permuted, straight, rtol=1e-7, atol=1e-9 * (1.0 + np.abs(straight).max()))


@given(histories(), st.integers(0, 99))
def test_without_forgetting_the_order_of_pairs_makes_no_difference(
    history: tuple[Floats, Floats, NDArray[np.bool_]], seed: int
) -> None:
    shares, earnings, observed = history
    order = np.random.default_rng(seed).permutation(len(shares))
    straight = values(learned(shares, earnings, observed, math.inf).curves())
    other = values(learned(shares[order], earnings[order], observed[order], math.inf).curves())
    np.testing.assert_allclose(other, straight, rtol=1e-6, atol=1e-7 * (1.0 + np.abs(straight).max()))


def test_later_pairs_count_more_and_the_half_life_says_by_how_much() -> None:
    rising = np.where(np.arange(96) < 48, 1.0, 2.0)[:, None]
    shares = np.full((96, 1), 0.5)
    up, down = (learned(shares, rising[::step] * shares) for step in (1, -1))
    assert up.moments is not None and down.moments is not None
    # the newer 48 weigh 1 where the older 48 weigh a half
    assert up.moments[2, 0] == pytest.approx((2.0 * 2 + 1.0) / 3)
    assert down.moments[2, 0] == pytest.approx((2.0 + 1.0 * 2) / 3)


@given(histories(), st.sampled_from([4.0, 48.0, math.inf]))
def test_the_fast_update_is_least_squares_on_all_pairs_with_two_rows_of_prior(
    history: tuple[Floats, Floats, NDArray[np.bool_]], half_life: float
) -> None:
    shares, earnings, observed = history
    learner = learned(shares, earnings, observed, half_life)
    found = learner.estimates()
    assert learner.moments is not None
    slope, slope_width, level = _pooled(learner.moments)
    for i in range(len(NAMES)):
        kept = observed[:, i] & (shares[:, i] > 1e-9)
        share, rate = shares[kept, i], earnings[kept, i] / shares[kept, i]
        counts = np.minimum(share / 0.005, 1.0)
        weight = counts * 0.5 ** ((counts.sum() - np.cumsum(counts)) / half_life)
        assert found.weight[i] == pytest.approx(weight.sum())
        bend_width = BEND_SPREAD * level[i]
        root = np.sqrt(weight) / found.noise[i]
        rows = np.column_stack([root, -0.5 * share * root])
        rows = np.vstack([rows, [1.0 / slope_width, 0.0], [-BEND / bend_width, 1.0 / bend_width]])
        right = np.concatenate([rate * root, [slope / slope_width, 0.0]])
        r, b = np.linalg.lstsq(rows, right)[0]
        if b < 0.0:
            r, b = np.linalg.lstsq(rows[:, :1], right)[0][0], 0.0
        sds = np.sqrt(np.diag(np.linalg.inv(rows.T @ rows)))
        scale = max(abs(r), slope_width)
        assert found.slope[i] == pytest.approx(r, rel=1e-5, abs=1e-5 * scale)
        assert found.bend[i] == pytest.approx(b, rel=1e-5, abs=1e-5 * scale)
        assert (found.slope_sd[i], found.bend_sd[i]) == pytest.approx(tuple(sds), rel=1e-5)


def quadratics(slopes: Floats, bends: Floats, count: int = 200) -> tuple[Floats, Floats]:
    """Shares spread over 0.02 to 0.9, and the exact earnings of quadratics, (count, protocols)."""
    shares = np.random.default_rng(0).uniform(0.02, 0.9, (count, slopes.size))
    return shares, slopes * shares - bends * shares**2 / 2.0


@pytest.mark.slow
@given(st.lists(st.tuples(st.floats(0.5, 3.0), st.floats(0.0, 1.0)), min_size=3, max_size=3))
def test_a_quadratic_without_noise_is_recovered(each: list[tuple[float, float]]) -> None:
    slopes = np.array([slope for slope, _ in each])
    bends = slopes * np.array([part for _, part in each])
    shares, earnings = quadratics(slopes, bends)
    found = learned(shares, earnings).estimates()
    np.testing.assert_allclose(found.slope, slopes, rtol=0.02)
    np.testing.assert_allclose(found.bend, bends, atol=0.04 * slopes.max())
    ends = np.arange(KNOTS + 1) / KNOTS
    truth = slopes[:, None] * ends - bends[:, None] * ends**2 / 2.0
    np.testing.assert_allclose(values(learned(shares, earnings).curves()), truth, atol=0.02 * slopes.max())


def test_a_straight_line_stays_nearly_straight() -> None:
    shares, earnings = quadratics(np.array([2.0]), np.array([0.0]))
    (curve,) = learned(shares, earnings).curves()
    assert curve.slopes[0] == pytest.approx(2.0, rel=0.01)
    assert curve.slopes[KNOTS - 1] == pytest.approx(2.0, rel=0.01)


def test_uncertainty_shrinks_with_pairs_and_covers_the_truth() -> None:
    random, inside = np.random.default_rng(3), []
    for _ in range(60):
        shares, earnings = quadratics(np.array([1.0, 1.2, 0.9]), np.array([0.5, 0.6, 0.45]), 48)
        noisy = earnings * (1.0 + 0.1 * random.standard_normal(shares.shape))
        few, many = learned(shares[:6], noisy[:6]).estimates(), learned(shares, noisy).estimates()
        assert (many.slope_sd < few.slope_sd).all() and (many.bend_sd < few.bend_sd).all()
        inside.append(np.abs(many.slope - [1.0, 1.2, 0.9]) < 2.0 * many.slope_sd)
    assert 0.9 <= np.mean(inside) <= 1.0


def test_a_protocol_never_tried_has_the_pooled_prior() -> None:
    shares = np.array([[0.5, 0.5, 0.0]] * 20)
    earnings = np.array([[0.9, 1.1, 0.0]] * 20)
    learner = learned(shares, earnings)
    found = learner.estimates()
    assert found.weight[2] == 0.0
    assert found.slope[2] == pytest.approx(2.0)
    assert found.bend[2] == pytest.approx(BEND * 2.0)
    assert found.slope_sd[2] > found.slope_sd[0]
    assert learner.curves()[2].value(0.5) == pytest.approx(2.0 * 0.5 - 0.5 * 2.0 * 0.25 / 2.0, rel=0.01)


def test_what_was_not_observed_is_skipped_whatever_stands_there() -> None:
    learner = CurveLearner(NAMES).seen([0.3, 0.3, 0.4], [0.6, 0.3, 0.2])
    skipped = learner.seen([0.3, math.nan, -5.0], [0.6, math.nan, math.inf], [True, False, False])
    assert learner.moments is not None and skipped.moments is not None
    np.testing.assert_array_equal(skipped.moments[:, 1:], learner.moments[:, 1:])
    assert skipped.moments[0, 0] > learner.moments[0, 0]


def test_a_learner_is_not_changed_by_what_is_seen_next() -> None:
    learner = CurveLearner(NAMES).seen([0.3, 0.3, 0.4], [0.6, 0.3, 0.2])
    before = learner.estimates().slope
    learner.seen([0.3, 0.3, 0.4], [6.0, 3.0, 2.0])
    np.testing.assert_array_equal(learner.estimates().slope, before)


def test_outliers_hardly_move_the_program_and_do_move_the_quadratic() -> None:
    random = np.random.default_rng(5)
    shares, earnings = quadratics(np.array([1.0, 1.5, 2.0]), np.array([0.5, 0.3, 1.5]), 100)
    earnings *= 1.0 + 0.03 * random.standard_normal(earnings.shape)
    wrong = earnings.copy()
    wrong[random.random(wrong.shape) < 0.05] *= 20.0
    clean, hit = (values(robust_curves(NAMES, shares, each)) for each in (earnings, wrong))
    assert np.abs(hit - clean).max() < 0.06 * clean.max()
    assert np.abs(values(learned(shares, wrong).curves()) - clean).max() > 0.3 * clean.max()


def test_many_pairs_of_a_small_share_do_not_hide_what_few_larger_ones_say() -> None:
    small, larger = np.full((60, 1), 0.01), np.full((3, 1), 0.08)
    shares = np.vstack([small, larger, small])
    earnings = np.where(shares < 0.05, 2.0 * shares, 0.5 * shares)
    noisy = earnings * (1.0 + 0.01 * np.random.default_rng(1).standard_normal(shares.shape))
    (curve,) = robust_curves(["relay"], shares, noisy)
    assert curve.value(0.08) == pytest.approx(0.04, rel=0.1)
    assert curve.value(0.5) < 0.3  # a line through the small share would have 1


def test_the_noisier_the_pairs_the_more_the_program_goes_on_straight() -> None:
    random = np.random.default_rng(2)
    shares, earnings = quadratics(np.array([2.0]), np.array([1.6]), 12)
    drawn = random.standard_normal(shares.shape)
    bent, straighter = (
        robust_curves(["relay"], shares, earnings * (1.0 + noise * drawn))[0].value(1.0) for noise in (0.0, 0.5)
    )
    assert bent == pytest.approx(1.2, rel=0.05)
    assert straighter > 1.1 * bent


def test_the_program_agrees_with_the_quadratic_where_both_are_right_and_gives_a_prior_to_the_never_tried() -> None:
    shares, earnings = quadratics(np.array([1.0, 1.2, 1.1]), np.array([0.5, 0.6, 0.55]), 150)
    observed = np.ones(shares.shape, dtype=bool)
    observed[:, 2] = False
    quadratic, program = (values(curves) for curves in both(shares, earnings, observed))
    np.testing.assert_allclose(program[:2], quadratic[:2], atol=0.04)
    np.testing.assert_allclose(program[2], quadratic[2], atol=0.1)


def test_a_protocol_that_loses_money_has_a_falling_straight_curve() -> None:
    shares = np.array([[0.5, 0.2, 0.3]] * 30)
    for curves in both(shares, shares * [2.0, 1.0, -1.0], np.ones(shares.shape, dtype=bool)):
        loser = curves[2]
        assert loser.is_concave
        assert loser.value(0.3) == pytest.approx(-0.3, rel=0.1)
        assert loser.value(0.6) < loser.value(0.3) < 0.0


def test_nothing_earned_anywhere_gives_curves_of_zero() -> None:
    zero = np.zeros((3, 3))
    for curves in both(zero + 0.3, zero, np.ones((3, 3), dtype=bool)):
        np.testing.assert_allclose(values(curves), 0.0, atol=1e-12)


def test_shares_may_go_beyond_one_where_the_largest_is_said_to() -> None:
    learner = CurveLearner(("relay",), largest_share=4.0).seen([3.0], [6.0])
    assert learner.curves()[0].shares[-1] == 4.0
    assert robust_curves(["relay"], [[3.0]], [[6.0]], largest_share=4.0)[0].shares[-1] == 4.0


def test_allocate_takes_the_curves_as_they_are() -> None:
    shares, earnings = quadratics(np.array([2.0, 1.0, 0.5]), np.array([2.0, 0.2, 0.2]))
    specs = [ProtocolSpec(name, c) for name, c in zip(NAMES, learned(shares, earnings).curves(), strict=True)]
    current = dict.fromkeys(NAMES, 1.0 / 3.0)
    plan = allocate(AllocationProblem(specs, current, horizon_hours=1.0, limits=Limits(max_change=0.5)))
    assert plan.solver == "exact"
    # where 2 - 2 s meets 1 - 0.2 (1 - s), to a piece of the curve
    assert plan.shares["relay"] == pytest.approx(1.2 / 2.2, abs=1.0 / KNOTS)


@pytest.mark.parametrize(
    ("shares", "earnings", "observed", "message"),
    [
        ([0.5, math.nan, 0.1], [1, 1, 1], None, "compute has a share of nan; where none was read, leave it out by obs"),
        ([0.5, -0.1, 0.1], [1, 1, 1], None, "compute has a share of -0.1; shares are at least 0"),
        ([0.5, 0.1, 1.5], [1, 1, 1], None, "storage has a share of 1.5, above largest_share 1; "),
        ([0.5, 0.1, 0.1], [1, 1, math.nan], None, "storage has earnings of nan USD/h; where none were read"),
        ([0.5, 0.1, 0.1], [1, -math.inf, 1], None, "compute has earnings of -inf USD/h"),
        ([0.5, 0.0, 0.1], [1, 2, 1], None, "compute has earnings of 2 USD/h at share 0, where every curve is 0"),
        ([0.5, 0.1], [1, 1, 1], None, r"have shape \(2,\); one number for each of 3 protocols \(relay, compute, st"),
        ([0.5, 0.1, 0.1], [1, 1], None, r"earnings have shape \(2,\)"),
        ([0.5, 0.1, 0.1], [1, 1, 1], [True], r"observed have shape \(1,\)"),
        ([0.5, 0.1, 0.1], [1, 1, 1], [1, 0, 1], "observed holds int64 values; give True or False"),
        ([0.5, "a lot", 0.1], [1, 1, 1], None, "shares are .*; give one number for each protocol"),
    ],
    ids=[
        "nan",
        "negative",
        "too large",
        "nan money",
        "inf money",
        "no share",
        "few",
        "few money",
        "mask",
        "ints",
        "text",
    ],
)
def test_a_wrong_pair_is_refused_in_words(shares: Any, earnings: Any, observed: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        CurveLearner(NAMES).seen(shares, earnings, observed)
    whole: tuple[Any, ...] = (NAMES, [shares], [earnings], None if observed is None else [observed])
    with pytest.raises(InvalidInput, match="have shape" if "shape" in message else message):
        robust_curves(*whole)


def test_wrong_settings_and_curves_of_nothing_are_refused() -> None:
    with pytest.raises(InvalidInput, match="no pair of a share above 0 and its earnings has been seen"):
        CurveLearner(NAMES).seen([0, 0, 0], [0, 0, 0]).curves()
    with pytest.raises(InvalidInput, match="no pair of a share above 0 and its earnings has been seen"):
        robust_curves(NAMES, [[0, 0, 0]], [[0, 0, 0]])
    with pytest.raises(InvalidInput, match="names are relay, relay; give at least one, each once"):
        CurveLearner(("relay", "relay"))
    with pytest.raises(InvalidInput, match="names are none at all"):
        CurveLearner(())
    with pytest.raises(InvalidInput, match="half_life is 0 observations"):
        CurveLearner(NAMES, half_life=0.0)
    with pytest.raises(InvalidInput, match="largest_share is 0"):
        robust_curves(NAMES, [[0.1] * 3], [[0.1] * 3], largest_share=0.0)
