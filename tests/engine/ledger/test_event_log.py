"""What happened is kept for thirty days on which something did, whatever the clock says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from reallot.engine.ledger.event_log import KEPT_DAYS, EventLog

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def kept(days):
    """The days that are left of events that come by one a day, each told by another start of the engine."""
    log = EventLog(None)
    for day in days:
        log._added = 0  # as after a start, where the first event makes room
        log.add([(AT + timedelta(days=day), "poll", str(day), {}, 20)])
    return [int(each.text) for each in log.before(None, 1000)][::-1]


def test_events_are_kept_for_thirty_days():
    assert kept(range(40)) == list(range(40 - KEPT_DAYS, 40))


@given(st.lists(st.sampled_from([1096, -1096, 40_000, 0, 1]), max_size=KEPT_DAYS - 5), st.integers(0, 4))
def test_a_clock_that_is_years_ahead_or_behind_forgets_nothing(wrong, after):
    days = [*range(4), *wrong, *range(4, 4 + after)]
    assert kept(days)[-after - len(wrong) - 4 :] == days[:4] + wrong + days[-after:] * bool(after)
