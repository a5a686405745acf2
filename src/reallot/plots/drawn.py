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
    def problem(self) -> AllocationProblem: ...
    @property
    def schedule(self) -> Floats: ...
    @property
    def reasons(self) -> tuple[str, ...]: ...
    @property
    def earnings_per_hour(self) -> float: ...
    @property
    def net_benefit(self) -> float: ...
    @property
    def stay_value(self) -> Value: ...


class DrawnAccount(Protocol):
    """What was earned less what was paid in each step, (steps,) USD."""

    @property
    def net(self) -> Floats: ...


class DrawnRun(Protocol):
    """One policy's way through a table of rates."""

    @property
    def account(self) -> DrawnAccount: ...
    @property
    def net(self) -> float: ...
    @property
    def moved(self) -> float: ...
    @property
    def plans(self) -> int: ...
    @property
    def sees_future(self) -> bool: ...


class DrawnTable(Protocol):
    """The recorded rates that a backtest ran over."""

    @property
    def name(self) -> str: ...
    @property
    def names(self) -> Sequence[str]: ...
    @property
    def index(self) -> pd.Index[Any]: ...


class DrawnTerms(Protocol):
    """What moving everything costs, USD."""

    @property
    def move_cost(self) -> float: ...


class DrawnBacktest(Protocol):
    """A backtest: `Backtest` has all of it."""

    @property
    def table(self) -> DrawnTable: ...
    @property
    def terms(self) -> DrawnTerms: ...
    @property
    def start(self) -> Floats: ...
    @property
    def never(self) -> DrawnRun: ...
    @property
    def runs(self) -> Mapping[str, DrawnRun]: ...
    def __getitem__(self, name: str) -> DrawnRun: ...
    def figures(self, name: str) -> Mapping[str, float]: ...
    def shares(self, name: str) -> pd.DataFrame: ...


class DrawnReliability(Protocol):
    """How often stated probabilities came true, by bin: `Reliability` has all of it."""

    @property
    def said(self) -> Floats: ...
    @property
    def happened(self) -> Floats: ...
    @property
    def counts(self) -> NDArray[np.int64]: ...
    @property
    def brier(self) -> float: ...
    @property
    def ece(self) -> float: ...
    @property
    def base(self) -> float: ...
    @property
    def base_brier(self) -> float: ...
