"""Which readings are believed at once: zeros after steady earnings wait, jumps as of units are doubted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot.engine.contracts.validation import UNITS, Plausibility
from reallot.errors import ErrorKind, ProtocolError

MINUTE = 60.0


def read(
    values, seen: Plausibility | None = None, *, share: float | None = 0.5, every: float = MINUTE, start: float = 0.0
):
    """Each value where it was taken, else the kind of its error."""
    seen, found = seen or Plausibility(), []
    for place, value in enumerate(values):
        try:
            seen.admit(value, share, start + place * every)
            found.append(value)
        except ProtocolError as error:
            found.append(error.kind)
    return found


NO = ErrorKind.NEVER_REPORTED


def test_two_zeros_after_steady_earnings_are_no_reading():
    assert read([5.0] * 10 + [0.0, 0.0] + [5.0] * 3) == [5.0] * 10 + [NO, NO] + [5.0] * 3


def test_a_zero_that_lasts_is_believed_after_the_usual_rest_and_an_hour_at_most():
    changing = [5.0 + 0.1 * (place % 7) for place in range(10)]
    assert read([*changing, 0.0, 0.0]) == [*changing, NO, 0.0]
    by_five = [5.0 + place // 5 for place in range(20)]
    assert read([*by_five, *[0.0] * 6]) == [*by_five, *[NO] * 5, 0.0]
    assert read([5.0] * 100 + [0.0] * 61)[-2:] == [NO, 0.0]
    assert read([5.0] * 100 + [0.0] * 70 + [0.1, 0.0])[-2:] == [0.1, NO]


def test_a_zero_at_another_share_or_of_one_that_is_not_well_is_believed_at_once():
    seen = Plausibility()
    read([5.0] * 10, seen)
    seen.admit(0.0, 0.0, 10 * MINUTE)
    seen = Plausibility()
    read([5.0] * 10, seen)
    seen.admit(0.0, 0.5, 10 * MINUTE, zero_waits=False)
    assert read([0.0, 0.0, 3.0]) == [0.0, 0.0, 3.0]


@pytest.mark.parametrize("share", [0.5, None, 0.5004])
@pytest.mark.parametrize("factor", [24.0, 22.0, 26.0, 60.0, 100.0])
def test_a_jump_as_of_units_is_taken_and_doubted_until_it_is_over(factor: float, share: float | None):
    seen = Plausibility()
    read([1.0] * 5, seen, share=None if share is None else 0.5)
    assert read([factor] * 5, seen, share=share, start=5 * MINUTE) == [factor] * 5
    assert f"earns {factor:g} USD/h after 1 at the same share" in seen.doubt
    assert seen.base == share
    read([1.0], seen, share=share, start=10 * MINUTE)
    assert (seen.doubt, seen.base) == ("", None)


@pytest.mark.parametrize("share", [0.5, None])
@pytest.mark.parametrize("factor", [24.0, 22.0, 60.0, 1e3, 1e6, 1e12])
def test_a_fall_as_of_units_is_taken_and_doubted_until_it_is_over_or_a_loss(factor: float, share: float | None):
    for after, over in ((1.0, True), (0.5 / factor, False), (-1.0 / factor, True), (0.0, True)):
        seen = Plausibility()
        read([1.0] * 5, seen, share=share)
        assert read([1.0 / factor] * 5, seen, share=share, start=5 * MINUTE) == [1.0 / factor] * 5
        assert (seen.fell, seen.base) == (True, share)
        assert f"{factor:.0f} times less, as between" in seen.doubt
        read([after] * 70, seen, share=share, start=10 * MINUTE)
        assert (seen.doubt == "") is over


def test_a_fall_to_what_was_believed_in_the_last_day_is_believed_at_once():
    seen = Plausibility()
    read([1.0] * 5, seen)
    read([24.0], seen, start=5 * MINUTE)
    seen.accept()
    assert read([24.0] * 5 + [1.0], seen, start=6 * MINUTE) == [24.0] * 5 + [1.0]
    assert seen.doubt == ""


def test_a_jump_that_is_over_was_never_believed_and_is_doubted_again():
    seen = Plausibility()
    for start in (0, 100, 200):
        read([1.0] * 30, seen, start=start * MINUTE)
        assert not seen.doubt
        read([1000.0] * 30, seen, start=(start + 30) * MINUTE)
        assert seen.doubt


def test_what_was_doubted_twice_is_over_only_where_it_began():
    seen = Plausibility()
    read([1.0, 24.0, 24.0 * 60.0, 24.0], seen)
    assert seen.doubt
    read([1.0], seen, start=4 * MINUTE)
    assert not seen.doubt


@pytest.mark.parametrize("factor", [1.5, 6.5, 12.0, 18.0, 40.0, 1 / 12, 1 / 40, 1 / 500, -24.0, -1 / 24])
def test_other_changes_are_taken_as_they_are(factor: float):
    seen = Plausibility()
    assert read([1.0] * 5 + [factor] * 3, seen) == [1.0] * 5 + [factor] * 3
    assert seen.doubt == ""


def test_what_a_person_has_seen_is_believed_from_then_on():
    seen = Plausibility()
    read([1.0] * 5 + [24.0], seen)
    seen.accept()
    assert read([24.0, 1.0, 24.0], seen, start=6 * MINUTE) == [24.0, 1.0, 24.0]
    assert seen.doubt == ""


def test_a_level_of_the_last_day_is_known_and_one_of_the_day_before_is_not():
    for hours, doubted in ((23.0, False), (26.0, True)):
        seen = Plausibility()
        read([24.0, 1.0], seen)
        read([1.0] * int(hours), seen, every=3600.0, start=3600.0)
        read([24.0], seen, start=hours * 3600.0)
        assert bool(seen.doubt) is doubted


@pytest.mark.parametrize("steps", [(10.0, 10.0), (10.0, 10.0, 10.0), (12.0, 12.0), (5.0, 5.0, 5.0), (8.0, 2.0, 15.0)])
@pytest.mark.parametrize("begins", [125, 150, 175])
def test_a_rise_in_steps_to_a_hundredfold_is_doubted_as_one_jump_is(steps, begins):
    """No step is a jump, and all of them within the hour are; after a person has seen it, it is believed."""
    seen = Plausibility()
    read([1.0] * begins, seen, share=0.5)
    levels = np.cumprod(steps).tolist()
    rise = [level for level in levels for _ in range(4)]
    assert read(rise, seen, share=0.5, start=begins * MINUTE) == rise
    beyond = next(level for level in levels if level >= 100.0)
    assert seen.doubt.startswith(f"earns {beyond:g} USD/h after 1 more than 2 hours ago, in steps")
    seen.accept()
    read([levels[-1]] * 200, seen, share=0.5, start=(begins + len(rise)) * MINUTE)
    assert not seen.doubt


@pytest.mark.parametrize("was", [0.0, 0.0002, 0.0009])
def test_what_grows_from_nearly_nothing_held_is_no_jump_in_one_or_in_steps(was: float):
    """Shares that are measured may be read as a little where nothing is held; what that earns is no level."""
    seen = Plausibility()
    read([0.0002] * 200, seen, share=was)
    read([0.3] * 10, seen, share=0.2, start=200 * MINUTE)
    assert not seen.doubt


@pytest.mark.parametrize("steps", [(6.5,), (3.0, 3.0, 3.0), (2.0,) * 6])
def test_a_rise_in_steps_to_less_than_that_is_believed(steps):
    seen = Plausibility()
    read([1.0] * 150, seen, share=0.5)
    rise = [level for level in np.cumprod(steps).tolist() for _ in range(4)]
    assert read(rise, seen, share=0.5, start=150 * MINUTE) == rise and not seen.doubt


@given(
    levels=st.lists(st.floats(0.01, 100.0), min_size=2, max_size=20),
    unit=st.sampled_from(sorted(UNITS)),
    share=st.sampled_from([None, 0.001, 0.5, 1.0]),
    polls=st.integers(1, 5),
)
def test_whatever_was_earned_a_jump_of_a_unit_over_all_of_it_is_never_taken_unasked(levels, unit, share, polls):
    seen = Plausibility()
    read(levels, seen, share=share)
    seen.accept()
    high = unit * levels[-1]
    if high <= 1.5 * max(levels):
        return
    read([high] * 3 * polls, seen, share=share, start=len(levels) * MINUTE)
    assert seen.doubt
    assert seen.base == share


@given(
    levels=st.lists(st.floats(0.01, 100.0), min_size=1, max_size=20),
    unit=st.sampled_from(sorted(UNITS)),
    share=st.sampled_from([None, 0.001, 0.5, 1.0]),
    polls=st.integers(1, 5),
)
def test_whatever_was_earned_a_fall_of_a_unit_below_all_of_it_is_never_taken_unasked(levels, unit, share, polls):
    seen = Plausibility()
    read(levels, seen, share=share)
    seen.accept()
    low = levels[-1] / unit
    if 1.5 * low >= min(levels):
        return
    assert read([low] * polls, seen, share=share, start=len(levels) * MINUTE) == [low] * polls
    assert seen.doubt and seen.fell
    assert seen.base == share


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), share=st.sampled_from([None, 0.0, 0.3]))
def test_whatever_is_read_three_in_a_row_are_never_all_held_back_but_for_zeros(values, share):
    tripled = [value for value in values for _ in range(3)]
    found = read(tripled, share=share)
    for place in range(0, len(found), 3):
        held = [each for each in found[place : place + 3] if isinstance(each, ErrorKind)]
        assert len(held) < 3 or tripled[place] == 0.0


@pytest.mark.parametrize("factor", [24.0, 60.0, 1e3, 3600.0, 1e6])
@pytest.mark.parametrize(("was", "now"), [(0.2, 0.4), (0.4, 0.2), (0.05, 0.6), (0.6, 0.05)])
def test_a_jump_that_comes_with_another_share_is_doubted_as_one_without(factor: float, was: float, now: float) -> None:
    """Earnings may stay as they were or grow with the share; the jump is beyond both."""
    seen = Plausibility()
    read([2.0] * 10, seen, share=was)
    read([2.0 * max(1.0, now / was) * factor] * 4, seen, share=now, start=10 * MINUTE)
    assert seen.doubt.endswith("is its unit right?") and "at most for this share" in seen.doubt
    assert seen.base == now


@given(st.floats(0.002, 1.0), st.floats(0.002, 1.0), st.floats(0.0, 1.0), st.floats(0.1, 6.5))
def test_what_another_share_explains_is_never_doubted(was: float, now: float, part: float, rise: float) -> None:
    """Between what it was and what the share makes of it, and a true rise by no more than 6.5 on top."""
    seen = Plausibility()
    read([2.0] * 10, seen, share=was)
    more = part * now / was + (1.0 - part)
    found = read([2.0 * more * rise] * 4, seen, share=now, start=10 * MINUTE)
    assert not seen.doubt and ErrorKind.SHAPE not in found


def test_a_jump_of_what_held_nothing_meanwhile_is_told_by_what_was_believed_in_the_last_day():
    seen = Plausibility()
    read([2.0] * 10, seen, share=0.5)
    read([0.0] * 10, seen, share=0.0, start=10 * MINUTE)
    read([800.0] * 4, seen, share=0.2, start=20 * MINUTE)  # 0.8 would be as much for its share
    assert "after 0.8 at most for this share, 1000-fold" in seen.doubt
    read([0.8] * 2, seen, share=0.2, start=24 * MINUTE)
    assert not seen.doubt


@pytest.mark.parametrize("back", [2.0, 1.2, 0.4])
def test_what_comes_back_from_a_jump_is_no_fall_though_it_earns_less_than_before(back: float):
    seen = Plausibility()
    read([2.0] * 10, seen)
    read([2000.0] * 4, seen, start=10 * MINUTE)
    assert "1000-fold" in seen.doubt
    assert read([back] * 3, seen, start=14 * MINUTE) == [back] * 3
    assert not seen.doubt
