# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # How much could be earned?
#
# Before anybody tunes a policy, it helps to know what there is to gain: what never moving earns, what the best plan in
# hindsight would have earned under the same costs and limits, and where between the two a policy ends that sees only
# the past.

# %%
import os

import numpy as np
import pandas as pd

import reallot as ra

# %% [markdown]
# Rates of your own: a CSV or Parquet file whose first column is the time, one column for each alternative, USD per hour
# per unit of share. Name it in `REALLOT_TRACE`. Without one, five weeks are made here, with a fixed seed: levels that
# wander, a daily swing, noise, and outages.

# %%
random = np.random.default_rng(5)
names = ["relay", "render", "rental", "storage", "proxy", "mining"]


def made_rates(days: int) -> pd.DataFrame:
    """USD/h per unit of share, hour by hour."""
    times = pd.date_range("2026-01-05", periods=24 * days, freq="h", tz="UTC")
    level = 2.0 + np.cumsum(0.045 * random.standard_normal((len(times), len(names))), axis=0)
    phase = 2 * np.pi * (np.arange(len(times))[:, None] / 24 - random.random(len(names)))
    swing = random.uniform(0.0, 0.5, len(names)) * np.sin(phase)
    out = np.repeat(random.random((days * 4, len(names))) < 0.015, 6, axis=0)  # six hours without earnings
    noise = 0.15 * random.standard_normal(level.shape)
    return pd.DataFrame(np.where(out, 0.0, np.maximum(level + swing + noise, 0.0)), times, names)


rates = os.environ.get("REALLOT_TRACE") or made_rates(35)

# %% [markdown]
# The question: shares start equal, at most 0.2 of the capacity moves in a step, moving everything once costs a tenth of
# a day's mean earnings, and a step is decided on what was paid before it.

# %%
setting = ra.Setting(cost_days=0.1)
policies = ["profit-switching", "greedy", "ema", "work-function", "replay"]
result = ra.backtest(rates, policies, setting)
result

# %% [markdown]
# `share_of_gain` is (policy - never) / (optimum - never). The optimum is no guess: its bound says that no way within
# the limits earns more.

# %%
print(f"optimum {result.optimum.net:.2f} USD, bound {result.optimum.bound:.2f} USD: {result.optimum.gap:.1e} apart")
print(f"never moving {result.never.net:.2f} USD: there are {result.optimum.net - result.never.net:.2f} USD to gain")

# %% [markdown]
# Where is it gained, and who moves how often? Above the lead over never moving, below the shares of the best policy
# here.

# %%
result.plot()

# %% [markdown]
# What is left to gain depends on what a move costs. The same for four costs: with dear moves there is less to gain, and
# more to lose.

# %%
costs = [0.01, 0.1, 0.3, 1.0]
swept = ra.sweep({"trace": rates}, policies, vary={"cost_days": costs})
swept.pivot(index="policy", columns="cost_days", values="share_of_gain").loc[policies].round(2)

# %%
left = swept[swept["policy"].isin(["optimum", "never"])].pivot(index="cost_days", columns="policy", values="net")
(left["optimum"] - left["never"]).rename("to gain (USD)").to_frame().round(1)

# %% [markdown]
# **Conclusion.** The optimum in hindsight says what is worth fighting for, and never moving what is there for free; a
# policy is good by where it ends between the two, not by what it earns. Rules that chase the best rate of the moment
# pay back in costs what they gain, the more the dearer a move is, and end far below never moving; those that weigh a
# move's cost against how long its gain will last keep most of what there is.
