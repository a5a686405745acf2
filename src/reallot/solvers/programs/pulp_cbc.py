"""PuLP, with CBC or any solver PuLP knows: independent of HiGHS, for doubt, for tests and for .lp and .mps files.

CBC hands its answer over in a text file with eight significant digits, hence the wider tolerance.
"""

from __future__ import annotations

import math
import os
import re
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InvalidInput, near_miss
from ...program import LinearProgram, Solution, Status, certify
from .highs import FEASIBILITY, TIGHTEST
from .quiet import quiet

NAME = "pulp"
TOLERANCE = 1e-6
CONSTANT = "always_one"


def solve(program: LinearProgram, *, solver: str = "PULP_CBC_CMD", time_limit_seconds: float | None = None) -> Solution:
    """The optimum of `program` by the PuLP solver named `solver`; raises InvalidInput for one that is not installed."""
    first = _run(program, solver, time_limit_seconds)
    if solver != "PULP_CBC_CMD" or not program.is_mixed_integer:
        return first
    wrong = first.values is not None and not certify(program, first.values, tolerance=TOLERANCE).is_feasible
    if not wrong and first.status is not Status.INFEASIBLE:
        return first
    # CBC's preprocessing errs both ways on tight equalities: it drops feasible points and lets infeasible ones through
    second = _run(program, solver, time_limit_seconds, ["preprocess off"])
    if second.status is Status.FAILED:
        return Solution(Status.FAILED, detail=f"{solver}: its point breaks a row") if wrong else first
    return second


def _run(
    program: LinearProgram, solver: str, time_limit_seconds: float | None, options: Sequence[str] = ()
) -> Solution:
    import pulp

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        chosen = _solver(pulp, solver, program, time_limit_seconds, options)
        places = [f"x{j}" for j in range(program.column_count)], [str(i) for i in range(program.row_count)]
        model, columns, scale = _model(pulp, program, *places)
        try:
            with quiet(), _folder_of_its_own(chosen):
                model.solve(chosen)
        except (pulp.PulpSolverError, OSError) as error:
            return Solution(Status.FAILED, detail=f"{solver}: {error}")
        status = _status(pulp, model)
        if status not in (Status.OPTIMAL, Status.STOPPED):
            return Solution(status, detail=pulp.LpStatus[model.status])
        values = np.array([0.0 if column.value() is None else column.value() for column in columns])
        prices = None if program.is_mixed_integer else _prices(program, model, scale)
    bound = program.objective(values) if program.is_mixed_integer and status is Status.OPTIMAL else None
    return Solution(status, values, prices, bound, f"{solver}: {pulp.LpStatus[model.status]}")


