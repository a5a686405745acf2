"""Rates learned from polls: spikes, falls, age, time, and what a flat or swinging market does to the shares."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import EarningsCurve
from reallot.engine.planning.plan import confidence
from reallot.engine.planning.rate_estimation import RateBlock, RateEstimate, rates
from reallot.engine.planning.rate_rules import RateRules
from reallot.orchestration.optimizer import EarningsOptimizer
from tests.orchestration.polls import START, noisy, poll, status
from tests.rounds import quick
from tests.strategies import budget

HALVES = {"relay": 0.5, "compute": 0.5}
TWELVE = {f"p{i:02}": 1.0 / 12.0 for i in range(12)}
DAY = 24 * 60


def live(
    rate: Callable[[str, int], float | None], shares: dict[str, float], minutes: int, every: int = 1, **more: object
) -> tuple[list[int], dict[str, float]]:
    """Minutes at which shares moved, and where they ended: a poll a minute, a decision every so many, moves at once."""
    optimizer, moved = EarningsOptimizer(**more), []
    for minute in range(minutes):
        metrics = poll({name: rate(name, minute) for name in shares}, shares, minute)
        optimizer.update_metrics(metrics)
        if minute % every == 0 or minute < 60:
            pairs = optimizer.analyze_opportunities(metrics)
            if pairs:
                plan = optimizer.calculate_optimal_allocation(metrics)
                if optimizer.should_reallocate(pairs, plan):
                    moved.append(minute)
                    shares = plan.allocation
    return moved, shares


# what a rate is -----------------------------------------------------------------------------------------------------


def test_the_rate_is_earnings_by_share_and_steady_readings_are_certain():
    found = rates(poll({"relay": 4.0, "compute": 16.0}, {"relay": 0.25, "compute": 0.75}, m) for m in range(600))
    assert (found["relay"].rate, found["compute"].rate) == pytest.approx((4.0, 16.0))
    assert found["relay"].more == pytest.approx(4.0, rel=0.002)
    assert found["relay"].age_seconds == 0.0


def test_a_known_curve_is_scaled_and_its_rate_is_the_factor():
    shapes = {"relay": EarningsCurve.through([(0, 0), (0.5, 1.0)])}
    assert rates([poll({"relay": 3.0}, {"relay": 0.5})], shapes=shapes)["relay"].rate == pytest.approx(1.5)


def test_nothing_is_learned_from_a_share_too_small_to_tell_nor_from_no_value():
    found = rates([poll({"relay": 1e9, "compute": None}, {"relay": 0.001, "compute": 0.5})])
    assert found["relay"].rate is None
    assert "too small" in found["relay"].why
    assert found["compute"].why == "it has not reported any earnings"


def test_an_impossible_number_is_no_reading():
    first = rates([poll({"relay": 1e18}, {"relay": 1.0})])["relay"]
    assert (first.rate, first.why) == (None, "it cannot earn what it says")
    later = [poll({"relay": 1e18 if m % 2 else 4.0}, {"relay": 1.0}, m) for m in range(20)]
    assert rates(later)["relay"].rate == pytest.approx(4.0)


def test_readings_count_by_the_time_they_stand_for():
    # an hour at 4 with a poll a minute, then an hour at 5: as many polls in its last minute change little
    plain = [poll({"relay": 4.0 if m <= 60 else 5.0}, {"relay": 1.0}, m) for m in range(121)]
    burst = [poll({"relay": 5.0}, {"relay": 1.0}, 120 + second / 60) for second in range(1, 60)]
    before, after = rates(plain)["relay"].rate, rates(plain + burst)["relay"].rate
    assert before == pytest.approx(4.5, abs=0.05)
    assert after - before < 0.01


def test_the_same_reading_again_is_not_evidence():
    def asked(minute: int):
        said = status("relay", source_time=START + timedelta(hours=minute // 60))
        return poll({"relay": 4.0 + minute // 60}, {"relay": 1.0}, minute, statuses={"relay": said})

    assert rates(asked(minute) for minute in range(180))["relay"].readings == 3


def test_readings_right_after_a_change_of_share_may_be_of_the_share_before():
    # earnings follow the share 3 minutes late: without care 0.5 -> 0.7 looks as if the rate fell to 5 / 7
    polls = [poll({"relay": 4.0}, {"relay": 0.5}, m) for m in range(60)]
    late = [poll({"relay": 4.0 * (0.5 / 0.7 if m < 63 else 1.0)}, {"relay": 0.7}, m) for m in range(60, 120)]
    for upto in (61, 63, 66, 120):
        assert rates((polls + late)[:upto])["relay"].rate == pytest.approx(4.0)


def test_a_clock_that_goes_back_does_no_harm():
    minutes = [*range(60), *range(20, 90)]
    polls = [poll({"relay": 4.0 + 0.01 * (i % 3)}, {"relay": 1.0}, m) for i, m in enumerate(minutes)]
    found = rates(polls)["relay"]
    assert found.rate == pytest.approx(4.01, abs=0.01)
    assert found.readings == len(minutes)


def test_what_was_last_seen_long_ago_earns_less_where_it_is_added_to_and_in_the_end_nothing_is_known():
    polls = [poll({"relay": 4.0}, {"relay": 1.0}, m) for m in range(60)]
    more = []
    for hours in (0.5, 2, 13, 20):
        found = rates([*polls, poll({"relay": 0.0}, {"relay": 0.0}, 59 + 60 * hours)])["relay"]
        assert found.rate == pytest.approx(4.0)
        more.append(found.more)
    assert more == sorted(more, reverse=True)
    assert more[2] == pytest.approx(0.5 * more[0], rel=0.01)
    gone = rates([*polls, poll({"relay": 0.0}, {"relay": 0.0}, 59 + 60 * 24.1)])["relay"]
    assert gone.rate is None
    assert gone.why == "last seen 1d6m ago, before the window of 1d"


def test_scaling_all_earnings_scales_all_rates():
    @given(st.floats(1e-6, 1e6), st.integers(0, 1000))
    def scaled(factor, seed):
        base = {"relay": 4.0, "compute": 5.0}
        one = rates(noisy(base, HALVES, 40, 0.4, seed))
        other = rates(noisy({name: factor * rate for name, rate in base.items()}, HALVES, 40, 0.4, seed))
        for name in base:
            assert other[name].rate == pytest.approx(factor * one[name].rate)
            assert other[name].more == pytest.approx(factor * one[name].more, abs=1e-9 * factor)

    scaled()


@budget(1.0)
@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6), st.sampled_from([0.0, 1.0, 1e9])), max_size=60), st.data())
def test_whatever_is_reported_rates_are_numbers_within_what_was_seen(values, data):
    shares = [data.draw(st.sampled_from([0.0, 0.004, 0.3, 0.30001, 1.0])) for _ in values]
    polls = [
        poll({"relay": value}, {"relay": share}, minute)
        for minute, (value, share) in enumerate(zip(values, shares, strict=True))
    ]
    found = rates(polls).get("relay")
    seen = [value for value, share in zip(values, shares, strict=True) if value is not None and share >= 0.005]
    if found is not None and found.rate is not None:
        slack = 1e-9 * max(1.0, *(abs(value) for value in seen))
        assert min(seen) - slack <= found.rate <= max(seen) + slack
        assert math.isfinite(found.more)
        assert math.isfinite(found.error)
        assert found.error >= 0.0


# spikes and falls ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "where"), quick((0.0, 10), (100.0, 200), rest=product([0.0, 0.3, 3.0, 100.0, 1e6], [10, 200]))
)
def test_a_spike_of_three_samples_causes_no_move(times, where):
    draw = random.Random(1)

    def rate(name: str, minute: int) -> float:
        usual = 10.0 * (1.0 + 0.05 * draw.gauss(0.0, 1.0))
        return usual * times if name == "p03" and where <= minute < where + 3 else usual

    assert live(rate, TWELVE, 400)[0] == []


@given(st.integers(6, 15))
def test_a_protocol_that_earned_nothing_is_believed_again_though_its_share_changes_every_hour(every):
    """Its 0 was believed; then it earns 2 again, polled every so many minutes, and gives up a tenth each hour."""
    polls = [poll({"relay": 0.0}, {"relay": 0.5}, 10 * number) for number in range(12)]
    for number in range(180 // every):
        share = 0.5 - 0.1 * (number * every // 60)
        polls.append(poll({"relay": 2.0}, {"relay": share}, 120 + every * number))
    assert rates(polls)["relay"].rate == pytest.approx(2.0)


def test_what_was_known_a_day_ago_is_too_old_to_doubt_a_reading_by():
    polls = [poll({"relay": 0.0}, {"relay": 0.5}, 10 * number) for number in range(12)]
    polls += [poll({"relay": 2.0}, {"relay": 0.5}, 110 + DAY + 10 * number) for number in (1, 2, 3)]
    assert rates(polls)["relay"].rate == pytest.approx(2.0)


def test_outliers_in_a_row_are_believed_and_falls_sooner_than_rises():
    def first(factor: float) -> int:
        moved, _ = live(lambda name, m: 10.0 * (factor if name == "relay" and m >= 100 else 1.0), HALVES, 400)
        return moved[0] - 100

    rise, fall = first(4.0), first(0.1)
    assert (fall, rise) == (3, 5)  # the fourth and the sixth reading


@pytest.mark.slow
def test_moderate_falls_act_sooner_than_moderate_rises():
    def first(factor: float) -> int:
        moved, _ = live(lambda name, m: 10.0 * (factor if name == "relay" and m >= 100 else 1.0), HALVES, 500)
        return moved[0] - 100

    rise, fall = first(1.6), first(1 / 1.6)
    assert fall < 0.6 * rise


def test_a_source_dead_for_two_hours_is_neither_evacuated_nor_rewarded():
    optimizer, shares = EarningsOptimizer(), {"relay": 0.4, "compute": 0.3, "storage": 0.3}
    for minute in range(300):
        dead = 100 <= minute < 220
        rate = {"relay": 10.0, "compute": 12.0 if minute >= 50 else 10.0, "storage": 10.0}
        more = {"stale": {"compute": 60.0 * (minute - 99)}, "down": ("compute",)} if dead else {}
        metrics = poll(rate, shares, minute, **more)
        plan = optimizer.calculate_optimal_allocation(metrics)
        if dead:
            assert plan.allocation["compute"] == shares["compute"]
            assert any("compute stays as it is: its value is" in reason for reason in plan.reasons)
    assert plan.allocation["compute"] > shares["compute"]


def test_a_source_dead_from_the_start_has_no_rate_and_keeps_its_share():
    metrics = poll({"relay": 1.0, "compute": 5.0, "dead": None}, {"relay": 0.4, "compute": 0.3, "dead": 0.3})
    plan = EarningsOptimizer().calculate_optimal_allocation(metrics)
    assert plan.allocation["dead"] == 0.3
    assert plan.allocation["compute"] == pytest.approx(0.5)


# flat and swinging markets ------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "seed", "every"), [(0.1, 0, 3), (0.02, 1, 10), (0.05, 2, 10), (0.2, 3, 10)])
def test_seven_flat_days_move_nothing(noise, seed, every):
    draw = random.Random(seed)
    moved, shares = live(
        lambda name, minute: 10.0 * max(0.0, 1.0 + noise * draw.gauss(0.0, 1.0)), TWELVE, 7 * DAY, every
    )
    assert moved == []
    assert shares == TWELVE


@pytest.mark.slow
@pytest.mark.parametrize("period", [2, 10, 30, 120])
def test_equal_rates_that_swing_for_seven_days_move_nothing(period):
    def rate(name: str, minute: int) -> float:
        sign = 1.0 if name == "relay" else -1.0
        return 10.0 * (1.0 + 0.3 * sign * math.sin(2.0 * math.pi * (minute + 0.25) / period))

    # whether the first readings swing or differ, nobody can know
    moved, _ = live(rate, HALVES, 7 * DAY, every=5)
    assert len(moved) <= 2
    assert max(moved, default=0) < period


@pytest.mark.slow
def test_a_lasting_difference_is_found_in_noise_and_followed_to_the_end_and_a_small_one_is_not_worth_it():
    draw = random.Random(4)

    def rate(best: float) -> Callable[[str, int], float]:
        return lambda name, minute: (best if name == "p05" else 10.0) * (1.0 + 0.1 * draw.gauss(0.0, 1.0))

    assert live(rate(11.5), TWELVE, 600, every=5)[0] == []  # 0.2 * 1.5 of 10 USD/h is less than 5 percent
    moved, shares = live(rate(15.0), TWELVE, 600, every=5)
    assert shares["p05"] > 0.8
    assert 4 <= len(moved) <= 6


# confidence ---------------------------------------------------------------------------------------------------------

RULES = RateRules()


def sure(net: float, past: list[float]) -> float | None:
    known = {"relay": RateEstimate("relay", 1.0, 1.0, past=tuple(RateBlock(*each, 1.0) for each in enumerate(past)))}
    return confidence({"relay": 0.2}, net, 24.0, known, RULES)


def test_confidence_is_none_without_enough_history_or_without_moves():
    assert sure(1.0, [1.0, 2.0, 1.0, 2.0, 1.0]) is None
    assert sure(1.0, [1.0, 2.0, 1.0, 2.0, 1.0, 2.0]) is not None
    assert confidence({}, 1.0, 24.0, {}, RULES) is None
    assert confidence({"unknown": 0.2}, 1.0, 24.0, {}, RULES) is None


def test_confidence_rises_with_the_evidence_the_benefit_and_steadiness():
    base = [1.0, 1.2]
    assert sure(1.0, base * 3) < sure(1.0, base * 6) < sure(1.0, base * 12)
    assert sure(0.5, base * 6) < sure(1.0, base * 6)
    assert sure(1.0, [1.0, 1.4] * 6) < sure(1.0, base * 6)
    assert sure(0.0, base * 6) == 0.5
    assert sure(-1.0, base * 6) == pytest.approx(1.0 - sure(1.0, base * 6))
    assert sure(1.0, [1.0] * 12) == pytest.approx(0.9989, abs=1e-4)


def test_a_plan_has_a_confidence_after_some_hours():
    optimizer, draw = EarningsOptimizer(), random.Random(0)
    found = []
    for minute in range(8 * 60):
        seen = {name: rate * (1.0 + 0.1 * draw.gauss(0.0, 1.0)) for name, rate in (("relay", 10.0), ("compute", 12.0))}
        metrics = poll(seen, HALVES, minute)
        optimizer.update_metrics(metrics)
        if minute % 60 == 59:
            found.append(optimizer.calculate_optimal_allocation(metrics).confidence)
    assert found[:5] == [None] * 5
    assert all(value is not None and value > 0.9 for value in found[5:])


def test_a_deep_fall_after_few_readings_is_believed_as_soon_as_one_after_many():
    for before in (3, 6, 60):
        history = [poll({"relay": 24.0}, {"relay": 0.5}, 5.0 * place) for place in range(before)]
        history += [poll({"relay": 0.5}, {"relay": 0.5}, 5.0 * (before + place)) for place in range(4)]
        assert rates(history)["relay"].rate == pytest.approx(0.5)
