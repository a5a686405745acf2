"""Fleets from a long table (a row for each host and protocol) and from arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...errors import InvalidInput, near_miss
from ...problem import AllocationProblem, Limits
from ...problem.arrays import BoolArray, FloatArray, IntArray
from ...problem.effective import PRESENT, widened
from ...problem.files import problem_from_frame
from ...problem.frames import columns_of
from ...problem.protocol import TIERED
from ...problem.tiers import Tiers, first_price
from ...problem.validation import LARGEST, brief, number, number_array
from ...solvers.single_period.batch import Inputs
from .hosts import HostTable, in_the_table, limits_not_in_a_fleet, table_of

NUMBERS = {
    "rate": None,
    "current": 0.0,
    "min_share": 0.0,
    "max_share": np.inf,
    "decrease_floor": 0.0,
    "move_cost": 0.0,
    "move_cost_in": np.nan,
    "move_cost_out": np.nan,
    "warm_up_hours": 0.0,
    "warm_up_earns": 0.0,
    "entry_share": 0.0,
    "step": 0.0,
    "move_fee": 0.0,
}
"""Columns of numbers, with what they are where a column is left out; `rate` has to be given."""
MAY_MISS = ("max_share", "move_cost_in", "move_cost_out")
"""Columns of numbers in which an empty cell means "not given"."""
OTHERS = ("curve", "lock_in")
"""Further columns of ProtocolSpec, whose cells are records."""
CHOICES = ("entry_share", "step", "move_fee")
"""Columns that make whole numbers of a host's problem, wherever they are above 0."""
USES = "uses."


@dataclass(frozen=True)
class Read:
    """What a frame says."""

    hosts: list[str]
    protocols: list[str]
    table: HostTable
    alone: dict[int, AllocationProblem]
    sites: dict[str, str]


def read_frame(frame: Any, hours: float, limits: Limits) -> Read:
    """The fleet of a long table; raises InvalidInput, with host and protocol, for what is wrong in it."""
    if not hasattr(frame, "index") and (hasattr(frame, "columns") or hasattr(frame, "column_names")):
        import pandas as pd

        frame = pd.DataFrame(columns_of(frame))
    _check_columns(frame)
    if hours == 0.0:
        raise InvalidInput("horizon_hours is 0; costs and earnings compare over a time above 0 (24 is a day)")
    host, hosts = _labels(frame, "host")
    protocol, protocols = _labels(frame, "protocol")
    limits.fit({name: p for p, name in enumerate(protocols)}, 1)
    if (why := limits_not_in_a_fleet(limits)) is not None:
        raise InvalidInput(f"limits has {why}; a fleet cannot weigh that against other hosts: leave it out")
    places = host * len(protocols) + protocol
    if np.unique(places).size < places.size:
        order = np.sort(places)
        twice = int(order[:-1][order[1:] == order[:-1]][0])
        raise InvalidInput(
            f"host {hosts[twice // len(protocols)]}, protocol {protocols[twice % len(protocols)]} stands in more "
            "than one row; give one row for each host and protocol"
        )
    cells = _CellPlaces(frame, host, protocol, hosts, protocols)
    columns = {name: cells.numbers(name, default) for name, default in NUMBERS.items()}
    alone = _places_alone(frame, columns, host, len(hosts), limits)
    problems = {int(h): _problem(frame, np.flatnonzero(host == h), hours, limits) for h in np.flatnonzero(alone)}
    table = _table(cells, columns, hours, limits, alone)
    if problems:
        own = table_of(list(problems.values()), protocols)
        at = np.array(list(problems))
        for name, values in vars(own).items():
            if name != "uses":
                getattr(table, name)[at] = values
        table.alone[at] = True
    return Read(hosts, protocols, table, problems, _sites(frame, host, hosts))


