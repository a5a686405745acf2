"""HiGHS through highspy: arrays in, objective scaled, model kept so that changed limits re-solve warm.

HiGHS's tolerances are absolute. So the objective is divided by a power of two near its largest gain, and the scale is
taken out of objective, prices and bound again. Every option and every change is checked: a refused one is an error.
`threads` is never set: HiGHS has one pool of threads for the whole process, and refuses a second size.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import SolverFailed
from ...program import LinearProgram, Solution, Status
from ...program.blocks import FloatArray, IntArray
from .highs_library import library
from .quiet import quiet

FEASIBILITY = 1e-9
TIGHTEST = 1e-10
"""The tightest that HiGHS takes: a limit that must not be missed by more than 1e-9 is met by some margin."""
NAME = "highs"
PRIMAL = 4
"""The primal simplex, as HiGHS numbers its strategies."""


class HighsModel:
    """A LinearProgram kept inside HiGHS: change gains, bounds or row limits, solve again.

    Shapes are those of the program. `relaxed` drops the integrality; `gain` replaces the program's gain. A linear
    program starts from its last basis, a search over whole numbers afresh. The time limit is for each solve.
    """

    AT_LOWER, BASIC = 0, 1

    def __init__(
        self,
        program: LinearProgram,
        *,
        relaxed: bool = False,
        gain: FloatArray | None = None,
        time_limit_seconds: float | None = None,
    ) -> None:
        self._api = library()
        self.program = program
        self.is_mixed_integer = program.is_mixed_integer and not relaxed
        # Highs for Python logs a header while it is made (1.16), before it can be told not to; its base class does not
        self.highs: Any = getattr(self._api, "_Highs", self._api.Highs)()
        self._set("output_flag", False)
        # a search over whole numbers has lost optima at the tightest tolerance
        self._set("primal_feasibility_tolerance", FEASIBILITY if self.is_mixed_integer else TIGHTEST)
        self._set("dual_feasibility_tolerance", FEASIBILITY)
        if self.is_mixed_integer:
            self._set("mip_rel_gap", 0.0)
            self._set("mip_abs_gap", 0.0)
            self._set("mip_feasibility_tolerance", FEASIBILITY)
        self.time_limit_seconds = time_limit_seconds
        if _one_dense_row(program):
            self._set("presolve", "off")
        self.gain = program.gain if gain is None else gain
        self.scale = scale_of(self.gain, program.lower, program.upper)
        self.lower, self.upper = program.lower, program.upper
        self.row_lower, self.row_upper = program.row_lower, program.row_upper
        self._pass()

    def _run(self) -> None:
        with quiet():
            self.highs.run()

    def _set(self, option: str, value: Any) -> None:
        status = self.highs.setOptionValue(option, value)
        if status != self._api.HighsStatus.kOk:
            raise SolverFailed(f"HiGHS refused the option {option} = {value!r}")

    def _done(self, status: Any) -> None:
        if status == self._api.HighsStatus.kError:
            raise SolverFailed("HiGHS refused the program, or a change of it")

    def _pass(self) -> None:
        api, program = self._api, self.program
        lp = api.HighsLp()
        lp.num_col_, lp.num_row_ = program.column_count, program.row_count
        lp.col_cost_ = -self.gain / self.scale
        lp.col_lower_, lp.col_upper_ = program.lower, program.upper
        lp.row_lower_ = _finite(program.row_lower, api.kHighsInf)
        lp.row_upper_ = _finite(program.row_upper, api.kHighsInf)
        matrix = program.matrix
        lp.a_matrix_.format_ = api.MatrixFormat.kRowwise
        lp.a_matrix_.start_ = matrix.indptr.astype(np.int32)
        lp.a_matrix_.index_ = matrix.indices.astype(np.int32)
        lp.a_matrix_.value_ = matrix.data
        if self.is_mixed_integer:
            kinds = api.HighsVarType
            lp.integrality_ = [kinds.kInteger if whole else kinds.kContinuous for whole in program.integer]
        self._done(self.highs.passModel(lp))

    def change_gain(self, gain: FloatArray) -> int:
        """New gains (columns,), scaled afresh where their size is another; how many of them are new."""
        scale = scale_of(gain, self.lower, self.upper)
        new = np.flatnonzero(gain != self.gain)
        where = new if scale == self.scale else np.arange(gain.size)
        self.gain, self.scale = gain, scale
        if where.size:
            self._done(self.highs.changeColsCost(where.size, where.astype(np.int32), -gain[where] / scale))
        return new.size

    def change_columns(self, lower: FloatArray, upper: FloatArray) -> int:
        """New column bounds, (columns,) each; how many of them are new."""
        where = np.flatnonzero((lower != self.lower) | (upper != self.upper))
        self.lower, self.upper = lower, upper
        if where.size:
            places = where.astype(np.int32)
            self._done(self.highs.changeColsBounds(where.size, places, lower[where], upper[where]))
        return where.size

    def change_rows(self, lower: FloatArray, upper: FloatArray) -> int:
        """New row limits, (rows,) each; how many of them are new."""
        where = np.flatnonzero((lower != self.row_lower) | (upper != self.row_upper))
        self.row_lower, self.row_upper = lower, upper
        if where.size:
            places, infinity = where.astype(np.int32), self._api.kHighsInf
            low, high = _finite(lower[where], infinity), _finite(upper[where], infinity)
            self._done(self.highs.changeRowsBounds(where.size, places, low, high))
        return where.size

    def change_program(self, program: LinearProgram) -> dict[str, int] | None:
        """Another program of the same shape: how many gains, bounds, limits and coefficients were new.

        None, and nothing is changed, where columns, whole numbers, rows or places of coefficients are not the same.
        """
        coefficients = self._new_coefficients(program)
        if coefficients is None:
            return None
        changed = {
            "gains": self.change_gain(program.gain),
            "bounds": self.change_columns(program.lower, program.upper),
            "limits": self.change_rows(program.row_lower, program.row_upper),
            "coefficients": len(coefficients),
        }
        for row, column, value in coefficients:
            self._done(self.highs.changeCoeff(row, column, value))
        self.program = program
        return changed

    def _new_coefficients(self, program: LinearProgram) -> list[tuple[int, int, float]] | None:
        """(row, column, value) of what is new in the matrix of `program`; None where its shape is another."""
        old = self.program
        if (program.column_count, program.row_count) != (old.column_count, old.row_count):
            return None
        if (program.integer != old.integer).any():
            return None
        if program.entries is old.entries:
            return []
        if all(map(np.array_equal, program.entries, old.entries)):
            return []
        new, held = program.matrix, self.program.matrix
        if not (np.array_equal(new.indptr, held.indptr) and np.array_equal(new.indices, held.indices)):
            return None
        where = np.flatnonzero(new.data != held.data)
        rows = np.searchsorted(new.indptr, where, side="right") - 1
        return list(zip(rows.tolist(), new.indices[where].tolist(), new.data[where].tolist(), strict=True))

    def start_at_basis_of(self, other: HighsModel) -> None:
        """The next solve starts from the basis at which `other`, a model of the same shape, came to rest, if it did."""
        basis = other.highs.getBasis()
        if basis.valid:
            self._done(self.highs.setBasis(basis))

    def basis(self) -> tuple[IntArray, IntArray]:
        """Where the last solve came to rest: AT_LOWER, BASIC, or another of HiGHS's numbers, by column and by row."""
        basis = self.highs.getBasis()
        columns, rows = (np.array([int(each) for each in part]) for part in (basis.col_status, basis.row_status))
        return columns, rows

    def basic(self) -> IntArray:
        """(rows,) what was basic where the last solve came to rest: a column's number, or -1 less a row's."""
        status, basic = self.highs.getBasicVariables()
        self._done(status)
        return np.array(basic)

    def start_at_basis(self, columns: IntArray, rows: IntArray) -> None:
        """The next solve starts from these numbers, a feasible basis, by the primal simplex."""
        basis, status = self._api.HighsBasis(), self._api.HighsBasisStatus
        basis.col_status = [status(each) for each in columns.tolist()]
        basis.row_status = [status(each) for each in rows.tolist()]
        basis.valid = True
        self._done(self.highs.setBasis(basis))
        self._set("simplex_strategy", PRIMAL)

    def without_presolve(self) -> None:
        """For programs that have little to remove: there presolve costs more than the simplex it saves."""
        self._set("presolve", "off")

    def start_from(self, values: FloatArray) -> None:
        """The next search over whole numbers knows the point `values` (columns,) from the start."""
        point = self._api.HighsSolution()
        point.col_value = values
        self._done(self.highs.setSolution(point))

    def solve(self) -> Solution:
        """The solution as the model stands, warm from the last basis where there is one."""
        if self.time_limit_seconds is not None:
            # of a linear program HiGHS counts the seconds of all earlier runs as well
            spent = 0.0 if self.is_mixed_integer else self.highs.getRunTime()
            self._set("time_limit", spent + float(self.time_limit_seconds))
        self._run()
        api, status = self._api.HighsModelStatus, self.highs.getModelStatus()
        detail = self.highs.modelStatusToString(status)
        if status in (api.kUnboundedOrInfeasible, api.kUnknown) or self._is_doubtful(status):
            # a second look without presolve, from scratch
            self.highs.clearSolver()
            _, before = self.highs.getOptionValue("presolve")
            self._set("presolve", "off")
            self._run()
            status = self.highs.getModelStatus()
            detail = f"{detail}; then {self.highs.modelStatusToString(status)}"
            self._set("presolve", before)
        if status == api.kInfeasible:
            return Solution(Status.INFEASIBLE, detail=detail)
        if status in (api.kUnbounded, api.kUnboundedOrInfeasible):
            return Solution(Status.UNBOUNDED, detail=detail)
        info = self.highs.getInfo()
        has_point = info.primal_solution_status == 2
        if status == api.kOptimal or (
            has_point and status in (api.kTimeLimit, api.kIterationLimit, api.kSolutionLimit)
        ):
            return self._read(Status.OPTIMAL if status == api.kOptimal else Status.STOPPED, detail, info)
        if status == api.kNotset:
            detail = "HiGHS did not run; was `threads` set twice, to different numbers, in this process?"
        return Solution(Status.FAILED, detail=detail)

    def _is_doubtful(self, status: Any) -> bool:
        """True where presolve of a mixed-integer program may have dropped what is near its tolerance.

        It then calls tight programs infeasible, or claims a bound that its own optimum does not reach.
        """
        api, info = self._api.HighsModelStatus, self.highs.getInfo()
        if not self.is_mixed_integer:
            return False
        unreached = not settled(info.objective_function_value, info.mip_dual_bound)
        return bool(status == api.kInfeasible or (status == api.kOptimal and unreached))

    def _read(self, status: Status, detail: str, info: Any) -> Solution:
        solution = self.highs.getSolution()
        values = np.array(solution.col_value)
        if self.is_mixed_integer:
            bound = self.program.offset - self.scale * info.mip_dual_bound
            return Solution(status, values, None, bound if math.isfinite(bound) else None, detail)
        return Solution(status, values, -self.scale * np.array(solution.row_dual), None, detail)


