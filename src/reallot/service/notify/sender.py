"""The thread that tells people: it takes what a cycle leaves, asks the rules of each target, and sends."""

from __future__ import annotations

import json
import logging
import queue
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import ValidationError

from ...engine.contracts.clock import Clock
from ...runtime.events import LogEvent
from ...runtime.notify_settings import NotifySection, NotifyTarget
from .rules import Notice, TargetRules, Told, words
from .ways import ATTEMPT_SECONDS, Arrival, Attempt, Message, send

MOST_WAITING = 200
"""Things that a cycle left and the thread has not taken yet; more are dropped and counted."""
LOOKS_SECONDS = 5.0
"""How often the thread looks for digests and retries that are due."""
FILE = "notified.json"
Deliver = Callable[[NotifyTarget, Message], Attempt]
Tell = Callable[[LogEvent], None]


class Notifier:
    """Tells people about one engine. `cycle` and `hear` return at once, whatever a target does.

    counts  messages by (target, outcome): sent, not_sent, unsure; and ("", "dropped")
    """

    def __init__(
        self,
        section: NotifySection,
        clock: Clock,
        *,
        folder: Path | None = None,
        tell: Tell | None = None,
        deliver: Deliver | None = None,
    ) -> None:
        self._section, self._clock, self._tell = section, clock, tell
        self._deliver = deliver or _Bounded().deliver
        self._file = None if folder is None else folder / FILE
        kept, now = _read(self._file), clock.now()
        self.targets = section.named()
        self._rules = {name: TargetRules(each, now, kept.get(name)) for name, each in self.targets.items()}
        self._given: queue.Queue[Notice | Mapping[str, Notice] | None] = queue.Queue(MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._troubles: dict[str, str] = {}
        self._kept = ""
        self.counts: Counter[tuple[str, str]] = Counter()

    def cycle(self, holds: Mapping[str, Notice]) -> None:
        """Takes the conditions that hold after a cycle."""
        self._put(holds)

    def hear(self, notice: Notice) -> None:
        """Takes something that happened."""
        self._put(notice)

    def _put(self, item: Notice | Mapping[str, Notice]) -> None:
        try:
            self._given.put_nowait(item)
        except queue.Full:
            self.counts["", "dropped"] += 1

    def start(self) -> None:
        """Begins to send, in a thread that ends with the process."""
        self._thread = threading.Thread(target=self._run, name="reallot-notify", daemon=True)
        self._thread.start()

    def stop(self, seconds: float = 2.0) -> None:
        """Sends what is due and ends; what a target holds up so long is left to the next start."""
        if self._thread is None:
            return
        try:
            self._given.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(seconds)

    def _run(self) -> None:
        item: Notice | Mapping[str, Notice] | None
        while True:
            try:
                item = self._given.get(timeout=LOOKS_SECONDS)
            except queue.Empty:
                self.pump()
                continue
            if item is None:
                self.pump()
                return
            self._take(item)
            self.pump()

    def pump(self) -> None:
        """Takes all that was given, and sends what is due now."""
        while True:
            try:
                item = self._given.get_nowait()
            except queue.Empty:
                break
            if item is None:
                self._given.put_nowait(None)
                break
            self._take(item)
        for name, rules in self._rules.items():
            if notices := rules.due(self._clock.now()):
                self._send(name, rules, notices)
        self._keep()

    def _take(self, item: Notice | Mapping[str, Notice]) -> None:
        now = self._clock.now()
        for rules in self._rules.values():
            if isinstance(item, Notice):
                rules.happened(item, now)
            else:
                rules.see(item, now)

    def _send(self, name: str, rules: TargetRules, notices: list[Notice]) -> None:
        target = self.targets[name]
        title, text = words(notices, target, self._section.page)
        attempt = self._deliver(target, Message(title, text, tuple(notices)))
        self.counts[name, attempt.outcome.value] += 1
        {Arrival.SENT: rules.arrived, Arrival.NOT_SENT: rules.failed, Arrival.UNSURE: rules.unsure}[attempt.outcome](
            notices, self._clock.now()
        )
        if attempt.why and self._tell is not None and self._troubles.get(name) != attempt.why:
            told = f"the message to {name} did not surely arrive: {attempt.why}"
            self._tell(LogEvent("notify", self._clock.now(), told, {"target": name}, logging.WARNING))
        self._troubles[name] = attempt.why

    def _keep(self) -> None:
        """Writes down who was told what, so that a restart knows; a full disk loses only that."""
        if self._file is None:
            return
        text = json.dumps({name: each.told.model_dump(mode="json") for name, each in self._rules.items()})
        if text == self._kept:
            return
        self._kept = text
        beside = self._file.with_suffix(".new")
        try:
            beside.write_text(text, encoding="utf-8")
            beside.replace(self._file)
        except OSError as error:
            if self._tell is not None and self._troubles.get("") != str(error.strerror):
                self._troubles[""] = str(error.strerror)
                told = f"who was told what cannot be kept: {error.strerror}"
                self._tell(LogEvent("notify", self._clock.now(), told, {}, logging.WARNING))


class _Bounded:
    """Attempts in threads of their own, given up after a while: a target that still hangs is not asked again."""

    def __init__(self) -> None:
        self._hanging: dict[int, threading.Thread] = {}

    def deliver(self, target: NotifyTarget, message: Message) -> Attempt:
        if (before := self._hanging.get(id(target))) is not None and before.is_alive():
            return Attempt(Arrival.NOT_SENT, "an earlier attempt still hangs")
        ended: list[Attempt] = []
        thread = threading.Thread(target=lambda: ended.append(_tried(target, message)), daemon=True)
        thread.start()
        thread.join(ATTEMPT_SECONDS + 1.0)
        if ended:
            return ended[0]
        self._hanging[id(target)] = thread
        return Attempt(Arrival.UNSURE, f"it did not answer within {ATTEMPT_SECONDS:g} s")


def _tried(target: NotifyTarget, message: Message) -> Attempt:
    try:
        return send(target, message)
    except Exception as error:  # a library of a stranger's
        return Attempt(Arrival.UNSURE, f"it failed: {type(error).__name__}")


def _read(file: Path | None) -> dict[str, Told]:
    """Who was told what before; nothing where the file is not there or is damaged."""
    if file is None or not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return {name: Told.model_validate(each) for name, each in found.items()}
    except (OSError, ValueError, ValidationError, AttributeError):
        return {}
