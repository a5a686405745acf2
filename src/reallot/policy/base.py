"""The port: a policy has one method, sees what is known at a moment, and answers with shares or with values."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InvalidInput
from ..problem import Limits

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Terms:
    """What holds for every step of a policy.

    Parameters
    ----------
    names
        Names of the protocols, in the order of all arrays.
    step_hours
        Hours from one decision to the next.
    move_cost
        Cost of one unit of share moved (USD): given by one protocol and taken by another.
    move_fee
        Fixed cost (USD) for every protocol whose share changes in a step.
    limits
        What a step may change.
    low, high
        Least and largest share of every protocol; empty where they are 0 and 1.
    hold_hours
        Hours for which a share stays after a change.
    """

    names: tuple[str, ...]
    step_hours: float
    move_cost: float = 0.0
    move_fee: float = 0.0
    limits: Limits = field(default_factory=Limits)
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    hold_hours: float = 0.0

    @property
    def size(self) -> int:
        """Number of alternatives."""
        return len(self.names)

    @property
    def most_turnover(self) -> float:
        """Largest part of the capacity that one step may move: from max_turnover and from max_change."""
        limits = self.limits
        turnover = limits.max_turnover if isinstance(limits.max_turnover, float) else 1.0
        change = limits.max_change if isinstance(limits.max_change, float) else 1.0
        return min(1.0, turnover, change * (self.size // 2))


@dataclass(frozen=True)
class Observation:
    """What a policy knows when it decides a step; nothing in it is later than that step.

    Every step brings one reading more. A policy that wants the past keeps what it needs of it.

    Parameters
    ----------
    terms
        What holds for every step: names, limits and costs.
    step
        Number of the step that is decided.
    shares
        (n,) shares in force now.
    rates
        (n,) the newest readings (USD/h per unit of share); NaN where nothing was observed.
    quotes
        (n,) the newest quotes: what is announced, not what is paid. None where there are none.

    Examples
    --------
    >>> from reallot import Setting, Target, backtest
    >>> class FollowTheBest:
    ...     name = "follow the best"
    ...     def decide(self, observation):
    ...         return Target((observation.rates == observation.rates.max()) * 1.0)
    >>> import pandas as pd
    >>> times = pd.date_range("2026-01-01", periods=24, freq="h", tz="UTC")
    >>> rates = pd.DataFrame({"relay": 2.0, "compute": 1.0}, index=times)
    >>> backtest(rates, FollowTheBest(), Setting(cost_usd=0.0)).shares("follow the best").iloc[-1].to_dict()
    {'relay': 1.0, 'compute': 0.0}
    """

    terms: Terms
    step: int
    shares: FloatArray
    rates: FloatArray
    quotes: FloatArray | None = None


@dataclass(frozen=True)
class Target:
    """A split to go to, as far as the limits of one step allow.

    Parameters
    ----------
    shares
        (n,) shares that sum to the capacity.
    turnover
        Largest part of the capacity that this step may move, where that is less than the limits allow.

    Examples
    --------
    >>> from reallot import Target
    >>> Target([0.25, 0.75]).shares
    [0.25, 0.75]
    """

    shares: FloatArray
    turnover: float = 1.0


@dataclass(frozen=True)
class Values:
    """What a unit of share is worth in each protocol, from now on.

    The step taken is the best one for these values less transaction costs, within all limits. Only differences matter.

    Parameters
    ----------
    values
        (n,) USD per unit of share.
    per_hour
        (n,) forecast of mean rates (USD/h per unit of share) over the next `hours`. None where the policy has none.
    hours
        Hours that the forecast covers.
    turnover
        Largest part of the capacity that this step may move, where that is less than the limits allow.

    Examples
    --------
    >>> from reallot import Values
    >>> Values([2.0, 1.0], per_hour=[0.5, 0.25], hours=4.0).hours
    4.0
    """

    values: FloatArray
    per_hour: FloatArray | None = None
    hours: float = math.nan
    turnover: float = 1.0


Decision = Target | Values | None
"""None is to stay."""


@runtime_checkable
class Policy(Protocol):
    """The port of a policy: an object with a name, which decides step by step.

    It may keep state. Whoever runs it works on a copy of its own.

    Examples
    --------
    >>> from reallot import Policy
    >>> class Cautious:
    ...     name = "cautious"
    ...     def decide(self, observation):
    ...         return None
    >>> isinstance(Cautious(), Policy)
    True
    """

    @property
    def name(self) -> str:
        """Name of the policy in results."""

    def decide(self, observation: Observation) -> Decision | ArrayLike:
        """Decide one step.

        Parameters
        ----------
        observation
            What is known now.

        Returns
        -------
        Target, Values, array or None
            A split to go to (a bare array is a Target), values of shares, or None to stay.
        """


@runtime_checkable
class SeesFuture(Protocol):
    """A policy that is told the whole table before it decides, as a bound on what can be known."""

    def foresee(self, rates: FloatArray, terms: Terms) -> None:
        """Told all rates, (steps, n) USD/h per unit of share."""


@runtime_checkable
class Confident(Protocol):
    """A policy that also says how sure it is of a change of shares, (n,), after `decide`."""

    def confidence(self, change: ArrayLike) -> float | None:
        """P(the change earns back its cost within `judged_over(change)` hours); None where it cannot say."""

    def judged_over(self, change: ArrayLike) -> float | None:
        """Hours for which `confidence` holds; None where it cannot say."""


def decided(answer: Decision | ArrayLike, terms: Terms, who: str) -> Decision:
    """A policy's answer, checked: bare shares are a Target. Raises InvalidInput, naming the policy and the number."""
    if answer is None:
        return None
    given = answer.shares if isinstance(answer, Target) else answer.values if isinstance(answer, Values) else answer
    array = np.asarray(given, dtype=float)
    turnover = answer.turnover if isinstance(answer, Target | Values) else 1.0
    if not 0.0 <= turnover <= 1.0:
        raise InvalidInput(f"policy {who}: a step may move {turnover!r} of the capacity; give 0 to 1, or None to stay")
    if array.shape != (terms.size,):
        raise InvalidInput(f"policy {who}: an answer of shape {array.shape} for {terms.size} alternatives")
    if not np.isfinite(array).all():
        name = terms.names[int(np.argmin(np.isfinite(array)))]
        raise InvalidInput(f"policy {who}: the answer for {name} is not a finite number; None is to stay")
    if isinstance(answer, Values):
        return answer
    if (array < -1e-9).any() or abs(array.sum() - 1.0) > 1e-6:
        raise InvalidInput(
            f"policy {who}: target shares must be at least 0 and sum to 1; least {array.min():g}, sum {array.sum():.9g}"
        )
    return Target(np.maximum(array, 0.0), turnover)
