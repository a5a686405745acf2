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

    RATE           already per hour
    COUNTER        grows, and starts again at a reset (a month, an epoch)
    BALANCE        grows, and drops at a payout
    EVENT          an amount that came at a moment
    EXTRAPOLATION  the source's own guess of a total: shown, never an input
    """

    RATE = "rate"
    COUNTER = "counter"
    BALANCE = "balance"
    EVENT = "event"
    EXTRAPOLATION = "extrapolation"


class ResourceUtilization(Record):
    """How much of each resource is in use, 0 to 1; None where nobody says."""

    cpu: Part | None = None
    memory: Part | None = None
    disk: Part | None = None
    bandwidth: Part | None = None
    gpu: Part | None = None


class ProtocolStatus(Record):
    """What one protocol says, or why it says nothing.

    connected          True where it answered this time
    earnings_per_hour  USD/h of the share in force; None where there is no value (which is not 0)
    allocation         share in force; None where unknown
    utilization        how much of what it was given it uses
    observed_at        when it was asked
    source_time        when its number was valid, by its own clock
    error, message     why there is no new value
    series             what its number is
    healthy            its own verdict: scores, suspensions; None where it has none
    demand_limited     True where more share would earn nothing more now
    quote              USD/h that is offered for a full share, whether any is held or not; None where nobody says
    doubt              why a person should look at its earnings: they jumped as a wrong unit makes them
    details            plain extra values for people, without secrets
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
    """One poll of everything.

    earnings_by_protocol, allocation_by_protocol  only protocols with a value; carried-forward ones are in `stale`
    connection_status  True where the protocol answered this time
    statuses    each protocol's own answer
    stale       names whose value is carried forward, with its age in seconds
    steps, floors  shares come in multiples of this, and not below that, where an adapter says so
    away        names that may hold nothing now, with the reason
    doubted     names whose earnings a person should look at, with their share when these jumped
    ceilings    no more than this is asked for now, where a protocol would not take more
    tolerances  shares are read within this, where an adapter says so
    """

    timestamp: Moment
    total_earnings_per_hour: float
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


class AllocationPlan(Record):
    """A decision: where capacity should go, and what that is worth.

    allocation             share by protocol
    estimated_improvement  USD/h more than staying
    estimated_cost         USD, once, for all moves
    net_benefit            USD over `horizon_hours`: horizon * improvement - cost
    roi_percent            net_benefit as a percentage of estimated_cost; 0 where nothing is paid
    confidence             probability that net_benefit is above 0; None where there is not enough history to say
    current                shares it starts from: it is outdated where they are others
    current_earnings       USD/h that staying earns, on the same footing; None where nobody said
    expires_at             after this it is not carried out any more
    fingerprint            of all inputs: equal inputs, equal fingerprint
    reasons, prices, certificate  as in the Allocation it was made from
    breaks                 which limits the present shares break, or "": such a plan is worth it whatever it earns
    conflict               why present shares break limits and no plan can bring them nearer; "" where one can
    urgent                 why shares are given up at once, whatever rests and hourly limits say; "" for all other plans
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
    """One pair worth moving between, by marginal rates.

    current_rate, projected_rate  USD/h of one unit of share where it is, and where it would go
    earnings_improvement          USD/h, for as much as the limits let move
    complexity                    0 (one small move) to 1 (many, or hard to undo)
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
    """One protocol's share changed, or was to.

    outcome  "confirmed" (read back), "failed", "unknown" or "rolled_back"
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
        """after - before."""
        return self.after - self.before


class Alert(Record):
    """One condition that somebody should know of: raised once, not at every poll.

    key       what it is about: the same condition has the same key
    severity  0 (worth knowing) to 1 (act now)
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
    """All that a dashboard shows at one moment; next_reallocation_in is None where nothing is planned or known."""

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
    alerts: list[Alert] = Field(default_factory=list)


class MoveReview(Record):
    """What a move was to bring, and what was measured since; None where it cannot be measured yet."""

    plan_id: str
    timestamp: Moment
    predicted: float
    measured: float | None
    cost: float


