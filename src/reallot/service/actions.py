"""What may be asked for over HTTP, put into the box that the engine hears; a repeated key is the first request."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from ..engine.ledger.operator_requests import (
    ABOUT,
    ACKNOWLEDGE,
    CLEANUP,
    CONFIRM,
    DECLINE,
    EXECUTE,
    FORGET,
    MUTE,
    PAUSE,
    POLL,
    RESUME,
    ROLLBACK,
    UNPAUSE,
    ActionState,
    KeyTaken,
    Request,
    Requests,
)
from ..errors import DataError, InvalidInput
from .board import Board
from .frames import stamp
from .problems import BASE, TITLES, Problem

KINDS = (CONFIRM, DECLINE, EXECUTE, ROLLBACK, RESUME, PAUSE, UNPAUSE, POLL, ACKNOWLEDGE, MUTE, FORGET, CLEANUP)
MOVES = (CONFIRM, EXECUTE, ROLLBACK)
"""Kinds that move something: they name what they were decided on."""
MOST_COUNTED = 1000
"""Newest actions that are counted at a look."""
LOOKS = 0.2
"""Seconds between two looks while somebody waits for the end of an action."""


class Actions:
    """The box as the API shows it; `wake` is called when something new is in. Blocking: never on a loop."""

    def __init__(self, requests: Requests, board: Callable[[], Board], wake: Callable[[], None]) -> None:
        self._requests, self._board, self._wake = requests, board, wake

    def post(
        self, kind: str, body: Mapping[str, Any], *, key: str | None, match: str | None, actor: str, via: str = "http"
    ) -> tuple[Request, bool]:
        """Puts one in; True where it is new. Raises Problem."""
        if not key:
            raise Problem(400, "invalid", "the header Idempotency-Key is missing: a key of its own for each action")
        said = {name: value for name, value in body.items() if value is not None}
        named = ABOUT.get(kind)
        if named is not None and kind != ROLLBACK and not said.get(named):
            raise Problem(
                422, "invalid", f"{kind} needs {named}", errors=[{"pointer": f"/{named}", "rule": "required"}]
            )
        if kind == MUTE and "until" not in said:
            raise Problem(422, "invalid", "mute needs until", errors=[{"pointer": "/until", "rule": "required"}])
        if kind == CLEANUP and "retention_days" not in said:
            rule = [{"pointer": "/retention_days", "rule": "required"}]
            raise Problem(422, "invalid", "cleanup needs retention_days", errors=rule)
        try:
            known = self._requests.page(1, "key = ?", key)
            if not known and kind in MOVES:
                said = self._decided_on(kind, said, match)
            elif known and kind == ROLLBACK and "plan_id" not in said:
                said = {**known[0].body, **said}
            row, is_new = self._requests.put(kind, said, key=key, actor=actor, via=via, version=match or "")
        except KeyTaken as error:
            raise Problem(422, "key", str(error)) from None
        except InvalidInput as error:
            raise Problem(400, "invalid", str(error)) from None
        if is_new:
            self._wake()
        return row, is_new

    def _decided_on(self, kind: str, said: dict[str, Any], match: str | None) -> dict[str, Any]:
        """The body, where what it was decided on is still so; raises Problem."""
        board = self._board()
        if not match:
            told = f'{kind} moves capacity: send If-Match: "{board.key}", the ETag of /v1/state that it was decided on'
            raise Problem(428, "precondition-required", told)
        named, waiting = {each.strip().strip('"') for each in match.split(",")}, board.waiting
        if kind == CONFIRM:
            waits = waiting is not None and waiting.id == said["plan_id"]
            if waiting is None or not waits or named.isdisjoint({board.key, waiting.fingerprint, waiting.id}):
                instead = "none waits now" if waiting is None else f"{waiting.id} waits now"
                link = None if waiting is None else f"/v1/plans/{waiting.id}"
                told = f"plan {said['plan_id']} is not what waits by this state; {instead}"
                raise Problem(412, "outdated", told, present=link, state=board.key)
        elif board.key not in named:
            told = f"the engine went on since: its state is {board.key}; look again before it is asked for"
            raise Problem(412, "outdated", told, present="/v1/state", state=board.key)
        return said

    def find(self, number: str) -> Request:
        """One action; raises Problem where there is none."""
        found = self._requests.find(number)
        if found is None:
            raise Problem(404, "unknown", "there is no action of this id; actions are kept for 7 days")
        return found

    def page(self, limit: int, after: str | None) -> list[Request]:
        """The newest first, those before the id `after`."""
        return self._requests.page(limit) if after is None else self._requests.page(limit, "id < ?", after)

    async def ended(self, number: str, seconds: float) -> Request:
        """One action, when it is at its end, or after so many seconds."""
        until = monotonic() + seconds
        while True:
            found = await asyncio.to_thread(self.find, number)
            if not is_open(found) or monotonic() >= until:
                return found
            await asyncio.sleep(LOOKS)


class ActionCounts:
    """How many actions came to each state, by kind and state: numbers that only grow, though old rows are forgotten."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._seen: set[tuple[str, ActionState]] = set()
        self._counts: Counter[tuple[str, str]] = Counter()

    def __call__(self) -> dict[tuple[str, str], int]:
        """The counts now, or those of the last look where the box cannot be read."""
        try:
            found = self._requests.page(MOST_COUNTED)
        except DataError:
            return dict(self._counts)
        new = [each for each in found if (each.id, each.state) not in self._seen]
        self._counts.update((each.kind, each.state.value) for each in new)
        self._seen = {(each.id, each.state) for each in found}
        return dict(self._counts)


def is_open(request: Request) -> bool:
    """True where something may still come of it."""
    return request.state.is_open and not request.is_late()


def row(request: Request) -> dict[str, Any]:
    """An action as it is shown. One that nobody heard in time has expired, whether an engine runs or not."""
    late = request.is_late()
    state = ActionState.EXPIRED if late else request.state
    told = dict(request.problem)
    if late:
        told = {"by": "expired", "detail": "no engine heard it within 10 minutes, so it is not done: ask again"}
    problem = None
    if told:
        kind = str(told.get("by") or "refused")
        problem = {"type": BASE + kind, "title": TITLES.get(kind, kind.replace("_", " ")), "status": 409, **told}
    return {
        "id": request.id,
        "kind": request.kind,
        "state": state.value,
        "at": stamp(request.at),
        "ended": None if request.ended is None else stamp(request.ended),
        "actor": request.actor,
        "via": request.via,
        "key": request.key,
        "plan_id": request.body.get("plan_id"),
        "protocol": request.body.get("protocol"),
        "alert": request.body.get("alert"),
        "until": request.body.get("until"),
        "retention_days": request.body.get("retention_days"),
        "reason": request.body.get("reason"),
        "operation": request.operation,
        "problem": problem,
    }


def until_of(value: datetime | None) -> str | None:
    """A moment as it is kept in a body."""
    return None if value is None else value.astimezone(UTC).isoformat()
