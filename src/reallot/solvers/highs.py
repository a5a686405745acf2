"""HiGHS through highspy: arrays in, objective scaled, model kept so that changed limits re-solve warm.

HiGHS's tolerances are absolute, so the objective is divided by its largest gain (a power of two near it) and the
scale is taken out of objective, prices and bound again. Every option is checked: a refused one is an error.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import SolverFailed
from ..program import LinearProgram, Solution, Status
from ..program.blocks import FloatArray

FEASIBILITY = 1e-9
NAME = "highs"


class HighsModel:
    """A LinearProgram kept inside HiGHS: change gains, bounds or row limits, solve again.

    Shapes are those of the program. `relaxed` drops the integrality; `fixed_gain` replaces the program's gain.
    """

    def __init__(
        self,
        program: LinearProgram,
        *,
        relaxed: bool = False,
        gain: FloatArray | None = None,
        time_limit_seconds: float | None = None,
    ) -> None:
        import highspy

        self._api = highspy
        self.program = program
        self.is_mixed_integer = program.is_mixed_integer and not relaxed
        self.highs: Any = highspy.Highs()  # type: ignore[no-untyped-call]
        self._set("output_flag", False)
        # not the 1e-10 that HiGHS also takes: there its mixed-integer search has lost optima
        self._set("primal_feasibility_tolerance", FEASIBILITY)
        self._set("dual_feasibility_tolerance", FEASIBILITY)
        if self.is_mixed_integer:
            self._set("mip_rel_gap", 0.0)
            self._set("mip_abs_gap", 0.0)
            self._set("mip_feasibility_tolerance", FEASIBILITY)
        if time_limit_seconds is not None:
            self._set("time_limit", float(time_limit_seconds))
        if _one_dense_row(program):
            self._set("presolve", "off")
        self.scale = 1.0
        self._pass(program.gain if gain is None else gain)

    def _set(self, option: str, value: Any) -> None:
        status = self.highs.setOptionValue(option, value)
        if status != self._api.HighsStatus.kOk:
            raise SolverFailed(f"HiGHS refused the option {option} = {value!r}")

    def _pass(self, gain: FloatArray) -> None:
        api, program = self._api, self.program
        self.scale = _scale(gain)
        lp = api.HighsLp()
        lp.num_col_, lp.num_row_ = program.column_count, program.row_count
        lp.col_cost_ = -gain / self.scale
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
        if self.highs.passModel(lp) == api.HighsStatus.kError:
            raise SolverFailed("HiGHS refused the program")

    def change_gain(self, gain: FloatArray) -> None:
        """New gains (columns,); the scale stays, so bases stay comparable."""
        count = gain.size
        self.highs.changeColsCost(count, np.arange(count, dtype=np.int32), -gain / self.scale)

    def change_columns(self, lower: FloatArray, upper: FloatArray) -> None:
        """New column bounds, (columns,) each."""
        count = lower.size
        self.highs.changeColsBounds(count, np.arange(count, dtype=np.int32), lower, upper)

    def change_rows(self, lower: FloatArray, upper: FloatArray) -> None:
        """New row limits, (rows,) each."""
        count, infinity = lower.size, self._api.kHighsInf
        self.highs.changeRowsBounds(
            count, np.arange(count, dtype=np.int32), _finite(lower, infinity), _finite(upper, infinity)
        )

    def solve(self) -> Solution:
        """The solution as the model stands, warm from the last basis where there is one."""
        self.highs.run()
        api, status = self._api.HighsModelStatus, self.highs.getModelStatus()
        detail = self.highs.modelStatusToString(status)
        if status in (api.kUnboundedOrInfeasible, api.kUnknown) or self._is_doubtful(status):
            # a second look without presolve, from scratch
            self.highs.clearSolver()
            _, before = self.highs.getOptionValue("presolve")
            self._set("presolve", "off")
            self.highs.run()
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


def _scale(gain: FloatArray) -> float:
    """A power of two near the largest gain, so that scaling costs no digits."""
    largest = float(np.abs(gain).max(initial=0.0))
    return 2.0 ** round(math.log2(largest)) if largest > 0.0 else 1.0


def _one_dense_row(program: LinearProgram) -> bool:
    """One row over all columns: presolve compares all its parallel columns, which is quadratic."""
    return program.row_count == 1 and program.column_count > 100


def _finite(values: FloatArray, infinity: float) -> FloatArray:
    return np.clip(values, -infinity, infinity)
