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
# A protocol may have to stay as it is: a storage node keeps what it stores, a contract has a notice period. What is
# given up by that, and for how long is it worth waiting?

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import reallot as ra

# %% [markdown]
# Four protocols on one machine over a week, planned day by day. The rates of the coming days are a forecast: made
# here, with a fixed seed, around levels that fall for the relay and rise for the batch jobs.

# %%
days = 7
random = np.random.default_rng(4)
level = {"storage": 1.4, "relay": 1.1, "compute": 1.7, "batch": 1.5}
trend = {"storage": 0.00, "relay": -0.06, "compute": 0.00, "batch": 0.08}
rates = pd.DataFrame(
    {name: level[name] + trend[name] * np.arange(days) + 0.05 * random.normal(size=days) for name in level}
)
rates.round(2)

# %%
specs = [ra.ProtocolSpec(name, level[name], max_share=0.5, move_cost=0.4) for name in level]
today = {"storage": 0.3, "relay": 0.4, "compute": 0.2, "batch": 0.1}


def plan_with(held: dict[str, int]) -> ra.Allocation:
    """The best plan for the week where each protocol in `held` may not change before the day it names."""
    limits = ra.Limits(max_change=0.2, held=held)
    problem = ra.AllocationProblem(specs, today, horizon_hours=24 * days, periods=days, rates=rates, limits=limits)
    return ra.allocate(problem)


free = plan_with({})
free

# %% [markdown]
# The relay's whole share goes elsewhere, a fifth of the capacity a day. The schedule of the week:

# %%
free.schedule_frame().round(3)

# %% [markdown]
# Now each protocol in turn is held for the whole week. What that costs is the difference of two net benefits, both
# measured against staying: no price needed, just asking twice.

# %%
cost_of_hold = pd.Series({name: free.net_benefit - plan_with({name: days}).net_benefit for name in level})
cost_of_hold.rename("USD over the week").round(2)

# %% [markdown]
# The price of a hold asks something else: what the first bit of freedom is worth, per hour and unit of share. It costs
# nothing to compute, because it comes with the plan.

# %%
held_relay = plan_with({"relay": days})
held_relay.prices["held relay"]

# %% [markdown]
# Holds end. How does the cost grow with the day on which the relay becomes free?

# %%
until = range(days + 1)
costs = {name: [free.net_benefit - plan_with({name: day}).net_benefit for day in until] for name in level}

# %%
figure, axes = plt.subplots(figsize=(7, 4))
for name, line in costs.items():
    axes.plot(until, line, marker="o", label=name)
axes.set(xlabel="held until day", ylabel="cost of the hold, USD", title="What a hold of each protocol costs")
axes.legend()
figure.tight_layout()

# %% [markdown]
# **Conclusion.** A hold costs what the held share would have gained elsewhere, or what it would have taken on, for as
# long as the hold lasts. The relay's is by far the dearest, since all of it wants to leave, and nearly each further day
# adds the same amount; holding compute or batch costs something too, since they may not grow. Where a hold can be
# shortened at a price, the curve above says what to pay at most.
