"""One share on the way back: what is to be asked for so that it is again what it was, if anything is."""

from __future__ import annotations

from ..contracts.move_state import MoveState
from .executor import LET_GO, NEAR, ROUNDING, Executor
from .guards import FINEST, Change, capacity_blocks, close_to, room_for
from .move_events import Event, RollbackFailed, RollbackUnknown, RolledBack

ROUND_PAUSE = 5.0
"""Seconds before a second round; each further one waits twice as long."""


async def roll_back(executor: Executor, change: Change, round_number: int) -> Event:
    """Writes the absolute previous share of one protocol, where it is not there already, and reads it back."""
    if round_number > executor.rounds:
        await executor.advance(MoveState.ROLLING_BACK, rounds=round_number)
        await executor.books.clock.sleep(ROUND_PAUSE * 2.0 ** (round_number - 1))
        executor.rounds = round_number
    name, now = change.protocol, executor.now
    asked_back = executor.asked_back.get(name)
    if asked_back is not None and asked_back.is_looked_for:
        return await executor.look_for(asked_back)
    reading = await executor.read(name)
    if reading.share is None:
        return RollbackUnknown(now(), name, f"{name} cannot be read: {reading.reason}")
    call = executor.calls.get(name)
    if call is not None and call.detail == LET_GO:
        for _, end in executor.books.may_still_act([call], executor.late_effects([call])):
            if asked_back is None:
                await executor.put_back(Change(name, reading.share, change.after))
            what = f"{name} may still get the {call.after:.4f} that it was asked for"
            return RollbackUnknown(now(), name, what, end)
    if close_to(reading.share, change.after, executor.rules.slack(name)):
        return RolledBack(now(), name)
    possible, free_at = await executor.possible()
    room = max(room_for(name, possible, executor.rules), reading.share)
    others = {each: most for each, most in possible.items() if each != name}
    are_back = all(abs(most - executor.opened.before.get(each, most)) <= NEAR for each, most in others.items())
    short = free_at is None and are_back and ROUNDING < change.after - room <= NEAR
    asked = Change(name, reading.share, room if short else change.after)
    if short and asked.after - asked.before <= FINEST:
        return RolledBack(now(), name)
    blocked = capacity_blocks(asked, possible, free_at, executor.rules)
    if blocked is None:
        return await executor.put_back(asked)
    if blocked.by == MoveState.SETTLING or possible.keys() - executor.seen.keys():
        return RollbackUnknown(now(), name, blocked.reason, free_at)
    return RollbackFailed(now(), name, blocked.reason)
