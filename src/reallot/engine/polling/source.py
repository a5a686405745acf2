"""One adapter as the coordinator sees it: when to ask, for how long, what was last known, and how old that is."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ...errors import ErrorKind, ProtocolError
from ...text.durations import format_duration
from ..contracts.adapter import Capabilities, ProtocolAdapter
from ..contracts.clock import Clock
from ..contracts.power import PowerCost
from ..contracts.records import ProtocolStatus, ResourceUtilization, SeriesKind
from ..contracts.validation import (
    MOST_JUMP,
    UNREAD_QUOTE,
    Plausibility,
    answer_of,
    capabilities_of,
    checked,
    failure,
    share,
)

GRACE_SECONDS = 0.05
"""A call that was cancelled may take so long to end; after that it is left behind, and its adapter not asked again."""
FIRST_WAIT: Mapping[ErrorKind, float] = {ErrorKind.RATE_LIMITED: 60.0, ErrorKind.AUTH: 60.0}
MOST_WAIT: Mapping[ErrorKind, float] = {ErrorKind.RATE_LIMITED: 3600.0, ErrorKind.AUTH: 3600.0}
"""Seconds of back-off after a first failure, doubled after each further one, up to the second; 1 and 120 elsewhere."""
FRESH, LATE = timedelta(hours=1), timedelta(minutes=30)
"""A value may be so old by its source's own clock, where nobody says how often that changes. What changed more often is
late so long after the second longest of the last times between two changes: one outage does not count as usual."""
GAPS = 20
"""So many times between two changes are looked at."""
MOST_RETRY_AFTER = 86_400.0
"""Seconds; a server that asks for more is asked again after a day."""
_SLACK_SECONDS = 1e-3
_log = logging.getLogger("reallot.orchestration.coordinator")


class Source:
    """One registered adapter.

    status      its last answer, or its last failure with a kind; None before the first
    value       the last earnings it reported (USD/h, less what power costs), kept through failures; None before the
                first
    allocation  the last share it reported
    plausible   which of its readings are believed, and what a person should look at
    took        when its last call began (monotonic seconds), and how long it took (seconds); None before the first
    """

    def __init__(
        self,
        name: str,
        adapter: ProtocolAdapter,
        clock: Clock,
        power: PowerCost | None = None,
        most_jump: float = MOST_JUMP,
    ) -> None:
        self.name, self.adapter, self._clock, self._power = name, adapter, clock, power
        self.status: ProtocolStatus | None = None
        self.value: float | None = None
        self.allocation: float | None = None
        self._value_at = self._not_before = float("-inf")
        self._failures = 0
        self.plausible = Plausibility(most_jump)
        self._left_behind: asyncio.Task[Any] | None = None
        self.call: Call | None = None
        self.took: tuple[float, float] | None = None
        self._can: Capabilities | None = None
        self._speechless = self._lacks = ""
        self._stamp: datetime | None = None  # the last time of its own
        self._stamped = 0.0  # when that came
        self._gaps: deque[timedelta] = deque(maxlen=GAPS)  # between its times
        self._asked, self._pause = math.nan, timedelta(0)  # when it answered last, and how long after the time before

    @property
    def waits(self) -> float:
        """Seconds until it may be asked again."""
        return max(self._not_before - self._clock.monotonic(), 0.0)

    def resume(self) -> None:
        """It may be asked at once, whatever came before."""
        self._failures, self._not_before = 0, float("-inf")

    def capabilities(self) -> Capabilities:
        """What it says of itself; the defaults where it says nothing, raises (told once) or is wrong."""
        try:
            can = capabilities_of(self.adapter)
        except ProtocolError as error:
            if str(error) != self._speechless:
                self._speechless = str(error)
                _log.warning("%s does not say what it can do, and is taken to act without limits: %s", self.name, error)
            return Capabilities()
        self._speechless = ""
        if can is self._can:
            return can
        times = (can.timeout, can.min_interval, can.cadence)
        self._can = can if all(isinstance(time, timedelta) for time in times) else Capabilities()
        return self._can

    def age(self, can: Capabilities) -> float | None:
        """Seconds since the value was reported, where it is carried forward or its source stands still; else None."""
        if self.value is None or self.status is None:
            return None
        told = self._clock.monotonic() - self._value_at
        if self.status.error is not None:
            return max(told, 0.0)
        if self.status.source_time is None or (self.status.series is SeriesKind.EVENT and not can.cadence):
            return None  # when the last payment came says nothing of how fresh that is
        old = (self._clock.now() - self.status.source_time).total_seconds()
        fresh = can.cadence or FRESH
        if not can.cadence and len(self._gaps) > 1:
            fresh = min(sorted(self._gaps)[-2], FRESH) + LATE
        elif not can.cadence:
            fresh -= min(1.5 * self._pause, LATE)  # the next poll would be too late to tell it within the hour
        return old if old > (fresh + can.min_interval).total_seconds() else None

    def begin(self) -> Call | None:
        """Asks, if it may be asked now and nobody else is asking."""
        now = self._clock.monotonic()
        if self._not_before - now > _SLACK_SECONDS or (self._left_behind is not None and self._hangs()):
            return None
        can = self.capabilities()
        self.call = Call(self, can, self._read(can.acts), now)
        return self.call

    async def refresh(self) -> None:
        """Asks once, if it may be asked now; ends within the adapter's timeout, and raises only where cancelled."""
        while self.call is not None and self.call.loop is asyncio.get_running_loop():
            await asyncio.wait([self.call.ended])
        await ask_all([self])

    async def close(self) -> None:
        """Ends what still hangs, and closes the adapter where it can be closed."""
        if self._left_behind is not None and self._hangs():
            await self._end(self._left_behind)
        if callable(getattr(self.adapter, "close", None)):
            task = asyncio.ensure_future(answer_of(self.adapter, "close"))
            await asyncio.wait({task}, timeout=self.capabilities().timeout.total_seconds())
            if not task.done():
                await self._end(task)
            elif not task.cancelled() and (error := task.exception()) is not None:
                _log.warning("%s could not be closed: %s", self.name, failure(error)[1])

    def take(self, call: Call) -> None:
        """Takes what a call that is over has brought: a value, or an error with its kind."""
        self.took = call.started, self._clock.monotonic() - call.started
        try:
            status = self._outcome(call.task, call.seconds)
        except ProtocolError as error:
            self._fail(error)
            return
        if self._power is not None:
            status = self._power.net(status, self.allocation if status.allocation is None else status.allocation)
        before, self.status, self._failures = self.status, status, 0
        if status.earnings_per_hour is not None:
            self.value, self._value_at = status.earnings_per_hour, self._clock.monotonic()
        if status.allocation is not None:
            self.allocation = status.allocation
        if (stamp := status.source_time) is not None and stamp != self._stamp:
            if self._stamp is not None and stamp > self._stamp:
                # the wall clock may have jumped in between: no gap is longer than the time that passed
                passed = timedelta(seconds=self._clock.monotonic() - self._stamped)
                self._gaps.append(min(stamp - self._stamp, passed))
            self._stamp, self._stamped = stamp, self._clock.monotonic()
        pause = call.started - self._asked
        self._asked, self._pause = call.started, timedelta(seconds=pause if pause > 0.0 else 0.0)
        if before is not None and not before.connected:
            _log.info("%s answers again", self.name)
        if status.message or self._lacks:
            self._tell_lack(status.message if UNREAD_QUOTE in status.message else "")
        self._not_before = call.started + call.can.min_interval.total_seconds()

    def _tell_lack(self, lack: str) -> None:
        """Says once what cannot be read beside the value, and when that ends."""
        if lack and not self._lacks:
            _log.warning("%s: %s", self.name, lack)
        elif not lack and self._lacks:
            _log.info("%s: its quote can be read again", self.name)
        self._lacks = lack

    def leave(self, task: asyncio.Task[Any]) -> None:
        """Remembers a call that will not end: until it does, the adapter is not asked again."""
        self._left_behind = task

    async def _read(self, acts: bool) -> ProtocolStatus:
        answer = await answer_of(self.adapter, "get_status")
        status = checked(answer, self.name, self._clock.now(), self.status)
        if status.allocation is None and acts:
            try:
                status = status.like(self.status, allocation=share(await answer_of(self.adapter, "get_allocation")))
            except Exception:  # the share stays unknown; the earnings stand
                return status
        return status

    def _outcome(self, task: asyncio.Task[ProtocolStatus], seconds: float) -> ProtocolStatus:
        if not task.done() or (task.cancelled() and task.cancelling()):
            raise ProtocolError(f"no answer within {format_duration(seconds)}", ErrorKind.UNREACHABLE)
        if task.cancelled():
            raise ProtocolError("it cancelled its own call", ErrorKind.TRANSIENT)
        error = task.exception()
        if error is None:
            status = task.result()
            if status.earnings_per_hour is not None:
                now, rate = self._clock.monotonic(), status.series is SeriesKind.RATE and status.healthy is not False
                self.plausible.admit(status.earnings_per_hour, status.allocation, now, zero_waits=rate)
            return status.like(None, doubt=self.plausible.doubt) if self.plausible.doubt else status
        if isinstance(error, ProtocolError):
            raise error
        kind, words, pause = failure(error)
        raise ProtocolError(words, kind, retry_after_seconds=pause)

    def _fail(self, error: ProtocolError) -> None:
        kind, words, pause = failure(error)
        before = self.status
        answers = kind is ErrorKind.NEVER_REPORTED
        failed = ProtocolStatus(
            protocol=self.name,
            connected=answers,
            earnings_per_hour=None,
            allocation=None,
            observed_at=self._clock.now(),
            error=kind,
            message=words,
        )
        self.status = failed.like(before)
        if answers:
            self._failures = 0
            if before is not None and not before.connected:
                _log.info("%s answers again; %s", self.name, words)
            return
        self._failures += 1
        first, most = FIRST_WAIT.get(kind, 1.0), MOST_WAIT.get(kind, 120.0)
        wait = min(first * 2.0 ** min(self._failures - 1, 30), most)
        self._not_before = self._clock.monotonic() + max(wait, min(pause or 0.0, MOST_RETRY_AFTER))
        if before is None or before.connected or before.error is not kind:
            tail = "; asked less and less often, once an hour at last" if kind is ErrorKind.AUTH else ""
            _log.warning("%s gives no value (%s): %s%s", self.name, kind.value, words, tail)

    def _hangs(self) -> bool:
        task = self._left_behind
        if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop():
            self._left_behind = None
            return False
        return True

    async def _end(self, task: asyncio.Task[Any]) -> None:
        """Cancels a call and gives it a moment; one that will not end is remembered."""
        task.add_done_callback(_heard)
        task.cancel()
        await asyncio.wait({task}, timeout=GRACE_SECONDS)
        if not task.done():
            self._left_behind = task


