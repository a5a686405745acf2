"""A small fleet solved as one program: an exact plan, the prices of shared limits, and a bound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import SolverFailed
from ...problem.arrays import FloatArray
from ...program import LinearProgram, Solution, Status
from ...program.certificate import dual_bound, gain_scale
from ...program.tie_breaking import as_good_as, optimal_face, with_bounds
from ...solvers.backends import Solve, runner
from .fleet_program import FleetProgram

EQUAL = 1e-10
"""Plans whose worth differs by less than this part of the money at stake are worth the same."""
SETTLED = 400
"""Columns up to which ties in whole numbers are settled by one more search."""


@dataclass(frozen=True)
class WholeAnswer:
    """Shares (hosts, protocols), prices and proof of one program over all hosts.

    shares   None where no plan meets all rules
    prices   (rows,) at least 0; NaN where a row has none
    bound    what no plan is worth more than, beyond staying (USD over the horizon)
    source   where the bound comes from
    """

    shares: FloatArray | None
    prices: FloatArray
    bound: float
    source: str
    status: Status
    columns: int


def solve_whole(whole: FleetProgram, time_limit_seconds: float | None, known: FloatArray | None) -> WholeAnswer:
    """The best plan, its prices and its bound.

    known  shares (hosts, protocols) of a plan that meets all rules, from which a search may begin
    """
    run = runner("highs", time_limit_seconds)
    program = whole.program
    count = program.column_count
    nothing = np.full(len(whole.rows), np.nan)
    if (program.lower > program.upper).any():
        return WholeAnswer(None, nothing, np.inf, "", Status.INFEASIBLE, count)
    if program.is_mixed_integer and known is not None:
        program = program.beginning_at(whole.point(known))
    found = run(program)
    if found.status is Status.INFEASIBLE:
        return WholeAnswer(None, nothing, np.inf, "", Status.INFEASIBLE, count)
    if found.values is None:
        raise SolverFailed(
            f"HiGHS gave no plan for the fleet ({found.status.value}: {found.detail}); give it more time"
        )
    if not program.is_mixed_integer:
        assert found.row_prices is not None
        values = _settled(whole, program, found, run)
        bound = dual_bound(program, found.row_prices)
        return WholeAnswer(whole.shares_of(values), _prices(whole, found), bound, "row prices", found.status, count)
    values = found.values
    if found.status is Status.OPTIMAL:
        values = _settled_choices(whole, program, values, run)
    fixed = np.where(program.integer, np.round(values), values)
    lower = np.where(program.integer, fixed, program.lower)
    upper = np.where(program.integer, fixed, program.upper)
    linear = with_bounds(program, lower, upper, integer=False)
    polished = run(linear)
    prices = nothing
    if polished.status is Status.OPTIMAL and polished.values is not None:
        values = np.where(program.integer, fixed, _settled(whole, linear, polished, run))
        prices = _prices(whole, polished)
        prices[whole.shared.counts()] = np.nan
    bound = np.inf if found.bound is None else found.bound
    source = "branch and bound" if found.proved else "claimed by highs"
    return WholeAnswer(whole.shares_of(values), prices, bound, source, found.status, count)


def _prices(whole: FleetProgram, found: Solution) -> FloatArray:
    if not whole.rows:
        return np.empty(0)
    assert found.row_prices is not None
    return np.maximum(found.row_prices[whole.program.row_slices["shared"]], 0.0) + 0.0


def _preference(whole: FleetProgram) -> dict[str, FloatArray]:
    """Among equally good plans the one with the least movement, then earlier protocols."""
    preference = {}
    for block in whole.columns:
        kind = block.name.rpartition("|")[2]
        if kind in ("increase", "decrease"):
            preference[block.name] = np.full(len(block.labels), -1.0)
    first = 0.5 * (1.0 - whole.protocol / max(len(whole.fleet.protocols), 1))
    return {**preference, "share": first}


def _settled(whole: FleetProgram, program: LinearProgram, found: Solution, run: Solve) -> FloatArray:
    assert found.values is not None and found.row_prices is not None
    face = optimal_face(program, found.row_prices, _preference(whole))
    if face is None:
        return found.values
    settled = run(face)
    if settled.status is not Status.OPTIMAL or settled.values is None:
        return found.values
    slack = EQUAL * gain_scale(program)
    good = program.objective(settled.values) >= program.objective(found.values) - slack
    return settled.values if good else found.values


def _settled_choices(whole: FleetProgram, program: LinearProgram, values: FloatArray, run: Solve) -> FloatArray:
    """Among equally good mixed-integer plans one with the least movement; small programs only."""
    if program.column_count > SETTLED:
        return values
    best = program.objective(values)
    slack = EQUAL * gain_scale(program)
    settled = run(as_good_as(program.beginning_at(None), best - slack, _preference(whole)))
    if settled.status is not Status.OPTIMAL or settled.values is None:
        return values
    return settled.values