def _check_columns(frame: Any) -> None:
    if not hasattr(frame, "columns") or not hasattr(frame, "index"):
        raise InvalidInput(f"the frame is {brief(frame)}; give a pandas DataFrame with columns host, protocol and rate")
    if not frame.columns.is_unique:
        raise InvalidInput(f"the frame names column {frame.columns[frame.columns.duplicated()][0]!r} more than once")
    known = ["host", "protocol", "site", *NUMBERS, *OTHERS]
    for name in frame.columns:
        if name not in known and not (isinstance(name, str) and name.startswith(USES)):
            raise InvalidInput(f"the frame: unknown column {name!r}; {near_miss(name, [*known, USES + 'NAME'])}")
    for name in ("host", "protocol"):
        if name not in frame.columns:
            raise InvalidInput(f"the frame has no column {name!r}; give one row for each host and protocol")
    if "rate" not in frame.columns and "curve" not in frame.columns:
        raise InvalidInput("the frame has no column 'rate' (USD/h per unit of the host's share); give it")
    if not len(frame):
        raise InvalidInput("the frame has no rows; give one for each host and protocol")


def _labels(frame: Any, name: str) -> tuple[IntArray, list[str]]:
    """Number of each row's label in order of first appearance, and the labels as texts."""
    import pandas as pd

    codes, labels = pd.factorize(frame[name])
    if (codes < 0).any():
        raise InvalidInput(f"row {int(np.flatnonzero(codes < 0)[0])} of the frame has no {name}; name it")
    for label in labels:
        if not isinstance(label, str) or not label:
            raise InvalidInput(f"the frame's column {name!r} holds {brief(label)}; names are non-empty texts")
    return codes.astype(np.intp), list(labels)


@dataclass(frozen=True)
class _CellPlaces:
    """The rows of a frame, and where each belongs in the table."""

    frame: Any
    host: IntArray
    protocol: IntArray
    hosts: list[str]
    protocols: list[str]

    def numbers(self, name: str, default: float | None) -> FloatArray:
        """A column of numbers (rows,), each checked; the default where the column is not there."""
        if name not in self.frame.columns:
            return np.full(len(self.frame), np.nan if default is None else default)
        column = self.frame[name]
        if column.dtype == object:
            values = np.array([self._number(name, cell, row) for row, cell in enumerate(column)])
        else:
            values = number_array(column.to_numpy(), f"column {name}")
        low = -LARGEST if name == "rate" else 0.0
        right = (values >= low) & (values <= LARGEST)
        if name in MAY_MISS or (name == "rate" and "curve" in self.frame.columns):
            right |= np.isnan(values)
        if name == "max_share":
            right |= np.isposinf(values)
            values = np.where(np.isnan(values), np.inf, values)
        if not right.all():
            row = int(np.flatnonzero(~right)[0])
            try:
                number(float(values[row]), f"{self.at(row)}: {name}", low)
            except InvalidInput as error:
                raise error from None
            raise InvalidInput(f"{self.at(row)}: {name} is {values[row]:g}; it must be a finite number")
        return values

    def _number(self, name: str, cell: Any, row: int) -> float:
        if cell is None:
            return np.nan
        if isinstance(cell, Tiers) and name in TIERED:
            return float(first_price(cell))
        return cell if isinstance(cell, float) else number(cell, f"{self.at(row)}: {name}")

    def at(self, row: int) -> str:
        """The row in words."""
        return f"host {self.hosts[self.host[row]]}, protocol {self.protocols[self.protocol[row]]}"

    def grid(self, values: FloatArray, elsewhere: float = 0.0) -> FloatArray:
        """(rows,) as (hosts, protocols)."""
        result = np.full((len(self.hosts), len(self.protocols)), elsewhere)
        result[self.host, self.protocol] = values
        return result


