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
# # What should earn where?
#
# One machine, five ways to earn with it. What each earns depends on how much it is given, and some of it cannot be had
# for free. This is the first question that anybody has: which split is best, how much better is it than today's, and
# why?

# %%
import pandas as pd

import reallot as ra

# %% [markdown]
# First, what there is. All numbers are made. A rate is USD per hour for the whole machine; where more of it does not
# earn as much more, a curve says so: share, USD per hour.

# %%
protocols = [
    ra.ProtocolSpec("storage", ra.EarningsCurve.through([(0, 0), (0.2, 0.50), (0.5, 0.80)]), move_cost=0.5),
    ra.ProtocolSpec("relay", ra.EarningsCurve.through([(0, 0), (0.3, 0.57), (0.6, 0.84)]), move_cost=0.1),
    ra.ProtocolSpec("render", 1.7, max_share=0.4, move_cost=3.0),
    ra.ProtocolSpec("proxy", ra.EarningsCurve.through([(0, 0), (0.1, 0.22), (1.0, 0.30)])),
    ra.ProtocolSpec("mining", 0.9),
]
today = {"storage": 0.4, "relay": 0.1, "render": 0.0, "proxy": 0.0, "mining": 0.5}

# %% [markdown]
# Then, for how long a decision lasts, and what it must respect: costs count once, earnings every hour, so a move that
# does not pay in an hour may pay in a day. Nothing shall change by more than 0.3 of the machine at once.

# %%
problem = ra.AllocationProblem(protocols, today, horizon_hours=24, limits=ra.Limits(max_change=0.3))
plan = ra.allocate(problem)
plan

# %% [markdown]
# The table above is the plan as it would be carried out. The same as a picture, for those who were not there:

# %%
plan.plot()

# %% [markdown]
# Why did it move, and why did the others stay? Gains less costs add up to the net benefit, and each protocol that
# stayed has a rate at which it would not.

# %%
why = ra.explain(plan, budget_seconds=None)
print(why)

# %% [markdown]
# The answer comes with a proof: a bound that no plan within these rules can pass, computed from prices without trusting
# the solver. The gap between plan and bound is what could at most be missing.

# %%
print(plan.solver, "-", plan.solver_reason)
print(plan.certificate)

# %% [markdown]
# What if the decision lasted only an hour, or a week? The costs are the same, what they buy is not.

# %%
hours = [1, 6, 24, 168]
plans = [ra.allocate(ra.AllocationProblem(protocols, today, horizon_hours=h, limits=problem.limits)) for h in hours]
table = pd.DataFrame({h: plan.shares for h, plan in zip(hours, plans, strict=True)}).T
table.assign(**{"net benefit (USD)": [plan.net_benefit for plan in plans]}).rename_axis("hours").round(3)

# %% [markdown]
# **Conclusion.** Give the next unit to whoever earns most with it, not to whoever earns most per unit so far: storage
# and the relay are worth their first shares and not their last. Mining, which earns the same everywhere, gives what the
# others take, and no more than the limit lets it. And how long a decision lasts is part of the question: for an hour
# only moves that cost next to nothing are worth it, for a day all of them are.
