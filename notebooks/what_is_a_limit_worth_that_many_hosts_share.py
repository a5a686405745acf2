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
# # What is a limit worth that many hosts share?
#
# Five hundred hosts at twenty sites earn with six protocols. Each host decides what it holds; what they share is the
# power of their site, a cap on one protocol in the whole fleet, and one budget for all moves. Which of these limits is
# worth paying for, and what happens when a site loses half of its power?

# %%
import numpy as np
import pandas as pd

import reallot as ra

# %% [markdown]
# ## The fleet
#
# A row for each host and protocol; all numbers are made, with a fixed seed. Hosts are of different sizes, and a share
# of rendering or mining draws more power than one of storage.

# %%
random = np.random.default_rng(17)
hosts, names = 500, ["storage", "relay", "render", "mining", "proxy", "cache"]
watts = {"storage": 30.0, "relay": 20.0, "render": 300.0, "mining": 350.0, "proxy": 25.0, "cache": 40.0}
pays = {"storage": 1.0, "relay": 0.9, "render": 2.2, "mining": 1.9, "proxy": 0.8, "cache": 1.1}
rows = []
for h in range(hosts):
    size, shares = random.choice([1.0, 2.0, 4.0]), random.dirichlet(np.ones(len(names)))
    for name, share in zip(names, shares, strict=True):
        rows.append(
            {
                "host": f"host{h:03d}",
                "protocol": name,
                "site": f"site{h % 20:02d}",
                "size": size,
                "rate": size * pays[name] * random.lognormal(0.0, 0.3),
                "current": share,
                "move_cost": 0.8 * size,
                "uses.power": size * watts[name],
            }
        )
table = pd.DataFrame(rows)
sizes = table.groupby("host")["size"].first().to_dict()
fleet = ra.Fleet.from_frame(table.drop(columns="size"), sizes, horizon_hours=24, limits=ra.Limits(max_change=0.3))
drawn = (table["uses.power"] * table["current"]).groupby(table["site"]).sum()
held = (table["size"] * table["current"])[table["protocol"] == "render"].sum()
limits = ra.FleetLimits(
    protocol_caps={"render": 1.1 * held},
    move_budget=250.0,
    resources={"power": {site: 1.1 * power for site, power in drawn.items()}},
)
fleet

# %% [markdown]
# ## One plan for all
#
# The plan is one linear program, certified like that of a single host: no plan is worth more than the bound.

# %%
plan = ra.allocate_fleet(fleet, limits)
print(f"{plan.net_benefit:,.2f} USD more than staying, no plan more than {plan.bound:,.2f} ({plan.gap:.0e})")
print(f"{plan.moving_hosts} of {hosts} hosts move; {plan.certificate.worst_residual:.0e} is the worst violation")

# %% [markdown]
# ## What one more unit is worth
#
# The price of a limit is what one unit more of it brings over the day. A dollar more for moves brings back much more
# than a dollar; that is the limit to loosen first.

# %%
pd.DataFrame(plan.shared_limits).set_index("name")[["used", "limit", "unit", "price"]].sort_values(
    "price", ascending=False
).head(8).round(3)

# %%
# a price is a slope, and holds for the next unit: ten dollars more, decided again
more = ra.allocate_fleet(
    fleet,
    ra.FleetLimits(protocol_caps=limits.protocol_caps, move_budget=260.0, resources=limits.resources),
    prices=plan.prices,
)
print(f"10 USD more for moves bring {more.net_benefit - plan.net_benefit:.2f} USD;", end=" ")
print(f"the price said {10 * plan.prices['budget']:.2f} at most")
assert more.net_benefit - plan.net_benefit <= 10 * plan.prices["budget"] + 1e-6

# %% [markdown]
# ## A site loses half of its power
#
# Its hosts give up what draws most, whatever that earns; the budget for moves goes there first, and other sites move
# less.

# %%
power = dict(limits.resources["power"])
power["site07"] = 0.5 * drawn["site07"]
dark = ra.allocate_fleet(
    fleet,
    ra.FleetLimits(protocol_caps=limits.protocol_caps, move_budget=limits.move_budget, resources={"power": power}),
    prices=plan.prices,
)
print(f"worth {dark.net_benefit - plan.net_benefit:,.2f} USD a day compared with the plan before")
print(f"one more watt at site07 would bring {dark.prices['resource power site07']:.4f} USD a day")
changes = dark.to_frame().merge(table[["host", "protocol", "site", "size"]], on=["host", "protocol"])
changes["units"] = changes["size"] * changes["change"]
print(changes[changes["site"] == "site07"].groupby("protocol")["units"].sum().round(2).to_dict())


watt = pd.Series({name.split()[-1]: price for name, price in dark.prices.items() if name.startswith("resource")})
axes = watt.plot.barh(figsize=(7, 4.5), color=["tab:red" if site == "site07" else "tab:blue" for site in watt.index])
axes.set(title="What one more watt is worth at each site", xlabel="USD a day for a watt", ylabel="site")
axes.figure.tight_layout()

# %% [markdown]
# ## One host, explained
#
# A host of that site at the fleet's prices: power is charged to what draws it, so that the host alone chooses as the
# fleet does.

# %%
first = next(move for move in dark.moves() if fleet.sites[move.host] == "site07")
print(ra.explain(dark.host(first.host)))

# %% [markdown]
# **Conclusion.** Of all shared limits the budget for moves is worth most: a dollar more brings back fourteen. A site
# that loses half of its power costs what its hosts must give up and the moves that the rest of the fleet goes without;
# its price says what a watt back would bring, before anybody asks for it.
