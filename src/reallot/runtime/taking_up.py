"""What a person asked for that is not the journal's: a source is asked again, an alert was seen, and what is told."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..engine.contracts.move_state import MoveState
from ..engine.contracts.records import AggregatedMetrics
from ..engine.ledger.operator_requests import (
    ACKNOWLEDGE,
    ASK_AGAIN,
    CLEANUP,
    DECLINE,
    MUTE,
    POLL,
    RESUME,
    UNPAUSE,
    ActionState,
    Request,
)
from .build import Parts
from .events import Fields, LogEvent


async def take_up(
    parts: Parts, last: AggregatedMetrics | None, tell: Callable[[LogEvent], None], request: Request
) -> None:
    """Takes up one request that the engine has heard; `last` is the poll before."""
    at = parts.clock.now()
    if request.state in (ActionState.REFUSED, ActionState.EXPIRED):
        fields: Fields = {"action": request.id, "by": str(request.problem.get("by", ""))}
        text = f"{request.kind} was {request.state.value}: {request.problem.get('detail', '')}"
        tell(LogEvent("action", at, text, fields, logging.WARNING))
    elif request.kind == DECLINE:
        text = f"a person said no to plan {request.plan_id}: it does not wait any more"
        tell(LogEvent(MoveState.DECLINED, at, text, {"plan_id": request.plan_id}))
    elif request.kind == MUTE:
        tell(LogEvent("muted", at, f"{request.plan_id} is muted until {request.body['until']}"))
    elif request.kind == UNPAUSE:
        tell(LogEvent("resumed", at, "moves are allowed again, as a person asked"))
    elif request.kind in (RESUME, ASK_AGAIN, POLL) and last is not None:
        silent = [name for name, answers in last.connection_status.items() if not answers]
        for name in silent:
            parts.coordinator.resume(name)
        if silent:
            tell(LogEvent("resumed", at, f"asked again now: {', '.join(silent)}"))
    elif request.kind == CLEANUP:
        days = request.body["retention_days"]
        await parts.monitor.cleanup_old_data(days)
        text = f"what is older than {days} days is forgotten by the monitor; the ledger keeps it"
        tell(LogEvent("cleanup", at, text, {"retention_days": days}))
    elif request.kind == ACKNOWLEDGE:
        for alert in parts.monitor.open_alerts:
            if alert.key == request.plan_id and not alert.acknowledged:
                await parts.monitor.acknowledge_alert(alert.timestamp)
                tell(LogEvent("acknowledged", at, f"seen by a person: {alert.message}", {"key": alert.key}))