def solve(program: LinearProgram, *, time_limit_seconds: float | None = None) -> Solution:
    """The optimum of `program`; row prices for a linear program, HiGHS's bound for a mixed-integer one."""
    return HighsModel(program, time_limit_seconds=time_limit_seconds).solve()


def settled(objective: float, bound: float) -> bool:
    """True where a search with a gap of zero reached its bound, but for rounding (both scaled to about 1)."""
    return abs(objective - bound) <= FEASIBILITY * max(1.0, abs(objective))


def scale_of(gain: FloatArray, lower: FloatArray, upper: FloatArray) -> float:
    """A power of two near the largest gain within a unit of a column's range, so that scaling costs no digits.

    Columns that are fixed, or nearly so, gain next to nothing, however much they would gain for a whole unit.
    """
    largest = float(np.max(np.abs(gain) * np.minimum(upper - lower, 1.0), initial=0.0))
    return 2.0 ** round(math.log2(largest)) if largest > 0.0 else 1.0


def _one_dense_row(program: LinearProgram) -> bool:
    """One row over all columns: presolve compares all its parallel columns, which is quadratic."""
    return program.row_count == 1 and program.column_count > 100


def _finite(values: FloatArray, infinity: float) -> FloatArray:
    return np.clip(values, -infinity, infinity)
