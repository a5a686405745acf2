"""Backtest: what every policy earned, beside never moving and the optimum in hindsight, as tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidInput, near_miss
from ..policy.base import Terms
from ..policy.reliability import Reliability, reliability
from ..problem.by_value import ByValue
from ..problem.validation import brief
from ..text.numbers import count, usd
from .accounting import Account
from .plan_confidence import PlanConfidence, gains
from .settings import Setting
from .table import FloatArray, RateTable

if TYPE_CHECKING:
    import pandas as pd

    from ..plots.paper import Figure

FIGURES = ("gross", "net", "cost", "moved", "plans", "share_of_optimum", "share_of_gain", "seconds")


@dataclass(frozen=True, eq=False, repr=False)
class Run(ByValue):
    """One policy's way through the table.

    Parameters
    ----------
    name
        Name of the policy.
    shares
        (steps, n) shares in force during each step.
    account
        Earnings and costs by step (USD).
    seconds
        Seconds spent, deciding and stepping.
    sees_future
        True where the policy was told the table: a yardstick, not a rule to follow.
    said
        How sure the policy was of its plans.
    """

    name: str
    shares: FloatArray
    account: Account
    seconds: float = field(compare=False)
    sees_future: bool = False
    said: PlanConfidence = field(default_factory=PlanConfidence)

    @property
    def gross(self) -> float:
        """Earned, USD."""
        return float(self.account.gross.sum())

    @property
    def cost(self) -> float:
        """Paid for moves, USD."""
        return float(self.account.cost.sum())

    @property
    def net(self) -> float:
        """Earned less paid, USD."""
        return float(self.account.net.sum())

    @property
    def moved(self) -> float:
        """Shares of capacity moved in all; 1 is everything once."""
        return float(self.account.moved.sum())

    @property
    def plans(self) -> int:
        """Steps in which a share changed."""
        return int((self.account.changed > 0.0).sum())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.name}: net {usd(self.net)} USD in {count(self.plans, 'plan')}>"


@dataclass(frozen=True, eq=False, repr=False)
class Optimum(Run):
    """The best way in hindsight, under the same costs, bounds of shares, max_turnover, max_change and held.

    Hold, budget, number and size of moves and groups are left out: with them it can only be lower.

    Parameters
    ----------
    name, shares, account, seconds, sees_future, said
        As for a Run.
    bound
        No way within the limits earns more than this (USD).
    how
        How it was solved, and why a gap is left where one is.
    """

    bound: float = math.nan
    how: str = ""

    @property
    def gap(self) -> float:
        """How far the optimum may be below the best possible: (bound - net) / |bound|."""
        return (self.bound - self.net) / abs(self.bound) if self.bound else 0.0


@dataclass(frozen=True, repr=False, eq=False)
class Backtest(ByValue):
    """The outcome of `backtest`: one run for each policy, one for never moving, and the optimum in hindsight.

    Parameters
    ----------
    table
        The recorded rates (USD/h per unit of share).
    setting
        How the backtest was run.
    terms
        Limits and costs, as the policies were told them.
    start
        (n,) shares before the first step.
    optimum
        The best plan in hindsight, with its bound.
    never
        The run that never moves.
    runs
        The runs by name.

    Examples
    --------
    >>> import pandas as pd
    >>> from reallot import backtest
    >>> times = pd.date_range("2026-01-01", periods=24, freq="h", tz="UTC")
    >>> result = backtest(pd.DataFrame({"relay": 2.0, "compute": 1.0}, index=times), ["greedy"])
    >>> list(result.runs), result["greedy"].net > result.never.net
    (['greedy'], True)
    """

    table: RateTable
    setting: Setting
    terms: Terms
    start: FloatArray
    optimum: Optimum
    never: Run
    runs: Mapping[str, Run]

    def __getitem__(self, name: str) -> Run:
        if not isinstance(name, str) or name not in self._all:
            raise InvalidInput(f"no policy {brief(name)} was run; {near_miss(name, self._all)}")
        return self._all[name]

    @cached_property
    def _all(self) -> dict[str, Run]:
        return {"optimum": self.optimum, "never": self.never, **self.runs}

    def figures(self, name: str) -> dict[str, float]:
        """Return the figures of one policy.

        Parameters
        ----------
        name
            Name of the policy, "never" or "optimum".

        Returns
        -------
        dict
            gross, net and cost (USD), moved (share), plans, share_of_optimum, share_of_gain and seconds; NaN where one
            is not defined. share_of_gain is (net - never) / (optimum - never): 0 is as good as never moving, 1 the best
            in hindsight.
        """
        run = self[name]
        best, never = self.optimum.net, self.never.net
        gain = best - never
        shares = (
            run.net / best if best > 0.0 else math.nan,
            (run.net - never) / gain if gain > 1e-9 * max(abs(best), abs(never)) else math.nan,
        )
        values = (run.gross, run.net, run.cost, run.moved, run.plans, *shares, run.seconds)
        return dict(zip(FIGURES, values, strict=True))

    def drawdown(self, name: str) -> float:
        """Return the largest fall of a policy's lead over never moving, from its highest point so far.

        Parameters
        ----------
        name
            Name of the policy.

        Returns
        -------
        float
            USD, 0 or more.
        """
        lead = np.concatenate([[0.0], np.cumsum(self[name].account.net - self.never.account.net)])
        return float((np.maximum.accumulate(lead) - lead).max())

    def to_frame(self) -> pd.DataFrame:
        """Return the figures of all runs as a table.

        Returns
        -------
        pandas.DataFrame
            One row for the optimum, for never and for each policy: the figures, the worst drawdown and sees_future.
        """
        import pandas as pd

        rows = {
            name: {**self.figures(name), "drawdown": self.drawdown(name), "sees_future": run.sees_future}
            for name, run in self._all.items()
        }
        frame = pd.DataFrame.from_dict(rows, orient="index")
        frame.index.name = "policy"
        return frame

    def shares(self, name: str) -> pd.DataFrame:
        """Return the shares of one policy over time.

        Parameters
        ----------
        name
            Name of the policy, "never" or "optimum".

        Returns
        -------
        pandas.DataFrame
            Shares (times, protocols).
        """
        import pandas as pd

        return pd.DataFrame(self[name].shares, index=self.table.index, columns=list(self.table.names))

    def plans(self, name: str) -> pd.DataFrame:
        """Return the steps in which a policy changed shares.

        Parameters
        ----------
        name
            Name of the policy.

        Returns
        -------
        pandas.DataFrame
            One row per change, by time. `moved` is a share of capacity and `cost` is USD. `confidence` is the
            probability that the policy gave for the change to earn back its cost within `hours`. `net` (USD) is what
            the change earned within these hours less its cost. NaN where the policy could not say, or the table ends
            before.
        """
        import pandas as pd

        run, account = self[name], self[name].account
        steps = np.flatnonzero(account.changed)
        changes = np.diff(np.vstack([self.start, run.shares]), axis=0)[steps]
        sure, hours = run.said.of(steps)
        columns = {
            "moved": account.moved[steps],
            "cost": account.cost[steps],
            "confidence": sure,
            "hours": hours,
            "net": gains(changes, steps, hours, self.table) - account.cost[steps],
        }
        return pd.DataFrame(columns, index=self.table.index[steps])

    def reliability(self, name: str) -> Reliability:
        """Compare the probabilities that a policy gave with how often its plans paid.

        Parameters
        ----------
        name
            Name of the policy.

        Returns
        -------
        Reliability
            The comparison by bins; the function `reliability` joins several runs.

        Raises
        ------
        InvalidInput
            Where no plan is over and had a probability.
        """
        known = self.plans(name).dropna()
        if not len(known):
            raise InvalidInput(
                f"{name} gave no plan a probability that can be judged by the end of {self.table.name}; "
                "it takes a policy such as replay, with confidence(change) and judged_over(change), and a longer table"
            )
        return reliability(known["confidence"].to_numpy(), known["net"].to_numpy() > 0.0)

    def cumulative_net(self) -> pd.DataFrame:
        """Return the earnings less costs up to the end of each step.

        Returns
        -------
        pandas.DataFrame
            USD (times, optimum, never and policies).
        """
        import pandas as pd

        columns = {name: np.cumsum(run.account.net) for name, run in self._all.items()}
        return pd.DataFrame(columns, index=self.table.index)

    def plot(self, policy: str | None = None) -> Figure:
        """Draw the leads over never moving, and the shares of one policy; needs the extra `plot`.

        Parameters
        ----------
        policy
            Name of the policy whose shares are drawn. None is the best.

        Returns
        -------
        matplotlib.figure.Figure
            The figure of `plots.backtest_figure`.
        """
        from ..plots.net import backtest_figure

        return backtest_figure(self, policy)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values, ready for JSON.

        Returns
        -------
        dict
            optimum (net, bound, gap, how), never and policies (eight figures each); None in place of NaN.
        """
        return {
            "optimum": {name: getattr(self.optimum, name) for name in ("net", "bound", "gap", "how")},
            "never": self._plain("never"),
            "policies": {name: self._plain(name) for name in self.runs},
        }

    def _plain(self, name: str) -> dict[str, float | None]:
        run = self._all[name]
        figures = self.figures(name) | {"plans": run.plans}
        return {key: value if math.isfinite(value) else None for key, value in figures.items()}

    def to_json(self, indent: int | None = 2) -> str:
        """Return `to_dict` as JSON text.

        Parameters
        ----------
        indent
            Spaces per level. None is one line.

        Returns
        -------
        str
            The JSON text.
        """
        import json

        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    def _repr_html_(self) -> str:
        from ..text.html_tables import result_as_html

        steps, size = self.table.rates.shape
        said = f"{self.table.name}: {steps} steps of {self.table.step_hours:g} h, {size} alternatives"
        cost = f"moving everything costs {usd(self.terms.move_cost)} USD"
        frame = _readable(self.to_frame())
        return result_as_html(said, ["policy", *frame.columns], list(frame.itertuples()), about=f"{cost}; USD")

    def __repr__(self) -> str:
        return f"Backtest of {', '.join(self.runs) or 'no policy'} over {self.table.name}, {self.table.steps} steps"

    def __str__(self) -> str:
        return _readable(self.to_frame()).to_string()


def _readable(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with as many digits as people read."""
    digits = {"share_of_optimum": 3, "share_of_gain": 3, "seconds": 2, "moved": 2}
    return frame.round({key: digits.get(key, 2) for key in frame.columns if key not in ("plans", "sees_future")})
