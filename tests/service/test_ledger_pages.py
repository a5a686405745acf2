"""Pages that take long: worked out once, kept for whoever asks again, and never more of them than there is room for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from threading import Event

import pytest

from reallot.engine.contracts.move_state import MoveState
from reallot.engine.ledger.folder import open_ledger
from reallot.service import ledger_pages
from reallot.service.ledger_pages import MOST_ASKED, LedgerPages
from reallot.service.problems import Problem

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Slow:
    """A page that is ready when somebody says so; `times` counts how often it was worked out."""

    def __init__(self) -> None:
        self.ready, self.times = Event(), 0

    def page(self, number: int) -> int:
        self.ready.wait(30.0)
        self.times += 1
        return number


@pytest.fixture
def pages(monkeypatch) -> Iterator[LedgerPages]:
    monkeypatch.setattr(ledger_pages, "SECONDS", 0.01)
    found = LedgerPages(open_ledger())
    yield found
    found.close()


async def kind_of(answer) -> str:
    with pytest.raises(Problem) as refused:
        await answer
    return refused.value.kind


def test_an_answer_that_came_too_late_is_there_for_who_asks_again_and_is_worked_out_once(pages, monkeypatch):
    slow = Slow()

    async def go() -> None:
        assert await kind_of(pages.ask(slow.page, 7)) == "slow"
        assert await kind_of(pages.ask(slow.page, 7)) == "slow"
        slow.ready.set()
        await asyncio.gather(*pages._running.values())
        monkeypatch.setattr(ledger_pages, "SECONDS", 30.0)
        assert await pages.ask(slow.page, 7) == 7 and slow.times == 1
        assert pages._running == {}
        assert await pages.ask(slow.page, 7) == 7 and slow.times == 2

    asyncio.run(go())


def test_a_late_answer_that_nobody_comes_for_is_dropped(pages, monkeypatch):
    monkeypatch.setattr(ledger_pages, "KEPT_SECONDS", 0.0)
    slow = Slow()

    async def go() -> None:
        assert await kind_of(pages.ask(slow.page, 7)) == "slow"
        late, gone = next(iter(pages._running.values())), asyncio.Event()
        late.add_done_callback(lambda _: asyncio.get_running_loop().call_later(0.01, gone.set))
        slow.ready.set()
        await gone.wait()
        assert pages._running == {}

    asyncio.run(go())


def test_no_more_is_asked_at_once_than_there_is_room_for_and_what_nobody_came_for_makes_some(pages, monkeypatch):
    slow = Slow()

    async def go() -> None:
        asked = [asyncio.ensure_future(pages.ask(slow.page, number)) for number in range(MOST_ASKED)]
        assert {await kind_of(each) for each in asked} == {"slow"}
        assert await kind_of(pages.ask(slow.page, MOST_ASKED)) == "busy"
        slow.ready.set()
        await asyncio.gather(*pages._running.values())
        monkeypatch.setattr(ledger_pages, "SECONDS", 30.0)
        assert await pages.ask(slow.page, MOST_ASKED) == MOST_ASKED
        assert len(pages._running) == MOST_ASKED - 1

    asyncio.run(go())


def test_the_decisions_on_a_plan_are_all_of_them_and_no_others():
    journal = open_ledger().journal
    for number in range(3):
        for verdict in (MoveState.PLANNED, MoveState.BLOCKED):
            journal.decide(f"p{number}", NOON, verdict, "", "{}")
    assert [(each.plan_id, each.verdict) for each in journal.decisions(100, "p1")] == [
        ("p1", MoveState.BLOCKED),
        ("p1", MoveState.PLANNED),
    ]
    assert journal.decisions(1, "p1")[0].verdict is MoveState.BLOCKED and len(journal.decisions()) == 6
    assert journal.decisions(100, "p") == []
