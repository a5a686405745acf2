"""The shipped policies by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..errors import InvalidInput, near_miss
from ..problem.validation import brief
from .base import Policy
from .baselines import BestFixed, FollowTheLeader, Greedy, Never
from .follow_the_leading_expert import Replay
from .hysteresis import Ema, ProfitSwitching, Threshold
from .multi_period import MultiPeriod
from .regret_budget import RegretBudget
from .value_policy import ValueLP
from .work_function import WorkFunction, WorkFunctionSplit

CAUTIOUS = 0.6
"""A policy of that name takes no step that is known to be less sure."""
MAKERS: dict[str, Callable[[], Policy]] = {
    "never": Never,
    "best-fixed": BestFixed,
    "follow-the-leader": FollowTheLeader,
    "greedy": Greedy,
    "threshold": Threshold,
    "profit-switching": ProfitSwitching,
    "ema": Ema,
    "work-function": WorkFunction,
    "work-function-split": WorkFunctionSplit,
    "work-function-2": lambda: WorkFunctionSplit(2.0, "work-function-2"),
    "multi-period": MultiPeriod,
    "value": ValueLP,
    "replay": lambda: RegretBudget(Replay(), name="replay"),
    "cautious": lambda: RegretBudget(Replay(CAUTIOUS), name="cautious"),
}
"""Each name makes a fresh policy of that name."""

BY_VALUES = ("replay", "cautious", "value", "work-function-split", "work-function-2")
"""Policies that answer with values: those that the optimizer of a running engine can ask."""

SLOW = frozenset({"multi-period"})
"""Policies that take milliseconds for a step: a backtest runs them where they are named."""

DEFAULT = tuple(name for name in MAKERS if name != "never" and name not in SLOW)
"""What a backtest runs where no policies are named."""


def policy(name: str) -> Policy:
    """A fresh shipped policy; raises InvalidInput with the near miss.

    >>> policy("ema").name
    'ema'
    """
    maker = MAKERS.get(name)
    if maker is None:
        raise InvalidInput(f"no policy {name!r}; {near_miss(name, MAKERS)}")
    return maker()


def insured(name: str, most: float | None = None) -> RegretBudget:
    """A fresh shipped policy under a regret budget of `most` (USD); None is the cost of three full moves."""
    made = policy(name)
    return RegretBudget(made.policy if isinstance(made, RegretBudget) else made, most, name)


def policies_of(given: str | Policy | Iterable[str | Policy]) -> list[Policy]:
    """Policies from names and objects; raises InvalidInput for what is neither."""
    single = isinstance(given, (str, bytes)) or not isinstance(given, Iterable) or getattr(given, "ndim", 1) != 1
    several: list[Any] = [given] if single else list(given)  # type: ignore[arg-type]
    if not several:
        raise InvalidInput(f"no policy is named; {near_miss('', MAKERS)}")
    return [policy(each) if isinstance(each, str) else _checked(each) for each in several]


def _checked(given: Any) -> Policy:
    if isinstance(given, type):
        raise InvalidInput(f"{given.__name__} is a class; give a policy made of it, {given.__name__}()")
    if not isinstance(given, Policy) or not callable(given.decide) or not isinstance(given.name, str):
        raise InvalidInput(f"{brief(given)} is no policy; it needs a name and a method decide(observation)")
    return given
