"""What the API tells of an engine that runs, against what the engine and its ledger say themselves."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from threading import Thread
from urllib.parse import quote

import pytest

from reallot.engine.contracts.clock import ManualClock
from tests.orchestration.polls import START
from tests.runtime.test_actions import Engine
from tests.service.conftest import Asked

pytestmark = pytest.mark.slow


class Running:
    """A few cycles of an engine with the server beside it; its loop goes on in a thread."""

    def __init__(self, folder, mode="confirm", cycles=5, **options):
        from reallot.service.board import Board
        from reallot.service.engine_link import EngineLink
        from reallot.service.publisher import Publisher

        self.engine = Engine(folder, mode=mode, clock=ManualClock(START))
        self.loop = asyncio.new_event_loop()
        self.thread = Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        runner, parts = self.engine.runner, self.engine.parts
        board = Board(names=tuple(parts.coordinator.adapters), mode=parts.mode)
        self.asked = Asked(folder, board, parts.ledger, EngineLink(runner, self.loop), **options)
        self.asked.hub.now = parts.clock.now
        self.publisher = Publisher(runner, self.asked.hub)
        for _ in range(cycles):
            self.step()

    def step(self):
        async def cycle():
            result = await self.engine.runner.cycle()
            await self.publisher.publish(result)
            self.engine.clock.advance(300.0)

        asyncio.run_coroutine_threadsafe(cycle(), self.loop).result(30.0)
        with self.asked.client() as client:  # the hub has it when this answers
            client.get("/healthz")

    def close(self):
        self.asked.close()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5.0)
        self.loop.close()
        self.engine.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    found = Running(tmp_path_factory.mktemp("ledger"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def client(running):
    with running.asked.client() as found:
        yield found


def test_the_state_is_what_the_engine_knows(running, client):
    told, engine = client.get("/v1/state").json(), running.engine
    metrics = engine.runner.last.metrics
    assert told["names"] == ["a", "b"] and told["seq"] == 5
    assert told["total"] == pytest.approx(metrics.total_earnings_per_hour, rel=1e-5)
    assert told["share"] == pytest.approx([0.6, 0.4])
    assert told["waiting"]["plan_id"] == engine.journal.waiting().plan_id
    assert told["verdict"]["condition"] == "waiting" and "A plan waits for your yes" in told["verdict"]["text"]
    assert told["blocked"]["by"] == "confirmation"


def test_every_get_has_a_tag_and_answers_it_with_304(running, client):
    plan = running.engine.journal.waiting().plan_id
    listed = "protocols protocols/a opportunities permission metrics trends reports plans/current plans changes alerts"
    paths = [f"/v1/{each}" for each in (*listed.split(), "state", "events", "config", f"plans/{plan}")]
    for path in paths:
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.text)
        tag = answer.headers["etag"]
        assert tag.startswith('"') and answer.headers["cache-control"] == "no-cache"
        again = client.get(path, headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b""), path


def test_why_has_sums_that_are_the_plans_own(running, client):
    current = client.get("/v1/plans/current").json()
    told = client.get(f"/v1/plans/{current['plan_id']}/why").json()
    assert sum(row["sum"] for row in told["rows"]) == pytest.approx(current["plan"]["net_benefit"], abs=1e-9)
    assert told["again"] == {"same": True, "differences": []}
    assert {row["protocol"] for row in told["rows"]} == {"a", "b"}
    assert told["summary"][0].startswith("It moves a 0.60 -> ") and "USD over 24 h" in told["summary"][1]
    for number in (current["plan"]["estimated_improvement"],):
        assert told["improvement"] == number


def test_why_says_which_rule_a_plan_did_not_meet(tmp_path):
    found = Running(tmp_path, cycles=0)
    optimizer = found.engine.parts.optimizer
    optimizer.config = optimizer.config.model_copy(update={"min_improvement_threshold": 9.0})
    try:
        for _ in range(3):  # the same reason is kept once
            found.step()
        with found.asked.client() as client:
            plan = client.get("/v1/plans/current").json()["plan_id"]
            told = client.get(f"/v1/plans/{plan}/why").json()["summary"][-1]
            blocked = client.post(f"/v1/plans/{plan}/preview").json()["blocked"]
    finally:
        found.close()
    assert told.startswith("Declined at ") and told.endswith(", below 9 (min_improvement_threshold).")
    assert blocked == {"by": "expired", "reason": "the plan was good until 2026-01-01 00:15:00 UTC"}


def test_a_preview_lists_the_calls_and_changes_nothing(running, client):
    plan = running.engine.journal.waiting().plan_id
    told = client.post(f"/v1/plans/{plan}/preview").json()
    assert len(told["calls"]) == 2 and "a" in told["calls"][0]
    assert told["blocked"] is None
    assert running.engine.journal.changes() == []


def test_pages_lose_nothing_and_show_nothing_twice_while_rows_come_in(running, client):
    log = running.engine.parts.ledger.events
    log.add([(START, "test", f"number {n}", {}, 20) for n in range(25)])
    seen, before = [], None
    while True:
        query = "/v1/events?limit=7" + (f"&before={before}" if before else "")
        page = client.get(query).json()
        seen += [each["seq"] for each in page["items"]]
        log.add([(START, "test", "another", {}, 20)])
        if page["next"] is None:
            break
        before = page["next"]
    assert seen == list(range(seen[0], 0, -1))
    after = client.get("/v1/events?after=3&limit=2").json()
    assert [each["seq"] for each in after["items"]] == [4, 5] and after["next"] == "5"
    plans = client.get("/v1/plans?limit=1").json()
    assert plans["items"][0]["plan_id"] and json.dumps(plans)


def test_readings_come_as_polls_or_as_means_and_too_many_are_refused_with_what_works(running, client):
    polls = client.get("/v1/metrics").json()["items"]
    assert len(polls) == 5 and polls[0]["at"] > polls[-1]["at"]
    assert polls[0]["share"] == {"a": 0.6, "b": 0.4}
    first = client.get("/v1/metrics?limit=2").json()
    rest = client.get("/v1/metrics", params={"limit": 1000, "after": first["next"]}).json()
    assert first["items"] + rest["items"] == polls
    means = client.get("/v1/metrics?every=1h").json()["items"]
    assert means[0]["earn"]["a"] == pytest.approx(sum(poll["earn"]["a"] for poll in polls) / 5)
    trends = client.get("/v1/trends?hours=1").json()["items"]
    assert [each["mean"] for each in trends] == pytest.approx([poll["total"] for poll in polls[::-1]])
    assert client.get("/v1/metrics?every=2s").status_code == 422
    start = (START - timedelta(days=3)).isoformat()
    assert client.get("/v1/metrics", params={"start": start, "end": start}).status_code == 422


def test_trends_say_what_never_moving_would_have_earned_where_that_is_known(running, client):
    never = running.engine.runner.never_rate
    assert never is not None
    trends = client.get("/v1/trends?hours=1").json()["items"]
    assert [each["never_moving"] for each in trends] == pytest.approx([never] * 5)


def test_boards_that_know_what_never_moving_earns_are_kept(running):
    from dataclasses import replace

    from reallot.service.hub import Hub

    board = replace(running.publisher.board, never=0.5)
    hub = Hub(board)
    hub.take(board)
    hub.take(replace(board, never=None))
    assert [(each.at, each.usd_per_hour) for each in hub.never] == [(board.at, 0.5)]


def test_a_report_is_that_of_the_monitor(running, client):
    told = client.get("/v1/reports").json()
    assert told["total_earnings"] > 0.0 and told["reallocations"] == 0
    before = {"start": (START - timedelta(days=9)).isoformat(), "end": (START - timedelta(days=8)).isoformat()}
    answer = client.get("/v1/reports", params=before)
    assert answer.status_code == 404 and answer.json()["type"].endswith("/no-readings")
    assert "the newest reading is of 2026-01-01" in answer.json()["detail"]


def test_what_is_not_there_is_told_with_what_is_near(client):
    answer = client.get("/v1/protocols/aa")
    assert answer.status_code == 404 and answer.json()["near"] == "a"
    for path in ("/v1/plans/none", "/v1/plans/none/why", "/v1/actions/none", "/v2"):
        answer = client.get(path)
        assert answer.status_code == 404 and answer.headers["content-type"] == "application/problem+json", path
    assert client.delete("/v1/state").status_code == 405
    assert client.get("/v1/protocols/" + quote("<img onerror=x>", safe="")).status_code == 404


def test_estimates_are_those_of_the_parts(running, client):
    asked = {
        "allocation": [{"protocol": "a", "share": 0.5}, {"protocol": "b", "share": 0.5}],
        "rates": [{"protocol": "a", "usd_per_hour": 1.0}, {"protocol": "b", "usd_per_hour": 3.0}],
        "protocol_count": 2,
    }
    assert client.post("/v1/estimates", json=asked).json() == {"improvement": pytest.approx(0.2), "cost": 0.0}
    assert client.post("/v1/estimates", json={}).status_code == 422


def test_what_moves_capacity_names_what_it_was_decided_on(running):
    plan = running.engine.journal.waiting().plan_id
    with running.asked.client("act") as client:
        tag = client.get("/v1/state").headers["etag"]

        def ask(key, kind, match=None, **body):
            headers = {"Idempotency-Key": key} | ({"If-Match": match} if match else {})
            return client.post("/v1/actions", json={"kind": kind, **body}, headers=headers)

        assert ask("m1", "confirm", plan_id=plan).status_code == 428
        wrong = ask("m2", "confirm", '"1-1"', plan_id=plan)
        assert wrong.status_code == 412 and wrong.json()["present"] == f"/v1/plans/{plan}"
        assert ask("m3", "confirm", tag, plan_id="another").status_code == 412
        right = ask("m4", "confirm", tag, plan_id=plan)
        assert right.status_code == 202
        running.step()
        done = client.get(right.headers["location"], params={"wait": 5}).json()
        assert done["state"] == "done" and done["operation"] == running.engine.journal.operation_of(plan).id
        assert running.engine.journal.committed()["b"] > 0.4
        changes = client.get("/v1/changes").json()["items"]
        assert {each["plan_id"] for each in changes} == {plan} and len(changes) == 2
        assert ask("m4", "confirm", tag, plan_id=plan).json()["state"] == "done"  # the same key: the same row
    running.asked.secrets["other"] = running.asked.tokens.new("act", "other", None)
    with running.asked.client("other") as client:
        match = {"Idempotency-Key": "m5", "If-Match": client.get("/v1/state").headers["etag"]}
        taken = client.post("/v1/actions", json={"kind": "rollback", "plan_id": plan}, headers=match)
        running.step()
        assert client.get(taken.headers["location"]).json()["state"] == "done"
        assert running.engine.journal.committed()["b"] == pytest.approx(0.4)
