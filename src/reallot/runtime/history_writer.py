"""What a cycle leaves in the ledger: readings and alerts, off the event loop; old readings are summed up aside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from ..engine.contracts.records import Alert
from ..engine.execution.journal_thread import AsyncJournal
from ..engine.ledger.history_store import HistoryStore
from ..engine.ledger.journal import KeptBooks, PaidQuote
from ..engine.planning.quotes import Payment
from ..errors import DataError
from ..orchestration.cycle import CycleResult
from .restore import readings

EVERY = timedelta(hours=1)
"""What was paid of a quote is kept at most so often, and so are the policy's books: readings tell the rest."""
ROLL_UP = timedelta(hours=24)
"""How often old readings are summed up."""


class HistoryWriter:
    """Keeps cycle after cycle. A cycle waits until its readings are written, and never for the summing up."""

    def __init__(self, history: HistoryStore, books: AsyncJournal) -> None:
        self._history, self._books = history, books
        self._rolled: datetime | None = None
        self._rolling: asyncio.Future[DataError | None] | None = None
        self._told = False
        self._paid: dict[str, datetime] = {}
        self._booked: datetime | None = None

    async def keep(
        self,
        result: CycleResult,
        payments: Mapping[str, Payment] | None = None,
        regret: KeptBooks | None = None,
    ) -> Alert | None:
        """Keeps one cycle. Returns why that could not be done, once while it lasts: watching goes on.

        `payments` are what was paid of quotes, `regret` the policy's books; each is kept at most once an hour.
        """
        try:
            if result.metrics is not None:
                await self._off_the_loop(self._history.add, readings(result.metrics))
            for alert in result.alerts:
                if alert.recovered_at is None:
                    await self._books.ask(self._books.journal.raise_alert, _kept(alert))
                else:
                    await self._books.ask(self._books.journal.recovered, alert.key, alert.recovered_at)
            if payments:
                await self._keep_quotes(payments)
            if regret is not None and (self._booked is None or regret.until - self._booked >= EVERY):
                await self._books.ask(self._books.journal.keep_books, regret)
                self._booked = regret.until
            await self._sum_up(result.started_at)
            self._told = False
        except DataError as error:
            if not self._told:
                self._told = True
                return Alert(key="ledger", message=str(error), severity=0.8, timestamp=result.started_at)
        return None

    async def _keep_quotes(self, payments: Mapping[str, Payment]) -> None:
        due = {
            name: PaidQuote(each.ratio, each.hours, each.at)
            for name, each in payments.items()
            if each.at is not None and (name not in self._paid or each.at - self._paid[name] >= EVERY)
        }
        if due:
            await self._books.ask(self._books.journal.keep_quotes, due)
            self._paid |= {name: each.at for name, each in due.items()}

    async def _sum_up(self, now: datetime) -> None:
        """Begins the summing up where it is due, and raises DataError where the last one failed."""
        if self._rolling is not None:
            if not self._rolling.done():
                return
            ended, self._rolling = self._rolling, None
            if ended.cancelled():  # with the loop that it ran in
                self._rolled = None
            elif (failed := ended.result()) is not None:
                raise failed
        if self._rolled is None or not timedelta(0) <= now - self._rolled < ROLL_UP:  # a clock may go back
            self._rolled = now
            if self._history.blocking:
                self._rolling = asyncio.ensure_future(asyncio.to_thread(_tried, self._history.roll_up, now))
            else:
                self._history.roll_up(now, None, None)

    async def _off_the_loop(self, method: Callable[..., None], *values: object) -> None:
        if self._history.blocking:
            await asyncio.to_thread(method, *values)
        else:
            method(*values)


def _tried(method: Callable[[datetime, None, None], None], now: datetime) -> DataError | None:
    try:
        method(now, None, None)
    except DataError as error:
        return error
    return None


def _kept(alert: Alert) -> Alert:
    return alert if alert.key else alert.model_copy(update={"key": alert.message})
