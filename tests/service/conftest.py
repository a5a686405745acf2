"""A server of its own for a test, on a port that is free, with an engine that is not running."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.util import find_spec

import pytest

MISSING = [name for name in ("fastapi", "uvicorn", "websockets", "httpx2") if find_spec(name) is None]
collect_ignore_glob = ["test_*.py"] if MISSING else []


def pytest_report_header():
    return f"tests/service is left out, since {', '.join(MISSING)} is not installed" if MISSING else None


class Asked:
    """A server with a client for each scope; `wakes` counts how often the engine would have been woken."""

    def __init__(
        self,
        folder=None,
        board=None,
        ledger=None,
        link=None,
        port=0,
        tokens=None,
        solver=None,
        host="127.0.0.1",
        **options,
    ):
        from reallot.engine.ledger.folder import open_ledger
        from reallot.engine.ledger.operator_requests import Requests
        from reallot.service.access import Tokens
        from reallot.service.actions import Actions
        from reallot.service.board import Board
        from reallot.service.hub import Hub
        from reallot.service.ledger_pages import LedgerPages
        from reallot.service.read_routes import Sources
        from reallot.service.serving import ServiceThread

        self.wakes = 0
        now = datetime.now(UTC)
        self.ledger = ledger or open_ledger()
        self.hub = Hub(board or Board(seq=3, epoch=1, at=now, names=("relay", "compute")))
        self.requests, self.tokens = Requests(folder), tokens or Tokens(folder)
        self.records = LedgerPages(self.ledger)
        self.server = ServiceThread(
            Sources(self.hub, self.records, link, solver),
            Actions(self.requests, lambda: self.hub.board, self._wake),
            self.tokens,
            address=(host, port),
            **options,
        )
        scopes = ("read", "act") if tokens is None else ()
        self.secrets = {scope: self.tokens.new(scope, f"the-{scope}", None) for scope in scopes}
        self.server.start()

    def _wake(self):
        self.wakes += 1

    def client(self, scope="read", **headers):
        if scope is not None:
            headers = {"Authorization": f"Bearer {self.secrets[scope]}", **headers}
        import httpx2

        return httpx2.Client(base_url=self.server.url, headers=headers, verify=False)

    def close(self):
        self.server.stop()
        self.records.close()
        self.requests.close()
        self.ledger.close()


@pytest.fixture(scope="module")
def asked():
    found = Asked()
    yield found
    found.close()
