"""A plan in the middle of which a cycle ended, as the journal has it: the next cycle, or the next start, goes on."""

from __future__ import annotations

from collections.abc import Sequence

from ..contracts.move_state import MoveState
from ..contracts.records import ChangeKind
from ..ledger.journal import LOOKED_FOR, Operation, Step, StepState
from .guards import Change
from .move_events import Verifying

NO_ROOM = "there was no room for it to grow"


def in_the_middle(operation: Operation, steps: Sequence[Step]) -> Verifying | None:
    """Where a plan stands whose last call is still looked for; None where there is no such call."""
    moves = [each for each in steps if each.kind is ChangeKind.MOVE]
    index = next((number for number, each in enumerate(moves) if each.is_looked_for), None)
    if operation.state is not MoveState.APPLYING or index is None:
        return None
    changes = tuple(Change(each.protocol, each.before, each.after) for each in moves)
    partial = tuple((each.protocol, each.detail or NO_ROOM) for each in moves[:index] if not _was_taken(each))
    return Verifying(changes, index, partial)


def awaited(steps: Sequence[Step]) -> str:
    """What a move waits for, in words; "" where it waits for nothing."""
    for each in steps:
        if each.is_looked_for:
            until = each.detail.partition(LOOKED_FOR)[2].strip()
            since = f"verifying since {each.at.wall:%Y-%m-%d %H:%M:%S} until {until}"
            return f"{since}: {each.protocol} was asked for {each.after:.4f}"
    return ""


def _was_taken(step: Step) -> bool:
    return step.state is StepState.CONFIRMED and not step.detail
