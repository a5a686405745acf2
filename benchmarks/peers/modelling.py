"""The step in modelling languages: cvxpy, linopy, Pyomo, PuLP. What a language can keep between steps is kept."""

from __future__ import annotations

from typing import Any

import numpy as np

from reallot.problem.arrays import FloatArray

from ..step import Step
from .arrays import Answer


def cvxpy_highs(step: Step) -> Answer:
    """Shares, ups and downs as bounded variables: of the forms tried, HiGHS is fastest on this one."""
    import cvxpy as cp

    rates, current = cp.Parameter(step.size), cp.Parameter(step.size)
    shares = cp.Variable(step.size, bounds=[0.0, 1.0])
    up, down = (cp.Variable(step.size, bounds=[0.0, step.max_change]) for _ in range(2))
    rules = [cp.sum(shares) == 1.0, shares - current == up - down]
    problem = cp.Problem(cp.Maximize(rates @ shares - step.cost @ (up + down)), rules)
    return _kept_cvxpy(step, problem, rates, current, shares, "HIGHS")


def cvxpy_clarabel(step: Step) -> Answer:
    """The step as it is said, with absolute values: of the forms tried, Clarabel is fastest on this one."""
    import cvxpy as cp

    rates, current = cp.Parameter(step.size), cp.Parameter(step.size)
    shares = cp.Variable(step.size)
    change = cp.abs(shares - current)
    rules = [cp.sum(shares) == 1.0, shares >= 0.0, shares <= 1.0, change <= step.max_change]
    problem = cp.Problem(cp.Maximize(rates @ shares - step.cost @ change), rules)
    return _kept_cvxpy(step, problem, rates, current, shares, "CLARABEL")


def _kept_cvxpy(step: Step, problem: Any, rates: Any, current: Any, shares: Any, solver: str) -> Answer:
    assert problem.is_dpp()

    def answer(k: int) -> FloatArray:
        rates.value, current.value = step.rates[k], step.current[k]
        problem.solve(solver=solver)
        return np.asarray(shares.value)

    return answer


def linopy_highs(step: Step) -> Answer:
    """The model is kept; objective and right-hand side are set anew and HiGHS gets it without a file."""
    import linopy
    import pandas as pd
    import xarray as xr

    places = pd.RangeIndex(step.size, name="protocol")

    def labelled(values: FloatArray) -> Any:
        return xr.DataArray(values, coords=[places])

    model = linopy.Model()
    shares = model.add_variables(0.0, 1.0, coords=[places], name="share")
    up, down = (model.add_variables(0.0, step.max_change, coords=[places], name=name) for name in ("up", "down"))
    model.add_constraints(shares - up + down == labelled(step.current[0]), name="movement")
    model.add_constraints(shares.sum() == 1.0, name="capacity")
    costs = (labelled(step.cost) * (up + down)).sum()

    def answer(k: int) -> FloatArray:
        model.constraints["movement"].rhs = labelled(step.current[k])
        model.add_objective((labelled(step.rates[k]) * shares).sum() - costs, overwrite=True, sense="max")
        model.solve("highs", io_api="direct", output_flag=False, progress=False)
        return np.asarray(shares.solution.values)

    return answer


def pyomo_highs(step: Step) -> Answer:
    """Mutable parameters and the persistent appsi_highs, told that only they change."""
    import pyomo.environ as pyo
    from pyomo.contrib.appsi.solvers.highs import Highs

    places = range(step.size)
    model: Any = pyo.ConcreteModel()
    model.rate = pyo.Param(places, initialize=dict(enumerate(step.rates[0].tolist())), mutable=True)
    model.current = pyo.Param(places, initialize=dict(enumerate(step.current[0].tolist())), mutable=True)
    model.share = pyo.Var(places, bounds=(0.0, 1.0))
    model.up = pyo.Var(places, bounds=(0.0, step.max_change))
    model.down = pyo.Var(places, bounds=(0.0, step.max_change))
    model.movement = pyo.Constraint(places, rule=lambda m, i: m.share[i] - m.up[i] + m.down[i] == m.current[i])
    model.capacity = pyo.Constraint(expr=pyo.quicksum(model.share[i] for i in places) == 1.0)
    cost = step.cost.tolist()
    gain = pyo.quicksum(model.rate[i] * model.share[i] - cost[i] * (model.up[i] + model.down[i]) for i in places)
    model.gain = pyo.Objective(expr=gain, sense=pyo.maximize)
    solver = Highs()
    for option in ("constraints", "vars", "params"):
        setattr(solver.update_config, f"check_for_new_or_removed_{option}", False)
    for option in ("check_for_new_objective", "update_constraints", "update_vars", "update_named_expressions"):
        setattr(solver.update_config, option, False)

    def answer(k: int) -> FloatArray:
        for i, (rate, share) in enumerate(zip(step.rates[k].tolist(), step.current[k].tolist(), strict=True)):
            model.rate[i], model.current[i] = rate, share
        solver.solve(model)
        return np.array([model.share[i].value for i in places])

    return answer


def pulp_cbc(step: Step) -> Answer:
    """Built anew each time, as PuLP has nothing to keep; CBC reads a file and writes one."""
    import pulp

    return lambda k: _pulp(step, k, pulp.PULP_CBC_CMD(msg=False))


def pulp_highs(step: Step) -> Answer:
    """The same model with HiGHS in this process."""
    import pulp

    return lambda k: _pulp(step, k, pulp.HiGHS(msg=False))


def _pulp(step: Step, k: int, solver: Any) -> FloatArray:
    import pulp

    places, change = range(step.size), step.max_change
    rates, current, cost = step.rates[k].tolist(), step.current[k].tolist(), step.cost.tolist()
    model = pulp.LpProblem("step", pulp.LpMaximize)
    shares = [pulp.LpVariable(f"share{i}", 0.0, 1.0) for i in places]
    up = [pulp.LpVariable(f"up{i}", 0.0, change) for i in places]
    down = [pulp.LpVariable(f"down{i}", 0.0, change) for i in places]
    model += pulp.lpSum(rates[i] * shares[i] - cost[i] * up[i] - cost[i] * down[i] for i in places)
    for i in places:
        model += shares[i] - up[i] + down[i] == current[i]
    model += pulp.lpSum(shares) == 1.0
    model.solve(solver)
    return np.array([share.value() for share in shares])
