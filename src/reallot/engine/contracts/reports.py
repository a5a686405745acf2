"""The records that a monitor shows: a dashboard at one moment, and what a period brought."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from .records import Alert, AllocationChange, OptimizationOpportunity
from .values import Moment, Part, Record, Share


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
    verifying
        What a move waits for, since when and until when. "" where nothing is awaited.
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
    verifying: str = ""


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
