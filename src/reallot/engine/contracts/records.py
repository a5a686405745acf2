"""The records users meet around a decision. Frozen, checked, without NaN; times are aware and UTC.

Shares are fractions of capacity, earnings USD/h, costs and benefits USD over the plan's horizon.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from ...errors import ErrorKind
from ...text.numbers import amount, percent, shown, usd
from .values import Moment, Part, Record, Share


class SeriesKind(StrEnum):
    """What a reported number is; only the first four ever become a rate.

    Attributes
    ----------
    RATE
        The number is earnings per hour already.
    COUNTER
        The number grows, and starts again at a reset (a month, an epoch).
    BALANCE
        The number grows, and drops at a payout.
    EVENT
        The number is an amount that came at a moment.
    EXTRAPOLATION
        The number is the source's own guess of a total: it is shown, and never an input.
    """

    RATE = "rate"
    COUNTER = "counter"
    BALANCE = "balance"
    EVENT = "event"
    EXTRAPOLATION = "extrapolation"


class ResourceUtilization(Record):
    """How much of each resource is in use, as a fraction from 0 to 1.

    Parameters
    ----------
    cpu, memory, disk, bandwidth, gpu
        Fraction in use. None where nobody says.

    Examples
    --------
    >>> from reallot import ResourceUtilization
    >>> ResourceUtilization(cpu=0.5).memory is None
    True
    """

    cpu: Part | None = None
    memory: Part | None = None
    disk: Part | None = None
    bandwidth: Part | None = None
    gpu: Part | None = None


class ProtocolStatus(Record):
    """One reading of one protocol, or why there is none.

    Parameters
    ----------
    protocol
        Name of the protocol.
    connected
        True where it answered this time.
    earnings_per_hour
        Earnings of the share in force (USD/h). None where there is no value (which is not 0).
    allocation
        Share in force. None where unknown.
    utilization
        How much it uses of what it was given.
    observed_at
        Time at which it was asked.
    source_time
        Time at which its number was valid, by its own clock.
    error, message
        Why there is no new value.
    series
        What its number is.
    healthy
        Its own verdict: scores, suspensions. None where it has none.
    demand_limited
        True where more share would earn nothing more now.
    quote
        USD/h that is offered for a full share, whether any is held or not. None where nobody says.
    doubt
        Why a person should look at its earnings: they jumped or fell as a wrong unit makes them.
    details
        Plain extra values for people, without secrets.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from reallot import ProtocolStatus
    >>> now = datetime(2026, 1, 1, tzinfo=UTC)
    >>> ProtocolStatus(
    ...     protocol="relay", connected=True, earnings_per_hour=1.5, allocation=0.5, observed_at=now).series
    <SeriesKind.RATE: 'rate'>
    """

    protocol: str
    connected: bool
    earnings_per_hour: float | None
    allocation: Share | None
    utilization: ResourceUtilization = ResourceUtilization()
    observed_at: Moment
    source_time: Moment | None = None
    error: ErrorKind | None = None
    message: str = ""
    series: SeriesKind = SeriesKind.RATE
    healthy: bool | None = None
    demand_limited: bool | None = None
    quote: float | None = None
    doubt: str = ""
    details: dict[str, str | float | int | bool | None] = Field(default_factory=dict)


class AggregatedMetrics(Record):
    """One poll of all protocols.

    Parameters
    ----------
    timestamp
        Time of the poll.
    total_earnings_per_hour
        Sum of the earnings (USD/h).
    measured_earnings_per_hour
        The part of it that was measured (USD/h): the rest is carried forward. None where nobody says.
    earnings_by_protocol, allocation_by_protocol
        Earnings (USD/h) and shares, only of protocols with a value. Carried-forward ones are in `stale`.
    resource_utilization
        How much of each resource is in use in all.
    connection_status
        True where the protocol answered this time.
    statuses
        The reading of each protocol.
    stale
        Age (seconds) of each value that is carried forward, by name.
    steps, floors
        Where an adapter says so: shares come in multiples of the step, and not below the floor.
    away
        Names that may hold nothing now, with the reason.
    doubted, fallen
        Names whose earnings a person should look at, with the share they had when these jumped, or fell.
    ceilings
        Where a protocol would not take more: no more than this share is asked for now.
    tolerances
        Where an adapter or the configuration says so: shares are read within this.
    warming
        Names whose earnings say nothing yet: their share has changed, and they have to warm up or to settle.
    """

    timestamp: Moment
    total_earnings_per_hour: float
    measured_earnings_per_hour: float | None = None
    earnings_by_protocol: dict[str, float]
    allocation_by_protocol: dict[str, Share]
    resource_utilization: ResourceUtilization = ResourceUtilization()
    connection_status: dict[str, bool]
    statuses: dict[str, ProtocolStatus] = Field(default_factory=dict)
    stale: dict[str, float] = Field(default_factory=dict)
    steps: dict[str, Annotated[float, Field(gt=0.0, le=1.0)]] = Field(default_factory=dict)
    floors: dict[str, Annotated[float, Field(gt=0.0, le=1.0)]] = Field(default_factory=dict)
    away: dict[str, str] = Field(default_factory=dict)
    doubted: dict[str, Share] = Field(default_factory=dict)
    fallen: dict[str, Share] = Field(default_factory=dict)
    ceilings: dict[str, Share] = Field(default_factory=dict)
    tolerances: dict[str, Annotated[float, Field(gt=0.0, le=0.1)]] = Field(default_factory=dict)
    warming: frozenset[str] = frozenset()


class AllocationPlan(Record):
    """A decision of the engine: where capacity should go, and what that is worth.

    Parameters
    ----------
    allocation
        Share by protocol.
    estimated_improvement
        Earnings more than staying (USD/h).
    estimated_cost
        Transaction costs of all moves (USD, once).
    net_benefit
        Horizon * improvement - cost (USD over `horizon_hours`).
    roi_percent
        `net_benefit` in percent of `estimated_cost`; 0 where nothing is paid.
    confidence
        Probability that `net_benefit` is above 0. None where there is not enough history to say.
    created_at
        Time of the decision.
    id
        Identifies the plan in the journal.
    current
        Shares it starts from. It is outdated where they are others.
    current_earnings
        Earnings of staying (USD/h), on the same footing. None where nobody said.
    horizon_hours
        Hours over which the moves must pay.
    expires_at
        Time after which it is not carried out any more.
    fingerprint
        Of all inputs: equal inputs, equal fingerprint.
    reasons, prices, certificate
        As in the Allocation it was made from.
    breaks
        Which limits the present shares break, and how far this plan brings them. "" where they break none. Such a plan
        is worth it whatever it earns.
    conflict
        Why present shares break limits and no plan can bring them nearer. "" where one can.
    urgent
        Why shares are given up at once, whatever rests and hourly limits say. "" for all other plans.
    """

    allocation: dict[str, Share]
    estimated_improvement: float
    estimated_cost: Annotated[float, Field(ge=0.0)]
    net_benefit: float
    roi_percent: float
    confidence: Part | None
    created_at: Moment
    id: str = ""
    current: dict[str, Share] = Field(default_factory=dict)
    current_earnings: float | None = None
    horizon_hours: Annotated[float, Field(gt=0.0)] = 24.0
    expires_at: Moment | None = None
    fingerprint: str = ""
    reasons: tuple[str, ...] = ()
    prices: dict[str, tuple[float | None, float | None]] = Field(default_factory=dict)
    certificate: dict[str, Any] = Field(default_factory=dict)
    breaks: str = ""
    conflict: str = ""
    urgent: str = ""

    @property
    def moves(self) -> dict[str, float]:
        """Change of share by protocol, only where there is one."""
        names = [*self.current, *(name for name in self.allocation if name not in self.current)]
        changes = {name: self.allocation.get(name, 0.0) - self.current.get(name, 0.0) for name in names}
        return {name: change for name, change in changes.items() if change != 0.0}

    def __repr__(self) -> str:
        moves = list(self.moves)
        ends = [(name, self.current.get(name, 0.0), self.allocation.get(name, 0.0)) for name in moves[:4]]
        first = ", ".join(f"{shown(name)[:40]} {amount(before)} -> {amount(after)}" for name, before, after in ends)
        more = f" and {len(moves) - 4} more" if len(moves) > 4 else ""
        return (
            f"<AllocationPlan {shown(self.id)[:60]} of {self.created_at:%Y-%m-%d %H:%M} UTC\n"
            f"  {first + more or 'stay'}\n"
            f"  net benefit {usd(self.net_benefit)} USD over {self.horizon_hours:g} h\n"
            f"  costs {usd(self.estimated_cost)} USD, confidence {percent(self.confidence) or 'not known'}>"
        )


class OptimizationOpportunity(Record):
    """One pair of protocols worth moving between, by marginal rates.

    Parameters
    ----------
    from_protocol, to_protocol
        Names of the protocol that gives and of the one that takes.
    current_rate, projected_rate
        Rate (USD/h per unit of share) where the share is, and where it would go.
    earnings_improvement
        USD/h, for as much as the limits let move.
    confidence
        Probability that the move pays. None where there is not enough history to say.
    complexity
        0 (one small move) to 1 (many moves, or hard to undo).
    """

    from_protocol: str
    to_protocol: str
    current_rate: float
    projected_rate: float
    earnings_improvement: float
    confidence: Part | None
    complexity: Part


class ChangeKind(StrEnum):
    """Why a share changed."""

    MOVE = "move"
    ROLLBACK = "rollback"
    REPAIR = "repair"


class AllocationChange(Record):
    """One change of one protocol's share, made or tried.

    Parameters
    ----------
    timestamp
        Time of the change.
    protocol
        Name of the protocol.
    before, after
        Shares.
    plan_id
        The plan that asked for it.
    kind
        Move, rollback or repair.
    outcome
        "confirmed" (read back), "failed", "unknown" or "rolled_back".
    reason
        The cause in words.
    """

    timestamp: Moment
    protocol: str
    before: Share
    after: Share
    plan_id: str = ""
    kind: ChangeKind = ChangeKind.MOVE
    outcome: str = "confirmed"
    reason: str = ""

    @property
    def change(self) -> float:
        """The share after the change less the share before."""
        return self.after - self.before


class Alert(Record):
    """One condition that a person should know of: raised once, not at every poll.

    Parameters
    ----------
    message
        The condition in words.
    severity
        0 (worth knowing) to 1 (act now).
    timestamp
        Time at which it began.
    acknowledged
        True where a person has seen it.
    key
        What it is about: the same condition has the same key.
    recovered_at
        Time at which it was over. None while it holds.
    last_seen
        Time of the last check that saw it.
    count
        Number of checks that saw it.
    """

    message: str
    severity: Part
    timestamp: Moment
    acknowledged: bool = False
    key: str = ""
    recovered_at: Moment | None = None
    last_seen: Moment | None = None
    count: int = 1
