"""Earnings curves at the edge of what numbers can say."""

from __future__ import annotations

from reallot import EarningsCurve


def test_a_curve_of_numbers_too_small_for_relative_digits_is_concave() -> None:
    shares = tuple(i / 12 for i in range(13))
    earnings = tuple(-2.22507386e-313 * share for share in shares)
    assert EarningsCurve(shares, earnings, earnings[-1]).is_concave
