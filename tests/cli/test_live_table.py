"""The table of a run: what is old is shown with its age, and the total says how much of it is measured."""

from __future__ import annotations

from datetime import timedelta

from reallot.cli.live_table import state_table
from reallot.cli.screen import Screen
from reallot.errors import ErrorKind
from reallot.orchestration.cycle import CycleResult
from tests.orchestration.polls import START, poll, status


def lines(**changes: object) -> list[str]:
    metrics = poll(
        {"disk": 4.0, "node": 2.0, "relay": 2.0},
        {"disk": 0.5, "node": 0.25, "relay": 0.25},
        stale={"disk": 3 * 86_400.0, "node": 7200.0},
        down=("node",),
        statuses={"node": status("node", connected=False, error=ErrorKind.AUTH)},
    ).model_copy(update=changes)
    return state_table(CycleResult(started_at=START + timedelta(minutes=1), metrics=metrics), Screen(100)).splitlines()


def test_an_old_value_has_its_age_and_the_total_what_is_measured():
    found = {line.split()[0]: line.rstrip() for line in lines(measured_earnings_per_hour=0.5)[1:]}
    assert found["disk"].endswith("value 3d old")
    assert found["node"].endswith("no answer: auth, value 2h old")
    assert found["relay"].endswith("0.500")
    assert found["total"].endswith("3.000  0.500 measured")


def test_where_all_is_measured_the_total_says_nothing_of_it():
    assert lines(stale={}, measured_earnings_per_hour=3.0)[-1].rstrip().endswith("3.000")
