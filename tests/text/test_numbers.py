"""Numbers are written one way everywhere."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot.text.numbers import amount, change, count, percent, share, usd


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (usd(12_345.6), "12,345.60"),
        (usd(9.99996), "10"),
        (usd(0.00340001), "0.0034"),
        (usd(-0.0), "0"),
        (usd(-1e-15, sign=True), "0"),
        (usd(0.25, sign=True), "+0.25"),
        (usd(-0.25, sign=True), "-0.25"),
        (percent(0.25), "25 %"),
        (percent(0.983333), "98.33 %"),
        (percent(-0.0), "0 %"),
        (percent(None), ""),
        (percent(math.nan), ""),
        (amount(0.2), "0.20"),
        (amount(0.12345), "0.1235"),
        (share(0.4), "0.400"),
        (share(1e-4), "1.0e-04"),
        (share(None), ""),
        (change(0.05), "+0.050"),
        (change(-1e-4), "-1e-04"),
        (change(1e-12), ""),
        (count(1, "move"), "1 move"),
        (count(2, "move"), "2 moves"),
    ],
)
def test_numbers_are_written_as_people_read_them(text: str, wanted: str):
    assert text == wanted


@given(st.floats(-1e12, 1e12))
def test_money_reads_back_to_four_digits_or_the_cent(value: float):
    back = float(usd(value).replace(",", ""))
    rounding = 0.005 + 1e-12 * abs(value) if abs(value) >= 10.0 else 6e-4 * abs(value) + 1e-12
    assert abs(back - value) <= rounding
