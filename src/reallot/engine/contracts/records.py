"""The records users meet around a decision. Frozen, checked, without NaN; times are aware and UTC.

Shares are fractions of capacity, earnings USD/h, costs and benefits USD over the plan's horizon.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from ...errors import ErrorKind, near_miss
from .values import Moment, Part, Positive, Record, Share, Step, Whole, Window


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
        Why a person should look at its earnings: they jumped as a wrong unit makes them.
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
    doubted
        Names whose earnings a person should look at, with the share they had when these jumped.
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


class DashboardSnapshot(Record):
    """All that a dashboard shows at one moment.

    Parameters
    ----------
    timestamp
        Time of the metrics.
    total_earnings_per_hour
        Sum of the earnings (USD/h).
    earnings_by_protocol
        Earnings (USD/h) by name.
    current_allocation, optimal_allocation
        Shares in force and shares of the best plan, by name.
    optimization_opportunity
        The best move. None where the plan is to stay.
    next_reallocation_in
        Time to the next possible move. None where nothing is planned or known.
    connection_status
        True where the protocol answered this time.
    recent_changes
        The newest changes of shares.
    stale
        Age (seconds) of each value that is carried forward, by name.
    measured_earnings_per_hour
        The part of the total that was measured (USD/h). None where nobody says.
    alerts
        Alerts whose condition holds.
    """

    timestamp: Moment
    total_earnings_per_hour: float
    earnings_by_protocol: dict[str, float]
    current_allocation: dict[str, Share]
    optimal_allocation: dict[str, Share]
    optimization_opportunity: OptimizationOpportunity | None
    next_reallocation_in: timedelta | None
    connection_status: dict[str, bool]
    recent_changes: list[AllocationChange]
    stale: dict[str, float] = Field(default_factory=dict)
    measured_earnings_per_hour: float | None = None
    alerts: list[Alert] = Field(default_factory=list)


class MoveReview(Record):
    """What a move was to bring, and what was measured since; None where it cannot be measured yet."""

    plan_id: str
    timestamp: Moment
    predicted: float
    measured: float | None
    cost: float


class PerformanceReport(Record):
    """What one period brought; money is the integral of rates over time (USD), not a sum of samples.

    Parameters
    ----------
    period_start, period_end
        The period.
    total_earnings
        Gross earnings (USD).
    total_cost
        Transaction costs (USD).
    net_earnings
        Gross earnings less costs (USD).
    average_earnings_per_hour
        Mean over the covered time (USD/h).
    earnings_by_protocol
        Gross earnings (USD) by name.
    uptime
        Part of the covered time in which each protocol answered.
    covered
        Part of the period for which there were readings.
    reallocations, rollbacks
        Numbers of plans carried out, and taken back.
    moves
        What each plan was to bring, and what was measured.
    alerts
        Number of alerts.
    carried_earnings
        What values that were carried forward would have added (USD). It is not measured, so not in the totals.
    hourly_before
        Time before which hourly means were summed, since single readings are not kept so long. None where all were
        there.
    notes
        What a reader should know: gaps, moves whose plans are not known.
    """

    period_start: Moment
    period_end: Moment
    total_earnings: float
    total_cost: float = 0.0
    net_earnings: float = 0.0
    average_earnings_per_hour: float = 0.0
    earnings_by_protocol: dict[str, float] = Field(default_factory=dict)
    uptime: dict[str, Part] = Field(default_factory=dict)
    covered: Part = 0.0
    reallocations: int = 0
    rollbacks: int = 0
    moves: list[MoveReview] = Field(default_factory=list)
    alerts: int = 0
    carried_earnings: float = 0.0
    hourly_before: Moment | None = None
    notes: list[str] = Field(default_factory=list)


RATES = "rates"
"""In place of a policy's name: none is asked."""


