"""What is worth a line: changes from one cycle to the next, never states."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..engine.contracts.configs import Mode
from ..engine.contracts.move_state import MoveState
from ..engine.contracts.records import Alert, AllocationPlan
from ..engine.execution.driver import Report
from ..orchestration.cycle import FAILED, CycleResult
from ..text.numbers import amount, usd

GRAVE = 0.6
"""Alerts from this severity on are warnings."""
Fields = dict[str, str | float | int | bool | None]


@dataclass(frozen=True)
class LogEvent:
    """One line: what kind of thing, when, in words, and its numbers for programs."""

    kind: str
    at: datetime
    text: str
    fields: Fields = field(default_factory=dict)
    level: int = logging.INFO


class ChangeDetector:
    """Compares each cycle with those before it, and says what is new."""

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self._blocked = self._advised = ""
        self._operation: int | None = None

    def events(self, result: CycleResult, report: Report | None, alarms: list[Alert]) -> list[LogEvent]:
        """The events of one cycle; `report` is how the engine's last plan ended, `alarms` what it raised."""
        at = result.started_at
        found = [alert_line(alert, at) for alert in _once((*alarms, *result.alerts))]
        plan = result.plan
        if plan is not None and result.wanted and self.mode is not Mode.OBSERVE:
            found = [
                *self.decided(plan, report if report is not None and report.plan_id == plan.id else None, at),
                *found,
            ]
        elif not result.wanted:
            self._blocked = self._advised = ""
        return found

    def decided(self, plan: AllocationPlan, report: Report | None, at: datetime) -> list[LogEvent]:
        """What came of a plan, where that is new."""
        numbers = plan_fields(plan)
        if self.mode is Mode.ADVISE:
            moves = ", ".join(f"{name} {change:+.2f}" for name, change in plan.moves.items())
            told, self._advised = self._advised == moves, moves
            return [] if told else [LogEvent("advice", at, f"would move {plan_text(plan)}", numbers)]
        if report is None:
            return []
        if report.verdict is MoveState.COMMITTED:
            self._blocked = ""
            if report.shares is not None:
                return [LogEvent("move", at, _in_part(plan, report), numbers)]
            return [LogEvent("move", at, f"moved {plan_text(plan)}", numbers)]
        if report.verdict is MoveState.WAITING:
            told, self._blocked = self._blocked == report.plan_id, report.plan_id
            text = f"waits for a person: {report.reason}; it would move {plan_text(plan)}"
            return [] if told else [LogEvent(MoveState.WAITING, at, text, numbers)]
        if report.verdict is MoveState.VERIFYING:
            self._blocked = ""
            return [LogEvent(report.verdict, at, f"moves {plan_text(plan)}; {report.reason}", numbers)]
        if report.verdict in (MoveState.NOTHING_TO_DO, MoveState.REPEATED):
            return []
        if report.verdict is MoveState.BLOCKED and report.reason.startswith(MoveState.VERIFYING.words):
            return []  # what is awaited was told when that began
        if report.verdict is MoveState.BLOCKED:
            told, self._blocked = self._blocked == report.by, report.by
            text = f"not now ({report.by}): {report.reason}"
            fields: Fields = {"by": report.by, "plan_id": report.plan_id}
            return [] if told else [LogEvent(MoveState.BLOCKED, at, text, fields)]
        text = f"{report.verdict.words}: {report.reason or plan_text(plan)}"
        return [LogEvent(report.verdict, at, text, numbers, logging.WARNING)]


def _once(alerts: Iterable[Alert]) -> Iterator[Alert]:
    """Of steps of one cycle that fail for the same reason, or do so no more, the first alone."""
    reasons = set[tuple[str, bool]]()
    for alert in alerts:
        if alert.key.startswith(FAILED):
            reason = (alert.message.partition(" failed: ")[2], alert.recovered_at is None)
            if reason in reasons:
                continue
            reasons.add(reason)
        yield alert


def alert_line(alert: Alert, at: datetime) -> LogEvent:
    """An alert that begins, or one that is over."""
    over = alert.recovered_at is not None
    level = logging.WARNING if alert.severity >= GRAVE and not over else logging.INFO
    fields: Fields = {"key": alert.key, "severity": alert.severity}
    text = alert.message if over else f"alert: {alert.message}"  # one that is over says so itself
    return LogEvent("recovered" if over else "alert", at, text, fields, level)


def _in_part(plan: AllocationPlan, report: Report) -> str:
    """What was moved where not all was taken."""
    shares = report.shares or {}
    moved = {name: (plan.current.get(name, share), share) for name, share in sorted(shares.items())}
    texts = [
        f"{name} {amount(one)} -> {amount(other)}" for name, (one, other) in moved.items() if abs(other - one) > 1e-6
    ]
    return f"moved in part {', '.join(texts)} of {plan_text(plan)}; {report.reason}"


def plan_text(plan: AllocationPlan) -> str:
    """Moves, and what they bring."""
    moves = ", ".join(
        f"{name} {amount(plan.current.get(name, 0.0))} -> {amount(plan.allocation.get(name, 0.0))}"
        for name in sorted(plan.moves, key=lambda name: (plan.moves[name], name))
    )
    cost = f", costs {usd(plan.estimated_cost)} USD" if plan.estimated_cost else ""
    sure = "" if plan.confidence is None else f", confidence {plan.confidence:.2f}"
    return f"{moves}: {usd(plan.estimated_improvement, sign=True)} USD/h{cost}{sure}"


def plan_fields(plan: AllocationPlan) -> Fields:
    """The same for programs."""
    changes: dict[str, Any] = {f"move.{name}": change for name, change in plan.moves.items()}
    return {
        "plan_id": plan.id,
        "improvement": plan.estimated_improvement,
        "cost": plan.estimated_cost,
        "net_benefit": plan.net_benefit,
        "confidence": plan.confidence,
        "reasons": "; ".join(plan.reasons),
        **changes,
    }
