"""The description of the API is committed, says what each path needs, and is what the server does."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

import pytest

from reallot.service.app import LONGEST_WAIT
from reallot.service.described import described
from reallot.service.engine_link import ANSWER_SECONDS
from reallot.service.ledger_pages import SECONDS
from reallot.service.routes import seconds_of
from tests.service.test_reading import Running

PAGE = Path(__file__).parents[2] / "docs" / "openapi.json"
CASES = 10_000 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 120
"""Requests that are made up, the same ones every time."""


def application():
    from reallot.engine.ledger.folder import open_ledger
    from reallot.engine.ledger.operator_requests import Requests
    from reallot.service.actions import Actions
    from reallot.service.app import application
    from reallot.service.board import Board
    from reallot.service.hub import Hub
    from reallot.service.ledger_pages import LedgerPages
    from reallot.service.read_routes import Sources
    from reallot.service.stream import Stream

    hub = Hub(Board())
    sources = Sources(hub, LedgerPages(open_ledger()))
    return application(sources, Actions(Requests(None), lambda: hub.board, lambda: None), Stream(hub))


def test_the_committed_description_is_that_of_the_routes():
    made = json.dumps(described(application()), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if os.environ.get("REALLOT_WRITE_OPENAPI"):
        PAGE.write_text(made, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == made, "run this test once with REALLOT_WRITE_OPENAPI=1, and commit"


def test_every_route_declares_its_scope_and_only_the_page_and_health_are_open():
    app, open_paths = application(), set()
    for route in app.routes:
        scope = getattr(getattr(route, "endpoint", None), "scope", None)
        assert scope in ("none", "read", "act"), route.path
        if scope == "none":
            open_paths.add(route.path)
        elif "POST" in (getattr(route, "methods", None) or ()) and route.path == "/v1/actions":
            assert scope == "act"
    told = json.loads(PAGE.read_text(encoding="utf-8"))
    assert {path for path in open_paths if path.startswith("/v1")} == set()
    assert told["openapi"].startswith("3.1") and told["paths"]["/v1/actions"]["post"]["x-scope"] == "act"


def test_who_waits_for_an_engine_is_given_the_time_that_it_takes():
    routes = application().routes
    assert seconds_of(routes, "POST", "/v1/plans/p1/preview") > ANSWER_SECONDS + SECONDS
    assert seconds_of(routes, "GET", "/v1/actions/a1") > LONGEST_WAIT
    assert seconds_of(routes, "GET", "/v1/state") == seconds_of(routes, "GET", "/nothing") == 0.0


@pytest.mark.slow
def test_made_up_requests_find_no_server_error_and_no_difference(tmp_path):
    """Requests by the description, good and bad ones, with a fixed seed."""
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis.errors import Unsatisfiable
    from schemathesis.checks import load_all_checks
    from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

    from reallot.service.gate import Bounds

    load_all_checks()

    running = Running(tmp_path, bounds=Bounds(reads=(1e9, 1e9), acts=(1e9, 1e9), logins=(1e9, 1e9)))
    running.asked.secrets["fuzz"] = running.asked.tokens.new("act", "fuzz", None)
    told = json.loads(PAGE.read_text(encoding="utf-8"))
    del told["components"]["securitySchemes"]  # the token is right in all of them: others test wrong ones
    for operations in told["paths"].values():
        for operation in operations.values():
            operation["security"] = []
    schema = schemathesis.openapi.from_dict(told)
    counted, of_each = 0, max(2, CASES // (2 * sum(map(len, told["paths"].values()))))
    try:
        with running.asked.client("fuzz") as client:
            for result in schema.get_all_operations():
                operation = result.ok()
                if operation.path == "/v1/stream/events":
                    continue  # it goes on for ever
                for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):

                    @given(case=operation.as_strategy(generation_mode=mode))
                    @settings(
                        max_examples=of_each,
                        derandomize=True,
                        database=None,
                        deadline=None,
                        phases=[Phase.generate],
                        suppress_health_check=list(HealthCheck),
                    )
                    def ask(case):
                        nonlocal counted
                        counted += 1
                        answer = case.call(base_url=running.asked.server.url.rstrip("/"), headers=dict(client.headers))
                        left_out = [positive_data_acceptance]
                        if answer.status_code == 413:  # a refusal too, which the check does not know as one
                            left_out.append(negative_data_rejection)
                        case.validate_response(answer, excluded_checks=left_out)

                    with suppress(Unsatisfiable):  # where nothing can be said wrongly
                        ask()
    finally:
        running.close()
    assert counted >= 60, counted