class OptimizerConfig(Record):
    """When a move is worth it, and what the optimizer may do.

    Parameters
    ----------
    min_improvement_threshold
        USD per hour
    min_improvement_percent
        Least improvement in percent of current earnings.
    max_allocation_change
        Largest change of one protocol's share per plan (share of capacity).
    analysis_window_hours
        Hours after which readings are not looked at any more.
    horizon_hours
        Hours over which a move must pay.
    move_cost
        Proportional cost of a change (USD per unit of share moved).
    move_fee
        Fixed cost of a change (USD per protocol that changes).
    plan_lifetime
        How long a plan may be acted on.
    settle
        Readings so soon after a share changed are not used: they may still be of the share before.
    policy
        Who says what share is worth where moving costs something and curves are flat, from two hours of polls on: the
        name of a policy, as in a backtest; or "rates": what is earned now.
    decision_step
        The policy sees means over so long.
    min_confidence
        Least probability to pay: a plan that is known to be less sure is not worth it. 0.6 is cautious, 0 takes all.
    explore
        "floor" keeps min(0.5 %, 5 % / n) with each of n protocols that may hold so little, where only what holds a
        share is read. The first plan that is worth its moves with it sets the floor. "none" keeps no floor: many
        sources tell without, and to keep one costs.
    curves
        "quadratic" or "robust" learn how earnings bend where no curve is given, from the shares of the last week. No
        policy is asked where any does. "given" takes all others as straight.
    allow_idle
        True where capacity may stand idle: what loses is given up though nothing else earns more.
    idle_rate
        Earnings of a full capacity that stands idle (USD/h); below 0 where it costs.

    Examples
    --------
    >>> from reallot import OptimizerConfig
    >>> OptimizerConfig(horizon_hours=12.0, move_cost=0.5).min_improvement_percent
    5.0
    """

    min_improvement_threshold: Positive = 0.25
    min_improvement_percent: Positive = 5.0
    max_allocation_change: Annotated[float, Field(gt=0.0, le=1.0)] = 0.20
    analysis_window_hours: Annotated[Whole, Field(ge=1)] = 24
    horizon_hours: Annotated[float, Field(gt=0.0)] = 24.0
    move_cost: Positive = 0.0
    move_fee: Positive = 0.0
    plan_lifetime: Window = timedelta(minutes=5)
    settle: Window = timedelta(minutes=5)
    policy: str = "replay"
    decision_step: Step = timedelta(minutes=5)
    min_confidence: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    explore: Literal["none", "floor"] = "none"
    curves: Literal["given", "quadratic", "robust"] = "given"
    allow_idle: bool = False
    idle_rate: Annotated[float, Field(ge=-1e9, le=1e9)] = 0.0

    @field_validator("policy")
    @classmethod
    def _gives_values(cls, name: str) -> str:
        from ...policy.registry import BY_VALUES

        if name not in (*BY_VALUES, RATES):
            raise ValueError(f"no policy {name!r} that gives values; {near_miss(name, (*BY_VALUES, RATES))}")
        return name


class Mode(StrEnum):
    """How far the engine goes.

    Attributes
    ----------
    OBSERVE
        The engine reads and reports.
    ADVISE
        The engine also makes plans, and moves nothing.
    CONFIRM
        The engine carries out a plan that a person confirmed.
    AUTOMATIC
        The engine carries out plans on its own.
    """

    OBSERVE = "observe"
    ADVISE = "advise"
    CONFIRM = "confirm"
    AUTOMATIC = "automatic"


def mode_of(value: Any) -> Any:
    """The mode of that name; what is none is left to be refused."""
    return Mode(value) if isinstance(value, str) and value in list(Mode) else value


