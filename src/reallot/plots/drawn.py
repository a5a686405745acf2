"""What figures read of the records that they draw, as protocols: a plan, a backtest, a reliability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..problem import AllocationProblem
from ..problem.objective import Value

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


class DrawnPlan(Protocol):
    """A plan: `Allocation` has all of it. Shares are in the unit of capacity, (periods, protocols)."""

    @property
    def problem(self) -> AllocationProblem:
        """The problem that was decided."""

    @property
    def schedule(self) -> Floats:
        """Shares, (periods, protocols)."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons in sentences."""

    @property
    def earnings_per_hour(self) -> float:
        """Expected earnings, USD/h."""

    @property
    def net_benefit(self) -> float:
        """Worth of the plan less that of staying, USD over the horizon."""

    @property
    def stay_value(self) -> Value:
        """Earnings of the present shares."""


class DrawnAccount(Protocol):
    """What was earned less what was paid in each step, (steps,) USD."""

    @property
    def net(self) -> Floats:
        """Net earnings of each step, (steps,) USD."""


class DrawnRun(Protocol):
    """One policy's way through a table of rates."""

    @property
    def account(self) -> DrawnAccount:
        """Money by step."""

    @property
    def net(self) -> float:
        """Net earnings in all, USD."""

    @property
    def moved(self) -> float:
        """Shares of capacity moved in all."""

    @property
    def plans(self) -> int:
        """Number of steps with a change."""

    @property
    def sees_future(self) -> bool:
        """True where the policy was told the whole table."""


class DrawnTable(Protocol):
    """The recorded rates that a backtest ran over."""

    @property
    def name(self) -> str:
        """Name of the table."""

    @property
    def names(self) -> Sequence[str]:
        """Names of the protocols."""

    @property
    def index(self) -> pd.Index[Any]:
        """Times of the rows."""


class DrawnTerms(Protocol):
    """What moving everything costs, USD."""

    @property
    def move_cost(self) -> float:
        """Cost of moving everything once, USD."""


class DrawnBacktest(Protocol):
    """A backtest: `Backtest` has all of it."""

    @property
    def table(self) -> DrawnTable:
        """The recorded rates."""

    @property
    def terms(self) -> DrawnTerms:
        """Limits and costs."""

    @property
    def start(self) -> Floats:
        """Shares before the first step, (n,)."""

    @property
    def never(self) -> DrawnRun:
        """The run that never moves."""

    @property
    def runs(self) -> Mapping[str, DrawnRun]:
        """The runs by name."""

    def __getitem__(self, name: str) -> DrawnRun: ...
    def figures(self, name: str) -> Mapping[str, float]:
        """The figures of one policy by name."""

    def shares(self, name: str) -> pd.DataFrame:
        """Shares of one policy over time, (times, protocols)."""


class DrawnReliability(Protocol):
    """How often stated probabilities came true, by bin: `Reliability` has all of it."""

    @property
    def said(self) -> Floats:
        """Mean stated probability of each bin, (bins,)."""

    @property
    def happened(self) -> Floats:
        """How often it happened, (bins,)."""

    @property
    def counts(self) -> NDArray[np.int64]:
        """Number of plans of each bin, (bins,)."""

    @property
    def brier(self) -> float:
        """Brier score."""

    @property
    def ece(self) -> float:
        """Expected calibration error."""

    @property
    def base(self) -> float:
        """Base rate: how often it happened in all."""

    @property
    def base_brier(self) -> float:
        """Brier score of always saying the base rate."""
