"""The port: anything with these three coroutines is an adapter, whoever wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, runtime_checkable

from ...problem.curve import EarningsCurve as EarningsCurve
from .records import ProtocolStatus

MOST_SLACK = 0.1
"""No adapter may be further off with its shares than that."""


@runtime_checkable
class ProtocolAdapter(Protocol):
    """The port of a protocol: what the coordinator and the engine call.

    Errors are ProtocolError with a kind. Two more methods may be there: `capabilities() -> Capabilities` and
    `async close() -> None`.
    """

    async def get_status(self) -> ProtocolStatus:
        """Read earnings, share, health and utilisation.

        Returns
        -------
        ProtocolStatus
            The reading, earnings in USD/h.

        Raises
        ------
        ProtocolError
            Where there is no answer.
        """

    async def get_allocation(self) -> float:
        """Read back the share that is really in force.

        Returns
        -------
        float
            Fraction of capacity.

        Raises
        ------
        ProtocolError
            Where there is no answer.
        """

    async def apply_allocation(self, share: float) -> None:
        """Ask for a share; asking twice for the same is harmless (idempotent).

        The call returns when the change is asked for, not when it is in force.

        Parameters
        ----------
        share
            Fraction of capacity.

        Raises
        ------
        ProtocolError
            With kind REFUSED where the change is refused.
        """


@dataclass(frozen=True)
class Capabilities:
    """What an adapter can do, and how often it may be asked.

    Parameters
    ----------
    acts
        False where it only reads.
    step
        Shares come in multiples of this; 0 for any. Plans keep to it, unless the ProtocolSpec has its own.
    floor
        Smallest share that may be asked for now. Plans keep to it.
    restarts
        True where a change interrupts the work.
    delay
        Time until a change is in force, and seen in `get_allocation`.
    timeout
        Longest time for one call.
    min_interval
        Least time between two reads; the last value stands meanwhile.
    cadence
        How often the source itself changes: a value may be so old without being stale.
    share_tolerance
        Shares that are read may be so far off, because they are measured or rounded. 0 where the engine's own
        `share_tolerance` is enough.

    Examples
    --------
    >>> from datetime import timedelta
    >>> from reallot import Capabilities
    >>> Capabilities(acts=False, min_interval=timedelta(minutes=5)).acts
    False
    """

    acts: bool = True
    step: float = 0.0
    floor: float = 0.0
    restarts: bool = False
    delay: timedelta = timedelta(0)
    timeout: timedelta = timedelta(seconds=10)
    min_interval: timedelta = timedelta(0)
    cadence: timedelta = timedelta(0)
    share_tolerance: float = 0.0

    @property
    def slack(self) -> float:
        """The tolerance that is asked for; 0 where it is none, above MOST_SLACK, or no number."""
        asked = self.share_tolerance
        return float(asked) if isinstance(asked, (int, float)) and 0.0 < asked <= MOST_SLACK else 0.0
