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
# # What does a limit cost?
#
# Limits protect: from moving too much at once, from giving up what took weeks to build. They also cost, and nobody can
# say whether they are worth it who does not know how much. There are three ways to find out: ask for its price, take it
# away, or draw what every value of it would earn.

# %%
import numpy as np
import pandas as pd

import reallot as ra

# %% [markdown]
# Ten protocols, a split that is somewhat off, and three limits: at most 0.25 of the capacity moves, no protocol changes
# by more than 0.1, and the cache, which took long to warm up, is held. Rates and shares are made, with a fixed seed.

# %%
random = np.random.default_rng(11)
names = ["archive", "relay", "render", "proxy", "mining", "jobs", "cache", "batch", "rental", "edge"]
rates = dict(zip(names, random.uniform(1.0, 3.0, len(names)).round(2), strict=True))
today = dict(zip(names, random.dirichlet(np.full(len(names), 6.0)), strict=True))
limits = ra.Limits(max_turnover=0.25, max_change=0.1, held=["cache"])


def plan_with(rates: dict[str, float], limits: ra.Limits) -> ra.Allocation:
    """The best plan for a day."""
    specs = [ra.ProtocolSpec(name, rates[name], max_share=0.4, move_cost=0.8) for name in names]
    return ra.allocate(ra.AllocationProblem(specs, today, horizon_hours=24, limits=limits))


plan = plan_with(rates, limits)
plan

# %% [markdown]
# Three answers to one question: as it is today, the best within the limits, and the best if nothing limited a change.

# %%
why = ra.explain(plan, budget_seconds=None)
answers = {name: answer.net_per_hour for name, answer in why.answers.items()}
pd.Series(answers, name="USD/h after costs").to_frame().round(3)

# %% [markdown]
# What each limit costs: the same problem with that one alone taken away. These do not add up to the difference above,
# because where one limit goes, the next one stops the move.

# %%
pd.Series({limit.name: limit.usd_per_hour for limit in why.limits}, name="USD/h").to_frame().round(3)

# %% [markdown]
# Its price is something else: what one unit more of it would add, for the first little bit. It costs nothing to ask,
# since it comes with the plan. For the turnover it can be checked by asking twice.

# %%
little = 0.001
more = plan_with(rates, ra.Limits(max_turnover=0.25 + little, max_change=0.1, held=["cache"]))
print(plan.prices["turnover"], "USD/h for a unit of turnover")
print(f"{(more.net_benefit - plan.net_benefit) / 24 / little:.3f} USD/h, asked twice")

# %% [markdown]
# What would any other turnover limit earn? The whole frontier comes from one solve, corner by corner. Its slope is the
# price of the turnover.

# %%
found = ra.frontier(plan.problem)
ra.plots.frontier_figure(found, limit=0.25)

# %% [markdown]
# Prices change with the rates. Over two days in which half of the protocols earn by day and half by night, the same
# limits from the same split cost much at some hours and nothing at others.

# %%
hours = pd.date_range("2026-03-02", periods=48, freq="h", tz="UTC")
prices = {}
for at, hour in enumerate(hours):
    wave = {name: 1 + 0.4 * np.cos(2 * np.pi * (at / 24 - place % 2 / 2)) for place, name in enumerate(names)}
    prices[hour] = plan_with({name: rates[name] * wave[name] for name in names}, limits).prices
ra.plots.prices_figure(prices, ["capacity", "turnover", "held cache"])

# %% [markdown]
# **Conclusion.** A limit has a cost (it alone taken away) and a price (a little more of it), and they answer different
# questions: whether it should be there, and in which direction to turn it. The frontier joins the two: it is steep
# where a limit hurts and flat where it does not, and here most of what could be had is had well before its end. A price
# that is high now may be nothing twelve hours later, so a limit should be judged over days.
