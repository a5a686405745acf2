"""What the journal's rows say: queries with their columns in one order, and the records made of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from ..contracts.move_state import OPEN, MoveState
from ..contracts.records import AllocationChange, ChangeKind
from .alerts import ALERT, alert_of
from .journal import Decision, KeptBooks, LearnedLimit, Operation, PaidQuote, Standing, Step, StepState, Waiting
from .timestamps import Stamp, moment

OPERATION = "id, plan_id, kind, state, before, after, wall, steady, boot, epoch, rounds, reason"
STEP = "id, operation, kind, protocol, before, after, state, wall, steady, boot, may_act, detail"
OPEN_STATES = ", ".join(f"'{word}'" for word in (*OPEN, "confirming"))  # the last stands in files before schema 4
OPEN_OPERATION = f"SELECT {OPERATION} FROM operation WHERE state IN ({OPEN_STATES}) LIMIT 1"
UNSETTLED = f"SELECT {STEP} FROM step WHERE open = 1 ORDER BY id"
WAITING = "SELECT plan_id, plan, wall, steady, boot, confirmed FROM waiting"
LAST_CHANGES = "SELECT protocol, wall, steady, boot FROM touched"
LAST_MOVES = (
    "SELECT wall, steady, boot FROM operation WHERE kind = 'move' AND state NOT IN ('planned', 'discarded') "
    "ORDER BY id DESC LIMIT ?"
)
COMMITTED = "SELECT protocol, share FROM committed ORDER BY protocol"
HALTED = "SELECT value FROM meta WHERE name = 'halted'"
FROZEN = "SELECT protocol, reason FROM frozen ORDER BY protocol"
CHANGES = (
    "SELECT coalesce(step.asked, step.wall), step.protocol, step.before, step.after, operation.plan_id, step.kind, "
    "step.state, operation.state, operation.reason, step.detail FROM step JOIN operation ON operation.id = operation "
    "WHERE step.state <> 'intent' AND coalesce(step.asked, step.wall) >= ? ORDER BY step.id DESC LIMIT ?"
)
PAGES = {
    "decision": "SELECT id, plan_id, wall, verdict, reason, plan, inputs FROM decision",
    "alert": "SELECT id, key, message, severity, wall, last_seen, count, acknowledged, recovered FROM alert",
    "change": (
        "SELECT step.id AS id, coalesce(step.asked, step.wall), step.protocol, step.before, step.after, "
        "operation.plan_id AS plan_id, step.kind, step.state, operation.state, operation.reason, step.detail "
        "FROM step JOIN operation ON operation.id = operation WHERE step.state <> 'intent'"
    ),
}
"""What is listed page by page, each row after its number."""
DECISION = "SELECT plan_id, wall, verdict, reason, plan, inputs FROM decision"
MOST_SHARE = 2.0
"""A share that was read back may be a little above 1; a number above this was never written."""
OPERATION_OF = f"SELECT {OPERATION} FROM operation WHERE plan_id = ? ORDER BY id LIMIT 1"
OPERATION_NOW = "SELECT state, before, after, kind FROM operation WHERE id = ?"
STEPS_OF = f"SELECT {STEP} FROM step WHERE operation = ? ORDER BY id"
MOST = """
    WITH own AS (SELECT id, before, after, state FROM step WHERE protocol = :protocol AND state <> 'intent'),
    sure AS (SELECT coalesce(max(id), 0) AS id FROM own WHERE state = 'confirmed')
    SELECT max(share) FROM (
        SELECT share FROM committed WHERE protocol = :protocol
        UNION ALL SELECT after FROM own, sure WHERE own.id >= sure.id AND state <> 'refused'
        UNION ALL SELECT before FROM own, sure WHERE own.id > sure.id
    )
