"""One-sided slopes of the optimum as limits move: exact derivatives from the tangent program at an optimum.

At an optimal point the value of loosening a limit by a little is itself a linear program. It finds the best direction
that respects every limit the point stands at, with those limits moved at their rates. Its right-hand sides are -1, 0
and 1 only, so there is no step length to choose. One HiGHS model serves all directions, warm.
"""

from __future__ import annotations

import numpy as np

from ...program import LinearProgram, Status
from ...program.blocks import FloatArray
from ...program.elastic import Loosening, Side
from ...program.tie_breaking import with_bounds
from .highs import HighsModel

ACTIVE = 1e-9


class Tangent:
    """The tangent program at an optimum `values` (columns,) of `program`; integer columns stay as they are.

    A limit counts as reached within `active` of it, as part of the value there (1 at least).
    """

    def __init__(self, program: LinearProgram, values: FloatArray, active: float = ACTIVE) -> None:
        near = active * np.maximum(1.0, np.abs(values))
        activity = program.activity(values)
        sizes = np.maximum(1.0, np.abs(activity))
        self.program = program
        self.fixed = program.integer
        self.at_lower = (values <= program.lower + near) | self.fixed
        self.at_upper = (values >= program.upper - near) | self.fixed
        self.row_at_lower = activity <= program.row_lower + active * sizes
        self.row_at_upper = activity >= program.row_upper - active * sizes
        self.model = HighsModel(with_bounds(program, program.lower, program.upper, integer=False), relaxed=True)

    def slope(self, loosening: Loosening, amount: float = 1.0) -> float:
        """Change of the optimum per unit as the limit changes by `amount` units (1 or -1); -inf where infeasible."""
        return self._solve(
            self._column(loosening.column_lower, amount),
            self._column(loosening.column_upper, amount),
            self._row(loosening.row_lower, amount),
            self._row(loosening.row_upper, amount),
        )

    def forced(self, column: int, amount: float) -> float:
        """Change of the optimum per unit if column `column` had to rise (1) or fall (-1) by one; -inf if it cannot."""
        zero, rows = np.zeros(self.program.column_count), np.zeros(self.program.row_count)
        return self._solve(zero, zero.copy(), rows, rows, forced=(column, amount))

    def _column(self, where: Side, amount: float) -> FloatArray:
        result = np.zeros(self.program.column_count)
        np.add.at(result, where[0], amount * where[1])
        return result

    def _row(self, where: Side, amount: float) -> FloatArray:
        result = np.zeros(self.program.row_count)
        np.add.at(result, where[0], amount * where[1])
        return result

    def _solve(
        self,
        lower: FloatArray,
        upper: FloatArray,
        row_lower: FloatArray,
        row_upper: FloatArray,
        forced: tuple[int, float] | None = None,
    ) -> float:
        low = np.where(self.at_lower, lower, -np.inf)
        high = np.where(self.at_upper, upper, np.inf)
        if forced is not None:
            place, amount = forced
            if not low[place] <= amount <= high[place]:
                return -np.inf
            low[place] = high[place] = amount
        if (low > high).any():
            return -np.inf
        self.model.change_columns(low, high)
        self.model.change_rows(
            np.where(self.row_at_lower, row_lower, -np.inf), np.where(self.row_at_upper, row_upper, np.inf)
        )
        solution = self.model.solve()
        if solution.status is Status.INFEASIBLE:
            return -np.inf
        if solution.status is not Status.OPTIMAL or solution.values is None:
            return np.nan
        return float(self.program.gain @ solution.values)
