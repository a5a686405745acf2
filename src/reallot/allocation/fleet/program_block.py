"""Hosts with rules that arrays do not hold: a program each, kept in HiGHS where it is linear, answers to prices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...problem import AllocationProblem
from ...problem.arrays import FloatArray, IntArray
from ...problem.objective import value
from ...program import LinearProgram, Solution, Status
from ...program.certificate import dual_bound, worst_residual
from ...solvers.programs import mixed_integer
from ...solvers.programs.highs import HighsModel
from .block import ROUNDING, BlockAnswer
from .host_program import PAID, STAYS, host_point, host_program, host_schedule
from .judge import net_gain, paid_of
from .rows import SharedRows

MOST_KEPT = 2_000
"""Models that stay in HiGHS between rounds; more of them would take too much memory."""
SEARCH_SECONDS = 1.0
"""For one host with whole numbers, in one round."""
REMEMBERED = 24
"""Rounds whose shares are kept: no fewer than a shard asks for again."""


class ProgramBlock:
    """Every host of `shared` is a unit with a problem of its own; `problems` are by its place in the fleet.

    So is `own`: what each may do where its site takes nothing away.
    """

    def __init__(
        self,
        shared: SharedRows,
        problems: Mapping[int, AllocationProblem],
        protocols: tuple[str, ...],
        own: Mapping[int, AllocationProblem] | None = None,
    ) -> None:
        own = problems if own is None else own
        self.shared, self.places, self.weights = shared, shared.places, np.ones(shared.places.size)
        self.problems = [problems[int(h)] for h in shared.places]
        column = {name: p for p, name in enumerate(protocols)}
        self.at = [[column[name] for name in problem.names] for problem in self.problems]
        self.programs = [
            host_program(problem, own[int(h)]) for h, problem in zip(shared.places, self.problems, strict=True)
        ]
        self.counted = any(row.kind == "moving" for row in shared.rows)
        self.whole = self.counted or any(program.is_mixed_integer for program in self.programs)
        self._models: dict[int, HighsModel] = {}
        self._found: dict[bytes, FloatArray] = {}
        self._staying = [self._stay(u) for u in range(len(self.problems))]

    def __getstate__(self) -> dict[str, Any]:
        """HiGHS's models stay where they are; they are made again elsewhere."""
        return {**vars(self), "_models": {}}

    def _stay(self, u: int) -> FloatArray | None:
        """The point of the present shares; None where they break a rule of the host."""
        point = host_point(self.problems[u], self.programs[u], self.problems[u].arrays.staying)
        return point if worst_residual(self.programs[u], point)[0] <= STAYS else None

    def _gain(self, u: int, share: FloatArray, paid: float, moved: float) -> FloatArray:
        """The gains (columns,) of a host's program at prices; `share` (protocols,) is charged for what is held."""
        program, slices = self.programs[u], self.programs[u].column_slices
        data = self.problems[u].arrays
        gain = program.gain.copy()
        gain[slices["share"]] -= share[self.at[u]]
        gain[slices["increase"]] -= paid * data.cost_in + moved
        gain[slices["decrease"]] -= paid * data.cost_out + moved
        for name in PAID:
            if name in slices:
                gain[slices[name]] *= 1.0 + paid
        return gain

    def _solved(self, u: int, program: LinearProgram) -> Solution:
        if (program.lower > program.upper).any():
            return Solution(Status.INFEASIBLE)
        if program.is_mixed_integer:
            return mixed_integer.solve(program.beginning_at(self._staying[u]), time_limit_seconds=SEARCH_SECONDS)
        model = self._models.get(u)
        if model is None:
            model = HighsModel(program)
            if len(self._models) < MOST_KEPT:
                self._models[u] = model
        else:
            model.change_gain(program.gain)
        return model.solve()

    def _answers(self, prices: FloatArray, units: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Shares (units, protocols), the certified worth of each beyond staying, and True where there is none."""
        charges = self.shared.charges(prices)
        count, size = self.shared.table.shape
        share = np.broadcast_to(charges.share, (count, size))
        moved = np.broadcast_to(charges.moved, (count, 1))[:, 0]
        found = np.array(self.shared.table.current[units])
        bounds, failed = np.zeros(units.size), np.zeros(units.size, dtype=bool)
        for i, u in enumerate(units.tolist()):
            problem = self.problems[u]
            program = self.programs[u].with_numbers(gain=self._gain(u, share[u], charges.paid, float(moved[u])))
            solution = self._solved(u, program)
            if solution.values is None:
                failed[i] = True
                continue
            present = problem.arrays.current
            stay = value(problem, problem.arrays.staying).net - float(share[u, self.at[u]] @ present)
            if solution.row_prices is None:
                bound = np.inf if solution.bound is None else solution.bound
            else:
                bound = dual_bound(program, solution.row_prices)
            bound = max(bound, program.objective(solution.values))
            rounding = ROUNDING * float(np.abs(program.gain) @ np.maximum(np.abs(program.upper), np.abs(program.lower)))
            bounds[i] = bound - stay + rounding
            if self.counted and self._staying[u] is not None and bounds[i] <= charges.host:
                bounds[i] = 0.0
                continue
            bounds[i] -= charges.host
            found[i, self.at[u]] = host_schedule(problem, program, solution.values)[0]
        return found, bounds, failed

    def answer(self, prices: FloatArray) -> BlockAnswer:
        """The best answer of every host at these prices."""
        every = np.arange(len(self.problems))
        shares, bounds, failed = self._answers(prices, every)
        # among equals a kept model answers by where it came from: what was answered is what is taken
        self._found.pop(prices.tobytes(), None)
        self._found[prices.tobytes()] = shares
        if len(self._found) > REMEMBERED:
            del self._found[next(iter(self._found))]
        worth, paid = np.zeros(every.size), np.zeros(every.size)
        for u, problem in enumerate(self.problems):
            weighed = value(problem, shares[u, self.at[u]][None, :])
            worth[u], paid[u] = net_gain(problem, weighed), paid_of(weighed)
        use = self.shared.added(shares)
        for k, row in enumerate(self.shared.rows):
            if row.kind == "budget":
                use[:, k] = paid
        return BlockAnswer(float(bounds.sum()), worth, use, failed.astype(bool))

    def shares(self, prices: FloatArray, units: IntArray) -> tuple[IntArray, FloatArray]:
        """Rows of `places`, and the shares of these hosts at the prices."""
        found = self._found.get(prices.tobytes())
        return units, self._answers(prices, units)[0] if found is None else found[units]

    def hosts_of(self, units: IntArray) -> IntArray:
        """Every row is a unit."""
        return np.arange(units.size)

    def hosts_at(self, units: IntArray) -> IntArray:
        """Places of these hosts in the fleet."""
        return self.places[units]