"""
LAST_COMMITTED = (
    f"SELECT {OPERATION} FROM operation WHERE kind = 'move' AND state = 'committed' AND NOT EXISTS "
    "(SELECT 1 FROM operation AS back WHERE back.plan_id = 'back-' || operation.id AND back.state = 'rolled_back') "
    "ORDER BY id DESC LIMIT 1"
)
BEGIN = (
    "INSERT INTO operation (plan_id, kind, state, before, after, wall, steady, boot, epoch, reason) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
ADVANCE = (
    "UPDATE operation SET state = ?, wall = ?, steady = ?, boot = ?, rounds = max(rounds, ?), "
    "reason = CASE WHEN ? = '' THEN reason ELSE ? END WHERE id = ?"
)
APPLY = "UPDATE operation SET state = 'applying', wall = ?, steady = ?, boot = ? WHERE id = ? AND state = 'planned'"
MARK = (
    "UPDATE step SET state = ?, wall = ?, steady = ?, boot = ?, may_act = ?, open = ?, detail = ?, "
    "asked = coalesce(asked, ?), after = coalesce(?, after) WHERE id = ?"
)
TOUCH = "INSERT OR REPLACE INTO touched SELECT ?, ?, ?, ? WHERE ? <> 'repair'"
"""A repair only brings back what was confirmed: it does not make a protocol rest."""
KEPT_NAMES = "name >= 'kept:' AND name < 'kept;'"
KEPT = f"SELECT value FROM meta WHERE {KEPT_NAMES}"
REPAIRS = (
    "SELECT wall, steady, boot, before FROM operation WHERE kind = 'repair' AND plan_id LIKE 'repair-%' "
    "ORDER BY id DESC LIMIT ?"
)
LEARNED = "SELECT value FROM meta WHERE name >= 'learned:' AND name < 'learned;'"
QUOTES = "SELECT value FROM meta WHERE name >= 'quote:' AND name < 'quote;'"
BOOKS = "SELECT value FROM meta WHERE name = 'regret'"
MUTED = "SELECT value FROM meta WHERE name >= 'muted:' AND name < 'muted;'"
_WIDTH = 12
_PARTS = {
    "halted": (HALTED, 1),
    "frozen": (FROZEN, 2),
    "committed": (COMMITTED, 2),
    "operation": (OPEN_OPERATION, 12),
    "step": (UNSETTLED, 12),
    "waiting": (WAITING, 6),
    "touched": (LAST_CHANGES, 4),
    "move": (LAST_MOVES, 3),
    "alert": ("SELECT key FROM alert WHERE recovered IS NULL", 1),
    "learned": (LEARNED, 1),
    "kept": (KEPT, 1),
}
STANDING = " UNION ALL ".join(
    f"SELECT '{tag}', *{', NULL' * (_WIDTH - width)} FROM ({query})" for tag, (query, width) in _PARTS.items()
)
"""All of them in one statement, which sees one moment: a tag and so many columns. Its one value is how many moves."""
_OUTCOMES = {"confirmed": "confirmed", "refused": "failed"}


def standing_of(rows: Iterable[Sequence[Any]]) -> Standing:
    """What the rows of STANDING say; each part is in its own order."""
    parts: dict[str, list[Sequence[Any]]] = {tag: [] for tag in _PARTS}
    for row in rows:
        parts[row[0]].append(row[1:])
    operation = operation_of(parts["operation"][0]) if parts["operation"] else None
    committed = {row[0]: row[1] for row in parts["committed"]}
    unsettled = tuple(step_of(row) for row in sorted(parts["step"], key=lambda row: row[0]))
    moving = () if operation is None else (*operation.before, *operation.after)
    return Standing(
        halted=str(parts["halted"][0][0]) if parts["halted"] else "",
        frozen={row[0]: row[1] for row in parts["frozen"]},
        committed=committed,
        operation=operation,
        unsettled=unsettled,
        waiting=waiting_of(parts["waiting"][0]) if parts["waiting"] else None,
        last_changes={row[0]: stamp_of(row[1:4]) for row in parts["touched"]},
        last_moves=tuple(stamp_of(row[:3]) for row in parts["move"]),
        open_alerts=frozenset(row[0] for row in parts["alert"]),
        learned=tuple(learned_of(row[0]) for row in parts["learned"]),
        kept=dict(kept_of(row[0]) for row in parts["kept"]),
        names=frozenset((*committed, *(each.protocol for each in unsettled), *moving)),
    )


def learned_of(text: str) -> LearnedLimit:
    """The value of a row of `meta` whose name begins with "learned:"."""
    protocol, kind, share, failures, reason, wall, steady, boot = json.loads(text)
    return LearnedLimit(protocol, kind, share, failures, reason, stamp_of((wall, steady, boot)))


def quote_of(text: str) -> tuple[str, PaidQuote]:
    """The value of a row of `meta` whose name begins with "quote:"."""
    protocol, ratio, hours, at = json.loads(text)
    return str(protocol), PaidQuote(float(ratio), float(hours), datetime.fromisoformat(at))


def kept_of(text: str) -> tuple[str, Stamp]:
    """The value of a row of `meta` whose name begins with "kept:"."""
    name, wall, steady, boot = json.loads(text)
    return name, stamp_of((wall, steady, boot))


def repair_of(row: Sequence[Any]) -> tuple[Stamp, frozenset[str]]:
    """A row of REPAIRS."""
    return stamp_of(tuple(row[:3])), frozenset(json.loads(row[3]))


def decision_of(row: Sequence[Any]) -> Decision:
    """A row of DECISION."""
    return Decision(row[0], moment(row[1]), MoveState(row[2]), *row[3:])


def waiting_of(row: Sequence[Any]) -> Waiting:
    """A row of WAITING."""
    return Waiting(row[0], row[1], stamp_of(tuple(row[2:5])), bool(row[5]))


@lru_cache(1024)
def stamp_of(row: tuple[int, float, str]) -> Stamp:
    """Three columns: wall, steady, boot."""
    return Stamp(moment(row[0]), row[1], row[2])


def operation_of(row: Sequence[Any]) -> Operation:
    """The columns of OPERATION."""
    number, plan_id, kind, state, before, after = row[:6]
    shares = json.loads(before), json.loads(after)
    return Operation(number, plan_id, ChangeKind(kind), MoveState(state), *shares, stamp_of(tuple(row[6:9])), *row[9:])


def step_of(row: Sequence[Any]) -> Step:
    """The columns of STEP."""
    number, operation, kind, protocol, before, after, state = row[:7]
    stamp = stamp_of(tuple(row[7:10]))
    values = StepState(state), stamp, bool(row[10]), row[11], f"{operation}-{number}"
    return Step(number, operation, ChangeKind(kind), protocol, before, after, *values)


@lru_cache(256)
def change_of(row: tuple[Any, ...]) -> AllocationChange:
    """A row of CHANGES."""
    wall, protocol, before, after, plan_id, kind, state, ended, reason, detail = row
    outcome = _OUTCOMES.get(state, "unknown")
    if kind == "move" and state == "confirmed" and ended == MoveState.ROLLED_BACK:
        outcome = MoveState.ROLLED_BACK.value
    return AllocationChange(
        timestamp=moment(wall),
        protocol=protocol,
        before=before,
        after=after,
        plan_id=plan_id,
        kind=ChangeKind(kind),
        outcome=outcome,
        reason=detail or reason,
    )


def _check_shares(*shares: Any) -> None:
    """Raises ValueError or TypeError for what was never a share."""
    if not all(-1.0 <= share <= MOST_SHARE for share in shares):
        raise ValueError("no share")


def _check_operation(row: Sequence[Any]) -> None:
    operation = operation_of(row)
    _check_shares(*operation.before.values(), *operation.after.values())


def _check_step(row: Sequence[Any]) -> None:
    step = step_of(row)
    _check_shares(step.before, step.after)


def books_of(text: str) -> KeptBooks:
    """The value of the row of `meta` that is named "regret"."""
    until, start, *money, homeward = json.loads(text)
    shares = {str(name): float(share) for name, share in start.items()}
    _check_shares(*shares.values())
    gained, spent, never, earned = (float(each) for each in money)
    return KeptBooks(datetime.fromisoformat(until), shares, gained, spent, never, earned, bool(homeward))


def muted_of(text: str) -> tuple[str, datetime]:
    """The value of a row of `meta` whose name begins with "muted:"."""
    key, until = json.loads(text)
    return str(key), datetime.fromisoformat(until)


EVERYTHING: tuple[tuple[str, Callable[[tuple[Any, ...]], object]], ...] = (
    ("SELECT value FROM meta WHERE name = 'epoch'", lambda row: int(row[0])),
    (HALTED, tuple),
    (FROZEN, tuple),
    (COMMITTED, lambda row: _check_shares(row[1])),
    (f"SELECT {OPERATION} FROM operation", _check_operation),
    (f"SELECT {STEP} FROM step", _check_step),
    (WAITING, waiting_of),
    (LEARNED, lambda row: learned_of(row[0])),
    (KEPT, lambda row: kept_of(row[0])),
    (QUOTES, lambda row: quote_of(row[0])),
    (MUTED, lambda row: muted_of(row[0])),
    (BOOKS, lambda row: books_of(row[0])),
    (LAST_CHANGES, lambda row: stamp_of(row[1:])),
    (DECISION, decision_of),
    (ALERT, alert_of),
)
"""Every row that is ever read, with what raises UNREADABLE where it cannot have been written so."""
