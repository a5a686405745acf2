"""The step in portfolio libraries, given their data directly: no market data, no download, no simulation."""

from __future__ import annotations

from typing import Any

import numpy as np

from reallot.problem.arrays import FloatArray

from ..step import Step
from .arrays import Answer


def cvxportfolio(step: Step) -> Answer:
    """One kept policy, asked for its weights; rates and current shares are data frames that it is handed."""
    import cvxportfolio as cvx
    import pandas as pd

    universe = pd.Index([*step.names, "cash"])
    days = pd.date_range("2024-01-01", periods=step.variants, tz="UTC")
    weights = [pd.Series(np.append(shares, 0.0), universe) for shares in step.current]
    past = pd.DataFrame(np.zeros((2, step.size + 1)), days[:1].append(days[:1] + pd.Timedelta(days=1)), universe)
    rates = pd.DataFrame(step.rates, days, step.names)
    gain = cvx.ReturnsForecast(rates) - cvx.TransactionCost(a=pd.Series(step.cost, step.names))
    rules = [cvx.LongOnly(), cvx.NoCash(), cvx.MaxWeights(1.0)]
    rules += [cvx.MaxTradeWeights(step.max_change), cvx.MinTradeWeights(-step.max_change)]
    policy: Any = cvx.SinglePeriodOptimization(gain, rules, include_cash_return=False, solver="CLARABEL")
    policy.initialize_estimator_recursive(universe=universe, trading_calendar=days)

    def answer(k: int) -> FloatArray:
        chosen = policy.values_in_time_recursive(
            t=days[k],
            current_weights=weights[k],
            current_portfolio_value=1e6,
            past_returns=past,
            past_volumes=None,
            current_prices=None,
        )
        return np.asarray(chosen.values[:-1])

    return answer


def skfolio(step: Step) -> Answer:
    """MeanRisk, most return, fitted anew each time; the cheapest prior and risk measure there are."""
    from skfolio import RiskMeasure
    from skfolio.optimization import MeanRisk, ObjectiveFunction
    from skfolio.prior import BasePrior, ReturnDistribution

    class Given(BasePrior):  # type: ignore[misc]
        """Expected returns as they are given."""

        def __init__(self, mu: Any = None) -> None:
            self.mu = mu

        def fit(self, X: Any, y: Any = None, **_: Any) -> Given:  # noqa: N803  as skfolio names it
            self.return_distribution_ = ReturnDistribution(mu=self.mu, covariance=covariance, returns=X)
            return self

    covariance = 1e-4 * np.eye(step.size)

    def answer(k: int) -> FloatArray:
        model = MeanRisk(
            objective_function=ObjectiveFunction.MAXIMIZE_RETURN,
            risk_measure=RiskMeasure.MEAN_ABSOLUTE_DEVIATION,
            prior_estimator=Given(step.rates[k]),
            transaction_costs=step.cost,
            previous_weights=step.current[k],
            max_turnover=step.max_change,
            scale_objective=1.0,
            scale_constraints=1.0,
        )
        return np.asarray(model.fit(np.vstack([step.rates[k] - 0.01, step.rates[k] + 0.01])).weights_)

    return answer
