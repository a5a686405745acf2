"""Random fleets as long tables, and a second reading of the documented rules: scipy's `milp` on rows laid out here."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from reallot import Fleet, FleetLimits, Limits

KINDS = ("caps", "floors", "turnover", "budget", "moving", "resource", "exclusive")
CONTINUOUS = ("caps", "floors", "turnover", "budget", "resource")


@dataclass(frozen=True)
class World:
    """One fleet in the words of its table."""

    frame: pd.DataFrame
    sizes: dict[str, float]
    hours: float
    own: Limits
    limits: FleetLimits = field(default_factory=FleetLimits)

    def fleet(self) -> Fleet:
        return Fleet.from_frame(self.frame, self.sizes, self.hours, self.own)


def world(
    seed: int, kinds: tuple[str, ...] = CONTINUOUS, hosts: int | None = None, protocols: int | None = None
) -> World:
    """A random fleet in which staying meets all rules, with shared limits of these kinds, mostly tight."""
    g = np.random.default_rng(seed)
    count, size = hosts or int(g.integers(2, 31)), protocols or int(g.integers(2, 7))
    names = [f"p{i}" for i in range(size)]
    rows = []
    used = np.zeros(size)
    resource = np.zeros(3)
    sizes = {f"h{h}": float(g.choice([0.5, 1.0, 2.0])) for h in range(count)}
    asymmetric, steps = bool(g.integers(2)), bool(g.integers(2))
    for h in range(count):
        has = np.sort(g.choice(size, int(g.integers(1, size + 1)), replace=False))
        now = g.dirichlet(np.full(has.size, 0.7))
        if steps:
            now = np.round(now * 4) / 4
            now[0] += 1.0 - now.sum()
            now = np.abs(now) / np.abs(now).sum()
        for p, share in zip(has, now, strict=True):
            used[p] += sizes[f"h{h}"] * share
            use = float(g.integers(0, 4))
            resource[h % 3] += use * share
            rows.append(
                {
                    "host": f"h{h}",
                    "protocol": names[p],
                    "site": f"s{h % 3}",
                    "rate": float(g.integers(0, 8)) if steps else float(g.lognormal(0.0, 0.8)),
                    "current": share,
                    "max_share": float(max(share, g.choice([0.4, 0.8, 1.0]))),
                    "min_share": float(min(share, g.choice([0.0, 0.0, 0.1]))),
                    "move_cost_in": float(g.choice([0.0, 0.5, 3.0])),
                    "move_cost_out": float(g.choice([0.0, 1.0])) if asymmetric else 0.5,
                    "warm_up_hours": float(g.choice([0.0, 0.0, 2.0])),
                    "uses.power": use,
                }
            )
        if "exclusive" in kinds and g.integers(3):
            rows.append(
                {
                    **rows[-1],
                    "protocol": "alone",
                    "rate": float(g.uniform(2.0, 6.0)),
                    "current": 0.0,
                    "max_share": 0.6,
                    "min_share": 0.0,
                }
            )
    frame = pd.DataFrame(rows)
    own = Limits(
        max_change=None if g.integers(2) else 0.3,
        max_turnover=None if g.integers(2) else 0.25,
        held=["p0"] if g.integers(4) == 0 and (frame["protocol"] == "p0").any() else [],
    )
    limits: dict[str, object] = {}
    there = sorted(set(frame["protocol"]))
    chosen = [p for p in range(size) if g.integers(2) and names[p] in there]
    if "caps" in kinds:
        limits["protocol_caps"] = {names[p]: float(used[p] * g.choice([1.0, 1.05, 1.3]) + 0.01) for p in chosen}
    if "floors" in kinds:
        limits["protocol_floors"] = {
            names[p]: float(used[p] * g.choice([0.5, 1.0]))
            for p in range(size)
            if p not in chosen and names[p] in there
        }
    if "turnover" in kinds:
        limits["turnover"] = float(0.08 * sum(sizes.values()))
    if "budget" in kinds:
        limits["move_budget"] = float(0.1 * count)
    if "moving" in kinds:
        limits["moving_hosts"] = int(g.integers(0, count + 1))
    if "resource" in kinds:
        sites = [f"s{i}" for i in range(min(3, count))]
        limits["resources"] = {"power": {site: float(resource[i] + 0.1) for i, site in enumerate(sites)}}
    if "exclusive" in kinds and "alone" in there:
        limits["exclusive"] = {"alone": "site"}
    return World(frame, sizes, float(g.choice([1.0, 24.0])), own, FleetLimits(**limits))  # type: ignore[arg-type]


def best_of(given: World) -> float:
    """The largest net benefit (USD over the horizon) by scipy's milp; NaN where there is no plan."""
    frame, limits, own = given.frame, given.limits, given.own
    count = len(frame)
    hosts = list(dict.fromkeys(frame["host"]))
    host = np.array([hosts.index(name) for name in frame["host"]])
    weight = np.array([given.sizes.get(name, 1.0) for name in frame["host"]])
    now, rate = frame["current"].to_numpy(), frame["rate"].to_numpy()
    change = np.full(count, np.inf if own.max_change is None else float(own.max_change))  # type: ignore[arg-type]
    change[frame["protocol"].isin(list(own.held))] = 0.0
    low = np.maximum(frame["min_share"].to_numpy(), now - change)
    high = np.minimum(frame["max_share"].to_numpy(), now + change)
    up, down = np.maximum(high - now, 0.0), np.maximum(now - low, 0.0)
    lost = np.minimum(frame["warm_up_hours"].to_numpy(), given.hours) * np.maximum(rate, 0.0)
    into, out = frame["move_cost_in"].to_numpy(), frame["move_cost_out"].to_numpy()
    # columns: increases, decreases, moves of each host, holds of each row
    moves, holds = len(hosts), count
    width = 2 * count + moves + holds
    gain = np.zeros(width)
    gain[:count] = given.hours * rate - into - lost
    gain[count : 2 * count] = -given.hours * rate - out
    rows, lows, highs = [], [], []

    def add(coefficients: dict[int, float], least: float, most: float) -> None:
        row = np.zeros(width)
        for column, value in coefficients.items():
            row[column] += value
        rows.append(row)
        lows.append(least)
        highs.append(most)

    def both(values: np.ndarray, places: np.ndarray) -> dict[int, float]:
        return {int(k): float(values[k]) for k in places} | {int(count + k): -float(values[k]) for k in places}

    ones, every = np.ones(count), np.arange(count)
    for h in range(len(hosts)):
        mine = np.flatnonzero(host == h)
        add(both(ones, mine), 0.0, 0.0)
        if own.max_turnover is not None:
            add({int(k): 1.0 for k in mine}, -np.inf, float(own.max_turnover))  # type: ignore[arg-type]
        if limits.moving_hosts is not None:
            link = {int(k): 1.0 for k in mine} | {int(count + k): 1.0 for k in mine}
            add({**link, 2 * count + h: -float(up[mine].sum() + down[mine].sum())}, -np.inf, 0.0)
    for name, cap in limits.protocol_caps.items():
        at = np.flatnonzero(frame["protocol"] == name)
        add(both(weight, at), -np.inf, cap - float((weight * now)[at].sum()))
    for name, floor in limits.protocol_floors.items():
        at = np.flatnonzero(frame["protocol"] == name)
        add(both(weight, at), floor - float((weight * now)[at].sum()), np.inf)
    if limits.turnover is not None:
        add({int(k): weight[k % count] / 2 for k in range(2 * count)}, -np.inf, limits.turnover)
    if limits.move_budget is not None:
        add({int(k): np.r_[into, out][k] for k in range(2 * count)}, -np.inf, limits.move_budget)
    if limits.moving_hosts is not None:
        add({2 * count + h: 1.0 for h in range(moves)}, -np.inf, float(limits.moving_hosts))
    for name, table in limits.resources.items():
        use = frame[f"uses.{name}"].to_numpy()
        for site, most in table.items():  # type: ignore[union-attr]
            at = np.flatnonzero(frame["site"] == site)
            add(both(use, at), -np.inf, most - float((use * now)[at].sum()))
    for name in limits.exclusive:
        for site in frame["site"].unique():
            at = np.flatnonzero((frame["protocol"] == name) & (frame["site"] == site))
            for k in at:
                link = {int(k): 1.0, int(count + k): -1.0, 2 * count + moves + int(k): -float(max(high[k], now[k]))}
                add(link, -np.inf, -float(now[k]))
            add({2 * count + moves + int(k): 1.0 for k in at}, -np.inf, 1.0)
    del every
    upper = np.r_[up, down, np.ones(moves + holds)]
    whole = np.r_[np.zeros(2 * count), np.ones(moves + holds)]
    if limits.moving_hosts is None and not limits.exclusive:
        # a search over whole numbers is exact to 1e-6 only
        table, least, most = np.array(rows), np.array(lows), np.array(highs)
        above, below = np.isfinite(most), np.isfinite(least)
        linear = linprog(
            -gain,
            A_ub=np.concatenate([table[above], -table[below]]),
            b_ub=np.concatenate([most[above], -least[below]]),
            bounds=np.column_stack([np.zeros(width), upper]),
            options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
        )
        return float("nan") if linear.x is None else float(gain @ linear.x)
    found = milp(
        -gain,
        constraints=LinearConstraint(np.array(rows), lows, highs),
        bounds=Bounds(np.zeros(width), upper),
        integrality=whole,
        options={"mip_rel_gap": 0.0},
    )
    return float("nan") if found.x is None else float(gain @ found.x)
