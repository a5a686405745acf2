"""What is sent to one target, and when: a machine without clock or network, which is told the time with each call.

Conditions (a halt, an alert, a plan that waits) are given as the set that holds now, and compared with what the target
was told. So whoever was told of a beginning is told of the end, whatever was muted, lost or restarted in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pydantic import Field

from ...engine.contracts.values import Moment, Part, Record
from ...runtime.notify_settings import NotifyTarget

MOST_AN_HOUR = 12
"""Messages to one target; what comes beyond waits, and goes together."""
HOUR = timedelta(hours=1)
FLAPS = timedelta(minutes=15)
"""A condition that comes back within an hour of its end is told again only once it has held for so long."""
GRACE = timedelta(minutes=15)
"""After a restart: conditions are seen again, or have ended, only after several checks."""
RETRIES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))
"""Waits before a message is tried again that surely did not arrive."""
MOST_HELD = 200


class Notice(Record):
    """One thing to be told.

    key       what it is about; a condition has the same key as long as it lasts
    kind      one of the target's `events`
    lasts     True where it has an end, which is told too
    over      True where this is the end
    repeated  True where an earlier attempt may have arrived
    """

    key: str
    kind: str
    text: str
    at: Moment
    severity: Part = 0.5
    lasts: bool = False
    over: bool = False
    repeated: bool = False

    @property
    def grave(self) -> bool:
        """True where it is told at any hour."""
        return not self.over and (self.kind == "halted" or self.severity >= 1.0)

    def ended(self, at: datetime) -> Notice:
        """The end of it."""
        return self.model_copy(update={"over": True, "at": at, "repeated": False})


class Held(Record):
    """A notice that waits, and since when."""

    notice: Notice
    since: Moment


class Told(Record):
    """All that must survive a restart: what the target knows to hold, what waits for it, and what was sent lately."""

    begun: dict[str, Notice] = Field(default_factory=dict)
    ended: dict[str, Moment] = Field(default_factory=dict)
    held: dict[str, Held] = Field(default_factory=dict)
    sent: list[Moment] = Field(default_factory=list)


class TargetRules:
    """One target: give it what holds (`see`) and what happened (`happened`), and ask what goes out now (`due`).

    started  when this process began
    dropped  notices that were given up, since too many waited or they could not be sent
    """

    def __init__(self, target: NotifyTarget, started: datetime, told: Told | None = None) -> None:
        told = told or Told()
        self._target, self._started = target, started
        self._begun, self._ended, self._held = dict(told.begun), dict(told.ended), dict(told.held)
        self._sent = list(told.sent)
        self._earlier = set(self._begun)
        self._tries, self._not_before = 0, started
        self._happened = 0
        self.dropped = 0

    @property
    def told(self) -> Told:
        """What must survive a restart."""
        return Told(begun=self._begun, ended=self._ended, held=self._held, sent=self._sent)

    def see(self, holds: Mapping[str, Notice], now: datetime) -> None:
        """Compares what holds now with what the target knows."""
        for key, notice in holds.items():
            self._earlier.discard(key)
            self._holds_on(key, notice, now)
        for key in [key for key, each in self._held.items() if each.notice.lasts and key not in holds]:
            self._gone_untold(key, now)
        for key in self._begun.keys() - holds.keys() - self._held.keys():
            if key not in self._earlier or now - self._started >= GRACE:
                self._hold(self._begun[key].ended(now), now)

    def _holds_on(self, key: str, notice: Notice, now: datetime) -> None:
        """A condition that holds now."""
        held = self._held.get(key)
        if key in self._begun:
            if held is not None and held.notice.over:
                del self._held[key]  # it is back before its end was told
        elif held.notice.over if held is not None else self._wanted(notice):
            self._hold(notice, now)

    def _gone_untold(self, key: str, now: datetime) -> None:
        """A condition that held until now, and nobody was told: its end is told as well, unless that says nothing."""
        held = self._held[key]
        if held.notice.over:
            return
        if key in self._ended or held.notice.kind == "waiting":  # it flaps, or nobody needs to answer any more
            del self._held[key]
            if key in self._ended:
                self._ended[key] = now
        else:
            self._held[key] = Held(notice=held.notice.ended(now), since=held.since)

    def happened(self, notice: Notice, now: datetime) -> None:
        """Takes what has no end: a move, a rollback, advice."""
        if self._wanted(notice):
            self._happened += 1
            self._hold(notice.model_copy(update={"key": f"{notice.key} {notice.at.isoformat()} {self._happened}"}), now)

    def due(self, now: datetime) -> list[Notice]:
        """What goes out now, as one message, oldest first; empty where nothing does."""
        self._sent = [at for at in self._sent if timedelta(0) <= now - at < HOUR]
        if len(self._sent) >= MOST_AN_HOUR or now < self._not_before:
            return []
        ready = [each for each in self._held.values() if self._ready(each, now)]
        return [each.notice for each in sorted(ready, key=lambda each: each.since)]

    def arrived(self, notices: list[Notice], now: datetime) -> None:
        """They were sent, or may have been."""
        self._sent.append(now)
        self._tries, self._not_before = 0, now
        self._settle(notices, now, arrived=True)

    def failed(self, notices: list[Notice], now: datetime) -> None:
        """They surely did not arrive: they are tried again three times, then all but ends are given up."""
        if self._tries < len(RETRIES):
            self._not_before = now + RETRIES[self._tries]
            self._tries += 1
            return
        self._tries, self._not_before = 0, now + RETRIES[-1]
        given_up = [each for each in notices if not (each.over and each.key in self._begun)]
        self.dropped += len(given_up)
        self._settle(given_up, now, arrived=False)

    def unsure(self, notices: list[Notice], now: datetime) -> None:
        """They may have arrived: a halt is told once more and says so, all others are taken as told."""
        again = [each for each in notices if each.grave and not each.repeated]
        self.arrived([each for each in notices if each not in again], now)
        for each in again:
            self._held[each.key] = Held(notice=each.model_copy(update={"repeated": True}), since=now)
        if again:
            self._not_before = now + RETRIES[0]

    def _settle(self, notices: list[Notice], now: datetime, *, arrived: bool) -> None:
        for each in notices:
            self._held.pop(each.key, None)
            if each.over:
                if self._begun.pop(each.key, None) is not None:
                    self._ended[each.key] = now
            elif each.lasts and arrived:
                self._begun[each.key] = each
        self._ended = {key: at for key, at in self._ended.items() if now - at < HOUR}

    def _wanted(self, notice: Notice) -> bool:
        if notice.kind not in self._target.events:
            return False
        return notice.kind != "alert" or notice.severity >= self._target.least_severity

    def _hold(self, notice: Notice, now: datetime) -> None:
        self._held[notice.key] = Held(notice=notice, since=now)
        if len(self._held) > MOST_HELD:  # what has no end goes first
            gone = next((key for key, each in self._held.items() if not each.notice.lasts), next(iter(self._held)))
            del self._held[gone]
            self.dropped += 1

    def _ready(self, held: Held, now: datetime) -> bool:
        notice, waited = held.notice, now - held.since
        flaps = notice.lasts and not notice.over and notice.key in self._ended
        if flaps and now - self._ended[notice.key] < HOUR and waited < FLAPS:
            return False
        if notice.grave:
            return True
        if self._is_quiet(now):
            return False
        return notice.kind == "waiting" or waited >= self._target.digest

    def _is_quiet(self, now: datetime) -> bool:
        if self._target.quiet is None:
            return False
        wall = f"{now.astimezone(ZoneInfo(self._target.time_zone)):%H:%M}"
        begins, ends = self._target.quiet
        return begins <= wall < ends if begins <= ends else wall >= begins or wall < ends


def words(notices: list[Notice], target: NotifyTarget, page: str = "") -> tuple[str, str]:
    """(title, text) of one message: a line for each notice, with the time where there are several."""
    zone = ZoneInfo(target.time_zone)
    lines = []
    for each in notices:
        told = f"over: {each.text}" if each.over else each.text
        told += " (may be a repeat)" if each.repeated else ""
        link = f"{page.rstrip('/')}/#why={each.key.partition(':')[2]}" if page and each.kind == "waiting" else ""
        stamp = f"{each.at.astimezone(zone):%H:%M} " if len(notices) > 1 else ""
        lines.append(f"{stamp}{told}" + (f"\n{link}" if link and not each.over else ""))
    first = notices[0]
    if len(notices) > 1:
        title = f"reallot: {len(notices)} things"
    else:
        title = f"reallot: {TITLES[first.kind]}{', over' if first.over else ''}"
    return title, "\n".join(lines)


TITLES = {
    "waiting": "a plan waits for your yes",
    "halted": "nothing is moved",
    "rolled_back": "a move was put back",
    "alert": "alert",
    "move": "moved",
    "advice": "advice",
}
