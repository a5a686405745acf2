"""reallot serve: the page and the API over a ledger, beside an engine of another process or without any."""

from __future__ import annotations

import argparse
import asyncio
import signal
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING

from ..engine.contracts.configs import Mode
from ..engine.ledger.event_log import EventLog
from ..engine.ledger.folder import Ledger
from ..engine.ledger.operator_requests import Requests
from ..errors import ConfigurationError, how_to_install
from .config_file import config_of, ledger_of
from .ledger_reader import LedgerReader, reading
from .serve import address_of, beyond, sizes

if TYPE_CHECKING:
    from ..service.hub import Hub
    from ..service.ledger_board import LedgerBoards
    from ..service.ledger_pages import LedgerPages
    from ..service.serving import ServiceThread

LOOKS = 1.0
"""Seconds between two looks at the ledger."""


def serve(options: argparse.Namespace) -> int:
    """Serves until it is stopped."""
    folder = ledger_of(options)
    with reading(folder) as books:
        server, boards, hub, pages, token = _started(books, options)
        try:
            print(f"open {server.url}#token={token}", flush=True)
            asyncio.run(_watch(server, boards, hub))
        finally:
            server.stop()
            pages.close()
    return 0


def _started(
    books: LedgerReader, options: argparse.Namespace
) -> tuple[ServiceThread, LedgerBoards, Hub, LedgerPages, str]:
    """The server, which listens; raises ConfigurationError where it cannot."""
    try:
        import_module("fastapi"), import_module("uvicorn"), import_module("websockets")
    except ImportError as error:
        raise ConfigurationError(f"serve needs the library {error.name}: {how_to_install('service')}") from None
    from ..service.access import Tokens
    from ..service.actions import ActionCounts, Actions
    from ..service.ledger_board import LedgerBoards
    from ..service.ledger_pages import LedgerPages
    from ..service.metrics import Metrics
    from ..service.read_routes import Sources
    from ..service.serving import ServiceThread
    from ..service.solver_process import SolverProcess

    given = options.config
    config = None if given is None or given.is_dir() else config_of(given)
    hosts = [] if config is None else config.service.hosts
    address = address_of(options.listen)
    beyond(address[0], hosts)
    box = Requests(books.folder)
    ledger = Ledger(books.folder, books.journal, books.history, box, None, [], EventLog(books.folder, read_only=True))
    if config is None:
        boards = LedgerBoards(ledger, mode=Mode.OBSERVE)
    else:
        rules, every = config.reallocation, config.coordinator.every.total_seconds()
        boards = LedgerBoards(ledger, mode=rules.mode, every=every, lifetime=rules.confirmation_lifetime)
    hub = boards.begin()
    metrics = Metrics(
        hub,
        actions=ActionCounts(box),
        ledger_bytes=lambda: sizes(books.folder),
    )
    tokens = Tokens(books.folder)
    solver = SolverProcess() if config is not None and config.service.solve else None
    pages = LedgerPages(ledger)
    sources = Sources(hub, pages, None, solver)
    actions = Actions(box, lambda: hub.board, lambda: None)  # an engine looks at the box by itself
    server = ServiceThread(sources, actions, tokens, address=address, hosts=hosts, metrics=metrics)
    server.start()
    return server, boards, hub, pages, tokens.start(datetime.now(UTC))


async def _watch(server: ServiceThread, boards: LedgerBoards, hub: Hub) -> None:
    """Looks at the ledger again and again, until a signal or the end of the server."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError, ValueError, RuntimeError):
            loop.add_signal_handler(each, stop.set)
    while not stop.is_set() and server.is_alive:
        await asyncio.to_thread(boards.look, hub)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOOKS)