class ReallocationConfig(Record):
    """When and how a plan is carried out.

    Parameters
    ----------
    min_hold_duration
        How long each protocol rests after a change.
    max_per_hour
        Largest number of plans in any hour; rollbacks do not count.
    auto_rollback
        True puts back what was, where a move fails (rollback).
    require_confirmation
        True makes a plan wait until a person confirms it, or it expires.
    mode
        How far the engine goes: "observe", "advise", "confirm" or "automatic".
    apply_timeout
        Longest time for one call to an adapter.
    verify_timeout
        Time within which a change must be read back.
    confirmation_lifetime
        How long a plan waits for its confirmation.
    cost_per_protocol
        Cost of changing one protocol (USD), for estimates.
    share_tolerance
        Shares that are read within this are the same; sums of shares, within so much for each.
    most_rollbacks
        Number of rounds of one rollback after which the engine halts.
    late_effects
        How long a call that was not answered may still take effect: its share is kept free.
    restore_drift
        True puts back shares that somebody else changed; False takes them as they are. Both raise an alert.
    max_repairs_per_hour
        How often the share of one protocol is put back in any hour; then it is told that somebody keeps changing it.
    keeps_drifting
        What is done then: "adopt" takes the share as it is, "stop" moves nothing until a person resumes.
    rollback_pause
        How long what a person took back stays so; a person who resumes ends it.

    Examples
    --------
    >>> from reallot import ReallocationConfig
    >>> ReallocationConfig(mode="confirm", max_per_hour=2).mode
    <Mode.CONFIRM: 'confirm'>
    """

    min_hold_duration: Window = timedelta(hours=1)
    max_per_hour: Annotated[Whole, Field(ge=0)] = 4
    auto_rollback: bool = True
    require_confirmation: bool = False
    mode: Annotated[Mode, BeforeValidator(mode_of)] = Mode.AUTOMATIC
    apply_timeout: Window = timedelta(seconds=30)
    verify_timeout: Window = timedelta(minutes=2)
    confirmation_lifetime: Window = timedelta(hours=1)
    cost_per_protocol: Positive = 0.0
    share_tolerance: Annotated[float, Field(gt=0.0, le=0.1)] = 1e-6
    most_rollbacks: Annotated[Whole, Field(ge=1)] = 3
    late_effects: Window = timedelta(minutes=15)
    restore_drift: bool = True
    max_repairs_per_hour: Annotated[Whole, Field(ge=0)] = 2
    keeps_drifting: Literal["adopt", "stop"] = "adopt"
    rollback_pause: Window = timedelta(days=1)


class MonitorConfig(Record):
    """What is worth an alert.

    Parameters
    ----------
    low_earnings_threshold
        Least earnings (USD/h). None where only the relative threshold counts.
    low_earnings_percent
        Least earnings in percent of the operator's own median over the window. None for the absolute threshold only.
    optimization_threshold
        Improvement that an opportunity must promise (USD/h).
    connection_timeout
        How long a protocol may go without an answer.
    max_alerts
        Number of alerts kept.
    needed
        An alert begins where so many of the last `out_of` checks saw its condition.
    out_of
        Number of checks that are looked at. An alert is over where none of them saw its condition.
    mute
        A condition that comes back within this time is not told again.
    drop_percent
        A protocol that earns less than so many percent of its usual rate is told. None for never.
    flat_line
        A protocol whose earnings used to change, and did not for so long, is told.
    max_snapshots
        Number of snapshots kept: 20,000 are two weeks of a poll a minute.

    Examples
    --------
    >>> from reallot import MonitorConfig
    >>> MonitorConfig(low_earnings_threshold=None, low_earnings_percent=50.0).max_alerts
    1000
    """

    low_earnings_threshold: float | None = 5.0
    low_earnings_percent: Annotated[float, Field(gt=0.0)] | None = None
    optimization_threshold: Positive = 0.25
    connection_timeout: Window = timedelta(minutes=5)
    max_alerts: Annotated[Whole, Field(ge=1)] = 1000
    needed: Annotated[Whole, Field(ge=1)] = 1
    out_of: Annotated[Whole, Field(ge=1)] = 1
    mute: Window = timedelta(0)
    drop_percent: Annotated[float, Field(gt=0.0, lt=100.0)] | None = 50.0
    flat_line: Window = timedelta(hours=6)
    max_snapshots: Annotated[Whole, Field(ge=2)] = 20_000