class PerformanceReport(Record):
    """A period, time-weighted: money is the integral of rates, USD, not a sum of samples.

    total_earnings  gross; net_earnings is after total_cost
    covered         part of the period for which there were readings
    uptime          part of the covered time in which each protocol answered
    carried_earnings
                    what values that were carried forward would have added, USD: not measured, so not in the totals
    hourly_before   before this, hourly means were summed: single readings are not kept so long; None where all were
    notes           what a reader should know: gaps, moves whose plans are not known
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
    """When a move is worth it.

    min_improvement_threshold  USD per hour
    min_improvement_percent    percent of current earnings
    max_allocation_change      share of capacity, per protocol and plan
    analysis_window_hours      readings older than this are not looked at
    horizon_hours              over which a move must pay
    move_cost                  USD per unit of share moved; move_fee: USD per protocol that changes
    plan_lifetime              how long a plan may be acted on
    policy                     who says what share is worth where moving costs something and curves are flat, from two
                               hours of polls on: a policy's name, as in a backtest; or "rates": what is earned now
    decision_step              the policy sees means of so long
    min_confidence             a plan that is known to be less sure to pay is not worth it; 0.6 is cautious, 0 takes all
    explore                    "floor" keeps min(0.5 %, 5 % / n) with each of n protocols that may hold so little, where
                               only what holds a share is read: it is set by the first plan that is worth its moves with
                               it. "none": many sources tell without, and to keep it costs
    curves                     "quadratic" or "robust" learn how earnings bend where no curve is given, from the shares
                               of the last week; no policy is asked where any does. "given": all others are straight
    allow_idle                 capacity may stand idle: what loses is given up though nothing else earns more
    idle_rate                  USD/h that a full capacity earns while it stands idle; below 0 where it costs
    """

    min_improvement_threshold: Positive = 0.25
    min_improvement_percent: Positive = 5.0
    max_allocation_change: Annotated[float, Field(gt=0.0, le=1.0)] = 0.20
    analysis_window_hours: Annotated[Whole, Field(ge=1)] = 24
    horizon_hours: Annotated[float, Field(gt=0.0)] = 24.0
    move_cost: Positive = 0.0
    move_fee: Positive = 0.0
    plan_lifetime: Window = timedelta(minutes=5)
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
    """How far the engine goes: look, say, ask, do."""

    OBSERVE = "observe"
    ADVISE = "advise"
    CONFIRM = "confirm"
    AUTOMATIC = "automatic"


def _mode(value: Any) -> Any:
    """The mode of that name; what is none is left to be refused."""
    return Mode(value) if isinstance(value, str) and value in list(Mode) else value


class ReallocationConfig(Record):
    """When and how a plan is carried out.

    min_hold_duration     each protocol rests so long after a change
    max_per_hour          plans in any hour; rollbacks do not count
    auto_rollback         put back what was, where a move fails
    require_confirmation  a plan waits until somebody confirms it, or expires
    apply_timeout         one call to an adapter may take so long
    verify_timeout        a change must be read back within this
    confirmation_lifetime how long a plan waits for its confirmation
    cost_per_protocol     USD that a change of one protocol costs, for estimates
    late_effects          a call that was not answered may still take effect so long after: its share is kept free
    restore_drift         shares that somebody else changed are put back; False takes them as they are; both are told
    """

    min_hold_duration: Window = timedelta(hours=1)
    max_per_hour: Annotated[Whole, Field(ge=0)] = 4
    auto_rollback: bool = True
    require_confirmation: bool = False
    mode: Annotated[Mode, BeforeValidator(_mode)] = Mode.AUTOMATIC
    apply_timeout: Window = timedelta(seconds=30)
    verify_timeout: Window = timedelta(minutes=2)
    confirmation_lifetime: Window = timedelta(hours=1)
    cost_per_protocol: Positive = 0.0
    share_tolerance: Annotated[float, Field(gt=0.0, le=0.1)] = 1e-6
    most_rollbacks: Annotated[Whole, Field(ge=1)] = 3
    late_effects: Window = timedelta(minutes=15)
    restore_drift: bool = True


class MonitorConfig(Record):
    """What is worth an alert.

    low_earnings_threshold   USD/h; None where only the relative one counts
    low_earnings_percent     percent of the operator's own median over the window; None for the absolute one only
    optimization_threshold   USD/h that an opportunity must promise
    connection_timeout       a protocol that has not answered for so long
    max_alerts               history kept
    needed, out_of           an alert fires where `needed` of the last `out_of` checks saw its condition, and is over
                             where none of them did
    mute                     a condition that comes back within this is not told again
    drop_percent             a protocol that earns less than so many percent of its usual rate; None for never
    flat_line                a protocol whose earnings used to change, and did not for so long
    max_snapshots            snapshots kept: 20,000 are two weeks of a poll a minute
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
