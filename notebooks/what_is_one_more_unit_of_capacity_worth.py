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
# # What is one more unit of capacity worth?
#
# Before renting another machine it helps to know what it would earn, given everything that is already there and every
# rule that holds. The price of capacity says so.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import reallot as ra

# %% [markdown]
# Three protocols with diminishing returns (made numbers, no randomness needed). Capacity 1 is what there is today.

# %%
specs = [
    ra.ProtocolSpec("storage", ra.EarningsCurve.through([(0, 0), (0.3, 0.9), (0.6, 1.2)])),
    ra.ProtocolSpec("relay", ra.EarningsCurve.through([(0, 0), (0.4, 0.84), (0.8, 1.16)])),
    ra.ProtocolSpec("compute", 0.6),
]


def plan_with(capacity: float) -> ra.Allocation:
    """The best split of `capacity`, starting from nothing."""
    nothing = dict.fromkeys(("storage", "relay", "compute"), 0.0)
    return ra.allocate(ra.AllocationProblem(specs, nothing, capacity=capacity))


plan = plan_with(1.0)
plan

# %% [markdown]
# The price is an interval: the lower end is what one more unit would add, the upper end what the last unit adds.

# %%
plan.prices["capacity"]

# %% [markdown]
# At a capacity of exactly 0.7 the answer has a kink: the dear pieces are full, and what comes next earns less.

# %%
plan_with(0.7).prices["capacity"]

# %%
capacities = np.round(np.arange(0.05, 2.0, 0.05), 2)
plans = [plan_with(capacity) for capacity in capacities]
table = pd.DataFrame(
    {
        "earnings, USD/h": [plan.earnings_per_hour for plan in plans],
        "one more adds": [plan.prices["capacity"].low for plan in plans],
        "the last adds": [plan.prices["capacity"].high for plan in plans],
    },
    index=pd.Index(capacities, name="capacity"),
)
table.iloc[1::6].round(3)

# %% [markdown]
# A check that asks the question the long way round: the slope of the earnings lies in the interval everywhere.

# %%
slope = np.diff(table["earnings, USD/h"]) / np.diff(capacities)
most, least = table["one more adds"].to_numpy()[:-1], table["the last adds"].to_numpy()[1:]
fits = (least - 1e-9 <= slope) & (slope <= most + 1e-9)
print(f"{fits.sum()} of {fits.size} steps fit")

# %%
figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(7, 5))
above.plot(capacities, table["earnings, USD/h"])
above.set(ylabel="earnings, USD/h", title="What one more unit of capacity is worth")
below.fill_between(capacities, table["one more adds"], table["the last adds"], step="mid", alpha=0.3)
below.step(capacities, table["one more adds"], where="mid")
below.set(xlabel="capacity", ylabel="price, USD/h per unit")
figure.tight_layout()

# %% [markdown]
# **Conclusion.** The price falls in steps: each step is the best use that is not yet full. At today's capacity another
# tenth is worth a tenth of the price, so a machine that costs more than that per hour does not pay, whatever the
# average earnings look like. Earnings per unit would mislead: they count the dear pieces that are full already.