def _places_alone(
    frame: Any, columns: Mapping[str, FloatArray], host: IntArray, count: int, limits: Limits
) -> BoolArray:
    """(hosts,) True where a host has choices, curves or limits that arrays do not hold."""
    if not in_the_table(limits):
        return np.ones(count, dtype=bool)
    rows = np.zeros(len(frame), dtype=bool)
    for name in CHOICES:
        rows |= columns[name] > 0.0
    for name in OTHERS:
        if name in frame.columns:
            rows |= np.array([_is_given(cell) for cell in frame[name]])
    for name in TIERED:
        if name in frame.columns and frame[name].dtype == object:
            rows |= np.array([isinstance(cell, Tiers) for cell in frame[name]])
    result = np.zeros(count, dtype=bool)
    result[host[rows]] = True
    return result


def _is_given(cell: Any) -> bool:
    return cell is not None and not (isinstance(cell, float) and cell != cell)


def _problem(frame: Any, rows: IntArray, hours: float, limits: Limits) -> AllocationProblem:
    """One host's rows as a problem of its own."""
    own = frame.iloc[rows]
    names = list(own["protocol"])
    keep = [name for name in own.columns if name in NUMBERS or name in OTHERS]
    per_host = _limits_for(limits, names)
    try:
        return problem_from_frame(own.set_index("protocol")[keep], horizon_hours=hours, limits=per_host)
    except InvalidInput as error:
        raise InvalidInput(f"host {own['host'].iloc[0]}: {error}") from None


def _limits_for(limits: Limits, names: list[str]) -> Limits:
    """The limits of every host, for one that has only some of the protocols."""
    from dataclasses import replace

    change, held = limits.max_change, limits.held
    if isinstance(change, dict):
        change = {name: most for name, most in change.items() if name in names}
    if isinstance(held, Mapping):
        held = {name: until for name, until in held.items() if name in names}
    else:
        held = [name for name in held if name in names]
    change = change or None if isinstance(change, dict) else change
    return replace(limits.among(names), max_change=change, held=held)


def _table(
    cells: _CellPlaces, columns: Mapping[str, FloatArray], hours: float, limits: Limits, alone: BoolArray
) -> HostTable:
    """The table of the hosts that arrays can hold; the rows of others are filled in afterwards."""
    rate, current, upper = (columns[name] for name in ("rate", "current", "max_share"))
    floor = np.maximum(columns["min_share"], np.minimum(current, columns["decrease_floor"]))
    wrong = np.flatnonzero(columns["min_share"] > upper)
    if wrong.size:
        row = int(wrong[0])
        raise InvalidInput(
            f"{cells.at(row)}: min_share {columns['min_share'][row]:g} is above max_share {upper[row]:g}"
        )
    open_rates = np.flatnonzero(np.isnan(rate) & ~alone[cells.host])
    if open_rates.size:
        raise InvalidInput(f"{cells.at(int(open_rates[0]))}: rate is nan; it must be a finite number")
    both = columns["move_cost"]
    cost_in, cost_out = (
        np.where(np.isnan(columns[name]), both, columns[name]) for name in ("move_cost_in", "move_cost_out")
    )
    warm_up = np.minimum(columns["warm_up_hours"] * (1.0 - np.minimum(columns["warm_up_earns"], 1.0)), hours)
    rate = np.nan_to_num(rate)
    now = cells.grid(current)
    count = len(cells.hosts)
    present = now.sum(axis=1)
    if count and np.abs(present - 100.0).max() < 1.0:
        raise InvalidInput("current sums to 100 for every host: this looks like percent; give fractions (0.4 for 40 %)")
    uses = {}
    for name in cells.frame.columns:
        if isinstance(name, str) and name.startswith(USES):
            uses[name.removeprefix(USES)] = cells.grid(cells.numbers(name, 0.0))
    there = np.zeros(now.shape, dtype=bool)
    there[cells.host, cells.protocol] = True
    turnover = limits.max_turnover[0] if isinstance(limits.max_turnover, tuple) else limits.max_turnover
    return HostTable(
        rate=cells.grid(rate),
        current=now,
        lower=cells.grid(widened(floor, current, is_floor=True)),
        upper=cells.grid(widened(upper, current)),
        max_change=_max_change(limits, cells.protocols, now.shape),
        cost_in=cells.grid(cost_in),
        cost_out=cells.grid(cost_out),
        lost=cells.grid(warm_up * np.maximum(rate, 0.0)),
        there=there,
        uses=uses,
        hours=np.full(count, hours),
        total=total_of(present),
        idle=np.zeros(count, dtype=bool),
        turnover=np.full(count, np.inf if turnover is None else turnover, dtype=float),
        alone=np.zeros(count, dtype=bool),
    )


