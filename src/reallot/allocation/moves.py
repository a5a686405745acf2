"""One protocol's change in the first period of a plan: shares, gain and cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Move:
    """The change of one protocol's share in the first period.

    Parameters
    ----------
    protocol
        Name of the protocol.
    before, after
        Shares in the unit of capacity.
    gain
        Change of its earnings over the horizon (USD).
    cost
        Transaction cost of the change itself (USD).

    Examples
    --------
    >>> from reallot import Move
    >>> Move("relay", before=0.25, after=0.5, gain=1.0, cost=0.25).change
    0.25
    """

    protocol: str
    before: float
    after: float
    gain: float
    cost: float

    @property
    def change(self) -> float:
        """The share after the move less the share before, in the unit of capacity."""
        return self.after - self.before
