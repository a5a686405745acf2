"""One share on the way back: what is to be asked for so that it is again what it was, if anything is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from ..contracts.move_state import MoveState
from ..ledger.journal import Step, StepState
from .adapter_calls import was_answered
from .executor import LET_GO, ROUNDING, Executor
from .guards import FINEST, Change, capacity_blocks, close_to, room_for
from .learned_limits import learned_step, step_of
from .move_events import Event, RollbackFailed, RollbackUnknown, RolledBack
from .rollback_call import NEAR, look_for, roll_back_share

ROUND_PAUSE = 5.0
"""Seconds before a second round; each further one waits twice as long."""
LAST_ROUND = 2
"""The third round of the way back."""
COARSEST = 0.05
"""No coarser step is concluded on the way back, by a share that stays or one answer: one taken in part is like it."""


async def roll_back(executor: Executor, change: Change, round_number: int) -> Event:
    """Writes the absolute previous share of one protocol, where it is not there already, and reads it back."""
    if round_number > executor.rounds:
        await executor.advance(MoveState.ROLLING_BACK, rounds=round_number)
        await executor.books.clock.sleep(ROUND_PAUSE * 2.0 ** (round_number - 1))
        executor.rounds = round_number
    name, now = change.protocol, executor.now
    asked_back = executor.asked_back.get(name)
    if asked_back is not None and asked_back.is_looked_for:
        event = await _as_near_as_it_gets(executor, await look_for(executor, asked_back), change)
        return await _taken_as_it_is(executor, change) if isinstance(event, RolledBack) else event
    reading = await executor.read(name)
    if reading.share is None:
        return RollbackUnknown(now(), name, f"{name} cannot be read: {reading.reason}")
    call = executor.calls.get(name)
    if call is not None and call.detail == LET_GO:
        for _, end in executor.books.may_still_act([call], executor.late_effects([call])):
            if asked_back is None:
                await roll_back_share(executor, Change(name, reading.share, change.after))
            what = f"{name} may still get the {call.after:.4f} that it was asked for"
            return RollbackUnknown(now(), name, what, end)
    possible, free_at = await executor.possible()
    if close_to(reading.share, _is_back_at(asked_back, change), executor.rules.slack(name)):
        # where another did not go back all the way, less was asked for, and what was given is too much
        is_more = asked_back is not None and reading.share - asked_back.after > executor.rules.slack(name)
        if not is_more or executor.rules.fits(possible):
            return RolledBack(now(), name)
    asked = await _with_what_is_free(executor, change, reading.share, possible) if free_at is None else change
    less = _less_than_was_made_more_of(asked_back, reading.share, round_number)
    if less is None and asked.after < change.after and asked.after - reading.share <= FINEST:
        return await _taken_as_it_is(executor, change)
    asked = Change(name, reading.share, asked.after if less is None else less)
    blocked = capacity_blocks(asked, possible, free_at, executor.rules)
    if blocked is None:
        event = await _as_near_as_it_gets(executor, await roll_back_share(executor, asked), asked)
        return await _taken_as_it_is(executor, change) if isinstance(event, RolledBack) else event
    if blocked.by == MoveState.SETTLING or possible.keys() - executor.seen.keys():
        return RollbackUnknown(now(), name, blocked.reason, free_at)
    return RollbackFailed(now(), name, blocked.reason)


def _is_back_at(asked_back: Step | None, change: Change) -> float:
    """The share at which one is back: where it was, or what its target made of that."""
    return asked_back.after if asked_back is not None and asked_back.state is StepState.CONFIRMED else change.after


def _less_than_was_made_more_of(asked_back: Step | None, read: float, round_number: int) -> float | None:
    """The share to ask for where a target made more of what it was asked for than there is room for; None elsewhere.

    One that stays where it was may have missed the call: only the last round takes it for one that rounds up.
    """
    if asked_back is None or asked_back.state is not StepState.REFUSED or not was_answered(asked_back.detail):
        return None
    asked = Change(asked_back.protocol, asked_back.before, asked_back.after)
    more = read - asked.after
    stays = asked.releases and FINEST < more <= COARSEST and abs(read - asked.before) <= FINEST
    rounds_up = stays and round_number >= LAST_ROUND
    return max(asked.after - 2.0 * more, 0.0) if rounds_up or (asked.is_passed_by(read) and more > 0.0) else None


async def _with_what_is_free(executor: Executor, change: Change, read: float, possible: Mapping[str, float]) -> Change:
    """The change, or less of it where all others are back, and some got a little more than they had."""
    standing, before, began = await executor.standing(), executor.opened.before, executor.opened.after
    taken = {each: share for each, share in standing.committed.items() if share != began.get(each)}
    others = {each: most for each, most in possible.items() if each != change.protocol}
    more = [most - before.get(each, most) for each, most in others.items()]
    off = [abs(most - taken.get(each, math.inf)) for each, most in others.items()]
    room = max(room_for(change.protocol, possible, executor.rules), read)
    missing = change.after - room
    are_back = all(min(abs(one), other) <= NEAR for one, other in zip(more, off, strict=True))
    if not are_back or not ROUNDING < missing <= NEAR + sum(one for one in more if one > NEAR):
        return change
    step = learned_step(standing.learned, change.protocol) if missing > NEAR else 0.0
    return replace(change, after=max(step * math.floor(room / step + ROUNDING), read) if step else room)


async def _taken_as_it_is(executor: Executor, change: Change) -> RolledBack:
    """That a share is back; where it could not be quite what it was, it is confirmed as it is."""
    name = change.protocol
    share = executor.seen.get(name, change.after)
    if abs(share - change.after) > max(NEAR, executor.rules.slack(name)):
        await executor.write(executor.books.journal.adopt, {name: share})
    return RolledBack(executor.now(), name)


async def _as_near_as_it_gets(executor: Executor, event: Event, asked: Change) -> Event:
    """That a share is back, where its target rounded it, or went beyond it, and that leaves room for all."""
    name, share, entry = asked.protocol, executor.seen.get(asked.protocol), executor.asked_back.get(asked.protocol)
    if not isinstance(event, RollbackFailed) or share is None or entry is None:
        return event
    slack, step = executor.rules.slack(name), learned_step((await executor.standing()).learned, name)
    began = executor.calls[name].after if name in executor.calls else entry.before
    if executor.rounds and was_answered(entry.detail) and abs(share - began) > slack:
        rounded = step_of(entry.after, share, slack) or 0.0
        step = max(step, rounded if rounded <= COARSEST else 0.0)
    most, _ = await executor.possible()
    passed = not entry.may_act and Change(name, entry.before, entry.after).is_passed_by(share)
    if not (executor.rules.fits(most) and (passed or abs(share - entry.after) < step)):
        return event
    await executor.mark(entry, StepState.CONFIRMED, entry.detail, after=share)
    executor.asked_back[name] = replace(entry, state=StepState.CONFIRMED, after=share)
    return RolledBack(executor.now(), name)
