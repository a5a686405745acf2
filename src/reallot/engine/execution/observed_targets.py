"""What targets showed while this engine runs: whose shares somebody else keeps changing, and who is slow."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ..contracts.adapter import ProtocolAdapter
from ..contracts.validation import capabilities_of

LATEST = 4
"""A change is waited for no longer than so many times what is usual, however late one came before."""


@dataclass(frozen=True)
class Drifting:
    """A share that somebody else keeps changing.

    share   as it was read last; it is so since then (steady seconds)
    rest    seconds that it has to stay so
    is_set  True where somebody sets another share, and no plan is to move it; False where it creeps
    """

    share: float
    since: float
    rest: float = 3600.0
    is_set: bool = False


@dataclass
class ObservedTargets:
    """By name: those that drift, and how long changes took of those that came later than anybody said."""

    drifting: dict[str, Drifting] = field(default_factory=dict)
    late: dict[str, timedelta] = field(default_factory=dict)

    def delay(self, name: str, adapter: ProtocolAdapter) -> timedelta:
        """How long a change of this protocol takes, as its adapter says or as it showed."""
        said = capabilities_of(adapter).delay
        return max(said, self.late[name]) if name in self.late else said

    def set_aside(self, now: datetime) -> dict[str, datetime]:
        """Until when those rest that somebody else sets to other shares."""
        return {name: now + timedelta(seconds=each.rest) for name, each in self.drifting.items() if each.is_set}

    def came_late(self, name: str, took: timedelta, usual: timedelta) -> timedelta | None:
        """How long the next change is waited for, after one that took so long; None where that is too long.

        Effects are `usual`ly over by then.
        """
        if took >= LATEST * usual:
            return None
        self.late[name] = min(1.5 * took, LATEST * usual)
        return self.late[name]
