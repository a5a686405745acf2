"""What the shared rules charge each protocol's change: the rule's price times how much of it the change uses."""

from __future__ import annotations

import numpy as np

from ..formulation import complete, complete_prices, given_choices
from ..problem import CVaR, WorstCase
from ..problem.arrays import FloatArray, IntArray
from ..program import LinearProgram
from ..program.blocks import Columns
from ..solvers.interface.result import NoFeasibleSplit
from ..solvers.single_period import concave_curves
from .result import Allocation

OWN_ROWS = ("movement", "curve", "warm_up", "tier", "tier_reached", "tier_cap")
"""Rows that only tie a protocol's own columns together."""
NAMES = {
    "budget": "capacity",
    "bought": "turnover",
    "sold": "turnover",
    "bought_tier": "turnover_cost",
    "sold_tier": "turnover_cost",
    "largest_over": "largest",
    "tail": "risk",
    "worst_case": "risk",
    "drawdown_path": "risk",
    "deviation": "risk",
}


def charges(plan: Allocation) -> dict[str, FloatArray]:
    """{rule: USD over the horizon, (protocols,)} for the change from staying to the plan; credits are negative.

    The prices are one consistent set that supports the plan; with fees, units or counts, those given these choices.
    """
    problem = plan.problem
    program = plan.program
    point = complete(problem, program, plan.schedule)
    stay = complete(problem, program, np.tile(problem.arrays.current, (problem.periods, 1)))
    priced, prices = _prices(plan, program, point)
    owner = np.concatenate([_owners(plan, block) for block in priced.columns])
    change = point - stay
    rows, columns, values = priced.entries
    used = values * change[columns] * prices[rows]
    result: dict[str, FloatArray] = {}
    size = len(problem.names)
    for block in priced.rows:
        if block.name in OWN_ROWS:
            continue
        span = priced.row_slices[block.name]
        mine = (rows >= span.start) & (rows < span.stop) & (owner[columns] >= 0)
        charge = np.bincount(owner[columns][mine], weights=used[mine], minlength=size)
        if charge.any():
            name = NAMES.get(block.name, block.name)
            result[name] = result.get(name, np.zeros(size)) + charge
    if isinstance(problem.risk, (CVaR, WorstCase)) and problem.risk.weight > 0.0:
        gain = ((plan.value.earnings - plan.stay_value.earnings) * plan.value.hours).sum(axis=0)
        result["risk"] = result.get("risk", np.zeros(size)) + problem.risk.weight * gain
    return result


def _prices(plan: Allocation, program: LinearProgram, point: FloatArray) -> tuple[LinearProgram, FloatArray]:
    """The program whose rows are priced, and one set of row prices that supports the plan."""
    problem = plan.problem
    if concave_curves.why_ineligible(problem) is None:
        found = concave_curves.solve(problem)
        if not isinstance(found, NoFeasibleSplit):
            return program, complete_prices(problem, program, plan.schedule, *found[1:])
    from ..solvers.programs.highs import HighsModel

    priced = given_choices(problem, program, point) if program.is_mixed_integer else program
    solution = HighsModel(priced).solve()
    prices = solution.row_prices if solution.row_prices is not None else np.zeros(program.row_count)
    return priced, prices


def _owners(plan: Allocation, block: Columns) -> IntArray:
    """Which protocol each column of a block belongs to; -1 where shared rules do not count it (choices, risk)."""
    if block.name not in ("share", "increase", "decrease", "fill"):
        return np.full(len(block.labels), -1, dtype=np.intp)
    place = {name: i for i, name in enumerate(plan.problem.names)}
    firsts = [label[0] if isinstance(label, tuple) else label for label in block.labels]
    return np.array([place.get(str(first), -1) for first in firsts], dtype=np.intp)
