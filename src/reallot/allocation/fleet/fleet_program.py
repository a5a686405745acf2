"""A small fleet as one program: every host's own columns and rows, and the shared rows over all of them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

import numpy as np

from ...problem import AllocationProblem
from ...problem.arrays import FloatArray, IntArray
from ...problem.objective import value
from ...program import Cells, Columns, LinearProgram, Rows, cells, diagonal
from .fleet import Fleet
from .host_program import PAID, host_point, host_program, host_schedule
from .limits import FleetLimits
from .rows import Row, SharedRows, hosts_by_site

SNAP = 1e-10
"""A share within this of where it stood, or of a bound, is that: solvers leave dust there."""
EQUAL = 1e-10
"""Plans whose worth differs by less than this part of the money at stake are worth the same."""


class FleetProgram:
    """The program of a fleet; `counts` says how many equal hosts each one stands for."""

    def __init__(
        self, fleet: Fleet, limits: FleetLimits, rows: tuple[Row, ...], counts: FloatArray | None = None
    ) -> None:
        self.fleet, self.limits, self.rows = fleet, limits, rows
        table = fleet.table
        self.shared = SharedRows.of(fleet, rows)
        self.counts = np.ones(len(fleet)) if counts is None else counts
        mine = table.there & ~table.alone[:, None]
        self.host, self.protocol = np.nonzero(mine)
        self.place = np.full(table.shape, -1)
        self.place[mine] = np.arange(self.host.size)
        self.low, self.high = table.box()
        self.parts = {h: host_program(problem) for h, problem in fleet.alone.items()}
        self.columns, self.own_rows = self._hosts()
        self.held = np.empty((0, 2), dtype=np.intp)
        self._choices()
        self.program = self._program()

    def _hosts(self) -> tuple[list[Columns], list[Rows]]:
        """share, increase and decrease of all hosts of the table, and the blocks of each host that stands alone."""
        table, at = self.fleet.table, (self.host, self.protocol)
        weight, names = (
            self.counts[self.host],
            [
                (self.fleet.hosts[h], self.fleet.protocols[p])
                for h, p in zip(*_lists(self.host, self.protocol), strict=True)
            ],
        )
        count, now = self.host.size, table.current[at]
        up = np.minimum(table.max_change[at], np.maximum(self.high[at] - now, 0.0) + 1.0)
        down = np.minimum(table.max_change[at], np.maximum(now - self.low[at], 0.0) + 1.0)
        floor, ceiling = table.lower[at], np.minimum(table.upper[at], np.maximum(table.total[self.host], now) + 1.0)
        ceiling = np.maximum(ceiling, floor)
        gain = weight * table.gain()[at]
        columns = [
            Columns("share", names, gain, floor, ceiling),
            Columns("increase", names, -weight * (table.cost_in + table.lost)[at], np.zeros(count), up),
            Columns("decrease", names, -weight * table.cost_out[at], np.zeros(count), down),
        ]
        one = diagonal(1.0, count)
        parts = {"share": one, "increase": diagonal(-1.0, count), "decrease": one}
        rows = [Rows("movement", names, parts, now, now)]
        plain = np.flatnonzero(~table.alone)
        row_of = np.full(len(self.fleet), -1)
        row_of[plain] = np.arange(plain.size)
        total = table.total[plain]
        hosts = [self.fleet.hosts[h] for h in plain]
        sums = cells(row_of[self.host], np.arange(count), 1.0)
        rows.append(Rows("capacity", hosts, {"share": sums}, np.where(table.idle[plain], -np.inf, total), total))
        limited = np.flatnonzero(np.isfinite(table.turnover) & ~table.alone)
        if limited.size:
            rows += self._turnover(limited)
        for h, part in self.parts.items():
            columns += [replace(block, name=self._block(h, block.name)) for block in part.columns]
            rows += [_renamed(block, h) for block in part.rows]
        return columns, rows

    def _turnover(self, limited: IntArray) -> list[Rows]:
        table, row_of = self.fleet.table, np.full(len(self.fleet), -1)
        row_of[limited] = np.arange(limited.size)
        mine = np.flatnonzero(row_of[self.host] >= 0)
        total = cells(row_of[self.host[mine]], mine, 1.0)
        names, free = [self.fleet.hosts[h] for h in limited], np.full(limited.size, -np.inf)
        return [
            Rows("bought", names, {"increase": total}, free, table.turnover[limited]),
            Rows("sold", names, {"decrease": total}, free, table.turnover[limited]),
        ]

    @staticmethod
    def _block(h: int, name: str) -> str:
        return f"{h}|{name}"

    def _choices(self) -> None:
        """moves[h] in {0,1} where moving hosts are counted, holds[h,p] in {0,1} for exclusive protocols."""
        if any(row.kind == "moving" for row in self.rows):
            self._moves()
        if self.limits.exclusive:
            self._holds()

    def _moves(self) -> None:
        """increases + decreases of a host <= what can move there * moves."""
        fleet = self.fleet
        count = len(fleet)
        self.columns.append(
            Columns("moves", fleet.hosts, np.zeros(count), np.zeros(count), np.ones(count), integer=True)
        )
        table = fleet.table
        most = np.maximum(self.high - table.current, 0.0) + np.maximum(table.current - self.low, 0.0)
        reach = np.where(table.there, most, 0.0).sum(axis=1)
        own = cells(self.host, np.arange(self.host.size), 1.0)
        parts = {"increase": own, "decrease": own}
        for h, part in self.parts.items():
            problem = fleet.alone[h]
            span = np.arange(len(problem.names))
            for block in ("increase", "decrease"):
                parts[self._block(h, block)] = cells(np.full(span.size, h), span, 1.0)
            moved = [part.upper[part.column_slices[block]] for block in ("increase", "decrease")]
            held = float(problem.arrays.current.sum()) + (problem.arrays.total or float(problem.arrays.reach.sum()))
            reach[h] = min(float(np.sum(moved)), 2.0 * held + 1.0)
        parts["moves"] = diagonal(-np.maximum(reach, 1e-9), count)
        self.own_rows.append(Rows("moves_link", fleet.hosts, parts, np.full(count, -np.inf), np.zeros(count)))

    def _holds(self) -> None:
        """share[h,p] <= the most that the host may hold * holds; at most one holds at a site."""
        fleet, table = self.fleet, self.fleet.table
        labels: list[Hashable] = []
        held: list[tuple[int, int]] = []
        share: dict[str, tuple[list[int], list[int]]] = {}
        most, site_rows = [], list[tuple[int, int]]()
        sites = [(site, name) for site in hosts_by_site(fleet) for name in self.limits.exclusive]
        number = {pair: k for k, pair in enumerate(sites)}
        for name in self.limits.exclusive:
            p = fleet.protocols.index(name)
            for h, host in enumerate(fleet.hosts):
                if host not in fleet.sites or not table.there[h, p]:
                    continue
                k = len(labels)
                labels.append((host, name))
                held.append((h, p))
                block, column = ("share", int(self.place[h, p])), 0
                if h in self.parts:
                    block = (self._block(h, "share"), fleet.alone[h].names.index(name))
                rows, columns = share.setdefault(block[0], ([], []))
                rows.append(k)
                columns.append(block[1] + column)
                most.append(max(float(self.high[h, p]), float(table.current[h, p]), 1e-9))
                site_rows.append((number[fleet.sites[host], name], k))
        if not labels:
            return
        count, self.held = len(labels), np.array(held)
        self.columns.append(Columns("holds", labels, np.zeros(count), np.zeros(count), np.ones(count), integer=True))
        parts = {block: cells(rows, columns, 1.0) for block, (rows, columns) in share.items()}
        parts["holds"] = diagonal(-np.array(most), count)
        self.own_rows.append(Rows("holds_link", labels, parts, np.full(count, -np.inf), np.zeros(count)))
        at, of = zip(*site_rows, strict=True)
        one = {"holds": cells(at, of, 1.0)}
        self.own_rows.append(Rows("one a site", sites, one, np.full(len(sites), -np.inf), np.ones(len(sites))))

    def _shared(self) -> Rows | None:
        """The shared rows, in the form sense * use <= sense * limit."""
        if not self.rows:
            return None
        parts: dict[str, list[tuple[IntArray, IntArray, FloatArray]]] = {}

        def add(block: str, k: int, columns: IntArray, values: FloatArray) -> None:
            used = np.flatnonzero(values)
            parts.setdefault(block, []).append((np.full(used.size, k), columns[used], values[used]))

        for k, row in enumerate(self.rows):
            for block, columns, values in self._entries(k, row):
                add(block, k, columns, values)
        joined = {
            block: Cells(*(np.concatenate([each[i] for each in entries]) for i in range(3)))
            for block, entries in parts.items()
        }
        names = [row.name for row in self.rows]
        return Rows("shared", names, joined, np.full(len(names), -np.inf), self.shared.limits)

    def _entries(self, k: int, row: Row) -> list[tuple[str, IntArray, FloatArray]]:
        """Block, columns and coefficients of a row."""
        table, sizes, at = self.fleet.table, self.shared.sizes, (self.host, self.protocol)
        every, counts = np.arange(self.host.size), self.counts[self.host]
        found = []
        if row.kind in ("cap", "floor"):
            mine = np.flatnonzero(self.protocol == row.protocol)
            found.append(("share", mine, row.sense * (counts * sizes[self.host])[mine]))
        elif row.kind == "resource":
            found.append(("share", every, counts * self.shared.weights[k][at]))
        elif row.kind == "turnover":
            found += [(block, every, counts * sizes[self.host] / 2.0) for block in ("increase", "decrease")]
        elif row.kind == "budget":
            costs = (("increase", table.cost_in), ("decrease", table.cost_out))
            found += [(block, every, counts * cost[at]) for block, cost in costs]
        elif row.kind == "moving":
            found.append(("moves", np.arange(len(self.fleet)), np.ones(len(self.fleet))))
        for h, part in self.parts.items():
            found += self._entries_alone(h, part, k, row)
        return found

    def _entries_alone(self, h: int, part: LinearProgram, k: int, row: Row) -> list[tuple[str, IntArray, FloatArray]]:
        """The same for a host that has a program of its own."""
        problem, size = self.fleet.alone[h], float(self.shared.sizes[h])
        data, names = problem.arrays, problem.names
        every = np.arange(len(names))
        at = [self.fleet.protocols.index(name) for name in names]
        if row.kind in ("cap", "floor"):
            return [(self._block(h, "share"), every, row.sense * size * (np.array(at) == row.protocol))]
        if row.kind == "resource":
            return [(self._block(h, "share"), every, self.shared.weights[k][h, at])]
        if row.kind == "turnover":
            half = np.full(every.size, size / 2.0)
            return [(self._block(h, block), every, half) for block in ("increase", "decrease")]
        if row.kind == "budget":
            paid = data.as_given
            found = [
                (self._block(h, "increase"), every, paid.cost_in),
                (self._block(h, "decrease"), every, paid.cost_out),
            ]
            for name in PAID:
                if name in part.column_slices:
                    price = -part.gain[part.column_slices[name]]
                    found.append((self._block(h, name), np.arange(price.size), price))
            return found
        return []

    def _program(self) -> LinearProgram:
        """Everything together; the objective is what the plan is worth more than staying."""
        table = self.fleet.table
        stay = (table.gain() * table.current * ~table.alone[:, None]).sum(axis=1) @ self.counts
        offset = -float(stay)
        for h, part in self.parts.items():
            problem = self.fleet.alone[h]
            offset += part.offset - _worth(problem, problem.arrays.current)
        shared = self._shared()
        return LinearProgram(tuple(self.columns), (*self.own_rows, *(() if shared is None else (shared,))), offset)

    def point(self, shares: FloatArray) -> FloatArray:
        """The point (columns,) of the program with these shares (hosts, protocols)."""
        table, at = self.fleet.table, (self.host, self.protocol)
        change = (shares - table.current)[at]
        blocks = {
            "share": shares[at],
            "increase": np.maximum(change, 0.0),
            "decrease": np.maximum(-change, 0.0),
            "moves": (shares != table.current).any(axis=1).astype(float),
        }
        for h, part in self.parts.items():
            problem = self.fleet.alone[h]
            own = host_point(problem, part, self._own(shares, h)[None, :])
            for block in part.columns:
                blocks[self._block(h, block.name)] = own[part.column_slices[block.name]]
        blocks["holds"] = (shares[tuple(self.held.T)] > 0.0).astype(float)
        return np.concatenate([blocks[block.name] for block in self.program.columns])

    def _own(self, shares: FloatArray, h: int) -> FloatArray:
        at = [self.fleet.protocols.index(name) for name in self.fleet.alone[h].names]
        return shares[h, at]

    def shares_of(self, values: FloatArray) -> FloatArray:
        """The shares (hosts, protocols) of a point, snapped to bounds and to the present shares."""
        table, program = self.fleet.table, self.program
        result = np.where(table.there, table.current, 0.0)
        at = (self.host, self.protocol)
        share, now = values[program.column_slices["share"]], table.current[at]
        for target in (table.upper[at], table.lower[at], now):
            share = np.where(np.abs(share - target) < SNAP, target, share)
        if "moves" in program.column_slices:
            still = values[program.column_slices["moves"]] < 0.5
            share = np.where(still[self.host], now, share)
        result[at] = share
        for h, part in self.parts.items():
            problem = self.fleet.alone[h]
            own = np.concatenate([values[program.column_slices[self._block(h, b.name)]] for b in part.columns])
            at_h = [self.fleet.protocols.index(name) for name in problem.names]
            result[h, at_h] = host_schedule(problem, part, own)[0]
        if "holds" in program.column_slices:
            unused = values[program.column_slices["holds"]] < 0.5
            result[tuple(self.held[unused].T)] = 0.0
        return result + 0.0


def _worth(problem: AllocationProblem, shares: FloatArray) -> float:
    """USD over the horizon of one host's shares (protocols,)."""
    return value(problem, shares[None, :]).net


def _renamed(block: Rows, h: int) -> Rows:
    parts = {FleetProgram._block(h, name): part for name, part in block.cells.items()}
    return replace(block, name=FleetProgram._block(h, block.name), cells=parts)


def _lists(*arrays: IntArray) -> list[list[int]]:
    return [array.tolist() for array in arrays]
