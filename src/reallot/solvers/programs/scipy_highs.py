"""scipy.optimize: linprog where there are prices to get, milp where columns take whole values. Packaged on its own."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ...program import LinearProgram, Solution, Status
from .highs import FEASIBILITY, TIGHTEST, scale_of, settled
from .quiet import quiet

NAME = "scipy"
TOLERANCES = {"primal_feasibility_tolerance": FEASIBILITY, "dual_feasibility_tolerance": FEASIBILITY}


def solve(program: LinearProgram, *, time_limit_seconds: float | None = None) -> Solution:
    """The optimum of `program`; row prices for a linear program, the solver's bound for a mixed-integer one."""
    options = {} if time_limit_seconds is None else {"time_limit": float(time_limit_seconds)}
    scale = scale_of(program.gain, program.lower, program.upper)
    with quiet():
        return _milp(program, scale, options) if program.is_mixed_integer else _linprog(program, scale, options)


def _linprog(program: LinearProgram, scale: float, options: dict[str, Any]) -> Solution:
    """Two-sided rows are split: equalities, then `<=` rows, then `>=` rows turned round."""
    from scipy.optimize import linprog
    from scipy.sparse import vstack

    call: Any = linprog
    equal = program.row_lower == program.row_upper
    above = ~equal & np.isfinite(program.row_upper)
    below = ~equal & np.isfinite(program.row_lower)
    matrix = program.matrix
    result = call(
        -program.gain / scale,
        A_ub=vstack([matrix[above], -matrix[below]]) if (above | below).any() else None,
        b_ub=np.concatenate([program.row_upper[above], -program.row_lower[below]]) if (above | below).any() else None,
        A_eq=matrix[equal] if equal.any() else None,
        b_eq=program.row_upper[equal] if equal.any() else None,
        bounds=np.column_stack([program.lower, program.upper]),
        method="highs",
        options=options | TOLERANCES | {"primal_feasibility_tolerance": TIGHTEST},
    )
    status = _status(result)
    if result.x is None or status not in (Status.OPTIMAL, Status.STOPPED):
        return Solution(status, detail=str(result.message))
    prices = np.zeros(program.row_count)
    marginals = np.asarray(result.ineqlin.marginals)
    count = int(above.sum())
    prices[equal] = -scale * np.asarray(result.eqlin.marginals)
    prices[above] += -scale * marginals[:count]
    prices[below] += scale * marginals[count:]
    return Solution(status, np.asarray(result.x), prices, None, str(result.message))


def _milp(program: LinearProgram, scale: float, options: dict[str, Any]) -> Solution:
    result = _search(program, scale, options)
    if result.status == 2 or (result.status == 0 and not settled(result.fun, result.mip_dual_bound)):
        # presolve may drop what is near its tolerance: a second look without it
        result = _search(program, scale, options | {"presolve": False})
    status = _status(result)
    if result.x is None:
        return Solution(status, detail=str(result.message))
    claimed = getattr(result, "mip_dual_bound", None)
    bound = None if claimed is None else program.offset - scale * float(claimed)
    return Solution(status, np.asarray(result.x), None, bound, str(result.message))


def _search(program: LinearProgram, scale: float, options: dict[str, Any]) -> Any:
    from scipy.optimize import Bounds, LinearConstraint, milp

    exacting = {"mip_rel_gap": 0.0, "mip_abs_gap": 0.0, "mip_feasibility_tolerance": FEASIBILITY}
    with warnings.catch_warnings():
        # milp passes options it does not know on to HiGHS, and says so
        warnings.filterwarnings("ignore", message="Unrecognized options detected", category=RuntimeWarning)
        return milp(
            -program.gain / scale,
            integrality=program.integer.astype(int),
            bounds=Bounds(program.lower, program.upper),
            constraints=[LinearConstraint(program.matrix, program.row_lower, program.row_upper)],
            options=options | TOLERANCES | exacting,  # type: ignore[arg-type]
        )


def _status(result: Any) -> Status:
    known = {0: Status.OPTIMAL, 1: Status.STOPPED, 2: Status.INFEASIBLE, 3: Status.UNBOUNDED}
    return known.get(int(result.status), Status.FAILED)