def total_of(present: FloatArray) -> FloatArray:
    """(hosts,) what the shares sum to: a capacity of 1, or what they sum to now where that is as near as rounding."""
    return np.where(np.abs(present - 1.0) <= PRESENT, present, 1.0)


def _max_change(limits: Limits, protocols: list[str], shape: tuple[int, int]) -> FloatArray:
    change = limits.max_change[0] if isinstance(limits.max_change, tuple) else limits.max_change
    if isinstance(change, dict):
        by_protocol = np.array([change.get(name, np.inf) for name in protocols])
    else:
        by_protocol = np.full(len(protocols), np.inf if change is None else change, dtype=float)
    by_protocol[[limits.held_until(name, 1) > 0 for name in protocols]] = 0.0
    return np.array(np.broadcast_to(by_protocol, shape))


def _sites(frame: Any, host: IntArray, hosts: list[str]) -> dict[str, str]:
    """{host: site}; raises InvalidInput where a host stands at two."""
    if "site" not in frame.columns:
        return {}
    result: dict[str, str] = {}
    for h, site in zip(host, frame["site"], strict=True):
        if not _is_given(site):
            continue
        if not isinstance(site, str) or not site:
            raise InvalidInput(f"host {hosts[h]}: site is {brief(site)}; names are non-empty texts")
        if result.setdefault(hosts[h], site) != site:
            raise InvalidInput(f"host {hosts[h]} stands at the sites {result[hosts[h]]} and {site}; give one")
    return result


def read_arrays(
    rates: ArrayLike, current: ArrayLike, hours: ArrayLike, uses: Mapping[str, ArrayLike], others: Mapping[str, Any]
) -> HostTable:
    """The table of hosts given as arrays that broadcast to (hosts, protocols)."""
    known = ("lower", "upper", "max_change", "held", "move_cost", "max_turnover", "mask")
    for name in others:
        if name not in known:
            raise InvalidInput(f"a fleet of arrays has no {name!r}; {near_miss(name, known)}")
    given = {"lower": 0.0, "upper": 1.0, "max_change": None, "held": None, "move_cost": 0.0}
    given |= {"max_turnover": None, "mask": None, **others}
    whole = Inputs.of(rates=rates, current=current, horizon_hours=hours, **given).whole()
    there, now = whole["mask"], whole["current"]
    if not there.all():
        now = np.where(there, now, 0.0)
    cost, lower, upper, change = (whole[name] for name in ("move_cost", "lower", "upper", "max_change"))
    if (lower > now).any():
        lower = widened(lower, now, is_floor=True)
    if (now > upper).any():
        upper = widened(upper, now)
    if whole["held"].any():
        change = np.where(whole["held"], 0.0, change)
    shape = now.shape
    return HostTable(
        rate=whole["rates"],
        current=now,
        lower=lower,
        upper=upper,
        max_change=change,
        cost_in=cost,
        cost_out=cost,
        lost=np.broadcast_to(0.0, shape),
        there=there,
        uses={name: np.broadcast_to(_use(name, values), shape) for name, values in uses.items()},
        hours=whole["horizon_hours"],
        total=total_of(now.sum(axis=1)),
        idle=np.broadcast_to(False, shape[:1]),
        turnover=whole["max_turnover"],
        alone=np.broadcast_to(False, shape[:1]),
    )


def _use(name: str, values: ArrayLike) -> FloatArray:
    array = number_array(values, f"uses {name}")
    if not ((array >= 0.0) & (array <= LARGEST)).all():
        raise InvalidInput(f"uses {name} holds a number that is negative or not finite; uses are at least 0")
    return array
