"""What of a running engine people are told: the conditions that hold after a cycle, and what has no end."""

from __future__ import annotations

from ...engine.contracts.move_state import MoveState
from ...runtime.events import LogEvent
from ...runtime.runner import Runner
from .rules import Notice

HAPPENED = {"move": "move", "advice": "advice", MoveState.ROLLED_BACK.value: "rolled_back", "rollback": "rolled_back"}
"""Kinds of events that have no end, by what a target calls them."""
CONFIRM = "confirm-"
"""The engine's alerts about plans that wait: these are told as what waits."""


class Conditions:
    """Follows one engine."""

    def __init__(self) -> None:
        self._waits: dict[str, str] = {}

    def happened(self, event: LogEvent) -> Notice | None:
        """What an event means to people; None for one that they are not told, or that is a condition."""
        kind = str(event.kind)
        if kind == MoveState.WAITING.value:
            moves = event.text.partition("; it would move ")[2]
            self._waits = {str(event.fields.get("plan_id", "")): f"would move {moves}" if moves else event.text}
        news = HAPPENED.get(kind)
        if news is None:
            return None
        return Notice(key=f"{kind} {event.fields.get('plan_id', '')}", kind=news, text=event.text, at=event.at)

    def holds(self, runner: Runner) -> dict[str, Notice]:
        """The conditions that hold now, by key."""
        found = {}
        for alert in runner.parts.monitor.open_alerts:
            if alert.key.startswith(CONFIRM):
                continue
            halted = alert.key == "halted"
            notice = Notice(
                key="halted" if halted else f"alert:{alert.key}",
                kind="halted" if halted else "alert",
                text=alert.message,
                at=alert.timestamp,
                severity=alert.severity,
                lasts=True,
            )
            found[notice.key] = notice
        state = runner.parts.engine.state
        if state.phase is MoveState.WAITING:
            text = self._waits.get(state.plan_id, "a plan waits for a person")
            key = f"waiting:{state.plan_id}"
            found[key] = Notice(key=key, kind="waiting", text=text, at=runner.parts.clock.now(), lasts=True)
        return found