class Call:
    """One call on its way: over when it is done, or a moment after it was cancelled, whatever it does then.

    started, seconds  when it began on the source's clock, and how long it may take
    can               what the adapter said of itself
    ended             done once its outcome was taken, or it was dropped
    """

    def __init__(self, source: Source, can: Capabilities, answer: Coroutine[Any, Any, ProtocolStatus], started: float):
        self.source, self.can = source, can
        self.started, self.seconds = started, max(can.timeout.total_seconds(), 0.0)
        self._dropped = False
        self.loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self.loop.create_future()
        self.task = self.loop.create_task(answer)
        self.task.add_done_callback(self._finish)

    def late(self) -> None:
        """Its time is over: it is cancelled, and what it still says within a moment counts."""
        if not self.ended.done():
            self.task.cancel()
            self.loop.call_later(GRACE_SECONDS, self._finish)

    def drop(self) -> None:
        """Nobody waits for it any more: it is cancelled, and what it says is not taken."""
        self._dropped = True
        self.late()

    def _finish(self, task: asyncio.Task[Any] | None = None) -> None:
        if task is not None and not task.cancelled():
            task.exception()  # looked at, so that nobody complains that nobody did
        if self.ended.done():
            return
        self.ended.set_result(None)
        if self.source.call is self:
            self.source.call = None
        if not self.task.done():
            self.source.leave(self.task)
        if not self._dropped:
            self.source.take(self)


