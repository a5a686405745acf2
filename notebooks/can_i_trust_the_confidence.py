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
# # Can I trust the confidence?
#
# A plan says how sure it is: the probability that it earns back what it costs. Such a number is easy to print and
# seldom true, because whoever picks the best of many forecasts picks those that err upward. It is true if, of all plans
# of which 0.7 was said, seven in ten pay. That can be counted.

# %%
import numpy as np
import pandas as pd

import reallot as ra

# %% [markdown]
# Six worlds of six weeks each, made with fixed seeds: levels that wander, days, noise. Rates of your own can stand in
# their place: tables by name, or files.


# %%
def world(seed):
    """Hourly rates, USD/h per unit of share."""
    random = np.random.default_rng(seed)
    hours, size = pd.date_range("2026-01-01", periods=42 * 24, freq="h", tz="UTC"), 6
    level = 2.0 + np.cumsum(random.uniform(0.02, 0.06) * random.standard_normal((len(hours), size)), axis=0)
    day = 2 * np.pi * (np.arange(len(hours))[:, None] / 24 - random.random(size))
    noise = random.uniform(0.1, 0.5) * random.standard_normal(level.shape)
    rates = np.maximum(level + random.uniform(0.0, 0.5, size) * np.sin(day) + noise, 0.0)
    return pd.DataFrame(rates, hours, [f"app {letter}" for letter in "ABCDEF"])


worlds = {f"world {seed}": world(seed) for seed in range(6)}

# %% [markdown]
# The default policy decides on each, as it would live. Every change of shares is noted, with what was said of it in
# that moment, and what came of it by the end of the hours over which it is judged. At first nothing is said: it takes
# plans that are over to learn how sure one may be, and nothing is better than a number without a reason.

# %%
setting = ra.Setting(cost_days=0.02)
results = {name: ra.backtest(rates, ["replay", "cautious"], setting) for name, rates in worlds.items()}
plans = pd.concat({name: result.plans("replay") for name, result in results.items()}, names=["world"])
said = plans.dropna()
print(f"{len(plans)} plans, {len(said)} of them with a probability and over by now")
plans.head(8).round(3)

# %% [markdown]
# Said against happened, over all worlds. The Brier score is the mean of (said - happened)²; who says 0.5 of everything
# has 0.25, and who says the base rate, which is known only in hindsight, stands beside it.

# %%
seen = ra.reliability(said["confidence"], said["net"] > 0)
ra.plots.reliability_figure(seen)

# %% [markdown]
# The same by world. Few plans prove little, and what is known of one world says little of another: look at your own.

# %%
groups = {name: ra.reliability(each["confidence"], each["net"] > 0) for name, each in said.groupby("world")}
pd.DataFrame(
    {
        name: {
            "plans": each.count,
            "said": np.nansum(each.said * each.counts) / each.count,
            "happened": each.base,
            "Brier": each.brier,
            "Brier of the base rate": each.base_brier,
        }
        for name, each in groups.items()
    }
).T.round(2)

# %% [markdown]
# Does it pay to ask for more? What plans brought by what was said of them, in USD for each plan, and in all:

# %%
cuts = pd.cut(said["confidence"], [0.0, 0.5, 0.6, 0.7, 0.8, 1.0])
said.groupby(cuts, observed=True)["net"].agg(["count", "mean", "sum"]).round(3)

# %% [markdown]
# The gate by hand: `cautious` is the same policy, which only acts from 0.6 on.

# %%
frames = pd.concat([result.to_frame() for result in results.values()])
mean = frames.groupby("policy")[["share_of_gain", "plans", "cost", "drawdown"]].mean()
mean.loc[["never", "replay", "cautious", "optimum"]].round(2)

# %% [markdown]
# **Conclusion.** On the whole, and with reserve. Of plans of which more was said more paid and brought more, and what
# was said is within some points of what happened; but a hundred plans or two leave wide intervals, and by world, with a
# few dozen plans each, it is too low in one and too high in another. So a high number is a reason, not a promise. As a
# gate it does little here: acting only from 0.6 on makes fewer plans and gains as much. Count it on your own rates
# before you rely on it.
