"""Lengths of time that nobody can mean are an error of the library's own tree, and very long ones are all there is."""

from __future__ import annotations

import asyncio

import pytest

from reallot import MonitorConfig, ReallocationEngine, RealtimeMonitor
from reallot.errors import MonitoringError, ReallocationError

ASKED = {
    "trends": (RealtimeMonitor.get_earnings_trends, MonitoringError),
    "cleanup": (RealtimeMonitor.cleanup_old_data, MonitoringError),
    "changes": (ReallocationEngine.get_recent_reallocations, ReallocationError),
}


def answer(asked, value):
    method, _ = ASKED[asked]
    part = ReallocationEngine() if asked == "changes" else RealtimeMonitor(MonitorConfig())
    return asyncio.run(method(part, value))


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("value", [1e9, 1e300, float("inf"), 0, 0.5])
def test_a_very_long_time_is_all_there_is(asked, value):
    assert not answer(asked, value)


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("value", [float("nan"), "x", None, -1, [1]])
def test_what_is_no_length_of_time_is_refused_by_name(asked, value):
    with pytest.raises(ASKED[asked][1], match="must be a number, 0 or more"):
        answer(asked, value)


@pytest.mark.parametrize("moment", ["x", None, 5])
def test_an_alert_is_acknowledged_by_its_time_only(moment):
    with pytest.raises(MonitoringError, match="aware"):
        asyncio.run(RealtimeMonitor(MonitorConfig()).acknowledge_alert(moment))
