"""What may be configured of the optimizer, the reallocation and the monitor, with the mode of an engine."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator

from ...errors import ConfigurationError, ReallotError, near_miss
from .values import MoveCost, Positive, Record, Step, Whole, Window


class WrongSetting(ConfigurationError, ValueError):
    """A setting that was given in Python is wrong; the message names it, its value and the rule."""


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
        Proportional cost of a change (USD per unit of share moved); or (width, price) tiers, the last one's width
        "rest".
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
    max_regret
        What moving may lose against never moving (USD), besides 10 % of what never moving earned. Before it is lost,
        plans move less; after, capacity goes back to where it was first seen. None is the cost of three full moves.
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

    wrong: ClassVar[type[ReallotError]] = WrongSetting
    min_improvement_threshold: Positive = 0.25
    min_improvement_percent: Positive = 5.0
    max_allocation_change: Annotated[float, Field(gt=0.0, le=1.0)] = 0.20
    analysis_window_hours: Annotated[Whole, Field(ge=1)] = 24
    horizon_hours: Annotated[float, Field(gt=0.0)] = 24.0
    move_cost: MoveCost = 0.0
    move_fee: Positive = 0.0
    plan_lifetime: Window = timedelta(minutes=5)
    settle: Window = timedelta(minutes=5)
    policy: str = "replay"
    decision_step: Step = timedelta(minutes=5)
    min_confidence: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    max_regret: Positive | None = None
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
        Time within which a change must be read back, after the delay that its adapter names. Polls go on meanwhile.
    confirmation_lifetime
        How long a plan waits for its confirmation.
    cost_per_protocol
        Cost of changing one protocol (USD), for estimates.
    share_tolerance
        Shares that are read within this are the same; sums of shares, within so much for each.
    most_rollbacks
        Number of rounds of one rollback after which the engine halts.
    late_effects
        How long a call that was not answered, or did nothing yet, may still take effect: its share is kept free.
    restore_drift
        True puts back shares that somebody else changed; False takes them as they are. Both raise an alert.
    max_repairs_per_hour
        How often the share of one protocol is put back in any hour, and three times as often in any day; then it is
        told that somebody keeps changing it.
    keeps_drifting
        What is done then: "adopt" takes the share as it is until it rests, "stop" moves nothing until a person resumes.
    rollback_pause
        How long what a person took back stays so; a person who resumes ends it.

    Examples
    --------
    >>> from reallot import ReallocationConfig
    >>> ReallocationConfig(mode="confirm", max_per_hour=2).mode
    <Mode.CONFIRM: 'confirm'>
    """

    wrong: ClassVar[type[ReallotError]] = WrongSetting
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
        A protocol whose earnings used to change, and did not for so long, is told. A ninth of it is enough after 30
        changes. It is always at least four times the longest time that the earnings stood still before.
    max_snapshots
        Number of snapshots kept: 20,000 are two weeks of a poll a minute.

    Examples
    --------
    >>> from reallot import MonitorConfig
    >>> MonitorConfig(low_earnings_threshold=None, low_earnings_percent=50.0).max_alerts
    1000
    """

    wrong: ClassVar[type[ReallotError]] = WrongSetting
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
