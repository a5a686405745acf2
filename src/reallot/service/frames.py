"""The messages of the live stream: what a client is told first, after each cycle, and when something happens."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ..engine.contracts.records import Alert, AllocationPlan
from ..engine.ledger.event_log import KeptEvent
from .board import Board, verdict

PROTOCOL = 1
"""Version of the messages: clients ignore fields that they do not know."""
DIGITS = 6


def encoded(frame: Mapping[str, Any]) -> str:
    """One message as compact JSON; raises ValueError for a number that is none."""
    return json.dumps(frame, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def hello(board: Board, now: datetime, scope: str, name: str, *, gap: bool = False) -> dict[str, Any]:
    """The first message: whom one speaks with, the order of the columns, and what the token may."""
    return {
        "t": "hello",
        "protocol": PROTOCOL,
        "version": board.version,
        "epoch": board.epoch,
        "seq": board.seq,
        "every": iso_duration(board.every),
        "names": list(board.names),
        "mode": board.mode.value,
        "you": {"scope": scope, "name": name},
        "server_time": stamp(now),
        "gap": gap,
    }


def state(board: Board) -> dict[str, Any]:
    """All that is known after a cycle, as columns beside `names`; absent is null."""
    metrics = None if board.result is None else board.result.metrics
    plan = None if board.result is None else board.result.plan
    names, standing = board.names, board.standing
    said = verdict(board)
    statuses = {} if metrics is None else metrics.statuses
    earns = {} if metrics is None else metrics.earnings_by_protocol
    shares = {} if metrics is None else {**metrics.allocation_by_protocol}
    stale = {} if metrics is None else metrics.stale
    if board.result is not None and board.result.acted:
        shares.update(standing.committed)  # the poll came before the move
    return {
        "t": "state",
        "seq": board.seq,
        "epoch": board.epoch,
        "at": None if board.at is None else stamp(board.at),
        "mode": board.mode.value,
        "names": list(names),
        "total": _number(None if metrics is None else metrics.total_earnings_per_hour),
        "measured": _number(None if metrics is None else metrics.measured_earnings_per_hour),
        "earn": [_number(earns.get(name)) for name in names],
        "share": [_number(shares.get(name)) for name in names],
        "plan": [_number(None if plan is None else plan.allocation.get(name)) for name in names],
        "committed": [_number(standing.committed.get(name)) for name in names],
        "age": [_number(stale.get(name, 0.0) if name in earns else None) for name in names],
        "up": [None if metrics is None else metrics.connection_status.get(name) for name in names],
        "error": [
            None if (known := statuses.get(name)) is None or known.error is None else known.error.value
            for name in names
        ],
        "rests": [stamp(board.rests[name]) if name in board.rests else None for name in names],
        "halted": standing.halted or None,
        "frozen": dict(standing.frozen),
        "moving": None if standing.operation is None else standing.operation.state.value,
        "waiting": None if board.waiting is None else waiting_plan(board.waiting, board.waits_until),
        "blocked": blocked(board),
        "verdict": {"condition": said.condition.value, "text": said.text},
        "wanted": board.result is not None and board.result.wanted,
        "acted": board.result is not None and board.result.acted,
        "inputs": {
            "oldest_age": _number(max(stale.values(), default=0.0)),
            "carried": sorted(stale),
            "silent": board.silent,
        },
        "alerts_open": [alert(each, board.muted.get(each.key)) for each in board.alerts],
        "never_moving": _number(board.never),
        "errors": {} if board.result is None else dict(board.result.errors),
        "cycle_seconds": _number(board.taken),
        "simulated_to_the_end": board.ends_simulated,
    }


def event(happened: KeptEvent) -> dict[str, Any]:
    """Something that happened."""
    return {
        "t": "event",
        "seq": happened.seq,
        "at": stamp(happened.at),
        "kind": happened.kind,
        "text": happened.text,
        "fields": {key: _plain(value) for key, value in happened.fields.items()},
        "level": happened.level,
    }


def beat(board: Board, now: datetime) -> dict[str, Any]:
    """Sent where nothing else was for a while: silence is not loss."""
    return {"t": "beat", "seq": board.seq, "server_time": stamp(now)}


def bye(code: int, reason: str, retry_in: float | None = None) -> dict[str, Any]:
    """The last message before the server closes."""
    return {"t": "bye", "code": code, "reason": reason, "retry_in": retry_in}


def waiting_plan(plan: AllocationPlan, until: datetime | None) -> dict[str, Any]:
    """A plan that waits for a person."""
    return {
        "plan_id": plan.id,
        "fingerprint": plan.fingerprint,
        "moves": {name: _number(change) for name, change in plan.moves.items()},
        "current": {name: _number(share) for name, share in plan.current.items()},
        "allocation": {name: _number(share) for name, share in plan.allocation.items()},
        "improvement": _number(plan.estimated_improvement),
        "cost": _number(plan.estimated_cost),
        "net_benefit": _number(plan.net_benefit),
        "horizon_hours": _number(plan.horizon_hours),
        "confidence": _number(plan.confidence),
        "until": None if until is None else stamp(until),
    }


def blocked(board: Board) -> dict[str, Any] | None:
    """Why no plan may be carried out now; None where one may."""
    found = board.blocked
    if found is None:
        return None
    return {
        "by": str(found.by),
        "until": None if found.until is None else stamp(found.until),
        "reason": found.reason,
    }


def alert(found: Alert, muted: datetime | None = None) -> dict[str, Any]:
    """An alert as it is told."""
    return {
        "key": found.key or found.message,
        "message": found.message,
        "severity": _number(found.severity),
        "at": stamp(found.timestamp),
        "last_seen": None if found.last_seen is None else stamp(found.last_seen),
        "count": found.count,
        "acknowledged": found.acknowledged,
        "recovered_at": None if found.recovered_at is None else stamp(found.recovered_at),
        "muted_until": None if muted is None else stamp(muted),
    }


def stamp(moment: datetime) -> str:
    """A moment as RFC 3339 in UTC, to the microsecond.

    >>> stamp(datetime(2026, 1, 1, 12, tzinfo=UTC))
    '2026-01-01T12:00:00.000000Z'
    """
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def iso_duration(seconds: float) -> str:
    """A length of time as ISO 8601.

    >>> iso_duration(90.0)
    'PT90S'
    """
    return f"PT{seconds:g}S"


def _number(value: float | None) -> float | None:
    """Rounded to what is shown; null in place of what is no number."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{DIGITS}g}")


def _plain(value: str | float | int | bool | None) -> str | float | int | bool | None:
    return _number(value) if isinstance(value, float) else value
