"""Durations are written one way everywhere, and what is written is read."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot.errors import InvalidInput
from reallot.text.durations import LONGEST, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("5 min", 300), ("1h30m", 5400), ("7d", 604_800), (45, 45)]
)
def test_lengths_of_time_read_as_people_write_them(text: object, seconds: float):
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "h", "-1h", "1e9d", "99999999d", True, None, -1, float("nan"), [1], "5m x"])
def test_what_is_no_length_is_refused(text: object):
    with pytest.raises(InvalidInput, match="give a number with its unit"):
        parse_duration(text)


def test_durations_are_written_shortly():
    told = {0: "0s", 0.02: "0.02s", 40: "40s", 59: "59s", 59.96: "1m", 60: "1m", 240: "4m", 3569: "59m29s"}
    told |= {3600: "1h", 3661: "1h1m", 5400: "1h30m", 7260: "2h1m", 86_399: "1d", 86_760: "1d6m", 90_000: "1d1h"}
    assert {seconds: format_duration(seconds) for seconds in told} == told
    assert format_duration(timedelta(minutes=90)) == "1h30m"


@given(st.floats(0.0, LONGEST.total_seconds()))
def test_a_duration_that_is_written_reads_back_as_the_same_to_the_rounding_that_is_promised(seconds: float):
    unit = 0.5 if seconds >= 60.0 else 0.05 if seconds >= 10.0 else 0.005
    back = parse_duration(format_duration(seconds)).total_seconds()
    assert abs(back - seconds) <= (30.0 if seconds >= 3600.0 - 0.5 else unit)
