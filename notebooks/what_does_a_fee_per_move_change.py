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
# # What does a fee per move change?
#
# A proportional cost makes every unit of a move dearer by the same amount. A fee is paid once, however small the move:
# a migration, a restart, a gas fee. Which moves are then still worth making?

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import reallot as ra

# %% [markdown]
# Twelve protocols with diminishing returns, and a split that is somewhat off. All numbers are made, with a fixed seed.

# %%
random = np.random.default_rng(7)
names = [f"app {letter}" for letter in "ABCDEFGHIJKL"]
rates = dict(zip(names, random.uniform(1.5, 3.5, len(names)), strict=True))
curves = {name: ra.EarningsCurve.through([(0, 0), (0.1, 0.1 * r), (0.3, 0.2 * r)]) for name, r in rates.items()}
today = dict(zip(names, random.dirichlet(np.full(len(names), 5.0)).round(3), strict=True))
today["app L"] += 1.0 - sum(today.values())


def plan_with(fee: float) -> ra.Allocation:
    """The best plan for a day where every protocol that changes pays `fee` USD."""
    specs = [ra.ProtocolSpec(name, curves[name], move_fee=fee) for name in names]
    return ra.allocate(ra.AllocationProblem(specs, today, horizon_hours=24))


# %% [markdown]
# Without a fee, nearly everything moves: it costs nothing to pick up the last cent.

# %%
free = plan_with(0.0)
free

# %% [markdown]
# With half a dollar per move, fewer protocols move, and those that do move further.

# %%
plan_with(0.5)

# %%
fees = np.linspace(0.0, 1.6, 33)
plans = [plan_with(fee) for fee in fees]
table = pd.DataFrame(
    {
        "moves": [len(plan.moves) for plan in plans],
        "turnover": [plan.turnover for plan in plans],
        "net benefit": [plan.net_benefit for plan in plans],
        "fees paid": [plan.cost for plan in plans],
    },
    index=pd.Index(fees.round(2), name="fee, USD"),
)
table.iloc[::4].round(3)

# %% [markdown]
# The dashed line is what a planner gets who ignores the fee: the free plan, with its fees paid afterwards.

# %%
figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(7, 5))
above.step(fees, table["moves"], where="mid")
above.set(ylabel="protocols that move", title="What a fee per move changes")
below.plot(fees, table["net benefit"], label="fee inside the decision")
below.plot(fees, free.net_benefit - len(free.moves) * fees, linestyle="--", label="fee ignored, then paid")
below.axhline(0.0, color="grey", linewidth=0.8)
below.set(xlabel="fee per move, USD", ylabel="net benefit over a day, USD")
below.legend()
figure.tight_layout()

# %%
print(f"stays from a fee of {fees[[not plan.moves for plan in plans].index(True)]:.2f} USD on")

# %% [markdown]
# **Conclusion.** A fee does not shrink moves, it removes them: the plan keeps the few that carry most of the gain, and
# the net benefit falls ever more slowly as the fee rises. It never falls below zero, since staying is one of the
# answers. Ignoring the fee and paying it afterwards loses money from half a dollar on.
