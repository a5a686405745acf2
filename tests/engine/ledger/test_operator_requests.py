"""The box of requests: a key is one wish, an old wish is not carried out, and rows of older versions are read."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot.engine.ledger.operator_requests import (
    CONFIRM,
    KEPT,
    LIFETIME,
    PAUSE,
    ActionState,
    KeyTaken,
    Requests,
    ordered_id,
)
from reallot.errors import InvalidInput

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture(params=["file", "memory"])
def box(request, tmp_path):
    found = Requests(tmp_path if request.param == "file" else None)
    yield found
    found.close()


def test_the_same_key_is_the_same_wish(box):
    one, first = box.put(CONFIRM, {"plan_id": "p"}, key="k", actor="phone", via="page")
    other, again = box.put(CONFIRM, {"plan_id": "p"}, key="k", actor="somebody else")
    assert first and not again and one == other and len(box.all()) == 1
    with pytest.raises(KeyTaken, match="'k' belongs to another action"):
        box.put(CONFIRM, {"plan_id": "q"}, key="k")
    for key in ("k" * 129, "a\nb", "ä"):
        with pytest.raises(InvalidInput, match="1 to 128 visible"):
            box.put(PAUSE, {}, key=key)


def test_many_threads_with_one_key_put_one_wish_in(tmp_path):
    with ThreadPoolExecutor(8) as threads:
        put = [threads.submit(Requests(tmp_path).put, CONFIRM, {"plan_id": "p"}, key="k") for _ in range(16)]
        found = [each.result() for each in put]
    assert len({request.id for request, _ in found}) == 1
    assert sum(is_new for _, is_new in found) == 1


def test_what_ended_stays_so_and_can_be_found_for_a_week(box):
    request = box.post(CONFIRM, "p", NOW)
    box.done(request, None)
    assert box.find(request.id).state is ActionState.QUEUED
    box.done(request, ActionState.RUNNING, operation=7)
    assert [each.state for each in box.all()] == [ActionState.RUNNING]
    box.done(request, ActionState.REFUSED, {"by": "hold", "detail": "it rests"})
    box.done(request, ActionState.DONE)
    found = box.find(request.id)
    assert (found.state, found.problem["by"], found.operation) == (ActionState.REFUSED, "hold", 7)
    assert box.all() == [] and found.ended is not None
    box.post(PAUSE, at=found.ended + KEPT / 2)
    assert box.find(request.id) is not None
    box.post(PAUSE, at=found.ended + 2 * KEPT)
    assert box.find(request.id) is None and len(box.all()) == 2


@given(st.integers(-3600, 3600), st.sampled_from(["confirm", "rollback", "resume", "execute", "pause"]))
def test_a_wish_is_late_after_its_lifetime_whichever_way_the_clock_went(seconds, kind):
    box = Requests(None)
    request = box.post(kind, "p", NOW)
    late = kind != PAUSE and abs(seconds) > LIFETIME.total_seconds()
    assert request.is_late(NOW + timedelta(seconds=seconds)) is late
    box.close()


def test_rows_of_the_table_that_there_was_before_are_wishes(tmp_path):
    with closing(sqlite3.connect(tmp_path / "requests.db", isolation_level=None)) as older:
        older.execute(
            "CREATE TABLE request (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, plan_id TEXT NOT NULL, at TEXT NOT NULL)"
        )
        for kind, about in (("resume", ""), ("confirm", "p1"), ("acknowledge", "jump:b")):
            older.execute("INSERT INTO request (kind, plan_id, at) VALUES (?, ?, ?)", (kind, about, NOW.isoformat()))
    box = Requests(tmp_path)
    box.post("pause", at=NOW - timedelta(days=1))
    assert [(each.kind, each.plan_id) for each in box.all()] == [
        ("resume", ""), ("confirm", "p1"), ("acknowledge", "jump:b"), ("pause", ""),
    ]  # fmt: skip
    assert {each.at for each in box.all()[:3]} == {NOW}


@given(st.lists(st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)), min_size=2))
def test_ids_sort_by_time_and_are_of_version_7(moments):
    ids = [ordered_id(each) for each in moments]
    assert len(set(ids)) == len(ids)
    assert all(number[14] == "7" and number[19] in "89ab" and len(number) == 36 for number in ids)
    pairs = sorted(zip(moments, ids, strict=True))
    assert all(one[1] < other[1] for one, other in pairwise(pairs) if one[0] < other[0])
