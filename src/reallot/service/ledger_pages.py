"""Pages out of the ledger: read on one thread of its own, never on a loop, and beside an engine that writes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, TypeVar

from ..engine.contracts.records import AllocationChange
from ..engine.contracts.reports import PerformanceReport
from ..engine.ledger.event_log import KeptEvent
from ..engine.ledger.folder import Ledger, read_journal
from ..engine.ledger.history import RAW, History, Hour, Sample
from ..engine.ledger.history_store import HistoryStore
from ..engine.ledger.journal import Decision, Journal
from ..errors import MonitoringError, near_miss
from ..orchestration.monitor import RealtimeMonitor
from ..runtime.period import period_monitor
from . import frames
from .explained import decided, finite, why
from .never_moving import NeverMoving, beside
from .problems import Problem

T = TypeVar("T")
SECONDS = 5.0
"""An answer that takes longer is asked for again: it is kept when it is there."""
KEPT_SECONDS, MOST_ASKED = 60.0, 32
"""So long a late answer waits to be asked for again; so many answers are worked out, or wait, at most."""
MOST_POINTS, MOST_TRENDS = 2_000, 1_000
LEAD, HOUR = timedelta(hours=3), timedelta(hours=1)
STEPS = tuple(timedelta(minutes=each) for each in (1, 5, 15, 60, 360, 1440))
MOST_ROWS = 100_000


class LedgerPages:
    """What a ledger tells. Methods are blocking and run through `ask`; they raise DataError and Problem."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._thread = ThreadPoolExecutor(1, "reallot-records")
        self._journal: Journal | None = None
        self._history: HistoryStore | None = None
        self._running: dict[object, asyncio.Future[Any]] = {}

    async def ask(self, method: Callable[..., T], *values: Any) -> T:
        """What a method returns; raises Problem where that takes too long: asked for again, it may be there."""
        key, loop = (method.__name__, *values), asyncio.get_running_loop()
        running = self._running.get(key)
        if running is None or running.get_loop() is not loop:
            self._make_room()
            running = self._running[key] = loop.run_in_executor(self._thread, lambda: method(*values))
        try:
            return await asyncio.wait_for(asyncio.shield(running), SECONDS)
        except TimeoutError:
            raise Problem(503, "slow", f"it takes more than {SECONDS:g} s: ask again", retry_after=5.0) from None
        finally:
            if running.done():
                self._forget(key, running)
            else:
                late = running
                late.add_done_callback(lambda _: loop.call_later(KEPT_SECONDS, self._forget, key, late))

    def _make_room(self) -> None:
        """Drops an answer that nobody came for; raises Problem where all are still worked out."""
        if len(self._running) < MOST_ASKED:
            return
        late = next((key for key, each in self._running.items() if each.done()), None)
        if late is None:
            raise Problem(503, "busy", f"{MOST_ASKED} answers are worked out already: ask again", retry_after=5.0)
        del self._running[late]

    def _forget(self, key: object, answer: asyncio.Future[Any]) -> None:
        if self._running.get(key) is answer:
            del self._running[key]

    def close(self) -> None:
        """Lets go of the thread and of what it has opened; what is the ledger's own stays open."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        for each, own in ((self._journal, self._ledger.journal), (self._history, self._ledger.history)):
            if each is not None and each is not own:
                each.close()

    @property
    def journal(self) -> Journal:
        """The moves: of a file by a connection of its own, which writes nothing."""
        if self._journal is None:
            folder = self._ledger.folder
            self._journal = self._ledger.journal if folder is None else read_journal(folder)
        return self._journal

    @property
    def history(self) -> HistoryStore:
        """The readings, in the same way."""
        if self._history is None:
            kept, folder = self._ledger.history, self._ledger.folder
            own = folder is not None and isinstance(kept, History) and kept.blocking
            self._history = History(kept.path, read_only=True) if own and isinstance(kept, History) else kept
        return self._history

    # pages -----------------------------------------------------------------------------------------------------------

    def decisions(self, limit: int, before: int | None, verdict: str | None) -> dict[str, Any]:
        """Decisions, the newest first."""
        found = self._page("decision", limit, before, lambda each: verdict is None or each.verdict.value == verdict)
        return _listed(found, limit, decided)

    def changes(
        self, limit: int, before: int | None, since: datetime | None, protocol: str | None, plan_id: str | None
    ) -> dict[str, Any]:
        """Changes of shares, the newest first."""

        def asked(each: AllocationChange) -> bool:
            return (
                (since is None or each.timestamp >= since)
                and protocol in (None, each.protocol)
                and plan_id in (None, each.plan_id)
            )

        return _listed(self._page("change", limit, before, asked), limit, _change)

    def alerts(self, limit: int, before: int | None, is_open: bool | None) -> dict[str, Any]:
        """Alerts, the newest first."""
        muted = self.journal.muted()

        def shown(number: int, each: Any) -> dict[str, Any]:
            return {"seq": number, **frames.alert(each, muted.get(each.key))}

        found = self._page("alert", limit, before, lambda each: is_open in (None, each.recovered_at is None))
        return _listed(found, limit, shown)

    def events(self, limit: int, after: int | None, before: int | None) -> dict[str, Any]:
        """What happened: the oldest first after a number, else the newest first."""
        log = self._ledger.events
        found = log.before(before, limit) if after is None else log.after(after, limit)
        following = str(found[-1].seq) if len(found) == limit else None
        return {"items": list(map(_event, found)), "next": following}

    def _page(self, what: str, limit: int, before: int | None, wanted: Callable[[Any], bool]) -> list[tuple[int, Any]]:
        """So many rows that are wanted, before a number."""
        found: list[tuple[int, Any]] = []
        for _ in range(MOST_ROWS // 1000):
            rows = self.journal.page(what, 1000, before)
            found += [row for row in rows if wanted(row[1])]
            if len(rows) < 1000 or len(found) >= limit:
                break
            before = rows[-1][0]
        return found[:limit]

    def plan(self, plan_id: str) -> dict[str, Any]:
        """All that was decided on one plan, the newest first; raises Problem."""
        found = self._of(plan_id)
        return {"plan_id": plan_id, "decisions": [decided(0, each) for each in found]}

    def why(self, plan_id: str, instead: Decision | None) -> dict[str, Any]:
        """Why a plan is what it is; `instead` is the decision of a plan that was not kept."""
        found = self._of(plan_id) if instead is None or instead.plan_id != plan_id else self._known(plan_id)
        with_inputs = next((each for each in found if each.inputs), instead)
        if with_inputs is None:
            raise Problem(404, "unknown", "this plan was kept without its inputs, so it cannot be explained")
        ends = [each for each in reversed(found) if not each.inputs]
        return why(with_inputs, ends)

    def _of(self, plan_id: str) -> list[Decision]:
        found = self._known(plan_id)
        if not found:
            near = near_miss(plan_id, [each.plan_id for each in self.journal.decisions(20)])
            raise Problem(404, "unknown", f"no plan {plan_id[:80]!r} is kept; {near}")
        return found

    def _known(self, plan_id: str) -> list[Decision]:
        return self.journal.decisions(MOST_ROWS, plan_id)

    # readings --------------------------------------------------------------------------------------------------------

    def metrics(
        self, start: datetime, end: datetime, every: timedelta | None, limit: int, before: datetime | None
    ) -> dict[str, Any]:
        """Polls with start <= time < end, or means over `every`, the newest first; raises Problem."""
        end = end if before is None else min(end, before)
        if every is None:
            polls = _polls(self.history.samples(start, end))
            if len(polls) > MOST_POINTS:
                fits = next((each for each in STEPS if (end - start) / each <= MOST_POINTS), STEPS[-1])
                told = (
                    f"there are {len(polls)} polls in this time; ask for means, with every=PT{fits.total_seconds():g}S"
                )
                raise Problem(422, "invalid", told, every=frames.iso_duration(fits.total_seconds()))
            found = [_point(at, samples) for at, samples in polls]
        else:
            found = [_mean(at, each) for at, each in _binned(self._samples(start, end, every), start, every)]
        rows = found[::-1][:limit]
        return finite({"items": rows, "next": rows[-1]["at"] if len(rows) == limit < len(found) else None})

    def trends(self, hours: float, now: datetime, never: Sequence[NeverMoving] = ()) -> dict[str, Any]:
        """Total earnings of the last hours: lowest, mean and highest of at most 1,000 stretches, the oldest first.

        Beside each stands what never moving would have earned, where `never` says.
        """
        start = now - timedelta(hours=hours)
        every = timedelta(seconds=max(1.0, hours * 3600.0 / MOST_TRENDS))
        found = []
        for at, group in _binned(self._samples(start, now + timedelta(microseconds=1), every), start, every):
            totals = [math.fsum(each.earnings or 0.0 for each in poll) for _, poll in _polls(group)]
            found.append(
                {
                    "at": frames.stamp(at),
                    "mean": math.fsum(totals) / len(totals),
                    "min": min(totals),
                    "max": max(totals),
                }
            )
        return finite({"items": beside(found, every, never), "every": frames.iso_duration(every.total_seconds())})

    def _samples(self, start: datetime, end: datetime, every: timedelta) -> list[Sample]:
        """Readings; means of hours where single readings are not kept any more, and these are fine enough."""
        found = self.history.samples(start, end)
        first = min((each.at for each in found), default=end)
        if every >= HOUR or end - start > RAW:
            found += [_of_hour(each) for each in self.history.hours(start, first - HOUR)]
        return sorted(found, key=lambda each: each.at)

    def report(self, start: datetime, end: datetime) -> dict[str, Any]:
        """What a period brought; raises MonitoringError where nothing was read in it."""
        monitor: RealtimeMonitor = period_monitor(self.journal, self.history, start - LEAD, end)
        try:
            found: PerformanceReport = asyncio.run(monitor.generate_report(start, end))
        except MonitoringError as error:
            last = self.history.last()
            with_some = "" if last is None else f"; the newest reading is of {last:%Y-%m-%d %H:%M:%S} UTC"
            raise Problem(404, "no-readings", f"{error}{with_some}") from None
        return finite(found.model_dump(mode="json"))


def _listed(
    found: Sequence[tuple[int, Any]], limit: int, shown: Callable[[int, Any], dict[str, Any]]
) -> dict[str, Any]:
    """A page; `next` goes on after its last row."""
    following = str(found[-1][0]) if found and len(found) == limit else None
    return finite({"items": [shown(number, each) for number, each in found], "next": following})


def _change(number: int, each: AllocationChange) -> dict[str, Any]:
    return {
        "seq": number,
        "at": frames.stamp(each.timestamp),
        "protocol": each.protocol,
        "before": each.before,
        "after": each.after,
        "change": each.change,
        "plan_id": each.plan_id,
        "kind": each.kind.value,
        "outcome": each.outcome,
        "reason": each.reason,
    }


def _event(each: KeptEvent) -> dict[str, Any]:
    return {name: value for name, value in frames.event(each).items() if name != "t"}


def _polls(samples: Sequence[Sample]) -> list[tuple[datetime, list[Sample]]]:
    ordered = sorted(samples, key=lambda each: each.at)
    return [(at, list(group)) for at, group in groupby(ordered, key=lambda each: each.at)]


def _point(at: datetime, samples: Sequence[Sample]) -> dict[str, Any]:
    return {
        "at": frames.stamp(at),
        "total": math.fsum(each.earnings for each in samples if each.earnings is not None),
        "earn": {each.protocol: each.earnings for each in samples},
        "share": {each.protocol: each.share for each in samples},
        "up": {each.protocol: each.up for each in samples},
    }


def _binned(samples: Sequence[Sample], start: datetime, every: timedelta) -> list[tuple[datetime, list[Sample]]]:
    """Samples by the stretch that they are in, each by its begin; in order."""
    return [
        (start + number * every, list(group))
        for number, group in groupby(samples, lambda each: (each.at - start) // every)
    ]


def _mean(at: datetime, samples: Sequence[Sample]) -> dict[str, Any]:
    """Means over a stretch; `up` is the part of the readings that were answered."""
    by_name: dict[str, list[Sample]] = {}
    for each in samples:
        by_name.setdefault(each.protocol, []).append(each)
    earn = {name: _average([each.earnings for each in group]) for name, group in by_name.items()}
    return {
        "at": frames.stamp(at),
        "total": math.fsum(each for each in earn.values() if each is not None),
        "earn": earn,
        "share": {name: _average([each.share for each in group]) for name, group in by_name.items()},
        "up": {name: _average([float(each.up) for each in group]) for name, group in by_name.items()},
    }


def _average(values: Sequence[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return math.fsum(known) / len(known) if known else None


def _of_hour(each: Hour) -> Sample:
    return Sample(each.protocol, each.at, each.earnings, each.share, each.up > 0.5)