@contextmanager
def _folder_of_its_own(chosen: Any) -> Iterator[None]:
    """Files of a solver that is a command lie in a folder that is gone afterwards, also where the solver fails.

    PuLP cuts its command at spaces: where the path of the system's temporary folder has one, the folder is made in the
    working folder and named relative to it.
    """
    if not hasattr(chosen, "tmpDir"):
        yield
        return
    has_space = any(map(str.isspace, tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix="reallot-", dir=os.curdir if has_space else None) as folder:
        chosen.tmpDir = os.path.relpath(folder) if has_space else folder
        yield


def write(program: LinearProgram, path: str | Path) -> None:
    """Writes `program` as a .lp or .mps file (minimising the negative gain, as both formats' readers expect).

    Columns and rows keep their block and label as a name: share_storage, movement_storage. What is earned whatever is
    decided is the gain of a column that is always 1, CONSTANT: readers of both formats drop or turn plain constants.
    """
    import pulp

    target = Path(path)
    if target.suffix not in (".lp", ".mps"):
        raise InvalidInput(f"{target.name} ends in {target.suffix!r}; write a .lp or .mps file")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        columns = _names([program.column_label(j) for j in range(program.column_count)])
        rows = _names([program.row_label(i) for i in range(program.row_count)])
        model, _, _ = _model(pulp, program, columns, rows, scaled=False)
        if program.offset:
            model.objective += -program.offset * pulp.LpVariable(CONSTANT, 1.0, 1.0)
        if target.suffix == ".lp":
            model.writeLP(str(target))
        else:
            model.writeMPS(str(target))


def _solver(
    pulp: Any, name: str, program: LinearProgram, time_limit_seconds: float | None, extra: Sequence[str]
) -> Any:
    known = pulp.listSolvers()
    if name not in known:
        raise InvalidInput(f"PuLP knows no solver {name!r}; {near_miss(name, known)}")
    options: dict[str, Any] = {"msg": False}
    if time_limit_seconds is not None:
        options["timeLimit"] = time_limit_seconds
    if name == "PULP_CBC_CMD":
        options["gapRel"] = 0.0
        whole = ["integerTolerance 1e-9", "allowableGap 0"] if program.is_mixed_integer else []
        options["options"] = [f"primalTolerance {_tightest(program):g}", "dualTolerance 1e-9", *whole, *extra]
    solver = pulp.getSolver(name, **options)
    if not solver.available():
        raise InvalidInput(
            f"PuLP's solver {name!r} is not installed; there is {', '.join(pulp.listSolvers(onlyAvailable=True))}"
        )
    return solver


def _tightest(program: LinearProgram) -> float:
    """HiGHS's tightest tolerance where limits are about 1, and ten times that where sums are large and round more."""
    limits = np.concatenate([program.row_lower, program.row_upper])
    return float(np.clip(TIGHTEST * np.abs(limits[np.isfinite(limits)]).max(initial=1.0), TIGHTEST, FEASIBILITY))


def _names(labels: list[str]) -> list[str]:
    """Names that both formats take, from labels: letters, digits and underscores, each name once."""
    clean = [re.sub(r"\W", "_", label, flags=re.ASCII)[:60] for label in labels]
    twice = {name for name, count in Counter(clean).items() if count > 1}
    return [f"{name}_{place}" if name in twice else name for place, name in enumerate(clean)]


def _model(
    pulp: Any, program: LinearProgram, column_names: list[str], row_names: list[str], scaled: bool = True
) -> tuple[Any, list[Any], float]:
    """The program column by column and row by row; rows with two different limits become two constraints.

    A row's constraint is called e (equal), u (upper) or l (lower) and its name.
    """
    largest = float(np.abs(program.gain).max(initial=0.0))
    scale = 2.0 ** round(math.log2(largest)) if scaled and largest > 0.0 else 1.0
    model = pulp.LpProblem("allocation", pulp.LpMinimize)
    columns = [
        pulp.LpVariable(name, low, high, cat="Integer" if whole else "Continuous")
        for name, low, high, whole in zip(column_names, program.lower, program.upper, program.integer, strict=True)
    ]
    model += pulp.LpAffineExpression(list(zip(columns, (-program.gain / scale).tolist(), strict=True)))
    matrix = program.matrix
    for i in range(program.row_count):
        span = slice(matrix.indptr[i], matrix.indptr[i + 1])
        terms = [(columns[j], float(v)) for j, v in zip(matrix.indices[span], matrix.data[span], strict=True)]
        low, high = float(program.row_lower[i]), float(program.row_upper[i])
        if low == high:
            sides = [("e", pulp.LpConstraintEQ, low)]
        else:
            sides = [("u", pulp.LpConstraintLE, high), ("l", pulp.LpConstraintGE, low)]
        for kind, sense, limit in sides:
            if math.isfinite(limit):
                row = pulp.LpConstraint(pulp.LpAffineExpression(terms), sense, f"{kind}_{row_names[i]}", limit)
                model.addConstraint(row)
    return model, columns, scale


def _prices(program: LinearProgram, model: Any, scale: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    prices = np.zeros(program.row_count)
    for name, constraint in model.constraints.items():
        if constraint.pi is not None:
            prices[int(name[2:])] += -scale * float(constraint.pi)
    return prices


def _status(pulp: Any, model: Any) -> Status:
    if model.status == pulp.LpStatusOptimal:
        return Status.OPTIMAL if model.sol_status == pulp.LpSolutionOptimal else Status.STOPPED
    known = {pulp.LpStatusInfeasible: Status.INFEASIBLE, pulp.LpStatusUnbounded: Status.UNBOUNDED}
    return known.get(model.status, Status.FAILED)
