"""Rates from readings: resets, payouts, vanished parts, months, standing sources; never a spike, never below zero."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reallot.adapters.meter import Meter
from reallot.adapters.series import Resets, Series, Unit, exact
from reallot.engine.contracts.records import SeriesKind
from reallot.errors import ConfigurationError, ErrorKind, ProtocolError

START = datetime(2026, 1, 10, tzinfo=UTC)
MONTHLY = Series("counter", resets="month")
HOUR = 3600.0


def rates(series, readings, start=START):
    """Rates after each (hours, value)."""
    meter = Meter(series)
    found = [meter.read(exact(value, "it"), start + timedelta(hours=hours), hours * HOUR) for hours, value in readings]
    return [None if rate is None else float(rate) for rate in found]


def test_a_rate_is_a_rate_by_the_time_it_is_for():
    assert rates(Series("rate"), [(0, 2.5), (1, 3)]) == [2.5, 3.0]
    assert rates(Series("rate", per=timedelta(days=1)), [(0, 24)]) == [1.0]


def test_a_counter_gives_differences_over_the_window():
    assert rates(Series("counter"), [(0, 100), (0.5, 101), (1, 103), (2, 103)]) == [None, 2.0, 3.0, 0.0]


def test_a_minute_is_the_least_that_says_anything():
    assert rates(Series("counter"), [(0, 0), (0.5 / 60, 1), (1 / 60, 2)]) == [None, None, 120.0]


def test_a_month_starts_again_without_a_drop():
    eve = datetime(2026, 1, 31, 22, 0, tzinfo=UTC)
    readings = [(0, 700), (0.5, 700.5), (1, 701), (1.5, 701.5), (2.25, 0.25), (2.5, 0.5), (3, 1.0), (3.5, 1.5)]
    found = rates(MONTHLY, readings, eve)
    assert found[0] is None
    assert all(0.3 < rate <= 1.0 for rate in found[1:])
    assert found[-1] == 1.0


def test_a_vanished_satellite_is_no_reset_and_its_return_no_windfall():
    readings = [(0, 500), (1, 501), (2, 400), (3, 401), (4, 503), (5, 504)]
    assert rates(MONTHLY, readings) == [None, 1.0, 1.0, 1.0, 1.0, 1.0]


def test_a_vanished_satellite_in_the_first_minutes_of_a_month_is_no_reset():
    eve = datetime(2026, 1, 31, 23, 0, tzinfo=UTC)
    assert rates(MONTHLY, [(0, 500), (0.9, 500.9), (1.1, 480), (1.9, 480.8)], eve)[-1] <= 1.0 + 1e-9


def test_an_epoch_starts_again_at_any_time():
    series = Series("counter", resets="epoch")
    assert rates(series, [(0, 100), (1, 110), (2, 5), (3, 15)]) == [None, 10.0, 5.0, 10.0]


def test_a_balance_drops_at_a_payout_and_the_hour_of_it_is_left_out():
    assert rates(Series("balance"), [(0, 10), (1, 11), (2, 0.5), (3, 1.5)]) == [None, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("series", [Series("counter"), MONTHLY, Series("balance"), Series("counter", resets="epoch")])
@pytest.mark.parametrize("wrong", [0, 1, 699, 700_000])
def test_one_wrong_reading_is_taken_back_by_the_next(series, wrong):
    found = rates(series, [(0, 700), (1, 701), (2, wrong), (3, 703), (4, 704), (5, 705)])
    assert found[3] <= 1.5
    assert found[4:] == [1.0, 1.0]


LEVELS = (Series("balance"), Series("counter"), Series("counter", resets="epoch"), MONTHLY)


@pytest.mark.parametrize("series", LEVELS, ids=lambda series: f"{series.kind}, {series.resets}")
@pytest.mark.parametrize("polls", [1, 2, 3, 6, 20])
def test_a_balance_of_20_that_shows_0_for_some_polls_has_earned_nothing_by_coming_back(series, polls):
    """It grows 0.4 an hour, read every ten minutes."""
    zeros = range(12, 12 + polls)
    found = rates(series, [(k / 6, 0 if k in zeros else 20 + 0.4 * k / 6) for k in range(60)])
    assert found[1:13] == pytest.approx([0.4] * 12)  # the first 0 says nothing yet
    assert max(found[12:]) < 0.4 * (1 + 1e-9)
    assert found[12 + polls + 6 :] == pytest.approx([0.4] * (60 - 12 - polls - 6))


@given(
    st.sampled_from(LEVELS),
    st.floats(min_value=0.01, max_value=50.0),
    st.floats(min_value=50.0, max_value=5000.0),
    st.lists(st.floats(min_value=120.0, max_value=1200.0), min_size=70, max_size=70),
    st.lists(st.tuples(st.integers(4, 12), st.integers(1, 12), st.floats(0.0, 0.3)), min_size=1, max_size=4),
)
def test_a_steady_income_is_never_more_than_that_however_often_and_long_its_level_is_away(
    series, hourly, start, gaps, faults
):
    """Each fault: so many sound polls, then so many at a level that is 0, or a part of the true one and stands."""
    away: dict[int, float] = {}
    place = 0
    for sound, wrong, part in faults:
        place += sound
        away |= dict.fromkeys(range(place, place + wrong), 0.0 if series.resets is not Resets.NEVER else part)
        place += wrong
    meter, seconds = Meter(series), 0.0
    level = hourly * start
    for number, gap in enumerate(gaps):
        seconds += gap
        true = level + hourly * seconds / HOUR
        value = exact(away[number] * level if number in away else true, "it")
        rate = meter.read(value, START + timedelta(seconds=seconds), seconds)
        if rate is not None:
            assert 0.0 <= rate <= hourly * (1 + 1e-6)
    if place < 50:
        assert float(rate) == pytest.approx(hourly)


@given(
    st.sampled_from(LEVELS),
    st.floats(min_value=50.0, max_value=5000.0),
    st.lists(st.tuples(st.floats(0.4, 1.0), st.integers(1, 9)), min_size=2, max_size=4),
    st.integers(1, 20),
)
def test_what_vanished_and_comes_back_part_by_part_has_earned_nothing_by_coming_back(series, level, parts, polls):
    """A sum of several nodes, 1 an hour, read every ten minutes: all of them are gone, and return one after another."""
    total = sum(part for part, _ in parts)
    there = [*[1.0] * 12, *[0.0] * polls]
    for number, (_, stays) in enumerate(parts):
        there += [sum(part for part, _ in parts[: number + 1]) / total] * stays
    there += [1.0] * 12
    found = rates(series, [(at / 6, part * (level + at / 6)) for at, part in enumerate(there)])
    assert all(rate is None or rate <= 1.0 + 1e-6 for rate in found)
    assert found[-1] == pytest.approx(1.0)


@pytest.mark.parametrize("series", LEVELS, ids=lambda series: f"{series.kind}, {series.resets}")
@pytest.mark.parametrize("minutes", [1, 30])
@pytest.mark.parametrize("zeros", [1, 2, 9])
@pytest.mark.parametrize("level", [20, 1e6])
def test_a_total_that_says_0_at_the_very_first_has_earned_nothing_by_showing(series, minutes, zeros, level):
    """It is read as 0 before its source knows it: all rates are those of what it grows by afterwards, 0.4 USD/h."""
    hours = [number * minutes / 60 for number in range(zeros + 20)]
    found = rates(series, [(at, 0 if number < zeros else level + 0.4 * at) for number, at in enumerate(hours)])
    assert all(rate is None or rate <= 0.4 + 1e-6 for rate in found)
    assert found[-1] == pytest.approx(0.4)


@pytest.mark.parametrize("series", LEVELS, ids=lambda series: f"{series.kind}, {series.resets}")
@given(st.integers(1, 9), st.floats(min_value=0.4, max_value=1.0))
def test_a_total_that_truly_begins_at_0_is_counted_from_its_first_reading(series, zeros, part):
    """It stands at 0 for a while, and grows by 0.1 each 5 minutes, the first time by a part of that."""
    values = [*[0] * zeros, *(0.1 * (part + number) for number in range(15))]
    found = rates(series, [(number / 12, value) for number, value in enumerate(values)])
    assert all(rate is None or rate <= 1.2 + 1e-6 for rate in found)
    if zeros < 3:
        assert found[zeros + 1] == pytest.approx(12 * 0.1 * (part + 1) / (zeros + 1))


@given(st.integers(4, 30), st.floats(min_value=0.5, max_value=1.0), st.integers(40, 80))
def test_a_payout_is_no_fall_to_be_taken_back(polls, part, count):
    """A balance of 1 an hour of which a part is paid out whenever it has grown for so many polls."""
    meter, paid, found = Meter(Series("balance")), 0.0, []
    for number in range(count):
        hours = number / 6
        if number and number % polls == 0:
            paid += part * (hours - paid)
        rate = meter.read(exact(hours - paid, "it"), START + timedelta(hours=hours), hours * HOUR)
        found += [] if rate is None else [float(rate)]
    assert found == pytest.approx([1.0] * len(found))


@pytest.mark.parametrize("kind", ["rate", "balance", "counter", "event"])
def test_a_zero_that_is_no_answer_is_no_reading(kind):
    meter, plain = Meter(Series(kind, zero="no answer")), Meter(Series(kind))
    for hours, value in ((0, 20), (1, 0), (2, 21), (3, 0), (4, 22)):
        moment = START + timedelta(hours=hours)
        if value:
            assert meter.read(Decimal(value), moment, hours * HOUR) == plain.read(Decimal(value), moment, hours * HOUR)
        else:
            with pytest.raises(ProtocolError, match="no answer") as caught:
                meter.read(Decimal(value), moment, hours * HOUR)
            assert caught.value.kind is ErrorKind.NEVER_REPORTED


def test_events_are_counted_once_and_spread_over_the_window():
    meter = Meter(Series("event", window=timedelta(hours=2)))
    came = [START, START, START + timedelta(hours=1), START + timedelta(hours=1), START + timedelta(hours=1)]
    found = [meter.read(Decimal(6), START + timedelta(hours=h), h * HOUR, event=event) for h, event in enumerate(came)]
    assert found == [None, None, 3, 3, 0]


def test_a_source_that_stands_within_its_cadence_keeps_its_rate_and_falls_after_it():
    series = Series("counter", window=timedelta(hours=24), cadence=timedelta(hours=12))
    found = rates(series, [(hour, 12 * ((hour - 1) // 12)) for hour in range(1, 61)])
    assert found[:12] == [None] * 12
    assert set(found[24:]) == {1.0}
    still = rates(series, [(hour, 12 * min((hour - 1) // 12, 3)) for hour in range(1, 97)])
    assert still[36:49] == [1.0] * 13
    assert all(after < before for before, after in pairwise(still[49:73]))
    assert still[-1] == 0.0


def test_nothing_earned_for_a_whole_cadence_is_zero_not_unknown():
    series = Series("counter", window=timedelta(hours=2), cadence=timedelta(hours=1))
    assert rates(series, [(0, 5), (0.5, 5), (1.0, 5)]) == [None, None, 0.0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"kind": "extrapolation"}, "never an input"),
        ({"kind": "countre"}, "did you mean 'counter'"),
        ({"resets": "monthly"}, "did you mean 'month'"),
        ({"window": timedelta(0)}, "window"),
        ({"dip": 1.0}, "dip"),
        ({"zero": "no anwser"}, "did you mean 'no answer'"),
        ({"cadence": timedelta(-1)}, "cadence"),
    ],
)
def test_a_series_that_cannot_be_is_refused(arguments, words):
    with pytest.raises(ConfigurationError, match=words):
        Series(**arguments)


def test_money_is_made_last_and_points_have_no_price():
    assert Unit("cent").usd(Decimal("654.49")) == 6.5449
    assert Unit("micro_usd").usd(Decimal(1)) == 1e-6
    assert Unit("wei", 0.25).usd(Decimal(4 * 10**18)) == 1.0
    assert Unit("points", 0.01).usd(Decimal(5)) == 0.05
    with pytest.raises(ProtocolError) as caught:
        Unit("points").usd(Decimal(5))
    assert caught.value.kind is ErrorKind.NEVER_REPORTED
    for wrong in (("cents", None), ("usd", 1.0), ("token", -1.0), ("token", math.nan), ("token", "1")):
        with pytest.raises(ConfigurationError):
            Unit(*wrong)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (2**70 + 1, Decimal(2**70 + 1)),
        ("1180591620717411303425", Decimal(2**70 + 1)),
        (" 1.5 ", Decimal("1.5")),
        ("-3e-7", Decimal("-3e-7")),
        (0.1, Decimal("0.1")),
        (np.float64(0.1), Decimal("0.1")),
        (np.int64(7), Decimal(7)),
        (Decimal("2.50"), Decimal("2.50")),
    ],
)
def test_numbers_are_taken_without_loss(value, number):
    assert exact(value, "it") == number


@pytest.mark.parametrize(
    "value",
    [
        *("$1.75", "3500m", "1,234", "1_000", "NaN", "Infinity", "1e999", "", "٣", "0x10", "1" * 200, b"1"),
        *(True, math.nan, math.inf, [], {}, 10**61, Decimal("sNaN"), 1j),
    ],
    ids=lambda value: str(value)[:9],
)
def test_what_is_no_number_is_refused(value):
    with pytest.raises(ProtocolError) as caught:
        exact(value, "it")
    assert caught.value.kind is ErrorKind.SHAPE


def test_dollars_are_a_number_only_where_they_are_meant():
    assert exact("$1.75", "it", dollars=True) == Decimal("1.75")


wei = st.integers(min_value=0, max_value=10**24)
gaps = st.floats(min_value=0.0, max_value=2e6)


@given(
    st.sampled_from([SeriesKind.COUNTER, SeriesKind.BALANCE, SeriesKind.EVENT]),
    st.sampled_from(Resets),
    st.sampled_from([timedelta(0), timedelta(hours=12)]),
    st.lists(st.tuples(gaps, wei), max_size=30),
)
def test_whatever_is_read_the_rate_is_finite_and_not_below_zero(kind, resets, cadence, readings):
    meter, seconds = Meter(Series(kind, resets=resets, cadence=cadence)), 0.0
    for gap, value in readings:
        seconds += gap
        now = START + timedelta(seconds=seconds)
        rate = meter.read(Decimal(value), now, seconds, event=now)
        assert rate is None or (rate.is_finite() and rate >= 0)


@given(st.lists(st.tuples(st.floats(min_value=1.0, max_value=3000.0), wei), min_size=2, max_size=40))
def test_differences_of_huge_counters_are_exact(steps):
    meter, seconds, total = Meter(Series("counter", window=timedelta(days=365))), 0.0, 10**30
    meter.read(Decimal(total), START, 0.0)
    for gap, more in steps:
        seconds, total = seconds + gap, total + more
        rate = meter.read(Decimal(total), START, seconds)
        if rate is not None:
            gained = rate * Decimal(repr(seconds)) / 3600
            assert abs(gained - (total - 10**30)) <= max(gained * Decimal("1e-20"), Decimal("1e-9"))


@given(
    st.lists(st.floats(min_value=60.0, max_value=1800.0), min_size=60, max_size=120),
    st.floats(min_value=-7000.0, max_value=7000.0),
    st.floats(min_value=0.0, max_value=1.0),
    st.integers(min_value=1, max_value=119),
    st.integers(min_value=0, max_value=119),
)
def test_a_steady_income_stays_steady_over_a_months_end_with_skewed_clocks_and_a_lost_part(
    gaps, skew, lost, vanishes, returns
):
    """1 an hour in all: the counter's own clock is `skew` seconds ahead, and a part of its sum is away for a while.

    Its going must be seen as a fall, not in a month's first hours, and its coming in the same month: else nobody
    could tell that from income.
    """
    turns = next((number for number, at in enumerate(accumulate(gaps)) if at + skew >= 12 * HOUR), len(gaps))
    assume(not vanishes <= turns <= returns)
    midnight = 12 * HOUR
    start = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
    meter, seconds, before = Meter(MONTHLY), 0.0, 0.0
    for number, gap in enumerate(gaps):
        seconds += gap
        own = seconds + skew - midnight
        total = (own if own >= 0.0 else 720 * HOUR + own) / HOUR
        if vanishes <= number < returns:
            total *= 1.0 - 0.4 * lost
            assume(number > vanishes or (total < before and not 0.0 <= own < 6 * HOUR))
        before = total
        rate = meter.read(exact(total, "it"), start + timedelta(seconds=seconds), seconds)
        if rate is not None:
            assert 0.0 <= rate < 1.5