async def ask_all(sources: Sequence[Source]) -> None:
    """Asks all of these that may be asked now, at once: none delays another.

    A source that somebody else is asking is waited for. Ends within the longest of their timeouts, and a moment for
    calls that were cancelled; raises only where cancelled, and then no call goes on.
    """
    loop = asyncio.get_running_loop()
    if any(source.call is not None and source.call.loop is loop for source in sources):
        await asyncio.gather(*(source.refresh() for source in sources))
        return
    calls = [call for source in sources if (call := source.begin()) is not None]
    if not calls:
        return
    timers = [
        loop.call_later(seconds, _late, [call for call in calls if call.seconds == seconds])
        for seconds in {call.seconds for call in calls}
    ]
    try:
        await asyncio.wait([call.ended for call in calls])
    except asyncio.CancelledError:
        for call in calls:
            call.drop()
        await asyncio.wait([call.ended for call in calls])
        raise
    finally:
        for timer in timers:
            timer.cancel()


def utilization_of(sources: Iterable[Source]) -> ResourceUtilization:
    """The part in use of what those have who say so, weighted by share; unweighted where no share is known."""
    parts: dict[str, float] = {}
    used = [(vars(source.status.utilization), source.allocation) for source in sources if source.status is not None]
    for name in ResourceUtilization.model_fields:
        said = [(part, share) for each, share in used if (part := each.get(name)) is not None]
        shares = [(part, share) for part, share in said if share is not None]
        given = math.fsum(share for _, share in shares)
        if given > 0.0:
            parts[name] = min(math.fsum(part * share for part, share in shares) / given, 1.0)
        elif said:
            parts[name] = min(math.fsum(part for part, _ in said) / len(said), 1.0)
    return ResourceUtilization(**parts)


def _late(calls: Iterable[Call]) -> None:
    for call in calls:
        call.late()


def _heard(task: asyncio.Task[Any]) -> None:
    """Looks at a late exception, so that nobody complains that nobody did."""
    if not task.cancelled():
        task.exception()
