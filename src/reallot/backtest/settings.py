"""Setting: what a backtest charges, forbids and shows; the default is the reference problem."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Literal

import numpy as np

from ..errors import InvalidInput
from ..policy.base import Terms
from ..problem import AllocationProblem, Limits, ProtocolSpec
from ..problem.validation import brief, by_name, known_names, number, of_kind, one_of, whole
from ..text.durations import parse_duration
from .table import FloatArray, RateTable

COST_DAYS = 0.1
EXPLORE = ("floor", "probes", "none")
SHORTEST_HOURS = 1e-9


@dataclass(frozen=True)
class Setting:
    """How a backtest is run; shares are fractions of capacity and sum to 1.

    Earnings are always counted at the rates of the table, whatever was read.

    Parameters
    ----------
    start
        Shares before the first step, by name, all of them. None is the equal split.
    limits
        Limits of every step; by default a turnover of at most 0.2.
    cost_days
        Cost of moving everything once, in days of the equal split's mean earnings over the whole table: a unit of share
        moved costs cost_days * 24 * (mean of all rates) USD. 0.1 where neither cost is given.
    cost_usd
        Cost of a unit of share moved (USD), in place of `cost_days`.
    move_fee
        Fixed cost (USD) for every protocol whose share changes in a step.
    hold
        Time for which a share stays after a change: a timedelta, seconds, or a text such as "15m".
    max_per_hour
        Largest number of steps with a change in any hour. None is no limit.
    data_lag
        Steps from a reading to the first decision that knows it. With 1, step t is decided on rows before t. 0 looks at
        the step that is decided, and so into the future.
    noise
        Relative standard deviation of readings (not of quotes).
    seed
        Seed of the noise.
    feedback
        "full", or "bandit": only a protocol with at least the share `least` is read, the rest is NaN.
    explore
        How policies see the rest under bandit feedback. "floor" keeps a least share of min(0.5 %, 5 % / n) for every
        protocol that may hold any, set in the first step where the start lacks it. "probes" holds 1 % (or `least`) for
        an hour where it may pay, for shares that cannot be as small as floors. "none" does neither. Never moving and
        the optimum have no floors, and policies that are told the future have no probes.
    least
        Smallest share that is read under bandit feedback.
    min_share, max_share
        Bounds of shares: one number for each protocol, or by name.
    min_confidence
        Least probability to pay, as in `OptimizerConfig`: a step that a policy's values ask for is not taken where the
        policy knows that it is less sure. 0 takes all.

    Raises
    ------
    InvalidInput
        Where a number is outside its range or two settings exclude each other.

    Examples
    --------
    >>> from reallot import Setting
    >>> Setting(cost_usd=0.5, hold="15m").hold
    datetime.timedelta(seconds=900)
    """

    start: Mapping[str, float] | None = None
    limits: Limits = field(default_factory=lambda: Limits(max_turnover=0.2))
    cost_days: float | None = None
    cost_usd: float | None = None
    move_fee: float = 0.0
    hold: timedelta | float | str = timedelta(0)
    max_per_hour: int | None = None
    data_lag: int = 1
    noise: float = 0.0
    seed: int = 0
    feedback: Literal["full", "bandit"] = "full"
    explore: Literal["floor", "probes", "none"] = "floor"
    least: float = 1e-6
    min_share: float | Mapping[str, float] = 0.0
    max_share: float | Mapping[str, float] = 1.0
    min_confidence: float = 0.0

    def __post_init__(self) -> None:
        put = object.__setattr__
        if self.cost_days is not None and self.cost_usd is not None:
            raise InvalidInput("cost_days and cost_usd say the same thing twice; give one of them")
        for key in ("cost_days", "cost_usd"):
            value = getattr(self, key)
            put(self, key, None if value is None else number(value, key, 0.0))
        for key in ("move_fee", "noise", "least"):
            put(self, key, number(getattr(self, key), key, 0.0))
        put(self, "min_confidence", number(self.min_confidence, "min_confidence (a probability)", 0.0, 1.0))
        put(self, "hold", parse_duration(self.hold, "hold"))
        put(self, "data_lag", whole(self.data_lag, "data_lag (steps)", 0))
        put(self, "seed", whole(self.seed, "seed", 0))
        if self.max_per_hour is not None:
            put(self, "max_per_hour", whole(self.max_per_hour, "max_per_hour", 0))
        if not isinstance(self.feedback, str) or self.feedback not in ("full", "bandit"):
            raise InvalidInput(f"feedback is {brief(self.feedback)}; give 'full' or 'bandit'")
        one_of(self.explore, EXPLORE, "explore")
        of_kind(self.limits, Limits, "limits", "give Limits(max_turnover=...)")
        for key in ("max_turnover", "max_change", "max_increase", "max_decrease"):
            if isinstance(getattr(self.limits, key), tuple):
                raise InvalidInput(f"{key} has one number per period; a backtest needs one for every step")
        if isinstance(self.limits.held, dict):
            raise InvalidInput("held is until a period; in a backtest, name what is held throughout")
        if self.limits.hold_after_change:
            raise InvalidInput(
                f"hold_after_change is {self.limits.hold_after_change} periods planned together; a backtest goes step "
                'by step: give Setting(hold=...), such as hold="2h"'
            )

    def move_cost(self, table: RateTable) -> float:
        """Return the proportional cost of a change over a table.

        Parameters
        ----------
        table
            The recorded rates.

        Returns
        -------
        float
            USD per unit of share moved.
        """
        if self.cost_usd is not None:
            return self.cost_usd
        days = COST_DAYS if self.cost_days is None else self.cost_days
        cost = days * 24.0 * float(table.rates.mean())
        if cost < 0.0:
            raise InvalidInput(
                f"{table.name}: the mean rate is {table.rates.mean():g} USD/h, below 0, and cannot price a move; "
                "give cost_usd"
            )
        return cost

    def terms(self, table: RateTable) -> Terms:
        """Return what every policy is told once.

        Parameters
        ----------
        table
            The recorded rates.

        Returns
        -------
        Terms
            Names, limits, costs and the length of a step.
        """
        low, high = _bounds(self.min_share, table, "min_share"), _bounds(self.max_share, table, "max_share")
        return Terms(
            table.names,
            table.step_hours,
            self.move_cost(table),
            self.move_fee,
            self.limits,
            tuple(low),
            tuple(high),
            parse_duration(self.hold).total_seconds() / 3600.0,
        )

    def shares(self, table: RateTable) -> FloatArray:
        """Return the shares before the first step.

        Parameters
        ----------
        table
            The recorded rates.

        Returns
        -------
        numpy.ndarray
            (n,) shares.
        """
        if self.start is None:
            return np.full(len(table.names), 1.0 / len(table.names))
        start = by_name(self.start, "start")
        known_names(start, table.names, "start")
        missing = [name for name in table.names if name not in start]
        if missing:
            raise InvalidInput(f"start does not say where {missing[0]!r} stands; give 0 if it holds nothing")
        shares = np.array([number(start[name], f"start {name}", 0.0, 1.0) for name in table.names])
        if abs(shares.sum() - 1.0) > 1e-9:
            raise InvalidInput(f"start sums to {shares.sum():.9g}; shares are fractions of capacity and sum to 1")
        return shares

    def problem(self, table: RateTable) -> AllocationProblem:
        """Return one step from the start as a problem, with rates of 0 for values to take their place.

        Parameters
        ----------
        table
            The recorded rates.

        Returns
        -------
        AllocationProblem
            A problem of one period.
        """
        low, high = _bounds(self.min_share, table, "min_share"), _bounds(self.max_share, table, "max_share")
        cost, shares = self.move_cost(table) / 2.0, self.shares(table)  # given and taken: half each
        for name, least, share, most in zip(table.names, low, shares.tolist(), high, strict=True):
            if not least - 1e-9 <= share <= most + 1e-9:
                raise InvalidInput(
                    f"{name} starts with {share:g}, outside of its bounds {least:g} to {most:g}; "
                    "give a start within the bounds"
                )
        specs = [
            ProtocolSpec(name, 0.0, min_share=least, max_share=most, move_cost=cost, move_fee=self.move_fee)
            for name, least, most in zip(table.names, low, high, strict=True)
        ]
        return AllocationProblem(specs, dict(zip(table.names, shares.tolist(), strict=True)), limits=self.limits)

    def whole_problem(self, table: RateTable) -> AllocationProblem:
        """Return the whole table as one problem, with a period for each step.

        Parameters
        ----------
        table
            The recorded rates.

        Returns
        -------
        AllocationProblem
            Hold and budget are not in it: a step may do more.
        """
        rates = {name: tuple(table.rates[:, i].tolist()) for i, name in enumerate(table.names)}
        return replace(
            self.problem(table), horizon_hours=table.steps * table.step_hours, periods=table.steps, rates=rates
        )

    def hold_steps(self, table: RateTable) -> int:
        """Return the number of steps for which a share stays after a change.

        Parameters
        ----------
        table
            The recorded rates.

        Returns
        -------
        int
            Steps.
        """
        return math.ceil(parse_duration(self.hold).total_seconds() / 3600.0 / table.step_hours - SHORTEST_HOURS)

    def readings(self, table: RateTable) -> FloatArray:
        """Return what is read of the rates, with noise drawn row after row, so that no row depends on later ones.

        Parameters
        ----------
        table
            The recorded rates.

        Returns
        -------
        numpy.ndarray
            (steps, n) readings (USD/h per unit of share).
        """
        if self.noise == 0.0:
            return table.rates
        drawn = np.random.default_rng(self.seed).standard_normal(table.rates.shape)
        result: FloatArray = table.rates * (1.0 + self.noise * drawn)
        return result


def require_setting(value: Any) -> None:
    """Raises InvalidInput where `value` is no Setting; a table of its fields is named as the call that makes one."""
    if not isinstance(value, Setting):
        texts = isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
        given = ", ".join(f"{key}={brief(entry)}" for key, entry in value.items()) if texts else "cost_usd=..."
        raise InvalidInput(f"the setting is {brief(value)}; give Setting({given})")


def _bounds(given: float | Mapping[str, float], table: RateTable, what: str) -> list[float]:
    if not hasattr(given, "items"):
        return [number(given, what, 0.0, 1.0)] * len(table.names)
    by = by_name(given, what)
    known_names(by, table.names, what)
    free = 0.0 if what == "min_share" else 1.0
    return [number(by.get(name, free), f"{what} {name}", 0.0, 1.0) for name in table.names]
