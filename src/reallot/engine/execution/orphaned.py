"""Protocols that no adapter speaks for any more and that may still have a share: not forgotten, and not given away."""

from __future__ import annotations

from collections.abc import Iterable

from ...errors import ErrorKind, ProtocolError
from ..contracts.adapter import Capabilities
from ..contracts.move_state import MoveState
from ..contracts.records import ChangeKind, ProtocolStatus
from ..ledger.journal import Journal, StepState
from ..ledger.timestamps import Stamp

KEY = "removed:"
"""Keys of alerts begin so."""


class OrphanedProtocol:
    """Stands in for an adapter that is not there any more: nothing is read, nothing is moved.

    share  the most that it may have, by the journal
    """

    def __init__(self, name: str, share: float) -> None:
        self.name, self.share = name, share

    @property
    def text(self) -> str:
        """What that means, in words."""
        return (
            f"{self.name} is not configured any more and may still have {self.share:.4f} of capacity, which stays "
            f"taken: configure it again, or, where it has nothing, stop the engine and say: reallot forget {self.name}"
        )

    def capabilities(self) -> Capabilities:
        """It only is."""
        return Capabilities(acts=False)

    async def get_status(self) -> ProtocolStatus:
        """Raises ProtocolError."""
        raise ProtocolError(self.text, ErrorKind.UNREACHABLE)

    async def get_allocation(self) -> float:
        """Raises ProtocolError."""
        raise ProtocolError("it is not configured any more", ErrorKind.UNREACHABLE)

    async def apply_allocation(self, share: float) -> None:
        """Raises ProtocolError."""
        raise ProtocolError("it is not configured any more", ErrorKind.REFUSED)


def holders(journal: Journal, names: Iterable[str], tolerance: float) -> dict[str, OrphanedProtocol]:
    """What stands in for each of `names` that may have any share, by the journal. Raises DataError."""
    most = {name: journal.most(name) or 0.0 for name in sorted(names)}
    return {name: OrphanedProtocol(name, share) for name, share in most.items() if share > tolerance}


def give_up(journal: Journal, name: str, at: Stamp) -> None:
    """A person's word that a protocol has no share any more; should it come back, it is taken as it is.

    Raises DataError, also where others are being moved.

    What was begun with it is over: shares of others go back to those confirmed last. Asking again is harmless.
    """
    reason = f"{name} has no share any more, as a person says"
    operation = journal.open_operation()
    if operation is not None and name in {*operation.before, *operation.after}:
        begun = operation.state is not MoveState.PLANNED
        journal.advance(operation.id, MoveState.HALTED if begun else MoveState.DISCARDED, at, reason)
    for step in journal.unsettled():
        if step.protocol == name:
            journal.mark(step, StepState.REFUSED, at, detail=reason)
    most = journal.most(name) or 0.0
    plan_id = f"forget-{at.wall:%Y%m%dT%H%M%S%f}"
    said = journal.begin(plan_id, ChangeKind.REPAIR, {name: 0.0}, {name: most}, (), at, reason)
    entry = journal.add_step(said.id, ChangeKind.REPAIR, name, most, 0.0, at)
    journal.mark(entry, StepState.CONFIRMED, at, detail=reason)
    journal.advance(said.id, MoveState.ROLLING_BACK, at)
    journal.advance(said.id, MoveState.ROLLED_BACK, at)
    journal.forget(name)
    journal.recovered(KEY + name, at.wall)
