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
# # How do I decide many at once?
#
# One machine is a question; a fleet is ten thousand of them, asked again every few minutes, and a study is a backtest
# for every setting that one might choose. Three ways to ask many questions at once: a batch of arrays, a session that
# stays hot, and a sweep over an executor.

# %%
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import numpy as np
import pandas as pd

import reallot as ra

# %% [markdown]
# ## A fleet
#
# Ten thousand hosts with eight protocols each, not all of them everywhere. Every host has its own rates, shares and
# limits; all are made, with a fixed seed. Arguments broadcast: one number for all, one per host, or one per place.

# %%
random = np.random.default_rng(21)
hosts, names = 10_000, ["storage", "relay", "render", "proxy", "mining", "jobs", "cache", "edge"]
there = random.random((hosts, len(names))) < 0.8
there[:, 0] = True
rates = random.uniform(0.5, 1.5, (hosts, 1)) * random.uniform(1.0, 3.0, (hosts, len(names)))
shares = random.dirichlet(np.ones(len(names)), hosts) * there
shares /= shares.sum(axis=1, keepdims=True)
change = random.choice([0.1, 0.2, 0.4], (hosts, 1))

begun = perf_counter()
many = ra.allocate_many(rates, shares, mask=there, max_change=change, move_cost=0.3, horizon_hours=24)
spent = perf_counter() - begun
print(f"{hosts} plans: net benefit {many.net_benefit.sum():,.0f} USD in a day, worst gap {np.max(many.gap):.0e}")
print(f"{'under' if spent < 2 else 'over'} two seconds for all of them, by {many.solver}")

# %% [markdown]
# Answers are arrays, so what a fleet is asked is arithmetic. Where is the limit on change what costs most?

# %%
found = pd.DataFrame(
    {"limit": change[:, 0], "net benefit": many.net_benefit, "moved": abs(many.shares - shares).sum(1) / 2}
)
found.groupby("limit").mean().rename_axis("max change").round(2)

# %% [markdown]
# One of them in full, with its reasons: the host that gains most.

# %%
best = int(np.argmax(many.net_benefit))
plan = many.allocation(best, names)
plan.plot()

# %% [markdown]
# ## The same host, all day
#
# A session keeps its problem: only what is new is said, checked and handed over. Here several periods are looked ahead,
# so the answers come from a linear program that is kept hot from hour to hour.

# %%
day = pd.date_range("2026-04-01", periods=24, freq="h", tz="UTC")
base = {"storage": 1.4, "relay": 1.7, "render": 1.6, "proxy": 1.2}


def forecast(hour):
    """USD/h in the coming six hours, by name."""
    swing = np.sin(2 * np.pi * (hour + np.arange(6)[:, None]) / 24 - np.arange(4) * 1.6)
    return {name: rate * (1 + 0.4 * swing[:, place]) for place, (name, rate) in enumerate(base.items())}


specs = [ra.ProtocolSpec(name, rate, move_cost=0.2) for name, rate in base.items()]
start = dict.fromkeys(base, 0.25)
problem = ra.AllocationProblem(
    specs, start, horizon_hours=6, periods=6, rates=forecast(0), limits=ra.Limits(max_change=0.1)
)
live, held, reasons = ra.session(problem), [], []
for hour in range(24):
    plan = live.change(rates=forecast(hour), current=held[-1] if held else start).solve()
    held.append(plan.shares.to_dict())
    reasons.append(plan.solver_reason)
print(reasons[0], reasons[-1], sep="\n")

# %%
ra.plots.shares_figure(pd.DataFrame(held, day), start=start, title="One host, a decision every hour")

# %% [markdown]
# ## Every setting
#
# A sweep is a backtest for each trace and each combination of settings, as one tidy table. Any executor of
# `concurrent.futures` does the work: threads here, processes on one machine, or `Client.get_executor()` of a Dask
# cluster. The call is the same, and so is the table.


# %%
def trace(seed):
    """Two weeks of hourly rates, USD/h."""
    random = np.random.default_rng(seed)
    walk = 2.0 + np.cumsum(0.06 * random.standard_normal((14 * 24, 4)), axis=0)
    hours = pd.date_range("2026-04-01", periods=len(walk), freq="h", tz="UTC")
    return pd.DataFrame(walk + 0.3 * random.standard_normal(walk.shape), hours, list(base))


with ThreadPoolExecutor(2) as executor:
    swept = ra.sweep(
        {f"host {seed}": trace(seed) for seed in range(3)},
        ["ema", "work-function"],
        vary={"cost_days": [0.05, 0.2], "max_turnover": [0.1, 0.3]},
        executor=executor,
    )
swept.pivot_table("share_of_gain", ["policy", "max_turnover"], "cost_days").drop(index=["never", "optimum"]).round(2)

# %% [markdown]
# **Conclusion.** Independent questions belong into one call: a batch answers ten thousand in the time in which a loop
# answers hundreds, and each is as certified as one alone. One question that changes belongs into a session. What should
# be chosen once - a limit, a cost that one reckons with, a policy - belongs into a sweep, on as many processors as
# there are.
