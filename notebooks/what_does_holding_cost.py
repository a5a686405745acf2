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
# # What does holding cost?
#
# Holding takes many forms. A storage node keeps what it stores; a contract has a notice period; whoever has just moved
# rests for some hours; nobody changes by more than so much at once, or pays a fee for each change. All of them keep
# shares where they are. What is given up by each?

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import reallot as ra

# %% [markdown]
# Rates over time: a CSV or Parquet file of your own, named in `REALLOT_TRACE`; else four weeks, made here with a fixed
# seed: levels that wander, a daily swing for the render farm, noise, and hours without earnings.

# %%
random = np.random.default_rng(4)
names = ["storage", "relay", "render", "batch"]
hours = pd.date_range("2026-03-02", periods=28 * 24, freq="h", tz="UTC")
level = np.array([1.6, 1.5, 1.4, 1.3]) + np.cumsum(0.03 * random.standard_normal((len(hours), 4)), axis=0)
swing = np.outer(np.sin(2 * np.pi * np.arange(len(hours)) / 24), [0.0, 0.0, 0.6, 0.0])
out = np.repeat(random.random((len(hours) // 6, 4)) < 0.02, 6, axis=0)
made = np.where(out, 0.0, np.maximum(level + swing + 0.15 * random.standard_normal(level.shape), 0.0))
trace = os.environ.get("REALLOT_TRACE") or pd.DataFrame(made, hours, names)


def net(**limits):
    """The most that could have been earned in hindsight, USD, moving everything for a tenth of a day's earnings."""
    limits = {"max_turnover": 0.2, **limits}
    return ra.backtest(trace, "never", ra.Setting(limits=ra.Limits(**limits), cost_days=0.1)).optimum.net


# %% [markdown]
# ## A share that may not change
#
# Each in turn is held at its equal share from the first hour to the last. What that costs is the difference of two
# optima in hindsight, both proved: no forecast and no policy is in it.

# %%
free = net()
present = list(ra.backtest(trace, "never").table.names)
held = pd.Series({name: free - net(held=[name]) for name in present}, name="cost of the hold (USD)")
held.to_frame().assign(part=held / free).round(3)

# %% [markdown]
# ## A limit on every change
#
# The same for the largest change of any share in an hour.

# %%
changes = [0.02, 0.05, 0.1, 0.2]
slow = pd.Series({change: free - net(max_change=change) for change in changes}, name="cost of the limit (USD)")
slow.rename_axis("max change per hour").to_frame().assign(part=slow / free).round(4)

# %% [markdown]
# ## A rest after every move
#
# Whoever has moved rests. This cannot be asked of the optimum, but of policies that see only the past: does a rest cost
# anything, or does it keep from moving too often? `share_of_gain` is (policy - never) / (optimum - never).

# %%
policies = ["profit-switching", "ema", "replay"]
rests = ra.sweep({"trace": trace}, policies, vary={"hold": ["0h", "3h", "12h", "48h", "168h"]})
gains = rests.pivot(index="hold", columns="policy", values="share_of_gain").loc[rests["hold"].unique(), policies]
gains.round(3)

# %% [markdown]
# ## A fee for every change
#
# A fee in USD for each share that changes should hold back small moves. These two rules do not look at it, so each plan
# pays it; what a plan does that reckons with it, another notebook asks (`what_does_a_fee_per_move_change`).

# %%
fees = ra.sweep({"trace": trace}, ["profit-switching", "ema"], vary={"move_fee": [0.0, 0.1, 0.5]})
fees.pivot(index="move_fee", columns="policy", values=["plans", "share_of_gain"]).drop(
    columns=["optimum", "never"], level=1
).round(2)

# %% [markdown]
# ## A hold that ends
#
# Looking ahead, a plan knows when a hold ends. Four protocols over a week, day by day, with the forecast that the relay
# falls and batch jobs rise: what does each hold cost, by the day on which it ends?

# %%
days, today = 7, {"storage": 0.3, "relay": 0.4, "compute": 0.2, "batch": 0.1}
start, trend = {"storage": 1.4, "relay": 1.1, "compute": 1.7, "batch": 1.5}, {"relay": -0.06, "batch": 0.08}
rates = {name: rate + trend.get(name, 0.0) * np.arange(days) for name, rate in start.items()}


def plan_with(held):
    """The best plan for the week where each protocol in `held` may not change before the day it names."""
    specs = [ra.ProtocolSpec(name, rate, max_share=0.5, move_cost=0.4) for name, rate in start.items()]
    limits = ra.Limits(max_change=0.2, held=held)
    return ra.allocate(ra.AllocationProblem(specs, today, horizon_hours=24 * 7, periods=7, rates=rates, limits=limits))


until = range(days + 1)
best = plan_with({}).net_benefit
costs = {name: [best - plan_with({name: day}).net_benefit for day in until] for name in start}
print(plan_with({"relay": days}).prices["held relay"], "USD/h for the first bit of the relay's freedom")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for (name, gain), dash, marker in zip(gains.items(), ["-", "--", ":"], "os^", strict=True):
    left.plot(range(len(gains)), gain, ls=dash, marker=marker, color="0.2", label=name)
left.set_xticks(range(len(gains)), gains.index)
left.set(xlabel="rest after a move", ylabel="share of the gain", title="What a rest after every move leaves")
for (name, line), dash, marker in zip(costs.items(), ["-", "--", "-.", ":"], "os^D", strict=True):
    right.plot(until, line, ls=dash, marker=marker, color="0.2", label=name)
right.set(xlabel="held until day", ylabel="cost of the hold (USD)", title="What a hold that ends costs")
left.legend()
right.legend()
plt.show()

# %% [markdown]
# **Conclusion.** Holding one share for the whole time is dear: all that it could have earned elsewhere, or that others
# could have earned with it, a tenth of everything here. A limit on each change costs next to nothing, because what is
# worth going to lasts longer than the way there. A rest after a move can even earn: it keeps a rule that switches too
# often from doing so; it only costs those who move seldom, and them when it outlasts what they moved for. And a hold
# that ends costs about as much for each day that it lasts, which is what to pay at most for ending it a day earlier.
